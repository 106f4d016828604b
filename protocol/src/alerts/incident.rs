//! An incident: a rule, and what it is about. How it is told is made when it happens, so that what is sent again is the
//! same.

use super::notice::{Notice, Phase};
use crate::limit::plan::AlertRule;
use crate::limit::plan::alert::Condition;
use crate::time::{Millis, rfc3339, wait, write_duration};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an incident is about, by the kind of its rule. Names are as they were counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Subject {
    /// A key that is refused.
    Key { account: String, key: String },
    /// So much of a budget. `until` is the end of its period, 0 of one that has none.
    Budget { account: String, plan: String, budget: String, percent: u8, until: Millis },
    /// An origin; empty where there is one alone.
    Origin { name: String },
    /// All requests.
    Errors,
    /// All leases.
    Lapsed,
    /// All logins.
    FailedLogins,
}

/// What was counted when a condition held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// How many.
    pub(super) count: u64,
    /// Of how many, where it is a share.
    pub(super) of: u64,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Incident {
    /// Which one: they are numbered.
    pub(super) number: u64,
    pub(super) rule: String,
    pub(super) subject: Subject,
    /// When its condition was first seen to hold.
    pub(super) since: Millis,
    /// Since when it has not held, if it does not.
    pub(super) unmet_since: Option<Millis>,
    /// What happened, in a line.
    pub(super) headline: String,
    /// How it opened; `None` while it is only looked at.
    pub(super) opened: Option<Happened>,
    /// How it ended, if it has.
    pub(super) over: Option<Happened>,
    /// Whether it ended because nobody wants to hear of it any more.
    pub(super) is_silent: bool,
    /// The webhooks that took the message that it opened.
    pub(super) told: Vec<String>,
}

/// How an incident opened or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Happened {
    pub(super) at: Millis,
    pub(super) text: String,
    /// What was counted, by name.
    pub(super) facts: BTreeMap<String, String>,
}

impl Subject {
    /// Whether a rule that says this may be about it.
    pub(super) fn is_of(&self, when: &Condition) -> bool {
        match (self, when) {
            (Self::Budget { percent, .. }, Condition::BudgetUsed { percent: steps }) => steps.contains(percent),
            (Self::Key { .. }, Condition::KeyRefused { .. })
            | (Self::Origin { .. }, Condition::OriginDown { .. })
            | (Self::Errors, Condition::Errors { .. })
            | (Self::Lapsed, Condition::Lapsed { .. })
            | (Self::FailedLogins, Condition::FailedLogins { .. }) => true,
            _ => false,
        }
    }

    /// When the period of a budget ends, if it has one.
    pub(super) const fn until(&self) -> Option<Millis> {
        match self {
            Self::Budget { until, .. } if *until > 0 => Some(*until),
            _ => None,
        }
    }

    /// What it is, by name.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::new();
        let mut add = |name: &str, value: String| drop(facts.insert(name.to_owned(), value));
        match self {
            Self::Key { account, key } => {
                add("account", clean(account));
                add("key", clean(key));
            }
            Self::Budget { account, plan, budget, percent, until } => {
                add("account", clean(account));
                add("plan", clean(plan));
                add("budget", clean(budget));
                add("percent", percent.to_string());
                if *until > 0 {
                    add("until", rfc3339(*until));
                }
            }
            Self::Origin { name } if !name.is_empty() => add("origin", clean(name)),
            Self::Origin { .. } | Self::Errors | Self::Lapsed | Self::FailedLogins => {}
        }
        facts
    }

    fn name(&self) -> String {
        match self {
            Self::Key { account, key } if account == key => format!("Account {}", clean(account)),
            Self::Key { account, key } => format!("Key {} of account {}", clean(key), clean(account)),
            Self::Budget { account, plan, budget, .. } => {
                format!("Budget {} of plan {}, account {}", clean(budget), clean(plan), clean(account))
            }
            Self::Origin { name } if name.is_empty() => "The origin".to_owned(),
            Self::Origin { name } => format!("Origin {}", clean(name)),
            Self::Errors | Self::Lapsed | Self::FailedLogins => String::new(),
        }
    }
}

impl Incident {
    /// One that is only looked at.
    pub(super) fn new(number: u64, rule: &AlertRule, subject: Subject, now: Millis) -> Self {
        let headline = match &subject {
            Subject::Budget { percent, .. } => format!("{percent} % of a budget are used up"),
            _ => rule.when.text(),
        };
        Self {
            number,
            rule: rule.name.clone(),
            subject,
            since: now,
            unmet_since: None,
            headline,
            opened: None,
            over: None,
            is_silent: false,
            told: Vec::new(),
        }
    }

