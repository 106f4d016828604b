//! What is sent: one notice, in the form that a webhook understands.

use super::notice::{Notice, Phase};
use super::watch::Sent;
use super::webhook::{Form, Webhook};
use crate::id::hex;
use crate::time::{Millis, rfc3339};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;

/// A `POST` to a webhook. Its URL is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRequest {
    /// Where.
    pub url: String,
    /// Its headers.
    pub headers: Vec<Header>,
    /// Its body: JSON.
    pub body: String,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name, in small letters.
    pub name: &'static str,
    /// What it says.
    pub value: String,
}

impl fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRequest").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Webhook {
    /// What is to be sent to it at `now`: signed with that time where it is signed, and else the same whenever.
    ///
    /// - [`Form::Json`]: our own, with the HMAC-SHA256 of `<seconds>.<body>` in `x-sluice-signature`.
    /// - [`Form::Slack`]: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>. What is escaped
    ///   is in <https://docs.slack.dev/messaging/formatting-message-text>.
    /// - [`Form::Wecom`]: <https://developer.work.weixin.qq.com/document/path/91770>. A text is at most 2,048 bytes,
    ///   and `<@userid>` in it calls people.
    /// - [`Form::Dingtalk`]: <https://open.dingtalk.com/document/robots/custom-robot-access>. How it is signed is in
    ///   <https://open.dingtalk.com/document/robots/customize-robot-security-settings>.
    pub fn request(&self, notice: &Notice, now: Millis) -> WebhookRequest {
        let mut headers = vec![Header { name: "content-type", value: "application/json".to_owned() }];
        let mut url = self.url.clone();
        let body = match self.form {
            Form::Json => json_of(notice),
            Form::Slack => {
                let text = plain(notice, |character| match character {
                    '&' => Some("&amp;"),
                    '<' => Some("&lt;"),
                    '>' => Some("&gt;"),
                    _ => full_width(character).filter(|_| character == '@'),
                });
                json!({"text": text, "mrkdwn": false, "unfurl_links": false, "unfurl_media": false}).to_string()
            }
            Form::Wecom => json!({"msgtype": "text", "text": {"content": plain(notice, full_width)}}).to_string(),
            Form::Dingtalk => {
                let text = plain(notice, full_width);
                json!({"msgtype": "text", "text": {"content": text}, "at": {"isAtAll": false}}).to_string()
            }
        };
        match (self.form, &self.secret) {
            (Form::Json, Some(secret)) => {
                let seconds = (now / 1_000).to_string();
                let signature = hex(&hmac_of(secret, &format!("{seconds}.{body}")));
                headers.push(Header { name: "x-sluice-timestamp", value: seconds });
                headers.push(Header { name: "x-sluice-signature", value: format!("v1={signature}") });
            }
            (Form::Dingtalk, Some(secret)) => {
                let sign = STANDARD.encode(hmac_of(secret, &format!("{now}\n{secret}")));
                let sign: String = form_urlencoded::byte_serialize(sign.as_bytes()).collect();
                let first = if url.contains('?') { '&' } else { '?' };
                url.push_str(&format!("{first}timestamp={now}&sign={sign}"));
            }
            _ => {}
        }
        WebhookRequest { url, headers, body }
    }

    /// What an answer means, by its status and as much of its body as was read. The robots of WeCom and DingTalk answer
    /// with 200 whatever happens, and say in `errcode` what did.
    pub fn answered(&self, status: u16, body: &[u8]) -> Sent {
        let is_robot = matches!(self.form, Form::Wecom | Form::Dingtalk);
        let answer = || serde_json::from_slice::<Value>(body).ok();
        let is_well = || answer().is_some_and(|answer| answer["errcode"].as_i64() == Some(0));
        match status {
            200..=299 if is_robot && !is_well() => Sent::Refused(status),
            200..=299 => Sent::Taken,
            _ => Sent::Refused(status),
        }
    }
}

fn json_of(notice: &Notice) -> String {
    #[derive(Serialize)]
    struct Told<'a> {
        version: u8,
        id: &'a str,
        rule: &'a str,
        phase: Phase,
        at: Millis,
        title: &'a str,
        text: &'a str,
        facts: &'a BTreeMap<String, String>,
    }
    let Notice { id, rule, phase, at, title, text, facts } = notice;
    serde_json::to_string(&Told { version: 1, id, rule, phase: *phase, at: *at, title, text, facts })
        .expect("texts and numbers are JSON")
}

fn hmac_of(secret: &str, signed: &str) -> [u8; 32] {
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    mac.finalize().into_bytes().into()
}

/// A notice as text, in which every character that means something to whoever shows it is replaced.
fn plain(notice: &Notice, replaced: impl Fn(char) -> Option<&'static str>) -> String {
    let text = format!("[Sluice] {}\n{}\n{}, rule {}", notice.title, notice.text, rfc3339(notice.at), notice.rule);
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        let mut bytes = [0; 4];
        let shown = replaced(character).unwrap_or_else(|| character.encode_utf8(&mut bytes));
        // A replacement is whole or not there: half of `&amp;` would be another character.
        if plain.len() + shown.len() > MAX_TEXT {
            break;
        }
        plain.push_str(shown);
    }
    plain
}

/// Letters that look like those that call people and make links, and do neither.
fn full_width(character: char) -> Option<&'static str> {
    match character {
        '@' => Some("\u{ff20}"),
        '<' => Some("\u{ff1c}"),
        '>' => Some("\u{ff1e}"),
        _ => None,
    }
}

/// The longest text that all forms take, in bytes.
const MAX_TEXT: usize = 2_048;
