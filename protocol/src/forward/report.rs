//! What an origin tells of a request that did not end with a complete answer: in a refusal's header, in the event that ends a
//! stream, beside each event, and in the answer to `DELETE /v1/requests/{id}`.
//!
//! The edge settles by it. A status says nothing of what was computed before it.

use crate::id::RequestId;
use crate::refusal::{ErrorBody, Reason, Refusal};
use crate::request::bodies::chat::{Usage, UsageReport, Used};
use crate::request::drawing::Drawn;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A request that was cancelled, or was over already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestReport {
    /// The request's id (`req_...`).
    pub id: String,
    /// Always `request`.
    pub object: Cow<'static, str>,
    /// Whether it is over.
    pub status: RequestStatus,
    /// What it has used. Final once it is over; all zero if the model never began with it.
    pub usage: Usage,
    /// How many of the generated tokens were thinking, as far as the origin knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// How many tokens of the prompt needed no computing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// What was drawn of pictures.
    #[serde(default, skip_serializing_if = "Drawn::is_nothing")]
    pub drawn: Drawn,
    /// Of a request that was never seen: how far back the origin would remember it, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_ms: Option<u64>,
    /// Whether it was answered to its end. Absent where that is not known, and from origins of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
}

/// Whether a request is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// It is over, and its usage is final.
    Ended,
    /// It is to end and had not within the time for an answer: the engine is in a long step.
    Ending,
    /// This origin knows of no such request, and will refuse it if it comes yet.
    Unseen,
}

impl RequestReport {
    /// Of this request.
    pub fn new(id: RequestId, status: RequestStatus, used: Used) -> Self {
        let Used { usage, reasoning_tokens, cached_tokens, drawn } = used;
        Self {
            id: id.to_string(),
            object: "request".into(),
            status,
            usage,
            reasoning_tokens,
            cached_tokens,
            drawn,
            known_ms: None,
            complete: None,
        }
    }

    /// Of a request that did not come within the time that the origin remembers.
    pub fn unseen(id: RequestId, known_ms: u64) -> Self {
        Self { known_ms: Some(known_ms), ..Self::new(id, RequestStatus::Unseen, Used::NOTHING) }
    }

    /// What it says was used.
    pub const fn used(&self) -> Used {
        Used {
            usage: self.usage,
            reasoning_tokens: self.reasoning_tokens,
            cached_tokens: self.cached_tokens,
            drawn: self.drawn,
        }
    }

    /// What is to be settled for a request that was sent `age_ms` ago, if that is certain.
    ///
    /// One that the origin never saw has used nothing, if the origin would remember it: it has not been started since, nor
    /// forgotten what ended since.
    pub fn final_usage(&self, age_ms: u64) -> Option<Used> {
        match self.status {
            RequestStatus::Ended => Some(self.used()),
            RequestStatus::Ending => None,
            RequestStatus::Unseen => self.known_ms.filter(|known| *known > age_ms).map(|_| Used::NOTHING),
        }
    }
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The last event of a stream that breaks off: the refusal, and what was used if that is final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamError {
    /// As any refusal has it.
    #[serde(flatten)]
    pub body: ErrorBody,
    /// What all of the request has used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageReport>,
}

impl StreamError {
    /// For this refusal.
    pub fn new(refusal: &Refusal, used: Option<Used>) -> Self {
        let report =
            |used: Used| UsageReport::new(used.usage, used.cached_tokens, used.reasoning_tokens.unwrap_or_default());
        Self { body: refusal.body(), usage: used.map(report) }
    }
}

/// What an origin says beside a part of a stream: what had been used by then, and whether that is the end of it.
///
/// `57/12/2` so far; `57/12/2 complete` in all; `57/12/2 draining` in all, of a request that was refused with this code
/// after its stream had begun; `57/12/2 draining unsettled` where its engine has not let go of it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageMark {
    /// What had been used.
    pub used: Used,
    /// Whether that is all that the request uses.
    pub is_final: bool,
    /// Why it ended, if not with an answer.
    pub refused: Option<Reason>,
}

