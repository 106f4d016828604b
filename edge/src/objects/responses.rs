//! Kept responses: one Durable Object for each account that has asked for any, beside its Gate and never in its way.
//!
//! The edge says who may ask, and has asked its Gate. The object keeps, gives and forgets, and an alarm deletes what is
//! over: one at most, and none where nothing is kept. What the walk does with them is in `answers/stored.rs`.

mod rows;

use super::transaction::together;
use crate::config::config_of;
use crate::platform::objects::Object;
use crate::platform::{self, Env, Result, State, Storage};
use rows::ResponseRows;
use sluice_protocol::hop::responses_call::{ResponsesAnswer, ResponsesCall, decode_call, encode_answer};
use sluice_protocol::time::Millis;
use std::cell::Cell;
use std::rc::Rc;

/// The object.
pub struct Responses {
    rows: ResponseRows,
    storage: Rc<Storage>,
    env: Env,
    /// Whether an alarm is known to be set.
    has_alarm: Cell<bool>,
}

impl Object for Responses {
    fn new(state: State, env: Env) -> Self {
        Self { rows: ResponseRows::new(&state), storage: state.storage(), env, has_alarm: Cell::new(false) }
    }

    async fn answer(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        let call = decode_call(&message).map_err(|error| error.to_string())?;
        // It may be long.
        drop(message);
        let kept_ms = self.kept_ms()?;
        if kept_ms > 0 && matches!(call, ResponsesCall::Keep { .. }) {
            // Before anything is written: what is kept is to be forgotten.
            self.see_to_alarm(kept_ms).await?;
        }
        Ok(encode_answer(&self.done(call, kept_ms)?))
    }

    /// Deletes what is over.
    async fn alarm(&self) -> Result<()> {
        let (now, kept_ms) = (platform::now(), self.kept_ms()?);
        self.together(|| self.rows.forget_until(now.saturating_sub(kept_ms)))?;
        let Some(oldest) = self.rows.oldest()? else {
            self.has_alarm.set(false);
            return Ok(());
        };
        // Whoever keeps something meanwhile is not to set it to later.
        self.has_alarm.set(true);
        let wait = oldest.saturating_add(kept_ms).saturating_sub(now).max(1);
        self.storage.set_alarm(wait).await.inspect_err(|_| self.has_alarm.set(false))
    }
}

impl Responses {
    /// There is no await in here: nothing else runs in this object meanwhile.
    fn done(&self, call: ResponsesCall, kept_ms: Millis) -> Result<ResponsesAnswer> {
        let now = platform::now();
        let since = now.saturating_sub(kept_ms);
        match call {
            ResponsesCall::Keep { .. } if kept_ms == 0 => Ok(ResponsesAnswer::Missing),
            ResponsesCall::Keep { id, kept } => {
                self.together(|| self.rows.keep(id, &kept, now, since)).map(|()| ResponsesAnswer::Kept)
            }
            ResponsesCall::Get { id, models } => {
                Ok(self.rows.seen(id, &models, since)?.map_or(ResponsesAnswer::Missing, ResponsesAnswer::Response))
            }
            ResponsesCall::Delete { id, models, request } => {
                let is_deleted = self.together(|| self.rows.delete(id, &models, request, since))?;
                Ok(if is_deleted { ResponsesAnswer::Deleted } else { ResponsesAnswer::Missing })
            }
            ResponsesCall::Recall { previous, named, models, most } => {
                self.rows.recall(previous, &named, &models, since, most)
            }
            ResponsesCall::Count => self.rows.count(since),
            ResponsesCall::Clear => {
                self.together(|| self.rows.forget_until(Millis::MAX)).map(|()| ResponsesAnswer::Deleted)
            }
        }
    }

    /// Runs what writes: all of it is kept, or nothing.
    fn together<T>(&self, write: impl FnMut() -> Result<T>) -> Result<T> {
        together(&self.storage, write).inspect_err(|_| self.rows.forget())
    }

    async fn see_to_alarm(&self, wait: Millis) -> Result<()> {
        if self.has_alarm.get() {
            return Ok(());
        }
        if self.storage.alarm().await?.is_none() {
            self.storage.set_alarm(wait).await?;
        }
        self.has_alarm.set(true);
        Ok(())
    }

    fn kept_ms(&self) -> Result<Millis> {
        let config = config_of(&self.env).map_err(|refusal| refusal.detail.unwrap_or_default())?;
        Ok(config.responses_kept_ms)
    }
}
