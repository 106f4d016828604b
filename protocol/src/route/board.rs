//! What an isolate knows of several origins, and how it decides by that.

pub mod choice;
mod post;

use crate::forward::capacity::Capacity;
use crate::refusal::{Reason, Refusal};
use crate::request::model_name::no_model;
use crate::route::beginning::Beginning;
use crate::route::breaker::Pass;
use crate::route::budget::RetryBudget;
use crate::route::door::Probe;
use crate::route::fact::Fact;
use crate::route::met::Met;
use crate::route::pace::Paces;
use crate::route::serves::Has;
use crate::route::setting::{OriginSetting, Region};
use crate::time::Millis;
use choice::{Candidate, pick};
use post::{Health, Post};

/// What is known of each.
#[derive(Clone, Debug)]
pub struct Board {
    posts: Vec<Post>,
    budget: RetryBudget,
    paces: Paces,
    next: u64,
    /// What was found out and not told yet.
    news: Vec<Fact>,
}

/// What a request wants of an origin.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its model.
    pub model: &'a str,
    /// What it goes on with, if with anything.
    pub beginning: Option<Beginning>,
    /// By which equal origins are told apart, if it goes on with nothing.
    pub otherwise: Beginning,
    /// Where its caller is, if that is known.
    pub region: Option<Region>,
    /// When its lease ends.
    pub until: Millis,
    /// The one that has counted its prompt already.
    pub again: Option<usize>,
}

/// A request's place at an origin, from when it is sent there until it is over. There is one of each.
#[derive(Debug)]
pub struct Place {
    origin: usize,
    id: u64,
    pass: Pass,
    model: String,
    /// No origin takes requests, and this one was tried all the same.
    is_last_resort: bool,
}

/// Why there is no origin for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoOrigin {
    /// None has its model.
    Model,
    /// All that have it were tried, or are down: perhaps until then.
    Down(Option<Millis>),
}

impl Place {
    /// At which origin, in the order of the setting.
    pub const fn origin(&self) -> usize {
        self.origin
    }

    const fn take_pass(&mut self) -> Pass {
        std::mem::replace(&mut self.pass, Pass::Usual)
    }
}

impl NoOrigin {
    /// What its caller is told.
    pub fn refusal(self, model: &str, now: Millis) -> Refusal {
        match self {
            Self::Model => no_model(model, []).with_detail("no origin has this model"),
            Self::Down(until) => {
                let refusal =
                    Refusal::new(Reason::OriginFailed, "No model server is up that has this model. Try again.")
                        .with_detail("every origin that has this model is down");
                match until.filter(|until| *until > now) {
                    Some(until) => refusal.with_retry_after_ms(until - now),
                    None => refusal,
                }
            }
        }
    }
}

impl Board {
    /// All are well, as far as is known.
    pub fn new(origins: &[OriginSetting]) -> Self {
        let posts = origins.iter().map(Post::new).collect();
        Self { posts, budget: RetryBudget::default(), paces: Paces::default(), next: 0, news: Vec::new() }
    }

