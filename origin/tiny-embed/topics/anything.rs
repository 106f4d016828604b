//! What is said of every subject, whatever its topic.

use super::topic::Question;

pub(super) const QUESTIONS: [Question; 3] = [
    Question {
        name: "about",
        wordings: &[
            "{x}",
            "[Tell|Teach] me [something|more|everything] about {x}.",
            "I have a question about {x}.",
            "I [read|wrote] [an article|a text|a book] about {x} [yesterday|].",
            "[General facts|Some information|Facts] about {x}.",
            "What is {x}?",
        ],
        held: &["I would like to know more about {x}.", "Give me some facts about {x}."],
        answers: &["This [article|page|text] is about {x}.", "Here is [some information|what we know] about {x}."],
        chinese: &["{x}", "[介绍|说说]{x}。", "什么是{x}？", "我有一个关于{x}的问题。"],
        chinese_held: "告诉我关于{x}的信息。",
    },
    Question {
        name: "like",
        wordings: &[
            "I [love|like|adore|enjoy] {x} [very much|a lot|].",
            "{x} is [great|wonderful|my favourite|the best].",
            "I am [happy|glad|pleased] about {x}.",
            "What a [nice|wonderful|great] {x}!",
            "I [really|always] [like|love|enjoy] {x}.",
        ],
        held: &["I am so happy with {x}, I love it.", "I like {x} best of all."],
        answers: &["It is [nice|great] that you like {x}.", "[Many people|We] love {x} too."],
        chinese: &["我[喜欢|爱]{x}。", "{x}[太棒了|真好]。", "我很高兴有{x}。"],
        chinese_held: "我最喜欢{x}了。",
    },
    Question {
        name: "dislike",
        wordings: &[
            "I [hate|dislike|do not like|can't stand] {x}.",
            "{x} is [awful|terrible|the worst|horrible].",
            "I am [angry|unhappy|annoyed] about {x}.",
            "What a [terrible|horrible|bad] {x}!",
            "I [really|always] [hate|dislike] {x}.",
        ],
        held: &["I am so annoyed, {x} is horrible.", "I do not like {x} at all."],
        answers: &["It is a pity that you do not like {x}.", "[Many people|We] hate {x} too."],
        chinese: &["我[讨厌|不喜欢]{x}。", "{x}[太糟糕|很差]了。", "{x}让我生气。"],
        chinese_held: "我一点也不喜欢{x}。",
    },
];
