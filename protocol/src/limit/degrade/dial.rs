//! Which level of degrading holds, with hysteresis: it rises at once, and falls by a rung each time that it has not been
//! held for a while. So it cannot flap: between two falls, and between a rise and a fall, lies that while.

use super::{Degrade, Signal};
use crate::time::Millis;

/// The level of one plan, as one isolate sees it. While nobody asks, nothing holds it: what origins say is soon old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dial {
    level: u8,
    /// When the last rung was held last, or the one after it was left.
    held_at: Millis,
}

impl Dial {
    /// The level that holds now, by what is known of the origins now.
    pub fn turn(&mut self, setting: &Degrade, signal: Signal, now: Millis) -> u8 {
        let begins = setting.level(signal, false);
        // Another table may have fewer rungs.
        let level = self.level.min(setting.most_level());
        let holds = setting.level(signal, true).min(level);
        // A clock that went back begins anew.
        let left = if self.held_at > now { 0 } else { (now - self.held_at) / setting.hold_ms };
        let fallen = level.saturating_sub(u8::try_from(left).unwrap_or(u8::MAX)).max(holds);
        *self = match (begins, fallen) {
            (begins, _) if begins > level => Self { level: begins, held_at: now },
            (_, fallen) if fallen == holds || self.held_at > now => Self { level: fallen, held_at: now },
            (_, fallen) => {
                let falls = Millis::from(level - fallen);
                Self { level: fallen, held_at: self.held_at + falls * setting.hold_ms }
            }
        };
        self.level
    }

    /// How long it takes until at most this level holds, in milliseconds, if nothing holds it from now on: after that long
    /// it does, and one millisecond before it does not.
    pub fn falls_in(&self, setting: &Degrade, level: u8, now: Millis) -> Millis {
        let falls = Millis::from(self.level.saturating_sub(level));
        if falls == 0 { 0 } else { (self.held_at + falls * setting.hold_ms).saturating_sub(now) }
    }
}
