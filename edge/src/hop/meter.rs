//! What this isolate has counted, on its way to its Meter: by one task at a time, and never in a request's way.

use crate::hop::{self, Waits, alerts};
use crate::platform::objects::Unanswered;
use crate::platform::{Context, Env, sleep};
use crate::telemetry::{self, measures};
use futures_util::future::join_all;
use sluice_protocol::measures::call::{MeterAnswer, MeterCall};
use sluice_protocol::measures::meter::Reading;
use sluice_protocol::measures::report::{IsolateState, OriginSeen, Span, decode, encode};
use sluice_protocol::measures::{HAND_OVER_MS, METERS, meter_names, meter_of};
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;

/// How what is counted is handed on, by the settings.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Whether somebody is to be told of alerts.
    pub is_watched: bool,
    /// For how long requests are kept, in milliseconds; 0 if none is.
    pub kept_ms: Millis,
}

/// Hands on in a while what is counted until then, unless somebody is about to. `origins`: how they are then.
pub fn hand_over(env: &Env, context: &Context, origins: impl Fn() -> Vec<OriginSeen> + 'static, how: How) {
    if !measures::begin() {
        return;
    }
    let env = env.clone();
    context.wait_until(async move {
        for turn in 1..=MAX_IN_A_ROW {
            sleep(HAND_OVER_MS as u32).await;
            let mut goes_on = send(&env, origins(), how.kept_ms, Waits::ForAWhile, turn < MAX_IN_A_ROW).await;
            if turn == MAX_IN_A_ROW && measures::has_news() {
                // What was sent in vain before is taken now, perhaps, and what came since has nobody else to send it.
                goes_on = send(&env, origins(), how.kept_ms, Waits::ForAWhile, false).await;
            }
            if how.is_watched {
                alerts::look(&env, Waits::ForAWhile).await;
            }
            if !goes_on {
                return;
            }
        }
    });
}

/// Hands on now what was counted, from an object, if that has had its time: an object sets no timer.
pub async fn hand_over_now(env: &Env, origins: impl FnOnce() -> Vec<OriginSeen>, how: How) {
    if measures::begin_now() {
        send(env, origins(), how.kept_ms, Waits::AsLongAsItTakes, false).await;
        if how.is_watched {
            alerts::look(env, Waits::AsLongAsItTakes).await;
        }
    }
}

/// What all Meters tell, and how many of them did. One that cannot be asked is not in the way of the others.
pub async fn read(env: &Env, span: Span, waits: Waits) -> (Reading, usize) {
    let asked = meter_names().map(|name| async move {
        match ask(env, &name, &MeterCall::Read(span), waits).await {
            Ok(MeterAnswer::Read(reading)) => Some(*reading),
            Ok(_) => None,
            Err(failed) => {
                telemetry::write(&Line::trouble(format!("{name} tells nothing"), failed.why));
                None
            }
        }
    });
    let told: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
    let meters = told.len();
    let mut all = Reading::default();
    told.into_iter().for_each(|reading| all.merge(reading));
    (all, meters)
}

/// The rows of the requests that all Meters keep. The error says which one cannot be asked: what one of them has belongs to
/// accounts of the others.
pub async fn read_kept(env: &Env) -> Result<Vec<Vec<u8>>, String> {
    let asked = meter_names().map(|name| async move {
        match ask(env, &name, &MeterCall::ReadKept, Waits::ForAWhile).await {
            Ok(MeterAnswer::Kept(rows)) => Ok(rows),
            Ok(_) => Err(format!("{name} gave another answer than its rows")),
            Err(failed) => Err(format!("{name} tells nothing: {}", failed.why)),
        }
    });
    let mut all = Vec::new();
    for rows in join_all(asked).await {
        all.extend(rows?);
    }
    Ok(all)
}

/// Sends what there is. Whether whoever sends it has to go on, if they would.
async fn send(env: &Env, origins: Vec<OriginSeen>, kept_ms: Millis, waits: Waits, goes_on: bool) -> bool {
    let report = measures::report(IsolateState { in_flight: 0, origins }, kept_ms);
    let (number, meter) = (report.number, meter_of(report.isolate));
    let told = ask(env, &meter, &MeterCall::Take(Box::new(report)), waits).await;
    if let Err(failed) = &told {
        telemetry::write(&Line::trouble(format!("{meter} is not told"), failed.why.clone()));
    }
    measures::handed_over(number, matches!(told, Ok(MeterAnswer::Taken)), goes_on)
}

async fn ask(env: &Env, meter: &str, call: &MeterCall, waits: Waits) -> Result<MeterAnswer, Unanswered> {
    let message = encode(call);
    let answer = hop::call_waiting(env, "METER", meter, &message, (waits, METER_MS)).await?;
    decode(&answer).map_err(|error| Unanswered::own(error.to_string()))
}

/// How many Meters there are.
pub const ALL: usize = METERS as usize;
/// How long a Meter may take to answer, in milliseconds.
const METER_MS: u32 = 5_000;
/// How often one task hands on. A platform ends a task in the end, and the next request begins another.
const MAX_IN_A_ROW: u32 = 8;
