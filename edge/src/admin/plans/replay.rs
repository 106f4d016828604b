//! `POST /admin/v1/plans/replay`: what a plan table makes of the requests that the Meters keep, and what the one in force makes
//! of them. Nothing is put in force and nothing is written.

use crate::admin::call::AdminCall;
use crate::admin::plans::candidate;
use crate::call::Answered;
use crate::hop::gate::unavailable;
use crate::hop::meter;
use crate::limit::{calendar, plans};
use crate::platform::{isolate_local, now, respond, sleep};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::measures::gathered::{Gathered, gather};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::replay::drive::{By, Mean};
use sluice_protocol::replay::part::{Part, Tables};
use sluice_protocol::replay::periods::Periods;
use sluice_protocol::replay::request::{Request, in_order};
use sluice_protocol::replay::told::{Of, Told};
use sluice_protocol::time::Millis;
use std::cell::Cell;

/// The body is a table as `PUT /admin/v1/plans` takes it. Refuses where no requests are kept, where a Meter cannot be asked, and
/// while another replay runs in this isolate.
pub(in crate::admin) async fn replay(call: &AdminCall<'_>) -> Answered {
    let candidate = candidate(call, "The table has mistakes").await?;
    let kept_ms = call.config.lines.kept_ms;
    if kept_ms == 0 {
        return Err(Refusal::new(Reason::NotFound, "No requests are kept for a replay here: REPLAY_HOURS is 0."));
    }
    let in_force = plans::refresh(call.env, &call.config.plans).await?;
    let running = Running::begin()?;
    let rows = meter::read_kept(call.env).await.map_err(|why| unavailable(&why))?;
    let Gathered { requests, names, view } = gather(&rows, kept_ms, now());
    drop(rows);
    // Plans change within a day, and what had one that is gone is nobody's any more.
    let has = |table: &PlanTable, request: &Request| table.get(names.text(request.plan)).is_some();
    let order = in_order(requests.iter().filter(|one| has(&candidate, one) && has(&in_force, one)));
    let mean = Mean::of(order.iter().copied()).unwrap_or_default();
    let mut tables = Tables { candidate: by(&candidate), against: Some(by(&in_force)) };
    let (mut part, mut done) = (Part::default(), 0);
    for account in order.chunk_by(|one, other| one.account == other.account) {
        part.add(account, &names, mean, &mut tables).map_err(|error| {
            Refusal::new(Reason::Internal, "A request that is kept cannot be decided again.")
                .with_detail(error.to_string())
        })?;
        done += account.len();
        if done >= IN_A_ROW {
            done = 0;
            // Others wait for this isolate.
            sleep(0).await;
        }
    }
    let times = || order.iter().map(|request| request.at);
    let of = Of {
        lines: vec![
            ("read", requests.len() as u64),
            ("replayed", order.len() as u64),
            ("unknown_plan", (requests.len() - order.len()) as u64),
        ],
        span: (times().min().unwrap_or_default(), times().max().unwrap_or_default()),
    };
    let mut told = Told::new(&part, of, [Some(&candidate), Some(&in_force)], Some(MOST_ACCOUNTS));
    told.kept = Some(view);
    drop(running);
    Ok(respond::json(200, &told, call.id))
}

fn by(table: &PlanTable) -> By<'_> {
    By::new(table, Box::new(Periods::new(table, calendar::span)))
}

/// A replay in this isolate. Each takes a good part of its memory, so there is one at a time.
struct Running;

impl Running {
    fn begin() -> Result<Self, Refusal> {
        let since = SINCE.get();
        // Of one whose caller has left nothing is heard any more.
        if since.is_some_and(|since| now().abs_diff(since) < LOST_MS) {
            let refusal = Refusal::new(Reason::RateLimited, "Another replay runs here. Try again in a second.");
            return Err(refusal.with_retry_after_ms(RETRY_MS));
        }
        SINCE.set(Some(now()));
        Ok(Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        SINCE.set(None);
    }
}

isolate_local! {
    static SINCE: Cell<Option<Millis>> = Cell::default();
}

/// How many accounts are told of by name.
const MOST_ACCOUNTS: usize = 100;
/// After so many requests others have their turn: some ten milliseconds.
const IN_A_ROW: usize = 2_000;
/// After so long a replay is taken for lost.
const LOST_MS: Millis = 30_000;
/// When whoever finds another one running tries again.
const RETRY_MS: Millis = 1_000;
