//! This isolate's spans, on their way to a collector: by two tasks at most, and never in a request's way. A collector that is
//! slow, fails or says too much costs spans, which are counted, and nothing else.

use crate::platform::deadline::Deadline;
use crate::platform::head::Head;
use crate::platform::respond::{self, HeaderList};
use crate::platform::{self, Body, Context, isolate_local, sleep};
use crate::telemetry::{self, traces};
use sluice_protocol::telemetry::Line;
use sluice_protocol::telemetry::trace::collector::{Verdict, verdict};
use sluice_protocol::telemetry::trace::json::{Service, export};
use sluice_protocol::telemetry::trace::queue::{Pace, WAIT_MS};
use sluice_protocol::telemetry::trace::setting::Export;
use sluice_protocol::telemetry::trace::span::Span;
use sluice_protocol::time::Millis;
use sluice_protocol::wire::header;
use std::cell::Cell;
use std::rc::Rc;

/// Exports in a while what waits until then, or at once what fills a batch, unless somebody is about to.
pub fn hand_over(context: &Context, to: Option<&Rc<Export>>) {
    let Some((to, pace)) = to.and_then(|to| Some((to.clone(), traces::begin()?))) else { return };
    context.wait_until(async move {
        for turn in 1..=MAX_IN_A_ROW + LEFT_OVER {
            // What has come while the last of them went has nobody else to send it: it does not wait.
            if pace == Pace::Later && turn <= MAX_IN_A_ROW {
                sleep(WAIT_MS as u32).await;
            }
            if !send(&to, pace, turn < MAX_IN_A_ROW + LEFT_OVER).await {
                return;
            }
        }
    });
}

/// Exports what waits, from an object: it waits for nothing but the collector.
pub async fn hand_over_now(to: Option<&Rc<Export>>) {
    if let Some(to) = to
        && let Some(pace) = traces::begin_now()
    {
        send(to, pace, false).await;
    }
}

/// Sends what there is for one batch. Whether whoever sends it has to go on, if they would.
async fn send(to: &Export, pace: Pace, goes_on: bool) -> bool {
    let spans = traces::take(pace);
    if spans.is_empty() {
        return traces::sent(pace, 0, goes_on);
    }
    let lost = match offer(to, &spans).await {
        Ok(lost) => lost,
        Err(why) => {
            trouble(why);
            spans.len() as u64
        }
    };
    // A collector that fails is not sent one batch after the other.
    let may_go_on = pace == Pace::Later || lost < spans.len() as u64;
    traces::sent(pace, lost, goes_on && may_go_on)
}

/// How many of them were not taken, or why none was.
async fn offer(to: &Export, spans: &[Span]) -> Result<u64, String> {
    let body = Body::of_bytes(export(SERVICE, spans).as_bytes());
    match post(to, &body).await? {
        (Verdict::Taken(lost), _) => return Ok(lost),
        (Verdict::Refused, status) => return Err(answered(status)),
        (Verdict::Again(ms), _) => sleep(u32::try_from(ms).unwrap_or(u32::MAX)).await,
    }
    match post(to, &body).await? {
        (Verdict::Taken(lost), _) => Ok(lost),
        (Verdict::Refused | Verdict::Again(_), status) => Err(answered(status)),
    }
}

/// Sends a batch once. Redirects are not followed. What is said of a failure names no URL and no header.
async fn post(to: &Export, body: &Body) -> Result<(Verdict, u16), String> {
    let mut headers = HeaderList::new();
    to.headers.iter().for_each(|(name, value)| headers.set(name, value));
    headers.set(header::CONTENT_TYPE, respond::JSON);
    let unreached = || "it cannot be reached".to_owned();
    let deadline = Deadline::new(None).map_err(|_| unreached())?;
    let sent = platform::fetch_from_origin(BINDING, &to.url, "POST", &headers.to_json(), Some(body));
    let sent = sent.map_err(|_| unreached())?;
    deadline.set(COLLECTOR_MS);
    let response = deadline.limit(sent).await.ok_or_else(|| format!("no answer within {COLLECTOR_MS} ms"))?;
    let response = response.map_err(|_| unreached())?;
    let head: Head = response.head();
    // Of an answer that is long, or never ends, the status is all that counts.
    let said = match deadline.limit(Body::of_response(&response, MAX_ANSWER_BYTES)).await {
        Some(Ok(body)) => body.bytes(),
        _ => Vec::new(),
    };
    Ok((verdict(head.status(), head.get(header::RETRY_AFTER), &said), head.status()))
}

fn answered(status: u16) -> String {
    format!("it answers {status}")
}

/// Writes it down, once in a while: a collector that is away for hours is not to fill the log.
fn trouble(why: String) {
    isolate_local! {
        static WRITTEN_AT: Cell<Millis> = const { Cell::new(0) };
    }
    let now = platform::now();
    if now.abs_diff(WRITTEN_AT.get()) >= TROUBLE_MS {
        WRITTEN_AT.set(now);
        telemetry::write(&Line::trouble("spans are lost: the collector does not take them", why));
    }
}

/// Who exports.
const SERVICE: Service = Service { name: "sluice-edge", version: env!("CARGO_PKG_VERSION") };
/// The name of the binding that is the way to the collector, if there is one.
const BINDING: &str = "OTLP";
/// How long a collector may take to answer, in milliseconds.
const COLLECTOR_MS: u32 = 5_000;
/// How much of its answer is looked at, in bytes.
const MAX_ANSWER_BYTES: u64 = 4 << 10;
/// How often one task sends. A platform ends a task in the end, and the next request begins another.
const MAX_IN_A_ROW: u32 = 8;
/// How many batches it sends after those: as many as may wait.
const LEFT_OVER: u32 = 4;
/// How often it is written down that nothing is taken, in milliseconds.
const TROUBLE_MS: Millis = 60_000;
