//! Schedules: hours and weekdays in which a limit is tighter, wider or closed.
//!
//! Integers only: a factor is a percentage. Hours are those of a fixed distance from UTC; there is no daylight saving
//! time, because a pure function cannot know a country's next law.

use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// When which percentage of a limit applies. Without a rule that matches it is 100.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Minutes east of UTC, -1,439 to 1,439.
    pub offset_minutes: i32,
    /// The first rule that matches counts.
    pub rules: Vec<ScheduleRule>,
}

/// Some hours of some days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRule {
    /// The days on which it begins: bit 0 is Monday.
    pub days: u8,
    /// The minute of the day at which it begins.
    pub from: u16,
    /// The minute of the day before which it ends, at most 1,440; if not after `from`, it ends on the next day.
    pub to: u16,
    /// What it makes of the limit: 0 closes it.
    pub percent: u16,
}

impl Schedule {
    /// The percentage at a time.
    pub fn percent_at(&self, at: Millis) -> u16 {
        if self.rules.is_empty() {
            return ALWAYS;
        }
        let (day, minute) = self.local(at);
        self.percent_in(day, minute)
    }

    /// Every percentage that ever applies, each once, and 100 if some time has no rule.
    pub fn percents(&self) -> Vec<u16> {
        let mut percents: Vec<u16> = (0..7)
            .flat_map(|day| self.starts().into_iter().map(move |minute| (day, minute)))
            .map(|(day, minute)| self.percent_in(day, minute))
            .collect();
        percents.sort_unstable();
        percents.dedup();
        percents
    }

    /// The first time at or after `from` at which this percentage applies. `None` if it never does.
    pub fn next_with(&self, percent: u16, from: Millis) -> Option<Millis> {
        if self.percent_at(from) == percent {
            return Some(from);
        }
        let starts = self.starts();
        let (_, minute) = self.local(from);
        // The start of the minute that `from` is in, and of its day, by the schedule's clock.
        let this_minute = from - from % MINUTE_MS;
        let midnight = i128::from(this_minute) - i128::from(minute) * i128::from(MINUTE_MS);
        (0..=7).flat_map(|day| starts.iter().map(move |start| (day, *start))).find_map(|(day, start)| {
            let at = midnight + i128::from(day * DAY_MINUTES + u64::from(start)) * i128::from(MINUTE_MS);
            let at = Millis::try_from(at).ok()?;
            (at > from && self.percent_at(at) == percent).then_some(at)
        })
    }

    /// The minutes of a day at which something may change.
    fn starts(&self) -> Vec<u16> {
        let mut starts = vec![0];
        for rule in &self.rules {
            starts.extend([rule.from, rule.to].into_iter().filter(|minute| u64::from(*minute) < DAY_MINUTES));
        }
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    /// The weekday (0 is Monday) and the minute of the day, by the schedule's clock.
    fn local(&self, at: Millis) -> (u8, u16) {
        let minutes = i128::from(at / MINUTE_MS) + i128::from(self.offset_minutes);
        let days = minutes.div_euclid(i128::from(DAY_MINUTES));
        let minute = minutes.rem_euclid(i128::from(DAY_MINUTES));
        // The epoch was a Thursday.
        ((days + 3).rem_euclid(7) as u8, minute as u16)
    }

    fn percent_in(&self, day: u8, minute: u16) -> u16 {
        self.rules.iter().find(|rule| rule.holds(day, minute)).map_or(ALWAYS, |rule| rule.percent)
    }
}

impl ScheduleRule {
    fn holds(&self, day: u8, minute: u16) -> bool {
        let begins_on = |day: u8| self.days & (1 << day) != 0;
        if self.from < self.to {
            return begins_on(day) && (self.from..self.to).contains(&minute);
        }
        let yesterday = (day + 6) % 7;
        (begins_on(day) && minute >= self.from) || (begins_on(yesterday) && minute < self.to)
    }
}

/// The days of a week, as schedules name them.
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The percentage where no rule applies.
pub const ALWAYS: u16 = 100;
const MINUTE_MS: u64 = 60_000;
const DAY_MINUTES: u64 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 2026-09-21, 00:00 UTC.
    const MONDAY: Millis = 1_789_948_800_000;
    const HOUR: Millis = 3_600_000;

    fn rule(days: u8, from: u16, to: u16, percent: u16) -> ScheduleRule {
        ScheduleRule { days, from: from * 60, to: to * 60, percent }
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let schedule =
            Schedule { offset_minutes: 0, rules: vec![rule(0b001_1111, 8, 18, 50), rule(0b111_1111, 22, 6, 300)] };
        let cases = [(0, 300), (5, 300), (6, 100), (8, 50), (17, 50), (18, 100), (22, 300), (24 * 5 + 9, 100)];
        for (hour, percent) in cases {
            assert_eq!(schedule.percent_at(MONDAY + hour * HOUR), percent, "hour {hour}");
        }
        assert_eq!(schedule.percents(), [50, 100, 300]);
    }

    #[test]
    fn a_rule_past_midnight_belongs_to_the_day_on_which_it_begins() {
        let schedule = Schedule { offset_minutes: 0, rules: vec![rule(0b100_0000, 22, 6, 0)] };
        assert_eq!(schedule.percent_at(MONDAY + HOUR), 0, "it began on Sunday");
        assert_eq!(schedule.percent_at(MONDAY + 23 * HOUR), 100);
        assert_eq!(schedule.percent_at(MONDAY - HOUR), 0);
    }

    #[test]
    fn hours_are_those_of_the_offset() {
        let schedule = Schedule { offset_minutes: 330, rules: vec![rule(0b111_1111, 9, 10, 7)] };
        assert_eq!(schedule.percent_at(MONDAY + 3 * HOUR + HOUR / 2), 7);
        assert_eq!(schedule.percent_at(MONDAY + 4 * HOUR + HOUR / 2), 100);
    }

    #[test]
    fn the_next_time_is_exact_to_the_millisecond() {
        let schedule = Schedule { offset_minutes: -90, rules: vec![rule(0b000_0100, 8, 18, 0)] };
        for from in [MONDAY, MONDAY + 1, MONDAY + 60 * HOUR, MONDAY + 7 * 24 * HOUR - 1] {
            let next = schedule.next_with(0, from).unwrap();
            assert_eq!(schedule.percent_at(next), 0);
            assert!(next == from || schedule.percent_at(next - 1) != 0, "{next} is the first");
            assert!(next - from <= 7 * 24 * HOUR);
        }
        assert_eq!(schedule.next_with(55, MONDAY), None);
    }
}
