//! House and garden.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "home",
    about: &[
        "This is about the [house|home|flat].",
        "Rooms, furniture and the garden.",
        "We moved to a new [house|flat].",
        "The living room has a sofa and a carpet.",
        "这是关于家居的。",
        "房间和家具。",
    ],
    subjects: &[
        subject(&["kitchen sink", "washbasin"], &["水槽", "洗手池"]),
        subject(&["washing machine", "laundry machine"], &["洗衣机"]),
        subject(&["lamp", "ceiling light"], &["灯", "吊灯"]),
        subject(&["front door", "entrance door"], &["大门", "前门"]),
        subject(&["window", "window pane"], &["窗户"]),
        subject(&["roof", "rooftop"], &["屋顶"]),
        subject(&["heating", "radiator"], &["暖气"]),
        subject(&["fridge", "refrigerator"], &["冰箱"]),
        subject(&["carpet", "rug"], &["地毯"]),
        subject(&["sofa", "couch"], &["沙发"]),
        subject(&["garden fence", "fence around the garden"], &["花园围栏", "篱笆"]),
        subject(&["oven", "kitchen stove"], &["烤箱", "炉灶"]),
    ],
    questions: &[
        Question {
            name: "repair",
            wordings: &[
                "The {x} [is broken|does not work|is damaged], who can repair it?",
                "How [do|can] I [repair|mend|fix] the {x}?",
                "I [need|look for] somebody to [repair|fix] the {x}.",
                "[Who|Which craftsman] [repairs|fixes] a {x}?",
                "There is a [hole|leak|crack] in the {x}.",
            ],
            held: &["Can somebody fix the broken {x}?", "I want to mend the damaged {x}."],
            answers: &[
                "A craftsman can repair the {x} [this week|tomorrow].",
                "To repair the {x} you need [tools|a new part|some glue].",
            ],
            chinese: &["{x}坏了，谁能修？", "怎么修{x}？", "我要找人修{x}。"],
            chinese_held: "可以修好坏掉的{x}吗？",
        },
        Question {
            name: "clean",
            wordings: &[
                "How [do|can] I clean the {x}?",
                "What [removes|is good against] [stains|dirt] on the {x}?",
                "The {x} is [dirty|full of stains|dusty].",
                "How often should I clean the {x}?",
                "Which [soap|cleaner] is best for the {x}?",
            ],
            held: &["The {x} has stains, how do I remove them?", "What is best to clean a dirty {x}?"],
            answers: &[
                "Clean the {x} with [warm water|soap|vinegar] [once a week|and a cloth].",
                "Stains on the {x} go away with [soap|vinegar].",
            ],
            chinese: &["怎么清洁{x}？", "{x}很脏怎么办？", "{x}上的污渍怎么去掉？"],
            chinese_held: "用什么清洁{x}最好？",
        },
        Question {
            name: "buy",
            wordings: &[
                "Where can I buy a [new |]{x}?",
                "I [want|need] to buy a new {x}.",
                "How much [does|is] a new {x} [cost|]?",
                "Which {x} [is best|should I buy|do you recommend]?",
                "We have to replace the [old |]{x} [with a new one|].",
            ],
            held: &["We look for a new {x}, where do we buy it?", "What does it cost to replace the {x}?"],
            answers: &[
                "A new {x} costs about [two hundred|ninety|five hundred] [euros|dollars] in a [furniture|hardware] shop.",
                "You can buy a {x} [online|in a shop nearby].",
            ],
            chinese: &["哪里买新的{x}？", "我想买{x}。", "新的{x}多少钱？"],
            chinese_held: "换一个新的{x}要多少钱？",
        },
        Question {
            name: "install",
            wordings: &[
                "How do I [install|put in|mount] a {x}?",
                "Can I [install|mount] the {x} [by myself|without help]?",
                "Who [installs|puts in] a {x}?",
                "Which tools do I need to [install|put in|mount] a {x}?",
                "I [want|need] to [install|put in] a {x} [in my flat|myself].",
            ],
            held: &["Is it hard to install the {x} by myself?", "I need somebody who puts in the {x}."],
            answers: &[
                "To install a {x}, [measure first|read the manual] and use [screws|the right tools].",
                "You can mount the {x} [by yourself|with the help of a friend].",
            ],
            chinese: &["怎么安装{x}？", "我能自己装{x}吗？", "安装{x}需要什么工具？"],
            chinese_held: "谁能帮我安装{x}？",
        },
    ],
};
