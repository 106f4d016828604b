//! Counts by value when there are more values than have room: never laxer than a count for each, and as good as one again as
//! soon as there is room. The room is made small, so that little is very many.

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::limit::count::{Counts, Moment, Room, Scope};
use sluice_protocol::limit::kind::bucket::Bucket;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::kind::{Fit, LimitKind, Tally, Unit};
use sluice_protocol::limit::plan::{Limit, Per};

const ROOM: Room = Room { values: 10, logs: 14 };
const START: u64 = 1_790_000_000_000;
/// How long a window lasts, and a bucket takes to be full again.
const SPAN: u64 = 1_000;
const MOST: u32 = 4;

fn limits() -> [Limit; 2] {
    let per_user = |name, kind: LimitKind| Limit { per: Per::User, ..Limit::new(name, kind) };
    let refill = Refill { amount: MOST, every_ms: SPAN };
    [
        per_user("w", Window { unit: Unit::Requests, limit: MOST, window_ms: SPAN }.into()),
        per_user("b", Bucket { unit: Unit::Requests, capacity: MOST, refill }.into()),
    ]
}

/// An account that counts by user, and what it let through.
#[derive(Default)]
struct Gate {
    counts: Counts,
    passed: Vec<(u64, u16)>,
}

impl Gate {
    /// Asks for one request of a user.
    fn ask(&mut self, limit: &Limit, user: u16, now: u64) -> bool {
        let scope = self.scope(limit, user, now);
        let tally = Tally { log: self.counts.get(limit, scope, now), leases: &[] };
        let fits = limit.kind.fit(tally, now, MOST.into(), 1) == Fit::Now;
        if fits {
            self.counts.drop_expired(now);
            self.counts.add(limit, scope, 1, Moment { now, oldest: now, span: None });
            self.passed.push((now, user));
        }
        fits
    }

    fn scope(&self, limit: &Limit, user: u16, now: u64) -> Scope {
        self.counts.scope(limit, Some(Mark::of(&user.to_string())), now, ROOM)
    }

    /// Whether a count of the user's own lets the request through.
    fn passes(&self, limit: &Limit, user: u16, now: u64) -> bool {
        let since = |from: u64| self.passed.iter().filter(|(at, who)| *who == user && *at >= from).count() as u64;
        match limit.kind.name() {
            "window" => since(now.saturating_sub(SPAN - 1)) < u64::from(MOST),
            _ => {
                self.passed.iter().filter(|(_, who)| *who == user).all(|(from, _)| {
                    (since(*from) + 1) * SPAN <= u64::from(MOST) * SPAN + u64::from(MOST) * (now - from)
                })
            }
        }
    }
}

proptest! {
    #[test]
    fn sharing_is_never_laxer_than_a_count_for_each(
        kind in 0usize..2,
        asks in vec((0u16..60, prop_oneof![4 => 0u64..8, 1 => 0u64..400]), 1..400),
    ) {
        let (limit, mut gate, mut now) = (&limits()[kind], Gate::default(), START);
        for (user, wait) in asks {
            now += wait;
            let may = gate.passes(limit, user, now);
            if gate.ask(limit, user, now) {
                prop_assert!(may, "user {} at {}", user, now - START);
            }
            let own = gate.counts.iter().filter(|(_, scope, _)| matches!(scope, Scope::Value(_))).count();
            prop_assert!(own <= ROOM.values, "{} logs", own);
        }
    }

    /// A burst of many users, and then a few that never stop: one window after the burst's own counts are over, each is
    /// let through exactly as if it had been alone all the time.
    #[test]
    fn a_burst_of_many_values_binds_the_others_for_one_window_more(
        burst in 30u16..120,
        asks in vec((20u16..26, 0u64..120), 50..300),
    ) {
        let (limit, mut gate) = (&limits()[0], Gate::default());
        for user in 0..burst {
            gate.ask(limit, user, START);
        }
        let mut now = START;
        for (user, wait) in asks {
            now += wait;
            let may = gate.passes(limit, user, now);
            let passed = gate.ask(limit, user, now);
            prop_assert!(may || !passed);
            if now >= START + 2 * SPAN {
                prop_assert_eq!(passed, may, "user {} at {}", user, now - START);
            }
        }
    }
}

/// Found by somebody who read the code to break in: a count that its own traffic kept alive bound everybody for ever.
#[test]
fn regular_users_after_a_burst_have_counts_of_their_own_again() {
    for limit in limits() {
        let mut gate = Gate::default();
        for user in 0..200 {
            gate.ask(&limit, user, START);
        }
        // Nine users, each well below its limit, so that there is traffic all the time.
        let (mut asked, mut passed) = (0, 0);
        for step in 0..200_u64 {
            let now = START + SPAN + step * 60;
            let is_passed = gate.ask(&limit, 300 + (step % 9) as u16, now);
            if now >= START + 2 * SPAN {
                (asked, passed) = (asked + 1, passed + usize::from(is_passed));
            }
        }
        assert_eq!(passed, asked, "{}", limit.name);
    }
}
