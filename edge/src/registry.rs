//! The Registry: one Durable Object with the index of all keys and the plans in force. The keys' truth is at their Gates;
//! the index is what an admin lists.

use crate::audit::AuditLog;
use crate::denied::DeniedRows;
use crate::storage::{Rows, text};
use crate::{config_of, hop};
use sluice_protocol::admin::{KeyEntry, KeyList, PAGE, RegistryAnswer, RegistryCall};
use sluice_protocol::id::KeyId;
use sluice_protocol::plan::{PlanTable, TableVersion};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::token::DenialList;
use std::cell::RefCell;
use wasm_bindgen::JsValue;
use worker::{DurableObject, Env, Request, Response, Result, SqlStorageValue, State, durable_object};

/// Asks the Registry one thing.
pub async fn ask(env: &Env, call: &RegistryCall) -> std::result::Result<RegistryAnswer, Refusal> {
    let unavailable = |detail: String| {
        Refusal::new(Reason::GateUnavailable, "The registry cannot be asked just now. Try again.").with_detail(detail)
    };
    let message = serde_json::to_vec(call).expect("our own types have string keys and no failing serialisers");
    let answer = hop::call(env, "REGISTRY", "registry", &message).await.map_err(unavailable)?;
    serde_json::from_slice(&answer).map_err(|error| unavailable(error.to_string()))
}

/// The Durable Object.
#[durable_object(fetch)]
pub struct Registry {
    keys: Rows,
    plans: Rows,
    audit: AuditLog,
    denied: DeniedRows,
    env: Env,
    /// The tables that were put lately, oldest first, once they have been read.
    tables: RefCell<Option<Vec<Table>>>,
}

/// A plan table that was put.
#[derive(Clone)]
struct Table {
    number: i64,
    version: TableVersion,
    json: String,
}

impl DurableObject for Registry {
    fn new(state: State, env: Env) -> Self {
        let storage = state.storage();
        let (keys, plans) = (Rows::new(storage.sql(), "keys"), Rows::new(storage.sql(), "plans"));
        // An object without storage could not have been started with the tables above.
        let raw = state._inner().storage().map(JsValue::from).unwrap_or_default();
        let audit = AuditLog::new(storage.sql(), raw);
        let denied = DeniedRows::new(storage.sql());
        Self { keys, plans, audit, denied, env, tables: RefCell::new(None) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let message = hop::message(&mut request).await?;
        self.keys.count_call();
        let answer = self.answer(serde_json::from_slice(&message)?)?;
        Ok(hop::answer(&serde_json::to_vec(&answer)?)?.into())
    }
}

impl Registry {
    fn answer(&self, call: RegistryCall) -> Result<RegistryAnswer> {
        Ok(match call {
            RegistryCall::Put(entry) => {
                // WITHOUT ROWID: the primary key is the table, so a key is one row and not two.
                self.keys.make("(id TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID")?;
                let values = vec![text(entry.id.to_string()), text(serde_json::to_string(&entry)?)];
                self.keys.exec("INSERT OR REPLACE INTO keys (id, entry) VALUES (?, ?)", values)?;
                RegistryAnswer::Done(true)
            }
            RegistryCall::Remove(_) if !self.keys.exists()? => RegistryAnswer::Done(false),
            RegistryCall::Remove(id) => {
                let removed =
                    self.keys.exec("DELETE FROM keys WHERE id = ? RETURNING id", vec![text(id.to_string())])?;
                RegistryAnswer::Done(!removed.is_empty())
            }
            RegistryCall::List(_) if !self.keys.exists()? => RegistryAnswer::Page(self.page_of(Vec::new(), None)),
            RegistryCall::List(after) => RegistryAnswer::Page(self.page(after)?),
            RegistryCall::Plans { known } => match self.tables()?.pop() {
                Some(table) if Some(table.version) == known => RegistryAnswer::Unchanged,
                table => RegistryAnswer::Plans(table.map(|table| table.json)),
            },
            RegistryCall::PlansOf(version) => {
                let table = self.tables()?.into_iter().find(|table| table.version == version);
                RegistryAnswer::Plans(table.map(|table| table.json))
            }
            RegistryCall::Noted { note, call } => {
                self.audit.together(note, || self.answer(*call)).inspect_err(|_| self.forget())?
            }
            RegistryCall::Note(note) => {
                self.audit.append(note)?;
                RegistryAnswer::Done(true)
            }
            RegistryCall::LoginFailed { note, unnoted } => self.audit.login_failed(note, unnoted)?,
            RegistryCall::PutDenial(denial) => self.denied.put(denial)?,
            RegistryCall::RemoveDenial(id) => self.denied.remove(id)?,
            RegistryCall::ListDenials => RegistryAnswer::ListedDenials(DenialList { data: self.denied.list()? }),
            RegistryCall::Denials { known } => self.denied.denials(known)?,
            RegistryCall::Audit(after) => RegistryAnswer::Audit(self.audit.page(after)?),
            RegistryCall::PutPlans { json, replaces } => self.put_plans(json, replaces)?,
        })
    }

