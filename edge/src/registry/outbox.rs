//! Commands on their way to Gates: each is written down before it is carried, and stays written down until its Gate has
//! answered and the answer is in the index. An alarm carries what a crash or a Gate that could not be reached has left.
//!
//! Commands for one account are carried in order, and the next ones only when those before have been answered; what arrives
//! twice the Gate does once. So whatever dies when, both sides end up the same.

use super::Registry;
use super::commands::{Commands, Row, Unreadable, Written};
use super::failing::Failures;
use super::requests::{self, Requests};
use crate::hop;
use crate::platform::objects::Cause;
use crate::platform::{self, Result, State, Storage, sleep};
use crate::registry::audit::REFUSED;
use crate::telemetry;
use futures_util::StreamExt;
use sluice_protocol::admin::audit::Note;
use sluice_protocol::admin::{
    AccountEntry, AccountView, Addressed, CommandOutcome, Executed, Idempotency, KeyView, RegistryAnswer, StoredRefusal,
};
use sluice_protocol::auth::key::Seed;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::gate_call::command::{Action, Effect, MAX_CARRIED};
use sluice_protocol::gate_call::description::StorageCounters;
use sluice_protocol::gate_call::{Answer, Call, Envelope, decode_answers, encode_envelope};
use sluice_protocol::id::{KeyId, RequestId, hex};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::{Rc, Weak};

/// What is written down, and who waits for it.
pub struct Outbox {
    written: Commands,
    failures: Failures,
    requests: Requests,
    storage: Rc<Storage>,
    /// When the alarm rings, as far as this instance has set it.
    alarm_at: Cell<Millis>,
    /// How long to wait before the next try, in milliseconds.
    pause_ms: Cell<Millis>,
    /// The accounts to which something is being carried, and since when.
    under_way: RefCell<HashMap<String, Millis>>,
    /// Who waits for the outcome of which row.
    waiting: RefCell<HashMap<i64, Weak<Slot>>>,
}

/// Where somebody looks for an outcome.
type Slot = RefCell<Option<CommandOutcome>>;

/// What is to be told about one command.
enum Place {
    Known(CommandOutcome),
    Written(Rc<Slot>),
}

impl Outbox {
    /// What is stored.
    pub fn new(state: &State) -> Self {
        Self {
            written: Commands::new(state),
            failures: Failures::new(state),
            requests: Requests::new(state),
            storage: state.storage(),
            alarm_at: Cell::new(0),
            pause_ms: Cell::new(FIRST_PAUSE_MS),
            under_way: RefCell::default(),
            waiting: RefCell::default(),
        }
    }

    /// Writes commands down, carries them, and says what became of each.
    pub async fn execute(
        &self,
        registry: &Registry,
        commands: Vec<Addressed>,
        seed: Seed,
        once: Option<Idempotency>,
    ) -> Result<RegistryAnswer> {
        // Before anything is written: whatever happens then, the alarm finds it.
        self.set_alarm().await?;
        // There is no await from here until all of it is written.
        let now = platform::now();
        let before = once.as_ref().map(|once| self.requests.find(once, now)).transpose()?.flatten();
        if let (Some(once), Some(before)) = (&once, before) {
            if before.request != hex(&once.request) {
                return Ok(RegistryAnswer::OtherRequest);
            }
            self.carry_to(registry, self.written.accounts_of(&requests::name(once))?).await;
            let outcomes = self.outcomes_of(once, commands.len())?;
            return Ok(RegistryAnswer::Executed(Executed { seed: before.seed, outcomes }));
        }
        let accounts: BTreeSet<_> = commands.iter().map(|addressed| addressed.account.clone()).collect();
        for account in &accounts {
            let new = commands.iter().filter(|addressed| addressed.account == *account).count();
            if self.written.count(account)? + new > MAX_WAITING {
                return Ok(RegistryAnswer::TooMany);
            }
        }
        let mut places = Vec::with_capacity(commands.len());
        let written = registry.audit.all_or_nothing(|| {
            if let Some(once) = &once {
                self.requests.begin(once, &seed, now)?;
            }
            for (place, addressed) in (0..).zip(&commands) {
                registry.audit.append(addressed.note.clone())?;
                places.push(self.write_down(registry, addressed, once.as_ref(), place)?);
            }
            Ok(RegistryAnswer::Done(true))
        });
        written.inspect_err(|_| registry.forget())?;
        self.carry_to(registry, accounts.into_iter().collect()).await;
        let outcome = |place| match place {
            Place::Known(outcome) => outcome,
            Place::Written(slot) => slot.take().unwrap_or(CommandOutcome::Waits),
        };
        let outcomes = places.into_iter().map(outcome).collect();
        Ok(RegistryAnswer::Executed(Executed { seed, outcomes }))
    }

