//! One request that a plan has decided about: all that the same decision needs when it is made again.

use crate::auth::principal::Mark;
use crate::id::RequestId;
use crate::order::ordered;
use crate::request::drawing::{Drawing, Drawn};
use crate::request::endpoint::Endpoint;
use crate::time::Millis;

/// One request. Names are numbers of [`Names`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which.
    pub id: RequestId,
    /// When its limits were asked; when it came, where only its plan was.
    pub at: Millis,
    /// When it was over.
    pub over: Millis,
    /// When it was decided by what the origin had counted; 0 where it was not.
    pub counted_at: Millis,
    /// Its line.
    pub line: u32,
    /// The account.
    pub account: u32,
    /// The model that limits saw.
    pub model: u32,
    /// The plan.
    pub plan: u32,
    /// The limits that refused it, with commas between.
    pub limits: u32,
    /// Its key's or subject's mark.
    pub mark: Mark,
    /// Its session's.
    pub session: Option<Mark>,
    /// Its end user's.
    pub user: Option<Mark>,
    /// How large its body is.
    pub body_bytes: u32,
    /// What its prompt was taken for, in tokens.
    pub prompt_guess: u32,
    /// What it was counted as.
    pub prompt_counted: u32,
    /// How many tokens it may have, if it says so.
    pub max_tokens: Option<u32>,
    /// Which pictures are to be drawn.
    pub drawing: Drawing,
    /// What it used.
    pub used: Option<Usage>,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// How full the origins were, in percent.
    pub pressure: u8,
    /// What was decided.
    pub decision: Decision,
    /// Whether it has a key.
    pub has_key: bool,
    /// Whether it is a batch's line.
    pub batch: bool,
    /// Whether the model may think.
    pub thinking: bool,
    /// Whether it may be given less.
    pub may_bend: bool,
    /// Whether no model was asked.
    pub is_static: bool,
    /// Whether we failed it.
    pub given_back: bool,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was let through.
    Through,
    /// Limits refused it.
    Limited,
    /// Its plan does not allow it.
    Forbidden,
}

/// What a request used, in tokens and pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its prompt.
    pub prompt: u32,
    /// What of that was remembered.
    pub cached: u32,
    /// Its answer.
    pub completion: u32,
    /// What of that was thought, if it is known.
    pub reasoning: Option<u32>,
    /// What was drawn.
    pub drawn: Drawn,
}

impl Usage {
    /// Of numbers that may be larger than anything is.
    pub fn new(prompt: u64, cached: u64, completion: u64, reasoning: Option<u64>, drawn: Drawn) -> Self {
        let narrow = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        Self {
            prompt: narrow(prompt),
            cached: narrow(cached),
            completion: narrow(completion),
            reasoning: reasoning.map(narrow),
            drawn,
        }
    }
}

/// Names, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<Box<str>>);

impl Names {
    /// These, from 0 on.
    pub const fn new(texts: Vec<Box<str>>) -> Self {
        Self(texts)
    }

    /// One more; returns its number.
    pub fn push(&mut self, text: &str) -> u32 {
        let number =
            u32::try_from(self.0.len()).expect("there are fewer names than requests, which have 32-bit numbers");
        self.0.push(text.into());
        number
    }

    /// A name. Panics for a number that is none of these.
    pub fn text(&self, number: u32) -> &str {
        &self.0[number as usize]
    }

    /// The number of a name, where they are in the order of their texts.
    pub fn number(&self, text: &str) -> Option<u32> {
        let place = self.0.binary_search_by(|name| (**name).cmp(text)).ok()?;
        u32::try_from(place).ok()
    }
}

/// Account by account, each in the order in which it was decided. Of what was decided in one millisecond, what was let
/// through goes first: it counts for what was refused in it, and not the other way round.
pub fn in_order<'r>(requests: impl Iterator<Item = &'r Request>) -> Vec<&'r Request> {
    let all: Vec<_> = requests.collect();
    let key = |number: usize| {
        let request: &Request = all[number];
        (request.account, request.at, request.decision != Decision::Through, request.counted_at, request.line)
    };
    let order = ordered(all.len(), &|one, other| key(one).cmp(&key(other)));
    order.into_iter().map(|number| all[number as usize]).collect()
}

// A log of a gigabyte has some two million of them.
const _: () = assert!(size_of::<Request>() <= 200);
