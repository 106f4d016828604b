//! How exact a gateway's limit is: three attacks on a limit of 30, and what it says about when to come back.

use crate::load::connection::{Answer, Connection};
use crate::{interrupt, load};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::{sleep_until, timeout};

/// What the gateway is told to let through.
pub(crate) const LIMIT: u32 = 30;
/// The window of the burst.
pub(crate) const BURST_WINDOW: Duration = Duration::from_secs(60);
/// The window of the attacks that go beyond one window.
pub(crate) const EDGE_WINDOW: Duration = Duration::from_secs(5);

/// What the attacks across a window's end found.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// The most admissions that surely lay within one window, where a window's end is between them.
    pub(crate) boundary: usize,
    /// The same under a steady push.
    pub(crate) steady: usize,
    /// `Retry-After` half a second before the window's end, as refusals said it; `None` where one did not.
    pub(crate) told: Vec<Option<u64>>,
}

/// Sends 200 requests at once at a limit of 30 a minute: how many were admitted?
pub(crate) fn burst(address: SocketAddr, request: &[u8]) -> Result<usize> {
    let shots = run(volley(address, request, OFFERED, Instant::now() + OPENING))?;
    Ok(shots.iter().filter(|shot| shot.admitted()).count())
}

/// Two attacks on a limit of 30 per 5 s. Across the boundary: one request opens the window, 40 come half a second before
/// its end, 40 a quarter of a second after. The steady push: 40 at once, then 10 every quarter of a second for one window.
pub(crate) fn edge(address: SocketAddr, boundary: &[u8], steady: &[u8]) -> Result<Edge> {
    // On the clock's grid, so that windows that begin on it end at the same time as those that begin with a request.
    let start = next_on_grid(EDGE_WINDOW);
    let opener = start + Duration::from_millis(50);
    let before = start + EDGE_WINDOW - Duration::from_millis(500);
    let after = start + EDGE_WINDOW + QUARTER;
    let (opened, pressed, crossed) = run(async {
        tokio::try_join!(
            volley(address, boundary, 1, opener),
            volley(address, boundary, PUSH, before),
            volley(address, boundary, PUSH, after)
        )
    })?;
    let mut told: Vec<_> = pressed.iter().filter(|shot| shot.refused()).map(|shot| shot.retry_after()).collect();
    told.sort_unstable();
    told.dedup();
    let boundary = most_within(EDGE_WINDOW, &[opened, pressed, crossed].concat());

    let start = Instant::now() + OPENING;
    let steps = EDGE_WINDOW.as_millis() / QUARTER.as_millis();
    let mut volleys = vec![tokio_volley(address, steady, PUSH, start)];
    for step in 1..u32::try_from(steps).context("few steps")? {
        volleys.push(tokio_volley(address, steady, TRICKLE, start + QUARTER * step));
    }
    let shots = run(async {
        let mut shots = Vec::new();
        let volleys: Vec<_> = volleys.into_iter().map(tokio::spawn).collect();
        for volley in volleys {
            shots.extend(volley.await.context("a volley panicked")??);
        }
        Ok(shots)
    })?;
    Ok(Edge { boundary, steady: most_within(EDGE_WINDOW, &shots), told })
}

impl Edge {
    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        json!({"boundary": self.boundary, "steady": self.steady, "told": self.told})
    }
}

/// One request and what became of it.
#[derive(Clone, Debug)]
struct Shot {
    sent: Instant,
    /// When its answer was there; none if it did not come.
    answer: Option<(Instant, Answer)>,
}

impl Shot {
    fn admitted(&self) -> bool {
        self.answer.is_some_and(|(_, answer)| (200..300).contains(&answer.status))
    }

    fn refused(&self) -> bool {
        self.answer.is_some_and(|(_, answer)| answer.status == 429)
    }

    fn retry_after(&self) -> Option<u64> {
        self.answer?.1.retry_after
    }
}

/// Opens its connections a little earlier, then at `at` writes one request on each, back to back.
async fn volley(address: SocketAddr, request: &[u8], count: usize, at: Instant) -> Result<Vec<Shot>> {
    sleep_until((at - OPENING.min(at.saturating_duration_since(Instant::now()))).into()).await;
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(Connection::open(address).await.context("the gateway takes no connection")?);
    }
    sleep_until(at.into()).await;
    let mut answers = Vec::new();
    for mut connection in connections {
        let sent = Instant::now();
        let written = connection.send(request).await;
        answers.push((
            sent,
            tokio::spawn(async move {
                written.ok()?;
                let answer = timeout(PATIENCE, connection.receive()).await.ok()?.ok()?;
                Some((Instant::now(), answer))
            }),
        ));
    }
    let mut shots = Vec::new();
    for (sent, answer) in answers {
        shots.push(Shot { sent, answer: answer.await.context("a reader panicked")? });
    }
    Ok(shots)
}

/// A [`volley`] that owns its request.
fn tokio_volley(
    address: SocketAddr,
    request: &[u8],
    count: usize,
    at: Instant,
) -> impl Future<Output = Result<Vec<Shot>>> + use<> {
    let request = request.to_vec();
    async move { volley(address, &request, count, at).await }
}

/// The most admissions that surely fell into one span of `window`: sent after its start, answered before its end.
fn most_within(window: Duration, shots: &[Shot]) -> usize {
    let admitted: Vec<_> = shots.iter().filter(|shot| shot.admitted()).collect();
    let within = |start: Instant| {
        let ends = start + window;
        admitted.iter().filter(|shot| shot.sent >= start && shot.answer.is_some_and(|(at, _)| at <= ends)).count()
    };
    admitted.iter().map(|shot| within(shot.sent)).max().unwrap_or(0)
}

/// The next time at which the clock's seconds are a multiple of `step`, far enough off for the first connection.
fn next_on_grid(step: Duration) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
    let earliest = now + OPENING;
    let into = Duration::from_millis(u64::try_from(earliest.as_millis() % step.as_millis()).expect("less than a step"));
    Instant::now() + OPENING + (step - into)
}

fn run<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let done = load::runtime()?.block_on(async {
        tokio::select! { done = work => Some(done), () = interrupt::wait() => None }
    });
    interrupt::check();
    done.context("a signal came")?
}

const OFFERED: usize = 200;
const PUSH: usize = 40;
const TRICKLE: usize = 10;
const QUARTER: Duration = Duration::from_millis(250);
/// Connections are opened this much earlier than they are written to.
const OPENING: Duration = Duration::from_millis(200);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(8);
