//! What the statuses and headers of answers mean.

use super::Fact;
use crate::dialogue::Phrases;

/// Questions in several wordings, and what is answered.
pub(super) const FACTS: &[Fact] = &[
    (
        Phrases {
            train: &[
                "What does 401 mean?",
                "Why do I get 401?",
                "What is error 401?",
                "Explain status 401.",
                "I get a 401",
                "What is a 401?",
                "Why is the status 401?",
                "What does the status 401 mean?",
                "401?",
                "What does error 401 mean?",
            ],
            held: &["Why did I get a 401?", "Explain error 401.", "What is status 401?"],
        },
        "401 means that we do not know who you are: send a valid API key.",
    ),
    (
        Phrases {
            train: &[
                "What does 403 mean?",
                "Why do I get 403?",
                "What is error 403?",
                "Explain status 403.",
                "I get a 403",
                "What is a 403?",
                "Why is the status 403?",
                "What does the status 403 mean?",
                "403?",
                "What does error 403 mean?",
            ],
            held: &["Why did I get a 403?", "Explain error 403.", "What is status 403?"],
        },
        "403 means that your key is not allowed to do this.",
    ),
    (
        Phrases {
            train: &[
                "What does 429 mean?",
                "Why do I get 429?",
                "What is error 429?",
                "Explain status 429.",
                "I get a 429",
                "What is a 429?",
                "Why is the status 429?",
                "What does the status 429 mean?",
                "429?",
                "What does error 429 mean?",
            ],
            held: &["Why did I get a 429?", "Explain error 429.", "What is status 429?"],
        },
        "429 means that you are over your limit: wait as long as retry-after says.",
    ),
    (
        Phrases {
            train: &[
                "What does 503 mean?",
                "Why do I get 503?",
                "What is error 503?",
                "Explain status 503.",
                "I get a 503",
                "What is a 503?",
                "Why is the status 503?",
                "What does the status 503 mean?",
                "503?",
                "What does error 503 mean?",
            ],
            held: &["Why did I get a 503?", "Explain error 503.", "What is status 503?"],
        },
        "503 means that we are full: try again after a moment.",
    ),
    (
        Phrases {
            train: &[
                "What does 502 mean?",
                "Why do I get 502?",
                "What is error 502?",
                "Explain status 502.",
                "I get a 502",
                "What is a 502?",
                "Why is the status 502?",
                "What does the status 502 mean?",
                "502?",
                "What does error 502 mean?",
            ],
            held: &["Why did I get a 502?", "Explain error 502.", "What is status 502?"],
        },
        "502 means that the origin failed.",
    ),
    (
        Phrases {
            train: &[
                "What does 504 mean?",
                "Why do I get 504?",
                "What is error 504?",
                "Explain status 504.",
                "I get a 504",
                "What is a 504?",
                "Why is the status 504?",
                "What does the status 504 mean?",
                "504?",
                "What does error 504 mean?",
            ],
            held: &["Why did I get a 504?", "Explain error 504.", "What is status 504?"],
        },
        "504 means that the origin was silent for too long.",
    ),
    (
        Phrases {
            train: &[
                "What does 404 mean?",
                "Why do I get 404?",
                "What is error 404?",
                "Explain status 404.",
                "I get a 404",
                "What is a 404?",
                "Why is the status 404?",
                "What does the status 404 mean?",
                "404?",
                "What does error 404 mean?",
            ],
            held: &["Why did I get a 404?", "Explain error 404.", "What is status 404?"],
        },
        "404 means that there is no such page, key or model.",
    ),
    (
        Phrases {
            train: &[
                "What does 500 mean?",
                "Why do I get 500?",
                "What is error 500?",
                "Explain status 500.",
                "I get a 500",
                "What is a 500?",
                "Why is the status 500?",
                "What does the status 500 mean?",
                "500?",
                "What does error 500 mean?",
            ],
            held: &["Why did I get a 500?", "Explain error 500.", "What is status 500?"],
        },
        "500 means that it is our bug.",
    ),
    (
        Phrases {
            train: &[
                "What is retry-after?",
                "What does the header retry-after say?",
                "When may I try again?",
                "Explain retry-after-ms.",
                "What does retry-after mean?",
                "When can I retry?",
                "What is retry-after-ms?",
                "How long must I wait?",
            ],
            held: &["What does retry-after-ms mean?", "Explain retry-after.", "What does the retry-after header say?"],
        },
        "`retry-after-ms` says when this very request would pass.",
    ),
    (
        Phrases {
            train: &[
                "What is x-request-id?",
                "What does the header x-request-id say?",
                "What is the request id?",
                "Explain x-request-id.",
                "What is a request id?",
                "Where is the request id?",
                "What does x-request-id mean?",
            ],
            held: &["What is the x-request-id header?", "Please explain x-request-id.", "What is the request id for?"],
        },
        "`x-request-id` names your request in every answer and log.",
    ),
];
