//! `POST /v1/auth/token` and `GET /.well-known/jwks.json`: short tokens for keys.

use crate::call::{Answered, Call, Known};
use crate::platform::respond::{self, HeaderList};
use crate::platform::{self, isolate_local, random};
use crate::{limit, request};
use sluice_protocol::auth::permission::Scope;
use sluice_protocol::auth::token::{Granted, Pace, ShortClaims, TokenAnswer, TokenRequest};
use sluice_protocol::id::KeyId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header;
use std::cell::RefCell;

/// `POST /v1/auth/token`: a token that may do a part of what its caller may. A short token may so be renewed, as long as its key lives.
pub async fn issue(call: &Call<'_>) -> Answered {
    let keys = call.config.auth.short_tokens.as_ref().ok_or_else(not_here)?;
    let Known { table, principal } = call.caller().await?;
    let account = principal.account.key_account().ok_or_else(only_keys)?;
    let (key, mark) = principal.caller.key().ok_or_else(only_keys)?;
    let key = KeyId { account, key };
    principal.check(Some(Scope::Tokens), None)?;
    let body = request::body(call.incoming, call.config.bodies, MAX_BODY).await?.bytes();
    if !body.is_empty() {
        request::require_json(call.incoming)?;
    }
    let asked = TokenRequest::parse(&body)?;
    if let Some(wait) = PACE.with_borrow(|pace| pace.wait(&key, platform::now())) {
        return Err(too_fast(wait));
    }
    // Whether the key lives, and may do this: its Gate knows. What it refuses is not counted: somebody else may have made up
    // this key.
    let admission = limit::identify(call.env, &table, &principal, Some(Scope::Tokens)).await?;
    let now = platform::now();
    let Granted { permissions, ttl_s } = asked.granted(&principal.permissions, admission.bounds.as_deref(), now)?;
    PACE.with_borrow_mut(|pace| pace.count(key, platform::now()));
    let claims = ShortClaims::new(key, mark, &permissions, ttl_s, random(), now);
    let access_token = keys.sign(&claims).await.map_err(|error| {
        Refusal::new(Reason::Internal, "The token could not be signed. Try again.").with_detail(error)
    })?;
    let answer = TokenAnswer { access_token, token_type: "Bearer".into(), expires_in: ttl_s, scope: claims.scope };
    let mut headers = HeaderList::answer(call.id, respond::JSON);
    headers.set(header::CACHE_CONTROL, "no-store");
    let body = serde_json::to_string(&answer).expect("our own types have string keys and no failing serialisers");
    Ok(respond::respond(200, &headers, &body))
}

/// `GET /.well-known/jwks.json`: what others check short tokens with.
pub fn document(call: &Call<'_>) -> Answered {
    let keys = call.config.auth.short_tokens.as_ref().ok_or_else(not_here)?;
    let mut headers = HeaderList::answer(call.id, respond::JSON);
    headers.set(header::CACHE_CONTROL, "public, max-age=300");
    Ok(respond::respond(200, &headers, keys.document()))
}

fn not_here() -> Refusal {
    Refusal::new(Reason::NotFound, "Short tokens are not set up here.")
}

fn only_keys() -> Refusal {
    Refusal::new(Reason::NotAllowed, "Only an API key, or a token that was made for one, is exchanged for a token.")
}

fn too_fast(wait: u64) -> Refusal {
    let message = "Too many tokens were made for this key just now. One token serves many requests.";
    Refusal::new(Reason::Flooding, message).with_retry_after_ms(wait)
}

isolate_local! {
    static PACE: RefCell<Pace> = RefCell::default();
}

/// What a token is asked for with, in bytes.
const MAX_BODY: u64 = 16 * 1024;
