//! The index of keys and accounts. Every question is answered from an index of SQLite's, from where the page before ended:
//! what it costs does not depend on how many there are.

use crate::platform::rows::{Rows, Value, integer, not_ours, text};
use crate::platform::{Result, State};
use sluice_protocol::admin::{
    AccountEntry, AccountList, AccountPage, KeyEntry, KeyList, KeyPage, MAX_EXAMINED, RegistryAnswer,
};
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::gate_call::description::StorageCounters;
use sluice_protocol::id::{AccountId, KeyId};
use sluice_protocol::limit::plan::PlanTable;

/// The two tables.
pub struct Index {
    keys: Rows,
    accounts: Rows,
}

impl Index {
    /// What is stored.
    pub fn new(state: &State) -> Self {
        Self { keys: Rows::new(state, "keys"), accounts: Rows::new(state, "accounts") }
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.keys.forget();
        self.accounts.forget();
    }

    /// What its rows have cost since this instance started.
    pub fn counters(&self) -> StorageCounters {
        self.keys.counters() + self.accounts.counters()
    }

    /// One message more.
    pub fn count_call(&self) {
        self.keys.count_call();
    }

    /// Adds a key, or replaces it.
    pub fn put_key(&self, entry: &KeyEntry) -> Result<()> {
        make(&self.keys, "keys")?;
        let values = vec![text(entry.id.to_string()), text(serde_json::to_string(entry)?)];
        self.keys.exec("INSERT OR REPLACE INTO keys (id, entry) VALUES (?, ?)", values).map(drop)
    }

    /// Adds an account, or replaces it; `only_new` leaves one that is there as it is.
    pub fn put_account(&self, entry: &AccountEntry, only_new: bool) -> Result<()> {
        make(&self.accounts, "accounts")?;
        let or = if only_new { "IGNORE" } else { "REPLACE" };
        let values = vec![text(&entry.account), text(serde_json::to_string(entry)?)];
        self.accounts.exec(&format!("INSERT OR {or} INTO accounts (id, entry) VALUES (?, ?)"), values).map(drop)
    }

    /// Removes a key; whether it was there.
    pub fn remove_key(&self, id: KeyId) -> Result<bool> {
        if !self.keys.exists()? {
            return Ok(false);
        }
        let removed = self.keys.exec("DELETE FROM keys WHERE id = ? RETURNING id", vec![text(id.to_string())])?;
        Ok(!removed.is_empty())
    }

