//! Sluice itself.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "sluice",
    about: &[
        "This is about Sluice.",
        "Two gates in front of a language model.",
        "The edge gate and the origin gate limit requests.",
        "Sluice is a gateway for [language models|an API].",
        "这是关于 Sluice 的。",
        "语言模型前面的网关。",
    ],
    subjects: &[
        subject(&["API key", "access key"], &["API 密钥", "密钥"]),
        subject(&["rate limit", "request limit"], &["速率限制", "请求限制"]),
        subject(&["token budget", "token quota"], &["令牌额度", "令牌配额"]),
        subject(&["plan table", "table of plans"], &["套餐表"]),
        subject(&["admin account", "operator account"], &["管理员账户"]),
        subject(&["queue", "waiting line of requests"], &["队列", "请求队列"]),
        subject(&["origin gate", "origin server"], &["源站", "源站网关"]),
        subject(&["edge gate", "Worker at the edge"], &["边缘网关", "边缘"]),
        subject(&["audit log", "log of changes"], &["审计日志"]),
        subject(&["language model", "served model"], &["语言模型", "模型"]),
        subject(&["event stream", "streamed answer"], &["事件流", "流式回答"]),
        subject(&["short token", "signed token"], &["短期令牌"]),
    ],
    questions: &[
        Question {
            name: "configure",
            wordings: &[
                "How [do|can] I [set|configure|set up] the {x}?",
                "Where do I [configure|set] the {x}?",
                "[Which|What] setting [is|controls|changes] the {x}?",
                "I [want|need] to [change|configure] the {x}.",
                "How do I [create|make|add] [an|a new] {x}?",
            ],
            held: &["Which setting do I need for the {x}?", "What do I write to configure the {x}?"],
            answers: &[
                "The {x} is [set|configured] [in the settings|by one command|with an admin call].",
                "To configure the {x}, [change its setting|send a request to the admin door].",
            ],
            chinese: &["怎么[配置|设置]{x}？", "在哪里[配置|设置]{x}？", "怎么创建{x}？"],
            chinese_held: "我想更改{x}的配置。",
        },
        Question {
            name: "inspect",
            wordings: &[
                "Where [do|can] I [see|find|look at] the {x}?",
                "How do I [check|inspect|view] the state of the {x}?",
                "Show me [the|our] {x}.",
                "[What|Which] command [shows|prints|lists] the {x}?",
                "I want to [see|look at|read] the {x}.",
            ],
            held: &["How can I look at the {x}?", "Is there a command that shows the {x}?"],
            answers: &[
                "A GET request [shows|lists] the {x}.",
                "You see the {x} [on the admin page|in a header of the answer|with one command].",
            ],
            chinese: &["在哪里[查看|看到]{x}？", "怎么查看{x}？", "显示{x}。"],
            chinese_held: "用什么命令查看{x}？",
        },
        Question {
            name: "reset",
            wordings: &[
                "How do I [reset|revoke|delete|remove] the {x}?",
                "[Delete|Remove|Reset] the {x}.",
                "I [want|need] to [revoke|remove|delete] the {x}.",
                "What happens when I [delete|reset|remove] the {x}?",
                "Can the {x} be [reset|removed|deleted]?",
            ],
            held: &["Please revoke the {x}.", "Is it possible to delete the {x}?"],
            answers: &[
                "The {x} is [deleted|reset|removed] [at once|with a DELETE request].",
                "To remove the {x}, [send DELETE|delete it as an admin].",
            ],
            chinese: &["怎么[重置|删除]{x}？", "删除{x}。", "{x}可以[重置|撤销]吗？"],
            chinese_held: "我需要删除{x}。",
        },
        Question {
            name: "error",
            wordings: &[
                "Why do I get an error [about|because of|from] the {x}?",
                "What does the [refusal|error] [about|of] the {x} mean?",
                "The {x} [refuses|blocks|rejects] my request.",
                "I am refused [with status 429|with status 401|] because of the {x}.",
                "My request fails at the {x}, why?",
            ],
            held: &["The {x} gives me an error, what does it mean?", "Why is my request refused by the {x}?"],
            answers: &[
                "The refusal names the {x} and [says what to do|when to come back].",
                "An error of the {x} means that [the limit is used up|something is wrong in the request].",
            ],
            chinese: &["为什么{x}报错？", "{x}拒绝了我的请求。", "{x}的错误是什么意思？"],
            chinese_held: "我的请求为什么被{x}拒绝？",
        },
    ],
};
