//! The Gate: one Durable Object for each account.
//!
//! The object decides nothing: it loads an [`Account`], lets it answer, stores what changed in the same synchronous block,
//! and only then lets the answers leave. The platform holds them back until the row is durable.

use crate::storage::Rows;
use crate::{config_of, hop};
use sluice_protocol::gate_call::{self, Account, Answer, Call, StorageCounters, decode_calls, encode_answers};
use sluice_protocol::state;
use std::cell::RefCell;
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

/// The Durable Object.
#[durable_object(fetch)]
pub struct Gate {
    rows: Rows,
    env: Env,
    account: RefCell<Option<Account>>,
}

impl DurableObject for Gate {
    fn new(state: State, env: Env) -> Self {
        Self { rows: Rows::new(state.storage().sql(), "gate"), env, account: RefCell::new(None) }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        // There is no await from here to the end: nothing else runs in this object meanwhile.
        let message = hop::message(&request)?;
        self.rows.count_call();
        let calls = decode_calls(&message).map_err(|error| error.to_string())?;
        let answers = self.answer(&calls);
        if answers.is_err() {
            // Memory may be ahead of the disk: the next call reads again.
            self.account.replace(None);
        }
        hop::answer(&encode_answers(&answers?))
    }
}

impl Gate {
    fn answer(&self, calls: &[Call]) -> Result<Vec<Answer>> {
        let config = config_of(&self.env).map_err(|refusal| refusal.detail.unwrap_or_default())?;
        let mut account = self.account.borrow_mut();
        if account.is_none() {
            *account = Some(self.load()?);
        }
        let account = account.as_mut().expect("loaded above");
        let now = worker::Date::now().as_millis();
        let (mut keys, mut state) = (false, false);
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            let (answer, changed) = account.answer(call, &config.plans, now, self.counters());
            answers.push(answer);
            keys |= changed.keys;
            state |= changed.state;
        }
        if keys {
            self.rows.put(KEYS_ROW, gate_call::encode_keys(&account.keys))?;
        }
        if state {
            self.rows.put(STATE_ROW, state::encode(&account.state))?;
        }
        Ok(answers)
    }

    fn load(&self) -> Result<Account> {
        let mut account = Account::default();
        for (id, value) in self.rows.all()? {
            match id {
                STATE_ROW => account.state = state::decode(&value).map_err(|error| error.to_string())?,
                KEYS_ROW => account.keys = gate_call::decode_keys(&value).map_err(|error| error.to_string())?,
                _ => return Err(format!("a row {id} that no version of ours writes").into()),
            }
        }
        Ok(account)
    }

    fn counters(&self) -> StorageCounters {
        self.rows.counters()
    }
}

const STATE_ROW: i64 = 0;
const KEYS_ROW: i64 = 1;
