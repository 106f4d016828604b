//! Responses in the background: somebody asks for them now and then, so they wait for no ring of the alarm.
//!
//! Each that is due has one task of this instance, which takes it from step to step until it is over, or has to wait.
//! A task is begun by the message that asks for a response, by the end of another task, and by the alarm, which rings as
//! long as there is any: so what an instance that is gone had begun is found by the next one, as a batch's lines are.

use super::carry::{Carry, Errand, Said, Then, Whom, judge};
use super::rows::{JobRows, ResponseRows, SentTo};
use super::{Bounds, ring_within};
use crate::hop::responses;
use crate::objects::transaction::together;
use crate::platform::{self, Abort, Context, Env, Result, Storage, random, sleep};
use crate::telemetry;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::responses_call::{KeptResponse, ResponsesAnswer, ResponsesCall};
use sluice_protocol::id::{RequestId, ResponseId};
use sluice_protocol::jobs::background::{Background, End, Next, lost};
use sluice_protocol::jobs::line::BatchDoor;
use sluice_protocol::jobs::work::{After, Found, Outcome, Stage, Work, after};
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::rc::Rc;

/// Carries an account's responses in the background.
pub(super) struct Responder<C> {
    rows: Rc<ResponseRows>,
    sent_to: Rc<SentTo>,
    storage: Rc<Storage>,
    env: Env,
    /// Those that have a task, and what ends their request, while they have one.
    tasks: RefCell<BTreeMap<ResponseId, Option<Abort>>>,
    carry: PhantomData<C>,
}

/// What a task does after a step.
enum Step {
    /// The next one.
    On,
    /// Nothing for so many milliseconds.
    Wait(Millis),
    /// Nothing: it is over.
    Over,
}

impl<C: Carry> Responder<C> {
    /// One without any task.
    pub(super) fn new(rows: &JobRows, storage: Rc<Storage>, env: Env) -> Self {
        let (rows, sent_to) = (rows.responses.clone(), rows.sent_to.clone());
        Self { rows, sent_to, storage, env, tasks: RefCell::default(), carry: PhantomData }
    }

    /// Begins a task for each that is due and has none, as far as there may be more at once.
    pub(super) fn begin_due(self: &Rc<Self>, bounds: Bounds) -> Result<()> {
        // Those that have a task are due, too.
        for id in self.rows.due(platform::now(), 2 * bounds.parallel)? {
            if self.tasks.borrow().len() >= bounds.parallel {
                break;
            }
            if self.tasks.borrow().contains_key(&id) {
                continue;
            }
            self.tasks.borrow_mut().insert(id, None);
            let own = self.clone();
            Context::of_object().wait_until(async move { own.attend(id, bounds).await });
        }
        Ok(())
    }

    /// Ends the request of one that is to end, if it has any.
    pub(super) fn abort_unwanted(&self, id: ResponseId) -> Result<()> {
        let is_unwanted = self.rows.find(id)?.is_some_and(|found| found.response.wish.is_some());
        if let (true, Some(Some(abort))) = (is_unwanted, self.tasks.borrow().get(&id)) {
            abort.abort();
        }
        Ok(())
    }

    /// Waits until one that is to be deleted lies nowhere any more, for a while; whether it does.
    pub(super) async fn until_deleted(self: &Rc<Self>, id: ResponseId, bounds: Bounds) -> Result<bool> {
        let end = platform::now().saturating_add(DELETE_MS);
        while self.rows.find(id)?.is_some_and(|found| found.response.is_being_deleted()) {
            if platform::now() >= end {
                return Ok(false);
            }
            self.begin_due(bounds)?;
            sleep(LOOK_MS).await;
        }
        Ok(true)
    }

    /// Ends all of them: they are forgotten.
    pub(super) fn abort_all(&self) {
        self.tasks.borrow().values().flatten().for_each(Abort::abort);
    }

    /// Within how many milliseconds the alarm has to ring, if any is not over.
    pub(super) fn next_ring(&self, now: Millis) -> Result<Option<Millis>> {
        let due = self.rows.next_due()?;
        Ok(due.map(|due| if self.tasks.borrow().is_empty() { due.saturating_sub(now) } else { HEARTBEAT_MS }))
    }

    /// Takes one as far as it goes now.
    async fn attend(self: Rc<Self>, id: ResponseId, bounds: Bounds) {
        let went = self.go(id, bounds).await;
        self.tasks.borrow_mut().remove(&id);
        let wait = went.unwrap_or_else(|fault| {
            telemetry::write(&Line::trouble_of(id.0, "a response in the background waits", fault.to_string()));
            Some(TROUBLE_MS)
        });
        self.begin_others(bounds);
        // The alarm rings then, too; it may ring late, while it carries lines of batches.
        if let Some(wait) = wait.and_then(|wait| u32::try_from(wait).ok()).filter(|wait| *wait <= LONGEST_SLEEP_MS) {
            sleep(wait).await;
            self.begin_others(bounds);
        }
    }

