//! One line of the log, read strictly: a line that claims to be about a request is whole and of this version, or it is
//! a mistake.

use serde::Deserialize;
use serde::de::IgnoredAny;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::id::{KeyId, RequestId, parse_hex};
use sluice_protocol::limit::degrade::Degraded;
use sluice_protocol::replay::request::{Decision, Usage};
use sluice_protocol::request::drawing::{Drawing, Drawn};
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::telemetry::LINE_VERSION;
use sluice_protocol::time::Millis;
use std::borrow::Cow;

/// What a line of a log is.
#[derive(Debug)]
pub enum Read<'a> {
    /// Nothing of ours: what wrangler says itself.
    Text,
    /// Another event.
    Other,
    /// A request.
    Request(Box<RequestRead<'a>>),
}

/// A request's line. Its members are those of `sluice_protocol::telemetry::RequestLine`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRead<'a> {
    #[serde(rename = "version")]
    _version: u8,
    #[serde(borrow)]
    request: Text<'a>,
    at: Millis,
    #[serde(rename = "path")]
    _path: IgnoredAny,
    #[serde(borrow)]
    account: Option<Text<'a>>,
    #[serde(borrow)]
    subject: Option<Text<'a>>,
    #[serde(borrow)]
    by: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    endpoint: Option<Endpoint>,
    #[serde(default)]
    batch: bool,
    #[serde(borrow)]
    session: Option<Text<'a>>,
    #[serde(borrow)]
    user: Option<Text<'a>>,
    body_bytes: Option<u32>,
    prompt_guess: Option<u32>,
    max_tokens: Option<u32>,
    #[serde(default)]
    thinking: bool,
    #[serde(default)]
    drawing: Drawing,
    #[serde(default)]
    may_bend: bool,
    #[serde(default)]
    pressure: u8,
    #[serde(borrow)]
    plan: Option<Text<'a>>,
    decided_at: Option<Millis>,
    #[serde(default, borrow)]
    limits: Vec<Text<'a>>,
    degraded: Option<Box<Degraded>>,
    counted: Option<CountedRead>,
    #[serde(default)]
    without_gate: bool,
    #[serde(default)]
    given_back: bool,
    #[serde(rename = "outcome")]
    _outcome: OutcomeRead,
    #[serde(rename = "status")]
    _status: Option<u16>,
    #[serde(borrow, rename = "code")]
    _code: Option<Text<'a>>,
    prompt_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    #[serde(default)]
    drawn: Drawn,
    ms: Millis,
}

/// A second decision.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountedRead {
    prompt_tokens: u32,
    at: Millis,
}

/// The words for what became of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeRead {
    Served,
    Cut,
    Refused,
    Failed,
    Left,
}

/// A text, which is copied only where it has escapes.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What a line says of a request that its plan has decided about.
#[derive(Debug)]
pub struct Decided<'a> {
    /// Which.
    pub request: RequestId,
    /// When its limits were asked; when it came, where only its plan was.
    pub at: Millis,
    /// When it was over.
    pub over: Millis,
    /// The account.
    pub account: &'a str,
    /// The mark of its key or of its subject.
    pub mark: Mark,
    /// The key, of those who have one.
    pub key: Option<[u8; 4]>,
    /// The model that limits saw.
    pub model: &'a str,
    /// What was asked for.
    pub endpoint: Endpoint,
    /// Whether it is a batch's line.
    pub batch: bool,
    /// The mark of its session.
    pub session: Option<Mark>,
    /// The mark of its end user.
    pub user: Option<Mark>,
    /// How large its body is.
    pub body_bytes: u32,
    /// How long its prompt was taken for.
    pub prompt_tokens: u32,
    /// How long it was counted, and when that was decided.
    pub counted: Option<(u32, Millis)>,
    /// How many tokens it may have, if it says so.
    pub max_tokens: Option<u32>,
    /// Whether the model may think.
    pub thinking: bool,
    /// Which pictures are to be drawn.
    pub drawing: Drawing,
    /// Whether it may be given less.
    pub may_bend: bool,
    /// No model was asked.
    pub is_static: bool,
    /// How full the origins were, in percent.
    pub pressure: u8,
    /// By which plan.
    pub plan: &'a str,
    /// What was decided.
    pub decision: Decision,
    /// The limits that refused it, with commas between.
    pub limits: String,
    /// We failed it.
    pub given_back: bool,
    /// What it used.
    pub used: Option<Usage>,
}

/// Why a request's line is not decided again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// No plan has decided: its caller was not let in, or its Gate was not asked.
    Undecided,
    /// It was let through while its Gate could not be reached, and is counted nowhere.
    WithoutGate,
}

/// Reads a line, without its end. The error says what is wrong with it.
pub fn read(line: &str) -> Result<Read<'_>, String> {
    // As the edge writes it: most lines, which are read once.
    if line.starts_with(BEGINNING)
        && let Ok(read) = serde_json::from_str::<RequestRead<'_>>(line)
        && read._version == LINE_VERSION
    {
        return Ok(Read::Request(Box::new(read)));
    }
    let claims = line.contains(CLAIM);
    // Behind nothing, or behind what wrangler says first; inside of quotes it is a setting that it shows.
    let is_ours = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let Some(begins) = line.match_indices("{\"").map(|(at, _)| at).find(is_ours) else {
        return if claims { Err("the beginning of the line is missing".to_owned()) } else { Ok(Read::Text) };
    };
    let json = &line[begins..];
    if !claims {
        // Another event's line; that it is whole says that this was not the beginning of ours.
        serde_json::from_str::<IgnoredAny>(json).map_err(|error| broken(&error))?;
        return Ok(Read::Other);
    }
    match serde_json::from_str::<RequestRead<'_>>(json) {
        Ok(read) if read._version == LINE_VERSION => Ok(Read::Request(Box::new(read))),
        read => Err(wrong(json, read.err().as_ref())),
    }
}

