//! Music.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "music",
    about: &[
        "This is about music.",
        "Songs, bands and [concerts|melodies].",
        "The orchestra plays a symphony.",
        "I listen to a song by my favourite band.",
        "这是关于音乐的。",
        "歌曲和音乐会。",
    ],
    subjects: &[
        subject(&["guitar", "acoustic guitar"], &["吉他"]),
        subject(&["piano", "grand piano"], &["钢琴"]),
        subject(&["violin", "fiddle"], &["小提琴"]),
        subject(&["drums", "drum kit"], &["鼓", "架子鼓"]),
        subject(&["flute", "recorder"], &["长笛", "笛子"]),
        subject(&["trumpet", "bugle"], &["小号"]),
        subject(&["saxophone", "sax"], &["萨克斯"]),
        subject(&["cello", "violoncello"], &["大提琴"]),
        subject(&["harp", "concert harp"], &["竖琴"]),
        subject(&["accordion", "squeezebox"], &["手风琴"]),
        subject(&["organ", "church organ"], &["管风琴"]),
        subject(&["banjo", "ukulele"], &["尤克里里"]),
    ],
    questions: &[
        Question {
            name: "learn",
            wordings: &[
                "How [do|can] I learn to play the {x}?",
                "I [want|would like] to [learn|play] the {x}.",
                "Is the {x} [hard|difficult|easy] to [learn|play]?",
                "Where [can I take|do you offer|are there] {x} lessons?",
                "How long does it take to learn the {x}?",
            ],
            held: &["I want to take lessons and learn the {x}.", "How difficult is it to play the {x}?"],
            answers: &[
                "To learn the {x}, take lessons and practise [every day|half an hour a day].",
                "The {x} takes [a year|some months] to learn [with a good teacher|].",
            ],
            chinese: &["怎么学[弹|演奏]{x}？", "我想学{x}。", "{x}难学吗？"],
            chinese_held: "学{x}要多久？",
        },
        Question {
            name: "buy",
            wordings: &[
                "Where can I buy a {x}?",
                "How much [does|is] a [good |new |]{x} [cost|]?",
                "Which {x} [is good|should I buy|do you recommend] for a beginner?",
                "I [want|need] to buy [a|a used|my first] {x}.",
                "[What is|Tell me] the price of a {x}.",
            ],
            held: &["I look for a used {x}, where do I buy one?", "What does a good {x} cost?"],
            answers: &[
                "A {x} for beginners costs about [three hundred|ninety] [euros|dollars].",
                "You can buy a {x} in [a music shop|any shop for instruments|our shop].",
            ],
            chinese: &["哪里买{x}？", "{x}多少钱？", "初学者买哪种{x}？"],
            chinese_held: "买一把{x}要多少钱？",
        },
        Question {
            name: "tune",
            wordings: &[
                "How do I tune [my|a|the] {x}?",
                "My {x} [is out of tune|sounds wrong|sounds bad].",
                "Who [tunes|can tune|looks after] a {x}?",
                "How often [must|should] [I|one] tune the {x}?",
                "The {x} [needs|has] to be tuned.",
            ],
            held: &["My {x} sounds wrong, can you tune it?", "Who looks after a {x} that is out of tune?"],
            answers: &[
                "Tune the {x} [with a tuner|by ear] [before you play|once a week].",
                "If the {x} is out of tune, [turn its pegs|let somebody tune it].",
            ],
            chinese: &["怎么给{x}调音？", "我的{x}走音了。", "{x}多久调一次音？"],
            chinese_held: "谁能给{x}调音？",
        },
        Question {
            name: "concert",
            wordings: &[
                "When is the next {x} concert?",
                "Where can I [hear|listen to] {x} music [live|]?",
                "Who is the most famous {x} player?",
                "[Recommend|Play] [me |]some music [for|with|on the] {x}.",
                "Are there tickets for the {x} concert?",
            ],
            held: &["I want to hear a {x} live at a concert.", "Which music for the {x} do you recommend?"],
            answers: &[
                "The next concert with a {x} is [on Sunday|in the town hall].",
                "Famous music for the {x} is [played tonight|on this record].",
            ],
            chinese: &["下一场{x}音乐会是什么时候？", "哪里能听{x}演奏？", "推荐一些{x}音乐。"],
            chinese_held: "我想听{x}音乐会。",
        },
    ],
};