impl UsageMark {
    /// Of a request that goes on.
    pub const fn so_far(used: Used) -> Self {
        Self { used, is_final: false, refused: None }
    }

    /// Of one that is answered.
    pub const fn complete(used: Used) -> Self {
        Self { used, is_final: true, refused: None }
    }

    /// Of one that was refused: what all of it has used, if that is certain, and what is known of it otherwise.
    pub fn refused(reason: Reason, told: Option<Used>, so_far: Used) -> Self {
        Self { used: told.unwrap_or(so_far), is_final: told.is_some(), refused: Some(reason) }
    }

    /// Reads what is written, and nothing else.
    pub fn read(text: &str) -> Option<Self> {
        let (used, end) = text.split_once(' ').map_or((text, None), |(used, end)| (used, Some(end)));
        let used = read_brief(used)?;
        let refused = |code, is_final| Some(Self { used, is_final, refused: Some(Reason::from_code(code)?) });
        match end {
            None => Some(Self::so_far(used)),
            Some(COMPLETE) => Some(Self::complete(used)),
            Some(end) => match end.strip_suffix(UNSETTLED) {
                Some(code) => refused(code, false),
                None => refused(end, true),
            },
        }
    }
}

impl fmt::Display for UsageMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&brief(self.used))?;
        match (self.refused, self.is_final) {
            (None, false) => Ok(()),
            (None, true) => write!(f, " {COMPLETE}"),
            (Some(reason), true) => write!(f, " {}", reason.row().code),
            (Some(reason), false) => write!(f, " {}{UNSETTLED}", reason.row().code),
        }
    }
}

const COMPLETE: &str = "complete";
const UNSETTLED: &str = " unsettled";

/// What was used in few bytes: tokens of the prompts, generated tokens, how many of them were thinking, and, where there are
/// any, how many of the prompts' needed no computing. Of pictures, behind a sign: those that were begun, steps that were run,
/// and their pixels; `12/0/0+1/8/8388608` is one of 1024 x 1024 pixels in eight steps. It stands in the header
/// [`crate::wire::header::USAGE`] of a refusal and of a whole answer, and in each [`UsageMark`] of a stream.
pub fn brief(used: Used) -> String {
    let Used { usage, reasoning_tokens, cached_tokens, drawn } = used;
    let cached = if cached_tokens > 0 { format!("/{cached_tokens}") } else { String::new() };
    let Drawn { images, steps, pixel_steps } = drawn;
    let drawn =
        if drawn.is_nothing() { String::new() } else { format!("{}{images}/{steps}/{pixel_steps}", char::from(DRAWN)) };
    format!(
        "{}/{}/{}{cached}{drawn}",
        usage.prompt_tokens,
        usage.completion_tokens,
        reasoning_tokens.unwrap_or_default()
    )
}

/// Reads what [`brief`] writes, and nothing else.
pub fn read_brief(text: &str) -> Option<Used> {
    let number = |digits: &str| {
        let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| digits.parse::<u64>().ok()).flatten()
    };
    let (text, drawn) = match text.split_once(char::from(DRAWN)) {
        None => (text, Drawn::NOTHING),
        Some((text, drawn)) => {
            let mut parts = drawn.split('/').map(number);
            let narrow = |number: u64| u32::try_from(number).ok();
            let (images, steps, pixel_steps) = (narrow(parts.next()??)?, narrow(parts.next()??)?, parts.next()??);
            let drawn = Drawn { images, steps, pixel_steps };
            // Nothing is not told of.
            (text, Some(drawn).filter(|drawn| parts.next().is_none() && !drawn.is_nothing())?)
        }
    };
    let mut parts = text.split('/').map(number);
    let (prompt, completion, reasoning) = (parts.next()??, parts.next()??, parts.next()??);
    let cached_tokens = match parts.next() {
        None => 0,
        // None are not told of.
        Some(told) => told.filter(|cached| *cached > 0)?,
    };
    let used = Used { usage: Usage::new(prompt, completion), reasoning_tokens: Some(reasoning), cached_tokens, drawn };
    parts.next().is_none().then_some(used)
}