/// What is wrong with a request's line.
fn wrong(json: &str, error: Option<&serde_json::Error>) -> String {
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<u64>,
    }
    match (serde_json::from_str::<Versioned>(json), error) {
        (Ok(Versioned { version: None }), _) => {
            format!(
                "a request's line without `version`: it was written before version {LINE_VERSION}, and holds too little"
            )
        }
        (Ok(Versioned { version: Some(version) }), _) if version != u64::from(LINE_VERSION) => {
            format!("a request's line of version {version}; this reads version {LINE_VERSION}")
        }
        (_, Some(error)) => broken(error),
        (_, None) => "not a request's line".to_owned(),
    }
}

fn broken(error: &serde_json::Error) -> String {
    if error.is_eof() { "the line breaks off".to_owned() } else { format!("the line is damaged: {error}") }
}

impl RequestRead<'_> {
    /// What was decided of it, or why it is not decided again. The error says what is wrong with it.
    pub fn decided(&self) -> Result<Result<Decided<'_>, Skipped>, String> {
        let request = RequestId::parse(&self.request.0).ok_or("`request` is not a request's id")?;
        if self.at > MAX_TIME || self.ms > MAX_TIME {
            return Err("`at` and `ms` are after the year 9000".to_owned());
        }
        if self.without_gate {
            return Ok(Err(Skipped::WithoutGate));
        }
        let Some(Text(plan)) = &self.plan else { return Ok(Err(Skipped::Undecided)) };
        let Text(account) = self.account.as_ref().ok_or("`account` is missing")?;
        let Text(subject) = self.subject.as_ref().ok_or("`subject` is missing")?;
        let Text(model) = self.model.as_ref().ok_or("`model` is missing")?;
        let key = KeyId::parse(subject).map(|id| id.key);
        let mark = match (key, &self.by) {
            (Some(key), _) => Mark::of_key(key),
            (None, Some(by)) => mark("by", by)?,
            (None, None) => Mark::default(),
        };
        let is_limited = !self.limits.is_empty();
        let (decision, at) = match self.decided_at {
            Some(at) if is_limited => (Decision::Limited, at),
            Some(at) => (Decision::Through, at),
            None if is_limited => return Err("`limits` without `decided_at`".to_owned()),
            None => (Decision::Forbidden, self.at),
        };
        let counted = self.counted.map(|counted| (counted.prompt_tokens, counted.at));
        let last = counted.map_or(at, |(_, counted_at)| counted_at);
        if at > MAX_TIME || last > MAX_TIME || last < at {
            return Err("`counted` is before `decided_at`, or after the year 9000".to_owned());
        }
        let bent = self.degraded.as_deref();
        let is_static = bent.is_some_and(|bent| bent.static_answer);
        let used = self.prompt_tokens.map(|prompt| {
            let [cached, completion] = [self.cached_tokens, self.completion_tokens].map(Option::unwrap_or_default);
            Usage::new(prompt, cached, completion, self.reasoning_tokens, self.drawn)
        });
        Ok(Ok(Decided {
            request,
            at,
            over: self.at.saturating_add(self.ms).max(last),
            account,
            mark,
            key,
            model: bent.and_then(|bent| bent.model.as_deref()).unwrap_or(model),
            endpoint: self.endpoint.ok_or("`endpoint` is missing")?,
            batch: self.batch,
            session: self.session.as_ref().map(|session| self::mark("session", session)).transpose()?,
            user: self.user.as_ref().map(|user| self::mark("user", user)).transpose()?,
            body_bytes: self.body_bytes.ok_or("`body_bytes` is missing")?,
            prompt_tokens: self.prompt_guess.ok_or("`prompt_guess` is missing")?,
            counted,
            max_tokens: bent.and_then(|bent| bent.max_tokens).or(self.max_tokens),
            thinking: self.thinking && !bent.is_some_and(|bent| bent.no_thinking),
            drawing: self.drawing,
            may_bend: self.may_bend,
            is_static,
            pressure: self.pressure,
            plan,
            decision,
            limits: self.limits.iter().map(|limit| &*limit.0).collect::<Vec<_>>().join(","),
            given_back: self.given_back,
            used,
        }))
    }
}

fn mark(member: &str, text: &Text<'_>) -> Result<Mark, String> {
    parse_hex(&text.0).map(Mark).ok_or_else(|| format!("`{member}` is not a mark of 16 hexadecimal digits"))
}

/// How such a line begins.
const BEGINNING: &str = "{\"version\":";
/// What only a request's line has; inside of a text its quotes would be escaped.
const CLAIM: &str = "\"outcome\":";
/// The year 9000: what calendars know, with room for all that is added.
const MAX_TIME: Millis = 221_845_392_000_000;
