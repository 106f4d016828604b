//! Keys, models, clients and what they may ask for.

use super::Fact;
use crate::dialogue::Phrases;

/// Questions in several wordings, and what is answered.
pub(super) const FACTS: &[Fact] = &[
    (
        Phrases {
            train: &[
                "How do I send my key?",
                "How do I authenticate?",
                "Where do I put my API key?",
                "Which header carries the key?",
                "How do I use my key?",
                "How is the API key sent?",
                "Where does the key go?",
                "How do I send the API key?",
            ],
            held: &["How can I authenticate?", "How do I send an API key?", "Which header has the API key?"],
        },
        "Send it as `Authorization: Bearer slc_...` or in `x-api-key`.",
    ),
    (
        Phrases {
            train: &[
                "How do I get a key?",
                "How do I make a key?",
                "How can I create an API key?",
                "Where do I get an API key?",
                "How is a key issued?",
                "How do I create a key?",
                "How do I issue a key?",
                "I need a key",
                "I need an API key.",
            ],
            held: &["How can I get an API key?", "How can I issue a key?", "How do I make an API key?"],
        },
        "An admin makes a key with `POST /admin/v1/keys`.",
    ),
    (
        Phrases {
            train: &[
                "Which models can I use?",
                "What models does Sluice run?",
                "Which models does Sluice serve?",
                "What models are there?",
                "Can Sluice run Qwen?",
                "Which models are supported?",
                "Does Sluice run Llama?",
                "What models can be served?",
            ],
            held: &["Which models can Sluice run?", "What models are supported?", "What models can I use?"],
        },
        "Sluice serves Qwen2 and Qwen3 from safetensors or GGUF files.",
    ),
    (
        Phrases {
            train: &[
                "How do I use a real model?",
                "How do I load another model?",
                "How can I serve my own model?",
                "How do I serve Qwen3?",
                "What does --model do?",
                "How do I choose a model?",
                "How do I use a bigger model?",
                "How do I serve a larger model?",
            ],
            held: &["How can I use a bigger model?", "How can I load another model?", "What does the flag --model do?"],
        },
        "Name it with `--model`, such as `--model Qwen/Qwen3-0.6B`.",
    ),
    (
        Phrases {
            train: &[
                "Does Sluice stream?",
                "Can answers be streamed?",
                "How do I stream?",
                "How do I get a stream?",
                "Can I stream answers?",
                "Does Sluice support streaming?",
                "How does streaming work?",
                "Is streaming supported?",
            ],
            held: &["How can I stream answers?", "Can Sluice stream?", "Does streaming work?"],
        },
        "Yes: send `\"stream\": true` and read server-sent events.",
    ),
    (
        Phrases {
            train: &[
                "Does Sluice support tools?",
                "Can I use tools?",
                "How do I use tools?",
                "Does Sluice know function calls?",
                "Can the model call functions?",
                "Are tools supported?",
                "Does Sluice support function calling?",
            ],
            held: &["Can Sluice use tools?", "Is function calling supported?", "How can I use tools?"],
        },
        "Yes: send `tools` as with OpenAI; calls come back in `tool_calls`.",
    ),
    (
        Phrases {
            train: &[
                "Does Sluice support JSON?",
                "How do I get JSON?",
                "Can I force JSON output?",
                "What is response_format?",
                "How do I get structured output?",
                "Is JSON output supported?",
                "Can answers follow a schema?",
                "What does response_format do?",
            ],
            held: &["How can I get JSON output?", "Does Sluice support structured output?", "How can I force JSON?"],
        },
        "Yes: `response_format` takes `json_object` and `json_schema`.",
    ),
    (
        Phrases {
            train: &[
                "Which clients work with Sluice?",
                "Can I use the OpenAI client?",
                "Does the OpenAI SDK work?",
                "Is Sluice compatible with OpenAI?",
                "Which SDK do I need?",
                "Which client do I use?",
                "What client can I use?",
                "Does Sluice have an SDK?",
            ],
            held: &["Can I use the OpenAI SDK?", "What clients work with Sluice?", "Is it compatible with OpenAI?"],
        },
        "Any OpenAI client works: set its base URL to the edge and `/v1`.",
    ),
    (
        Phrases {
            train: &[
                "Is Sluice free?",
                "What licence has Sluice?",
                "Which license does Sluice have?",
                "Under which licence is Sluice?",
                "Is Sluice open source?",
                "What is the licence?",
                "What does Sluice cost?",
                "What is the license of Sluice?",
            ],
            held: &["What is the licence of Sluice?", "What license does Sluice have?", "Is Sluice free software?"],
        },
        "Sluice is free: MIT or Apache-2.0, as you like.",
    ),
    (
        Phrases {
            train: &[
                "Which language is Sluice written in?",
                "What is Sluice written in?",
                "Is Sluice written in Rust?",
                "In which language is Sluice made?",
                "What programming language does Sluice use?",
                "Is Sluice written in Go?",
                "What is the code of Sluice written in?",
            ],
            held: &[
                "What language is Sluice written in?",
                "Which programming language does Sluice use?",
                "Is Sluice written in Python?",
            ],
        },
        "Sluice is written in Rust.",
    ),
    (
        Phrases {
            train: &[
                "What is a Durable Object?",
                "What do Durable Objects do?",
                "Why does Sluice use Durable Objects?",
                "Where are requests counted?",
                "Who counts the requests?",
                "What decides the limits?",
                "Where does the counting happen?",
            ],
            held: &[
                "What are Durable Objects for?",
                "Where does Sluice count requests?",
                "Why are there Durable Objects?",
            ],
        },
        "One Durable Object for each account counts its requests and decides.",
    ),
    (
        Phrases {
            train: &[
                "What is max_tokens?",
                "What does max_tokens do?",
                "How do I limit the answer?",
                "How do I make the answer shorter?",
                "Explain max_tokens.",
                "How long can an answer be?",
                "What is the default of max_tokens?",
            ],
            held: &["Please explain max_tokens.", "What does max_tokens mean?", "How can I limit the answer?"],
        },
        "`max_tokens` is the most tokens that an answer may have; the default is 512.",
    ),
    (
        Phrases {
            train: &[
                "What is the audit?",
                "What does cargo xtask audit do?",
                "How do I audit a gateway?",
                "How do I audit my limits?",
                "Which command audits a gateway?",
                "What does the audit do?",
                "How can I audit a gateway?",
            ],
            held: &["What is cargo xtask audit?", "How can I audit limits?", "What command audits a gateway?"],
        },
        "`cargo xtask audit` fires bursts at a gateway and says which of its limits do not hold.",
    ),
];
