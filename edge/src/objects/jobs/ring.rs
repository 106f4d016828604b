//! The alarm: what is done while nobody waits.
//!
//! Each ring does some of it and sets the next one. Lines of one batch go out at once, a few of them, as long as there
//! is idle time; a refusal for want of room ends that for a while. Before a line is sent it is written down as sent, in
//! a turn of its own, and the platform lets no message leave before that is kept. So whatever ends when, the next ring
//! finds it, ends what may run of it, settles that, and goes on.

use super::carry::{Carry, Errand, Said, Then, Whom, judge};
use super::round::{Round, Soonest};
use super::rows::Placed;
use super::{Bounds, Jobs};
use crate::platform::{self, Result, random};
use futures_util::future::join_all;
use sluice_protocol::id::RequestId;
use sluice_protocol::jobs::batch::{Batch, Status};
use sluice_protocol::jobs::name::BatchId;
use sluice_protocol::jobs::work::{After, Found, SENT, TOLD, WAITING, Work, after};
use sluice_protocol::time::Millis;

impl<C: Carry> Jobs<C> {
    /// Does what is due. When the next ring is, in milliseconds; `None` if there is nothing left to wait for.
    pub(super) async fn ring(&self, bounds: Bounds) -> Result<Option<Millis>> {
        self.together(|| self.rows.forget_until(platform::now()))?;
        self.responder.begin_due(bounds)?;
        let mut next = Soonest::default();
        for mut batch in self.rows.live_batches()? {
            match batch.status {
                Status::Validating => self.validate(&mut batch, bounds, platform::now())?,
                Status::Finalizing => {
                    if !self.finalize(&mut batch, bounds)? {
                        next.within(0);
                    }
                }
                _ => {
                    // They are carried by nobody: this is the only ring, and it has begun just now.
                    if !self.look_after_orphans(&batch, bounds).await? {
                        next.within(ORPHAN_MS);
                    }
                    self.give_up_what_waits(batch.asked.id, bounds)?;
                }
            }
        }
        if self.ringing.has_failed() && !C::is_ready(&self.env).await {
            self.ringing.fail();
            next.within(self.ringing.failure_pause());
        } else if let Some(round) = self.next_round(bounds, &mut next).await? {
            let width = self.ringing.width(bounds.parallel);
            let workers = (0..width).map(|_| self.work(&round, bounds));
            join_all(workers).await.into_iter().collect::<Result<Vec<()>>>()?;
            next.within(self.ringing.end_round(&round, width));
        }
        let now = platform::now();
        for batch in self.rows.live_batches()? {
            if matches!(batch.status, Status::Validating | Status::Finalizing) {
                next.within(0);
            }
            next.within(batch.expires_at.saturating_sub(now));
        }
        if let Some(at) = self.rows.next_end()? {
            next.within(at.saturating_sub(now));
        }
        if let Some(wait) = self.responder.next_ring(now)? {
            next.within(wait);
        }
        Ok(next.0)
    }

    /// Ends and settles what an object that is gone had sent. `false` if nobody can say yet what became of some of it.
    async fn look_after_orphans(&self, batch: &Batch, bounds: Bounds) -> Result<bool> {
        let (id, mut from, mut all_known) = (batch.asked.id, 0, true);
        loop {
            let orphans = self.rows.lines_at(id, from, [SENT, TOLD], AT_ONCE)?;
            let Some(last) = orphans.last() else { return Ok(all_known) };
            from = last.number + 1;
            for Placed { number, work } in &orphans {
                let Some(tried) = work.under_way() else { continue };
                let found = C::find_out(&self.env, &batch.asked.owner, tried, self.rows.sent_to.all()?).await;
                all_known &= found != Found::Unknown;
                self.change(id, *number, bounds, |work| work.find(found))?;
            }
        }
    }

    /// Lines that wait get their result where the batch has one for them.
    fn give_up_what_waits(&self, id: BatchId, bounds: Bounds) -> Result<()> {
        let now = platform::now();
        let why = self.together(|| {
            let Some(mut batch) = self.rows.batch(id)? else { return Ok(None) };
            let before = batch.ends;
            batch.look(now);
            if batch.ends != before {
                self.rows.put_batch(&batch, now.saturating_add(bounds.kept_ms), None)?;
            }
            Ok(batch.ends)
        })?;
        let Some(why) = why else { return Ok(()) };
        loop {
            let waiting = self.rows.lines_at(id, 0, [WAITING, WAITING], AT_ONCE)?;
            if waiting.is_empty() {
                return Ok(());
            }
            for Placed { number, .. } in waiting {
                self.change(id, number, bounds, |work| _ = work.give_up(why))?;
            }
        }
    }

    /// The first batch that may send lines now; notes when others may.
    async fn next_round(&self, bounds: Bounds, next: &mut Soonest) -> Result<Option<Round>> {
        for batch in self.rows.live_batches()?.into_iter().filter(Batch::may_send) {
            let (id, now) = (batch.asked.id, platform::now());
            let away = self.ringing.away_until(id);
            if away > now {
                next.within(away - now);
                continue;
            }
            if C::pressure(&self.env) >= PRESSED {
                next.within(PRESSED_MS);
                return Ok(None);
            }
            if self.rows.lines_at(id, 0, [WAITING, WAITING], 1)?.is_empty() {
                continue;
            }
            match C::admits(&self.env, &batch.asked.owner, batch.asked.door).await {
                Ok(lease_ms) => return Ok(Some(Round::new(id, lease_ms))),
                Err(refusal) => match after(&refusal) {
                    After::Stop => {
                        self.revoke(id, bounds)?;
                        next.within(0);
                    }
                    // What it may not ask for, each line is told by itself.
                    After::Over => return Ok(Some(Round::new(id, LONGEST_LEASE_MS))),
                    After::Later(wait) => {
                        self.ringing.stay_away(id, wait);
                        next.within(wait);
                    }
                    After::Again => {
                        self.ringing.stay_away(id, PRESSED_MS);
                        next.within(PRESSED_MS);
                    }
                },
            }
        }
        Ok(None)
    }

