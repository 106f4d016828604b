//! `GET /admin/v1/live`: what happens now; the same again and again, as events, at `/admin/v1/live/stream`; and `GET /metrics`,
//! for Prometheus. All of it is what the Meters tell.

use super::call::AdminCall;
use super::login;
use crate::call::{Answered, Call};
use crate::hop::gate;
use crate::hop::{Waits, meter};
use crate::platform::respond::HeaderList;
use crate::platform::{Env, Feed, Response, now, respond, sleep};
use sluice_protocol::measures::live::{LiveAsked, LiveView};
use sluice_protocol::measures::prometheus;
use sluice_protocol::measures::report::Span;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::time::Millis;
use sluice_protocol::wire::header;

pub(super) async fn view(call: &AdminCall<'_>) -> Answered {
    let asked = LiveAsked::parse(call.query, now())?;
    let view = told(call.env, asked).await.ok_or_else(|| gate::unavailable("no Meter tells anything"))?;
    Ok(respond::json(200, &view, call.id))
}

/// Events, each what has changed since the one before, for [`STREAM_MS`] at most. Who does not read is told no more.
pub(super) fn stream(call: &AdminCall<'_>) -> Answered {
    let asked = LiveAsked::parse(call.query, now())?;
    let mut headers = HeaderList::answer(call.id, header::EVENT_STREAM);
    headers.set(header::CACHE_CONTROL, "no-store");
    let env = call.env.clone();
    let began = Feed::begin().and_then(|feed| Ok((Response::of_feed(200, &headers.to_json(), &feed)?, feed)));
    Ok(began.map(|(response, feed)| {
        call.context.wait_until(async move { tell(&env, &feed, asked).await });
        response
    }))
}

/// What Prometheus reads. It needs the scope `metrics`, or one that looks at everything.
pub async fn metrics(call: &Call<'_>) -> Answered {
    if !login::admin(call).await?.scopes.allow("metrics", "GET") {
        return Err(Refusal::new(Reason::NotAllowed, "This admin does not have the scope `metrics`."));
    }
    let (reading, meters) = meter::read(call.env, Span::Sums, Waits::ForAWhile).await;
    // With less than all of it counters would fall, and rise again: Prometheus would take that for new requests.
    if meters < meter::ALL {
        return Err(gate::unavailable(&format!("{meters} of {} Meters tell anything", meter::ALL)));
    }
    let headers = HeaderList::answer(call.id, "text/plain; version=0.0.4; charset=utf-8");
    Ok(respond::respond(200, &headers, &prometheus::text(&reading, now())))
}

async fn tell(env: &Env, feed: &Feed, asked: LiveAsked) {
    let (began, mut asked, mut untaken) = (now(), asked, 0);
    while !feed.is_left() && untaken < MAX_UNTAKEN && now().abs_diff(began) < STREAM_MS {
        let told_at = now();
        if !feed.is_taken() {
            untaken += 1;
        } else if let Some(view) = told(env, asked).await {
            let told = serde_json::to_string(&view).expect("our own types have string keys and no failing serialisers");
            feed.push(format!("event: live\ndata: {told}\n\n").as_bytes());
            // What was counted in the last slot may not have been all of it, and what is not whole is told again.
            asked = if view.is_whole { asked.from(told_at) } else { asked };
            untaken = 0;
        } else {
            feed.push(b": no Meter tells anything\n\n");
        }
        sleep(TELL_MS).await;
    }
    feed.end();
}

async fn told(env: &Env, asked: LiveAsked) -> Option<LiveView> {
    let (reading, meters) = meter::read(env, asked.span(), Waits::ForAWhile).await;
    (meters > 0).then(|| LiveView::new(asked, &reading, meters == meter::ALL, now()))
}

/// How often something is told, in milliseconds. What isolates hand on every 2.5 seconds is so told within five.
const TELL_MS: u32 = 2_000;
/// How long one answer goes on; a page that still looks asks again.
const STREAM_MS: Millis = 600_000;
/// How often nothing is told to one who does not read, before that is the end.
const MAX_UNTAKEN: u32 = 30;
