//! What jobs answer. There is no await in here: nothing else runs in the object meanwhile.

use super::carry::Carry;
use super::rows::Found;
use super::{Bounds, Jobs};
use crate::platform::{self, Result};
use sluice_protocol::auth::pattern::all_mean;
use sluice_protocol::jobs::background::{Background, Deletion, NewResponse, Seen};
use sluice_protocol::jobs::batch::{Batch, NewBatch};
use sluice_protocol::jobs::call::{COMING_MS, JobsAnswer, JobsCall, Overview, ResponseCall, UnansweredResponse};
use sluice_protocol::jobs::file::{PART_BYTES, StoredFile};
use sluice_protocol::jobs::name::{BatchId, FileId};
use sluice_protocol::jobs::work::Work;
use sluice_protocol::time::Millis;

impl<C: Carry> Jobs<C> {
    /// Does what a message wants.
    pub(super) fn done(&self, call: JobsCall, bounds: Bounds) -> Result<JobsAnswer> {
        let needs_none =
            matches!(call, JobsCall::BeginFile(_) | JobsCall::Response(_) | JobsCall::Clear | JobsCall::Overview);
        if !needs_none && !self.rows.exist()? {
            return Ok(match call {
                JobsCall::ListFiles { .. } => JobsAnswer::Files(Default::default()),
                JobsCall::ListBatches { .. } => JobsAnswer::Batches(Default::default()),
                _ => JobsAnswer::Missing,
            });
        }
        let now = platform::now();
        match call {
            JobsCall::BeginFile(file) => self.together(|| self.begin(&file, bounds, now)),
            JobsCall::PutPart { file, part, data } => self.put_part(file, part, data, now),
            JobsCall::EndFile { file } => self.together(|| self.end_file(file, bounds, now)),
            JobsCall::GetFile { file, subject } => {
                Ok(self.own_file(file, &subject, now)?.map_or(JobsAnswer::Missing, JobsAnswer::File))
            }
            JobsCall::ListFiles { subject, purpose, page } => {
                Ok(JobsAnswer::Files(self.rows.list_files(&subject, purpose, page, now)?))
            }
            JobsCall::ReadPart { file, part, subject } => {
                let own = self.own_file(file, &subject, now)?;
                let part = own.map(|_| self.rows.part(file, part)).transpose()?.flatten();
                Ok(part.map_or(JobsAnswer::Missing, JobsAnswer::Part))
            }
            JobsCall::DeleteFile { file, subject } => match self.own_file(file, &subject, now)? {
                Some(_) => self.together(|| self.rows.delete_file(file)).map(|()| JobsAnswer::Done),
                None => Ok(JobsAnswer::Missing),
            },
            JobsCall::CreateBatch(asked) => self.together(|| self.create(&asked, bounds, now)),
            JobsCall::GetBatch { batch, subject } => {
                let own = self.own_batch(batch, &subject)?;
                Ok(own.map_or(JobsAnswer::Missing, |batch| JobsAnswer::Batch(Box::new(batch))))
            }
            JobsCall::ListBatches { subject, page } => Ok(JobsAnswer::Batches(self.rows.list_batches(&subject, page)?)),
            JobsCall::CancelBatch { batch, subject } => {
                self.together(|| self.cancel(self.own_batch(batch, &subject)?, bounds, now))
            }
            JobsCall::EndBatch { batch } => self.together(|| self.cancel(self.rows.batch(batch)?, bounds, now)),
            JobsCall::Overview => {
                let (room, batches) = (self.rows.room()?, self.rows.latest_batches()?);
                Ok(JobsAnswer::Overview(Box::new(Overview { room, batches })))
            }
            JobsCall::Clear => {
                self.responder.abort_all();
                self.together(|| self.rows.clear()).map(|()| JobsAnswer::Done)
            }
            JobsCall::Response(call) => {
                let answer = self.together(|| self.about_response(&call, bounds, now))?;
                // What is wanted is kept by now, whatever comes of the request that it ends.
                call.ends().map_or(Ok(()), |id| self.responder.abort_unwanted(id))?;
                Ok(answer)
            }
        }
    }

    fn about_response(&self, call: &ResponseCall, bounds: Bounds, now: Millis) -> Result<JobsAnswer> {
        let (id, models) = match call {
            ResponseCall::Start(new) => return self.start(new, bounds, now),
            ResponseCall::Get { id, models }
            | ResponseCall::Cancel { id, models }
            | ResponseCall::Delete { id, models, .. } => (*id, models),
        };
        let found = self.rows.responses.find(id)?;
        let found = found.filter(|found| all_mean(models, &found.response.asked.model));
        let Some(Found { mut response, work }) = found else { return Ok(JobsAnswer::Missing) };
        let (before, mut deletion) = ((response.wish, response.end.clone()), None);
        match (call, &work) {
            (ResponseCall::Cancel { .. }, Some(work)) => _ = response.cancel(work),
            (ResponseCall::Delete { request, .. }, _) => deletion = Some(response.delete(work.as_ref(), *request)),
            _ => {}
        }
        if (response.wish, response.end.clone()) != before {
            self.rows.responses.put(&response, work.as_ref(), now.saturating_add(bounds.kept_ms))?;
        }
        Ok(match deletion {
            Some(Deletion::Done) => JobsAnswer::Done,
            Some(Deletion::Kept) => JobsAnswer::Kept,
            Some(Deletion::Nothing) => JobsAnswer::Missing,
            None => seen(&response, work.as_ref()),
        })
    }

