//! Every header name that either gate reads or writes, lower case as HTTP/2 has them.
//!
//! Names that are not listed here do not cross the edge in either direction: the edge builds the origin's request and
//! the caller's answer from nothing and adds only these.

/// The signed grant, edge to origin (see [`crate::forward::grant`]). Stripped from callers by never being copied.
pub const GRANT: &str = "x-sluice-grant";
/// The origin's free places on every reply, origin to edge (see [`crate::forward::capacity`]).
pub const CAPACITY: &str = "x-sluice-capacity";
/// How many tokens the origin counted in a prompt that its grant does not cover, origin to edge.
pub const PROMPT_TOKENS: &str = "x-sluice-prompt-tokens";
/// What a refused request has used, if it is over, origin to edge (see [`crate::forward::report::brief`]).
pub const USAGE: &str = "x-sluice-usage";
/// When the head of a stream comes, edge to origin: `first-token`, where the edge waits for that one. Otherwise it comes as
/// soon as the request has a slot.
pub const HEAD: &str = "x-sluice-head";
/// What [`HEAD`] says.
pub const FIRST_TOKEN: &str = "first-token";
/// The request's id on every answer. The edge makes it; a caller's own value is not taken over.
pub const REQUEST_ID: &str = "x-request-id";
/// OpenAI's way to say whether an SDK may retry: `true` or `false`.
pub const SHOULD_RETRY: &str = "x-should-retry";
/// Where a page of CSV goes on: the `after` of the next one.
pub const NEXT: &str = "x-sluice-next";
/// Whole seconds, rounded up (RFC 9110, section 10.2.3).
pub const RETRY_AFTER: &str = "retry-after";
/// The same wait in milliseconds; OpenAI's SDKs prefer it.
pub const RETRY_AFTER_MS: &str = "retry-after-ms";
/// The limits that apply, IETF (draft-ietf-httpapi-ratelimit-headers).
pub const RATELIMIT_POLICY: &str = "ratelimit-policy";
/// What is left of them, IETF.
pub const RATELIMIT: &str = "ratelimit";
/// OpenAI's: the quota of the window of requests that will refuse first.
pub const LIMIT_REQUESTS: &str = "x-ratelimit-limit-requests";
/// OpenAI's: what is left of it.
pub const REMAINING_REQUESTS: &str = "x-ratelimit-remaining-requests";
/// OpenAI's: when it will be whole again, as a Go duration.
pub const RESET_REQUESTS: &str = "x-ratelimit-reset-requests";
/// OpenAI's: the quota of the limit of tokens that will refuse first.
pub const LIMIT_TOKENS: &str = "x-ratelimit-limit-tokens";
/// OpenAI's: what is left of it.
pub const REMAINING_TOKENS: &str = "x-ratelimit-remaining-tokens";
/// OpenAI's: when it will be whole again, as a Go duration.
pub const RESET_TOKENS: &str = "x-ratelimit-reset-tokens";
/// Anthropic's: the quota of the window of requests that will refuse first.
pub const ANTHROPIC_LIMIT_REQUESTS: &str = "anthropic-ratelimit-requests-limit";
/// Anthropic's: what is left of it.
pub const ANTHROPIC_REMAINING_REQUESTS: &str = "anthropic-ratelimit-requests-remaining";
/// Anthropic's: when it will be whole again, as RFC 3339 writes a time.
pub const ANTHROPIC_RESET_REQUESTS: &str = "anthropic-ratelimit-requests-reset";
/// Anthropic's: the quota of the limit of tokens that will refuse first.
pub const ANTHROPIC_LIMIT_TOKENS: &str = "anthropic-ratelimit-tokens-limit";
/// Anthropic's: what is left of it.
pub const ANTHROPIC_REMAINING_TOKENS: &str = "anthropic-ratelimit-tokens-remaining";
/// Anthropic's: when it will be whole again, as RFC 3339 writes a time.
pub const ANTHROPIC_RESET_TOKENS: &str = "anthropic-ratelimit-tokens-reset";
/// A caller's own name for a session, for limits that count by session.
pub const SESSION_ID: &str = "x-session-id";
/// `none`, from a caller that takes no less than it asks for.
pub const DEGRADE: &str = "x-sluice-degrade";
/// What was made of a request, to its caller (see [`crate::limit::degrade::Degraded`]).
pub const DEGRADED: &str = "x-sluice-degraded";
/// For how many seconds a caller takes the answer to the same question again, or `none`; and on its answer whether it is one.
pub const CACHE: &str = "x-sluice-cache";
/// Where a request is in a trace, caller to edge and edge to origin (see [`crate::telemetry::trace::parent`]).
pub const TRACEPARENT: &str = "traceparent";
/// What others in that trace have to say of it, passed on as it is.
pub const TRACESTATE: &str = "tracestate";
/// The caller's address, as Cloudflare tells it. Elsewhere whatever stands before the edge must set it.
pub const CONNECTING_IP: &str = "cf-connecting-ip";
/// The version of what is read or written, on `/admin/v1/`.
pub const ETAG: &str = "etag";
/// The version that is to be replaced.
pub const IF_MATCH: &str = "if-match";
/// By what a repeated request of an admin is known.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// RFC 6750's challenge, on every 401.
pub const WWW_AUTHENTICATE: &str = "www-authenticate";
/// The methods that a path has, on every 405.
pub const ALLOW: &str = "allow";
/// Credentials: `Bearer <key>`.
pub const AUTHORIZATION: &str = "authorization";
/// Credentials, the other spelling in use: the bare key.
pub const API_KEY: &str = "x-api-key";
/// Who an admin is, as Cloudflare Access says: a signed token.
pub const ACCESS_ASSERTION: &str = "cf-access-jwt-assertion";
/// Which key a report of leaked keys is signed with, as GitHub names it.
pub const SCANNER_KEY: &str = "github-public-key-identifier";
/// That signature: base64 of ECDSA on P-256, in DER.
pub const SCANNER_SIGNATURE: &str = "github-public-key-signature";
/// What a body is.
pub const CONTENT_TYPE: &str = "content-type";
/// How long a body says it is.
pub const CONTENT_LENGTH: &str = "content-length";
/// What a body was packed with.
pub const CONTENT_ENCODING: &str = "content-encoding";
/// What a body may be packed with, on a 415 (RFC 9110, section 15.5.16).
pub const ACCEPT_ENCODING: &str = "accept-encoding";
/// A stream of events is UTF-8, and clients that go by the old rule for text have to be told.
pub const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
/// A stream of lines, each of them JSON.
pub const NDJSON: &str = "application/x-ndjson";
/// Streams are not to be stored or transformed on the way.
pub const CACHE_CONTROL: &str = "cache-control";
/// Of which origin a page is, as its browser says.
pub const ORIGIN: &str = "origin";
/// What a cache must tell requests apart by.
pub const VARY: &str = "vary";
/// The method that a page would use, in a browser's question.
pub const REQUEST_METHOD: &str = "access-control-request-method";
/// The headers that it would send.
pub const REQUEST_HEADERS: &str = "access-control-request-headers";
/// Whose pages may read an answer.
pub const ALLOW_ORIGIN: &str = "access-control-allow-origin";
/// With which methods they may ask.
pub const ALLOW_METHODS: &str = "access-control-allow-methods";
/// With which headers.
pub const ALLOW_HEADERS: &str = "access-control-allow-headers";
/// Which of an answer's headers they may read.
pub const EXPOSE_HEADERS: &str = "access-control-expose-headers";
/// How long a browser may remember all that, in seconds.
pub const MAX_AGE: &str = "access-control-max-age";

