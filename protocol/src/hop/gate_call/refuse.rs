//! What a caller is told when a Gate says no.

use super::{Answer, Forbidden};
use crate::limit::decision::{Passes, Refused};
use crate::limit::kind::Unit;
use crate::limit::standing::ratelimit;
use crate::refusal::{Reason, Refusal};
use crate::time::{Millis, wait};

impl Answer {
    /// The answer as the edge's caller sees it, if it is a no.
    pub fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::Admitted(_) | Self::Identified(_) | Self::Done(_) | Self::Did(_) => return None,
            Self::Key(_) | Self::Caller(_) | Self::Account(_) | Self::Usage(_) => return None,
            Self::UnknownCaller => refuse_key().with_detail("the Gate has no such key, or its secret differs"),
            Self::Disabled => {
                Refusal::new(Reason::Disabled, "This key or its account is disabled. Ask who gave it to you.")
            }
            Self::Expired => refuse_key().with_detail("the key has expired, or its secret was rotated away"),
            Self::Denied(denied) => denied.refusal(),
            Self::NotAllowed { forbidden, .. } => forbidden.refusal(),
            Self::NotFound => Refusal::new(Reason::KeyNotFound, "There is no key or account of this id."),
            Self::OtherVersion => Refusal::new(
                Reason::PreconditionFailed,
                "It has changed meanwhile. GET it, and change what is there now.",
            ),
            Self::UnknownPlan(plan) => {
                Refusal::new(Reason::Misconfigured, "This key's plan does not exist. Tell whoever gave you the key.")
                    .with_detail(format!("a key names the plan `{plan}`, which the table does not have"))
            }
            Self::UnknownTable => Refusal::new(Reason::GateUnavailable, "The plans have just changed. Try again.")
                .with_detail("the Gate and the Registry do not know the plan table of the message"),
            Self::Uncounted(budget) => Refusal::new(Reason::Misconfigured, UNCOUNTED)
                .with_detail(format!("the time zone or the currency of the budget `{budget}` is not known here")),
            Self::Unusable(why) => Refusal::new(Reason::InvalidRequest, why.clone()),
            // Whoever knows how full the origins are adds how long that lasts.
            Self::TooFull(_) => Refusal::new(Reason::Overloaded, TOO_FULL),
            Self::Closed => Refusal::new(Reason::Internal, "The request was decided before. Send it again.")
                .with_detail("admit came after settle"),
            Self::Limited { refused, standings, now, .. } => {
                refuse_limited(refused, *now).with_headers(ratelimit::headers(standings, *now))
            }
        })
    }
}

const UNCOUNTED: &str = "A budget of this key's account cannot be counted. Tell whoever gave you the key.";
const TOO_FULL: &str = "The model servers are so full that this request would be answered with less than it asks for, which \
                        `x-sluice-degrade: none` forbids. Try again later, or leave the header out.";

impl Forbidden {
    /// What the caller is told.
    pub fn refusal(self) -> Refusal {
        let refusal = |param, message: String| Refusal::new(Reason::NotAllowed, message).with_param(param);
        match self {
            Self::Model => {
                refusal("model", "This key may not use this model; GET /v1/models lists what is served.".into())
            }
            Self::InputBytes(most) => refusal("messages", format!("This key may send at most {most} bytes.")),
            Self::MaxTokens(most) => refusal("max_tokens", format!("This key may ask for at most {most} tokens.")),
        }
    }
}

/// What every bad key is told, whatever was wrong with it.
pub fn refuse_key() -> Refusal {
    Refusal::new(Reason::InvalidKey, "This API key is not valid here. Check it, or ask for a new one.")
}

/// Names every limit that refused, and the time until all of them would let this request through.
///
/// If one of them tells no time there is no wait to name, as for a limit on requests at once: the only time that is certain is
/// the lease's end, minutes away, while a place most likely comes free much sooner. OpenAI's SDKs then back off by
/// themselves, from half a second on; a wait of minutes would make them give up, and the others' wait alone would not
/// suffice. The same holds for a limit that is tightened because the origin is full.
fn refuse_limited(refused: &[Refused], now: Millis) -> Refusal {
    let named: Vec<_> = refused.iter().map(name_limit).collect();
    let message = format!("Over the limit of this key's account ({}).", named.join("; "));
    let mut never = refused.iter().filter(|limit| limit.passes == Passes::Never).peekable();
    if never.peek().is_some() {
        // What is missing can be had, if nothing else is in the way.
        return match never.all(|limit| limit.kind.never() == Reason::InsufficientCredits) {
            true => Refusal::new(Reason::InsufficientCredits, format!("{message} Ask for less, or for more credits.")),
            false => Refusal::new(Reason::NeverFits, format!("{message} This request can never fit: ask for less.")),
        };
    }
    let certain = refused.iter().try_fold(now, |latest, limit| match limit.passes {
        Passes::At(at) if limit.kind.awaits().is_none() => Some(latest.max(at)),
        _ => None,
    });
    let reason = reason(refused);
    match certain {
        Some(at) => {
            let until = at.saturating_sub(now);
            Refusal::new(reason, format!("{message} Retry in {}.", wait(until))).with_retry_after_ms(until)
        }
        None => match refused.iter().find_map(|limit| limit.kind.awaits()) {
            Some(awaited) => Refusal::new(reason, format!("{message} Retry {awaited}.")),
            None => Refusal::new(reason, format!("{message} The server is busy: retry in a while.")),
        },
    }
}

/// The reason that all of them have, or that of most kinds.
fn reason(refused: &[Refused]) -> Reason {
    let mut reasons = refused.iter().map(|limit| limit.kind.reason());
    let first = reasons.next().unwrap_or(Reason::RateLimited);
    if reasons.all(|reason| reason == first) { first } else { Reason::RateLimited }
}

/// `` `minute`: 60 requests in 60 s ``, and for what is counted in other units also what was asked for and what is left.
fn name_limit(refused: &Refused) -> String {
    let Refused { limit: name, kind, amount, used, passes, .. } = refused;
    if kind.is_closed() {
        return format!("`{name}`: closed at this hour");
    }
    let text = format!("`{name}`: {}", kind.text());
    let opens = match passes {
        Passes::At(at) => kind.opens(*at),
        Passes::LessFull | Passes::Never => None,
    };
    let opens = opens.map_or_else(String::new, |opens| format!(", {opens}"));
    match kind.unit() {
        Unit::Requests => text + &opens,
        Unit::Tokens | Unit::Cost | Unit::Money | Unit::Images => {
            let left = kind.quota().saturating_sub(*used);
            format!("{text}, this request needs {} and {} are left{opens}", kind.told(*amount), kind.told(left))
        }
    }
}