    /// Carries one line after the other, as long as there are any and nothing is in the way.
    async fn work(&self, round: &Round, bounds: Bounds) -> Result<()> {
        while let Some((number, request)) = self.take(round, bounds)? {
            self.carry(round, number, request, bounds).await?;
        }
        Ok(())
    }

    /// Takes the next line that waits, and writes it down as sent.
    fn take(&self, round: &Round, bounds: Bounds) -> Result<Option<(u32, RequestId)>> {
        let now = platform::now();
        if round.is_over.get() || round.left.get() == 0 || now >= round.until {
            return Ok(None);
        }
        let batch = self.rows.batch(round.batch)?;
        let Some(mut batch) = batch.filter(Batch::may_send) else { return Ok(None) };
        batch.look(now);
        if !batch.may_send() {
            return Ok(None);
        }
        let waiting = self.rows.lines_at(round.batch, round.from.get(), [WAITING, WAITING], 1)?.pop();
        let Some(Placed { number, .. }) = waiting else { return Ok(None) };
        round.from.set(number + 1);
        round.left.set(round.left.get() - 1);
        let (request, until) = (RequestId(random()), now.saturating_add(round.lease_ms).saturating_add(SLACK_MS));
        let mut is_sent = false;
        self.change(round.batch, number, bounds, |work| is_sent = work.send(request, now, until))?;
        Ok(is_sent.then_some((number, request)))
    }

    async fn carry(&self, round: &Round, number: u32, request: RequestId, bounds: Bounds) -> Result<()> {
        let batch = self.rows.batch(round.batch)?;
        let (Some(batch), Some(work)) = (batch, self.rows.line(round.batch, number)?) else { return Ok(()) };
        let (owner, door) = (&batch.asked.owner, batch.asked.door);
        let until = work.under_way().map_or(0, |tried| tried.until);
        let note = |origins: &str| self.rows.sent_to.note(origins, until);
        let (body, whom) = (&work.body, Whom::Nobody);
        let errand = Errand { env: &self.env, owner, door, request, body, whom, note: &note };
        let told = |said: Said| {
            round.has_passed.set(round.has_passed.get() | said.answer.is_ok());
            let (outcome, next) = judge(said, door.door().path());
            match outcome {
                Some(outcome) => self
                    .change(round.batch, number, bounds, |work| _ = work.tell(request, outcome.clone()))
                    .map(|()| next),
                None => Ok(next),
            }
        };
        let Some(next) = C::carry(errand, told).await else {
            // The next ring finds out.
            round.is_over.set(true);
            return Ok(());
        };
        match next? {
            Then::Over => self.change(round.batch, number, bounds, |work| _ = work.settle()),
            Then::Wait(wait, has_failed) => {
                round.is_over.set(true);
                round.has_failed.set(round.has_failed.get() | has_failed);
                round.pause.set(round.pause.get().max(wait));
                self.change(round.batch, number, bounds, |work| work.wait(request, has_failed))
            }
            Then::Stop(_) => {
                round.is_over.set(true);
                self.revoke(round.batch, bounds)?;
                self.change(round.batch, number, bounds, |work| work.wait(request, false))
            }
        }
    }

    /// Changes a line, and what its batch counts with it: both are kept, or neither.
    fn change(&self, id: BatchId, number: u32, bounds: Bounds, mut change: impl FnMut(&mut Work)) -> Result<()> {
        let now = platform::now();
        self.together(|| {
            let Some(mut work) = self.rows.line(id, number)? else { return Ok(()) };
            let was_over = work.outcome().is_some();
            change(&mut work);
            self.rows.put_line(id, number, &work)?;
            if let Some(outcome) = work.outcome().filter(|_| !was_over)
                && let Some(mut batch) = self.rows.batch(id)?
            {
                batch.line_is_over(outcome, now);
                self.rows.put_batch(&batch, now.saturating_add(bounds.kept_ms), None)?;
            }
            Ok(())
        })
    }

    fn revoke(&self, id: BatchId, bounds: Bounds) -> Result<()> {
        let now = platform::now();
        self.together(|| {
            let Some(mut batch) = self.rows.batch(id)? else { return Ok(()) };
            batch.revoke();
            self.rows.put_batch(&batch, now.saturating_add(bounds.kept_ms), None)
        })
    }
}

/// How many rows are looked at in one go.
const AT_ONCE: u32 = 16;
/// How long after its lease nothing of a request can run, at least, in milliseconds.
const SLACK_MS: Millis = 10_000;
/// As long as any lease is: grants that last longer are refused.
const LONGEST_LEASE_MS: Millis = sluice_protocol::forward::grant::MAX_GRANT_MS;
/// When it is looked again for what nobody could be asked about, in milliseconds.
const ORPHAN_MS: Millis = 5_000;
/// From how many percent of all places in use on nothing is sent.
const PRESSED: u8 = 60;
/// How long nothing is sent then, in milliseconds.
const PRESSED_MS: Millis = 2_000;