    /// It opens.
    pub(super) fn open(&mut self, when: &Condition, counted: Counted, now: Millis) {
        let Counted { count, of } = counted;
        let name = self.subject.name();
        let text = match &self.subject {
            Subject::Key { .. } => format!("{name} was refused {count} times."),
            Subject::Budget { percent, until: 0, .. } => format!("{name}: {percent} % of it are used up."),
            Subject::Budget { percent, until, .. } => {
                format!("{name}: {percent} % of it are used up. Its period ends at {}.", rfc3339(*until))
            }
            Subject::Origin { .. } => format!("{name} takes no requests."),
            Subject::Errors => format!("{count} of {of} requests failed or were cut."),
            Subject::Lapsed => {
                format!("{count} leases ended by themselves: nobody said what became of their requests.")
            }
            Subject::FailedLogins => {
                format!("{count} logins of admins failed. GET /admin/v1/failed-logins says from where.")
            }
        };
        let mut facts = BTreeMap::new();
        let within_ms = match when {
            Condition::KeyRefused { within_ms, .. }
            | Condition::Errors { within_ms, .. }
            | Condition::Lapsed { within_ms, .. }
            | Condition::FailedLogins { within_ms, .. } => Some(*within_ms),
            Condition::BudgetUsed { .. } | Condition::OriginDown { .. } => None,
        };
        if let Some(within_ms) = within_ms {
            facts.insert("count".to_owned(), count.to_string());
            facts.insert("within".to_owned(), write_duration(within_ms));
        }
        if of > 0 {
            facts.insert("requests".to_owned(), of.to_string());
        }
        self.opened = Some(Happened { at: now, text, facts });
    }

    /// It is over.
    pub(super) fn end(&mut self, now: Millis) {
        let name = self.subject.name();
        let what = match &self.subject {
            Subject::Key { .. } => format!("{name} is refused less often again."),
            Subject::Budget { until: 0, .. } => format!("{name}: no request has met it so far used up for an hour."),
            Subject::Budget { .. } => format!("{name}: its period has ended."),
            Subject::Origin { .. } => format!("{name} takes requests again, or is not there any more."),
            Subject::Errors => "Fewer requests fail or are cut again.".to_owned(),
            Subject::Lapsed => "Leases are settled again.".to_owned(),
            Subject::FailedLogins => "Fewer logins of admins fail again.".to_owned(),
        };
        let opened_at = self.opened.as_ref().map_or(self.since, |opened| opened.at);
        let text = format!("{what} It lasted {}.", wait(now.saturating_sub(opened_at)));
        let facts = [("opened_at".to_owned(), rfc3339(opened_at))].into();
        self.over = Some(Happened { at: now, text, facts });
    }

    /// Nobody wants to hear of it any more.
    pub(super) fn silence(&mut self, now: Millis) {
        let text = "Its rule is muted, gone, or says something else.".to_owned();
        self.over = Some(Happened { at: now, text, facts: BTreeMap::new() });
        self.is_silent = true;
    }

    /// How it is called, the same in every message of it. A row that was lost begins with number 1 again, so it has its
    /// time, too.
    pub(super) fn id(&self) -> String {
        format!("{}-{}", self.since, self.number)
    }

    /// What is told of it.
    pub(super) fn notice(&self, phase: Phase) -> Option<Notice> {
        let (word, happened) = match phase {
            Phase::Opened => ("Alert", self.opened.as_ref()?),
            Phase::Over => ("Over", self.over.as_ref()?),
            Phase::Test => return None,
        };
        let mut facts = self.subject.facts();
        facts.extend(happened.facts.clone());
        Some(Notice {
            id: format!("{}-{}", self.id(), phase.name()),
            rule: self.rule.clone(),
            phase,
            at: happened.at,
            title: format!("{word}: {}", self.headline),
            text: happened.text.clone(),
            facts,
        })
    }

    /// Whether it has opened and is not over.
    pub(super) const fn is_open(&self) -> bool {
        self.opened.is_some() && self.over.is_none()
    }
}

/// A name in one line, without what turns the direction of text or cannot be seen.
fn clean(name: &str) -> String {
    let is_hidden = |character: char| match character {
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        _ => character.is_control(),
    };
    name.chars().map(|character| if is_hidden(character) { ' ' } else { character }).collect()
}
