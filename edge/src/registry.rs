//! The index of all keys: one Durable Object. The keys' truth is at their Gates; this is what an admin lists.

use crate::hop;
use crate::storage::{Rows, text};
use sluice_protocol::admin::{KeyEntry, KeyList, PAGE, RegistryAnswer, RegistryCall};
use sluice_protocol::id::KeyId;
use sluice_protocol::refusal::{Reason, Refusal};
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
    rows: Rows,
}

impl DurableObject for Registry {
    fn new(state: State, _env: Env) -> Self {
        Self { rows: Rows::new(state.storage().sql(), "keys") }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let message = hop::message(&request)?;
        self.rows.count_call();
        let answer = self.answer(serde_json::from_slice(&message)?)?;
        hop::answer(&serde_json::to_vec(&answer)?)
    }
}

impl Registry {
    fn answer(&self, call: RegistryCall) -> Result<RegistryAnswer> {
        if !matches!(call, RegistryCall::Put(_)) && !self.rows.exists()? {
            return Ok(match call {
                RegistryCall::List(_) => RegistryAnswer::Page(self.page_of(Vec::new(), None)),
                _ => RegistryAnswer::Done(false),
            });
        }
        Ok(match call {
            RegistryCall::Put(entry) => {
                // WITHOUT ROWID: the primary key is the table, so a key is one row and not two.
                self.rows.make("(id TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID")?;
                let values = vec![text(entry.id.to_string()), text(serde_json::to_string(&entry)?)];
                self.rows.exec("INSERT OR REPLACE INTO keys (id, entry) VALUES (?, ?)", values)?;
                RegistryAnswer::Done(true)
            }
            RegistryCall::Remove(id) => {
                let removed =
                    self.rows.exec("DELETE FROM keys WHERE id = ? RETURNING id", vec![text(id.to_string())])?;
                RegistryAnswer::Done(!removed.is_empty())
            }
            RegistryCall::List(after) => RegistryAnswer::Page(self.page(after)?),
        })
    }

    fn page(&self, after: Option<KeyId>) -> Result<KeyList> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let values = vec![text(after), SqlStorageValue::Integer(PAGE as i64 + 1)];
        let rows = self.rows.exec("SELECT entry FROM keys WHERE id > ? ORDER BY id LIMIT ?", values)?;
        let mut data = Vec::with_capacity(rows.len());
        for row in rows {
            match row.into_iter().next() {
                Some(SqlStorageValue::String(entry)) => data.push(serde_json::from_str::<KeyEntry>(&entry)?),
                _ => return Err("a row is not of the form that we write".into()),
            }
        }
        let more = data.len() > PAGE;
        data.truncate(PAGE);
        let next = data.last().filter(|_| more).map(|entry| entry.id);
        Ok(self.page_of(data, next))
    }

    fn page_of(&self, data: Vec<KeyEntry>, next: Option<KeyId>) -> KeyList {
        KeyList { data, next, storage: self.rows.counters() }
    }
}
