//! `/admin/v1/keys`.

pub mod leaks;

use super::commands::{self, command_id, idempotency, seed};
use crate::admin::call::{AdminCall, MAX_BODY, MAX_BULK_BODY, expected};
use crate::call::{Answered, Call as Request};
use crate::hop::gate::{self, answer_refusal, unavailable};
use crate::hop::registry;
use crate::limit::calendar;
use crate::platform::{self, random, respond};
use serde::Serialize;
use sluice_protocol::admin::audit::{AuditAction, Note};
use sluice_protocol::admin::{
    Addressed, CommandOutcome, CreateKey, CreateKeys, CreatedKey, DeletedKey, Idempotency, KeyPage, KeyView,
    RegistryAnswer, RegistryCall, RotateKey, RotatedKey,
};
use sluice_protocol::auth::key::{ApiKey, Seed};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::command::{Action, Command};
use sluice_protocol::hop::gate_call::description::KeyDescription;
use sluice_protocol::hop::gate_call::{Answer, Call, KeyChange};
use sluice_protocol::id::KeyId;
use sluice_protocol::refusal::{ErrorBody, Reason, Refusal};

/// Makes a key.
pub(super) async fn create(call: &AdminCall<'_>) -> Answered {
    let body = call.body(MAX_BODY).await?;
    let asked = CreateKey::parse(&body, &call.plans, platform::now())?;
    calendar::check(&asked.limits)?;
    let mut made = make(call, &[asked], |note, _| note.with_members(&body), idempotency(call, &body)?).await?;
    let created = made.pop().ok_or_else(|| unavailable("the Registry told no outcome"))??;
    Ok(respond::json(201, &created, call.id))
}

/// Makes several keys. Those that cannot be made are told in their places; if none can be made, the first one's why is told.
pub(super) async fn create_many(call: &AdminCall<'_>) -> Answered {
    let body = call.body(MAX_BULK_BODY).await?;
    let CreateKeys(asked) = CreateKeys::parse(&body, &call.plans, platform::now())?;
    asked.iter().try_for_each(|one| calendar::check(&one.limits))?;
    let noted = |note: Note, place| note.with_members_of(&body, "keys", place);
    let made = make(call, &asked, noted, idempotency(call, &body)?).await?;
    if let (true, Some(Err(refusal))) = (made.iter().all(Result::is_err), made.first()) {
        return Err(refusal.clone());
    }
    let entry = |one: Result<CreatedKey, Refusal>| match one {
        Ok(created) => Entry::Made(created),
        Err(refusal) => Entry::Not(refusal.body()),
    };
    Ok(respond::json(201, &Entries { data: made.into_iter().map(entry).collect() }, call.id))
}

pub(super) async fn list(call: &AdminCall<'_>) -> Answered {
    let page = KeyPage::parse(call.query)?;
    match registry::ask(call.env, &RegistryCall::Keys(page)).await? {
        RegistryAnswer::Keys(page) => Ok(respond::json(200, &page, call.id)),
        _ => Err(unavailable("the Registry gave another answer than a page")),
    }
}

pub(super) async fn view(call: &AdminCall<'_>, key: &str) -> Answered {
    let id = parse_id(key)?;
    let described = describe(call, id).await?;
    let view = KeyView::new(id, described);
    Ok(respond::json_of_version(&view, view.version, call.id))
}

/// Changes a key: what is answered holds for its next request.
pub(super) async fn change(call: &AdminCall<'_>, key: &str) -> Answered {
    let id = parse_id(key)?;
    let body = call.body(MAX_BODY).await?;
    let change = KeyChange::parse(&body, &call.plans, platform::now())?;
    calendar::check(change.limits.as_deref().unwrap_or_default())?;
    apply(call, id, (change, &body), None).await
}

/// `disable` and `enable`: a change that needs no body.
pub(super) async fn set_disabled(call: &AdminCall<'_>, key: &str, disabled: bool) -> Answered {
    let id = parse_id(key)?;
    let body = call.no_body().await?;
    let change = KeyChange { disabled: Some(disabled), ..KeyChange::default() };
    let shown = format!("{{\"disabled\":{disabled}}}");
    apply(call, id, (change, shown.as_bytes()), idempotency(call, &body)?).await
}

/// Disables a key for whoever is not an admin; the note says who that is, and why. It holds when this returns, or as soon as
/// the key's Gate can be reached.
pub(super) async fn disable(request: &Request<'_>, id: KeyId, note: Note) -> Result<(), Refusal> {
    let seed = Seed { salt: random(), epoch: request.config.auth.peppers.newest_epoch(), at: platform::now() };
    let change = Box::new(KeyChange { disabled: Some(true), ..KeyChange::default() });
    let action = Action::ChangeKey { key: id.key, change };
    let command = Command { id: command_id(), expects: None, at: seed.at, action };
    let account = AccountName::of_key(id.account).name().to_owned();
    let addressed = Addressed { account, joins: false, command, note };
    let executed = commands::execute(request.env, vec![addressed], seed, None).await?;
    executed.outcomes.into_iter().try_for_each(|outcome| commands::key(outcome).map(drop))
}

