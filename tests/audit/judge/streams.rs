//! How many streams were under way at once.

use std::time::Duration;

/// The time in which a stream was surely under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// When the first byte of its answer was there.
    pub(crate) from: Duration,
    /// When it had surely not ended: more came that was not there at that time.
    pub(crate) until: Duration,
}

/// Follows a stream and says for how long it surely lived.
///
/// What is read may have lain in a buffer since the gateway was done. So only this proves life: at some time nothing was
/// there to read, and something came later. The last piece to come proves nothing, since it may be the stream's end.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    life: Life,
    before_last: Option<Duration>,
}

impl Pulse {
    /// A stream whose answer began then.
    pub(crate) fn new(from: Duration) -> Self {
        Self { life: Life { from, until: from }, before_last: None }
    }

    /// Something came, and at that time nothing had been there to read.
    pub(crate) fn came_after(&mut self, empty: Duration) {
        if let Some(proven) = self.before_last.replace(empty) {
            self.life.until = self.life.until.max(proven);
        }
    }

    /// What is proven.
    pub(crate) fn life(&self) -> Life {
        self.life
    }
}

/// The most streams that surely were under way at one time.
pub(crate) fn most_at_once(lives: &[Life]) -> usize {
    let at = |time: Duration| lives.iter().filter(|life| life.from <= time && time < life.until).count();
    lives.iter().map(|life| at(life.from)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(from: u64, until: u64) -> Life {
        Life { from: Duration::from_millis(from), until: Duration::from_millis(until) }
    }

    #[test]
    fn streams_at_the_same_time_are_counted() {
        assert_eq!(most_at_once(&[life(0, 100), life(10, 90), life(50, 60)]), 3);
        assert_eq!(most_at_once(&[life(0, 100), life(100, 200), life(200, 300)]), 1, "one after the other");
        assert_eq!(most_at_once(&[]), 0);
    }

    #[test]
    fn a_buffered_stream_proves_no_life() {
        let at = Duration::from_millis;
        let mut pulse = Pulse::new(at(10));
        assert_eq!(most_at_once(&[pulse.life()]), 0, "it may have ended with its head");
        pulse.came_after(at(20));
        assert_eq!(pulse.life().until, at(10), "what came may have been the end");
        pulse.came_after(at(30));
        assert_eq!(pulse.life().until, at(20));
    }
}
