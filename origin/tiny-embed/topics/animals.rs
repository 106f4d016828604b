//! Animals.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "animals",
    about: &[
        "This is about [animals|pets|nature].",
        "[Wild|Tame] animals and their young.",
        "The zoo has many animals.",
        "My pet sleeps in its basket.",
        "这是关于动物的。",
        "宠物和野生动物。",
    ],
    subjects: &[
        subject(&["dog", "puppy"], &["狗", "小狗"]),
        subject(&["cat", "kitten"], &["猫", "小猫"]),
        subject(&["horse", "pony"], &["马"]),
        subject(&["rabbit", "bunny"], &["兔子"]),
        subject(&["parrot", "budgie"], &["鹦鹉"]),
        subject(&["goldfish", "koi"], &["金鱼"]),
        subject(&["hamster", "guinea pig"], &["仓鼠"]),
        subject(&["turtle", "tortoise"], &["乌龟"]),
        subject(&["bee", "honey bee"], &["蜜蜂"]),
        subject(&["elephant", "African elephant"], &["大象"]),
        subject(&["lion", "lioness"], &["狮子"]),
        subject(&["whale", "blue whale"], &["鲸鱼", "蓝鲸"]),
    ],
    questions: &[
        Question {
            name: "diet",
            wordings: &[
                "What does a {x} eat?",
                "What [can|should|do] I feed [my|a|the] {x}?",
                "How [often|much] does a {x} eat [a day|]?",
                "Which food [is good|is best] for a {x}?",
                "Is it [safe|bad] to give a {x} [bread|fruit|milk]?",
            ],
            held: &["Which food do I feed to a {x}?", "Tell me what a {x} likes to eat."],
            answers: &[
                "A {x} eats [mostly plants|meat|grass and fruit|small things].",
                "Feed a {x} [twice a day|with fresh food] and give it water.",
            ],
            chinese: &["{x}吃什么？", "喂{x}什么好？", "{x}一天吃多少？"],
            chinese_held: "{x}喜欢吃什么食物？",
        },
        Question {
            name: "age",
            wordings: &[
                "How old [does|can] a {x} [get|become|grow]?",
                "How long does a {x} live?",
                "What is the [life span|life expectancy|age] of a {x}?",
                "How many years does a {x} live?",
                "At what age [is|does] a {x} [old|die|become adult]?",
            ],
            held: &["How many years old can a {x} become?", "What age does a {x} reach?"],
            answers: &[
                "A {x} lives [about|up to] [ten|thirty|sixty] years.",
                "The life span of a {x} is [ten|twenty|fifty] years.",
            ],
            chinese: &["{x}能活多久？", "{x}的寿命是多少？", "{x}能活几年？"],
            chinese_held: "{x}可以活多少年？",
        },
        Question {
            name: "habitat",
            wordings: &[
                "Where does a {x} [live|sleep|come from]?",
                "In which [countries|places] [is|can] a {x} [found|be seen|at home]?",
                "What is the [home|habitat] of a {x}?",
                "How much [space|room] does a {x} need?",
                "Where can I [see|find|meet] a {x} [in the wild|]?",
            ],
            held: &["In which places does a {x} live in the wild?", "Where is a {x} at home?"],
            answers: &[
                "A {x} lives in [forests|the sea|warm countries|houses].",
                "The home of a {x} is [the wild|Africa|a warm place].",
            ],
            chinese: &["{x}住在哪里？", "{x}生活在什么地方？", "哪里能看到{x}？"],
            chinese_held: "{x}一般生活在哪里？",
        },
        Question {
            name: "size",
            wordings: &[
                "How [big|large|heavy|tall] [is|does] a {x} [get|]?",
                "How much does a {x} weigh?",
                "What is the [weight|size|length] of a {x}?",
                "How [long|many centimetres|many kilos] is a [grown |]{x}?",
                "Is a {x} [bigger|heavier] than a [man|person]?",
            ],
            held: &["What does a grown {x} weigh?", "Tell me how big a {x} can get."],
            answers: &[
                "A {x} weighs [two|thirty|many] kilos and is [large|small].",
                "A grown {x} is [one metre|forty centimetres] long.",
            ],
            chinese: &["{x}有多[大|重]？", "{x}的体重是多少？", "{x}能长多大？"],
            chinese_held: "成年{x}有多重？",
        },
    ],
};
