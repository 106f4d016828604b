//! Requests of all Meters, as they are decided again: what each of them keeps of the accounts that all of them keep.

use super::METERS;
use super::kept::{KeptRow, MAX_ROWS, ROW_LINES};
use super::report::decode;
use crate::id::RequestId;
use crate::order::ordered;
use crate::replay::lines::Sample;
use crate::replay::request::{Names, Request};
use crate::replay::told::KeptView;
use crate::time::Millis;

/// Requests, and of what they are a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// All of them.
    pub requests: Vec<Request>,
    /// Their names, in the order of their texts.
    pub names: Names,
    /// Of what they are a part.
    pub view: KeptView,
}

/// Gathers the rows of all Meters. Where one of them keeps fewer accounts than others, so does this, and where one begins
/// later, too. What cannot be read is passed over.
pub fn gather(rows: &[Vec<u8>], kept_ms: Millis, now: Millis) -> Gathered {
    let read = || rows.iter().filter_map(|packed| decode::<KeptRow>(packed).ok());
    let (mut sample, mut since) = (Sample::default(), now.saturating_sub(kept_ms));
    for row in read() {
        sample = sample.max(row.lines.sample());
        if row.since <= now {
            since = since.max(row.since);
        }
    }
    let (mut requests, mut texts) = (Vec::new(), Vec::new());
    let mut view = KeptView { since, until: now, one_in: sample.one_in(), ..KeptView::default() };
    // Again: to unpack all of them at once takes four times as much memory.
    for mut row in read() {
        row.lines.narrow(sample, since);
        view.left_out += row.lines.left_out();
        view.lost += row.lines.lost();
        let before = texts.len() as u32;
        texts.extend(row.lines.names().iter().map(|name| Box::<str>::from(name.as_str())));
        for mut request in row.lines.requests() {
            // There are fewer than MAX_REQUESTS.
            let number = requests.len() as u32;
            names_of(&mut request).into_iter().for_each(|name| *name += before);
            (request.line, request.id) = (number, id(number));
            requests.push(request);
        }
    }
    view.lines = requests.len() as u64;
    let (names, numbers) = sorted(texts);
    for request in &mut requests {
        names_of(request).into_iter().for_each(|name| *name = numbers[*name as usize]);
    }
    Gathered { requests, names, view }
}

/// Names, each once and in the order of their texts, and where each of them is now.
fn sorted(mut texts: Vec<Box<str>>) -> (Names, Vec<u32>) {
    let order = ordered(texts.len(), &|one, other| texts[one].cmp(&texts[other]));
    let (mut names, mut numbers) = (Vec::<Box<str>>::new(), vec![0; texts.len()]);
    for place in order {
        let text = std::mem::take(&mut texts[place as usize]);
        if names.last() != Some(&text) {
            names.push(text);
        }
        numbers[place as usize] = names.len() as u32 - 1;
    }
    (Names::new(names), numbers)
}

fn names_of(request: &mut Request) -> [&mut u32; 4] {
    [&mut request.account, &mut request.model, &mut request.plan, &mut request.limits]
}

/// An id of its own: that of the request is not kept. Its account tells requests apart by the first half, and the second
/// reservation of one by the first bit of that.
fn id(number: u32) -> RequestId {
    let [a, b, c, d] = number.to_be_bytes();
    RequestId([0, 0, 0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// The most requests that there are. Each takes some 200 bytes where it is decided again, by two tables some 10 microseconds:
/// a quarter of an isolate's memory, and a thirtieth of the time that the platform gives a request.
pub const MAX_REQUESTS: usize = METERS as usize * MAX_ROWS * ROW_LINES;
