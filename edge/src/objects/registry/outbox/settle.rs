//! What became of a command, for the index, the audit log, its request and whoever waits.

use super::Outbox;
use crate::objects::registry::audit::REFUSED;
use crate::objects::registry::commands::{Unreadable, Written};
use crate::objects::registry::records::RegistryRecords;
use crate::platform::{self, Result};
use crate::telemetry;
use sluice_protocol::admin::audit::{AuditAction, Note};
use sluice_protocol::admin::{AccountEntry, AccountView, CommandOutcome, KeyView, StoredRefusal};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::command::{Action, Effect};
use sluice_protocol::hop::gate_call::{Answer, Settings};
use sluice_protocol::id::{KeyId, RequestId};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::telemetry::Line;

impl Outbox {
    /// Notes what became of commands that a Gate has answered. False if it lacks the plans that they were to be done with.
    pub(super) fn settle_all(
        &self,
        records: &RegistryRecords,
        account: &str,
        batch: &[Written],
        answers: Vec<Answer>,
    ) -> Result<bool> {
        // There is no await in here: a row is gone when its outcome is in the index, and not before.
        for (written, answer) in batch.iter().zip(answers) {
            if matches!(answer, Answer::UnknownTable) {
                return Ok(false);
            }
            self.settle(records, account, written, answer)?;
        }
        Ok(true)
    }

    /// Counts one failure more of a command. If that makes it hopeless, it is struck out, so that those behind it get their
    /// turn, and the audit log and who asked for it are told. Whether it was.
    pub(super) fn give_up(&self, records: &RegistryRecords, account: &str, failed: &Unreadable) -> Result<bool> {
        let now = platform::now();
        if !self.failures.count(failed.id, now)?.is_hopeless(now) {
            return Ok(false);
        }
        telemetry::write(&Line::given_up(format!("a command for {account} is given up"), "its Gate fails over it"));
        let message = "The account's Gate has failed over this change again and again. It was given up, and is not made. \
                       The log says why it failed.";
        let outcome = CommandOutcome::Refused(StoredRefusal::new(&Refusal::new(Reason::Internal, message)));
        let note = failed.note.clone().unwrap_or_else(|| unreadable(account));
        records.audit.append(note.with(REFUSED, "given_up"))?;
        self.end(failed.id, failed.request.as_ref(), outcome)?;
        Ok(true)
    }

    /// What an answer means for the index and for who waits. The command is no longer on its way.
    fn settle(&self, records: &RegistryRecords, account: &str, written: &Written, answer: Answer) -> Result<()> {
        let index = &records.index;
        let account = AccountName::parse(account).ok_or("a row is for a name that is no account's")?;
        let key_id = |key| account.key_account().map(|account| KeyId { account, key });
        let outcome = match answer {
            Answer::Did(Effect::Key(described)) => {
                let id = key_id(described.record.key).ok_or("a key of an account that has none")?;
                let view = KeyView::new(id, *described);
                index.put_key(&view.key)?;
                if let Action::CreateKey(_) = written.command.action {
                    let settings = Settings { created_at: Some(written.command.at), ..Default::default() };
                    index.put_account(&AccountEntry::new(&account, &settings), true)?;
                }
                CommandOutcome::Key(Box::new(view))
            }
            Answer::Did(Effect::Account(described)) => {
                let view = AccountView::new(&account, *described);
                index.put_account(&view.entry, false)?;
                CommandOutcome::Account(Box::new(view))
            }
            Answer::Did(Effect::Gone(removed)) => match &written.command.action {
                Action::DeleteKey { key } => {
                    let id = key_id(*key).ok_or("a key of an account that has none")?;
                    CommandOutcome::Gone(index.remove_key(id)? || removed)
                }
                _ => {
                    index.remove_account(&account)?;
                    CommandOutcome::Gone(removed)
                }
            },
            other => CommandOutcome::refused(&other).ok_or("a Gate answers another call than it was asked")?,
        };
        tell(records, written.note.clone(), &outcome)?;
        self.end(written.id, written.request.as_ref(), outcome)
    }

    /// A row's outcome is known: its request and who waits for it are told, and it is struck out.
    fn end(&self, id: i64, request: Option<&(String, i64)>, outcome: CommandOutcome) -> Result<()> {
        if let Some((request, place)) = request {
            self.requests.end(request, *place, &outcome)?;
        }
        self.written.strike(id)?;
        self.failures.strike(id)?;
        if let Some(slot) = self.waiting.borrow_mut().remove(&id).and_then(|slot| slot.upgrade()) {
            slot.replace(Some(outcome));
        }
        Ok(())
    }
}

/// Tells the audit log of a command that was not done after all.
pub(super) fn tell(records: &RegistryRecords, note: Note, outcome: &CommandOutcome) -> Result<()> {
    match outcome {
        CommandOutcome::Refused(told) => records.audit.append(note.with(REFUSED, &told.code)),
        CommandOutcome::Gone(false) => records.audit.append(note.with(REFUSED, "not_there")),
        _ => Ok(()),
    }
}

/// What the audit log says of a command whose own note cannot be read.
fn unreadable(account: &str) -> Note {
    Note::new("unknown", AuditAction::AccountChange, account, RequestId([0; 16]))
}
