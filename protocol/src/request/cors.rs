//! Which pages a browser lets call: the answer to its question (a preflight), and what a page may read of an answer.
//!
//! CORS guards what a browser adds by itself, such as cookies. Callers here send a key or a token by hand, so an allowed
//! origin has no more rights than its credential gives. What an address may do without one, any page of an allowed
//! origin can use up in its visitor's name. Administration is never opened: Cloudflare Access vouches for a browser.

use crate::wire::header;

/// Whose pages may call, by the setting `CORS_ORIGINS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Nobody's: answers say nothing about it.
    #[default]
    None,
    /// Everybody's.
    Any,
    /// Those of these origins, written as browsers write them.
    Listed(Vec<String>),
}

/// What a browser asks before it sends a page's request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preflight<'a> {
    /// The page's origin.
    pub origin: Option<&'a str>,
    /// The method that the page would use.
    pub method: Option<&'a str>,
    /// The headers that it would send, besides those that every page may.
    pub headers: Option<&'a str>,
}

impl Origins {
    /// Reads the setting: empty, `*`, or exact origins with commas between them. A mistake does not show the value.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => return Ok(Self::None),
            "*" => return Ok(Self::Any),
            _ => {}
        }
        let mut origins: Vec<String> = Vec::new();
        for origin in text.split(',').map(str::trim) {
            check_origin(origin)?;
            if origins.iter().any(|other| other == origin) {
                return Err("names an origin twice".into());
            }
            origins.push(origin.to_owned());
        }
        Ok(Self::Listed(origins))
    }

    /// What the answer to any request for this path says besides its own headers.
    pub fn headers(&self, path: &str, origin: Option<&str>) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if !is_open(path) {
            return headers;
        }
        if let Self::Listed(_) = self {
            // Also where this origin is not allowed, or a cache would give one origin's answer to another.
            headers.push((header::VARY, header::ORIGIN.to_owned()));
        }
        if let Some(allowed) = self.allow(origin) {
            headers.push((header::ALLOW_ORIGIN, allowed.to_owned()));
            headers.push((header::EXPOSE_HEADERS, header::EXPOSED.join(", ")));
        }
        headers
    }

    /// What a browser is told that asks for this path, whose methods are `methods`; `None` if it is not allowed to call or
    /// did not ask. A path that does not exist has the methods of a usual one, so that the page can read the refusal.
    pub fn preflight(
        &self,
        path: &str,
        methods: Option<&str>,
        asked: Preflight<'_>,
    ) -> Option<Vec<(&'static str, String)>> {
        asked.method?;
        let origin = asked.origin?;
        let allowed = self.allow(Some(origin)).filter(|_| is_open(path))?;
        let mut headers = vec![
            (header::ALLOW_ORIGIN, allowed.to_owned()),
            (header::ALLOW_METHODS, methods.unwrap_or("GET, HEAD, POST").to_owned()),
            (header::MAX_AGE, MAX_AGE_S.to_string()),
        ];
        let names = allowed_names(asked.headers.unwrap_or_default());
        if !names.is_empty() {
            headers.push((header::ALLOW_HEADERS, names));
        }
        let vary = [header::ORIGIN, header::REQUEST_METHOD, header::REQUEST_HEADERS];
        headers.push((header::VARY, vary.join(", ")));
        Some(headers)
    }

    /// What `access-control-allow-origin` says to this origin. Browsers write an origin in one way, so bytes are compared.
    fn allow<'a>(&'a self, origin: Option<&str>) -> Option<&'a str> {
        match self {
            Self::None => None,
            Self::Any => Some("*"),
            Self::Listed(all) => all.iter().find(|allowed| Some(allowed.as_str()) == origin).map(String::as_str),
        }
    }
}

/// Whether pages may call this path at all.
fn is_open(path: &str) -> bool {
    !["/admin", "/leaks"].iter().any(|closed| path.starts_with(closed))
}

/// Of the names that a page asks for, those that it may send: a gate looks at few of them and passes none on, so any name
/// will do. The exception are names that only what stands before the edge may set.
fn allowed_names(asked: &str) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in asked.split(',').map(|name| name.trim().to_ascii_lowercase()).take(MAX_NAMES) {
        let is_name = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_token);
        if is_name && !name.starts_with("cf-") && !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// RFC 9110, section 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// An origin as a browser writes it: `https://app.example`, `http://localhost:3000`, `chrome-extension://id`.