    fn begin_others(self: &Rc<Self>, bounds: Bounds) {
        if let Err(fault) = self.begin_due(bounds) {
            telemetry::write(&Line::trouble("responses in the background wait", fault.to_string()));
        }
    }

    /// From step to step. Within how many milliseconds it is to be looked at again, if it is.
    async fn go(&self, id: ResponseId, bounds: Bounds) -> Result<Option<Millis>> {
        loop {
            match self.step(id, bounds).await? {
                Step::On => {}
                Step::Over => return Ok(None),
                Step::Wait(wait) => {
                    self.rows.put_due(id, platform::now().saturating_add(wait))?;
                    ring_within(&self.storage, wait).await?;
                    return Ok(Some(wait));
                }
            }
        }
    }

    async fn step(&self, id: ResponseId, bounds: Bounds) -> Result<Step> {
        let Some(found) = self.rows.find(id)? else { return Ok(Step::Over) };
        let (response, Some(work)) = (found.response, found.work) else { return Ok(Step::Over) };
        match response.next(&work, platform::now()) {
            Next::Nothing => Ok(Step::Over),
            Next::FindOut(tried) => {
                let noted = self.sent_to.all()?;
                match C::find_out(&self.env, &response.asked.owner, tried, noted).await {
                    Found::Unknown => Ok(Step::Wait(ORPHAN_MS)),
                    found => self.change(id, bounds, |_, work| work.find(found)),
                }
            }
            Next::Send => self.send(&response, &work, bounds).await,
            Next::Keep => self.keep(&response, &work, bounds).await,
            Next::Forget(by) => self.forget(&response, by, bounds).await,
            Next::End(end) => self.change(id, bounds, |response, _| response.end = Some(end.clone())),
        }
    }

    /// Sends it as a live request would be, unless something is in the way.
    async fn send(&self, response: &Background, work: &Work, bounds: Bounds) -> Result<Step> {
        let (asked, tries) = (&response.asked, u32::from(work.tries));
        if tries > 0 && !C::is_ready(&self.env).await {
            return Ok(Step::Wait(pause(tries)));
        }
        let lease_ms = match C::admits(&self.env, &asked.owner, BatchDoor::Responses).await {
            Ok(lease_ms) => lease_ms,
            Err(refusal) => match after(&refusal) {
                After::Later(wait) => return Ok(Step::Wait(wait.max(response.pause(platform::now())))),
                After::Again => return Ok(Step::Wait(pause(1))),
                After::Over | After::Stop => {
                    return self.change(asked.id, bounds, |response, work| response.refuse(work, &refusal));
                }
            },
        };
        let (request, since, abort) = (RequestId(random()), platform::now(), Abort::new()?);
        let until = since.saturating_add(lease_ms).saturating_add(SLACK_MS);
        let mut is_sent = false;
        self.change(asked.id, bounds, |response, work| {
            is_sent = response.next(work, since) == Next::Send && work.send(request, since, until);
        })?;
        if !is_sent {
            return Ok(Step::On);
        }
        let left = abort.signal();
        self.tasks.borrow_mut().insert(asked.id, Some(abort));
        let (owner, door, whom) = (&asked.owner, BatchDoor::Responses, Whom::Somebody(&left));
        let note = |origins: &str| self.sent_to.note(origins, until);
        let errand = Errand { env: &self.env, owner, door, request, body: &work.body, whom, note: &note };
        let told = |said: Said| {
            let (outcome, then) = judge(said, door.door().path());
            match outcome {
                Some(outcome) => {
                    let tell = |response: &mut Background, work: &mut Work| {
                        response.tell(work, request, outcome.clone());
                    };
                    self.change(asked.id, bounds, tell).map(|_| then)
                }
                None => Ok(then),
            }
        };
        let then = C::carry(errand, told).await;
        self.tasks.borrow_mut().insert(asked.id, None);
        match then.transpose()? {
            // Nobody knows: it is found out.
            None => Ok(Step::On),
            Some(Then::Over) => self.change(asked.id, bounds, |_, work| _ = work.settle()),
            Some(Then::Stop(refusal)) => self.change(asked.id, bounds, |response, work| {
                work.wait(request, false);
                response.refuse(work, &refusal);
            }),
            Some(Then::Wait(wait, has_failed)) => {
                self.change(asked.id, bounds, |_, work| work.wait(request, has_failed))?;
                let wait = if has_failed { pause(tries + 1) } else { wait.max(response.pause(platform::now())) };
                // What is to end need not wait.
                let is_wanted = self.rows.find(asked.id)?.is_some_and(|found| found.response.wish.is_none());
                Ok(if is_wanted { Step::Wait(wait) } else { Step::On })
            }
        }
    }

