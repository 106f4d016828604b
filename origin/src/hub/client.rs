//! The hub's side of the wire: what a file is (`HEAD`), and its bytes from some place on (`GET`).
//!
//! Redirects are followed by hand: the token goes to the endpoint and to no server that it names, and of a large file's
//! redirect only the endpoint's own headers say what the file is.

use super::error::HubError;
use super::name::HubModel;
use super::settings::HubSettings;
use crate::tls::{client_tls, known_servers};
use std::io::Read;
use std::time::Duration;
use ureq::http::{Response, Uri, header};
use ureq::{Agent, Body};

/// Asks one hub.
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
    origin: String,
    token: Option<String>,
}

/// What the hub says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The commit that the revision stands for.
    pub(super) commit: String,
    /// Names the bytes: for a large file their SHA-256 in hex.
    pub(super) etag: String,
    pub(super) bytes: u64,
}

/// A file's bytes on their way.
pub(super) struct Arriving {
    /// Where they begin: where it was asked, or at 0.
    pub(super) start: u64,
    pub(super) reader: Box<dyn Read>,
}

/// Why a request came to nothing.
pub(super) enum Failure {
    /// The network's; another try may help.
    Network(String),
    /// The hub's: it says no, or says what makes no sense.
    Final(HubError),
}

const CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may come: before an answer, and inside a body.
const SILENCE: Duration = Duration::from_secs(30);
const MAX_HOPS: usize = 8;

// What the hub answers.
const UNKNOWN: u16 = 401; // not a status: the hub's, not ours
const FORBIDDEN: u16 = 403; // not a status: the hub's, not ours
const MISSING: u16 = 404; // not a status: the hub's, not ours
const SLOW: u16 = 408; // not a status: the hub's, not ours
const MANY: u16 = 429; // not a status: the hub's, not ours
const BROKEN: u16 = 500; // not a status: the hub's, not ours

const USER_AGENT: &str = concat!("sluice-origin/", env!("CARGO_PKG_VERSION"));

impl Client {
    /// Connects nowhere yet. Fails if the endpoint needs TLS and there are no certificates to know it by.
    pub(super) fn new(settings: &HubSettings) -> Result<Self, HubError> {
        let mut tls = client_tls();
        if settings.endpoint.starts_with("https:") {
            let Some(known) = known_servers(settings.authorities.as_deref()) else {
                let (endpoint, file) = (settings.endpoint.clone(), settings.authorities.clone());
                return Err(HubError::NoCertificates { endpoint, file });
            };
            tls = tls.root_certs(known);
        }
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .https_only(settings.endpoint.starts_with("https:"))
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(USER_AGENT)
            .accept_encoding("identity")
            .build()
            .into();
        let origin = origin_of(&settings.endpoint).unwrap_or_default();
        Ok(Self { agent, endpoint: settings.endpoint.clone(), origin, token: settings.token.clone() })
    }

    /// Whom it asks.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What the hub says of a file in a revision; `None` if that has no such file.
    pub(super) fn find(&self, model: &HubModel, revision: &str, file: &str) -> Result<Option<Found>, Failure> {
        let mut url = self.url(model, revision, file);
        let (mut commit, mut etag, mut bytes) = (None, None, None);
        for _ in 0..MAX_HOPS {
            let response = self.ask(self.agent.head(&url), &url)?;
            commit = commit.or_else(|| text(&response, "x-repo-commit"));
            etag = etag.or_else(|| text(&response, "x-linked-etag"));
            bytes = bytes.or_else(|| number(&response, "x-linked-size"));
            if let Some(next) = self.redirect(&response, &url)? {
                // A large file lies elsewhere: what it is has been said.
                if self.is_own(&next) {
                    url = next;
                    continue;
                }
            } else if !response.status().is_success() {
                return self.refused(model, revision, &response, &url);
            } else {
                bytes = bytes.or_else(|| number(&response, "content-length"));
            }
            etag = etag.or_else(|| text(&response, "etag"));
            let found = commit.zip(etag).zip(bytes);
            let found = found.map(|((commit, etag), bytes)| Found { commit, etag: bare(&etag), bytes });
            let good = found.filter(|found| is_plain(&found.commit) && is_plain(&found.etag));
            return good.map(Some).ok_or_else(|| odd(&url, "it does not say which commit, size and ETag the file has"));
        }
        Err(odd(&url, "one redirect after another"))
    }

