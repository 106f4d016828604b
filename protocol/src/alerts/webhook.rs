//! The setting `ALERT_WEBHOOKS`: whom alerts are sent to, read into what cannot be wrong, or every mistake that it has.

mod url;

use crate::auth::principal::is_name;
use crate::wire::json::parse_unique;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;

/// One webhook. Its URL and its secret open a door: neither is ever printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its name, as rules name it: 1 to 32 of `a-z`, `0-9`, `-`.
    pub name: String,
    /// Where it listens: its host in small letters, and without a dot at its end.
    pub url: String,
    /// What it understands.
    pub form: Form,
    /// What its messages are signed with, where they are.
    pub secret: Option<String>,
    /// Whether it is in a network of the operator's own, so that it may have any name, any port, and plain HTTP.
    pub is_private: bool,
}

/// What a webhook understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// JSON of our own, signed.
    Json,
    /// An incoming webhook of Slack's, or of whoever takes the same.
    Slack,
    /// A robot of a group in WeCom.
    Wecom,
    /// A custom robot of a group in DingTalk.
    Dingtalk,
}

impl Webhook {
    /// Its host, which is all of its URL that may be shown.
    pub fn host(&self) -> &str {
        url::host_of(&self.url)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("host", &self.host())
            .field("form", &self.form)
            .field("is_signed", &self.secret.is_some())
            .field("is_private", &self.is_private)
            .finish()
    }
}

/// Reads the setting: `{"ops": {"url": "https://...", "form": "json", "secret": "...", "private": true}}`, in order of
/// names.
///
/// # Errors
/// All mistakes in one text, which shows names of webhooks and no URL and no secret.
pub fn parse_webhooks(json: &str) -> Result<Vec<Webhook>, String> {
    let shape = || format!("must be a JSON object of at most {MAX_WEBHOOKS} webhooks by name, no member twice");
    let object = match parse_unique(json) {
        Ok(Value::Object(object)) if object.len() <= MAX_WEBHOOKS => object,
        Ok(_) | Err(_) => return Err(shape()),
    };
    let mut mistakes = Vec::new();
    let webhooks: Vec<_> =
        object.iter().enumerate().filter_map(|(index, (name, value))| one(index, name, value, &mut mistakes)).collect();
    if mistakes.is_empty() { Ok(webhooks) } else { Err(mistakes.join("; ")) }
}

fn one(index: usize, name: &str, value: &Value, mistakes: &mut Vec<String>) -> Option<Webhook> {
    // Whatever is no name may be a URL in a wrong place.
    let at = if is_name(name) { format!("webhook `{name}`") } else { format!("webhook {}", index + 1) };
    let mut found = Vec::new();
    if !is_name(name) {
        found.push("its name must be 1 to 32 of a-z, 0-9 and -".to_owned());
    }
    let webhook = match value.as_object() {
        Some(object) => read(name, object, &mut found),
        None => {
            found.push("must be an object".to_owned());
            None
        }
    };
    mistakes.extend(found.into_iter().map(|problem| format!("{at}: {problem}")));
    webhook
}

fn read(name: &str, object: &Map<String, Value>, found: &mut Vec<String>) -> Option<Webhook> {
    if object.keys().any(|member| !MEMBERS.contains(&member.as_str())) {
        found.push(format!("has an unknown member; known: {}", MEMBERS.join(", ")));
    }
    let is_private = match object.get("private") {
        None | Some(Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(_) => {
            found.push("`private` must be true or false".to_owned());
            false
        }
    };
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let url = url::read(text("url").unwrap_or_default(), is_private);
    let url = url.map_err(|problem| found.push(format!("`url` {problem}"))).ok();
    let form = FORMS.into_iter().find(|(known, _)| text("form") == Some(known)).map(|(_, form)| form);
    let Some(form) = form else {
        found.push("`form` must be json, slack, wecom or dingtalk".to_owned());
        return None;
    };
    let secret = text("secret").map(str::to_owned);
    let length = secret.as_ref().map(|secret| secret.chars().count());
    let problem = match (form, length) {
        _ if object.contains_key("secret") && length.is_none() => Some("must be a text".to_owned()),
        (Form::Json, length) if length.is_none_or(|length| !(MIN_SECRET..=MAX_SECRET).contains(&length)) => {
            Some(format!("must be {MIN_SECRET} to {MAX_SECRET} characters: what messages are signed with"))
        }
        (Form::Slack | Form::Wecom, Some(_)) => Some("is not for this form: its URL is its secret".to_owned()),
        (Form::Dingtalk, Some(length)) if !(1..=MAX_SECRET).contains(&length) => {
            Some(format!("must be 1 to {MAX_SECRET} characters"))
        }
        _ => None,
    };
    found.extend(problem.map(|problem| format!("`secret` {problem}")));
    Some(Webhook { name: name.to_owned(), url: url?, form, secret, is_private })
}

/// How many webhooks there may be.
pub const MAX_WEBHOOKS: usize = 16;
const MEMBERS: [&str; 4] = ["url", "form", "secret", "private"];
const FORMS: [(&str, Form); 4] =
    [("json", Form::Json), ("slack", Form::Slack), ("wecom", Form::Wecom), ("dingtalk", Form::Dingtalk)];
/// The shortest secret of our own form, and the longest of any.
const MIN_SECRET: usize = 16;
const MAX_SECRET: usize = 256;
