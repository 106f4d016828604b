//! Computing.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "computing",
    about: &[
        "This is about [computers|computing|technology].",
        "[Programs|Software], devices and the internet.",
        "My computer is online.",
        "I write code and software.",
        "这是关于电脑的。",
        "电脑、软件和网络。",
    ],
    subjects: &[
        subject(&["laptop", "notebook"], &["笔记本电脑"]),
        subject(&["phone", "smartphone"], &["手机"]),
        subject(&["printer", "laser printer"], &["打印机"]),
        subject(&["keyboard", "wireless keyboard"], &["键盘"]),
        subject(&["monitor", "computer screen"], &["显示器", "电脑屏幕"]),
        subject(&["mouse", "computer mouse"], &["鼠标"]),
        subject(&["router", "wifi box"], &["路由器"]),
        subject(&["hard drive", "hard disk"], &["硬盘"]),
        subject(&["webcam", "computer camera"], &["摄像头"]),
        subject(&["headset", "headphones"], &["耳机"]),
        subject(&["tablet", "touch pad"], &["平板电脑"]),
        subject(&["scanner", "document scanner"], &["扫描仪"]),
    ],
    questions: &[
        Question {
            name: "broken",
            wordings: &[
                "My {x} [does not work|is broken|stopped working|is not working].",
                "How do I [fix|repair|get back to work] my {x}?",
                "What can I do when my {x} [fails|crashes|is dead]?",
                "There is [something wrong|a problem|an error] with my {x}.",
                "Why does my {x} not [start|respond|work] any more?",
            ],
            held: &["Something is wrong with the {x}, it does not start.", "The {x} stopped, can you fix it?"],
            answers: &[
                "Turn the {x} off and on again; if it still fails, [bring it to a shop|check the cable].",
                "If the {x} does not work, [restart it|check its cable|reset it].",
            ],
            chinese: &["我的{x}坏了。", "{x}[不能用|没有反应]怎么办？", "怎么修理{x}？"],
            chinese_held: "{x}坏了怎么修？",
        },
        Question {
            name: "choose",
            wordings: &[
                "Which {x} should I buy?",
                "What is [a good|the best] {x} [for the money|for work|at the moment]?",
                "[Can you recommend|Recommend me|Do you know] a good {x}?",
                "What [should I look|do I look] for when I buy a [new |]{x}?",
                "I [want|need] to buy a new {x}.",
            ],
            held: &["Recommend a {x} to buy.", "I look for a good new {x}, which one is best?"],
            answers: &[
                "A good {x} to buy is [light|quick|simple] and not expensive.",
                "When you buy a {x}, look at [its price|the tests|its quality].",
            ],
            chinese: &["[买|选]哪款{x}好？", "推荐一款{x}。", "我想买新的{x}。"],
            chinese_held: "你推荐买哪款{x}？",
        },
        Question {
            name: "connect",
            wordings: &[
                "How do I [connect|set up|install] [my|a|the new] {x}?",
                "[Help me|I want] to set up my {x}.",
                "How [is|do I get] the {x} connected to [the computer|the network|wifi]?",
                "The {x} [cannot connect|does not find the network|is offline].",
                "Which [cable|port|driver] do I need to connect a {x}?",
            ],
            held: &["I have to connect the {x} to the computer.", "What do I do to set up the new {x}?"],
            answers: &[
                "[Plug in|Connect] the {x}, [wait|install the driver], and follow the steps on the screen.",
                "Connect the {x} by [cable|wifi] and [install|set up] its driver.",
            ],
            chinese: &["怎么连接{x}？", "怎么[安装|设置]{x}？", "{x}连不上[网|电脑]。"],
            chinese_held: "{x}怎么连接电脑？",
        },
        Question {
            name: "clean",
            wordings: &[
                "How do I clean my {x}?",
                "What [do I use|is best] to clean a {x}?",
                "My {x} is [dirty|dusty|full of dust].",
                "How [do|can] I [remove|get] [dust|dirt] [from|off] a {x}?",
                "Can I [wipe|wash] my {x} with [water|alcohol]?",
            ],
            held: &["There is dust on my {x}, how can I remove it?", "What do I use to wipe a dirty {x}?"],
            answers: &[
                "Clean the {x} with a [soft|dry] cloth and [some alcohol|no water].",
                "To remove dust, wipe the {x} [gently|with a dry cloth].",
            ],
            chinese: &["怎么清洁{x}？", "{x}很脏，怎么擦？", "用什么擦{x}？"],
            chinese_held: "{x}脏了怎么清洁？",
        },
    ],
};
