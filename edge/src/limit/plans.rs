//! The plans in force: an isolate keeps the table for a few seconds and asks the Registry whether it has changed.

use crate::hop::gate::unavailable;
use crate::hop::kept::{self, Kept};
use crate::hop::registry;
use crate::platform::{self, Context, Env, isolate_local};
use crate::telemetry;
use sluice_protocol::admin::{RegistryAnswer, RegistryCall};
use sluice_protocol::id::Version;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::Refusal;
use sluice_protocol::telemetry::Line;
use std::cell::RefCell;
use std::rc::Rc;

/// The table in force: what is put holds everywhere within five seconds, unless the Registry cannot be asked. Then an isolate
/// goes on with the one it has.
pub async fn current(env: &Env, built_in: &Rc<PlanTable>, context: &Context) -> Result<Rc<PlanTable>, Refusal> {
    let kept = kept::current(&CURRENT, context, || {
        let (env, built_in) = (env.clone(), built_in.clone());
        async move { ask(&env, &built_in).await }
    });
    kept.await.map(|kept| kept.table).ok_or_else(|| unavailable("the plans cannot be asked for"))
}

/// The table that a caller's request is decided by: the one in force. An isolate that has none yet and cannot ask for it leaves
/// that to the caller's Gate ([`PlanTable::unknown`]), which goes on with the table it last decided by, like any other isolate.
/// The table of the settings would be the wrong one to take: where another one was put, it may let more through.
pub async fn for_caller(env: &Env, built_in: &Rc<PlanTable>, context: &Context) -> Rc<PlanTable> {
    current(env, built_in, context).await.unwrap_or_else(|_| Rc::new(PlanTable::unknown()))
}

/// Asks the Registry now: what an admin has just changed is in force in this isolate.
pub async fn refresh(env: &Env, built_in: &Rc<PlanTable>) -> Result<Rc<PlanTable>, Refusal> {
    ask(env, built_in).await.map(|kept| kept.table)
}

/// The table of this version, for a Gate: one that this isolate has, or else one that the Registry has. `None` if neither.
pub async fn of_version(
    env: &Env,
    built_in: &Rc<PlanTable>,
    version: Version,
) -> Result<Option<Rc<PlanTable>>, Refusal> {
    if let Some(table) = known(built_in, version) {
        return Ok(Some(table));
    }
    match registry::ask_from_object(env, &RegistryCall::PlansOf(version)).await? {
        RegistryAnswer::Plans(Some(json)) => read(&json).map(|table| Some(keep(table))),
        _ => Ok(None),
    }
}

/// The table of this version, if this isolate has it.
pub fn known(built_in: &Rc<PlanTable>, version: Version) -> Option<Rc<PlanTable>> {
    if built_in.version() == version {
        return Some(built_in.clone());
    }
    TABLES.with_borrow(|tables| tables.iter().find(|table| table.version() == version).cloned())
}

/// The table in force.
#[derive(Clone)]
struct InForce {
    table: Rc<PlanTable>,
    /// Whether the Registry has it, or none.
    is_put: bool,
}

isolate_local! {
    static CURRENT: RefCell<Kept<InForce>> = Kept::nothing();
    /// The last few, newest last: Gates are asked with those that other isolates still have.
    static TABLES: RefCell<Vec<Rc<PlanTable>>> = const { RefCell::new(Vec::new()) };
}

async fn ask(env: &Env, built_in: &Rc<PlanTable>) -> Result<InForce, Refusal> {
    let asked_at = platform::now();
    let kept = CURRENT.with_borrow(Kept::value);
    let has = kept.as_ref().filter(|kept| kept.is_put).map(|kept| kept.table.version());
    let answer = registry::ask(env, &RegistryCall::Plans { known: has }).await;
    let found = match (answer, kept) {
        (Ok(RegistryAnswer::Plans(Some(json))), _) => {
            read(&json).map(|table| InForce { table: keep(table), is_put: true })
        }
        (Ok(RegistryAnswer::Unchanged), Some(kept)) => Ok(InForce { is_put: true, ..kept }),
        (Ok(_), _) => Ok(InForce { table: built_in.clone(), is_put: false }),
        (Err(refusal), _) => Err(refusal),
    };
    let found = found.inspect_err(|refusal| {
        let why = refusal.detail.clone().unwrap_or_default();
        telemetry::write(&Line::trouble("the plans cannot be asked for", why));
    })?;
    Ok(CURRENT.with_borrow_mut(|current| current.put(found, asked_at)))
}

/// The Registry keeps what was checked; what cannot be read was written by a newer version of ours.
fn read(json: &str) -> Result<PlanTable, Refusal> {
    PlanTable::parse(json).map_err(|mistakes| {
        let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
        unavailable(&format!("the plans in force cannot be read here: {first}"))
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

const MAX_TABLES: usize = 4;