    /// Its answer goes to where responses are kept. It is told to be whole once it lies there.
    async fn keep(&self, response: &Background, work: &Work, bounds: Bounds) -> Result<Step> {
        let (Stage::Over(Outcome::Answered { body, .. }), asked) = (&work.stage, &response.asked) else {
            return Ok(Step::On);
        };
        let mut is_wanted = false;
        self.change(asked.id, bounds, |response, work| {
            is_wanted = response.next(work, platform::now()) == Next::Keep;
            response.is_keeping |= is_wanted;
        })?;
        if !is_wanted {
            return Ok(Step::On);
        }
        let kept = KeptResponse {
            model: asked.model.clone(),
            previous: asked.previous,
            input: asked.input.clone(),
            answer: body.clone(),
        };
        let answered = self.ask(response, &ResponsesCall::Keep { id: asked.id, kept }).await;
        let is_late = platform::now() >= response.expires_at;
        match answered {
            Some(ResponsesAnswer::Kept) => self.change(asked.id, bounds, |response, _| response.is_kept = true),
            None if !is_late => Ok(Step::Wait(KEEP_AGAIN_MS)),
            // Nothing is kept there any more, or it cannot be reached.
            _ => self.change(asked.id, bounds, |response, _| response.end = Some(lost())),
        }
    }

    async fn forget(&self, response: &Background, by: RequestId, bounds: Bounds) -> Result<Step> {
        let id = response.asked.id;
        let answered = self.ask(response, &ResponsesCall::Delete { id, models: Vec::new(), request: by }).await;
        match answered {
            None if platform::now() < response.expires_at => Ok(Step::Wait(KEEP_AGAIN_MS)),
            _ => self.change(id, bounds, |response, _| response.end = Some(End::Deleted(by))),
        }
    }

    async fn ask(&self, response: &Background, call: &ResponsesCall) -> Option<ResponsesAnswer> {
        let account: AccountName = response.asked.owner.account()?;
        match responses::ask(&self.env, &account, call, KEEP_MS).await {
            Ok(answer) => Some(answer),
            Err(failed) => {
                let id = response.asked.id.0;
                telemetry::write(&Line::trouble_of(id, "a response in the background is not kept yet", failed.why));
                None
            }
        }
    }

    /// Changes one that is not over: all of that is kept, or nothing.
    fn change(
        &self,
        id: ResponseId,
        bounds: Bounds,
        mut change: impl FnMut(&mut Background, &mut Work),
    ) -> Result<Step> {
        let until = platform::now().saturating_add(bounds.kept_ms);
        let write = || {
            let Some(found) = self.rows.find(id)? else { return Ok(()) };
            let (mut response, Some(mut work)) = (found.response, found.work) else { return Ok(()) };
            change(&mut response, &mut work);
            self.rows.put(&response, Some(&work), until)
        };
        together(&self.storage, write).inspect_err(|_| self.rows.forget())?;
        Ok(Step::On)
    }
}

/// How long one waits that has failed so often.
fn pause(tries: u32) -> Millis {
    (PAUSE_MS << tries.saturating_sub(1).min(16)).min(MAX_PAUSE_MS)
}

/// How often the alarm rings while there are tasks, in milliseconds: an object without events is put away.
pub(super) const HEARTBEAT_MS: Millis = 10_000;
/// How long after its lease nothing of a request can run, at least, in milliseconds.
const SLACK_MS: Millis = 10_000;
/// When it is looked again for what nobody could be asked about, in milliseconds.
const ORPHAN_MS: Millis = 5_000;
/// When one is looked at again whose step failed, in milliseconds.
const TROUBLE_MS: Millis = 5_000;
/// How long keeping an answer may take, in milliseconds, and when it is tried again.
const KEEP_MS: u32 = 5_000;
const KEEP_AGAIN_MS: Millis = 1_000;
/// How long deleting one that is just being kept may take, in milliseconds, and how often it is looked whether it is done.
const DELETE_MS: Millis = 8_000;
const LOOK_MS: u32 = 10;
/// How long one waits whose request failed, in milliseconds; doubled each time.
const PAUSE_MS: Millis = 1_000;
/// The longest of those pauses.
const MAX_PAUSE_MS: Millis = 30_000;
/// As long as a task sleeps, in milliseconds; a longer wait is left to the alarm.
const LONGEST_SLEEP_MS: u32 = 30_000;
