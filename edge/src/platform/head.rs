//! What stands before a body.

use sluice_protocol::wire::header;

/// Two words of the platform's, or one, and the headers that we look at.
pub struct Head {
    text: String,
    /// How many lines come before the headers.
    first: usize,
    names: &'static [&'static str],
}

impl Head {
    /// A caller's: its method, its URL and the headers of [`REQUEST`], a line each. A header's line is an equals sign and
    /// the value, or empty for one that was not sent.
    pub const fn of_request(text: String) -> Self {
        Self { text, first: 2, names: REQUEST }
    }

    /// The rest of a caller's: the headers of [`REST`], in the same way.
    pub const fn of_rest(text: String) -> Self {
        Self { text, first: 1, names: REST }
    }

    /// An origin's: its status and the headers of [`RESPONSE`], in the same way.
    pub const fn of_response(text: String) -> Self {
        Self { text, first: 1, names: RESPONSE }
    }

    /// One header's value; several of one name arrive joined by commas.
    pub fn get(&self, name: &str) -> Option<&str> {
        let index = self.names.iter().position(|other| *other == name);
        debug_assert!(index.is_some(), "{name} is not read");
        self.line(self.first + index?).strip_prefix('=')
    }

    /// A request's method. `HEAD` is `GET` to us: the platform sends what stands before the body, and leaves the body out.
    pub fn method(&self) -> &str {
        match self.line(0) {
            "HEAD" => "GET",
            method => method,
        }
    }

    /// A request's URL.
    pub fn url(&self) -> &str {
        self.line(1)
    }

    /// A response's status.
    pub fn status(&self) -> u16 {
        // It is the platform that says so.
        self.line(0).parse().unwrap_or_default()
    }

    fn line(&self, index: usize) -> &str {
        self.text.split('\n').nth(index).unwrap_or_default()
    }
}

/// What is looked at in each request of a caller's. Each costs a look, so that those are few who are refused.
pub const REQUEST: &[&str] = &[header::AUTHORIZATION, header::API_KEY, header::CONNECTING_IP];
/// What is looked at where a body is read.
pub const REST: &[&str] = &[
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::SESSION_ID,
    header::DEGRADE,
    header::CACHE,
    header::TRACEPARENT,
];
/// All that is looked at in an origin's response.
pub const RESPONSE: &[&str] = &[
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::CAPACITY,
    header::USAGE,
    header::PROMPT_TOKENS,
    header::RETRY_AFTER_MS,
    header::RETRY_AFTER,
];
/// How many of these are looked at where it is an answer; a platform may leave out the rest there.
pub const OF_ANSWER: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_line_by_line() {
        let head = Head::of_request("POST\nhttps://h/?a=b\n=Bearer x=y\n\n=".to_owned());
        assert_eq!((head.method(), head.url()), ("POST", "https://h/?a=b"));
        assert_eq!(head.get(header::AUTHORIZATION), Some("Bearer x=y"));
        assert_eq!(head.get(header::API_KEY), None);
        assert_eq!(head.get(header::CONNECTING_IP), Some(""));
        let rest = Head::of_rest("\n=text/plain\n=5\n\n\n\n=none".to_owned());
        assert_eq!((rest.get(header::CONTENT_TYPE), rest.get(header::CONTENT_LENGTH)), (Some("text/plain"), Some("5")));
        assert_eq!((rest.get(header::DEGRADE), rest.get(header::CACHE)), (None, Some("none")));
        assert_eq!(Head::of_request("HEAD\nhttps://h/\n".to_owned()).method(), "GET");
    }

    #[test]
    fn whatever_reaches_a_caller_is_read() {
        let of_answer = &RESPONSE[..OF_ANSWER];
        assert!(header::ORIGIN_TO_CALLER.iter().all(|name| of_answer.contains(name)));
        // What is left out was not sent.
        let head = Head::of_response("200\n=text/plain\n\n\n=1/2/3".to_owned());
        assert_eq!((head.get(header::USAGE), head.get(header::RETRY_AFTER_MS)), (Some("1/2/3"), None));
    }
}