/// A content type without its parameters: what it is.
pub fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Whether the body of a request to `path` may be read as JSON, by the type that it declares and by whose page it comes from.
///
/// Ollama's own server looks at no type, and LiteLLM's client declares none there. A browser's page has to declare it all the same:
/// so it is asked first whether that page may call (<https://fetch.spec.whatwg.org/#cors-safelisted-request-header>).
pub fn is_json(path: &str, content_type: Option<&str>, origin: Option<&str>) -> bool {
    match content_type {
        Some(declared) => essence(declared).eq_ignore_ascii_case("application/json"),
        None => origin.is_none() && path.starts_with("/api/"),
    }
}

/// Whether a body comes as it is, by its `content-encoding` (RFC 9110, section 8.4).
pub fn is_identity(encoding: &str) -> bool {
    encoding.split(',').all(|coding| matches!(coding.trim().to_ascii_lowercase().as_str(), "" | "identity"))
}

/// The only headers of an origin's answer that reach a caller. All others are dropped.
pub const ORIGIN_TO_CALLER: &[&str] = &[CONTENT_TYPE, CACHE_CONTROL];

/// All headers that an answer of the edge may carry, besides those that the platform itself adds.
pub const OUTBOUND: &[&str] = &[
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CACHE_CONTROL,
    REQUEST_ID,
    SHOULD_RETRY,
    RETRY_AFTER,
    RETRY_AFTER_MS,
    RATELIMIT_POLICY,
    RATELIMIT,
    LIMIT_REQUESTS,
    REMAINING_REQUESTS,
    RESET_REQUESTS,
    LIMIT_TOKENS,
    REMAINING_TOKENS,
    RESET_TOKENS,
    DEGRADED,
    CACHE,
    NEXT,
    ANTHROPIC_LIMIT_REQUESTS,
    ANTHROPIC_REMAINING_REQUESTS,
    ANTHROPIC_RESET_REQUESTS,
    ANTHROPIC_LIMIT_TOKENS,
    ANTHROPIC_REMAINING_TOKENS,
    ANTHROPIC_RESET_TOKENS,
    ETAG,
    WWW_AUTHENTICATE,
    ALLOW,
    ACCEPT_ENCODING,
    VARY,
    ALLOW_ORIGIN,
    ALLOW_METHODS,
    ALLOW_HEADERS,
    EXPOSE_HEADERS,
    MAX_AGE,
];

