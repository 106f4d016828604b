//! Weather.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "weather",
    about: &[
        "This is about the weather.",
        "The weather [report|forecast].",
        "What is it like outside?",
        "The sky, the temperature and the air outside.",
        "The weather is [lovely|beautiful|nice|awful|bad] today.",
        "这是关于天气的。",
        "今天天气[很好|不好]。",
    ],
    subjects: &[
        subject(&["rain", "showers", "wet weather"], &["雨", "下雨"]),
        subject(&["snow", "snowfall"], &["雪", "下雪"]),
        subject(&["wind", "strong gusts", "a breeze"], &["风", "大风"]),
        subject(&["fog", "mist"], &["雾", "大雾"]),
        subject(&["a thunderstorm", "thunder and lightning"], &["雷雨", "打雷"]),
        subject(&["sunshine", "sunny weather", "clear sky"], &["晴天", "阳光"]),
        subject(&["frost", "ice"], &["霜冻", "结冰"]),
        subject(&["hail", "hailstones"], &["冰雹"]),
        subject(&["a heatwave", "very hot weather"], &["热浪", "高温"]),
        subject(&["clouds", "an overcast sky"], &["多云", "阴天"]),
        subject(&["a hurricane", "a typhoon"], &["台风", "飓风"]),
        subject(&["a cold spell", "freezing cold"], &["寒潮", "低温"]),
    ],
    questions: &[
        Question {
            name: "forecast",
            wordings: &[
                "Will there be {x} [today|tomorrow|tonight]?",
                "Does the forecast [say|show|promise] {x} [tomorrow|for tomorrow|this weekend]?",
                "Is {x} [expected|coming|likely] [today|tomorrow|this week]?",
                "[What are the chances|How likely is it that we get|What is the chance] of {x} [tomorrow|today]?",
                "[Do they predict|Are they predicting|Have they announced] {x} for [the weekend|tomorrow]?",
                "Are we going to [get|have|see] {x} [later|tomorrow|this week]?",
            ],
            held: &["Should we expect {x} tomorrow?", "Is there a chance that we will see {x} this weekend?"],
            answers: &[
                "{x} is [expected|likely] [tomorrow|this afternoon], [the forecast says|with a chance of sixty percent].",
                "The forecast [shows|promises] {x} [for tomorrow|by the evening].",
            ],
            chinese: &["明天会有{x}吗？", "天气预报说有{x}吗？", "[今天|周末]可能有{x}吗？"],
            chinese_held: "预报明天有{x}吗？",
        },
        Question {
            name: "end",
            wordings: &[
                "When will {x} [stop|end|be over|go away]?",
                "How [long|many hours] will {x} [last|go on|continue|stay]?",
                "[Until when|For how long] will we have {x}?",
                "Is {x} going to [end|stop|be over] soon?",
                "When does {x} finally [stop|go away|end]?",
            ],
            held: &["How much longer will {x} go on?", "When is {x} going to be over?"],
            answers: &[
                "{x} will [stop|be over|end] [by noon|before the evening|in a few hours].",
                "It will last [until tonight|a few hours more], then {x} [goes away|ends].",
            ],
            chinese: &["{x}什么时候[停|结束]？", "{x}会持续多久？", "{x}还要多长时间[结束|过去]？"],
            chinese_held: "{x}要多久才结束？",
        },
        Question {
            name: "clothes",
            wordings: &[
                "What should I wear [in|for|when there is] {x}?",
                "Which [clothes|jacket|shoes] [do I need|should I take|are good] for {x}?",
                "How do I dress for {x}?",
                "What [do people wear|clothing is right|clothes are best] in {x}?",
                "Do I need [a coat|a hat|an umbrella] [for|because of] {x}?",
            ],
            held: &["What clothes do I need when there is {x}?", "How should I dress in {x}?"],
            answers: &[
                "For {x} wear [a good jacket|the right clothes|solid shoes] and take [a hat|an umbrella].",
                "Dress [in layers|well] when there is {x}.",
            ],
            chinese: &["{x}[时|的时候]穿什么？", "{x}要穿什么衣服？", "{x}需要带[伞|外套]吗？"],
            chinese_held: "遇到{x}应该穿什么衣服？",
        },
        Question {
            name: "cause",
            wordings: &[
                "Why [is there|do we get|does it come to] {x}?",
                "What [causes|brings|makes] {x}?",
                "How does {x} [form|develop|come about|arise]?",
                "Explain [where|how|why] {x} comes [from|about].",
                "What is the [reason|cause|science] [behind|of|for] {x}?",
            ],
            held: &["Where does {x} come from?", "Explain to me what causes {x}."],
            answers: &[
                "{x} [forms|develops] when [warm|moist|cold] air [rises and cools|meets cold air].",
                "The cause of {x} is [air pressure|moving air|the temperature of the air].",
            ],
            chinese: &["为什么会有{x}？", "{x}是怎么形成的？", "{x}的原因是什么？"],
            chinese_held: "{x}为什么会形成？",
        },
    ],
};
