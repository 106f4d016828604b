//! Issuers of tokens: their keys, in the settings or behind a URL, and whether a token is signed with one of them.
//!
//! Keys behind a URL are fetched by one request for all of an isolate; when, `sluice_protocol::token::KeyFetch` decides. Like the
//! asks of `group.rs`, who waits looks on a timer of its own.

use crate::config::Config;
use crate::deadline::Deadline;
use crate::platform::body::{Body, Broken};
use crate::platform::{self, Head};
use crate::promise::Settled;
use crate::respond::HeaderList;
use crate::seen;
use crate::verify::is_signed;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::token::{
    Algorithm, Checked, IssuerSettings, KeyFetch, KeySet, KeySource, MAX_KEY_SET_BYTES, Need, Rules, TokenError,
    TokenKey, Unverified,
};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Response;
use worker::Context;

/// Who may issue tokens.
#[derive(Default)]
pub struct Issuers(Vec<Issuer>);

/// One issuer. Does not print.
pub struct Issuer {
    issuer: String,
    algorithm: Algorithm,
    keys: Keys,
    rules: Rules,
}

enum Keys {
    Fixed(KeySet),
    Remote(RemoteKeys),
}

/// Makes keys of a document.
type ReadKeys = dyn Fn(&[u8]) -> Option<KeySet>;

/// Keys behind a URL, as far as this isolate knows them.
pub struct RemoteKeys {
    /// For the log.
    name: String,
    url: String,
    read: Rc<ReadKeys>,
    fetch: Rc<RefCell<KeyFetch>>,
}

/// Why a token is not taken.
pub enum Refused {
    /// Because of the token.
    Token(TokenError),
    /// Its issuer's keys cannot be had: the token may be good.
    Unavailable,
}

impl Issuers {
    /// Reads the setting.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(IssuerSettings::parse_all(text)?.into_iter().map(Issuer::new).collect()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The plans that they name.
    pub fn plans(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|issuer| issuer.rules.plans())
    }

    /// Whether one of them has this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|issuer| issuer.rules.name == name)
    }

    /// Checks a token of one of them.
    pub async fn check(&self, token: &Unverified<'_>, context: &Context) -> Result<Checked, Refused> {
        let named = self.0.iter().find(|issuer| issuer.issuer == token.issuer);
        named.ok_or(Refused::Token(TokenError::Issuer))?.check(token, context).await
    }
}

impl Issuer {
    /// One issuer.
    pub fn new(settings: IssuerSettings) -> Self {
        let IssuerSettings { issuer, algorithm, keys, rules } = settings;
        let keys = match keys {
            KeySource::Fixed(keys) => Keys::Fixed(keys),
            KeySource::Url(url) => {
                Keys::Remote(RemoteKeys::new(&rules.name, &url, move |bytes| KeySet::from_document(bytes, algorithm)))
            }
        };
        Self { issuer, algorithm, keys, rules }
    }

    /// Checks a token of this issuer: its algorithm, its signature, and then what it says.
    pub async fn check(&self, token: &Unverified<'_>, context: &Context) -> Result<Checked, Refused> {
        self.check_signature(token, context).await?;
        self.rules.check(token.claims(), platform::now()).map_err(Refused::Token)
    }

    /// Checks the issuer, the algorithm, the signature, for whom it is and until when; and nothing of its holder.
    pub async fn check_form(&self, token: &Unverified<'_>, context: &Context) -> Result<(), Refused> {
        self.check_signature(token, context).await?;
        self.rules.check_times(token.claims(), platform::now()).map_err(Refused::Token)?;
        self.rules.check_audience(token.claims()).map_err(Refused::Token)
    }

    async fn check_signature(&self, token: &Unverified<'_>, context: &Context) -> Result<(), Refused> {
        if token.issuer != self.issuer {
            return Err(Refused::Token(TokenError::Issuer));
        }
        if token.algorithm != self.algorithm {
            return Err(Refused::Token(TokenError::Algorithm));
        }
        let kid = token.kid.as_deref();
        let key = match &self.keys {
            Keys::Fixed(keys) => keys.choose(kid).cloned().ok_or(Refused::Token(TokenError::Key))?,
            Keys::Remote(keys) => keys.key(kid, context).await?,
        };
        if !is_signed(token, &key).await {
            return Err(Refused::Token(TokenError::Signature));
        }
        Ok(())
    }
}