/// Gives a key another secret; the old one is good for a while yet.
pub(super) async fn rotate(call: &AdminCall<'_>, key: &str) -> Answered {
    let id = parse_id(key)?;
    let body = call.body(MAX_BODY).await?;
    let RotateKey { overlap_ms } = RotateKey::parse(&body)?;
    let (fresh, idempotency) = (seed(call), idempotency(call, &body)?);
    let until = |seed: &Seed| seed.at.saturating_add(overlap_ms);
    let secret_hash = mint(call, &fresh, id)?.secret_hash();
    let action = Action::RotateKey { key: id.key, secret_hash, until: until(&fresh) };
    let command = Command { id: command_id(), expects: expected(call)?, at: fresh.at, action };
    let account = AccountName::of_key(id.account).name().to_owned();
    let note = call.note(AuditAction::KeyRotate, id).with_members(&body);
    let addressed = Addressed { account, joins: false, command, note };
    let executed = commands::execute(call.env, vec![addressed], fresh, idempotency).await?;
    for outcome in executed.outcomes {
        commands::key(outcome)?;
    }
    // Of a request that was sent before, the seed and so the secret are those of the first time.
    let minted = mint(call, &executed.seed, id)?;
    let rotated = RotatedKey { id, key: minted.reveal(), old_until: until(&executed.seed) };
    Ok(respond::json(200, &rotated, call.id))
}

/// Ends a key: from the answer on it is refused.
pub(super) async fn delete(call: &AdminCall<'_>, key: &str) -> Answered {
    let id = parse_id(key)?;
    let account = AccountName::of_key(id.account);
    let what = (Action::DeleteKey { key: id.key }, call.note(AuditAction::KeyDelete, id));
    match commands::execute_one(call, &account, what, expected(call)?, None).await? {
        CommandOutcome::Gone(true) => Ok(respond::json(200, &DeletedKey { id, deleted: true }, call.id)),
        CommandOutcome::Gone(false) => Err(no_such_key()),
        other => Err(commands::refusal(other)),
    }
}

/// What of a path's last part may stand in the log.
pub(super) fn shown(kind: &str, name: &str) -> String {
    match kind {
        "keys" if name == "bulk" => name.to_owned(),
        "plans" if name == "replay" => name.to_owned(),
        "keys" => KeyId::parse(name).map_or_else(|| "?".into(), |key| key.to_string()),
        "accounts" => AccountName::parse(name).map_or_else(|| "?".into(), |account| account.to_string()),
        _ => "?".into(),
    }
}

/// What is made in a bulk, in the order in which it was asked for.
#[derive(Serialize)]
struct Entries {
    data: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Made(CreatedKey),
    Not(ErrorBody),
}

/// `noted`: what of the request for the key at a place the audit log shows.
async fn make(
    call: &AdminCall<'_>,
    asked: &[CreateKey],
    noted: impl Fn(Note, usize) -> Note,
    idempotency: Option<Idempotency>,
) -> Result<Vec<Result<CreatedKey, Refusal>>, Refusal> {
    let fresh = seed(call);
    let mint = |seed: &Seed, place: u32, asked: &CreateKey| {
        asked.mint(&call.config.auth.peppers, seed, place).ok_or_else(retired)
    };
    let command = |(place, asked): (u32, &CreateKey)| {
        let minted = mint(&fresh, place, asked)?;
        let account = AccountName::of_key(minted.id.account).name().to_owned();
        let command = asked.command(command_id(), &minted, fresh.at);
        let note = noted(call.note(AuditAction::KeyCreate, minted.id), place as usize).with("plan", &asked.plan);
        Ok(Addressed { account, joins: asked.account.is_some(), command, note })
    };
    let commands = (0..).zip(asked).map(command).collect::<Result<Vec<_>, Refusal>>()?;
    let executed = commands::execute(call.env, commands, fresh, idempotency).await?;
    // Of a request that was sent before, the seed and so the keys are those of the first time.
    let created = |((place, asked), outcome): ((u32, &CreateKey), CommandOutcome)| {
        let minted = mint(&executed.seed, place, asked)?;
        commands::key(outcome).map(|view| CreatedKey::new(&minted, &view.key))
    };
    Ok((0..).zip(asked).zip(executed.outcomes).map(created).collect())
}

/// `body`: what of the change the audit log shows.
async fn apply(
    call: &AdminCall<'_>,
    id: KeyId,
    (change, body): (KeyChange, &[u8]),
    idempotency: Option<Idempotency>,
) -> Answered {
    let action = Action::ChangeKey { key: id.key, change: Box::new(change) };
    let what = (action, call.note(AuditAction::KeyChange, id).with_members(body));
    let outcome =
        commands::execute_one(call, &AccountName::of_key(id.account), what, expected(call)?, idempotency).await?;
    let view = commands::key(outcome)?;
    Ok(respond::json_of_version(&view, view.version, call.id))
}

fn mint(call: &AdminCall<'_>, seed: &Seed, id: KeyId) -> Result<ApiKey, Refusal> {
    ApiKey::derive(&call.config.auth.peppers, seed, 0, Some(id.account), Some(id.key)).ok_or_else(retired)
}

async fn describe(call: &AdminCall<'_>, id: KeyId) -> Result<KeyDescription, Refusal> {
    let account = AccountName::of_key(id.account);
    match gate::ask(call.env, &call.plans, &account, Call::DescribeKey { key: id.key }).await? {
        Answer::Key(Some(found)) => Ok(*found),
        Answer::Key(None) => Err(no_such_key()),
        other => Err(answer_refusal(&other)),
    }
}

fn parse_id(text: &str) -> Result<KeyId, Refusal> {
    KeyId::parse(text).ok_or_else(no_such_key)
}

fn no_such_key() -> Refusal {
    Refusal::new(Reason::KeyNotFound, "There is no key of this id. GET /admin/v1/keys lists them.")
}

fn retired() -> Refusal {
    let message =
        "This request was sent before, under a pepper that has been retired since: its key is not good any more.";
    Refusal::new(Reason::IdempotencyKeyReused, message)
}