fn check_origin(origin: &str) -> Result<(), String> {
    let fails =
        |problem: &str| Err(format!("{problem}; an origin looks like https://app.example or http://localhost:3000"));
    let Some((scheme, place)) = origin.split_once("://") else {
        return fails("has an entry without a scheme");
    };
    if !scheme.starts_with(|c: char| c.is_ascii_lowercase()) || !scheme.bytes().all(is_scheme) {
        return fails("has an entry whose scheme is none, or not in lower case");
    }
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if host.parse::<core::net::Ipv6Addr>().is_ok() => {
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
        }
        Some(_) => return fails("has an entry whose address is none"),
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
            None => (place, Some("")),
        },
    };
    if host.is_empty() || !(place.starts_with('[') || host.bytes().all(is_host)) {
        return fails("has an entry whose host is not in lower case, or is followed by a path, or has a `*` in it");
    }
    match port {
        Some("") => Ok(()),
        Some("80") if scheme == "http" => fails("has an entry with a port that browsers leave out"),
        Some("443") if scheme == "https" => fails("has an entry with a port that browsers leave out"),
        Some(port)
            if !port.starts_with('0')
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && port.parse::<u16>().is_ok() =>
        {
            Ok(())
        }
        _ => fails("has an entry whose port is none"),
    }
}

const fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
}

const fn is_host(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_')
}