/// What a page of another origin may read of an answer, besides what every page may.
pub const EXPOSED: &[&str] = &[
    REQUEST_ID,
    SHOULD_RETRY,
    RETRY_AFTER,
    RETRY_AFTER_MS,
    RATELIMIT_POLICY,
    RATELIMIT,
    LIMIT_REQUESTS,
    REMAINING_REQUESTS,
    RESET_REQUESTS,
    LIMIT_TOKENS,
    REMAINING_TOKENS,
    RESET_TOKENS,
    DEGRADED,
    CACHE,
    NEXT,
    ANTHROPIC_LIMIT_REQUESTS,
    ANTHROPIC_REMAINING_REQUESTS,
    ANTHROPIC_RESET_REQUESTS,
    ANTHROPIC_LIMIT_TOKENS,
    ANTHROPIC_REMAINING_TOKENS,
    ANTHROPIC_RESET_TOKENS,
    WWW_AUTHENTICATE,
    ALLOW,
    ACCEPT_ENCODING,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_left_out_at_ollamas_doors_alone_and_by_no_page() {
        for (path, declared, origin, is) in [
            ("/api/chat", None, None, true),
            ("/api/chat", None, Some("https://a.example"), false),
            ("/api/chat", Some("text/plain"), None, false),
            ("/v1/chat/completions", None, None, false),
            ("/v1/chat/completions", Some("Application/JSON; charset=utf-8"), Some("null"), true),
            ("/v1/api/chat", None, None, false),
        ] {
            assert_eq!(is_json(path, declared, origin), is, "{path} {declared:?} {origin:?}");
        }
    }

    #[test]
    fn types_and_encodings_are_read_as_their_rfc_says() {
        for text in ["text/event-stream", "text/event-stream; charset=utf-8", " text/event-stream ;x=\"a;b\""] {
            assert_eq!(essence(text), "text/event-stream");
        }
        assert_eq!(essence("text/event-streams"), "text/event-streams");
        for (encoding, is) in [
            ("", true),
            ("identity", true),
            (" Identity , identity", true),
            ("gzip", false),
            ("identity, gzip", false),
            ("identitys", false),
        ] {
            assert_eq!(is_identity(encoding), is, "{encoding}");
        }
    }
}
