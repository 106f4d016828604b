//! Streams: however the bytes are cut, the same events come out, and nothing is lost.

use super::{Input, part};
use sluice_protocol::wire::sse::{Passed, SseParser, WholeEvents, event};

/// The largest event, where to cut, then the stream.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let max = usize::from(input.byte()) + 1;
    let cuts = input.part();
    let stream = input.0;
    // A few cuts: after each, all that has passed is read once more.
    let chunks = cut(stream, &cuts[..cuts.len().min(16)]);
    assert_eq!(parse(&chunks, max), parse(&[stream], max));
    for found in parse(&[stream], max) {
        assert!(found.len() <= max);
    }
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(parse(&single, max), parse(&[stream], max));
    pass(&chunks, stream, usize::MAX);
    pass(&chunks, stream, max);
}

/// Each byte of `cuts` is the length of a chunk; the last chunk is what is left.
fn cut<'s>(mut stream: &'s [u8], cuts: &[u8]) -> Vec<&'s [u8]> {
    let mut chunks = Vec::new();
    for length in cuts {
        let (chunk, rest) = stream.split_at(usize::from(*length).min(stream.len()));
        chunks.push(chunk);
        stream = rest;
    }
    chunks.push(stream);
    chunks
}

fn parse(chunks: &[&[u8]], max: usize) -> Vec<Vec<u8>> {
    let (mut parser, mut events) = (SseParser::new(max), Vec::new());
    for chunk in chunks {
        parser.push(chunk, |event| events.push(event.to_vec()));
    }
    events
}

/// What passes is what came, in order; and what follows a pass is an event of its own, if no event was too long to hold.
fn pass(chunks: &[&[u8]], stream: &[u8], max: usize) {
    let (mut whole, mut passed) = (WholeEvents::new(max), Vec::new());
    for chunk in chunks {
        match whole.push(chunk) {
            Passed::Whole => passed.extend_from_slice(chunk),
            Passed::Part(part) => passed.extend(part),
        }
        assert_eq!(passed, stream[..passed.len()]);
        if max == usize::MAX {
            let marked = [passed.as_slice(), event("marker").as_bytes()].concat();
            let events = parse(&[&marked], usize::MAX);
            assert_eq!(events.last().map(Vec::as_slice), Some(b"marker".as_slice()));
        }
    }
    passed.extend(whole.take_rest());
    assert_eq!(passed, stream);
}

/// Streams with every kind of line and of line end.
pub fn seeds() -> Vec<Vec<u8>> {
    let streams = [
        "data: {\"choices\":[]}\n\ndata: [DONE]\n\n",
        ": comment\r\nevent: x\r\ndata: a\r\ndata:b\r\ndata\r\n\r\ndata: \u{20ac}\r\r",
        "\u{feff}data: one\n\nid: 1\ndatabase: no\ndata:  two\n\n\n\rdata: three",
    ];
    let seed = |stream: &str, max: u8, cuts: &[u8]| [&[max], part(cuts).as_slice(), stream.as_bytes()].concat();
    streams.iter().flat_map(|stream| [seed(stream, 255, &[1, 7, 2, 9]), seed(stream, 12, &[11, 0, 3])]).collect()
}