    /// A file's bytes, from `start` on if the server can do that.
    pub(super) fn read(&self, model: &HubModel, found: &Found, file: &str, start: u64) -> Result<Arriving, Failure> {
        let mut url = self.url(model, &found.commit, file);
        for _ in 0..MAX_HOPS {
            let request = self.agent.get(&url);
            let request = if start == 0 { request } else { request.header(header::RANGE, format!("bytes={start}-")) };
            let response = self.ask(request, &url)?;
            if let Some(next) = self.redirect(&response, &url)? {
                url = next;
                continue;
            }
            let start = match response.status().as_u16() {
                200 => 0,
                206 if begins_at(&response, start, found.bytes) => start,
                206 => return Err(odd(&url, "it sends another part than it was asked for")),
                _ => {
                    self.refused::<Found>(model, &found.commit, &response, &url)?;
                    return Err(odd(&url, "the file is gone"));
                }
            };
            return Ok(Arriving { start, reader: Box::new(response.into_body().into_reader()) });
        }
        Err(odd(&url, "one redirect after another"))
    }

    fn url(&self, model: &HubModel, revision: &str, file: &str) -> String {
        // All other characters that names may have stand for themselves.
        let revision = revision.replace('/', "%2F").replace('+', "%2B");
        format!("{}/{}/resolve/{revision}/{}", self.endpoint, model.repository(), file.replace('+', "%2B"))
    }

    fn ask(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithoutBody>,
        url: &str,
    ) -> Result<Response<Body>, Failure> {
        let request = match &self.token {
            Some(token) if self.is_own(url) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            _ => request,
        };
        request.call().map_err(|error| match error {
            ureq::Error::RequireHttpsOnly(_) => odd(url, "it leads from https to http"),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => odd(url, "it leads to no address"),
            other if other.to_string().contains("certificate") => {
                let what =
                    "where a proxy of your own opens connections, set SSL_CERT_FILE to its authority's certificate";
                Failure::Network(format!("{}: {other}; {what}", host(url)))
            }
            other => Failure::Network(format!("{}: {other}", host(url))),
        })
    }

    /// Where a response leads.
    fn redirect(&self, response: &Response<Body>, url: &str) -> Result<Option<String>, Failure> {
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let location = text(response, "location").ok_or_else(|| odd(url, "a redirect without an address"))?;
        if location.starts_with("http://") || location.starts_with("https://") {
            return Ok(Some(location));
        }
        match (location.starts_with('/') && !location.starts_with("//"), origin_of(url)) {
            (true, Some(origin)) => Ok(Some(origin + &location)),
            _ => Err(odd(url, "a redirect that is no address")),
        }
    }

    fn is_own(&self, url: &str) -> bool {
        origin_of(url).is_some_and(|origin| origin == self.origin)
    }

    /// What a status that is no success means; `None` if only the file is missing.
    fn refused<T>(
        &self,
        model: &HubModel,
        revision: &str,
        response: &Response<Body>,
        url: &str,
    ) -> Result<Option<T>, Failure> {
        let (endpoint, repository) = (self.endpoint.clone(), model.repository());
        let code = text(response, "x-error-code");
        let error = match (response.status().as_u16(), code.as_deref()) {
            (MISSING, Some("RevisionNotFound")) => HubError::NoRevision { repository, revision: revision.to_owned() },
            (MISSING, Some("RepoNotFound")) => HubError::NoModel { endpoint, repository },
            (MISSING, _) => return Ok(None),
            (FORBIDDEN, _) | (UNKNOWN, Some("GatedRepo")) => {
                let (said, token) = (text(response, "x-error-message"), self.token.is_some());
                HubError::Gated { endpoint, repository, said, token }
            }
            (UNKNOWN, _) if self.token.is_some() => HubError::WrongToken { endpoint, repository },
            (UNKNOWN, _) => HubError::Unknown { endpoint, repository },
            (SLOW | MANY | BROKEN.., _) => return Err(Failure::Network(format!("it answers {}", response.status()))),
            _ => return Err(odd(url, &format!("it answers {}", response.status()))),
        };
        Err(Failure::Final(error))
    }
}

/// `https://host:port` of an address.
fn origin_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?.as_str().to_ascii_lowercase()))
}

fn host(url: &str) -> String {
    url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default()
}

fn text(response: &Response<Body>, name: &str) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn number(response: &Response<Body>, name: &str) -> Option<u64> {
    text(response, name)?.parse().ok()
}

/// `"abc"` and `W/"abc"` name the same bytes.
fn bare(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// What may be a name on disk.
fn is_plain(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// `Content-Range: bytes START-END/TOTAL`.
fn begins_at(response: &Response<Body>, start: u64, total: u64) -> bool {
    let range = text(response, "content-range");
    range
        .as_deref()
        .and_then(|range| range.strip_prefix("bytes "))
        .is_some_and(|range| range.starts_with(&format!("{start}-")) && range.ends_with(&format!("/{total}")))
}

fn odd(url: &str, why: &str) -> Failure {
    let url = url.split('?').next().unwrap_or_default().to_owned();
    Failure::Final(HubError::Odd { url, why: why.to_owned() })
}
