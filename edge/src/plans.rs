//! The plans in force: an isolate keeps the table for a few seconds and asks the Registry whether it has changed.

use crate::config::Config;
use crate::platform;
use crate::{denial, limit, registry};
use sluice_protocol::Millis;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::plan::{PlanTable, TableVersion};
use sluice_protocol::refusal::Refusal;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use worker::{Context, Env};

/// The table that decides now: never older than [`STALE_MS`], unless the Registry cannot be asked.
pub async fn current(env: &Env, config: &Config, context: &Context) -> Result<Rc<PlanTable>, Refusal> {
    let now = now();
    let Some(kept) = CURRENT.with_borrow(Clone::clone) else { return refresh(env, config).await };
    match now.abs_diff(kept.asked_at) {
        age if age < FRESH_MS => {}
        age if age < STALE_MS => {
            // One request asks for all. It may vanish with its isolate's task, so its turn ends by itself.
            if now.abs_diff(ASKING.get()) >= FRESH_MS {
                ASKING.set(now);
                let (env, config) = (env.clone(), config.plans.clone());
                context.wait_until(async move {
                    let _ = ask(&env, &config).await;
                });
            }
        }
        // Old limits are limits: better than refusing everybody.
        _ => return Ok(refresh(env, config).await.unwrap_or(kept.table)),
    }
    Ok(kept.table)
}

/// Asks the Registry now: what an admin has just changed is in force in this isolate.
pub async fn refresh(env: &Env, config: &Config) -> Result<Rc<PlanTable>, Refusal> {
    ask(env, &config.plans).await
}

/// The table of this version, for a Gate: one that this isolate has, or else one that the Registry has. `None` if neither.
pub async fn of_version(
    env: &Env,
    built_in: &Rc<PlanTable>,
    version: TableVersion,
) -> Result<Option<Rc<PlanTable>>, Refusal> {
    if let Some(table) = known(built_in, version) {
        return Ok(Some(table));
    }
    match registry::ask(env, &RegistryCall::PlansOf(version)).await? {
        RegistryAnswer::Plans(Some(json)) => read(&json).map(|table| Some(keep(table))),
        _ => Ok(None),
    }
}

/// The table of this version, if this isolate has it.
pub fn known(built_in: &Rc<PlanTable>, version: TableVersion) -> Option<Rc<PlanTable>> {
    if built_in.version() == version {
        return Some(built_in.clone());
    }
    TABLES.with_borrow(|tables| tables.iter().find(|table| table.version() == version).cloned())
}

#[derive(Clone)]
struct Kept {
    table: Rc<PlanTable>,
    /// When the Registry was asked: whatever was put in force before that is in the table.
    asked_at: Millis,
    /// Whether the Registry has it, or none.
    is_put: bool,
}

thread_local! {
    static CURRENT: RefCell<Option<Kept>> = const { RefCell::new(None) };
    static ASKING: Cell<Millis> = const { Cell::new(0) };
    /// The last few, newest last: Gates are asked with those that other isolates still have.
    static TABLES: RefCell<Vec<Rc<PlanTable>>> = const { RefCell::new(Vec::new()) };
}

async fn ask(env: &Env, built_in: &Rc<PlanTable>) -> Result<Rc<PlanTable>, Refusal> {
    let asked_at = now();
    let kept = CURRENT.with_borrow(Clone::clone);
    let has = kept.as_ref().filter(|kept| kept.is_put).map(|kept| kept.table.version());
    let answer = registry::ask(env, &RegistryCall::Plans { known: has }).await;
    let found = match (answer, kept) {
        (Ok(RegistryAnswer::Plans(Some(json))), _) => read(&json).map(|table| (keep(table), true)),
        (Ok(RegistryAnswer::Unchanged), Some(kept)) => Ok((kept.table, true)),
        (Ok(_), _) => Ok((built_in.clone(), false)),
        (Err(refusal), _) => Err(refusal),
    };
    let (table, is_put) = match found {
        Ok(found) => found,
        Err(refusal) => {
            worker::console_warn!("the plans cannot be asked for: {}", refusal.detail.clone().unwrap_or_default());
            // Not at once again. What another request has put there meanwhile stays.
            let again_at = asked_at.saturating_sub(FRESH_MS);
            CURRENT.with_borrow_mut(|current| {
                if let Some(current) = current {
                    current.asked_at = current.asked_at.max(again_at);
                }
            });
            return Err(refusal);
        }
    };
    // Asked before, answered after: what was learnt meanwhile is newer.
    if let Some(newer) = CURRENT.with_borrow(Clone::clone).filter(|current| current.asked_at > asked_at) {
        return Ok(newer.table);
    }
    let before = CURRENT.replace(Some(Kept { table: table.clone(), asked_at, is_put }));
    if before.is_some_and(|before| before.table.version() != table.version()) {
        denial::forget_all();
    }
    Ok(table)
}

/// The Registry keeps what was checked; what cannot be read was written by a newer version of ours.
fn read(json: &str) -> Result<PlanTable, Refusal> {
    PlanTable::parse(json).map_err(|mistakes| {
        let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
        limit::unavailable(&format!("the plans in force cannot be read here: {first}"))
    })
}

fn keep(table: PlanTable) -> Rc<PlanTable> {
    let table = Rc::new(table);
    TABLES.with_borrow_mut(|tables| {
        tables.retain(|other| other.version() != table.version());
        tables.push(table.clone());
        if tables.len() > MAX_TABLES {
            tables.remove(0);
        }
    });
    table
}

fn now() -> Millis {
    platform::now()
}

/// Until then nobody is asked.
const FRESH_MS: u64 = 2_000;
/// From then on a request waits for the answer: what is changed holds everywhere within five seconds.
const STALE_MS: u64 = 4_500;
const MAX_TABLES: usize = 4;
