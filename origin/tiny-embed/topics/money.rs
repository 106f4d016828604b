//! Money.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "money",
    about: &[
        "This is about [money|finance].",
        "Banks, payments and [costs|savings].",
        "The bank pays interest on what we save.",
        "I have no money left this month.",
        "这是关于钱的。",
        "银行和存款。",
    ],
    subjects: &[
        subject(&["bank account", "current account"], &["银行账户", "银行户头"]),
        subject(&["credit card", "Visa card"], &["信用卡"]),
        subject(&["loan", "bank credit"], &["贷款"]),
        subject(&["mortgage", "home loan"], &["房贷", "按揭"]),
        subject(&["savings plan", "savings account"], &["储蓄计划", "储蓄账户"]),
        subject(&["pension plan", "retirement plan"], &["养老金计划", "退休金"]),
        subject(&["life insurance", "life policy"], &["人寿保险"]),
        subject(&["share portfolio", "stock portfolio"], &["股票", "股票账户"]),
        subject(&["debit card", "cash card"], &["借记卡"]),
        subject(&["investment fund", "index fund"], &["基金", "投资基金"]),
        subject(&["car insurance", "motor insurance"], &["车险", "汽车保险"]),
        subject(&["student grant", "scholarship"], &["奖学金", "助学金"]),
    ],
    questions: &[
        Question {
            name: "open",
            wordings: &[
                "How [do|can] I [open|apply for|get] a {x}?",
                "I [want|would like] to [open|apply for|take out] a {x}.",
                "Where [do|can] I [apply for|sign up for|open] a {x}?",
                "What [papers|documents] do I need [to open|to apply for|for] a {x}?",
                "Help me to [get|open|apply for] a {x}.",
            ],
            held: &["I need a {x}, how do I apply?", "Where can I sign up to get a {x}?"],
            answers: &[
                "You can [open|apply for] a {x} [online|at any branch] with your [identity card|papers].",
                "To get a {x}, fill in the form and bring [your papers|proof of income].",
            ],
            chinese: &["怎么[办理|申请]{x}？", "我想[办理|申请]{x}。", "[申请|办理]{x}需要什么材料？"],
            chinese_held: "在哪里可以申请{x}？",
        },
        Question {
            name: "close",
            wordings: &[
                "How [do|can] I [close|end|terminate] my {x}?",
                "I [want|would like] to [close|end|get rid of] my {x}.",
                "What happens when I [end|close] the {x}?",
                "[Terminate|Close|End] my {x} [please|at the end of the month].",
                "I no longer [need|want] my {x}.",
            ],
            held: &["Please end my {x}.", "I want to terminate the {x} at the end of the month."],
            answers: &[
                "To [close|end] your {x}, send us a [letter|signed form].",
                "Your {x} [is closed|ends] at the end of the month.",
            ],
            chinese: &["怎么[注销|终止]{x}？", "我想[注销|终止]{x}。", "我不再需要{x}了。"],
            chinese_held: "请帮我终止{x}。",
        },
        Question {
            name: "fees",
            wordings: &[
                "What [fees|charges] does a {x} have?",
                "How high are the [fees|charges|costs] of a {x}?",
                "[What does|How much does] a {x} cost [per year|a month|each year]?",
                "Is a {x} free of [charge|fees]?",
                "What interest do I [pay|get] with a {x}?",
            ],
            held: &["How much is charged for a {x} each year?", "Are there any fees with a {x}?"],
            answers: &[
                "A {x} costs [ten|twenty|no] [euros|dollars] a [year|month] in fees.",
                "The yearly charges of a {x} are [low|about two percent].",
            ],
            chinese: &["{x}的[手续费|费用]是多少？", "{x}每年收多少费？", "{x}免费吗？"],
            chinese_held: "{x}有哪些费用？",
        },
        Question {
            name: "safety",
            wordings: &[
                "Is [my|a] {x} [safe|secure|protected]?",
                "How [safe|secure|risky] is a {x}?",
                "Can I lose money with a {x}?",
                "What is the risk of a {x}?",
                "Is a {x} protected [against fraud|if the bank fails|by the state]?",
            ],
            held: &["How big is the risk of a {x}?", "Am I protected against fraud with my {x}?"],
            answers: &[
                "A {x} is [safe|protected] [by law|against fraud|up to a limit].",
                "The risk of a {x} is [small|moderate], and [the state|the bank] protects you.",
            ],
            chinese: &["{x}安全吗？", "{x}有什么风险？", "{x}会[亏钱|有损失]吗？"],
            chinese_held: "{x}的风险大吗？",
        },
    ],
};
