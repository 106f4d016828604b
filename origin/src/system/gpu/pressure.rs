//! How a GPU's memory presses.
//!
//! An engine has its weights in that memory from the start, and counts on a pool for keys and values which it fills and
//! keeps. A GPU is therefore nearly full when all is well, and how full it is says nothing. What says something is the
//! *spare* memory: what is neither in use once the models are loaded, nor of the pool. Prompts and logits need it while
//! they are computed. It goes where another process takes memory, or where we take more than the pool. So pressure is
//! how much of the spare memory is gone, as if the pool were full: memory that others take of the pool is missed as soon
//! as it is taken, and not when an answer needs it.

/// A GPU's memory at one moment, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// All of it.
    pub(super) total: u64,
    /// What can be had; at most all.
    pub(super) free: u64,
    /// What this process has, if the driver knows it: in a container it may not.
    pub(super) own: Option<u64>,
}

/// What the engines count on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// What is ours once the pool is full, if it is known what is ours.
    ours: Option<u64>,
    /// What is left then, if others stay as they were.
    spare: u64,
}

/// A pool that would leave nothing counts as one that leaves this part of what was free. The settings may promise more
/// than there is; then pressure is at least of use.
const LEAST_SPARE: u64 = 8;

impl Promise {
    /// By what was in use when the models were loaded, and by how many bytes the engines may take from then on.
    pub(super) fn new(loaded: Memory, pool: u64) -> Self {
        let pool = pool.min(loaded.free - loaded.free.div_ceil(LEAST_SPARE));
        let ours = loaded.own.map(|own| own.min(loaded.in_use()) + pool);
        Self { ours, spare: loaded.free - pool }
    }

    /// How much of the spare memory is taken, in percent.
    pub(super) fn taken(&self, now: Memory) -> u8 {
        let in_use = now.in_use();
        let kept = match (self.ours, now.own) {
            // As if we had taken all that we may.
            (Some(ours), Some(own)) => (in_use - own.min(in_use)).saturating_add(ours),
            // Nobody knows whether others have grown into the pool.
            _ => in_use,
        };
        // Never more than at first: in use of the pool is what the pool is for.
        let left = now.total.saturating_sub(kept.max(in_use)).min(self.spare);
        let taken = u128::from(self.spare - left) * 100;
        taken.checked_div(self.spare.into()).and_then(|percent| u8::try_from(percent).ok()).unwrap_or(100)
    }
}

impl Memory {
    fn in_use(&self) -> u64 {
        self.total.saturating_sub(self.free)
    }
}

