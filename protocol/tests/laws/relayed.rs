//! An answer on its way through the edge: what is seen of it does not depend on how it was cut, and what broke off is
//! dropped to the last whole piece.

use proptest::prelude::*;
use sluice_protocol::forward::relayed::{Relayed, Seen};
use sluice_protocol::forward::report::{Mark, StreamError, brief};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::chat::{Usage, Used};
use sluice_protocol::sse::{self, Passed};

const MAX: usize = 1 << 20;

fn used(prompt: u64, completion: u64, thought: u64) -> Used {
    Used { usage: Usage::new(prompt, completion), reasoning_tokens: Some(thought) }
}

/// What passes of these bytes, cut there, and what is seen of them.
fn relay(mut relayed: Relayed, bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Seen) {
    let mut passed = Vec::new();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    let mut from = 0;
    for end in ends {
        let chunk = &bytes[from..end];
        from = end;
        match relayed.push(chunk) {
            Passed::Whole => passed.extend_from_slice(chunk),
            Passed::Part(part) => passed.extend(part),
        }
    }
    (passed, relayed.seen())
}

fn event(mark: Mark, payload: &str) -> String {
    sse::event_with_id(&mark.to_string(), payload)
}

proptest! {
    #[test]
    fn marks_are_seen_however_a_stream_is_cut(
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        completion in 1u64..1_000,
        end in 0..4,
    ) {
        let some = used(57, completion, 2);
        let text = [
            event(Mark::so_far(used(57, 0, 0)), r#"{"type":"begin","usage":"of another shape"}"#),
            sse::comment("working"),
            event(Mark::so_far(some), r#"{"type":"text","text":"\n\ndata: x"}"#),
        ].concat();
        let broken = Mark::refused(Reason::Draining, (end == 2).then_some(some), some);
        let (last, expected) = match end {
            0 => (String::new(), Seen { so_far: Some(some), ..Seen::default() }),
            1 => (event(Mark::complete(some), "{}"), Seen { usage: Some(some), so_far: Some(some), ..Seen::default() }),
            _ => (
                event(broken, "{}"),
                Seen {
                    usage: (end == 2).then_some(some),
                    refused: Some(Reason::Draining),
                    so_far: Some(some),
                    ..Seen::default()
                },
            ),
        };
        let whole = text + &last;
        let (passed, seen) = relay(Relayed::events(MAX), whole.as_bytes(), &cuts);
        prop_assert_eq!(Seen { answered: false, ..seen }, expected);
        prop_assert_eq!(passed, whole.as_bytes());
        // What had only begun does not pass.
        let (passed, _) = relay(Relayed::events(MAX), format!("{whole}id: 9/9/9\ndata: {{").as_bytes(), &cuts);
        prop_assert_eq!(passed, whole.as_bytes());
    }

    #[test]
    fn openai_s_own_shape_is_seen_too(cuts in proptest::collection::vec(any::<usize>(), 0..12), broken in any::<bool>()) {
        let so_far = used(5, 2, 0);
        let text = sse::event_with_id(&brief(so_far), r#"{"choices":[]}"#);
        let refusal = Refusal::new(Reason::QueueTimeout, "late");
        let last = match broken {
            true => {
                let error = StreamError::new(&refusal, Some(used(5, 3, 1)));
                sse::event(&serde_json::to_string(&error).unwrap())
            }
            false => sse::event(
                r#"{"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"completion_tokens_details":{"reasoning_tokens":1}}}"#,
            ) + &sse::event(sse::DONE),
        };
        let whole = text + &last;
        let (passed, seen) = relay(Relayed::events(MAX), whole.as_bytes(), &cuts);
        prop_assert_eq!(passed, whole.as_bytes());
        let refused = broken.then_some(Reason::QueueTimeout);
        prop_assert_eq!(seen, Seen { usage: Some(used(5, 3, 1)), refused, so_far: Some(so_far), answered: true });
    }
}