    /// Does this, unless it was asked under the same name before. Call it in a transaction: both are kept, or neither.
    pub fn unless_repeated(
        &self,
        once: &Idempotency,
        seed: &Seed,
        act: impl FnOnce() -> Result<RegistryAnswer>,
    ) -> Result<RegistryAnswer> {
        let now = platform::now();
        match self.requests.find(once, now)? {
            Some(before) if before.request != hex(&once.request) => Ok(RegistryAnswer::OtherRequest),
            Some(before) => Ok(RegistryAnswer::Before(before.seed)),
            None => {
                let answer = act()?;
                if matches!(answer, RegistryAnswer::Done(_)) {
                    self.requests.begin(once, seed, now)?;
                }
                Ok(answer)
            }
        }
    }

    /// Carries all that waits; sets the alarm again if something still does.
    pub async fn carry_all(&self, registry: &Registry) -> Result<()> {
        self.alarm_at.set(0);
        self.requests.forget_old(platform::now())?;
        let accounts = self.written.accounts()?;
        if accounts.is_empty() {
            self.pause_ms.set(FIRST_PAUSE_MS);
            return self.set_alarm_for_old().await;
        }
        let pause = self.pause_ms.get();
        self.pause_ms
            .set(if self.carry_to(registry, accounts).await { FIRST_PAUSE_MS } else { 2 * pause }.min(MAX_PAUSE_MS));
        if self.written.accounts()?.is_empty() { self.set_alarm_for_old().await } else { self.set_alarm().await }
    }

    /// Sees to it that the alarm rings if something waits for it: a version that set none for what it kept may have been here.
    pub async fn wake(&self) -> Result<()> {
        if self.storage.alarm().await?.is_some() {
            return Ok(());
        }
        if self.written.accounts()?.is_empty() { self.set_alarm_for_old().await } else { self.set_alarm().await }
    }

    /// Sets the alarm for when the oldest request is to be forgotten, if there is one.
    async fn set_alarm_for_old(&self) -> Result<()> {
        let Some(at) = self.requests.ends_at()? else { return Ok(()) };
        self.alarm_at.set(at);
        self.storage.set_alarm(at.saturating_sub(platform::now())).await
    }

    /// A plan that is not in this table, and that a command on its way names.
    pub fn plan_in_use(&self, table: &PlanTable) -> Result<Option<RegistryAnswer>> {
        for command in self.written.all()? {
            if let Some(plan) = command.action.plan().filter(|plan| table.get(plan).is_none()) {
                return Ok(Some(RegistryAnswer::PlanInUse { plan: plan.to_owned(), key: None }));
            }
        }
        Ok(None)
    }

