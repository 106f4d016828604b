//! The rows of kept responses: one for each, and one for each conversation, which says when it was last gone on with.
//!
//! What is deleted leaves its id behind, as long as its conversation is kept: a message to keep it that comes late or twice
//! must not bring it back.

use crate::platform::rows::{Rows, Value, integer, not_ours, number, text};
use crate::platform::{Result, State};
use sluice_protocol::auth::pattern::{Pattern, all_mean};
use sluice_protocol::hop::responses_call::{
    Conversation, KeptCount, KeptResponse, ResponsesAnswer, decode_row, encode_row, leaving,
};
use sluice_protocol::id::{RequestId, ResponseId};
use sluice_protocol::request::bodies::responses::{Referred, Turn, output_of};
use sluice_protocol::time::Millis;

/// Both tables.
pub struct ResponseRows {
    responses: Rows,
    conversations: Rows,
}

impl ResponseRows {
    /// What is stored; there need not be anything.
    pub fn new(state: &State) -> Self {
        Self { responses: Rows::new(state, "responses"), conversations: Rows::new(state, "conversations") }
    }

    /// Forgets what is remembered of the storage.
    pub fn forget(&self) {
        self.responses.forget();
        self.conversations.forget();
    }

    /// Keeps one, unless it was kept or deleted before, and lets those go that have to: first what is over, which is what
    /// nobody has gone on with after `since`.
    pub fn keep(&self, id: ResponseId, kept: &KeptResponse, now: Millis, since: Millis) -> Result<()> {
        self.make()?;
        let find = "SELECT id FROM responses WHERE id = ?";
        if !self.responses.exec(find, vec![text(id.to_string())])?.is_empty() {
            return Ok(());
        }
        self.forget_until(since)?;
        let before = kept.previous.map(|previous| self.conversation_of(previous)).transpose()?.flatten();
        let conversation = before.unwrap_or_else(|| id.to_string());
        for gone in leaving(&self.conversations(&conversation)?, kept.size()) {
            self.remove(&gone)?;
        }
        let bytes = integer(kept.size() as i64);
        let put = "INSERT INTO responses (id, conversation, bytes, value) VALUES (?, ?, ?, ?)";
        let row = vec![text(id.to_string()), text(conversation.clone()), bytes.clone(), Value::Blob(encode_row(kept))];
        self.responses.exec(put, row)?;
        let put = "INSERT INTO conversations (id, at, responses, bytes) VALUES (?, ?, 1, ?) ON CONFLICT (id) DO UPDATE \
                   SET at = max(at, excluded.at), responses = responses + 1, bytes = bytes + excluded.bytes";
        self.conversations.exec(put, vec![text(conversation), integer(now as i64), bytes]).map(drop)
    }

    /// One that is kept, and that this caller may see.
    pub fn seen(&self, id: ResponseId, models: &[Vec<Pattern>], since: Millis) -> Result<Option<KeptResponse>> {
        if !self.responses.exists()? {
            return Ok(None);
        }
        let find = "SELECT value FROM responses JOIN conversations ON conversations.id = conversation \
                    WHERE responses.id = ? AND deleted_by IS NULL AND at > ?";
        let found = self.responses.exec(find, vec![text(id.to_string()), integer(since as i64)])?.pop();
        let Some(row) = found else { return Ok(None) };
        let Some(Value::Blob(value)) = row.into_iter().next() else { return Err(not_ours()) };
        let kept = decode_row(&value).map_err(|error| error.to_string())?;
        Ok(all_mean(models, &kept.model).then_some(kept))
    }

    /// Deletes one that this caller may see; whether this request has, now or before.
    pub fn delete(&self, id: ResponseId, models: &[Vec<Pattern>], request: RequestId, since: Millis) -> Result<bool> {
        let Some(kept) = self.seen(id, models, since)? else { return self.was_deleted_by(id, request) };
        let conversation = self.conversation_of(id)?.ok_or_else(not_ours)?;
        let empty = "UPDATE responses SET bytes = 0, value = x'', deleted_by = ? WHERE id = ?";
        self.responses.exec(empty, vec![text(request.to_string()), text(id.to_string())])?;
        let smaller = "UPDATE conversations SET bytes = bytes - ? WHERE id = ?";
        self.conversations.exec(smaller, vec![integer(kept.size() as i64), text(conversation)])?;
        Ok(true)
    }

    /// What a request goes on from.
    pub fn recall(
        &self,
        previous: Option<ResponseId>,
        named: &[ResponseId],
        models: &[Vec<Pattern>],
        since: Millis,
        most: u64,
    ) -> Result<ResponsesAnswer> {
        let (mut turns, mut next, mut room) = (Vec::new(), previous, most);
        while let Some(id) = next {
            let Some(kept) = self.seen(id, models, since)? else { return Ok(ResponsesAnswer::Missing) };
            next = kept.previous;
            let turn = turn_of(kept)?;
            let Some(left) = room.checked_sub(size(&turn)) else { return Ok(ResponsesAnswer::TooLong) };
            room = left;
            turns.push(turn);
        }
        turns.reverse();
        let mut found = Vec::new();
        for id in named {
            let Some(kept) = self.seen(*id, models, since)? else { continue };
            let turn = turn_of(kept)?;
            let Some(left) = room.checked_sub(size(&turn)) else { return Ok(ResponsesAnswer::TooLong) };
            room = left;
            found.push(Referred { id: *id, turn });
        }
        Ok(ResponsesAnswer::Recalled { turns, named: found })
    }

