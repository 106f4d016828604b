//! The Gate: one Durable Object for each account.
//!
//! The object decides nothing: it loads an [`Account`], lets it answer, stores what changed in the same synchronous block,
//! and only then lets the answers leave. The platform holds them back until the row is durable.

use crate::config::config_of;
use crate::limit::plans;
use crate::platform::rows::Rows;
use crate::{hop, platform};
use sluice_protocol::account::{Account, DecisionContext};
use sluice_protocol::gate_call::{self, Answer, Call, Envelope, decode_envelope, encode_answers};
use sluice_protocol::id::TableVersion;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::limit::state;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

/// The Durable Object.
#[durable_object(fetch)]
pub struct Gate {
    rows: Rows,
    env: Env,
    account: RefCell<Option<Account>>,
    /// The table that it last decided by: for isolates that do not know which one is in force.
    table: RefCell<Option<Rc<PlanTable>>>,
}

impl DurableObject for Gate {
    fn new(state: State, env: Env) -> Self {
        Self {
            rows: Rows::new(state.storage().sql(), "gate"),
            env,
            account: RefCell::new(None),
            table: RefCell::new(None),
        }
    }

    /// What [`Gate::answer`] leaves: a message that is long, or whose plans are not known here.
    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let envelope = read(&hop::message(&mut request).await?)?;
        let config = config_of(&self.env).map_err(|refusal| refusal.detail.unwrap_or_default())?;
        // Asked once for each version, and before anything is read or changed.
        let table = match envelope.table {
            TableVersion::UNKNOWN => self.table.borrow().clone(),
            version => {
                let found = plans::of_version(&self.env, &config.plans, version).await;
                found.map_err(|refusal| refusal.detail.unwrap_or_default())?
            }
        };
        Ok(self.answer_and_store(&envelope, table.as_ref(), &config.plans)?.into())
    }
}

#[wasm_bindgen]
impl Gate {
    /// Answers a message that came as a header, in the turn in which it came: nearly all do. Nothing, if its plans must be
    /// asked for first; nothing has been done then.
    pub fn answer(&self, message: &str) -> core::result::Result<Option<web_sys::Response>, JsValue> {
        let envelope = read(&hop::from_header(message)?)?;
        let config = config_of(&self.env).map_err(|refusal| refusal.detail.unwrap_or_default())?;
        match plans::known(&config.plans, envelope.table) {
            Some(table) => Ok(Some(self.answer_and_store(&envelope, Some(&table), &config.plans)?)),
            None => Ok(None),
        }
    }
}

fn read(message: &[u8]) -> Result<Envelope> {
    Ok(decode_envelope(message).map_err(|error| error.to_string())?)
}

impl Gate {
    /// There is no await in here: nothing else runs in this object meanwhile.
    fn answer_and_store(
        &self,
        envelope: &Envelope,
        table: Option<&Rc<PlanTable>>,
        built_in: &PlanTable,
    ) -> Result<web_sys::Response> {
        self.rows.count_call();
        let answers = self.answer_all(envelope, table.map(Rc::as_ref), built_in);
        if let Some(table) = table.filter(|_| envelope.table != TableVersion::UNKNOWN) {
            self.table.replace(Some(table.clone()));
        }
        if answers.is_err() {
            // Memory may be ahead of the disk: the next call reads again.
            self.account.replace(None);
        }
        Ok(hop::answer(&encode_answers(&answers?))?)
    }

    fn answer_all(&self, envelope: &Envelope, table: Option<&PlanTable>, built_in: &PlanTable) -> Result<Vec<Answer>> {
        let mut account = self.account.borrow_mut();
        if account.is_none() {
            *account = Some(self.load()?);
        }
        let account = account.as_mut().expect("loaded above");
        let now = platform::now();
        let setting = |table| DecisionContext { account: &envelope.account, table, storage: self.rows.counters() };
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
        if changed.kept {
            self.rows.put(KEYS_ROW, &gate_call::encode_kept(&account.kept))?;
        }
        if changed.state {
            self.rows.put(STATE_ROW, &state::encode(&account.state))?;
        }
        Ok(answers)
    }

    fn load(&self) -> Result<Account> {
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
