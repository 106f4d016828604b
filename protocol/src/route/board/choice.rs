//! Which of the origins that could serve a request does: the one that remembers its beginning, unless it is fuller
//! than it may be (consistent hashing with bounded loads: Mirrokni, Thorup and Zadimoghaddam, 2016).

/// An origin that could serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub origin: usize,
    /// What it drew for this request: the highest remembers it.
    pub draw: u64,
    /// How many requests of this isolate run there.
    pub running: u64,
    /// How much it takes beside the others.
    pub weight: u64,
    /// How many percent of its places are in use, if it said so a moment ago.
    pub percent: Option<u8>,
    /// How long a request would wait there, if it said so a moment ago.
    pub wait_ms: Option<u64>,
    /// Whether it is where the caller is.
    pub is_near: bool,
}

/// The one that serves; `None` if there is none. `is_known`: the request goes on with something that the highest draw
/// remembers.
pub fn pick(candidates: &[Candidate], is_known: bool) -> Option<usize> {
    let bounds = Bounds::of(candidates);
    let best = |near_only: bool| {
        let let_in = candidates.iter().filter(|one| bounds.let_in(one) && (one.is_near || !near_only));
        if is_known { let_in.max_by_key(|one| one.draw) } else { let_in.min_by_key(by_load) }
    };
    let found = best(true).or_else(|| best(false)).or_else(|| candidates.iter().min_by_key(by_load));
    found.map(|candidate| candidate.origin)
}

/// The least full first; of those that are equally full the one that waits least.
fn by_load(candidate: &&Candidate) -> (u64, u8, u64, u64) {
    let Candidate { running, weight, percent, wait_ms, draw, .. } = **candidate;
    (running * SCALE / weight.max(1), percent.unwrap_or_default(), wait_ms.unwrap_or_default(), u64::MAX - draw)
}

/// How full an origin may be, for the others' sake.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// How many requests run, with the one that comes.
    running: u64,
    /// The weight of all.
    weight: u64,
    /// How full the emptiest is, of those that said so.
    least_percent: u8,
}

impl Bounds {
    fn of(candidates: &[Candidate]) -> Self {
        Self {
            running: candidates.iter().map(|one| one.running).sum::<u64>() + 1,
            weight: candidates.iter().map(|one| one.weight).sum::<u64>().max(1),
            least_percent: candidates.iter().filter_map(|one| one.percent).min().unwrap_or_default(),
        }
    }

    /// Whether one more may run there.
    fn let_in(self, candidate: &Candidate) -> bool {
        let is_fuller =
            candidate.percent.is_some_and(|percent| percent > self.least_percent.saturating_add(SLACK_PERCENT));
        candidate.running < most(self.running, candidate.weight, self.weight) && !is_fuller
    }
}

/// How many requests may run at an origin of this weight, where so many run at all of this weight together.
pub fn most(running: u64, weight: u64, all: u64) -> u64 {
    let share = (running * weight * BOUND_PERCENT).div_ceil(all.max(1) * 100);
    share.max(weight * FEW)
}

/// How much of its share an origin may have, in percent.
pub const BOUND_PERCENT: u64 = 125;
/// So many for each unit of weight are no load: shares of few requests say nothing.
pub const FEW: u64 = 2;
/// By how many percent of its places it may be fuller than the emptiest.
pub const SLACK_PERCENT: u8 = 25;
/// So that shares of small numbers differ.
const SCALE: u64 = 1_000;
