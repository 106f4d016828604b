//! What a line says of the request and of what its Gate decided: all that the same decision needs when it is made again, by
//! the same plans or by others (`cargo xtask replay`). Sizes, marks and names; never what anybody said.

use crate::auth::principal::Mark;
use crate::hop::gate_call::{Admission, Answer, Ask, Caller};
use crate::id::hex;
use crate::limit::decision::Outcome;
use crate::limit::degrade::Degraded;
use crate::request::bodies::chat::Used;
use crate::request::drawing::Drawing;
use crate::request::endpoint::Endpoint;
use crate::time::Millis;
use serde::Serialize;

/// Who asked for what, and what was decided. What is as for most requests is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// The account.
    pub account: String,
    /// The key or the subject of a token, or the account of those who have neither.
    pub subject: String,
    /// The mark of a token's subject: one account may have many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// For which model, cut after 64 characters.
    pub model: String,
    /// What was asked for.
    pub endpoint: Endpoint,
    /// Whether it is a batch's line.
    #[serde(skip_serializing_if = "is_no")]
    pub batch: bool,
    /// The mark of its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The mark of its end user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How large its body is.
    pub body_bytes: u32,
    /// How many tokens the edge takes its prompt for.
    pub prompt_guess: u32,
    /// How many tokens its caller lets all of its answers have, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Whether the model may think.
    #[serde(skip_serializing_if = "is_no")]
    pub thinking: bool,
    /// Which pictures are to be drawn.
    #[serde(skip_serializing_if = "is_no_drawing")]
    pub drawing: Drawing,
    /// Whether its caller takes less than it asked for.
    #[serde(skip_serializing_if = "is_no")]
    pub may_bend: bool,
    /// How many percent of the origins' places were in use.
    #[serde(skip_serializing_if = "is_nothing")]
    pub pressure: u8,
    /// By which plan it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// When its limits were asked, by its Gate's clock. Nothing where its plan alone, or nobody, has decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Millis>,
    /// The limits that refused it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// What was made of it before it was sent on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<Box<Degraded>>,
    /// The second decision, by what an origin had counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
    /// It was let through while its Gate could not be reached.
    #[serde(skip_serializing_if = "is_no")]
    pub without_gate: bool,
    /// We failed it, and each limit was given back what it had counted.
    #[serde(skip_serializing_if = "is_no")]
    pub given_back: bool,
    /// What its limits were told that it had used.
    #[serde(skip)]
    pub used: Option<Used>,
}

/// A second decision: the prompt was longer than it had been taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// How many tokens were asked for it then, with what was computed in vain.
    pub prompt_tokens: u32,
    /// When.
    pub at: Millis,
}

impl Decided {
    /// What is known before anybody is asked.
    pub fn of(account: &str, subject: String, ask: &Ask) -> Self {
        let hexed = |mark: Mark| hex(&mark.0);
        let by = match &ask.caller {
            Caller::Known { subject, .. } if *subject != Mark::default() => Some(hexed(*subject)),
            Caller::Known { .. } | Caller::Key { .. } | Caller::Short { .. } => None,
        };
        Self {
            account: account.to_owned(),
            subject,
            by,
            model: cut(&ask.model),
            endpoint: ask.endpoint,
            batch: ask.batch,
            session: ask.session.map(hexed),
            user: ask.user.map(hexed),
            body_bytes: ask.body_bytes,
            prompt_guess: ask.prompt_tokens,
            max_tokens: ask.max_tokens,
            thinking: ask.thinking,
            drawing: ask.drawing,
            may_bend: ask.bending.may,
            pressure: ask.pressure,
            plan: None,
            decided_at: None,
            limits: Vec::new(),
            degraded: None,
            counted: None,
            without_gate: false,
            given_back: false,
            used: None,
        }
    }

    /// What its Gate said to this ask.
    pub fn answered(&mut self, ask: &Ask, answer: &Answer) {
        let (plan, now) = match answer {
            Answer::Admitted(admission) => {
                self.degraded.clone_from(&admission.degraded);
                (&admission.plan, Some(admission.now))
            }
            Answer::Limited { plan, refused, now, .. } => {
                self.limits = refused.iter().map(|refused| refused.limit.clone()).collect();
                (plan, Some(*now))
            }
            Answer::NotAllowed { plan, .. } => (plan, None),
            _ => return,
        };
        self.plan = Some(plan.clone());
        match now {
            Some(at) if ask.prompt_is_counted => {
                self.counted = Some(Counted { prompt_tokens: ask.prompt_tokens, at });
            }
            Some(at) => self.decided_at = Some(at),
            None => {}
        }
    }

    /// Its Gate could not be reached, and this let it through.
    pub fn without_gate(&mut self, admission: &Admission) {
        self.plan = Some(admission.plan.clone());
        self.without_gate = true;
    }

    /// What its Gate is told of how it ended.
    pub fn ended(&mut self, outcome: Outcome) {
        self.given_back = outcome == Outcome::NotServed;
        self.used = outcome.used();
    }
}

const fn is_no(flag: &bool) -> bool {
    !*flag
}

const fn is_no_drawing(drawing: &Drawing) -> bool {
    !drawing.is_any()
}

const fn is_nothing(number: &u8) -> bool {
    *number == 0
}

/// A name that a caller has chosen may be as long as a prompt, or be one.
pub(super) fn cut(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

/// How many characters of such a name are written down.
const MAX_NAME: usize = 64;
