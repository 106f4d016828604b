//! Every way Sluice says no: one enum, one table, one JSON shape.
//!
//! Status codes are chosen in this file and nowhere else (`cargo xtask check` looks for others). They say whose turn it
//! is: 401 who are you, 403 not allowed, 4xx your request, 429 *you* are over *your* limit, 503 *we* are full, 502 and
//! 504 the origin failed or was silent, 500 our bug.

mod response;

pub use response::{ErrorBody, ErrorDetail, LONGEST_SLEEP_MS, Refusal};

/// Why a request is refused. The `code` of each is part of the public contract and never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No credentials were sent.
    MissingKey,
    /// Credentials that are forged, mistyped, retired, unknown or revoked. One reason for all, so that nobody learns which.
    InvalidKey,
    /// More than one credential was sent, and they differ or were joined.
    AmbiguousKey,
    /// An admin route without a valid admin token.
    InvalidAdminToken,
    /// A report of leaked keys without a valid signature.
    InvalidSignature,
    /// The origin was called without a valid grant; `detail` says what was wrong.
    InvalidGrant,
    /// The account's plan does not allow this.
    NotAllowed,
    /// The key or its account is disabled.
    Disabled,
    /// No such path.
    NotFound,
    /// The path exists, with other methods.
    MethodNotAllowed,
    /// No such model, or not for this key.
    ModelNotFound,
    /// No such response that is kept, or not one of this account's.
    ResponseNotFound,
    /// No such file, or not one of this caller's.
    FileNotFound,
    /// No such batch, or not one of this caller's.
    BatchNotFound,
    /// The account keeps as much as it may; the message says of what.
    StorageFull,
    /// No such key or account, on admin routes.
    KeyNotFound,
    /// The body is larger than the cap.
    BodyTooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// The body is not JSON, or not UTF-8.
    InvalidJson,
    /// The body is JSON, but not a request that we serve; `param` names the field.
    InvalidRequest,
    /// A parameter of OpenAI's API that Sluice does not serve (rather refused than ignored); `param` names it.
    UnsupportedParameter,
    /// Prompt and `max_tokens` do not fit the model's context.
    ContextLengthExceeded,
    /// The origin counted more tokens than its grant holds; it says how many, and the edge asks its Gate again. No caller
    /// sees it.
    GrantTooSmall,
    /// What was to be replaced has changed meanwhile, on admin routes.
    PreconditionFailed,
    /// A change does not say what it is to replace, on admin routes.
    PreconditionRequired,
    /// An `Idempotency-Key` that another request had, on admin routes.
    IdempotencyKeyReused,
    /// A window or a bucket is full: too much in a span of time.
    RateLimited,
    /// The request alone asks for more than a limit ever lets through.
    NeverFits,
    /// The flood shield: too many requests from one address.
    Flooding,
    /// Too many requests of this account at once.
    ParallelLimited,
    /// A budget of a day, a week or a month is used up.
    BudgetExceeded,
    /// Credits do not suffice, and do not come back by waiting.
    InsufficientCredits,
    /// All slots and all places in the queue are taken.
    Overloaded,
    /// Waited in the queue for as long as the origin allows.
    QueueTimeout,
    /// The origin is stopping, or a second signal cut the request short.
    Draining,
    /// The model is not loaded yet.
    ModelLoading,
    /// The request was cancelled by its id, by the account that sent it.
    Cancelled,
    /// The deadline passed before the answer was complete.
    DeadlineExceeded,
    /// The origin could not be reached, broke off, or answered what an origin does not answer.
    OriginFailed,
    /// The origin did not answer in time.
    OriginSilent,
    /// The account's Gate could not be reached; nothing passes uncounted.
    GateUnavailable,
    /// A token's issuer could not be asked for its keys.
    IssuerUnavailable,
    /// The deployment's settings are wrong; the log names them.
    Misconfigured,
    /// A bug of ours.
    Internal,
}

/// One row of the table: what a [`Reason`] looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// HTTP status.
    pub status: u16,
    /// OpenAI's `type`.
    pub kind: &'static str,
    /// The stable `code`.
    pub code: &'static str,
    /// Whether the same request may pass later; `x-should-retry` says so, unless the wait is long.
    pub retry: Retry,
}

