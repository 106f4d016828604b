//! Travel.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "travel",
    about: &[
        "This is about [travel|travelling].",
        "[Trips|Journeys] and holidays abroad.",
        "We are going on a [trip|journey] to another [city|country].",
        "The plane, the station, the luggage and the passport.",
        "这是关于旅行的。",
        "我们要去旅行。",
    ],
    subjects: &[
        subject(&["flight", "plane ticket"], &["机票", "航班"]),
        subject(&["train ticket", "rail ticket"], &["火车票"]),
        subject(&["hotel room", "room in a hotel"], &["酒店房间", "酒店"]),
        subject(&["taxi", "cab"], &["出租车", "的士"]),
        subject(&["rental car", "hire car"], &["租车"]),
        subject(&["bus trip", "coach ride"], &["大巴", "长途汽车票"]),
        subject(&["cruise", "trip on a cruise ship"], &["游轮", "邮轮旅行"]),
        subject(&["ferry crossing", "boat trip"], &["渡轮", "船票"]),
        subject(&["guided tour", "sightseeing tour"], &["导游团", "观光团"]),
        subject(&["beach holiday", "seaside vacation"], &["海滩度假"]),
        subject(&["campsite", "camping place"], &["露营地"]),
        subject(&["hostel bed", "bed in a youth hostel"], &["青年旅舍床位"]),
    ],
    questions: &[
        Question {
            name: "book",
            wordings: &[
                "How [do|can] I [book|reserve|order] a {x}?",
                "I [want|would like|need] to [book|reserve] a {x} [for two people|for Friday|please].",
                "Where can I [book|reserve|get] a {x}?",
                "[Could you|Can you|Please] [book|reserve|arrange] a {x} for me.",
                "Make a [reservation|booking] for a {x}.",
                "What is the [easiest|best] way to [book|reserve] a {x}?",
            ],
            held: &["I would like to make a reservation for a {x}.", "Where do I order a {x}?"],
            answers: &[
                "You can [book|reserve] a {x} [online|by phone|at the counter].",
                "Your {x} is [booked|reserved]; the [confirmation|booking] comes by mail.",
            ],
            chinese: &["怎么[预订|订]{x}？", "我想[预订|订]{x}。", "在哪里可以预订{x}？"],
            chinese_held: "请帮我预订{x}。",
        },
        Question {
            name: "cancel",
            wordings: &[
                "How [do|can] I [cancel|call off] my {x}?",
                "I [want|need|have] to cancel the {x} that I booked.",
                "Can I [get my money back|have a refund|be refunded] for the {x}?",
                "I [cannot|can't] travel any more, [cancel|please cancel] my {x}.",
                "Is [cancelling|a cancellation of] the {x} [free|possible]?",
            ],
            held: &["Please cancel the {x} for me.", "I do not need the {x} any more and want a refund."],
            answers: &[
                "You can cancel the {x} [free of charge|until the day before] and get [a refund|your money back].",
                "The {x} is cancelled, and [the money|a refund] is on its way.",
            ],
            chinese: &["怎么取消{x}？", "我要[取消|退掉]{x}。", "{x}可以退款吗？"],
            chinese_held: "我想取消{x}并退款。",
        },
        Question {
            name: "price",
            wordings: &[
                "How much [is|does] a {x} [cost|to pay]?",
                "What [is the price|are the prices] of a {x}?",
                "What does a {x} cost [on average|these days|per person]?",
                "Is a {x} [expensive|cheap|affordable]?",
                "[Find|Show] me the [cheapest|lowest price for a] {x}.",
                "How much [do I have to|will I] pay for a {x}?",
            ],
            held: &["What will I pay for a {x}?", "How expensive is a {x}?"],
            answers: &[
                "A {x} [costs|is] about [eighty|forty|two hundred] [euros|dollars].",
                "The price of a {x} [starts at|is] [fifty|thirty] [euros|dollars].",
            ],
            chinese: &["{x}多少钱？", "{x}的价格是多少？", "{x}贵吗？"],
            chinese_held: "{x}要花多少钱？",
        },
        Question {
            name: "change",
            wordings: &[
                "Can I [change|move|shift] the [date|day|time] of my {x}?",
                "I [want|need] to [reschedule|postpone|move] my {x} [to next week|to another day|].",
                "How do I [change|move] my {x} to [another|a later|an earlier] [day|date]?",
                "Is it possible to [postpone|reschedule] the {x}?",
                "[Put off|Move] my {x} [to Monday|by a week].",
            ],
            held: &["Can my {x} be moved to a later day?", "I need another date for my {x}."],
            answers: &[
                "Your {x} can be [moved|changed] to another [day|date] [for a small fee|online].",
                "The {x} is now on [Monday|Friday|the new date].",
            ],
            chinese: &["{x}可以改[日期|时间]吗？", "我想把{x}改到[下周|另一天]。", "怎么更改{x}的日期？"],
            chinese_held: "我想更改{x}的时间。",
        },
    ],
};