    /// Removes an account and all of its keys.
    pub fn remove_account(&self, account: &AccountName) -> Result<()> {
        if self.accounts.exists()? {
            self.accounts.exec("DELETE FROM accounts WHERE id = ?", vec![text(account.to_string())])?;
        }
        match account.key_account() {
            Some(id) if self.keys.exists()? => {
                let (from, to) = ids_of(id);
                self.keys.exec("DELETE FROM keys WHERE id >= ? AND id < ?", vec![text(from), text(to)]).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Whether an account is listed, or a key of it: older versions listed keys only.
    pub fn has_account(&self, id: AccountId) -> Result<bool> {
        let find = "SELECT 1 FROM accounts WHERE id = ?";
        if self.accounts.exists()? && !self.accounts.exec(find, vec![text(id.to_string())])?.is_empty() {
            return Ok(true);
        }
        let (from, to) = ids_of(id);
        let find = "SELECT 1 FROM keys WHERE id >= ? AND id < ? LIMIT 1";
        Ok(self.keys.exists()? && !self.keys.exec(find, vec![text(from), text(to)])?.is_empty())
    }

    /// A page of keys.
    pub fn keys(&self, page: &KeyPage) -> Result<KeyList> {
        let (from, to) = page.filter.account.map_or_else(|| (String::new(), END.to_owned()), ids_of);
        let after = page.after.map(|id| id.to_string()).unwrap_or_default();
        // An id that is a key's has a longer one than its account's beginning: `>` leaves out what `after` names.
        let from = if after > from { after } else { from };
        let range = Range { from, to, plan: page.filter.plan.as_deref(), limit: page.limit };
        let (data, next) = scan(&self.keys, "keys", &range, |entry: &KeyEntry| page.filter.matches(entry))?;
        let next = next.and_then(|id| KeyId::parse(&id));
        Ok(KeyList { data, next, storage: self.counters() })
    }

    /// A page of accounts.
    pub fn accounts(&self, page: &AccountPage) -> Result<AccountList> {
        let from = page.after.clone().unwrap_or_default();
        let range = Range { from, to: END.to_owned(), plan: page.filter.plan.as_deref(), limit: page.limit };
        let matches = |entry: &AccountEntry| page.filter.matches(entry);
        let (data, next) = scan(&self.accounts, "accounts", &range, matches)?;
        Ok(AccountList { data, next })
    }

    /// A plan that is not in this table, and who names it.
    pub fn plan_in_use(&self, table: &PlanTable) -> Result<Option<RegistryAnswer>> {
        for (rows, name) in [(&self.keys, "keys"), (&self.accounts, "accounts")] {
            let Some((plan, id)) = unknown_plan(rows, name, table)? else { continue };
            return Ok(Some(RegistryAnswer::PlanInUse { plan, key: KeyId::parse(&id) }));
        }
        Ok(None)
    }
}

/// What to look at.
struct Range<'r> {
    from: String,
    to: String,
    plan: Option<&'r str>,
    limit: u32,
}

/// WITHOUT ROWID: the primary key is the table, so an entry is one row and not two. The index by plan is one more.
fn make(rows: &Rows, table: &str) -> Result<()> {
    if rows.is_made() {
        return Ok(());
    }
    rows.make("(id TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID")?;
    rows.run(&format!("CREATE INDEX IF NOT EXISTS {table}_by_plan ON {table} ({PLAN}, id)"))
}

/// The entries of a range that match, in order, and the id to go on from: the last one that was looked at, if there are more.
fn scan<T: serde::de::DeserializeOwned>(
    rows: &Rows,
    table: &str,
    range: &Range<'_>,
    matches: impl Fn(&T) -> bool,
) -> Result<(Vec<T>, Option<String>)> {
    if !rows.exists()? {
        return Ok((Vec::new(), None));
    }
    make(rows, table)?;
    let (mut found, mut from, mut examined) = (Vec::new(), range.from.clone(), 0);
    loop {
        let wanted = range.limit as usize - found.len();
        // One more than is wanted says whether there are more.
        let take = (wanted as u32 + 1).min(MAX_EXAMINED - examined);
        let mut values = vec![text(&from), text(&range.to)];
        values.extend(range.plan.map(text));
        values.push(integer(i64::from(take)));
        let of_plan = if range.plan.is_some() { format!(" AND {PLAN} = ?") } else { String::new() };
        let sql = format!("SELECT id, entry FROM {table} WHERE id > ? AND id < ?{of_plan} ORDER BY id LIMIT ?");
        let page = rows.exec(&sql, values)?;
        let is_last = page.len() < take as usize;
        for row in page {
            let Ok([Value::Text(id), Value::Text(entry)]) = <[_; 2]>::try_from(row) else {
                return Err(not_ours());
            };
            if found.len() == range.limit as usize {
                return Ok((found, Some(from)));
            }
            let entry: T = serde_json::from_str(&entry)?;
            if matches(&entry) {
                found.push(entry);
            }
            (from, examined) = (id, examined + 1);
        }
        if is_last {
            return Ok((found, None));
        }
        if examined >= MAX_EXAMINED {
            return Ok((found, Some(from)));
        }
    }
}

/// The first plan that is not in a table. It steps from plan to plan and not from entry to entry.
fn unknown_plan(rows: &Rows, table: &str, plans: &PlanTable) -> Result<Option<(String, String)>> {
    if !rows.exists()? {
        return Ok(None);
    }
    make(rows, table)?;
    let mut before = String::new();
    let next = format!("SELECT {PLAN}, id FROM {table} WHERE {PLAN} > ? ORDER BY {PLAN}, id LIMIT 1");
    while let Some(row) = rows.exec(&next, vec![text(&before)])?.pop() {
        let Ok([Value::Text(plan), Value::Text(id)]) = <[_; 2]>::try_from(row) else {
            return Err(not_ours());
        };
        if plans.get(&plan).is_none() {
            return Ok(Some((plan, id)));
        }
        before = plan;
    }
    Ok(None)
}

/// The ids of an account's keys are from the first of these to before the second.
fn ids_of(account: AccountId) -> (String, String) {
    (format!("key_{account}"), format!("key_{account}g"))
}

/// Greater than every id.
const END: &str = "~";
/// As the index by plan has it: SQLite uses the index for exactly this expression.
const PLAN: &str = "json_extract(entry, '$.plan')";
