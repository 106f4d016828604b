//! What a stack must not leave behind. Everything secret that the harness sees issued, or sends, is noted; when the stack
//! ends, all that it left is searched for it: what was answered, what reached the origin, logs, and the objects' disks.
//!
//! A secret is searched for by sixteen bytes that nothing else has: the end of a key and not its beginning, which says whose it
//! is, and the end of each part of a signed token but the first.

use crate::answer::Answer;
use crate::secrets;
use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use sluice_protocol::auth::key::{KEY_LEN, PREFIX};
use sluice_protocol::id::{hex, parse_hex};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// One stack's secrets, and what was answered.
#[derive(Default)]
pub struct Watch {
    needles: Mutex<BTreeMap<Vec<u8>, &'static str>>,
    answers: Mutex<Vec<(String, Vec<u8>)>>,
}

/// What was sent: whose answer may show a secret.
#[derive(Clone)]
pub struct Sent {
    watch: Arc<Watch>,
    method: String,
    path: String,
}

/// Whose stack listens where.
static STACKS: LazyLock<Mutex<HashMap<SocketAddr, Arc<Watch>>>> = LazyLock::new(Mutex::default);

impl Watch {
    /// Of a deployment with these settings.
    pub fn start(settings: &[(&str, String)], issuers: &[String]) -> Arc<Self> {
        let watch = Arc::new(Self::default());
        secrets::all().iter().for_each(|secret| watch.hide("a secret of the tests' deployment", secret));
        issuers.iter().for_each(|secret| watch.hide("an issuer's secret", secret));
        watch.settings(settings);
        watch
    }

    /// Whatever is asked at this address is this stack's, until another one listens there.
    pub fn listens(self: &Arc<Self>, address: SocketAddr) {
        lock(&STACKS).insert(address, self.clone());
    }

    /// The stack that listens there is over.
    pub fn is_over(self: &Arc<Self>) {
        lock(&STACKS).retain(|_, watch| !Arc::ptr_eq(watch, self));
    }

    /// Notes the secrets in these settings.
    pub fn settings(&self, settings: &[(&str, String)]) {
        for (name, value) in settings {
            match *name {
                "KEY_PEPPERS" => self.parts("a pepper", value),
                "GRANT_KEYS" => self.parts("a grant's key", value),
                "TOKEN_KEYS" => self.parts("a short token's key", value),
                "ADMIN_TOKENS" => self.parts("an admin token's hash", value),
                "JWT_ISSUERS" => self.members(&serde_json::from_str(value).unwrap_or_default()),
                _ => {}
            }
        }
    }

    /// Notes a private key in PEM.
    pub fn pem(&self, text: &str) {
        text.lines().filter(|line| !line.starts_with('-')).for_each(|line| self.end("a private key", line));
    }

    /// Notes a secret of a deployment, and the forms in which its bytes could be printed or kept.
    fn hide(&self, what: &'static str, secret: &str) {
        self.end(what, secret);
        let bytes = parse_hex::<32>(secret).map(Vec::from).or_else(|| URL_SAFE_NO_PAD.decode(secret).ok());
        if let Some(bytes) = bytes.filter(|bytes| bytes.len() >= 16) {
            self.bytes(what, &bytes);
        }
    }

    /// Notes what each entry of a list holds behind its name.
    fn parts(&self, what: &'static str, value: &str) {
        value.split([',', ':']).map(str::trim).filter(|part| part.len() >= 32).for_each(|part| self.hide(what, part));
    }

    /// Notes the secrets in an issuer's entry.
    fn members(&self, value: &Value) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, member)| match (name.as_str(), member) {
                ("k" | "d" | "secret", Value::String(secret)) => self.hide("an issuer's secret", secret),
                _ => self.members(member),
            }),
            Value::Array(all) => all.iter().for_each(|one| self.members(one)),
            _ => {}
        }
    }

    /// Notes bytes, as they are and as they are printed.
    fn bytes(&self, what: &'static str, bytes: &[u8]) {
        self.needle(what, &bytes[..16]);
        let numbers = |between: &str| bytes[..16].iter().map(u8::to_string).collect::<Vec<_>>().join(between);
        for text in [hex(bytes), URL_SAFE_NO_PAD.encode(bytes), STANDARD.encode(bytes), numbers(", "), numbers(",")] {
            self.needle(what, &text.as_bytes()[..16]);
        }
    }

    /// Notes a text by its end. What is short is no secret: a test's joke.
    fn end(&self, what: &'static str, text: &str) {
        if let Some(end) = text.len().checked_sub(16) {
            self.needle(what, &text.as_bytes()[end..]);
        }
    }

    fn needle(&self, what: &'static str, needle: &[u8]) {
        lock(&self.needles).entry(needle.to_vec()).or_insert(what);
    }

    /// Notes a key or a token that was issued here: also the bytes of a key's secret, which nobody may keep.
    pub fn issued(&self, secret: &str) {
        self.credential(secret);
        if let Some(bytes) = key_secret(secret) {
            self.bytes("the secret of a key", &bytes);
        }
    }

    /// Notes what a caller sends to prove itself, good or bad.
    pub fn credential(&self, text: &str) {
        if text.starts_with(PREFIX) {
            self.end("a key", text);
        } else if text.starts_with("eyJ") {
            text.split('.').skip(1).filter(|part| part.len() > 20).for_each(|part| self.end("a signed token", part));
        } else {
            self.end("a credential", text);
        }
    }

    /// Keeps what somebody was answered.
    pub fn answered(&self, place: String, bytes: Vec<u8>) {
        lock(&self.answers).push((place, bytes));
    }

    /// All that was answered, and where.
    pub fn answers(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut *lock(&self.answers))
    }

    /// What of all that is in these places, each at most once: a sentence for each.
    pub fn search(&self, places: &[Place]) -> Vec<String> {
        let needles = lock(&self.needles).clone();
        let (needles, names): (Vec<_>, Vec<_>) = needles.into_iter().unzip();
        let of = |patterns: &[&[u8]]| AhoCorasick::new(patterns).expect("some thousands of short patterns");
        let secrets = of(&needles.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let (tokens, prefix) = (of(&TOKENS.map(str::as_bytes)), of(&[PREFIX.as_bytes()]));
        let prompt = of(&[secrets::PROMPT.as_bytes()]);
        let mut found = Vec::new();
        for Place { name, bytes, kind } in places {
            let mut here: BTreeSet<_> = secrets.find_overlapping_iter(bytes).map(|hit| names[hit.pattern()]).collect();
            if *kind != Kind::Received && tokens.is_match(bytes) {
                here.insert("the beginning of a signed token");
            }
            if holds_key(&prefix, bytes) {
                here.insert("what looks like a key");
            }
            if *kind == Kind::Kept && prompt.is_match(bytes) {
                here.insert("a prompt");
            }
            found.extend(here.iter().map(|what| format!("{what} is in {name}")));
        }
        found
    }
}

