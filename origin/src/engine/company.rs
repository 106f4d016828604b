//! Which engines of an origin compute at the moment: they share one processor, and so each other's time.

use super::turns::{Step, Turns};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many engines compute. Those that share one processor share this.
#[derive(Clone, Debug, Default)]
pub(crate) struct Company(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    computing: AtomicUsize,
    /// With pictures, where some are drawn.
    turns: Option<Arc<Turns>>,
}

/// One engine's part in it.
#[derive(Debug)]
pub(super) struct Member {
    all: Company,
    computes: bool,
}

impl Company {
    /// Engines that take turns with pictures.
    pub(crate) fn beside_pictures(turns: Arc<Turns>) -> Self {
        Self(Arc::new(Shared { computing: AtomicUsize::new(0), turns: Some(turns) }))
    }

    /// A member that does not compute yet.
    pub(super) fn join(&self) -> Member {
        Member { all: self.clone(), computes: false }
    }
}

impl Member {
    /// Says whether this engine computes from now on.
    pub(super) fn computes(&mut self, now: bool) {
        let shared = &self.all.0;
        match (std::mem::replace(&mut self.computes, now), now) {
            (false, true) => drop(shared.computing.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(shared.computing.fetch_sub(1, Ordering::Relaxed)),
            _ => return,
        }
        if let Some(turns) = &shared.turns {
            turns.busy(now);
        }
    }

    /// Waits while a picture computes, and calls `lives` meanwhile. The step may be computed until what this gives is
    /// dropped.
    pub(super) fn step(&self, lives: impl Fn()) -> Option<Step<'_>> {
        self.all.0.turns.as_ref().map(|turns| turns.step(lives))
    }

    /// Whether another engine computes.
    pub(super) fn has_company(&self) -> bool {
        self.all.0.computing.load(Ordering::Relaxed) > usize::from(self.computes)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.computes(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_no_company_for_itself() {
        let all = Company::default();
        let (mut one, mut other) = (all.join(), all.join());
        assert!(!one.has_company() && !other.has_company());
        one.computes(true);
        one.computes(true);
        assert!(!one.has_company() && other.has_company());
        other.computes(true);
        assert!(one.has_company());
        one.computes(false);
        assert!(one.has_company() && !other.has_company());
        drop(other);
        assert!(!one.has_company());
    }
}
