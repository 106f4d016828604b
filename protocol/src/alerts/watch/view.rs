//! `GET /admin/v1/alerts`: what is watched, as JSON.

use super::queue::{Outcome, Sent};
use super::{Watch, sent_to};
use crate::alerts::incident::Incident;
use crate::alerts::webhook::{Form, Webhook};
use crate::limit::plan::AlertRule;
use crate::order::sorted;
use crate::time::Millis;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertsView {
    /// When this was told.
    pub now: Millis,
    /// The rules in force.
    pub rules: Vec<RuleView>,
    /// The webhooks that there are.
    pub webhooks: Vec<WebhookView>,
    /// Incidents that last, the newest first.
    pub open: Vec<IncidentView>,
    /// The last that are over, the newest first.
    pub over: Vec<IncidentView>,
    /// The last messages that nobody tries to send any more, the newest first.
    pub given_up: Vec<GivenUpView>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// What it says, for people.
    pub says: String,
    /// Whether it is kept quiet.
    pub muted: bool,
    /// The webhooks that it tells.
    pub send: Vec<String>,
    /// What it names and there is no webhook of.
    pub unknown: Vec<String>,
    /// Whether so many of its incidents last that it opens no other.
    pub is_full: bool,
}

/// A webhook, without what opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebhookView {
    /// Its name.
    pub name: String,
    /// Its form.
    pub form: Form,
    /// Whether it is in a network of the operator's own.
    pub private: bool,
    /// Its host.
    pub host: String,
    /// How many messages wait for it.
    pub waiting: usize,
    /// What became of what was sent to it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<OutcomeView>,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeView {
    /// When.
    pub at: Millis,
    /// `taken`, `refused` or `unreached`.
    pub result: &'static str,
    /// The status with which it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IncidentView {
    /// What its messages' ids begin with.
    pub id: String,
    /// Its rule.
    pub rule: String,
    /// What happened, in a line.
    pub title: String,
    /// How it opened, or how it ended if it has.
    pub text: String,
    /// What it is about.
    pub facts: BTreeMap<String, String>,
    /// When it opened.
    pub since: Millis,
    /// When it ended, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_at: Option<Millis>,
}

/// A message that nobody tries to send any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GivenUpView {
    /// The message's id.
    pub notice: String,
    /// Whose it is.
    pub rule: String,
    /// Where it was to go.
    pub webhook: String,
    /// When it was given up.
    pub at: Millis,
    /// How often it was tried.
    pub tries: u32,
    /// `refused`, `unreached`, or `no_room` if too many waited.
    pub result: &'static str,
    /// The status with which it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl Watch {
    /// What is watched, as it is told.
    pub fn view(&self, rules: &[AlertRule], webhooks: &[Webhook], now: Millis) -> AlertsView {
        let over: Vec<_> = self.incidents.iter().filter(|incident| incident.over.is_some()).collect();
        let key = |incident: &Incident| (incident.over.as_ref().map(|over| over.at), incident.number);
        let over = sorted(over, |one, other| key(other).cmp(&key(one)));
        let given_up = self.given_up.iter().rev().map(|one| GivenUpView {
            notice: one.notice.clone(),
            rule: one.rule.clone(),
            webhook: one.webhook.clone(),
            at: one.at,
            tries: one.tries,
            result: one.sent.map_or("no_room", Sent::name),
            status: one.sent.and_then(Sent::status),
        });
        AlertsView {
            now,
            rules: rules.iter().map(|rule| self.rule_view(rule, webhooks)).collect(),
            webhooks: webhooks.iter().map(|webhook| self.webhook_view(webhook)).collect(),
            open: self.incidents.iter().rev().filter(|incident| incident.is_open()).map(incident_view).collect(),
            over: over.into_iter().take(MAX_OVER).map(incident_view).collect(),
            given_up: given_up.collect(),
        }
    }

    fn rule_view(&self, rule: &AlertRule, webhooks: &[Webhook]) -> RuleView {
        let is_unknown = |name: &&String| !webhooks.iter().any(|webhook| webhook.name == **name);
        RuleView {
            name: rule.name.clone(),
            kind: rule.when.kind(),
            says: rule.when.text(),
            muted: rule.muted,
            send: sent_to(rule, webhooks).map(str::to_owned).collect(),
            unknown: rule.send.iter().filter(is_unknown).cloned().collect(),
            is_full: self.is_full(rule),
        }
    }

    fn webhook_view(&self, webhook: &Webhook) -> WebhookView {
        let last = |outcome: &Outcome| OutcomeView {
            at: outcome.at,
            result: outcome.sent.name(),
            status: outcome.sent.status(),
        };
        WebhookView {
            name: webhook.name.clone(),
            form: webhook.form,
            private: webhook.is_private,
            host: webhook.host().to_owned(),
            waiting: self.waiting_for(&webhook.name),
            last: self.outcomes.iter().find(|outcome| outcome.webhook == webhook.name).map(last),
        }
    }
}

fn incident_view(incident: &Incident) -> IncidentView {
    let happened = incident.over.as_ref().or(incident.opened.as_ref());
    let mut facts = incident.subject.facts();
    facts.extend(incident.opened.as_ref().map(|opened| opened.facts.clone()).unwrap_or_default());
    IncidentView {
        id: incident.id(),
        rule: incident.rule.clone(),
        title: incident.headline.clone(),
        text: happened.map(|happened| happened.text.clone()).unwrap_or_default(),
        facts,
        since: incident.opened.as_ref().map_or(incident.since, |opened| opened.at),
        over_at: incident.over.as_ref().map(|over| over.at),
    }
}

/// How many incidents that are over are told.
const MAX_OVER: usize = 50;