/// Somewhere to search.
pub struct Place {
    /// For people.
    pub name: String,
    /// What is there.
    pub bytes: Vec<u8>,
    /// What may be there.
    pub kind: Kind,
}

/// What may be in a place besides what may be nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An answer: what the caller said itself.
    Answered,
    /// A request to the origin: that, and a grant.
    Received,
    /// A log or a disk: nothing.
    Kept,
}

impl Sent {
    /// A request to this address; nothing, if no stack listens there. Notes its credentials.
    pub fn to<'h>(
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
    ) -> Option<Self> {
        let watch = lock(&STACKS).get(&address)?.clone();
        for (name, value) in headers {
            if CREDENTIALS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                let value = value.trim();
                watch.credential(value.split_once(' ').map_or(value, |(_, token)| token.trim()));
            }
        }
        Some(Self { watch, method: method.to_owned(), path: path.to_owned() })
    }

    /// Keeps its answer, without the secrets in it that it is there to show; those are noted.
    pub fn answered(&self, answer: &Answer) {
        let mut shown = answer.body.clone();
        if self.issues()
            && matches!(answer.status, 200 | 201)
            && let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body)
        {
            self.take_issued(&mut body);
            shown = body.to_string().into_bytes();
        }
        for (name, value) in &answer.headers {
            shown.extend_from_slice(format!("\n{name}: {value}").as_bytes());
        }
        self.watch.answered(self.place(), shown);
    }

    /// Keeps bytes that came, whole answers or not. Those of a request that shows a secret are not kept.
    pub fn received(&self, bytes: &[u8]) {
        if !self.issues() {
            self.watch.answered(self.place(), bytes.to_vec());
        }
    }

    fn place(&self) -> String {
        format!("an answer to {} {}", self.method, self.path)
    }

    /// Whether its answer may show a secret, in one place for each.
    fn issues(&self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        let rotates = path.starts_with("/admin/v1/keys/") && path.ends_with("/rotate");
        self.method == "POST" && (rotates || ISSUING.contains(&path))
    }

    fn take_issued(&self, body: &mut Value) {
        let take = |value: &mut Value| {
            if let Some(secret) = value.as_object_mut().and_then(|members| {
                let name = ["key", "access_token"].into_iter().find(|name| members.contains_key(*name))?;
                members.remove(name)
            }) {
                self.watch.issued(secret.as_str().unwrap_or_default());
            }
        };
        match body.get_mut("data").and_then(Value::as_array_mut) {
            Some(many) => many.iter_mut().for_each(take),
            None => take(body),
        }
    }
}

/// The secret part of a key, from its text: 16 bytes that stand before the 8 of the tag.
pub fn key_secret(key: &str) -> Option<Vec<u8>> {
    let digits = key.strip_prefix(PREFIX).filter(|digits| digits.len() + PREFIX.len() == KEY_LEN)?;
    let mut bytes = [0_u8; 37];
    for letter in digits.bytes() {
        let mut carry = match letter {
            b'0'..=b'9' => u32::from(letter - b'0'),
            b'A'..=b'Z' => u32::from(letter - b'A') + 10,
            b'a'..=b'z' => u32::from(letter - b'a') + 36,
            _ => return None,
        };
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 62;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
    }
    Some(bytes[13..29].to_vec())
}

/// Also keys that nobody noted: those of other people's programs.
fn holds_key(prefix: &AhoCorasick, bytes: &[u8]) -> bool {
    prefix.find_iter(bytes).any(|hit| {
        let rest = bytes.get(hit.end()..hit.start() + KEY_LEN);
        rest.is_some_and(|rest| rest.iter().all(u8::is_ascii_alphanumeric))
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the header of a signed token begins in base64: with `alg`, `typ` or `kid`. Fewer letters than that come by chance, in the id
/// of one request in ten thousand.
pub const TOKENS: [&str; 3] = ["eyJhbGciOi", "eyJ0eXAiOi", "eyJraWQiOi"];
/// Headers in which callers prove themselves.
const CREDENTIALS: [&str; 3] = ["authorization", "x-api-key", "cf-access-jwt-assertion"];
/// Routes whose answers show a secret; and `/admin/v1/keys/{id}/rotate`.
const ISSUING: [&str; 3] = ["/admin/v1/keys", "/admin/v1/keys/bulk", "/v1/auth/token"];
