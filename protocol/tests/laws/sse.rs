//! The event parser against a naive reading of the whole text, at every split.

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::wire::sse::{self, Passed, SseParser, WholeEvents};

fn parse(chunks: &[&[u8]], max: usize) -> Vec<Vec<u8>> {
    let (mut parser, mut events) = (SseParser::new(max), Vec::new());
    for chunk in chunks {
        parser.push(chunk, |event| events.push(event.to_vec()));
    }
    events
}

/// The oracle: the standard's algorithm on a whole string.
fn naive(text: &str) -> Vec<Vec<u8>> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut data): (Vec<Vec<u8>>, Vec<&str>) = (Vec::new(), Vec::new());
    let Some((complete, _)) = text.rsplit_once('\n') else { return events };
    for line in complete.split('\n') {
        if line.is_empty() {
            if !data.is_empty() {
                events.push(data.join("\n").into_bytes());
            }
            data.clear();
        } else if line == "data" {
            data.push("");
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push(value.strip_prefix(' ').unwrap_or(value));
        }
    }
    events
}

fn stream() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "data: ?[a-z é€😀:]{0,12}",
        Just("data".to_owned()),
        Just(String::new()),
        ": comment.{0,5}",
        "(event|id|database|datax): ?[a-z]{0,4}",
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    vec((line, end), 0..30).prop_map(|lines| lines.into_iter().map(|(line, end)| format!("{line}{end}")).collect())
}

proptest! {
    #[test]
    fn every_split_gives_what_the_whole_gives(text in stream(), cuts in vec(any::<prop::sample::Index>(), 0..8)) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(parse(&chunks, 1 << 20), naive(&text));
    }

    /// Nothing is lost or reordered, and whatever has passed ends where an event ends.
    #[test]
    fn events_pass_whole(text in stream(), cuts in vec(any::<prop::sample::Index>(), 0..8)) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let (mut whole, mut passed) = (WholeEvents::new(1 << 20), Vec::new());
        for pair in cuts.windows(2) {
            let chunk = &bytes[pair[0]..pair[1]];
            match whole.push(chunk) {
                Passed::Whole => passed.extend_from_slice(chunk),
                Passed::Part(part) => passed.extend(part),
            }
            // What passed and a marker after it: the marker is an event of its own.
            let mut marked = passed.clone();
            marked.extend_from_slice(sse::event("marker").as_bytes());
            let events = parse(&[&marked], 1 << 20);
            prop_assert_eq!(events.last().map(Vec::as_slice), Some(b"marker".as_slice()));
        }
        passed.extend(whole.take_rest());
        prop_assert_eq!(passed, bytes);
    }

    #[test]
    fn any_bytes_are_safe(chunks in vec(vec(any::<u8>(), 0..40), 0..20), max in 0usize..30) {
        let chunks: Vec<_> = chunks.iter().map(Vec::as_slice).collect();
        for event in parse(&chunks, max) {
            prop_assert!(event.len() <= max);
        }
    }
}

#[test]
fn an_event_that_is_too_long_is_dropped_and_the_next_one_is_not() {
    let text = format!("{}{}{}", sse::event("one"), sse::event(&"x".repeat(100)), sse::event("two"));
    for size in [1, 3, 7, 1000] {
        let chunks: Vec<_> = text.as_bytes().chunks(size).collect();
        assert_eq!(parse(&chunks, 50), [b"one".to_vec(), b"two".to_vec()], "chunks of {size}");
    }
}

#[test]
fn an_event_that_is_too_long_to_hold_passes_in_pieces() {
    let mut whole = WholeEvents::new(4);
    assert_eq!(whole.push(b"data"), Passed::Part(Vec::new()));
    assert_eq!(whole.push(b": x"), Passed::Part(b"data: x".to_vec()));
    assert_eq!(whole.push(b"\n\n"), Passed::Whole);
}
