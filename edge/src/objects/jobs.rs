//! Jobs: one Durable Object for each account that has any, beside its Gate and never in its way.
//!
//! Messages keep, tell and end (this file and `jobs/desk.rs`). An alarm does the work (`jobs/ring.rs`): it reads files,
//! carries lines through the walk, writes results and forgets what is over. Responses in the background have tasks of
//! their own (`jobs/background.rs`). What becomes of anything, `sluice_protocol::jobs` decides. The walk lies above this
//! room, so it is handed in ([`Carry`]).

mod background;
mod carry;
mod desk;
mod finish;
mod ring;
mod round;
mod rows;

use super::alarm::ring_within;
use super::transaction::together;
use crate::config::config_of;
use crate::platform::objects::Object;
use crate::platform::{Env, Result, State, Storage};
use background::{HEARTBEAT_MS, Responder};
use round::Ringing;
use rows::JobRows;
use sluice_protocol::jobs::call::{COMING_MS, JobsAnswer, JobsCall, ResponseCall, decode_call, encode_answer};
use sluice_protocol::time::Millis;
use std::cell::Cell;
use std::rc::Rc;

pub use carry::{Carry, Errand, Said, Whom};

/// The object.
pub struct Jobs<C> {
    rows: JobRows,
    storage: Rc<Storage>,
    env: Env,
    ringing: Ringing,
    responder: Rc<Responder<C>>,
    /// Whether this instance has seen to it that its alarm rings for what was left.
    is_awake: Cell<bool>,
}

/// What jobs are set to.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// How long files and batches are kept, in milliseconds; 0 if there are none.
    kept_ms: Millis,
    /// How many bytes an account may have.
    bytes: u64,
    /// How many lines of an account run at once.
    parallel: usize,
}

impl<C: Carry> Object for Jobs<C> {
    fn new(state: State, env: Env) -> Self {
        let (rows, storage) = (JobRows::new(&state), state.storage());
        let (ringing, is_awake) = (Ringing::default(), Cell::new(false));
        let responder = Rc::new(Responder::new(&rows, storage.clone(), env.clone()));
        Self { rows, storage, env, ringing, responder, is_awake }
    }

    async fn answer(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        let call = decode_call(&message).map_err(|error| error.to_string())?;
        // It may be long.
        drop(message);
        let bounds = self.bounds()?;
        if !self.is_awake.replace(true) && self.rows.are_any()? {
            // Whatever became of the alarm that was set.
            self.ring_within(FIRST_MS).await?;
        }
        // Before anything is written: what is kept is to be worked on, and forgotten.
        match &call {
            JobsCall::CreateBatch(_) | JobsCall::CancelBatch { .. } | JobsCall::EndBatch { .. } => {
                self.ring_within(SOON_MS).await?;
            }
            JobsCall::BeginFile(_) => self.ring_within(COMING_MS).await?,
            JobsCall::Response(ResponseCall::Start(_)) => self.ring_within(HEARTBEAT_MS).await?,
            _ => {}
        }
        let is_off = bounds.kept_ms == 0 && !matches!(call, JobsCall::Clear);
        let starts = matches!(call, JobsCall::Response(ResponseCall::Start(_)));
        let deletes = match call {
            JobsCall::Response(ResponseCall::Delete { id, .. }) => Some(id),
            _ => None,
        };
        let answer = if is_off { JobsAnswer::Off } else { self.done(call, bounds)? };
        if starts {
            self.responder.begin_due(bounds)?;
        }
        // Whoever is told that it is deleted finds it nowhere.
        if let Some(id) = deletes
            && answer == JobsAnswer::Done
            && !self.responder.until_deleted(id, bounds).await?
        {
            return Err("a response is not deleted yet".into());
        }
        Ok(encode_answer(&answer))
    }

    async fn alarm(&self) -> Result<()> {
        self.is_awake.set(true);
        let Some(_one) = self.ringing.begin() else { return Ok(()) };
        if !self.rows.are_any()? {
            return Ok(());
        }
        match self.ring(self.bounds()?).await? {
            Some(wait) => self.ring_within(wait).await,
            None => Ok(()),
        }
    }
}

impl<C> Jobs<C> {
    /// Sees to it that the alarm rings within so many milliseconds.
    async fn ring_within(&self, wait: Millis) -> Result<()> {
        ring_within(&self.storage, wait).await
    }

    /// Runs what writes: all of it is kept, or nothing.
    fn together<T>(&self, write: impl FnMut() -> Result<T>) -> Result<T> {
        together(&self.storage, write).inspect_err(|_| self.rows.forget())
    }

    fn bounds(&self) -> Result<Bounds> {
        let config = config_of(&self.env).map_err(|refusal| refusal.detail.unwrap_or_default())?;
        let jobs = config.jobs;
        Ok(Bounds { kept_ms: jobs.kept_ms, bytes: jobs.bytes, parallel: jobs.parallel })
    }
}

/// How soon the alarm rings after an instance's first message, at the latest, in milliseconds.
const FIRST_MS: Millis = 1_000;
/// How soon the alarm rings for what was asked for just now, in milliseconds.
const SOON_MS: Millis = 1;
