//! An answer on its way through the edge: what is seen of it does not depend on how it was cut, and what broke off is
//! dropped to the last whole piece.

use proptest::prelude::*;
use sluice_protocol::dialect::{BrokenOff, Dialect};
use sluice_protocol::forward::relayed::{Relayed, Seen};
use sluice_protocol::forward::report::{StreamError, UsageMark, brief};
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::request::drawing::Drawn;
use sluice_protocol::wire::sse::{self, Passed};

const MAX: usize = 1 << 20;

fn used(prompt: u64, completion: u64, thought: u64) -> Used {
    Used { reasoning_tokens: Some(thought), ..Usage::new(prompt, completion).into() }
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

fn events() -> Relayed {
    Relayed::of("text/event-stream; charset=utf-8", MAX).unwrap()
}

fn event(mark: UsageMark, payload: &str) -> String {
    sse::event_with_id(&mark.to_string(), payload)
}

/// What ends a stream at this path.
fn broken_off(path: &str, mark: Option<UsageMark>, events: u64) -> String {
    let broken = BrokenOff { request: RequestId([7; 16]), events, mark };
    Dialect::of(path).broken(&Refusal::new(Reason::Draining, "x"), broken)
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
            event(UsageMark::so_far(used(57, 0, 0)), r#"{"type":"begin","usage":"of another shape"}"#),
            sse::comment("working"),
            event(UsageMark::so_far(some), r#"{"type":"text","text":"\n\ndata: x"}"#),
        ].concat();
        let broken = UsageMark::refused(Reason::Draining, (end == 2).then_some(some), some);
        let (last, expected) = match end {
            0 => (String::new(), Seen { so_far: Some(some), ..Seen::default() }),
            1 => (event(UsageMark::complete(some), "{}"), Seen { usage: Some(some), so_far: Some(some), ..Seen::default() }),
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
        let (passed, seen) = relay(events(), whole.as_bytes(), &cuts);
        prop_assert_eq!(Seen { answered: false, ..seen }, expected);
        prop_assert_eq!(passed, whole.as_bytes());
        // What had only begun does not pass.
        let (passed, _) = relay(events(), format!("{whole}id: 9/9/9\ndata: {{").as_bytes(), &cuts);
        prop_assert_eq!(passed, whole.as_bytes());
    }

    #[test]
    fn lines_are_seen_however_a_stream_is_cut(
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        text in ".{0,20}",
        end in 0..4,
    ) {
        let some = used(57, 12, 2);
        // What a model says or calls may look like a mark.
        let said = serde_json::json!(format!("{text}\n,\"used\":\"1/1/1 complete\"}}"));
        let first = format!("{{\"say\":{said},\"call\":{{\"a\":1,\"used\":\"9/9/9 complete\"}}}}\n");
        let line = |mark: UsageMark| format!("{{\"say\":{said},\"used\":\"{mark}\"}}\n");
        let broken = UsageMark::refused(Reason::Draining, (end == 2).then_some(some), some);
        let (last, expected) = match end {
            0 => (String::new(), Seen { so_far: Some(some), answered: true, ..Seen::default() }),
            1 => (
                line(UsageMark::complete(some)),
                Seen { usage: Some(some), so_far: Some(some), answered: true, ..Seen::default() },
            ),
            _ => (
                broken_off("/api/chat", Some(broken), 0),
                Seen {
                    usage: (end == 2).then_some(some),
                    refused: Some(Reason::Draining),
                    so_far: Some(some),
                    answered: true,
                },
            ),
        };
        let whole = first.clone() + &line(UsageMark::so_far(some)) + &last;
        let lines = || Relayed::of("application/x-ndjson", MAX).unwrap();
        prop_assert_eq!(relay(lines(), whole.as_bytes(), &cuts), (whole.clone().into_bytes(), expected));
        let half = format!("{whole}{{\"used\":\"9/9/9\"}}");
        prop_assert_eq!(relay(lines(), half.as_bytes(), &cuts), (whole.into_bytes(), expected));
        // Nothing in it is a mark.
        prop_assert_eq!(relay(lines(), first.as_bytes(), &cuts).1, Seen::default());
    }

    /// Whoever ends a stream in the middle knows how many events passed whole, however it was cut.
    #[test]
    fn events_are_counted_however_a_stream_is_cut(
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        texts in proptest::collection::vec(".{0,12}", 0..6),
    ) {
        let mark = UsageMark::so_far(used(5, 1, 0)).to_string();
        let named = |text: &String| sse::named_event("delta", Some(&mark), &serde_json::json!({"delta": text}).to_string());
        let whole: String = texts.iter().map(named).chain([": queued, 1 ahead\n".to_owned()]).collect();
        let mut relayed = events();
        let half = format!("{whole}event: delta\ndata: {{");
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (half.len() + 1)).chain([half.len()]).collect();
        ends.sort_unstable();
        let mut from = 0;
        for end in ends {
            relayed.push(&half.as_bytes()[from..end]);
            from = end;
        }
        prop_assert_eq!(relayed.events(), texts.len() as u64);
        let broken = broken_off("/v1/responses", None, relayed.events());
        let number = format!("\"sequence_number\":{},", texts.len());
        prop_assert!(broken.contains(&number), "{}", broken);
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
        let (passed, seen) = relay(events(), whole.as_bytes(), &cuts);
        prop_assert_eq!(passed, whole.as_bytes());
        let refused = broken.then_some(Reason::QueueTimeout);
        prop_assert_eq!(seen, Seen { usage: Some(used(5, 3, 1)), refused, so_far: Some(so_far), answered: true });
    }
}

#[test]
fn what_is_no_stream_is_not_read_as_one() {
    for (kind, is) in [
        ("text/event-stream", true),
        ("Application/X-NDJSON; charset=utf-8", true),
        ("application/json", false),
        ("text/event-streams", false),
        ("", false),
    ] {
        assert_eq!(Relayed::of(kind, MAX).is_some(), is, "{kind}");
    }
    // A line without an end does not fill the memory.
    let mut lines = Relayed::of("application/x-ndjson", 4).unwrap();
    assert_eq!(lines.push(b"abc"), Passed::Part(Vec::new()));
    assert_eq!(lines.push(b"de"), Passed::Part(b"abcde".to_vec()));
    assert_eq!(lines.push(b"f"), Passed::Part(Vec::new()));
    assert_eq!(lines.take_rest(), b"f");
}

/// A picture is longer than what is held back of an event, and shorter than that: both pass as they came, and what they used
/// is told by their marks alone.
#[test]
fn pictures_pass_as_they_come_and_nothing_is_looked_for_in_them() {
    let some = Used::of_pictures(12, Drawn { images: 1, steps: 3, pixel_steps: 3 * 65_536 });
    let all = Used::of_pictures(12, Drawn { images: 1, steps: 8, pixel_steps: 8 * 65_536 });
    for length in [100, 3 * MAX] {
        let picture = format!(
            r#"{{"b64_json":"{}","usage":{{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}}}}"#,
            "A".repeat(length)
        );
        let event = |used: UsageMark| sse::named_event("image_generation.completed", Some(&used.to_string()), &picture);
        let whole = [
            sse::comment("queued, 2 ahead"),
            event(UsageMark::so_far(some)),
            sse::comment("step 4 of 8"),
            event(UsageMark::complete(all)),
        ]
        .concat();
        for cut in [whole.len() / 4_000 + 1, 65_536, whole.len()] {
            let (mut relayed, mut passed, mut came) = (events(), Vec::new(), 0);
            for chunk in whole.as_bytes().chunks(cut) {
                came += chunk.len();
                match relayed.push(chunk) {
                    Passed::Whole => passed.extend_from_slice(chunk),
                    Passed::Part(part) => passed.extend(part),
                }
                // What is held back has a bound.
                assert!(came - passed.len() <= MAX, "{length} {cut}");
            }
            passed.extend(relayed.take_rest());
            assert_eq!(passed, whole.as_bytes(), "{length} {cut}");
            let seen = relayed.seen();
            assert_eq!((seen.usage, seen.so_far, seen.refused), (Some(all), Some(all), None), "{length} {cut}");
            assert!(seen.has_begun());
        }
        let mut relayed = events();
        relayed.push(sse::comment("step 1 of 8").as_bytes());
        assert!(!relayed.seen().has_begun(), "a heartbeat is no picture");
    }
}

/// Another server's ids may look like anything.
#[test]
fn an_id_that_is_no_mark_hides_no_usage() {
    let payload = r#"{"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}"#;
    for id in ["a+b/c", "1/2/3+", "+", "1/2/3"] {
        let mut relayed = events();
        relayed.push(sse::event_with_id(id, payload).as_bytes());
        assert_eq!(relayed.seen().usage.map(|used| used.usage), Some(Usage::new(5, 3)), "{id}");
    }
}

/// Of a whole answer its head has told all.
#[test]
fn a_whole_answer_of_pictures_is_not_looked_at() {
    let used = Used::of_pictures(12, Drawn { images: 10, steps: 80, pixel_steps: 80 * 4_194_304 });
    let mut whole = Relayed::Whole(used);
    assert_eq!(whole.push(br#"{"created":1,"data":["#), Passed::Whole);
    assert_eq!((whole.take_rest(), whole.events()), (Vec::new(), 0));
    assert_eq!(whole.seen(), Seen { usage: Some(used), answered: true, ..Seen::default() });
}
