//! `POST /v1/auth/token` and `GET /.well-known/jwks.json`: short tokens for keys.

use crate::config::Config;
use crate::request::{self, Incoming};
use crate::respond::{self, HeaderList};
use crate::sign::GrantSigner;
use crate::{auth, limit, platform, random};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use serde_json::json;
use sluice_protocol::header;
use sluice_protocol::id::{KeyId, RequestId};
use sluice_protocol::permission::Scope;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::token::{Granted, KeySet, Material, Pace, ShortClaims, TokenAnswer, TokenKey, TokenRequest};
use std::cell::RefCell;
use wasm_bindgen::JsValue;
use web_sys::Response;
use worker::{Context, Env};

/// What short tokens are signed and checked with. Does not print.
pub struct ShortTokens {
    /// The newest key's.
    signer: GrantSigner,
    public: KeySet,
    /// The document that others check them with.
    document: String,
}

impl ShortTokens {
    /// Reads the setting `TOKEN_KEYS`: seeds like those of grants, newest first. Nothing, if it is empty.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let seeds = crate::sign::parse_seeds(text)?;
        let (mut public, mut document) = (KeySet::default(), Vec::new());
        for (kid, seed) in &seeds {
            let key = SigningKey::from_bytes(seed).verifying_key().to_bytes();
            let x = URL_SAFE_NO_PAD.encode(key);
            document.push(json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x}));
            let key = TokenKey { kid: Some(kid.clone()), material: Material::Ed25519(key) };
            public.add(key).map_err(|_| "has two keys of one name".to_owned())?;
        }
        let (kid, seed) = seeds.first().ok_or("holds no key")?;
        let document = json!({ "keys": document }).to_string();
        Ok(Some(Self { signer: GrantSigner::new(kid, seed), public, document }))
    }

    /// The keys that tokens are checked with: those that are signed with, and those that were.
    pub const fn public(&self) -> &KeySet {
        &self.public
    }
}

/// `POST /v1/auth/token`: a token that may do a part of what its caller may. A short token may so be renewed, as long as its key lives.
pub async fn issue(
    incoming: &Incoming,
    env: &Env,
    context: &Context,
    config: &Config,
    id: RequestId,
) -> Result<Result<Response, JsValue>, Refusal> {
    let keys = config.short_tokens.as_ref().ok_or_else(not_here)?;
    let (table, principal) = auth::caller(&incoming.head, env, context, config).await?;
    let account = principal.account.key_account().ok_or_else(only_keys)?;
    let (key, mark) = principal.caller.key().ok_or_else(only_keys)?;
    let key = KeyId { account, key };
    principal.check(Some(Scope::Tokens), None)?;
    let body = request::body(incoming, config, MAX_BODY).await?.bytes();
    if !body.is_empty() {
        request::require_json(&incoming.head)?;
    }
    let asked = TokenRequest::parse(&body)?;
    if let Some(wait) = PACE.with_borrow(|pace| pace.wait(key, platform::now())) {
        return Err(too_fast(wait));
    }
    // Whether the key lives, and may do this: its Gate knows. What it refuses is not counted: somebody else may have made up
    // this key.
    let admission = limit::identify(env, &table, &principal, Some(Scope::Tokens)).await?;
    let now = platform::now();
    let Granted { permissions, ttl_s } = asked.granted(&principal.permissions, admission.bounds.as_deref(), now)?;
    PACE.with_borrow_mut(|pace| pace.count(key, platform::now()));
    let claims = ShortClaims::new(key, mark, &permissions, ttl_s, random(), now);
    let access_token = keys.signer.sign(&claims).await.map_err(|error| {
        Refusal::new(Reason::Internal, "The token could not be signed. Try again.").with_detail(error)
    })?;
    let answer = TokenAnswer { access_token, token_type: "Bearer".into(), expires_in: ttl_s, scope: claims.scope };
    let mut headers = HeaderList::answer(id, respond::JSON);
    headers.set(header::CACHE_CONTROL, "no-store");
    let body = serde_json::to_string(&answer).expect("our own types have string keys and no failing serialisers");
    Ok(respond::respond(200, &headers, &body))
}

/// `GET /.well-known/jwks.json`: what others check short tokens with.
pub fn document(config: &Config, id: RequestId) -> Result<Result<Response, JsValue>, Refusal> {
    let keys = config.short_tokens.as_ref().ok_or_else(not_here)?;
    let mut headers = HeaderList::answer(id, respond::JSON);
    headers.set(header::CACHE_CONTROL, "public, max-age=300");
    Ok(respond::respond(200, &headers, &keys.document))
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

thread_local! {
    static PACE: RefCell<Pace> = RefCell::default();
}

/// What a token is asked for with, in bytes.
const MAX_BODY: u64 = 16 * 1024;
