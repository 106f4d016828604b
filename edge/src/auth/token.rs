//! Tokens: those of issuers that the operator names, and our own short ones. A bad one costs computing and nothing else: it reaches
//! no object.

use crate::auth::remote_keys::Refused;
use crate::auth::short_tokens::ShortTokens;
use crate::auth::signature::is_signed;
use crate::auth::token_cache::{self, Token};
use crate::auth::{Settings, issuers};
use crate::platform::{self, Context, Env};
use sluice_protocol::auth::token::{Algorithm, CheckedShort, SHORT_ISSUER, ShortClaims, TokenError, Unverified};
use sluice_protocol::refusal::Refusal;
use std::rc::Rc;

/// Checks a token. One answer for nearly everything that can be wrong with it.
pub async fn verify(text: &str, env: &Env, context: &Context, settings: &Settings) -> Result<Rc<Token>, Refusal> {
    let digest = token_cache::digest(text);
    let token = match token_cache::get(&digest, platform::now()) {
        Some(token) => token,
        None => {
            let generation = token_cache::generation();
            let token = Rc::new(check(text, context, settings).await.map_err(|refused| issuers::refusal(&refused))?);
            token_cache::put(digest, token.clone(), generation);
            token
        }
    };
    // Asked for only once the token is known to be good, and each time: the list changes while the token does not.
    let denials = crate::auth::denials::current(env, context).await?;
    if denials.deny(token.denials(), platform::now()) {
        return Err(issuers::refusal(&Refused::Token(TokenError::Denied)));
    }
    Ok(token)
}

async fn check(text: &str, context: &Context, settings: &Settings) -> Result<Token, Refused> {
    let token = Unverified::parse(text).map_err(Refused::Token)?;
    match &settings.short_tokens {
        Some(keys) if token.issuer == SHORT_ISSUER => {
            check_short(&token, keys).await.map(Token::Short).map_err(Refused::Token)
        }
        _ => settings.issuers.check(&token, context).await.map(Token::Issued),
    }
}

async fn check_short(token: &Unverified<'_>, keys: &ShortTokens) -> Result<CheckedShort, TokenError> {
    if token.algorithm != Algorithm::EdDsa {
        return Err(TokenError::Algorithm);
    }
    let key = keys.public().choose(token.kid.as_deref()).ok_or(TokenError::Key)?;
    if !is_signed(token, key).await {
        return Err(TokenError::Signature);
    }
    ShortClaims::check(token.claims(), platform::now())
}