    /// Forgets what is remembered of the storage: what was written has been taken back.
    fn forget(&self) {
        self.keys.forget();
        self.plans.forget();
        self.denied.forget();
        self.tables.replace(None);
    }

    /// Puts a table in force that was checked at the edge, if nobody has put another one meanwhile and every key still has
    /// its plan.
    fn put_plans(&self, json: String, replaces: Option<TableVersion>) -> Result<RegistryAnswer> {
        let mut tables = self.tables()?;
        let in_force = match tables.last() {
            Some(table) => table.version,
            None => config_of(&self.env).map_err(|refusal| refusal.detail.unwrap_or_default())?.plans.version(),
        };
        if replaces.is_some_and(|replaces| replaces != in_force) {
            return Ok(RegistryAnswer::OtherPlans(Some(in_force)));
        }
        let table = PlanTable::parse(&json).map_err(|_| "the edge sent a table that is not one")?;
        if let Some(answer) = self.plan_in_use(&table)? {
            return Ok(answer);
        }
        let number = tables.last().map_or(0, |table| table.number + 1);
        // Memory must not be ahead of the disk.
        self.tables.replace(None);
        self.plans.put(number, json.as_bytes())?;
        self.plans.exec("DELETE FROM plans WHERE id <= ?", vec![SqlStorageValue::Integer(number - KEPT_TABLES)])?;
        tables.push(Table { number, version: table.version(), json });
        tables.retain(|table| table.number > number - KEPT_TABLES);
        self.tables.replace(Some(tables));
        Ok(RegistryAnswer::Done(true))
    }

    /// The first key whose plan is not in this table.
    fn plan_in_use(&self, table: &PlanTable) -> Result<Option<RegistryAnswer>> {
        if !self.keys.exists()? {
            return Ok(None);
        }
        let names = serde_json::to_string(&table.names().collect::<Vec<_>>())?;
        let find = "SELECT entry FROM keys WHERE json_extract(entry, '$.plan') NOT IN (SELECT value FROM json_each(?)) LIMIT 1";
        let rows = self.keys.exec(find, vec![text(names)])?;
        let entry = rows.into_iter().next().map(entry_of).transpose()?;
        Ok(entry.map(|entry| RegistryAnswer::PlanInUse { plan: entry.plan, key: entry.id }))
    }

    fn tables(&self) -> Result<Vec<Table>> {
        if let Some(tables) = self.tables.borrow().as_ref() {
            return Ok(tables.clone());
        }
        let mut tables = Vec::new();
        for (number, value) in self.plans.all()? {
            let json = String::from_utf8(value).map_err(|_| "a plan table is not text")?;
            // Its version is that of its text, also if a newer version of ours wrote it and only that can read it.
            tables.push(Table { number, version: TableVersion::of(&json), json });
        }
        tables.sort_by_key(|table| table.number);
        self.tables.replace(Some(tables.clone()));
        Ok(tables)
    }

    fn page(&self, after: Option<KeyId>) -> Result<KeyList> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let values = vec![text(after), SqlStorageValue::Integer(PAGE as i64 + 1)];
        let rows = self.keys.exec("SELECT entry FROM keys WHERE id > ? ORDER BY id LIMIT ?", values)?;
        let mut data = rows.into_iter().map(entry_of).collect::<Result<Vec<_>>>()?;
        let more = data.len() > PAGE;
        data.truncate(PAGE);
        let next = data.last().filter(|_| more).map(|entry| entry.id);
        Ok(self.page_of(data, next))
    }

    fn page_of(&self, data: Vec<KeyEntry>, next: Option<KeyId>) -> KeyList {
        KeyList { data, next, storage: self.keys.counters() }
    }
}

fn entry_of(row: Vec<SqlStorageValue>) -> Result<KeyEntry> {
    match row.into_iter().next() {
        Some(SqlStorageValue::String(entry)) => Ok(serde_json::from_str(&entry)?),
        _ => Err("a row is not of the form that we write".into()),
    }
}

/// Gates are asked with tables that an isolate has kept for some seconds: the last few are there to be had.
const KEPT_TABLES: i64 = 8;
