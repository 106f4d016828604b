//! What the edge and an account's jobs say to each other, what lies in their rows, and what callers are told: a change of
//! the first two needs a new version byte.

use super::golden;
use sluice_protocol::admin::jobs::JobsView;
use sluice_protocol::auth::permission::Permissions;
use sluice_protocol::hop::gate_call::Caller;
use sluice_protocol::id::{RequestId, ResponseId, hex};
use sluice_protocol::jobs::VERSION;
use sluice_protocol::jobs::background::{Background, End, NewResponse, ResponseAsked, encode_background, queued};
use sluice_protocol::jobs::batch::{Batch, NewBatch, Status, encode_batch};
use sluice_protocol::jobs::call::{
    JobsAnswer, JobsCall, Listed, Overview, Page, ResponseCall, UnansweredResponse, encode_answer, encode_call,
};
use sluice_protocol::jobs::file::{Full, Purpose, Room, StoredFile, encode_file};
use sluice_protocol::jobs::line::{BatchDoor, LineError};
use sluice_protocol::jobs::name::{BatchId, FileId};
use sluice_protocol::jobs::owner::Owner;
use sluice_protocol::jobs::tell;
use sluice_protocol::jobs::work::{Outcome, Why, Work, encode_work};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::responses::Status as ResponseStatus;
use std::collections::BTreeMap;

const NOW: u64 = 1_795_946_591_000;

fn asked() -> NewBatch {
    NewBatch {
        id: BatchId([1; 16]),
        owner: Owner {
            account: "acct:a1a1a1a1a1a1a1a1".into(),
            caller: Caller::Short { key: [0xb2; 4], mark: [3; 8] },
            key: Some([0xb2; 4]),
            address: "203.0.113.7".parse().ok(),
            permissions: Permissions::default(),
            subject: "key_a1a1a1a1a1a1a1a1b2b2b2b2".into(),
        },
        door: BatchDoor::Chat,
        input: FileId([2; 16]),
        metadata: BTreeMap::from([("run".to_owned(), "7".to_owned())]),
    }
}

fn file() -> StoredFile {
    StoredFile {
        id: FileId([2; 16]),
        subject: asked().owner.subject,
        name: "lines.jsonl".into(),
        purpose: Purpose::Batch,
        bytes: 600_000,
        parts: 2,
        created_at: NOW,
        expires_at: NOW + 604_800_000,
    }
}