    fn start(&self, new: &NewResponse, bounds: Bounds, now: Millis) -> Result<JobsAnswer> {
        let (asked, rows) = (&new.asked, &self.rows.responses);
        if let Some(Found { response, work }) = rows.find(asked.id)? {
            return Ok(seen(&response, work.as_ref()));
        }
        let bytes = (asked.input.len() + asked.told.len() + new.body.len()) as u64;
        if let Err(full) = self.rows.room()?.check_response(bytes, bounds.bytes) {
            return Ok(JobsAnswer::Full(full));
        }
        let (response, work) = (Background::new(asked.clone(), now), Work::new(String::new(), new.body.clone()));
        rows.begin(&response, &work, bytes)?;
        Ok(seen(&response, Some(&work)))
    }

    fn begin(&self, file: &StoredFile, bounds: Bounds, now: Millis) -> Result<JobsAnswer> {
        self.rows.make()?;
        // It has come before.
        if self.rows.file(file.id, false, now)?.is_none() {
            if let Err(full) = self.rows.room()?.check_file(file.bytes, bounds.bytes) {
                return Ok(JobsAnswer::Full(full));
            }
            let file = StoredFile { created_at: now, expires_at: now.saturating_add(bounds.kept_ms), ..file.clone() };
            self.rows.put_file(&file, false, now.saturating_add(COMING_MS))?;
        }
        Ok(JobsAnswer::Done)
    }

    fn put_part(&self, file: FileId, part: u32, data: Vec<u8>, now: Millis) -> Result<JobsAnswer> {
        let is_coming = self.rows.file(file, false, now)?.is_some_and(|file| part < file.parts);
        // One that comes again finds its file whole.
        if is_coming && data.len() <= PART_BYTES {
            self.rows.put_part(file, part, data)?;
        }
        Ok(JobsAnswer::Done)
    }

    fn end_file(&self, id: FileId, bounds: Bounds, now: Millis) -> Result<JobsAnswer> {
        if let Some(file) = self.rows.file(id, true, now)? {
            return Ok(JobsAnswer::File(file));
        }
        let coming = self.rows.file(id, false, now)?;
        let Some(file) = coming else { return Ok(JobsAnswer::Missing) };
        if self.rows.count_parts(id)? != file.parts {
            return Ok(JobsAnswer::Missing);
        }
        self.rows.put_file(&file, true, now.saturating_add(bounds.kept_ms))?;
        Ok(JobsAnswer::File(file))
    }

    fn create(&self, asked: &NewBatch, bounds: Bounds, now: Millis) -> Result<JobsAnswer> {
        if let Some(batch) = self.rows.batch(asked.id)? {
            return Ok(JobsAnswer::Batch(Box::new(batch)));
        }
        let Some(file) = self.own_file(asked.input, &asked.owner.subject, now)? else {
            return Ok(JobsAnswer::Missing);
        };
        if let Err(full) = self.rows.room()?.check_batch(file.bytes, bounds.bytes) {
            return Ok(JobsAnswer::Full(full));
        }
        let batch = Batch::new(asked.clone(), now);
        self.rows.put_batch(&batch, now.saturating_add(bounds.kept_ms), Some(file.bytes))?;
        Ok(JobsAnswer::Batch(Box::new(batch)))
    }

    fn cancel(&self, batch: Option<Batch>, bounds: Bounds, now: Millis) -> Result<JobsAnswer> {
        let Some(mut batch) = batch else { return Ok(JobsAnswer::Missing) };
        if batch.cancel(now).is_err() {
            return Ok(JobsAnswer::NotCancelled(batch.status));
        }
        self.rows.put_batch(&batch, now.saturating_add(bounds.kept_ms), None)?;
        Ok(JobsAnswer::Batch(Box::new(batch)))
    }

    fn own_file(&self, id: FileId, subject: &str, now: Millis) -> Result<Option<StoredFile>> {
        Ok(self.rows.file(id, true, now)?.filter(|file| file.subject == subject))
    }

    fn own_batch(&self, id: BatchId, subject: &str) -> Result<Option<Batch>> {
        Ok(self.rows.batch(id)?.filter(|batch| batch.asked.owner.subject == subject))
    }
}

fn seen(response: &Background, work: Option<&Work>) -> JobsAnswer {
    match response.seen(work) {
        Seen::Nothing => JobsAnswer::Missing,
        Seen::Kept => JobsAnswer::Kept,
        Seen::So(status) => {
            let (told, input) = (response.told(status), response.asked.input.clone());
            JobsAnswer::Response(Box::new(UnansweredResponse { status, told, input }))
        }
    }
}