/// What is told of `taken` percent, where memory presses from `from` percent on: evenly from 0 there to 100 where nothing
/// is left. `None` where it never presses.
pub(super) fn told(taken: u8, from: u8) -> Option<u8> {
    let span = 100_u16.checked_sub(from.into()).filter(|span| *span > 0)?;
    let above = u16::from(taken.min(100)).saturating_sub(from.into());
    u8::try_from(above * 100 / span).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GIB: u64 = 1 << 30;

    /// 80 GiB, of which others have 4 and we have 36; 20 of the 40 that are free are for the pool.
    const LOADED: Memory = Memory { total: 80 * GIB, free: 40 * GIB, own: Some(36 * GIB) };
    const POOL: u64 = 20 * GIB;

    fn taken(others: u64, own: u64) -> u8 {
        let now = Memory { total: 80 * GIB, free: (80 - others - own) * GIB, own: Some(own * GIB) };
        Promise::new(LOADED, POOL).taken(now)
    }

    #[test]
    fn our_pool_is_ours_and_what_others_take_is_gone() {
        for (others, own, expected) in [
            (4, 36, 0),
            // The pool fills, and is full.
            (4, 46, 0),
            (4, 56, 0),
            // We take more than the pool: half of what is spare.
            (4, 66, 50),
            (4, 76, 100),
            // Others take spare memory, whether or not our pool is full.
            (9, 36, 25),
            (9, 56, 25),
            (24, 36, 100),
            // They have taken of the pool: not all that we promise could be had.
            (40, 36, 100),
            (44, 36, 100),
            // One that was there has gone.
            (0, 56, 0),
            (0, 60, 0),
        ] {
            assert_eq!(taken(others, own), expected, "others {others}, we {own}");
        }
    }

    #[test]
    fn where_nobody_knows_what_is_ours_all_of_the_pool_may_be() {
        for loaded in [Memory { own: None, ..LOADED }, LOADED] {
            let promise = Promise::new(loaded, POOL);
            let taken = |free: u64| promise.taken(Memory { total: 80 * GIB, free: free * GIB, own: None });
            assert_eq!([40, 30, 20, 15, 10, 0].map(taken), [0, 0, 0, 25, 50, 100]);
        }
    }

    #[test]
    fn a_pool_of_more_than_there_is_leaves_an_eighth() {
        let promise = Promise::new(LOADED, 600 * GIB);
        let taken = |own: u64| promise.taken(Memory { free: (76 - own) * GIB, own: Some(own * GIB), ..LOADED });
        assert_eq!([36, 71, 72, 74, 76].map(taken), [0, 0, 20, 60, 100]);
        let full = Memory { total: GIB, free: 0, own: None };
        assert_eq!(Promise::new(full, POOL).taken(full), 100);
    }

    #[test]
    fn it_presses_from_where_the_setting_says() {
        let told = |from| [0, 49, 50, 51, 75, 99, 100].map(|taken| told(taken, from));
        assert_eq!(told(0), [0, 49, 50, 51, 75, 99, 100].map(Some));
        assert_eq!(told(50), [0, 0, 0, 2, 50, 98, 100].map(Some));
        assert_eq!(told(99), [0, 0, 0, 0, 0, 0, 100].map(Some));
        assert_eq!(told(100), [None; 7]);
    }

    fn memory() -> impl Strategy<Value = Memory> {
        let numbers = prop_oneof![0..1_000_u64, any::<u64>()];
        (numbers, any::<u64>(), any::<Option<u64>>()).prop_map(|(total, free, own)| {
            let free = free.checked_rem(total.saturating_add(1)).unwrap_or(free);
            Memory { total, free, own: own.map(|own| own % (total - free).saturating_add(1)) }
        })
    }

    proptest! {
        /// Nothing is taken at first; all is where nothing is free; and it is a percentage whatever is said.
        #[test]
        fn it_is_nothing_at_first_and_all_at_last(loaded in memory(), pool: u64, now in memory(), from in 0..=100_u8) {
            let promise = Promise::new(loaded, pool);
            prop_assert_eq!(promise.taken(loaded), if loaded.free == 0 { 100 } else { 0 });
            prop_assert_eq!(promise.taken(Memory { free: 0, ..loaded }), 100);
            let taken = promise.taken(now);
            prop_assert!(taken <= 100);
            prop_assert!(told(taken, from).is_none_or(|told| told <= taken));
        }

        /// Who takes more makes it no emptier, whoever it is; and what we take of the pool changes nothing.
        #[test]
        fn it_grows_with_what_is_taken(loaded in memory(), pool: u64, now in memory(), more: u64) {
            let promise = Promise::new(loaded, pool);
            let more = more.checked_rem(now.free.saturating_add(1)).unwrap_or(more);
            let free = now.free - more;
            let (by_others, by_us) = (Memory { free, ..now }, Memory { free, own: now.own.map(|own| own + more), ..now });
            let before = promise.taken(now);
            prop_assert!(promise.taken(by_others) >= before);
            prop_assert!(promise.taken(by_us) >= before);
            let is_within = matches!((promise.ours, by_us.own), (Some(ours), Some(own)) if own <= ours);
            prop_assert!(!is_within || promise.taken(by_us) == before);
        }
    }
}
