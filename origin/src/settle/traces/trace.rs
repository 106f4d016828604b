//! One request on its way, as it is noted for its trace.

use super::told::{self, Asked, Ending, Head, Notes};
use crate::engine::job_state::JobState;
use opentelemetry::Context;
use opentelemetry::trace::{Span, SpanKind, Tracer};
use opentelemetry_sdk::trace::SdkTracer;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{FinishReason, UsageReport};
use sluice_protocol::request::door::Door;
use sluice_protocol::telemetry::trace::request::operation;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

/// What is noted of one request. Whoever has a part in the request holds one; the request is told when the last is dropped,
/// so it is told once, whatever ends it. Of a request that nobody collects nothing is noted.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Arc<Recording>>);

struct Recording {
    tracer: SdkTracer,
    notes: Mutex<Notes>,
}

/// When an answer, or the reading of a request's texts, was at which point.
#[derive(Clone, Copy)]
pub(crate) struct Passed {
    /// It began.
    pub(crate) began: Instant,
    /// Its first token was there, if it was.
    pub(crate) first: Option<Instant>,
}

impl Trace {
    /// Of nothing.
    pub(crate) const fn off() -> Self {
        Self(None)
    }

    /// Of a request that `parent` asked for, if it is to be told.
    pub(super) fn begin(tracer: &SdkTracer, head: &Head, parent: &Context) -> Self {
        let began = SystemTime::now().checked_sub(head.arrived.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH);
        let span = tracer.span_builder(format!("POST {}", head.route)).with_kind(SpanKind::Server);
        let span = span.with_start_time(began).start_with_context(tracer, parent);
        if !span.is_recording() {
            return Self::off();
        }
        let notes = Mutex::new(Notes::new(span, head, began));
        Self(Some(Arc::new(Recording { tracer: tracer.clone(), notes })))
    }

    /// It is understood: it wants what this door is for, and of this model. `asked` is called if that is noted.
    pub(crate) fn asks(&self, door: Door, asked: impl FnOnce(&'static str) -> Asked) {
        self.note(|notes| notes.asked = operation(door).map(asked));
    }

    /// The engine tells in `job` what it does for it.
    pub(crate) fn runs_as(&self, job: &Arc<JobState>) {
        self.note(|notes| notes.job = Some(Arc::clone(job)));
    }

    /// It waits for a slot from now on.
    pub(crate) fn waits(&self) {
        self.note(|notes| notes.waited = Some(Instant::now()));
    }

    /// It has its slot.
    pub(crate) fn has_slot(&self) {
        self.note(|notes| notes.slot = Some(Instant::now()));
    }

    /// Its answer is told in pieces: it is not over when its status is sent.
    pub(crate) fn streams(&self) {
        self.note(|notes| notes.is_streamed = true);
    }

    /// One of its answers is over, or all of its texts are.
    pub(crate) fn passed(&self, passed: Passed) {
        self.note(|notes| {
            notes.first = notes.first.or(passed.first);
            notes.began = notes.began.or(Some(passed.began));
            notes.last = Some(Instant::now());
        });
    }

    /// One of its answers is complete. `report` says how long the prompts are up to its own, and how long it is.
    pub(crate) fn answered(&self, reason: FinishReason, report: &UsageReport) {
        self.note(|notes| notes.complete(reason, report));
    }

    /// It was answered to its end. Of several endings the first is told.
    pub(crate) fn served(&self) {
        self.ends(Ending::Served);
    }

    /// Its caller went away.
    pub(crate) fn left(&self) {
        self.ends(Ending::Left);
    }

    /// It was refused, or broke off.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        self.ends(Ending::Refused(refusal.reason));
    }

    /// Its head was answered.
    pub(crate) fn head(&self, status: u16) {
        self.note(|notes| notes.status = Some(status));
    }

    fn ends(&self, ending: Ending) {
        self.note(|notes| {
            notes.ending.get_or_insert(ending);
        });
    }

    fn note(&self, note: impl FnOnce(&mut Notes)) {
        if let Some(recording) = &self.0 {
            // Each note is one assignment, so a panic in between leaves nothing half done.
            note(&mut recording.notes.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let notes = self.notes.get_mut().unwrap_or_else(PoisonError::into_inner);
        if std::thread::panicking() {
            notes.ending.get_or_insert(Ending::Refused(Reason::Internal));
            notes.status.get_or_insert(Reason::Internal.row().status);
        }
        told::tell(&self.tracer, notes);
    }
}
