//! Tokens: those of issuers that the operator names, and our own short ones. A bad one costs computing and nothing else: it reaches
//! no object.

use crate::config::Config;
use crate::issuers::{self, Refused};
use crate::platform;
use crate::seen::{self, Token};
use crate::short::ShortTokens;
use crate::verify::is_signed;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::token::{Algorithm, CheckedShort, SHORT_ISSUER, ShortClaims, TokenError, Unverified};
use std::rc::Rc;
use worker::{Context, Env};

/// Checks a token. One answer for nearly everything that can be wrong with it.
pub async fn verify(text: &str, env: &Env, context: &Context, config: &Config) -> Result<Rc<Token>, Refusal> {
    let digest = seen::digest(text);
    let token = match seen::get(&digest, platform::now()) {
        Some(token) => token,
        None => {
            let turn = seen::turn();
            let token = Rc::new(check(text, context, config).await.map_err(|refused| issuers::refusal(&refused))?);
            seen::put(digest, token.clone(), turn);
            token
        }
    };
    // Asked for only once the token is known to be good, and each time: the list changes while the token does not.
    let denials = crate::denials::current(env, context).await?;
    if denials.deny(token.denials(), platform::now()) {
        return Err(issuers::refusal(&Refused::Token(TokenError::Denied)));
    }
    Ok(token)
}

async fn check(text: &str, context: &Context, config: &Config) -> Result<Token, Refused> {
    let token = Unverified::parse(text).map_err(Refused::Token)?;
    match &config.short_tokens {
        Some(keys) if token.issuer == SHORT_ISSUER => {
            check_short(&token, keys).await.map(Token::Short).map_err(Refused::Token)
        }
        _ => config.issuers.check(&token, context).await.map(Token::Issued),
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
