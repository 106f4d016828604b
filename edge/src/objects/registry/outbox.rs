//! Commands on their way to Gates: each is written down before it is carried, and stays written down until its Gate has
//! answered and the answer is in the index. An alarm carries what a crash or a Gate that could not be reached has left.
//!
//! Commands for one account are carried in order, and the next ones only when those before have been answered; what arrives
//! twice the Gate does once. So whatever dies when, both sides end up the same.

mod alarm;
mod carry;
mod settle;

use super::commands::Commands;
use super::failing::Failures;
use super::records::RegistryRecords;
use super::requests::{self, Requests};
use crate::platform::{self, Result, State, Storage};
use alarm::FIRST_PAUSE_MS;
use settle::tell;
use sluice_protocol::admin::{Addressed, CommandOutcome, Executed, Idempotency, RegistryAnswer, StoredRefusal};
use sluice_protocol::auth::key::Seed;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::id::hex;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::order;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::time::Millis;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
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
        records: &RegistryRecords,
        commands: Vec<Addressed>,
        seed: Seed,
        idempotency: Option<Idempotency>,
    ) -> Result<RegistryAnswer> {
        // Before anything is written: whatever happens then, the alarm finds it.
        self.set_alarm().await?;
        // There is no await from here until all of it is written.
        let now = platform::now();
        let before =
            idempotency.as_ref().map(|idempotency| self.requests.find(idempotency, now)).transpose()?.flatten();
        if let (Some(idempotency), Some(before)) = (&idempotency, before) {
            if before.request != hex(&idempotency.request) {
                return Ok(RegistryAnswer::OtherRequest);
            }
            self.carry_to(records, self.written.accounts_of(&requests::name(idempotency))?).await;
            let outcomes = self.outcomes_of(idempotency, commands.len())?;
            return Ok(RegistryAnswer::Executed(Executed { seed: before.seed, outcomes }));
        }
        let accounts = order::set(commands.iter().map(|addressed| addressed.account.clone()));
        for account in &accounts {
            let new = commands.iter().filter(|addressed| addressed.account == *account).count();
            if self.written.count(account)? + new > MAX_WAITING {
                return Ok(RegistryAnswer::TooMany);
            }
        }
        let mut places = Vec::with_capacity(commands.len());
        let written = records.audit.all_or_nothing(|| {
            if let Some(idempotency) = &idempotency {
                self.requests.begin(idempotency, &seed, now)?;
            }
            for (place, addressed) in (0..).zip(&commands) {
                records.audit.append(addressed.note.clone())?;
                places.push(self.write_down(records, addressed, idempotency.as_ref(), place)?);
            }
            Ok(RegistryAnswer::Done(true))
        });
        written.inspect_err(|_| {
            records.forget();
            self.forget();
        })?;
        self.carry_to(records, accounts.into_iter().collect()).await;
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
        idempotency: &Idempotency,
        seed: &Seed,
        act: impl FnOnce() -> Result<RegistryAnswer>,
    ) -> Result<RegistryAnswer> {
        let now = platform::now();
        match self.requests.find(idempotency, now)? {
            Some(before) if before.request != hex(&idempotency.request) => Ok(RegistryAnswer::OtherRequest),
            Some(before) => Ok(RegistryAnswer::Before(before.seed)),
            None => {
                let answer = act()?;
                if matches!(answer, RegistryAnswer::Done(_)) {
                    self.requests.begin(idempotency, seed, now)?;
                }
                Ok(answer)
            }
        }
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

    fn write_down(
        &self,
        records: &RegistryRecords,
        addressed: &Addressed,
        idempotency: Option<&Idempotency>,
        place: i64,
    ) -> Result<Place> {
        let account = AccountName::parse(&addressed.account).ok_or("the edge sent a name that is no account's")?;
        if addressed.joins && !account.key_account().map_or(Ok(true), |id| records.index.has_account(id))? {
            let message = "There is no such account. POST /admin/v1/accounts makes one.";
            let refusal = Refusal::new(Reason::InvalidRequest, message).with_param("account");
            let outcome = CommandOutcome::Refused(StoredRefusal::new(&refusal));
            tell(records, addressed.note.clone(), &outcome)?;
            if let Some(idempotency) = idempotency {
                self.requests.end(&requests::name(idempotency), place, &outcome)?;
            }
            return Ok(Place::Known(outcome));
        }
        let id = self.written.add(addressed, idempotency.map(|idempotency| (requests::name(idempotency), place)))?;
        let slot = Rc::new(RefCell::new(None));
        let mut waiting = self.waiting.borrow_mut();
        // Whoever left no longer waits.
        waiting.retain(|_, slot| slot.strong_count() > 0);
        waiting.insert(id, Rc::downgrade(&slot));
        Ok(Place::Written(slot))
    }

    fn outcomes_of(&self, idempotency: &Idempotency, count: usize) -> Result<Vec<CommandOutcome>> {
        let mut outcomes = vec![CommandOutcome::Waits; count];
        for (place, outcome) in self.requests.outcomes(idempotency)? {
            if let Some(known) = usize::try_from(place).ok().and_then(|place| outcomes.get_mut(place)) {
                *known = outcome;
            }
        }
        Ok(outcomes)
    }
}

/// How many commands may wait for one account.
const MAX_WAITING: usize = 256;
