//! Requests that were decided, packed: what an isolate hands its Meter beside what it counts, and what a Meter keeps.
//!
//! Where there is no room for all, fewer accounts are kept, and each of them whole: limits count by account, so the
//! requests of one account are decided again as they were, whatever is missing of others. [`Sample`] says which accounts.

mod packed;

use super::request::{Decision, Request, Usage};
use crate::auth::principal::Mark;
use crate::id::{KeyId, RequestId, parse_hex};
use crate::order::ordered;
use crate::request::bodies::chat::Used;
use crate::telemetry::Decided;
use crate::time::Millis;
use packed::{ACCOUNT, AT, MAX_PACKED, NAMES, WIDTH, pack, unpack};
use serde::{Deserialize, Serialize};

/// One of `2^n` accounts: those whose names have a hash that begins with `n` zeros. A sample holds all of what a smaller
/// one holds, and it is the same everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sample(u8);

/// Some requests. Numbers of names are numbers of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Lines {
    sample: Sample,
    left_out: u64,
    lost: u64,
    names: Vec<String>,
    /// [`WIDTH`] of each request.
    numbers: Vec<u64>,
}

/// The same, of whoever wrote it.
#[derive(Deserialize)]
struct Unchecked {
    sample: Sample,
    left_out: u64,
    lost: u64,
    names: Vec<String>,
    numbers: Vec<u64>,
}

impl Sample {
    /// One account in this many.
    pub const fn one_in(self) -> u64 {
        1 << if self.0 < 63 { self.0 } else { 63 }
    }

    /// Half of it; `None` where that would be less than one account in [`LEAST`].
    pub fn half(self) -> Option<Self> {
        let half = Self(self.0 + 1);
        (half.one_in() <= LEAST).then_some(half)
    }

    /// Twice of it, and of all accounts all.
    pub const fn twice(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Whether an account is in it.
    pub fn holds(self, account: &str) -> bool {
        self.0 == 0 || u64::from_be_bytes(Mark::of(account).0).leading_zeros() >= u32::from(self.0)
    }
}

impl Lines {
    /// Adds a request that came at `at` and is over now, which has used this. It is passed over if no plan has decided it, or
    /// if it is counted nowhere. Where there is no room, there are fewer accounts afterwards, but not less than one in
    /// [`LEAST_OF_REPORT`]: what is beyond is lost.
    pub fn add(&mut self, decided: &Decided, used: Option<Used>, at: Millis, now: Millis) {
        if decided.plan.is_none() || decided.without_gate {
            return;
        }
        if !self.sample.holds(&decided.account) {
            self.left_out += 1;
            return;
        }
        while !self.has_room(decided) {
            match self.sample.half().filter(|half| half.one_in() <= LEAST_OF_REPORT) {
                Some(half) => self.narrow(half, 0),
                None => break,
            }
        }
        if !self.sample.holds(&decided.account) {
            self.left_out += 1;
        } else if self.has_room(decided) {
            let request = self.request(decided, used, at, now);
            self.numbers.extend(pack(&request));
        } else {
            self.lost += 1;
        }
    }

    /// Adds others. Both have the same sample, or what is left out of one is in the other.
    pub fn join(&mut self, more: &Self) {
        let order = ordered(self.names.len(), &|one, other| self.names[one].cmp(&self.names[other]));
        let mut number = |name: &String| match order.binary_search_by(|known| self.names[*known as usize].cmp(name)) {
            Ok(place) => order[place],
            Err(_) => {
                self.names.push(name.clone());
                self.names.len() as u32 - 1
            }
        };
        let numbers: Vec<u32> = more.names.iter().map(&mut number).collect();
        for mut line in more.lines() {
            NAMES.iter().for_each(|place| line[*place] = u64::from(numbers[line[*place] as usize]));
            self.numbers.extend(line);
        }
        self.sample = self.sample.max(more.sample);
        self.left_out += more.left_out;
        self.lost += more.lost;
    }

    /// Forgets what is of accounts outside of this sample, which is left out, and what was decided before this time.
    pub fn narrow(&mut self, sample: Sample, since: Millis) {
        let is_smaller = sample > self.sample;
        let mut held: Vec<Option<bool>> = vec![None; self.names.len()];
        // Numbers of names, as they are afterwards.
        let mut renamed: Vec<Option<u32>> = vec![None; self.names.len()];
        let (mut names, mut numbers, mut left_out) = (Vec::new(), Vec::with_capacity(self.numbers.len()), 0);
        for mut line in self.lines() {
            if line[AT] < since {
                continue;
            }
            let account = line[ACCOUNT] as usize;
            if is_smaller && !*held[account].get_or_insert_with(|| sample.holds(&self.names[account])) {
                left_out += 1;
                continue;
            }
            for place in NAMES {
                let name = line[place] as usize;
                let new = renamed[name].get_or_insert_with(|| {
                    names.push(self.names[name].clone());
                    names.len() as u32 - 1
                });
                line[place] = u64::from(*new);
            }
            numbers.extend(line);
        }
        (self.names, self.numbers, self.sample) = (names, numbers, self.sample.max(sample));
        self.left_out += left_out;
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.numbers.len() / WIDTH
    }

    /// Whether it says nothing: there is none, and there was none that it does not have.
    pub const fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.left_out == 0 && self.lost == 0
    }

    /// Of which accounts they are.
    pub const fn sample(&self) -> Sample {
        self.sample
    }

