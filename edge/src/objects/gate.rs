//! The Gate: one Durable Object for each account.
//!
//! The object decides nothing: it loads an [`Account`], lets it answer, stores what changed in the same synchronous block,
//! and only then lets the answers leave. The platform holds them back until the row is durable.

mod usage;

use crate::config::config_of;
use crate::limit::{calendar, plans};
use crate::platform::objects::Object;
use crate::platform::rows::Rows;
use crate::platform::{self, Env, Fault, State};
use crate::telemetry;
use sluice_protocol::account::{Account, DecisionContext, History};
use sluice_protocol::hop::gate_call::{self, Answer, Answers, Call, Envelope, decode_envelope, encode_answers};
use sluice_protocol::id::Version;
use sluice_protocol::limit::calendar::Calendar;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::limit::state;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::telemetry::Line;
use sluice_protocol::usage::report::{Tally, UsageQuery};
use std::cell::RefCell;
use std::rc::Rc;
use usage::UsageRows;

/// The object.
pub struct Gate {
    rows: Rows,
    usage: UsageRows,
    env: Env,
    account: RefCell<Option<Account>>,
    /// The table that it last decided by: for isolates that do not know which one is in force.
    table: RefCell<Option<Rc<PlanTable>>>,
}

impl Object for Gate {
    fn new(state: State, env: Env) -> Self {
        let (rows, usage) = (Rows::new(&state, "gate"), UsageRows::new(&state));
        Self { rows, usage, env, account: RefCell::new(None), table: RefCell::new(None) }
    }

    /// Nearly all messages; not those whose plans must be asked for first.
    fn answer_at_once(&self, message: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let envelope = read(message)?;
        let config = config_of(&self.env).map_err(fault)?;
        match plans::known(&config.plans, envelope.table) {
            Some(table) => self.answer_and_store(&envelope, Some(&table), &config.plans).map(Some),
            None => Ok(None),
        }
    }

    async fn answer(&self, message: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let envelope = read(&message)?;
        let config = config_of(&self.env).map_err(fault)?;
        // Asked once for each version, and before anything is read or changed.
        let table = match envelope.table {
            Version::UNKNOWN => self.table.borrow().clone(),
            version => plans::of_version(&self.env, &config.plans, version).await.map_err(fault)?,
        };
        self.answer_and_store(&envelope, table.as_ref(), &config.plans)
    }
}

fn read(message: &[u8]) -> Result<Envelope, Fault> {
    Ok(decode_envelope(message).map_err(|error| error.to_string())?)
}

fn fault(refusal: Refusal) -> Fault {
    refusal.detail.unwrap_or_default().into()
}

impl Gate {
    /// There is no await in here: nothing else runs in this object meanwhile.
    fn answer_and_store(
        &self,
        envelope: &Envelope,
        table: Option<&Rc<PlanTable>>,
        built_in: &PlanTable,
    ) -> Result<Vec<u8>, Fault> {
        self.rows.count_call();
        let before = self.rows_written();
        let answers = self.answer_all(envelope, table.map(Rc::as_ref), built_in);
        if let Some(table) = table.filter(|_| envelope.table != Version::UNKNOWN) {
            self.table.replace(Some(table.clone()));
        }
        if answers.is_err() {
            // Memory may be ahead of the disk: the next call reads again.
            self.account.replace(None);
        }
        let answers = answers?;
        let lapsed = self.account.borrow_mut().as_mut().map_or(0, |account| account.state.take_lapsed());
        Ok(encode_answers(&Answers { answers, rows_written: self.rows_written() - before, lapsed }))
    }

    fn rows_written(&self) -> u64 {
        (self.rows.counters() + self.usage.counters()).rows_written
    }

    fn answer_all(
        &self,
        envelope: &Envelope,
        table: Option<&PlanTable>,
        built_in: &PlanTable,
    ) -> Result<Vec<Answer>, Fault> {
        let mut account = self.account.borrow_mut();
        if account.is_none() {
            *account = Some(self.load()?);
        }
        let account = account.as_mut().expect("loaded above");
        let now = platform::now();
        let told = table.map(|table| calendar::of(&*account, table, now));
        let unread = RefCell::new(None);
        let history = |query: &UsageQuery| {
            self.usage.tally(query).unwrap_or_else(|fault| {
                unread.replace(Some(fault));
                Tally::default()
            })
        };
        let setting = |table| DecisionContext {
            account: &envelope.account,
            table,
            calendar: told.as_ref().unwrap_or(Calendar::NONE),
            storage: self.rows.counters() + self.usage.counters(),
            history: History(&history),
        };
        let (answers, changed) = match table {
            Some(table) => account.answer_all(&envelope.calls, setting(table), now),
            // Nobody decides by plans that nobody has; what only ends something needs none.
            None => {
                let ends: Vec<Option<Call>> = envelope.calls.iter().map(Call::ending).collect();
                let calls: Vec<Call> = ends.iter().flatten().cloned().collect();
                let (ended, changed) = account.answer_all(&calls, setting(built_in), now);
                let mut ended = ended.into_iter();
                let answer = |(call, end): (&Call, Option<Call>)| {
                    let answer = end.and_then(|_| ended.next());
                    // Its first reservation has ended; whether it passes, nobody can say.
                    answer.filter(|_| !matches!(call, Call::Readmit { .. })).unwrap_or(Answer::UnknownTable)
                };
                (envelope.calls.iter().zip(ends).map(answer).collect(), changed)
            }
        };
        if let Some(fault) = unread.take() {
            return Err(fault);
        }
        if changed.kept {
            self.rows.put(KEYS_ROW, &gate_call::encode_kept(&account.kept))?;
        }
        if changed.state {
            let finished = account.state.take_finished();
            self.usage.store(&finished)?;
            self.rows.put(STATE_ROW, &state::encode(&account.state))?;
            // Once in an hour, and nobody is refused for what it finds.
            if let Some(hour) = account.state.sure_hour().filter(|_| !finished.is_empty()) {
                self.usage.age(hour).unwrap_or_else(|fault| {
                    telemetry::write(&Line::trouble("old usage is not made into days", fault.to_string()));
                });
            }
        }
        Ok(answers)
    }

    fn load(&self) -> Result<Account, Fault> {
        let mut account = Account::default();
        for (id, value) in self.rows.all()? {
            match id {
                STATE_ROW => account.state = state::decode(&value).map_err(|error| error.to_string())?,
                KEYS_ROW => {
                    account.kept = gate_call::decode_kept(&value).map_err(|error| error.to_string())?;
                }
                _ => return Err(format!("a row {id} that no version of ours writes").into()),
            }
        }
        Ok(account)
    }
}

const STATE_ROW: i64 = 0;
const KEYS_ROW: i64 = 1;
