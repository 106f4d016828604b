//! Sport.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "sport",
    about: &[
        "This is about [sport|sports|games].",
        "Teams, matches and [training|trophies].",
        "The player scored in the last minute of the match.",
        "He drove to the stadium to watch the game.",
        "这是关于运动的。",
        "球队和比赛。",
    ],
    subjects: &[
        subject(&["football", "soccer"], &["足球"]),
        subject(&["tennis", "lawn tennis"], &["网球"]),
        subject(&["basketball", "street basketball"], &["篮球"]),
        subject(&["swimming", "swimming in a pool"], &["游泳"]),
        subject(&["running", "jogging"], &["跑步", "慢跑"]),
        subject(&["cycling", "bike racing"], &["骑自行车", "自行车赛"]),
        subject(&["chess", "the game of chess"], &["国际象棋", "象棋"]),
        subject(&["boxing", "kickboxing"], &["拳击"]),
        subject(&["skiing", "downhill skiing"], &["滑雪"]),
        subject(&["golf", "mini golf"], &["高尔夫"]),
        subject(&["volleyball", "beach volleyball"], &["排球"]),
        subject(&["table tennis", "ping pong"], &["乒乓球"]),
    ],
    questions: &[
        Question {
            name: "learn",
            wordings: &[
                "How [do|can] I [learn|start with|get into] {x}?",
                "I [want|would like] to [learn|take up|start] {x}.",
                "Is {x} [hard|difficult|easy] to learn?",
                "Where [do|can] [beginners|children] [learn|take lessons in] {x}?",
                "[Give me|Do you have] tips for beginners in {x}.",
            ],
            held: &["I am a beginner and want to start with {x}.", "Where can I take lessons to learn {x}?"],
            answers: &[
                "To learn {x}, [take lessons|join a club] and practise [every week|often].",
                "Beginners learn {x} [in a club|with a coach|within a few months].",
            ],
            chinese: &["怎么学{x}？", "我想学{x}。", "{x}难学吗？"],
            chinese_held: "初学者在哪里学{x}？",
        },
        Question {
            name: "rules",
            wordings: &[
                "What are the rules of {x}?",
                "[Explain|Tell me] the rules of {x}.",
                "How [is|does one play] {x} [played|by the rules]?",
                "What is [allowed|not allowed|forbidden] in {x}?",
                "How do you [count points|score|win] in {x}?",
            ],
            held: &["Can you explain to me which rules {x} has?", "How are points counted in {x}?"],
            answers: &[
                "The rules of {x} say [who gets a point|what is allowed|how one wins].",
                "In {x} you win [by points|when you score more than the others].",
            ],
            chinese: &["{x}的规则是什么？", "[解释|告诉我]{x}的规则。", "{x}怎么[得分|计分]？"],
            chinese_held: "请说明{x}有什么规则。",
        },
        Question {
            name: "watch",
            wordings: &[
                "Where can I [watch|see] {x} [live|on television|tonight|online]?",
                "Which channel [shows|broadcasts|has] {x}?",
                "Is {x} on [television|TV] [tonight|today|this weekend]?",
                "When [is|does] the next {x} [event|final] [on|start]?",
                "I want to [watch|see] {x} [live|on television].",
            ],
            held: &["On which channel is {x} tonight?", "Can I watch {x} online?"],
            answers: &[
                "You can watch {x} [live on television|on channel four|online] [tonight|on Sunday].",
                "{x} is shown [on television|online] [at eight|tonight].",
            ],
            chinese: &["在哪里[看|观看]{x}直播？", "哪个频道[播|有]{x}？", "今晚电视上有{x}吗？"],
            chinese_held: "今晚哪里可以看{x}？",
        },
        Question {
            name: "gear",
            wordings: &[
                "What [equipment|gear] do I need for {x}?",
                "Which [shoes|clothes] are [best|right] for {x}?",
                "What do I have to buy [to do|for|before I start with] {x}?",
                "Where can I [buy|get|rent] [equipment|gear] for {x}?",
                "[Is|How expensive is] the [equipment|gear] for {x} [expensive|]?",
            ],
            held: &["Which gear do I have to buy for {x}?", "What equipment is needed for {x}?"],
            answers: &[
                "For {x} you need [good shoes|the right clothes|a little equipment].",
                "The gear for {x} can be [bought|rented] [in a sports shop|cheaply].",
            ],
            chinese: &["{x}需要什么装备？", "{x}要买什么[装备|鞋]？", "哪里买{x}的装备？"],
            chinese_held: "开始{x}需要买哪些装备？",
        },
    ],
};