    /// How many are kept, and how large they are together.
    pub fn count(&self, since: Millis) -> Result<ResponsesAnswer> {
        let mut kept = KeptCount { count: 0, bytes: 0 };
        if self.responses.exists()? {
            let count = "SELECT count(*), coalesce(sum(responses.bytes), 0) FROM responses JOIN conversations \
                         ON conversations.id = conversation WHERE deleted_by IS NULL AND at > ?";
            let row = self.responses.exec(count, vec![integer(since as i64)])?.pop().unwrap_or_default();
            let [Value::Integer(count), Value::Integer(bytes)] = row[..] else { return Err(not_ours()) };
            kept = KeptCount { count: count as u64, bytes: bytes as u64 };
        }
        Ok(ResponsesAnswer::Counted(kept))
    }

    /// Forgets all conversations that nobody has gone on with after this time.
    pub fn forget_until(&self, until: Millis) -> Result<()> {
        if !self.conversations.exists()? {
            return Ok(());
        }
        let over = "SELECT id FROM conversations WHERE at <= ?";
        for row in self.conversations.exec(over, vec![integer(i64::try_from(until).unwrap_or(i64::MAX))])? {
            let Some(Value::Text(id)) = row.into_iter().next() else { return Err(not_ours()) };
            self.remove(&id)?;
        }
        Ok(())
    }

    /// When the conversation was last gone on with that was so longest ago, if there is any.
    pub fn oldest(&self) -> Result<Option<Millis>> {
        if !self.conversations.exists()? {
            return Ok(None);
        }
        let oldest = self.conversations.exec("SELECT at FROM conversations ORDER BY at LIMIT 1", Vec::new())?;
        Ok(oldest.first().and_then(|row| number(row.first()?)).map(|at| at as Millis))
    }

    fn make(&self) -> Result<()> {
        self.responses.make(
            "(id TEXT PRIMARY KEY, conversation TEXT NOT NULL, bytes INTEGER NOT NULL, deleted_by TEXT, \
             value BLOB NOT NULL) WITHOUT ROWID",
        )?;
        self.conversations.make(
            "(id TEXT PRIMARY KEY, at INTEGER NOT NULL, responses INTEGER NOT NULL, bytes INTEGER NOT NULL) \
             WITHOUT ROWID",
        )
    }

    /// The conversation that a response belongs to, also one that was deleted.
    fn conversation_of(&self, id: ResponseId) -> Result<Option<String>> {
        let find = "SELECT conversation FROM responses WHERE id = ?";
        match self.responses.exec(find, vec![text(id.to_string())])?.pop().and_then(|row| row.into_iter().next()) {
            None => Ok(None),
            Some(Value::Text(conversation)) => Ok(Some(conversation)),
            Some(_) => Err(not_ours()),
        }
    }

    /// All of them, the one first that was gone on with longest ago; this one, which is gone on with now, last.
    fn conversations(&self, last: &str) -> Result<Vec<Conversation<String>>> {
        let all = "SELECT id, responses, bytes FROM conversations ORDER BY id = ?, at, id";
        let read = |row: Vec<Value>| match <[Value; 3]>::try_from(row) {
            Ok([Value::Text(id), Value::Integer(responses), Value::Integer(bytes)]) => {
                Ok(Conversation { id, responses: responses as u64, bytes: bytes as u64 })
            }
            _ => Err(not_ours()),
        };
        self.conversations.exec(all, vec![text(last)])?.into_iter().map(read).collect()
    }

    fn remove(&self, conversation: &str) -> Result<()> {
        self.responses.exec("DELETE FROM responses WHERE conversation = ?", vec![text(conversation)])?;
        self.conversations.exec("DELETE FROM conversations WHERE id = ?", vec![text(conversation)]).map(drop)
    }

    fn was_deleted_by(&self, id: ResponseId, request: RequestId) -> Result<bool> {
        if !self.responses.exists()? {
            return Ok(false);
        }
        let find = "SELECT id FROM responses WHERE id = ? AND deleted_by = ?";
        Ok(!self.responses.exec(find, vec![text(id.to_string()), text(request.to_string())])?.is_empty())
    }
}

fn turn_of(kept: KeptResponse) -> Result<Turn> {
    let output = output_of(&kept.answer).ok_or_else(not_ours)?.to_owned();
    Ok(Turn { input: kept.input, output })
}

fn size(turn: &Turn) -> u64 {
    (turn.input.len() + turn.output.len()) as u64
}