    /// The origin for a request, which has a place there from now on. `tried`: those that it was at already.
    ///
    /// Where all are down, one is tried all the same: it may be well again, and nobody else would find out.
    pub fn choose(&mut self, wanted: &Wanted<'_>, tried: &[usize], now: Millis) -> Result<Place, NoOrigin> {
        if tried.is_empty() {
            self.budget.came(now);
        }
        let have = self.those_that_have(wanted.model, now);
        if have.is_empty() {
            return Err(NoOrigin::Model);
        }
        let left: Vec<usize> = have.into_iter().filter(|origin| !tried.contains(origin)).collect();
        let (up, unsure) = self.up(&left, wanted.model, now);
        // Whose request failed once is not to try an origin.
        let all: Vec<usize> = if tried.is_empty() || up.is_empty() { [up, unsure].concat() } else { up };
        let has_room = |origin: &usize| !self.posts[*origin].load.has_no_room(now);
        let with_room: Vec<usize> = all.iter().copied().filter(has_room).collect();
        let among = if with_room.is_empty() { all } else { with_room };
        let again = wanted.again.filter(|origin| among.contains(origin));
        let candidates: Vec<Candidate> =
            among.iter().map(|origin| self.posts[*origin].candidate(*origin, wanted, now)).collect();
        if let Some(origin) = again.or_else(|| pick(&candidates, wanted.beginning.is_some())) {
            let pass = self.posts[origin].breaker(wanted.model).and_then(|breaker| breaker.pass(now));
            return Ok(self.place(origin, pass.unwrap_or(Pass::Usual), wanted, false, now));
        }
        let opens = |origin: &usize| match self.posts[*origin].health(wanted.model, now) {
            Health::Down(until) => until,
            Health::Up | Health::Unsure => now,
        };
        match left.iter().copied().min_by_key(opens) {
            Some(origin) if tried.is_empty() => Ok(self.place(origin, Pass::Trial, wanted, true, now)),
            soonest => Err(NoOrigin::Down(soonest.map(|origin| opens(&origin)))),
        }
    }

    /// Whether a request that failed before its first byte may be tried once more; if so, that is spent.
    pub fn may_try_again(&mut self, now: Millis) -> bool {
        self.budget.spend(now)
    }

    /// What a request met, once: at the beginning of its answer.
    pub fn met(&mut self, place: &mut Place, met: Met, now: Millis) {
        let facts = self.posts[place.origin].met(place, met, now);
        self.tell(facts);
    }

    /// A stream of this model began so many milliseconds after it was sent, or had not by then.
    pub fn waited(&mut self, model: &str, after: Millis) {
        self.paces.saw(model, after);
    }

    /// How long a stream of this model is waited for until it is hedged, in milliseconds; `None` where too little is known.
    pub fn hedge_after(&self, model: &str) -> Option<Millis> {
        self.paces.p95(model)
    }

    /// A request is over.
    pub fn over(&mut self, mut place: Place, now: Millis) {
        let post = &mut self.posts[place.origin];
        post.load.end(place.id);
        // One that tried and met nothing lets another one try.
        let facts = if place.pass == Pass::Trial { post.met(&mut place, Met::Nothing, now) } else { Vec::new() };
        self.tell(facts);
    }

    /// An origin said how full it is.
    pub fn said(&mut self, origin: usize, capacity: Capacity, now: Millis) {
        self.posts[origin].load.said(capacity, now);
    }

    /// How full all origins are together, in percent, as far as they said within the last second; 0 if none did.
    pub fn percent(&self, now: Millis) -> u8 {
        let said: Vec<Capacity> = self.posts.iter().filter_map(|post| post.load.capacity(now)).collect();
        Capacity::percent_of_all(&said).unwrap_or(0)
    }

    /// How long a request waits at the origin that said the least of it within the last second; 0 if none did.
    pub fn wait_ms(&self, now: Millis) -> Millis {
        let waits = self.posts.iter().filter_map(|post| post.load.capacity(now)?.est_ms);
        waits.min().unwrap_or(0)
    }

    /// Until when none of those that have a model takes requests for it, if none does.
    pub fn broken_until(&self, model: &str, now: Millis) -> Option<Millis> {
        let until = |origin: usize| match self.posts[origin].health(model, now) {
            Health::Down(until) => Some(until),
            Health::Up | Health::Unsure => None,
        };
        let all: Option<Vec<Millis>> = self.those_that_have(model, now).into_iter().map(until).collect();
        all?.into_iter().min()
    }

    /// The origin's own name for a model, if that is another one.
    pub fn own_name(&self, origin: usize, model: &str) -> Option<&str> {
        self.posts[origin].serves.own_name(model)
    }

    /// The names by which callers may have an origin's model there.
    pub fn names_of<'b>(&'b self, origin: usize, own: &'b str, now: Millis) -> Vec<&'b str> {
        let serves = &self.posts[origin].serves;
        serves.names_of(own).into_iter().filter(|name| serves.has(name, now) != Has::No).collect()
    }

