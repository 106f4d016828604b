//! `POST /leaks/github`: whoever scans the public for secrets reports keys here, in the format of GitHub's secret scanning partner
//! programme, signed with ECDSA. A key that is reported is disabled at once. Off, unless `LEAK_REPORTS` is set.

use crate::admin::keys;
use crate::config::Config;
use crate::issuers::{Refused, RemoteKeys};
use crate::request::{self, Incoming};
use crate::{limit, plans, platform, respond, shield};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use sluice_protocol::audit::{Action, Note};
use sluice_protocol::gate_call::{Answer, Call};
use sluice_protocol::header;
use sluice_protocol::id::RequestId;
use sluice_protocol::key::ApiKey;
use sluice_protocol::leak::{LeakReport, MAX_MESSAGE_BYTES};
use sluice_protocol::plan::PlanTable;
use sluice_protocol::principal::Account;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::token::{KeySet, Material, is_safe_url};
use wasm_bindgen::JsValue;
use web_sys::Response;
use worker::{Context, Env};

/// Who may report: whoever holds one of the keys behind this URL.
pub struct Reporters(RemoteKeys);

impl Reporters {
    /// Reads the setting `LEAK_REPORTS`: `github`, a URL with keys like GitHub's, or nothing.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let url = match text {
            "" => return Ok(None),
            "github" => GITHUB,
            url if is_safe_url(url) => url,
            _ => return Err("must be `github`, or a URL that begins with https://".into()),
        };
        Ok(Some(Self(RemoteKeys::new("leaks", url, KeySet::from_scanner))))
    }

    /// Refuses a message that none of them has signed.
    async fn check(&self, incoming: &Incoming, message: &[u8], context: &Context) -> Result<(), Refusal> {
        let refuse =
            || Refusal::new(Reason::InvalidSignature, "The report is not signed with a key that is known here.");
        let named = request::header(incoming, header::SCANNER_KEY).ok_or_else(refuse)?;
        let signature = request::header(incoming, header::SCANNER_SIGNATURE).ok_or_else(refuse)?;
        let signature = STANDARD.decode(signature.trim()).ok().and_then(|der| Signature::from_der(&der).ok());
        let signature = signature.ok_or_else(refuse)?;
        let key = self.0.key(Some(named.trim()), context).await.map_err(|refused| match refused {
            Refused::Token(_) => refuse(),
            Refused::Unavailable => {
                Refusal::new(Reason::IssuerUnavailable, "The keys of reporters cannot be had just now. Try again.")
            }
        })?;
        let Material::Point(point) = &key.material else { return Err(refuse()) };
        let key = VerifyingKey::from_sec1_bytes(point).map_err(|_| refuse())?;
        key.verify(message, &signature).map_err(|_| refuse())
    }
}

/// Serves one message. The outer error is a refusal, the inner one the platform's.
pub async fn serve(
    incoming: &Incoming,
    env: &Env,
    context: &Context,
    config: &Config,
    id: RequestId,
) -> Result<Result<Response, JsValue>, Refusal> {
    let reporters = config.reporters.as_ref();
    let reporters =
        reporters.ok_or_else(|| Refusal::new(Reason::NotFound, "Reports of leaked keys are not taken here."))?;
    shield::pass(env, &incoming.head).await?;
    let message = request::body(incoming, config, MAX_MESSAGE_BYTES).await?.bytes();
    reporters.check(incoming, &message, context).await?;
    let reports = LeakReport::parse_all(&message)?;
    let table = plans::current(env, config, context).await?;
    let mut feedback = Vec::new();
    for report in &reports {
        let is_key = match ApiKey::parse(&report.token, &config.peppers) {
            Ok(key) => disable(env, config, &table, &key, id).await?,
            // It matched the pattern, and is none of ours.
            Err(_) => false,
        };
        feedback.push(report.feedback(is_key));
    }
    Ok(respond::json(200, &feedback, id))
}

/// Disables a key whose secret has leaked, also where its account is disabled or the key has expired: either may end. Whether
/// there is such a key, and the secret not one before its own that is over for good.
async fn disable(
    env: &Env,
    config: &Config,
    table: &PlanTable,
    key: &ApiKey,
    request: RequestId,
) -> Result<bool, Refusal> {
    let account = Account::of_key(key.id.account);
    let record = match limit::one(env, table, &account, Call::DescribeKey { key: key.id.key }).await? {
        Answer::Key(Some(found)) => found.record,
        Answer::Key(None) => return Ok(false),
        other => return Err(limit::answer_refusal(&other)),
    };
    let secret_hash = key.secret_hash();
    if !record.knows(&secret_hash) || record.has_retired(&secret_hash, platform::now()) {
        return Ok(false);
    }
    // Reports come again.
    if !record.disabled {
        let note = Note::new("leaks", Action::KeyLeaked, key.id, request).with("disabled", true);
        keys::disable(env, config, key.id, note).await?;
    }
    Ok(true)
}

/// GitHub's own keys.
const GITHUB: &str = "https://api.github.com/meta/public_keys/secret_scanning";
