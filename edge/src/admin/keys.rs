//! `/admin/v1/keys`.

use super::{AdminCall, Answered, MAX_BODY};
use crate::platform;
use crate::{denial, limit, random, registry, respond};
use sluice_protocol::admin::{CreateKey, CreatedKey, DeletedKey, KeyEntry, KeyView, RegistryAnswer, RegistryCall};
use sluice_protocol::audit::{Action, Note};
use sluice_protocol::gate_call::{Answer, Call, KeyChange, KeyDescription, KeyRecord};
use sluice_protocol::id::{AccountId, KeyId};
use sluice_protocol::key::ApiKey;
use sluice_protocol::plan::PlanTable;
use sluice_protocol::principal::Account;
use sluice_protocol::refusal::{Reason, Refusal};
use std::collections::BTreeMap;
use worker::Env;

/// Makes a key. Its Gate is asked to take it only once the Registry knows it: if that fails, a listed key exists that
/// nobody holds, and not a live key that nobody can find.
pub(super) async fn create(call: &AdminCall<'_>) -> Answered {
    let body = call.body(MAX_BODY).await?;
    let asked = CreateKey::parse(&body, &call.plans)?;
    let account = match asked.account {
        Some(account) => account,
        None => AccountId(random()),
    };
    let minted = ApiKey::mint(&call.config.peppers, account, random());
    let created = CreatedKey::new(&minted, &asked, platform::now());
    let record = KeyRecord {
        key: minted.id.key,
        secret_hash: minted.secret_hash(),
        name: created.name.clone(),
        plan: created.plan.clone(),
        created_at: created.created_at,
        disabled: false,
        overrides: BTreeMap::new(),
        limits: Vec::new(),
    };
    let note = call.note(Action::KeyCreate, created.id).with_members(&body).with("plan", &created.plan);
    call.record(note, RegistryCall::Put(KeyEntry::new(created.id, &record))).await?;
    match one(call, account, Call::PutKey(Box::new(record))).await? {
        Answer::Done(_) => Ok(respond::json(201, &created, call.id)),
        other => {
            let note = call.note(Action::KeyDelete, created.id).with("because", "its account does not take it");
            call.record(note, RegistryCall::Remove(created.id)).await?;
            Err(limit::answer_refusal(&other))
        }
    }
}

pub(super) async fn list(call: &AdminCall<'_>) -> Answered {
    let after = match call.query.split('&').find_map(|pair| pair.strip_prefix("after=")) {
        None => None,
        Some(text) => Some(KeyId::parse(text).ok_or_else(|| {
            Refusal::new(Reason::InvalidRequest, "`after` is the `next` of the page before.").with_param("after")
        })?),
    };
    match registry::ask(call.env, &RegistryCall::List(after)).await? {
        RegistryAnswer::Page(page) => Ok(respond::json(200, &page, call.id)),
        _ => Err(limit::unavailable("the Registry gave another answer than a page")),
    }
}

pub(super) async fn view(call: &AdminCall<'_>, key: &str) -> Answered {
    let id = parse_id(key)?;
    let described = describe(call.env, &call.plans, id).await?;
    Ok(respond::json(200, &KeyView::new(id, described), call.id))
}

/// Changes a key. Its Gate first: from then on the change holds.
pub(super) async fn change(call: &AdminCall<'_>, key: &str) -> Answered {
    let id = parse_id(key)?;
    let body = call.body(MAX_BODY).await?;
    let change = KeyChange::parse(&body, &call.plans)?;
    let note = call.note(Action::KeyChange, id).with_members(&body);
    let described = apply(call.env, &call.plans, id, change, note).await?;
    Ok(respond::json(200, &KeyView::new(id, described), call.id))
}

/// Disables a key for whoever is not an admin; the note says who that is, and why.
pub async fn disable(env: &Env, plans: &PlanTable, id: KeyId, note: Note) -> Result<(), Refusal> {
    let change = KeyChange { disabled: Some(true), ..KeyChange::default() };
    apply(env, plans, id, change, note).await.map(drop)
}

async fn apply(
    env: &Env,
    plans: &PlanTable,
    id: KeyId,
    change: KeyChange,
    note: Note,
) -> Result<KeyDescription, Refusal> {
    let account = Account::of_key(id.account);
    match limit::one(env, plans, &account, Call::ChangeKey { key: id.key, change: Box::new(change) }).await? {
        Answer::Done(true) => {}
        Answer::Done(false) => return Err(no_such_key()),
        other => return Err(limit::answer_refusal(&other)),
    }
    denial::forget(&account);
    let described = describe(env, plans, id).await?;
    let call = Box::new(RegistryCall::Put(KeyEntry::new(id, &described.record)));
    registry::ask(env, &RegistryCall::Noted { note, call }).await?;
    Ok(described)
}

/// Ends a key. Its Gate first: from then on the key is refused, whatever happens to the index.
pub(super) async fn delete(call: &AdminCall<'_>, key: &str) -> Answered {
    let id = parse_id(key)?;
    let known = one(call, id.account, Call::DeleteKey { key: id.key }).await? == Answer::Done(true);
    denial::forget(&Account::of_key(id.account));
    let note = call.note(Action::KeyDelete, id);
    let listed = call.record(note, RegistryCall::Remove(id)).await? == RegistryAnswer::Done(true);
    if known || listed {
        Ok(respond::json(200, &DeletedKey { id, deleted: true }, call.id))
    } else {
        Err(no_such_key())
    }
}

/// What of a path's last part may stand in the log.
pub(super) fn shown(kind: &str, name: &str) -> String {
    match kind {
        "keys" => KeyId::parse(name).map_or_else(|| "?".into(), |key| key.to_string()),
        "accounts" => Account::parse(name).map_or_else(|| "?".into(), |account| account.to_string()),
        _ => "?".into(),
    }
}

async fn describe(env: &Env, plans: &PlanTable, id: KeyId) -> Result<KeyDescription, Refusal> {
    match limit::one(env, plans, &Account::of_key(id.account), Call::DescribeKey { key: id.key }).await? {
        Answer::Key(Some(found)) => Ok(*found),
        Answer::Key(None) => Err(no_such_key()),
        other => Err(limit::answer_refusal(&other)),
    }
}

async fn one(call: &AdminCall<'_>, account: AccountId, asked: Call) -> Result<Answer, Refusal> {
    limit::one(call.env, &call.plans, &Account::of_key(account), asked).await
}

fn parse_id(text: &str) -> Result<KeyId, Refusal> {
    KeyId::parse(text).ok_or_else(no_such_key)
}

fn no_such_key() -> Refusal {
    Refusal::new(Reason::KeyNotFound, "There is no key of this id. GET /admin/v1/keys lists them.")
}