    /// The origins that are to be probed now. They count as probed.
    pub fn due_probes(&mut self, now: Millis) -> Vec<usize> {
        let is_due = |(origin, post): (usize, &mut Post)| post.door.is_due(now).then_some(origin);
        self.posts.iter_mut().enumerate().filter_map(is_due).collect()
    }

    /// Whether a request that has waited for long at an origin is to probe it, for all that wait there.
    pub fn is_due_for_who_waits(&mut self, origin: usize, now: Millis) -> bool {
        self.posts[origin].door.is_due_for_who_waits(now)
    }

    /// What came of a probe.
    pub fn probed(&mut self, origin: usize, probe: Probe, now: Millis) {
        let post = &mut self.posts[origin];
        let was_open = post.door.is_open();
        if post.door.probed(probe, now) && post.door.is_open() {
            post.is_ready(now);
        }
        let facts = post.door_fact(was_open, now);
        self.tell(facts);
    }

    /// Whether nobody is heard at an origin: what waits there waits in vain.
    pub fn is_dead(&self, origin: usize) -> bool {
        self.posts[origin].door.is_dead()
    }

    /// Whether an origin takes nothing new at the moment, for any model.
    pub fn is_shut(&self, origin: usize) -> bool {
        !self.posts[origin].door.is_open()
    }

    /// The origins whose models are to be asked for now. They count as asked.
    pub fn due_lists(&mut self, now: Millis) -> Vec<usize> {
        let is_due =
            |(origin, post): (usize, &mut Post)| (post.door.is_open() && post.serves.is_due(now)).then_some(origin);
        self.posts.iter_mut().enumerate().filter_map(is_due).collect()
    }

    /// An origin listed its models, by its own names.
    pub fn listed(&mut self, origin: usize, models: &[String]) {
        self.posts[origin].serves.listed(models);
    }

    /// What was found out since this was asked last.
    pub fn take_news(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.news)
    }

    /// What was taken could not be told, and is to be told the next time, unless it is overtaken.
    pub fn keep_news(&mut self, news: Vec<Fact>) {
        let newer = std::mem::take(&mut self.news);
        self.tell(news);
        self.tell(newer);
    }

    /// What other isolates found out.
    pub fn learn(&mut self, facts: &[Fact], now: Millis) {
        for fact in facts {
            if let Some(post) = self.posts.iter_mut().find(|post| post.name == fact.origin) {
                post.learn(fact, now);
            }
        }
    }

    /// Those that have a model; those that may have it where nobody is known to.
    fn those_that_have(&self, model: &str, now: Millis) -> Vec<usize> {
        let of = |wanted: Has| {
            let has = self.posts.iter().enumerate().filter(move |(_, post)| post.serves.has(model, now) == wanted);
            has.map(|(origin, _)| origin).collect::<Vec<_>>()
        };
        let known = of(Has::Yes);
        if known.is_empty() { of(Has::Perhaps) } else { known }
    }

    /// Those that take requests for a model, and those that take one, to try.
    fn up(&self, origins: &[usize], model: &str, now: Millis) -> (Vec<usize>, Vec<usize>) {
        let of = |wanted: Health| {
            origins.iter().copied().filter(|origin| self.posts[*origin].health(model, now) == wanted).collect()
        };
        (of(Health::Up), of(Health::Unsure))
    }

    fn place(&mut self, origin: usize, pass: Pass, wanted: &Wanted<'_>, is_last_resort: bool, now: Millis) -> Place {
        self.next += 1;
        self.posts[origin].load.begin(self.next, wanted.until, now);
        Place { origin, id: self.next, pass, model: wanted.model.to_owned(), is_last_resort }
    }

    fn tell(&mut self, facts: Vec<Fact>) {
        for fact in facts {
            self.news.retain(|known| (&known.origin, &known.model) != (&fact.origin, &fact.model));
            if self.news.len() < MAX_NEWS {
                self.news.push(fact);
            }
        }
    }
}

/// How much is kept to be told, where nobody can be told.
const MAX_NEWS: usize = 256;