/// How long a browser may remember an answer, in seconds: Chromium remembers none for longer.
const MAX_AGE_S: u32 = 7_200;
/// How many names of headers are looked at; OpenAI's clients send some fifteen.
const MAX_NAMES: usize = 64;
/// How long one of them may be, in bytes.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Origins {
        Origins::parse(text).unwrap()
    }

    fn find<'h>(headers: &'h [(&'static str, String)], name: &str) -> Option<&'h str> {
        headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_setting_takes_what_browsers_write_and_nothing_else() {
        assert_eq!(Origins::parse(""), Ok(Origins::None));
        assert_eq!(Origins::parse(" * "), Ok(Origins::Any));
        let good = [
            "https://app.example",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:3000",
            "http://[2001:db8::1]",
            "https://xn--bcher-kva.example",
            "chrome-extension://abcdefghijklmnop",
            "tauri://localhost",
            "http://a.example:443",
        ];
        assert_eq!(listed(&good.join(" , ")), Origins::Listed(good.map(str::to_owned).to_vec()));
        for bad in [
            "app.example",
            "https://",
            "https://app.example/",
            "https://app.example/path",
            "https://app.example:443",
            "http://app.example:80",
            "https://app.example:",
            "https://app.example:0",
            "https://app.example:080",
            "https://app.example:65536",
            "https://app.example:x",
            "https://app.example:-1",
            "https://App.example",
            "HTTPS://app.example",
            "https://user@app.example",
            "https://*.example",
            "https://bücher.example",
            "https://a b.example",
            "https://app.example?x",
            "http://[::1",
            "http://[x]",
            "http://[::1]x",
            "1http://app.example",
            "null",
            "*,https://app.example",
            "https://app.example,",
            "https://app.example,https://app.example",
        ] {
            let problem = Origins::parse(bad).expect_err(bad);
            assert!(!problem.contains("app.example/") && !problem.contains(":443"), "{bad}: {problem}");
        }
    }

    #[test]
    fn an_origin_is_compared_byte_by_byte() {
        let origins = listed("https://app.example,http://localhost:3000");
        let allowed = |origin| {
            let headers = origins.headers("/v1/models", origin);
            assert_eq!(find(&headers, "vary"), Some("origin"), "{origin:?}");
            assert_eq!(find(&headers, "access-control-expose-headers").is_some(), headers.len() == 3);
            find(&headers, "access-control-allow-origin").map(str::to_owned)
        };
        for origin in ["https://app.example", "http://localhost:3000"] {
            assert_eq!(allowed(Some(origin)).as_deref(), Some(origin));
        }
        for other in [
            None,
            Some(""),
            Some("null"),
            Some("*"),
            Some("http://app.example"),
            Some("https://app.example.evil.com"),
            Some("https://evil.com/https://app.example"),
            Some("https://app.example:443"),
            Some("https://app.example:8443"),
            Some("https://APP.example"),
            Some("https://app.example, https://app.example"),
            Some("https://app.example, https://evil.com"),
            Some("https://app.example https://evil.com"),
            Some("http://localhost"),
            Some("http://localhost:30000"),
        ] {
            assert_eq!(allowed(other), None, "{other:?}");
        }
    }

    #[test]
    fn everybody_is_told_so_and_nobody_is_told_nothing() {
        let any = Origins::Any.headers("/v1/models", Some("https://a.example"));
        assert_eq!(find(&any, "access-control-allow-origin"), Some("*"));
        // One answer for all: a cache need not tell them apart.
        assert_eq!(find(&any, "vary"), None);
        assert_eq!(Origins::Any.headers("/v1/models", None), any);
        let asked = Preflight { origin: Some("https://a.example"), method: Some("POST"), headers: None };
        assert_eq!(Origins::None.headers("/v1/models", asked.origin), []);
        assert_eq!(Origins::None.preflight("/v1/models", Some("GET, HEAD"), asked), None);
        for closed in ["/admin/v1/keys", "/admin", "/leaks/github"] {
            for origins in [Origins::Any, listed("https://a.example")] {
                assert_eq!(origins.headers(closed, asked.origin), [], "{closed}");
                assert_eq!(origins.preflight(closed, Some("POST"), asked), None, "{closed}");
            }
        }
    }

    #[test]
    fn a_preflight_is_told_methods_and_the_names_that_it_asked_for() {
        let origins = listed("https://app.example");
        let asked = Preflight {
            origin: Some("https://app.example"),
            method: Some("POST"),
            headers: Some("authorization,content-type, X-Stainless-Lang,x-session-id"),
        };
        let told = origins.preflight("/v1/chat/completions", Some("POST"), asked).unwrap();
        let expected = [
            ("access-control-allow-origin", "https://app.example"),
            ("access-control-allow-methods", "POST"),
            ("access-control-max-age", "7200"),
            ("access-control-allow-headers", "authorization, content-type, x-stainless-lang, x-session-id"),
            ("vary", "origin, access-control-request-method, access-control-request-headers"),
        ];
        assert_eq!(told.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), expected);
        // One that the path lacks is for the browser to refuse; a path that is not there is for the page to learn of.
        let told = origins.preflight("/v1/models", Some("GET, HEAD"), Preflight { method: Some("DELETE"), ..asked });
        assert_eq!(find(&told.unwrap(), "access-control-allow-methods"), Some("GET, HEAD"));
        let told = origins.preflight("/v2/none", None, Preflight { headers: None, ..asked }).unwrap();
        assert_eq!(find(&told, "access-control-allow-methods"), Some("GET, HEAD, POST"));
        assert_eq!(find(&told, "access-control-allow-headers"), None);
        // No question, or not for this origin.
        for other in [
            Preflight { method: None, ..asked },
            Preflight { origin: None, ..asked },
            Preflight { origin: Some("null"), ..asked },
            Preflight { origin: Some("https://evil.com"), ..asked },
        ] {
            assert_eq!(origins.preflight("/v1/models", Some("GET, HEAD"), other), None, "{other:?}");
        }
        assert_eq!(Origins::Any.preflight("/v1/models", None, Preflight { origin: None, ..asked }), None);
    }

    #[test]
    fn names_are_echoed_within_bounds_and_only_if_they_are_names() {
        let sdk = "accept,anthropic-version,authorization,content-type,idempotency-key,openai-organization,\
                   openai-project,x-api-key,x-stainless-arch,x-stainless-retry-count";
        assert_eq!(allowed_names(sdk), sdk.replace(',', ", "));
        assert_eq!(allowed_names(" A , a,b c,d\u{7f},é,,:x,\"q\",e"), "a, e");
        assert_eq!(allowed_names("cf-connecting-ip,CF-Access-Jwt-Assertion,x-cf"), "x-cf");
        let many: Vec<_> = (0..1_000).map(|n| format!("x-{n}")).collect();
        assert_eq!(allowed_names(&many.join(",")).split(", ").count(), MAX_NAMES);
        assert_eq!(allowed_names(&"x".repeat(10_000)), "");
        let longest = ["y".repeat(MAX_NAME), "z".repeat(MAX_NAME + 1)].join(",");
        assert_eq!(allowed_names(&longest), "y".repeat(MAX_NAME));
    }

    #[test]
    fn pages_may_read_whatever_is_told_to_callers() {
        // CORS-safelisted response headers, those of CORS itself, and those that admin routes alone have.
        let known = ["cache-control", "content-length", "content-type", "vary", "etag"];
        for name in header::OUTBOUND.iter().filter(|name| !name.starts_with("access-control-")) {
            assert_ne!(header::EXPOSED.contains(name), known.contains(name), "{name}");
        }
    }
}