/// What stands before what was drawn.
pub(super) const DRAWN: u8 = b'+';

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWING: Drawn = Drawn { images: 10, steps: 500, pixel_steps: 500 * 4_194_304 };

    #[test]
    fn a_request_that_was_never_seen_has_used_nothing_as_far_back_as_is_known() {
        let id = RequestId([1; 16]);
        let used = Used { reasoning_tokens: Some(3), drawn: DRAWING, ..Usage::new(5, 7).into() };
        assert_eq!(RequestReport::new(id, RequestStatus::Ended, used).final_usage(1_000_000), Some(used));
        assert_eq!(RequestReport::new(id, RequestStatus::Ending, used).final_usage(0), None);
        let unseen = RequestReport::unseen(id, 30_000);
        assert_eq!(unseen.final_usage(29_999), Some(Used::NOTHING));
        assert_eq!(unseen.final_usage(30_000), None);
        // As an origin that says no time would have to be read.
        assert_eq!(RequestReport { known_ms: None, ..unseen }.final_usage(0), None);
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let used = Used { reasoning_tokens: Some(2), ..Usage::new(57, 12).into() };
        let drawn = Used::of_pictures(512, DRAWING);
        let refused = |used| {
            let reasons = Reason::ALL.iter().copied();
            reasons.flat_map(move |reason| [Some(used), None].map(|told| UsageMark::refused(reason, told, used)))
        };
        let going_on = [used, drawn].map(|used| [UsageMark::so_far(used), UsageMark::complete(used)]);
        for mark in refused(used).chain(refused(drawn)).chain(going_on.into_iter().flatten()) {
            let text = mark.to_string();
            assert_eq!(UsageMark::read(&text), Some(mark), "{text}");
            // It passes as an event's id.
            assert!(text.len() <= crate::wire::sse::MAX_ID, "{text}");
        }
        for wrong in ["", "1/2", "1/2/3 ", "1/2/3 nothing", "1/2/3 complete unsettled", "1/2/3  complete", "- draining"]
        {
            assert_eq!(UsageMark::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_brief_usage_is_read_as_it_was_written() {
        for (usage, cached_tokens) in [(Usage::new(0, 0), 0), (Usage::new(57, 12), 40), (Usage::new(u64::MAX, 1), 1)] {
            for drawn in [Drawn::NOTHING, DRAWING, Drawn { images: 1, steps: 0, pixel_steps: u64::MAX }] {
                let used = Used { usage, cached_tokens, reasoning_tokens: Some(2), drawn };
                assert_eq!(read_brief(&brief(used)), Some(used));
            }
        }
        assert_eq!(
            brief(Used::of_pictures(12, Drawn { images: 1, steps: 8, pixel_steps: 8_388_608 })),
            "12/0/0+1/8/8388608"
        );
        for wrong in [
            "",
            "//",
            "1/2",
            "/1/2",
            "+1/2/3",
            "1/2/3/0",
            "1/2/3/4/5",
            "1 /2/3",
            "-1/2/3",
            "18446744073709551616/1/2",
            "1/2/3+",
            "1/2/3+1/2",
            "1/2/3+0/0/0",
            "1/2/3+1/2/3/4",
            "1/2/3+1/2/3+1/2/3",
            "1/2/3++1/2/3",
            "1/2/3+4294967296/2/3",
            "1/2/3+1/2/18446744073709551616",
        ] {
            assert_eq!(read_brief(wrong), None, "{wrong}");
        }
    }
}