    /// What its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.written.counters() + self.failures.counters() + self.requests.counters()
    }

    /// Forgets what is remembered of the storage: what was written has been taken back.
    pub fn forget(&self) {
        self.written.forget();
        self.failures.forget();
        self.requests.forget();
    }

    /// Sets the alarm, unless it rings soon.
    pub async fn set_alarm(&self) -> Result<()> {
        let (now, pause) = (platform::now(), self.pause_ms.get());
        if (now + 1..=now + MAX_PAUSE_MS).contains(&self.alarm_at.get()) {
            return Ok(());
        }
        self.alarm_at.set(now + pause);
        self.storage.set_alarm(pause).await
    }

    fn write_down(
        &self,
        registry: &Registry,
        addressed: &Addressed,
        once: Option<&Idempotency>,
        place: i64,
    ) -> Result<Place> {
        let account = AccountName::parse(&addressed.account).ok_or("the edge sent a name that is no account's")?;
        if addressed.joins && !account.key_account().map_or(Ok(true), |id| registry.index.has_account(id))? {
            let message = "There is no such account. POST /admin/v1/accounts makes one.";
            let refusal = Refusal::new(Reason::InvalidRequest, message).with_param("account");
            let outcome = CommandOutcome::Refused(StoredRefusal::new(&refusal));
            tell(registry, addressed.note.clone(), &outcome)?;
            if let Some(once) = once {
                self.requests.end(&requests::name(once), place, &outcome)?;
            }
            return Ok(Place::Known(outcome));
        }
        let id = self.written.add(addressed, once.map(|once| (requests::name(once), place)))?;
        let slot = Rc::new(RefCell::new(None));
        let mut waiting = self.waiting.borrow_mut();
        // Whoever left no longer waits.
        waiting.retain(|_, slot| slot.strong_count() > 0);
        waiting.insert(id, Rc::downgrade(&slot));
        Ok(Place::Written(slot))
    }

    /// Carries what waits for these accounts, to a few at once. Whether all of it has arrived.
    async fn carry_to(&self, registry: &Registry, accounts: Vec<String>) -> bool {
        let carried = futures_util::stream::iter(accounts)
            .map(|account| async move {
                let carried = self.carry(registry, &account).await;
                // What is wrong with one account is in no other's way.
                carried.unwrap_or_else(|error| {
                    telemetry::write(&Line::trouble(format!("commands for {account} wait"), error.to_string()));
                    false
                })
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>();
        carried.await.into_iter().all(|one| one)
    }

    /// Carries what waits for one account, in order. Whether all of it has arrived.
    async fn carry(&self, registry: &Registry, account: &str) -> Result<bool> {
        let began = platform::now();
        // One by one, once several have failed together: one of them may be what its Gate fails over.
        let mut most = MAX_CARRIED;
        loop {
            let mut batch = Vec::new();
            for row in self.written.next(account, most)? {
                match row {
                    Row::Command(written) => batch.push(written),
                    // Its turn comes when those before it are done.
                    Row::Unreadable(_) if !batch.is_empty() => break,
                    Row::Unreadable(unreadable) if self.give_up(registry, account, &unreadable)? => {}
                    Row::Unreadable(_) => return Ok(false),
                }
            }
            if batch.is_empty() {
                if self.written.count(account)? == 0 {
                    return Ok(true);
                }
                continue;
            }
            if !self.take_turn(account) {
                if platform::now().saturating_sub(began) > TURN_MS {
                    return Ok(false);
                }
                sleep(LOOK_MS).await;
                continue;
            }
            let calls = batch.iter().map(|written| Call::Do(Box::new(written.command.clone()))).collect();
            let message = encode_envelope(&Envelope { account: account.to_owned(), table: registry.version()?, calls });
            let answered = hop::call(&registry.env, "GATE", account, &message).await;
            self.under_way.borrow_mut().remove(account);
            let (is_its_own, why) = match answered.map(|answer| decode_answers(&answer)) {
                Ok(Ok(answers)) if answers.len() == batch.len() => {
                    if self.settle_all(registry, account, &batch, answers)? {
                        continue;
                    }
                    return Ok(false);
                }
                Ok(_) => (true, "it answers something else".to_owned()),
                Err(failed) => (matches!(failed.cause, Cause::Own | Cause::Reset), failed.why),
            };
            telemetry::write(&Line::trouble(format!("commands for {account} wait"), why));
            match batch.pop() {
                Some(_) if is_its_own && !batch.is_empty() => most = 1,
                Some(Written { id, note, request, .. }) if is_its_own => {
                    if !self.give_up(registry, account, &Unreadable { id, note: Some(note), request })? {
                        return Ok(false);
                    }
                }
                _ => return Ok(false),
            }
        }
    }

    /// Notes what became of commands that a Gate has answered. False if it lacks the plans that they were to be done with.
    fn settle_all(&self, registry: &Registry, account: &str, batch: &[Written], answers: Vec<Answer>) -> Result<bool> {
        // There is no await in here: a row is gone when its outcome is in the index, and not before.
        for (written, answer) in batch.iter().zip(answers) {
            if matches!(answer, Answer::UnknownTable) {
                return Ok(false);
            }
            self.settle(registry, account, written, answer)?;
        }
        Ok(true)
    }

    /// Counts one failure more of a command. If that makes it hopeless, it is struck out, so that those behind it get their
    /// turn, and the audit log and who asked for it are told. Whether it was.
    fn give_up(&self, registry: &Registry, account: &str, failed: &Unreadable) -> Result<bool> {
        let now = platform::now();
        if !self.failures.count(failed.id, now)?.is_hopeless(now) {
            return Ok(false);
        }
        telemetry::write(&Line::given_up(format!("a command for {account} is given up"), "its Gate fails over it"));
        let message = "The account's Gate has failed over this change again and again. It was given up, and is not made. \
                       The log says why it failed.";
        let outcome = CommandOutcome::Refused(StoredRefusal::new(&Refusal::new(Reason::Internal, message)));
        let note = failed.note.clone().unwrap_or_else(|| unreadable(account));
        registry.audit.append(note.with(REFUSED, "given_up"))?;
        self.end(failed.id, failed.request.as_ref(), outcome)?;
        Ok(true)
    }

    /// What an answer means for the index and for who waits. The command is no longer on its way.
    fn settle(&self, registry: &Registry, account: &str, written: &Written, answer: Answer) -> Result<()> {
        let index = &registry.index;
        let account = AccountName::parse(account).ok_or("a row is for a name that is no account's")?;
        let key_id = |key| account.key_account().map(|account| KeyId { account, key });
        let outcome = match answer {
            Answer::Did(Effect::Key(described)) => {
                let id = key_id(described.record.key).ok_or("a key of an account that has none")?;
                let view = KeyView::new(id, *described);
                index.put_key(&view.key)?;
                if let Action::CreateKey(_) = written.command.action {
                    let settings = sluice_protocol::gate_call::Settings {
                        created_at: Some(written.command.at),
                        ..Default::default()
                    };
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
        tell(registry, written.note.clone(), &outcome)?;
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

    /// Nobody else carries anything to this account now. A turn whose holder has vanished ends by itself.
    fn take_turn(&self, account: &str) -> bool {
        let now = platform::now();
        let mut under_way = self.under_way.borrow_mut();
        if under_way.get(account).is_some_and(|since| now.abs_diff(*since) < TURN_MS) {
            return false;
        }
        under_way.insert(account.to_owned(), now);
        true
    }

    fn outcomes_of(&self, once: &Idempotency, count: usize) -> Result<Vec<CommandOutcome>> {
        let mut outcomes = vec![CommandOutcome::Waits; count];
        for (place, outcome) in self.requests.outcomes(once)? {
            if let Some(known) = usize::try_from(place).ok().and_then(|place| outcomes.get_mut(place)) {
                *known = outcome;
            }
        }
        Ok(outcomes)
    }
}

/// Tells the audit log of a command that was not done after all.
fn tell(registry: &Registry, note: Note, outcome: &CommandOutcome) -> Result<()> {
    match outcome {
        CommandOutcome::Refused(told) => registry.audit.append(note.with(REFUSED, &told.code)),
        CommandOutcome::Gone(false) => registry.audit.append(note.with(REFUSED, "not_there")),
        _ => Ok(()),
    }
}

/// What the audit log says of a command whose own note cannot be read.
fn unreadable(account: &str) -> Note {
    Note::new("unknown", sluice_protocol::admin::audit::AuditAction::AccountChange, account, RequestId([0; 16]))
}

/// How long after it was written down a command is carried again, in milliseconds; doubled with each try that fails.
const FIRST_PAUSE_MS: Millis = 2_000;
/// The longest pause between two tries, in milliseconds.
const MAX_PAUSE_MS: Millis = 60_000;
/// How long a hop may take before somebody else goes, in milliseconds.
const TURN_MS: Millis = 10_000;
/// How often one looks whether it is its turn, in milliseconds.
const LOOK_MS: u32 = 5;
/// To how many accounts something is carried at once: the platform allows six open connections.
const AT_ONCE: usize = 6;
/// How many commands may wait for one account.
const MAX_WAITING: usize = 256;