    /// How many there were of accounts that have no room.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many there were of the others, and are not there.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The names of their accounts, each as often as it has requests.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.lines().map(|line| self.names[line[ACCOUNT] as usize].as_str())
    }

    /// When the first of them was decided, and the last.
    pub fn span(&self) -> Option<(Millis, Millis)> {
        let times = || self.lines().map(|line| line[AT]);
        Some((times().min()?, times().max()?))
    }

    /// How large this is when it is packed, in bytes: a little more at most.
    pub fn bytes(&self) -> usize {
        // Seven bits in each, as postcard has them.
        let bytes = |number: &u64| (70 - (number | 1).leading_zeros() as usize) / 7;
        HEAD + self.names_bytes() + self.numbers.iter().map(bytes).sum::<usize>()
    }

    /// All of them, with their numbers of names as they are here, and without an id.
    pub fn requests(&self) -> impl Iterator<Item = Request> {
        self.lines().filter_map(|line| unpack(&line))
    }

    fn lines(&self) -> impl Iterator<Item = [u64; WIDTH]> {
        self.numbers.chunks_exact(WIDTH).map(|line| line.try_into().expect("a chunk has this length"))
    }

    fn names_bytes(&self) -> usize {
        self.names.iter().map(|name| name.len() + 2).sum()
    }

    fn has_room(&self, decided: &Decided) -> bool {
        let limits = decided.limits.iter().map(|limit| limit.len() + 1).sum::<usize>();
        let bent = decided.degraded.as_ref().and_then(|bent| bent.model.as_ref()).map_or(0, String::len);
        let plan = decided.plan.as_ref().map_or(0, String::len);
        let names = decided.account.len() + decided.model.len().max(bent) + plan + limits + 8;
        HEAD + self.names_bytes() + names + (self.len() + 1) * MAX_PACKED <= MAX_REPORT_BYTES
    }

    fn request(&mut self, decided: &Decided, used: Option<Used>, at: Millis, now: Millis) -> Request {
        let key = KeyId::parse(&decided.subject).map(|id| id.key);
        let mark = |hex: &String| parse_hex(hex).map(Mark);
        let by = || decided.by.as_ref().and_then(mark).unwrap_or_default();
        let decision = match decided.decided_at {
            Some(_) if !decided.limits.is_empty() => Decision::Limited,
            Some(_) => Decision::Through,
            None => Decision::Forbidden,
        };
        let decided_at = decided.decided_at.unwrap_or(at);
        // A Gate's clock may have gone back meanwhile.
        let counted_at = decided.counted.map(|counted| counted.at.max(decided_at));
        let bent = decided.degraded.as_deref();
        let model = bent.and_then(|bent| bent.model.as_ref()).unwrap_or(&decided.model);
        let used = used.map(|used| {
            let (prompt, completion) = (used.usage.prompt_tokens, used.usage.completion_tokens);
            Usage::new(prompt, used.cached_tokens, completion, used.reasoning_tokens, used.drawn)
        });
        Request {
            id: RequestId([0; 16]),
            at: decided_at,
            over: now.max(counted_at.unwrap_or(decided_at)),
            counted_at: counted_at.unwrap_or(0),
            line: 0,
            account: self.number(&decided.account),
            model: self.number(model),
            plan: self.number(decided.plan.as_deref().unwrap_or_default()),
            limits: self.number(&decided.limits.join(",")),
            mark: key.map_or_else(by, Mark::of_key),
            session: decided.session.as_ref().and_then(mark),
            user: decided.user.as_ref().and_then(mark),
            body_bytes: decided.body_bytes,
            prompt_guess: decided.prompt_guess,
            prompt_counted: decided.counted.map_or(0, |counted| counted.prompt_tokens),
            max_tokens: bent.and_then(|bent| bent.max_tokens).or(decided.max_tokens),
            drawing: decided.drawing,
            used,
            endpoint: decided.endpoint,
            pressure: decided.pressure,
            decision,
            has_key: key.is_some(),
            batch: decided.batch,
            thinking: decided.thinking && !bent.is_some_and(|bent| bent.no_thinking),
            may_bend: decided.may_bend,
            is_static: bent.is_some_and(|bent| bent.static_answer),
            given_back: decided.given_back,
        }
    }

    fn number(&mut self, name: &str) -> u32 {
        let place = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        place as u32
    }
}

impl TryFrom<Unchecked> for Lines {
    type Error = &'static str;

    fn try_from(read: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { sample, left_out, lost, names, numbers } = read;
        let lines = Self { sample, left_out, lost, names, numbers };
        let has_names = |line: &[u64; WIDTH]| NAMES.iter().all(|place| line[*place] < lines.names.len() as u64);
        let is_whole = lines.numbers.len().is_multiple_of(WIDTH) && lines.sample.one_in() <= LEAST;
        let is_sound = is_whole && lines.lines().all(|line| has_names(&line) && unpack(&line).is_some());
        if is_sound { Ok(lines) } else { Err("not requests that were decided") }
    }
}

/// The most that all else takes.
const HEAD: usize = 40;
/// The most that an isolate hands on at once, in bytes: some 500 requests, which are 200 a second.
pub const MAX_REPORT_BYTES: usize = 60_000;
/// The smallest sample: of fewer accounts than this nobody would want to conclude anything.
pub const LEAST: u64 = 1_024;
/// The smallest sample of what an isolate hands on at once. A Meter that could not be reached for an hour is not to cost the
/// others their accounts.
pub const LEAST_OF_REPORT: u64 = 16;
