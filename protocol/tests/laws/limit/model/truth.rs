//! What is true of an account, kept as a list of what was admitted: the model's own memory, in ticks instead of
//! milliseconds and without any log, lease table or refund.

use std::collections::BTreeSet;

/// A limit, in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) kind: Kind,
    /// Tokens, or requests.
    pub(crate) tokens: bool,
    /// A count for each client, or one for both.
    pub(crate) per_key: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Window { most: u32, span: u32 },
    Bucket { most: u32, refill: u32, every: u32 },
    Parallel { most: u32 },
}

/// A request that a client may make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) client: u8,
    pub(crate) tokens: u32,
}

/// How a settle says that it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// With so many tokens used.
    Used(u32),
    /// Served, and nobody knows how much was used.
    Unknown,
    /// We failed it.
    NotServed,
}

/// What was admitted once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Admission {
    pub(crate) request: usize,
    pub(crate) at: u32,
    pub(crate) end: Option<End>,
}

/// Everything that ever happened, as far as it may still matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Truth {
    /// What the clock shows.
    pub(crate) clock: u32,
    /// The latest time at which something changed.
    pub(crate) last: u32,
    /// The time of the change before, at another time: what had expired then is forgotten.
    pub(crate) sure: u32,
    pub(crate) admitted: Vec<Admission>,
    /// Which requests were settled, and when the first settle came.
    pub(crate) closed: Vec<(u32, usize)>,
    pub(crate) served: u64,
    pub(crate) tokens: u64,
}

/// The rules of one world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) limits: Vec<Limit>,
    pub(crate) requests: Vec<Request>,
    pub(crate) lease: u32,
    /// How long a lease is kept after its end.
    pub(crate) grace: u32,
    /// How long a settle is remembered.
    pub(crate) remembered: u32,
}

/// What must be answered to an ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is held since this time.
    Held(u32),
    Closed,
    /// By these limits.
    Refused(Vec<usize>),
    Admitted,
}

impl Truth {
    pub(crate) fn now(&self) -> u32 {
        self.clock.max(self.last)
    }

    pub(crate) fn is_closed(&self, request: usize) -> bool {
        self.closed.iter().any(|(_, closed)| *closed == request)
    }

    /// What must happen when an ask arrives now. Nothing changes unless it is admitted.
    pub(crate) fn admit(&mut self, world: &World, request: usize) -> Verdict {
        if let Some(held) = self.held(world, request) {
            return Verdict::Held(self.admitted[held].at);
        }
        if self.is_closed(request) {
            return Verdict::Closed;
        }
        let now = self.now();
        let over: Vec<usize> =
            (0..world.limits.len()).filter(|limit| !self.fits(world, *limit, request, now)).collect();
        if !over.is_empty() {
            return Verdict::Refused(over);
        }
        self.admitted.push(Admission { request, at: now, end: None });
        self.change(world, now);
        Verdict::Admitted
    }

    /// What must happen when a request is asked for again with what the origin counted, and whether anything changes: the
    /// first is given back if that lets the second pass, and has otherwise been a request.
    pub(crate) fn ask_again(&mut self, world: &World, first: usize, second: usize) -> (Verdict, bool) {
        let mut given_back = self.clone();
        let ended = given_back.settle(world, first, End::NotServed);
        let verdict = given_back.admit(world, second);
        if matches!(verdict, Verdict::Admitted | Verdict::Held(_)) {
            *self = given_back;
            let is_admitted = verdict == Verdict::Admitted;
            return (verdict, ended || is_admitted);
        }
        let ended = self.settle(world, first, End::Used(0));
        let verdict = self.admit(world, second);
        let is_admitted = verdict == Verdict::Admitted;
        (verdict, ended || is_admitted)
    }

    /// What must happen when a settle arrives now; whether anything changes.
    pub(crate) fn settle(&mut self, world: &World, request: usize, end: End) -> bool {
        if self.is_closed(request) {
            return false;
        }
        if let Some(held) = self.held(world, request) {
            self.admitted[held].end = Some(end);
            self.served += u64::from(end != End::NotServed);
            self.tokens += if let End::Used(tokens) = end { u64::from(tokens) } else { 0 };
        }
        let now = self.now();
        self.closed.push((now, request));
        self.change(world, now);
        true
    }

    /// Whether a request passes one limit at a time, if nothing happens before.
    pub(crate) fn fits(&self, world: &World, limit: usize, request: usize, now: u32) -> bool {
        let Limit { kind, tokens, .. } = world.limits[limit];
        let amount = if tokens { world.requests[request].tokens } else { 1 };
        let client = world.requests[request].client;
        match kind {
            Kind::Window { most, .. } => self.used(world, limit, client, now) + amount <= most,
            Kind::Bucket { most, every, .. } => self.debt(world, limit, client, now) + amount * every <= most * every,
            Kind::Parallel { most } => self.used(world, limit, client, now) < most,
        }
    }

    /// What a caller must be told that counts.
    pub(crate) fn used(&self, world: &World, limit: usize, client: u8, now: u32) -> u32 {
        match world.limits[limit].kind {
            Kind::Window { span, .. } => self.sum(world, limit, client, now.saturating_sub(span - 1), now),
            Kind::Bucket { every, .. } => self.debt(world, limit, client, now).div_ceil(every),
            Kind::Parallel { .. } => {
                self.mine(world, limit, client).filter(|one| world.is_live(one, now)).count() as u32
            }
        }
    }