impl RemoteKeys {
    /// None are known yet. `read` makes keys of the document; the name is for the log.
    pub fn new(name: &str, url: &str, read: impl Fn(&[u8]) -> Option<KeySet> + 'static) -> Self {
        Self { name: name.to_owned(), url: url.to_owned(), read: Rc::new(read), fetch: Rc::default() }
    }

    /// The key of this name, once somebody has fetched it.
    pub async fn key(&self, kid: Option<&str>, context: &Context) -> Result<TokenKey, Refused> {
        let mut waited = 0;
        loop {
            let need = self.fetch.borrow().need(kid, platform::now());
            match need {
                Need::Use(key) => return Ok(key),
                Need::UseAndFetch(key) => {
                    self.begin(context);
                    return Ok(key);
                }
                Need::Fetch => self.begin(context),
                Need::Wait => {}
                Need::Unknown => return Err(Refused::Token(TokenError::Key)),
                Need::Unavailable => return Err(Refused::Unavailable),
            }
            if waited >= PATIENCE_MS {
                return Err(Refused::Unavailable);
            }
            // A pause that fails is one that is over.
            let _ = Settled::of(&platform::pause(PAUSE_MS)).await;
            waited += PAUSE_MS;
        }
    }

    /// Fetches in a task of its own, which outlives a caller that leaves.
    fn begin(&self, context: &Context) {
        self.fetch.borrow_mut().begin(platform::now());
        let (fetch, read, url, name) = (self.fetch.clone(), self.read.clone(), self.url.clone(), self.name.clone());
        context.wait_until(async move {
            let document = fetch_document(&url, MAX_KEY_SET_BYTES).await;
            let keys = document.and_then(|document| read(&document).ok_or_else(|| "no key in it can be used".into()));
            if let Err(problem) = &keys {
                worker::console_warn!("the keys of {name} cannot be had: {problem}");
            }
            if fetch.borrow_mut().end(keys.ok(), platform::now()) {
                // What was signed with a key that is gone is not to be taken any more.
                seen::forget_all();
            }
        });
    }
}

/// What a caller is told of a token that is not taken.
pub fn refusal(refused: &Refused) -> Refusal {
    match refused {
        Refused::Token(error) => Refusal::new(Reason::InvalidKey, error.told()).with_detail(error.to_string()),
        Refused::Unavailable => {
            let message = "Your token cannot be checked just now: its issuer's keys cannot be had. Try again.";
            Refusal::new(Reason::IssuerUnavailable, message).with_detail("an issuer's keys cannot be had")
        }
    }
}

/// Fetches a document of bounded size within bounded time. The error is for the log.
async fn fetch_document(url: &str, max: u64) -> Result<Vec<u8>, String> {
    let deadline = Deadline::new(None).map_err(|error| format!("{error:?}"))?;
    deadline.set(FETCH_MS);
    let fetched = async {
        let mut headers = HeaderList::new();
        headers.set("accept", "application/json");
        headers.set("user-agent", "sluice");
        let sent = platform::send(url, "GET", &headers.to_json(), &JsValue::UNDEFINED)?;
        let response: Response = Settled::of(&sent).await?.unchecked_into();
        let head = Head::of_response(&response);
        if head.status() != 200 {
            return Err(format!("the answer is {}", head.status()).into());
        }
        match Body::of_response(&response, max).await {
            Ok(document) => Ok(document.bytes()),
            Err(Broken::Off(error)) => Err(error),
            Err(_) => Err(JsValue::from_str(&format!("the answer is larger than {max} bytes"))),
        }
    };
    match deadline.limit(fetched).await {
        Some(result) => result.map_err(|error| error.as_string().unwrap_or_else(|| format!("{error:?}"))),
        None => Err("no answer in time".into()),
    }
}

/// The plans that the settings' issuers name and the table does not have.
pub fn missing_plan(config: &Config, has: impl Fn(&str) -> bool) -> Option<&str> {
    config.issuers.plans().find(|plan| !has(plan))
}

/// How long a fetch may take, in milliseconds.
const FETCH_MS: u32 = 5_000;
/// How often who waits looks.
const PAUSE_MS: i32 = 5;
/// How long anybody waits.
const PATIENCE_MS: i32 = 7_000;
