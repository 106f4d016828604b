//! Commands: through the Registry, which writes them down, to the Gates of their accounts.

use crate::admin::call::AdminCall;
use crate::hop::gate::unavailable;
use crate::hop::registry;
use crate::limit::remembered;
use crate::platform::{self, Env, random};
use crate::request;
use sha2::{Digest, Sha256};
use sluice_protocol::admin::audit::Note;
use sluice_protocol::admin::{
    AccountView, Addressed, CommandOutcome, Executed, Idempotency, KeyView, RegistryAnswer, RegistryCall,
    idempotency_key,
};
use sluice_protocol::auth::key::Seed;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::command::{Action, Command};
use sluice_protocol::id::CommandId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::wire::header;

/// What secrets of this request are made from.
pub(super) fn seed(call: &AdminCall<'_>) -> Seed {
    Seed { salt: random(), epoch: call.config.auth.peppers.newest_epoch(), at: platform::now() }
}

/// A name for a command.
pub(super) fn command_id() -> CommandId {
    CommandId(random())
}

/// The request's name and content, if it is to be done once.
pub(super) fn idempotency(call: &AdminCall<'_>, body: &[u8]) -> Result<Option<Idempotency>, Refusal> {
    let sent = request::header(call.incoming, header::IDEMPOTENCY_KEY);
    let Some(key) = idempotency_key(sent.as_deref())? else { return Ok(None) };
    let digest = |parts: [&[u8]; 3]| {
        // Lengths first: parts must not run into each other.
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    };
    Ok(Some(Idempotency {
        name: digest([call.admin.actor.as_bytes(), key.as_bytes(), b""]),
        request: digest([call.incoming.head.method().as_bytes(), call.path.as_bytes(), body]),
    }))
}

/// Does all of them.
pub(super) async fn execute(
    env: &Env,
    commands: Vec<Addressed>,
    seed: Seed,
    idempotency: Option<Idempotency>,
) -> Result<Executed, Refusal> {
    let count = commands.len();
    let accounts: Vec<_> = commands.iter().filter_map(|one| AccountName::parse(&one.account)).collect();
    let answer = registry::ask(env, &RegistryCall::Execute { commands, seed, idempotency }).await;
    // Also where the answer is lost: something may have changed, and the next request asks its Gate.
    accounts.iter().for_each(remembered::forget);
    match answer? {
        RegistryAnswer::Executed(executed) if executed.outcomes.len() == count => Ok(executed),
        RegistryAnswer::OtherRequest => Err(other_request()),
        RegistryAnswer::TooMany => {
            Err(unavailable("too many commands wait for this account").with_retry_after_ms(WAIT_MS))
        }
        _ => Err(unavailable("the Registry gave another answer than to commands")),
    }
}

/// The `Idempotency-Key` was another request's.
pub(super) fn other_request() -> Refusal {
    let message = "Another request was sent with this `Idempotency-Key`. Take a new one.";
    Refusal::new(Reason::IdempotencyKeyReused, message)
}

/// Does one thing to one account.
pub(super) async fn execute_one(
    call: &AdminCall<'_>,
    account: &AccountName,
    (action, note): (Action, Note),
    expects: Option<u32>,
    idempotency: Option<Idempotency>,
) -> Result<CommandOutcome, Refusal> {
    let seed = seed(call);
    let command = Command { id: command_id(), expects, at: seed.at, action };
    let addressed = Addressed { account: account.name().to_owned(), joins: false, command, note };
    let executed = execute(call.env, vec![addressed], seed, idempotency).await?;
    executed.outcomes.into_iter().next().ok_or_else(|| unavailable("the Registry told no outcome"))
}

/// The key that a command was about, or why there is none.
pub(super) fn key(outcome: CommandOutcome) -> Result<KeyView, Refusal> {
    match outcome {
        CommandOutcome::Key(view) => Ok(*view),
        other => Err(refusal(other)),
    }
}

/// The account that a command was about, or why there is none.
pub(super) fn account(outcome: CommandOutcome) -> Result<AccountView, Refusal> {
    match outcome {
        CommandOutcome::Account(view) => Ok(*view),
        other => Err(refusal(other)),
    }
}

/// Why an outcome is not the one that was hoped for.
pub(super) fn refusal(outcome: CommandOutcome) -> Refusal {
    match outcome {
        CommandOutcome::Refused(told) => told.refusal(),
        CommandOutcome::Waits => {
            let message = "The account's Gate cannot be reached. The change is written down and is made as soon as it can \
                           be; it does not hold yet. Send the same request with the same `Idempotency-Key` to see.";
            Refusal::new(Reason::GateUnavailable, message).with_retry_after_ms(WAIT_MS)
        }
        _ => unavailable("the Registry told the outcome of another command"),
    }
}

/// When what waits is tried again, in milliseconds.
const WAIT_MS: u64 = 2_000;