/// What a status says, for protocols that have words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The request is wrong.
    Request,
    /// So are its credentials.
    Credentials,
    /// They do not allow this.
    Permission,
    /// It is to be paid for.
    Payment,
    /// There is no such thing.
    Missing,
    /// The request is too large.
    Size,
    /// The caller is over its limit.
    Limit,
    /// We, or who stands behind us, failed.
    Failure,
    /// There is no room at the moment.
    NoRoom,
    /// There was no answer in time.
    Silence,
}

/// Whether a caller's SDK should try the same request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Yes, after the wait if one is known and short ([`LONGEST_SLEEP_MS`]).
    Yes,
    /// No: the same request would be refused again.
    No,
}

impl Reason {
    /// All reasons, for tests and for the documentation's table.
    pub const ALL: &'static [Self] = &[
        Self::MissingKey,
        Self::InvalidKey,
        Self::AmbiguousKey,
        Self::InvalidAdminToken,
        Self::InvalidSignature,
        Self::InvalidGrant,
        Self::NotAllowed,
        Self::Disabled,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::ModelNotFound,
        Self::ResponseNotFound,
        Self::FileNotFound,
        Self::BatchNotFound,
        Self::StorageFull,
        Self::KeyNotFound,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidJson,
        Self::InvalidRequest,
        Self::UnsupportedParameter,
        Self::ContextLengthExceeded,
        Self::GrantTooSmall,
        Self::PreconditionFailed,
        Self::PreconditionRequired,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::NeverFits,
        Self::Flooding,
        Self::ParallelLimited,
        Self::BudgetExceeded,
        Self::InsufficientCredits,
        Self::Overloaded,
        Self::QueueTimeout,
        Self::Draining,
        Self::ModelLoading,
        Self::Cancelled,
        Self::DeadlineExceeded,
        Self::OriginFailed,
        Self::OriginSilent,
        Self::GateUnavailable,
        Self::IssuerUnavailable,
        Self::Misconfigured,
        Self::Internal,
    ];

    /// The table: the only place where a status is chosen.
    pub const fn row(self) -> Row {
        const fn row(status: u16, kind: &'static str, code: &'static str, retry: Retry) -> Row {
            Row { status, kind, code, retry }
        }
        use Retry::{No, Yes};
        match self {
            Self::MissingKey => row(401, "invalid_request_error", "missing_api_key", No),
            Self::InvalidKey => row(401, "invalid_request_error", "invalid_api_key", No),
            Self::AmbiguousKey => row(400, "invalid_request_error", "ambiguous_credentials", No),
            Self::InvalidAdminToken => row(401, "invalid_request_error", "invalid_admin_token", No),
            Self::InvalidSignature => row(401, "invalid_request_error", "invalid_signature", No),
            Self::InvalidGrant => row(401, "invalid_request_error", "invalid_grant", No),
            Self::NotAllowed => row(403, "permission_error", "not_allowed", No),
            Self::Disabled => row(403, "permission_error", "disabled", No),
            Self::NotFound => row(404, "invalid_request_error", "not_found", No),
            Self::MethodNotAllowed => row(405, "invalid_request_error", "method_not_allowed", No),
            Self::ModelNotFound => row(404, "invalid_request_error", "model_not_found", No),
            Self::ResponseNotFound => row(404, "invalid_request_error", "response_not_found", No),
            Self::FileNotFound => row(404, "invalid_request_error", "file_not_found", No),
            Self::BatchNotFound => row(404, "invalid_request_error", "batch_not_found", No),
            Self::StorageFull => row(413, "invalid_request_error", "storage_full", No),
            Self::KeyNotFound => row(404, "invalid_request_error", "key_not_found", No),
            Self::BodyTooLarge => row(413, "invalid_request_error", "body_too_large", No),
            Self::UnsupportedMediaType => row(415, "invalid_request_error", "unsupported_media_type", No),
            Self::InvalidJson => row(400, "invalid_request_error", "invalid_json", No),
            Self::InvalidRequest => row(400, "invalid_request_error", "invalid_request", No),
            Self::UnsupportedParameter => row(422, "invalid_request_error", "unsupported_parameter", No),
            Self::ContextLengthExceeded => row(400, "invalid_request_error", "context_length_exceeded", No),
            Self::GrantTooSmall => row(409, "invalid_request_error", "grant_too_small", No),
            Self::PreconditionFailed => row(412, "invalid_request_error", "precondition_failed", No),
            Self::PreconditionRequired => row(428, "invalid_request_error", "precondition_required", No),
            Self::IdempotencyKeyReused => row(422, "invalid_request_error", "idempotency_key_reused", No),
            Self::RateLimited => row(429, "rate_limit_error", "rate_limit_exceeded", Yes),
            Self::NeverFits => row(429, "rate_limit_error", "request_exceeds_limit", No),
            Self::Flooding => row(429, "rate_limit_error", "too_many_requests", Yes),
            Self::ParallelLimited => row(429, "rate_limit_error", "parallel_limit_exceeded", Yes),
            Self::BudgetExceeded => row(429, "rate_limit_error", "budget_exceeded", Yes),
            Self::InsufficientCredits => row(402, "insufficient_quota", "insufficient_credits", No),
            Self::Overloaded => row(503, "server_error", "server_is_overloaded", Yes),
            Self::QueueTimeout => row(503, "server_error", "queue_timeout", Yes),
            Self::Draining => row(503, "server_error", "draining", Yes),
            Self::ModelLoading => row(503, "server_error", "model_loading", Yes),
            Self::Cancelled => row(409, "invalid_request_error", "request_cancelled", No),
            Self::DeadlineExceeded => row(504, "server_error", "deadline_exceeded", No),
            Self::OriginFailed => row(502, "server_error", "origin_failed", Yes),
            Self::OriginSilent => row(504, "server_error", "origin_silent", Yes),
            Self::GateUnavailable => row(503, "server_error", "gate_unavailable", Yes),
            Self::IssuerUnavailable => row(503, "server_error", "issuer_unavailable", Yes),
            Self::Misconfigured => row(500, "server_error", "misconfigured", No),
            Self::Internal => row(500, "server_error", "internal_error", Yes),
        }
    }

    /// What its status says.
    pub const fn class(self) -> Class {
        match self.row().status {
            401 => Class::Credentials,
            402 => Class::Payment,
            403 => Class::Permission,
            404 => Class::Missing,
            413 => Class::Size,
            429 => Class::Limit,
            503 => Class::NoRoom,
            504 => Class::Silence,
            500.. => Class::Failure,
            _ => Class::Request,
        }
    }

    /// The reason with this `code`, if there is one. The edge reads the origin's refusals with it.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.row().code == code)
    }

    /// Whether the caller's own request is what was wrong (and not our lack of room or a failure of ours).
    pub const fn is_callers(self) -> bool {
        self.row().status < 500
    }

    /// Whether the caller is asked who it is, or is not believed.
    const fn asks_for_credentials(self) -> bool {
        self.row().status == 401
    }

    /// Whether a good request that ends so is taken back from its windows: we had no room for it, or broke. One that had
    /// its time counts, or requests that run into their deadline would be free.
    pub const fn is_refunded(self) -> bool {
        matches!(
            self,
            Self::Overloaded
                | Self::QueueTimeout
                | Self::Draining
                | Self::ModelLoading
                | Self::OriginFailed
                | Self::GrantTooSmall
                | Self::Internal
        )
    }

    /// Whether a refusal of the origin may be shown to the caller as it is. The others mean that the two gates are not
    /// set up for each other, which a caller can do nothing about.
    pub const fn passes_edge(self) -> bool {
        !matches!(
            self,
            Self::InvalidGrant
                | Self::MissingKey
                | Self::InvalidKey
                | Self::AmbiguousKey
                | Self::InvalidAdminToken
                | Self::NotFound
                | Self::MethodNotAllowed
                | Self::GrantTooSmall
                | Self::Misconfigured
        )
    }
}

#[cfg(test)]
mod tests;
