//! The settings `OTLP_ENDPOINT` and `OTLP_HEADERS`, read into what cannot be wrong. Headers open a door: they are never
//! printed.

use super::sample::Share;
use crate::route::setting::url;
use crate::wire::header;

/// Where spans go.
pub struct Export {
    /// With its path.
    pub url: String,
    /// What is sent beside the spans.
    pub headers: Headers,
    /// Which traces.
    pub share: Share,
}

/// Headers of a request to a collector. They do not print.
#[derive(Default)]
pub struct Headers(Vec<Header>);

struct Header {
    name: String,
    value: String,
}

/// Reads where a collector listens: `<it>/v1/traces` is where spans go. Nothing where the text is empty.
///
/// # Errors
/// It is no URL, has a query or credentials, or is plain HTTP and not on this machine.
pub fn parse_endpoint(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_plain = text.len() <= MAX_ENDPOINT && text.bytes().all(|byte| byte.is_ascii_graphic());
    let url = if is_plain { url::read(text, false).ok() } else { None };
    let url = url.ok_or(
        "must be a URL that starts with https://, or with http:// for this machine alone, without query and credentials",
    )?;
    Ok(Some(format!("{url}/v1/traces")))
}

impl Headers {
    /// Reads them as OpenTelemetry has them: `name=value`, several by commas, and values percent-encoded
    /// (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables>).
    ///
    /// # Errors
    /// All mistakes in one text, which shows neither names nor values.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut headers, mut mistakes) = (Vec::<Header>::new(), Vec::new());
        if text.len() > MAX_HEADERS {
            return Err(format!("must be at most {MAX_HEADERS} bytes long"));
        }
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        for (index, part) in parts.enumerate() {
            match Header::parse(part) {
                Ok(header) if headers.iter().any(|other| other.name == header.name) => {
                    mistakes.push(format!("header {}: has the name of one before it", index + 1));
                }
                Ok(header) => headers.push(header),
                Err(problem) => mistakes.push(format!("header {}: {problem}", index + 1)),
            }
        }
        if mistakes.is_empty() { Ok(Self(headers)) } else { Err(mistakes.join("; ")) }
    }

    /// All of them, by name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|header| (header.name.as_str(), header.value.as_str()))
    }
}

impl Header {
    fn parse(part: &str) -> Result<Self, &'static str> {
        let (name, value) = part.split_once('=').ok_or("must be `name=value`")?;
        let name = name.trim().to_ascii_lowercase();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err("must have a name that a header may have");
        }
        if OURS.contains(&name.as_str()) {
            return Err("is one that the edge or the platform sets");
        }
        let value = decoded(value.trim()).filter(|value| value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        Ok(Self { name, value: value.ok_or("must have a value that is plain text, percent-encoded")? })
    }
}

/// What percent signs and two digits each stand for; `None` where one stands alone.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Headers that are not for a setting.
const OURS: [&str; 6] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING, "host", "connection", "transfer-encoding"];
/// The longest endpoint, in bytes.
const MAX_ENDPOINT: usize = 1_024;
/// The longest that headers may be together, in bytes.
const MAX_HEADERS: usize = 8 << 10;