fn answered() -> Outcome {
    Outcome::Answered { request: RequestId([7; 16]), body: r#"{"choices": []}"#.into() }
}

/// How a batch is at each of its steps.
fn batches() -> Vec<Batch> {
    let mut all = vec![Batch::new(asked(), NOW)];
    let mut failed = all[0].clone();
    let error = LineError::new("mismatched_url", "`url` must be the batch's endpoint.", Some("url"), Some(7));
    failed.validated(0, vec![error], NOW + 1_000);
    let mut running = all[0].clone();
    running.validated(2, Vec::new(), NOW + 1_000);
    let mut cancelling = running.clone();
    cancelling.line_is_over(&answered(), NOW + 2_000);
    cancelling.cancel(NOW + 3_000).unwrap();
    let mut cancelled = cancelling.clone();
    cancelled.line_is_over(&Outcome::Unanswered(Why::Cancelled), NOW + 4_000);
    cancelled.written.output.parts = 1;
    cancelled.written.errors.parts = 1;
    let finalizing = cancelled.clone();
    cancelled.finalize(NOW + 5_000);
    assert_eq!(cancelled.status, Status::Cancelled);
    all.extend([failed, running, cancelling, finalizing, cancelled]);
    all
}

const RESPONSE: ResponseId = ResponseId(RequestId([8; 16]));

fn response() -> ResponseAsked {
    let told = queued(RESPONSE, NOW, "tiny", br#"{"model":"tiny","input":"Hi","store":true}"#).unwrap();
    let (owner, model) = (asked().owner, "tiny".into());
    ResponseAsked { id: RESPONSE, owner, model, previous: None, input: "[]".into(), told }
}

/// How a response in the background is at each of its steps.
fn responses() -> Vec<Background> {
    let (mut sent, mut waiting) = (Work::new(String::new(), "{}".into()), Background::new(response(), NOW));
    sent.send(RequestId([7; 16]), NOW, NOW + 1);
    let mut cancelling = waiting.clone();
    cancelling.cancel(&sent);
    let mut failed = waiting.clone();
    failed.refuse(&Work::new(String::new(), String::new()), &Refusal::new(Reason::ModelNotFound, "There is none."));
    let mut deleted = waiting.clone();
    deleted.delete(None, RequestId([9; 16]));
    (waiting.is_keeping, waiting.is_kept) = (true, true);
    let kept = Background { end: Some(End::Kept), ..waiting.clone() };
    vec![Background::new(response(), NOW), cancelling, failed, deleted, waiting, kept]
}

fn overview() -> Overview {
    Overview { room: Room { files: 2, bytes: 600_000, batches: 1, responses: 3 }, batches: batches() }
}

#[test]
fn an_admin_sees_how_far_batches_are() {
    let view = JobsView::new("acct:a1a1a1a1a1a1a1a1", &overview());
    let told = serde_json::to_string_pretty(&view).unwrap();
    assert_eq!(serde_json::from_str::<JobsView>(&told).unwrap(), view);
    golden("admin_jobs.json", &format!("{told}\n"));
}

#[test]
fn a_response_in_the_background_has_the_shape_of_openai_s() {
    let [waiting, cancelling, failed, ..] = &responses()[..] else { panic!("there are more") };
    let told = [
        waiting.told(ResponseStatus::Queued),
        waiting.told(ResponseStatus::InProgress),
        cancelling.told(ResponseStatus::Cancelled),
        failed.told(ResponseStatus::Failed),
    ];
    let told: Vec<serde_json::Value> = told.iter().map(|told| serde_json::from_str(told).unwrap()).collect();
    golden("job_responses.json", &format!("{}\n", serde_json::to_string_pretty(&told).unwrap()));
}

#[test]
fn files_and_batches_have_the_shape_of_openai_s() {
    let pretty = |value: &serde_json::Value| format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    golden("job_file.json", &pretty(&tell::file(&file())));
    golden("job_file_deleted.json", &pretty(&tell::deleted(&file().id.to_string())));
    let files = Listed { data: vec![file()], has_more: true };
    golden("job_file_list.json", &pretty(&tell::list(&files, tell::file)));
    let batches = Listed { data: batches(), has_more: false };
    golden("job_batch_list.json", &pretty(&tell::list(&batches, tell::batch)));
    let refused = Outcome::Refused { request: RequestId([7; 16]), status: 4, body: r#"{"error": {}}"#.into() };
    let outcomes = [answered(), refused, Outcome::Unanswered(Why::Lost)];
    let id = asked().id.to_string();
    let results = outcomes.iter().zip(0..).map(|(outcome, number)| tell::result(&id, number, "a \"b\"", outcome));
    golden("job_results.jsonl", &results.collect::<String>());
}

#[test]
fn the_messages_and_rows_of_jobs() {
    let (batch, id, subject) = (BatchId([1; 16]), FileId([2; 16]), asked().owner.subject);
    let page = Page { limit: 20, after: Some(id), ascending: true };
    let calls = [
        JobsCall::BeginFile(file()),
        JobsCall::PutPart { file: id, part: 1, data: b"{}".to_vec() },
        JobsCall::EndFile { file: id },
        JobsCall::GetFile { file: id, subject: subject.clone() },
        JobsCall::ListFiles { subject: subject.clone(), purpose: Some(Purpose::BatchOutput), page },
        JobsCall::ReadPart { file: id, part: 1, subject: subject.clone() },
        JobsCall::DeleteFile { file: id, subject: subject.clone() },
        JobsCall::CreateBatch(Box::new(asked())),
        JobsCall::GetBatch { batch, subject: subject.clone() },
        JobsCall::ListBatches { subject: subject.clone(), page: Page { limit: 1, after: None, ascending: false } },
        JobsCall::CancelBatch { batch, subject },
        JobsCall::Clear,
        JobsCall::Response(ResponseCall::Start(Box::new(NewResponse { asked: response(), body: "{}".into() }))),
        JobsCall::Response(ResponseCall::Get { id: RESPONSE, models: vec![Vec::new()] }),
        JobsCall::Response(ResponseCall::Cancel { id: RESPONSE, models: Vec::new() }),
        JobsCall::Response(ResponseCall::Delete { id: RESPONSE, models: Vec::new(), request: RequestId([9; 16]) }),
        JobsCall::Overview,
        JobsCall::EndBatch { batch },
    ];
    let some = batches();
    let answers = [
        JobsAnswer::Done,
        JobsAnswer::Missing,
        JobsAnswer::Full(Full::Bytes(7)),
        JobsAnswer::File(file()),
        JobsAnswer::Files(Listed { data: vec![file()], has_more: true }),
        JobsAnswer::Part(b"{}".to_vec()),
        JobsAnswer::Batch(Box::new(some[1].clone())),
        JobsAnswer::Batches(Listed { data: some.clone(), has_more: false }),
        JobsAnswer::NotCancelled(Status::Completed),
        JobsAnswer::Off,
        JobsAnswer::Response(Box::new(UnansweredResponse {
            status: ResponseStatus::Queued,
            told: "{}".into(),
            input: "[]".into(),
        })),
        JobsAnswer::Kept,
        JobsAnswer::Full(Full::Responses(7)),
        JobsAnswer::Overview(Box::new(overview())),
    ];
    let mut work = Work::new("a".into(), "{}".into());
    let mut works = vec![encode_work(&work)];
    work.send(RequestId([7; 16]), NOW, NOW + 1);
    works.push(encode_work(&work));
    work.tell(RequestId([7; 16]), answered());
    works.push(encode_work(&work));
    work.settle();
    works.push(encode_work(&work));
    let calls = calls.iter().map(|call| hex(&encode_call(call)));
    let answers = answers.iter().map(|answer| hex(&encode_answer(answer)));
    let responses = responses();
    let responses = responses.iter().map(encode_background);
    let rows = some.iter().map(encode_batch).chain([encode_file(&file())]).chain(works).chain(responses);
    let rows = rows.map(|row| hex(&row));
    let lines: Vec<String> = calls.chain(answers).chain(rows).collect();
    golden(&format!("jobs.v{VERSION}.hex"), &format!("{}\n", lines.join("\n")));
}
