//! Keys behind a URL. They are fetched by one request for all of an isolate; when, `sluice_protocol::auth::token::KeyFetch` decides.
//! Like the asks of `hop/group.rs`, who waits looks on a timer of its own.

use crate::auth::token_cache;
use crate::platform::body::Broken;
use crate::platform::deadline::Deadline;
use crate::platform::respond::HeaderList;
use crate::platform::{self, Body, Context, Fault, fetch, sleep};
use crate::telemetry;
use sluice_protocol::auth::token::{KeyFetch, KeySet, MAX_KEY_SET_BYTES, Need, TokenError, TokenKey};
use sluice_protocol::telemetry::Line;
use std::cell::RefCell;
use std::rc::Rc;

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
            sleep(PAUSE_MS).await;
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
                telemetry::write(&Line::trouble(format!("the keys of {name} cannot be had"), problem.as_str()));
            }
            if fetch.borrow_mut().end(keys.ok(), platform::now()) {
                // What was signed with a key that is gone is not to be taken any more.
                token_cache::forget_all();
            }
        });
    }
}

/// Fetches a document of bounded size within bounded time. The error is for the log.
async fn fetch_document(url: &str, max: u64) -> Result<Vec<u8>, String> {
    let deadline = Deadline::new(None).map_err(|fault| fault.to_string())?;
    deadline.set(FETCH_MS);
    let fetched = async {
        let mut headers = HeaderList::new();
        headers.set("accept", "application/json");
        headers.set("user-agent", "sluice");
        let response = fetch(url, "GET", &headers.to_json(), None)?.await?;
        let status = response.head().status();
        if status != 200 {
            return Err(Fault::from(format!("the answer is {status}")));
        }
        match Body::of_response(&response, max).await {
            Ok(document) => Ok(document.bytes()),
            Err(Broken::Off(fault)) => Err(fault),
            Err(_) => Err(format!("the answer is larger than {max} bytes").into()),
        }
    };
    match deadline.limit(fetched).await {
        Some(result) => result.map_err(|fault| fault.to_string()),
        None => Err("no answer in time".into()),
    }
}

/// How long a fetch may take, in milliseconds.
const FETCH_MS: u32 = 5_000;
/// How often who waits looks.
const PAUSE_MS: u32 = 5;
/// How long anybody waits.
const PATIENCE_MS: u32 = 7_000;
