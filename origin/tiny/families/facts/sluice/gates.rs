//! What Sluice is and how it is run.

use super::Fact;
use crate::dialogue::Phrases;

/// Questions in several wordings, and what is answered.
pub(super) const FACTS: &[Fact] = &[
    (
        Phrases {
            train: &[
                "What is Sluice?",
                "what is sluice",
                "Explain Sluice.",
                "What does Sluice do?",
                "Tell me about Sluice.",
                "What is this Sluice?",
                "Describe Sluice.",
                "Can you explain what Sluice is?",
                "What is Sluice for?",
                "In one sentence, what is Sluice?",
                "What kind of program is Sluice?",
                "What's Sluice?",
                "Explain to me what Sluice does.",
            ],
            held: &[
                "Can you tell me what Sluice is?",
                "Please describe Sluice.",
                "So what does Sluice do?",
                "Explain Sluice to me.",
            ],
        },
        "Sluice is two gates in front of a language model: the edge gate counts callers, the origin gate runs the model.",
    ),
    (
        Phrases {
            train: &[
                "What is the edge gate?",
                "What does the edge gate do?",
                "Explain the edge gate.",
                "What is the edge?",
                "Tell me about the edge gate.",
                "What does the edge do?",
                "Where does the edge gate run?",
                "Describe the edge gate.",
                "What is the edge gate of Sluice?",
                "Where does the edge run?",
            ],
            held: &["Please explain the edge gate.", "Can you describe the edge gate?", "What is the edge gate for?"],
        },
        "The edge gate is a Cloudflare Worker in Rust: it checks keys, counts requests and forwards them.",
    ),
    (
        Phrases {
            train: &[
                "What is the origin gate?",
                "What does the origin gate do?",
                "Explain the origin gate.",
                "What is the origin?",
                "Tell me about the origin gate.",
                "What does the origin do?",
                "Describe the origin gate.",
                "What is the origin gate of Sluice?",
                "Explain the origin.",
            ],
            held: &[
                "Please explain the origin gate.",
                "Can you describe the origin gate?",
                "What is the origin gate for?",
            ],
        },
        "The origin gate is an axum server that runs Qwen on candle and admits only what the hardware can hold.",
    ),
    (
        Phrases {
            train: &[
                "How do I start Sluice?",
                "How can I start Sluice?",
                "How do I run Sluice?",
                "How do I try Sluice?",
                "Which command starts Sluice?",
                "How do I start both gates?",
                "What is the command to start Sluice?",
                "How to run Sluice?",
                "Start Sluice",
                "Which command starts both gates?",
                "How do I run both gates?",
            ],
            held: &[
                "How can I run Sluice?",
                "What command starts Sluice?",
                "How can I start both gates?",
                "How can I try Sluice?",
            ],
        },
        "Run `cargo xtask dev`: it builds and starts both gates and issues a key.",
    ),
    (
        Phrases {
            train: &[
                "How do I run the tests?",
                "How can I test Sluice?",
                "Which command runs the tests?",
                "How are the tests run?",
                "How do I test Sluice?",
                "What runs all tests?",
                "How to run the tests?",
                "What is the command for the tests?",
            ],
            held: &["How can I run the tests?", "What command runs the tests?", "Which command runs all tests?"],
        },
        "Run `cargo xtask test`: it runs every test.",
    ),
    (
        Phrases {
            train: &[
                "How do I check the code?",
                "Which command checks the code?",
                "What does cargo xtask check do?",
                "How do I lint the code?",
                "What is cargo xtask check?",
                "How is the code checked?",
                "What checks formatting and lints?",
            ],
            held: &["How can I check the code?", "What command checks the code?", "What does `cargo xtask check` do?"],
        },
        "`cargo xtask check` checks formatting, lints, invariants and docs.",
    ),
    (
        Phrases {
            train: &[
                "How do I train this model?",
                "How do I train you?",
                "Which command trains the tiny model?",
                "How can I reproduce this model?",
                "How do I train tiny?",
                "What does cargo xtask train-tiny do?",
                "How is tiny trained?",
                "Which command trains you?",
            ],
            held: &["How can I train this model?", "What command trains tiny?", "How can I train tiny?"],
        },
        "Run `cargo xtask train-tiny`: it trains me again from nothing.",
    ),
    (
        Phrases {
            train: &[
                "How do I set up Sluice?",
                "What does cargo xtask setup do?",
                "Which command installs the tools?",
                "How do I install Sluice?",
                "How to install Sluice?",
                "What sets up the tools?",
                "How do I set Sluice up?",
            ],
            held: &["How can I install Sluice?", "What command sets up Sluice?", "How can I set up Sluice?"],
        },
        "Run `cargo xtask setup`: it brings in the tools that Sluice needs.",
    ),
    (
        Phrases {
            train: &[
                "How do I deploy Sluice?",
                "How is Sluice deployed?",
                "How can I deploy the edge?",
                "Which command deploys the edge gate?",
                "How do I deploy the Worker?",
                "How to deploy Sluice?",
                "How do I put Sluice into production?",
                "How do I publish the edge gate?",
            ],
            held: &["How can I deploy Sluice?", "What command deploys the edge?", "How do I deploy the edge gate?"],
        },
        "Start the origin on your machine, then deploy the edge with `wrangler deploy`.",
    ),
];