    /// The laws themselves: no span holds more than its limit, no burst more than its bucket, never more at once.
    pub(crate) fn check_laws(&self, world: &World) {
        let starts: BTreeSet<u32> = self.admitted.iter().map(|one| one.at).collect();
        for (limit, Limit { kind, .. }) in world.limits.iter().enumerate() {
            for (client, &start) in
                [0, 1].into_iter().flat_map(|client| starts.iter().map(move |start| (client, start)))
            {
                match *kind {
                    Kind::Window { most, span } => {
                        let sum = self.sum(world, limit, client, start, start + span - 1);
                        assert!(sum <= most, "{sum} in a span of {span} from {start}: {:?}", world.limits[limit]);
                    }
                    Kind::Bucket { most, refill, every } => {
                        for end in starts.range(start..) {
                            let sum = self.sum(world, limit, client, start, *end);
                            assert!(
                                sum * every <= most * every + refill * (end - start),
                                "{sum} from {start} to {end}"
                            );
                        }
                    }
                    Kind::Parallel { most } => {
                        let live = self.used(world, limit, client, start.max(self.last));
                        assert!(live <= most, "{live} at once");
                    }
                }
            }
        }
    }

    /// The request's lease: it is kept until the first change that comes so long after its end.
    pub(crate) fn held(&self, world: &World, request: usize) -> Option<usize> {
        let held = |one: &Admission| one.request == request && one.end.is_none() && world.is_kept(one, self.sure);
        self.admitted.iter().position(held)
    }

    /// What one client's count of a limit holds from one time to another, both included.
    fn sum(&self, world: &World, limit: usize, client: u8, from: u32, to: u32) -> u32 {
        let counts = self.mine(world, limit, client).filter(|one| (from..=to).contains(&one.at));
        counts.map(|one| world.counted(limit, one)).sum()
    }

    /// What has not drained: the most that was counted from any time on, without what was refilled since.
    fn debt(&self, world: &World, limit: usize, client: u8, now: u32) -> u32 {
        let Kind::Bucket { refill, every, .. } = world.limits[limit].kind else { return 0 };
        let from =
            |start: u32| (self.sum(world, limit, client, start, now) * every).saturating_sub(refill * (now - start));
        self.admitted.iter().map(|one| from(one.at)).max().unwrap_or(0)
    }

    fn mine(&self, world: &World, limit: usize, client: u8) -> impl Iterator<Item = &Admission> {
        let per_key = world.limits[limit].per_key;
        self.admitted.iter().filter(move |one| !per_key || world.requests[one.request].client == client)
    }

    /// Time has moved on: forgets what can no longer matter to any law, so that worlds that differ only in it are one.
    fn change(&mut self, world: &World, now: u32) {
        if now > self.last {
            (self.sure, self.last) = (self.last, now);
        }
        let sure = self.sure;
        self.closed.retain(|(at, _)| at + world.remembered > sure);
        let is_over = |one: &Admission| {
            (one.end.is_some() || !world.is_kept(one, sure))
                && world.limits.iter().all(|limit| match limit.kind {
                    Kind::Window { span, .. } => one.at + span <= now,
                    // What has drained still bounds what was counted after it.
                    Kind::Bucket { .. } => world.counted_as(limit, one) == 0,
                    Kind::Parallel { .. } => true,
                })
        };
        self.admitted.retain(|one| !is_over(one));
    }
}

impl Limit {
    /// As a plan table has it.
    pub(crate) fn describe(&self, index: usize, tick_ms: u64) -> serde_json::Value {
        let ms = |ticks: u32| format!("{}ms", u64::from(ticks) * tick_ms);
        let mut json = match self.kind {
            Kind::Window { most, span } => serde_json::json!({"kind": "window", "limit": most, "window": ms(span)}),
            Kind::Bucket { most, refill, every } => {
                serde_json::json!({"kind": "bucket", "capacity": most, "refill": refill, "every": ms(every)})
            }
            Kind::Parallel { most } => serde_json::json!({"kind": "parallel", "limit": most}),
        };
        json["name"] = format!("l{index}").into();
        if self.tokens {
            json["unit"] = "tokens".into();
        }
        if self.per_key {
            json["per"] = "key".into();
        }
        json
    }
}

pub(crate) const fn requests(kind: Kind) -> Limit {
    Limit { kind, tokens: false, per_key: false }
}

pub(crate) const fn tokens(kind: Kind) -> Limit {
    Limit { kind, tokens: true, per_key: false }
}

pub(crate) const fn per_key(limit: Limit) -> Limit {
    Limit { per_key: true, ..limit }
}

impl World {
    pub(crate) fn is_live(&self, one: &Admission, now: u32) -> bool {
        one.end.is_none() && one.at + self.lease > now
    }

    /// Whether a settle still finds it.
    fn is_kept(&self, one: &Admission, sure: u32) -> bool {
        one.at + self.lease + self.grace > sure
    }

    fn counted(&self, limit: usize, one: &Admission) -> u32 {
        self.counted_as(&self.limits[limit], one)
    }

    /// Reserved while it runs; then what was used, all of it if nobody knows, and nothing if we failed it.
    fn counted_as(&self, limit: &Limit, one: &Admission) -> u32 {
        let reserved = if limit.tokens { self.requests[one.request].tokens } else { 1 };
        match one.end {
            Some(End::NotServed) => 0,
            Some(End::Used(used)) if limit.tokens => used.min(reserved),
            _ => reserved,
        }
    }
}
