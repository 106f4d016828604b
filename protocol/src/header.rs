//! Every header name that either gate reads or writes, lower case as HTTP/2 has them.
//!
//! Names that are not listed here do not cross the edge in either direction: the edge builds the origin's request and
//! the caller's answer from nothing and adds only these.

/// The signed grant, edge to origin (see [`crate::grant`]). Stripped from callers by never being copied.
pub const GRANT: &str = "x-sluice-grant";
/// The origin's free places on every reply, origin to edge (see [`crate::capacity`]).
pub const CAPACITY: &str = "x-sluice-capacity";
/// How many tokens the origin counted in a prompt that its grant does not cover, origin to edge.
pub const PROMPT_TOKENS: &str = "x-sluice-prompt-tokens";
/// The request's id on every answer. The edge makes it; a caller's own value is not taken over.
pub const REQUEST_ID: &str = "x-request-id";
/// OpenAI's way to say whether an SDK may retry: `true` or `false`.
pub const SHOULD_RETRY: &str = "x-should-retry";
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
/// A caller's own name for a session, for limits that count by session.
pub const SESSION_ID: &str = "x-session-id";
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
/// Streams are not to be stored or transformed on the way.
pub const CACHE_CONTROL: &str = "cache-control";

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
    ETAG,
    WWW_AUTHENTICATE,
    ALLOW,
];
