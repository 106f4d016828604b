//! Plans and limits, and what counts them.

use super::Fact;
use crate::dialogue::Phrases;

/// Questions in several wordings, and what is answered.
pub(super) const FACTS: &[Fact] = &[
    (
        Phrases {
            train: &[
                "What is a plan?",
                "What are plans?",
                "Which plans are there?",
                "What plans are there?",
                "Explain plans.",
                "What does a plan do?",
                "Which plans does Sluice have?",
                "List the plans.",
                "What is a plan in Sluice?",
                "Name the built-in plans.",
            ],
            held: &["What plans does Sluice have?", "Please explain plans.", "Which plans exist?"],
        },
        "A plan is a list of limits for a key. Built in are anonymous, registered and vip.",
    ),
    (
        Phrases {
            train: &[
                "What are the limits of the registered plan?",
                "How many requests may a registered key make?",
                "What does registered allow?",
                "How many requests a minute has the registered plan?",
                "Limits of registered?",
                "What is the registered plan?",
                "What is the limit of the registered plan?",
                "What may a registered key do?",
            ],
            held: &[
                "What limits does the registered plan have?",
                "What does the registered plan allow?",
                "Tell me the limits of the registered plan.",
            ],
        },
        "Registered: 5 requests a second, 60 a minute, 200 a day, and 2 at once.",
    ),
    (
        Phrases {
            train: &[
                "What are the limits of the vip plan?",
                "How many requests may a vip key make?",
                "What does vip allow?",
                "How many requests a minute has the vip plan?",
                "Limits of vip?",
                "What is the vip plan?",
                "What is the limit of the vip plan?",
                "What may a vip key do?",
            ],
            held: &[
                "What limits does the vip plan have?",
                "What does the vip plan allow?",
                "Tell me the limits of the vip plan.",
            ],
        },
        "Vip: 10 requests a second, 120 a minute, and 3 at once.",
    ),
    (
        Phrases {
            train: &[
                "What are the limits of the anonymous plan?",
                "How many requests may an anonymous caller make?",
                "What does anonymous allow?",
                "How many requests a minute has the anonymous plan?",
                "Limits of anonymous?",
                "What is the anonymous plan?",
                "What is the limit of the anonymous plan?",
                "What may anonymous callers do?",
            ],
            held: &[
                "What limits does the anonymous plan have?",
                "What does the anonymous plan allow?",
                "Tell me the limits of the anonymous plan.",
            ],
        },
        "Anonymous: 1 request a second, 30 a minute, 50 a day, and 1 at once.",
    ),
    (
        Phrases {
            train: &[
                "What kinds of limits are there?",
                "Which limits are there?",
                "What limits does Sluice have?",
                "What can be limited?",
                "What kinds of limits does Sluice know?",
                "Which kinds of limits exist?",
                "Explain the limits.",
                "How does Sluice limit callers?",
            ],
            held: &["What kinds of limits exist?", "Which limits does Sluice have?", "Please explain the limits."],
        },
        "There are sliding windows, token buckets and limits on requests at once.",
    ),
    (
        Phrases {
            train: &[
                "What is a sliding window?",
                "How do sliding windows work?",
                "Explain sliding windows.",
                "Are the windows exact?",
                "How exact are the windows?",
                "What does a window count?",
                "What is a window?",
                "How does a sliding window work?",
            ],
            held: &["How does a window work?", "Please explain sliding windows.", "How exact are sliding windows?"],
        },
        "A sliding window is exact: never more than the limit in any span of that length.",
    ),
    (
        Phrases {
            train: &[
                "What is a token bucket?",
                "How does a token bucket work?",
                "Explain token buckets.",
                "What is a bucket?",
                "How does a bucket work?",
                "What does a bucket do?",
                "How do token buckets work?",
            ],
            held: &["How do buckets work?", "Please explain token buckets.", "What does a token bucket do?"],
        },
        "A bucket holds tokens and refills steadily: it allows short bursts.",
    ),
    (
        Phrases {
            train: &[
                "What is a lease?",
                "What does a lease do?",
                "Explain leases.",
                "How long is a lease?",
                "What are leases?",
                "What is a lease in Sluice?",
                "How do leases work?",
            ],
            held: &["Please explain leases.", "How does a lease work?", "What are leases for?"],
        },
        "A lease is how long one request may take; the origin stops a second before its end.",
    ),
    (
        Phrases {
            train: &[
                "What is a grant?",
                "What does a grant do?",
                "Explain grants.",
                "What are grants?",
                "What is in a grant?",
                "How does the origin trust the edge?",
                "What does the origin believe?",
                "What is a grant in Sluice?",
            ],
            held: &["Please explain grants.", "What are grants for?", "How can the origin trust the edge?"],
        },
        "A grant is signed by the edge: it names the request, its deadline and the hash of its body.",
    ),
    (
        Phrases {
            train: &[
                "What is a slot?",
                "What are slots?",
                "What does --slots do?",
                "Explain slots.",
                "How many requests run at once?",
                "How many slots are there?",
                "What does the flag --slots mean?",
            ],
            held: &["Please explain slots.", "What are slots for?", "What does the --slots flag do?"],
        },
        "A slot is a place for one running request; `--slots` says how many there are.",
    ),
    (
        Phrases {
            train: &[
                "What is the queue?",
                "How does the queue work?",
                "Explain the queue.",
                "What does --queue do?",
                "Who waits in the queue?",
                "What happens when the queue is full?",
                "What does the queue do?",
            ],
            held: &["Please explain the queue.", "What is the queue for?", "What does the flag --queue do?"],
        },
        "Requests wait in the queue for a slot, by priority; a full queue answers 503.",
    ),
];
