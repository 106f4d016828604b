//! Where traces go: `--otlp-endpoint`, `--otlp-headers` and `--otlp-sample`, checked.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use sluice_protocol::telemetry::trace::setting::Headers;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A collector of traces.
#[derive(Clone)]
pub struct Collector {
    url: String,
    headers: HeaderMap,
    sample: f64,
}

/// The headers of a collector, as typed. They are secrets, and are not shown.
#[derive(Clone, Default)]
pub struct HeadersSecret(String);

/// What a collector of OTLP over HTTP takes traces at, below its endpoint.
const PATH: &str = "/v1/traces";
impl Collector {
    /// `endpoint`: the address below which a collector takes traces, over HTTP or HTTPS. `headers`: what each message to it
    /// carries, as `name=value,name=value`, values percent-encoded. `sample`: the share of traces that are told of those that
    /// begin here, 0 to 1. The errors say all that is wrong with them, for the operator, and show no header's value.
    pub fn new(endpoint: &str, headers: &HeadersSecret, sample: f64) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        if !is_endpoint(endpoint) {
            mistakes.push("--otlp-endpoint: not an address such as http://127.0.0.1:4318".to_owned());
        }
        let headers = headers.read(&mut mistakes);
        if !(0.0..=1.0).contains(&sample) {
            mistakes.push(format!("--otlp-sample {sample}: must be from 0 to 1"));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self { url: format!("{}{PATH}", endpoint.trim_end_matches('/')), headers, sample })
    }

    /// Where spans are sent.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What each message carries besides.
    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The share of traces that are told of those that begin here.
    pub(super) const fn sample(&self) -> f64 {
        self.sample
    }

    /// Whether it is spoken to over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.url.starts_with("https:")
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("url", &self.url).field("sample", &self.sample).finish_non_exhaustive()
    }
}

impl fmt::Debug for HeadersSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeadersSecret(..)")
    }
}

impl FromStr for HeadersSecret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl HeadersSecret {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }

    /// As the edge reads its own.
    fn read(&self, mistakes: &mut Vec<String>) -> HeaderMap {
        let headers = Headers::parse(&self.0).unwrap_or_else(|why| {
            mistakes.push(format!("--otlp-headers: {why}"));
            Headers::default()
        });
        let pairs = headers.iter().filter_map(|(name, value)| {
            // Both are what a header may have: it was seen to.
            let mut value = HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
        });
        pairs.collect()
    }
}

/// `http` or `https`, a host, perhaps a path; nothing behind it, and nobody's name before it.
fn is_endpoint(text: &str) -> bool {
    !text.contains(['?', '#'])
        && text.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|authority| {
                    // Whatever is before the host, or behind it and no port, is left over.
                    let rest = authority.as_str().strip_prefix(authority.host());
                    let is_port = rest == Some("") || authority.port_u16().is_some_and(|port| port > 0);
                    is_port && !authority.host().is_empty() && !authority.as_str().contains('@')
                })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(endpoint: &str, headers: &str, sample: f64) -> Result<Collector, Vec<String>> {
        Collector::new(endpoint, &headers.parse().unwrap(), sample)
    }

    #[test]
    fn spans_go_below_the_endpoint() {
        for (endpoint, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/", "https://collector.example/v1/traces"),
            ("https://collector.example/otlp//", "https://collector.example/otlp/v1/traces"),
            ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        ] {
            let collector = read(endpoint, "", 1.0).unwrap();
            assert_eq!((collector.url(), collector.is_secure()), (url, url.starts_with("https")));
            assert!(collector.headers().is_empty());
        }
    }

    #[test]
    fn headers_are_decoded_and_not_shown() {
        let collector = read("http://c", " authorization = Bearer%20a%2Cb%3d ,x-scope=tenant=1,empty=", 0.5).unwrap();
        let value = |name: &str| collector.headers()[name].to_str().unwrap();
        assert_eq!((value("authorization"), value("x-scope"), value("empty")), ("Bearer a,b=", "tenant=1", ""));
        assert_eq!(collector.headers().len(), 3);
        for shown in [
            format!("{collector:?}"),
            format!("{:?}", collector.headers()),
            format!("{:?}", HeadersSecret("tenant=1".into())),
        ] {
            assert!(!shown.contains("Bearer") && !shown.contains("tenant"), "{shown}");
        }
    }

    #[test]
    fn every_mistake_is_told_and_no_value_is() {
        let endpoints = [
            "",
            "collector:4318",
            "ftp://c",
            "http://",
            "http://c?x",
            "http://c#x",
            "http://me@c",
            "http://c:0",
            "http://c:",
            "http://c:99999",
            "http:/c",
            "/v1",
            "http://a b",
        ];
        for endpoint in endpoints {
            let mistakes = read(endpoint, "hush", f64::NAN).unwrap_err();
            assert_eq!(mistakes.len(), 3, "{endpoint}: {mistakes:?}");
            assert!(mistakes[0].starts_with("--otlp-endpoint"), "{mistakes:?}");
        }
        for (headers, word) in [
            ("hush", "header 1"),
            ("a=1,hush", "header 2"),
            ("=hush", "name"),
            ("a b=hush", "name"),
            ("a=hush%2", "percent"),
            ("a=hush%0d%0a", "plain"),
            ("a=1,A=hush", "header 2"),
            ("Host=hush", "sets"),
        ] {
            let mistakes = read("http://c", headers, 1.0).unwrap_err();
            assert_eq!(mistakes.len(), 1, "{headers}: {mistakes:?}");
            assert!(mistakes[0].contains(word) && !mistakes[0].contains("hush"), "{headers}: {mistakes:?}");
        }
        for sample in [-0.1, 1.1, f64::INFINITY, f64::NAN] {
            assert!(read("http://c", "", sample).unwrap_err()[0].contains("--otlp-sample"), "{sample}");
        }
        assert!([0.0, 1.0, 0.001].iter().all(|sample| read("http://c", "", *sample).is_ok()));
    }
}
