//! One key's load on the gateway: all at once, until the window is full, or at a pace; never more than was announced.

use crate::http::{Answer, Begun, Clock, Connection};
use crate::judge::headers::Told;
use crate::observation::{Decision, Observation, Wait};
use crate::options::Target;
use serde_json::json;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{fmt, io};

/// The gateway under audit.
pub(crate) struct Gateway {
    /// Where it is.
    pub(crate) target: Target,
    /// What the times are distances on.
    pub(crate) clock: Clock,
    /// The model that requests name.
    pub(crate) model: String,
    /// The status of its refusals.
    pub(crate) refused_with: u16,
    /// How long streams are.
    pub(crate) stream_tokens: u32,
    /// How many requests it claims to admit at once, if it claims that.
    pub(crate) parallel: Option<usize>,
    /// How many requests were sent.
    pub(crate) sent: AtomicUsize,
}

/// Why a check ended before it knew.
#[derive(Debug)]
pub(crate) enum Stop {
    /// All requests that were announced for it have been sent.
    Requests,
    /// The time that was announced for it is over.
    Time,
    /// The gateway wants something else: a key, a model, another path.
    Unusable(u16, String),
    /// A connection failed.
    Broken(io::Error),
}

/// One key, and what it may send.
pub(crate) struct Caller<'a> {
    /// Whom it calls.
    pub(crate) gateway: &'a Gateway,
    request: Vec<u8>,
    stream: Vec<u8>,
    left: AtomicUsize,
    deadline: Duration,
}

impl<'a> Caller<'a> {
    /// May send so many requests until then.
    pub(crate) fn new(gateway: &'a Gateway, key: &str, requests: usize, deadline: Duration) -> Self {
        let request = gateway.request(key, 1, false);
        let stream = gateway.request(key, gateway.stream_tokens, true);
        Self { gateway, request, stream, left: requests.into(), deadline }
    }

    /// The time.
    pub(crate) fn now(&self) -> Duration {
        self.gateway.clock.now()
    }

    /// Waits until then, if that is within its time.
    pub(crate) fn wait_until(&self, time: Duration) -> Result<(), Stop> {
        if time > self.deadline {
            return Err(Stop::Time);
        }
        self.gateway.clock.wait_until(time);
        Ok(())
    }

    /// Waits for so long.
    pub(crate) fn pause(&self, time: Duration) -> Result<(), Stop> {
        self.wait_until(self.now() + time)
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Result<Connection, Stop> {
        Ok(Connection::open(self.gateway.target.address, self.gateway.clock)?)
    }

    /// Sends one small request.
    pub(crate) fn ask(&self, connection: &mut Connection) -> Result<Observation, Stop> {
        Ok(self.told(connection)?.observation)
    }

    /// Sends one small request, for its whole answer.
    pub(crate) fn told(&self, connection: &mut Connection) -> Result<Told, Stop> {
        self.spend()?;
        let answer = connection.ask(&self.request, PATIENCE)?;
        let observation = self.observe(&answer)?;
        Ok(Told { observation, headers: answer.headers, body: answer.body })
    }

    /// Asks for a stream. If it is let through, the stream and what came of it; else what was observed.
    pub(crate) fn open_stream(&self, connection: &mut Connection) -> Result<Result<Begun, Observation>, Stop> {
        self.spend()?;
        let begun = connection.begin(&self.stream, PATIENCE)?;
        if self.observe(&begun.head)?.is_admitted() {
            return Ok(Ok(begun));
        }
        let answer = begun.finish(connection, PATIENCE)?;
        Ok(Err(self.observe(&answer)?))
    }

    /// Sends so many requests, from then on, each on a connection that is open already.
    pub(crate) fn at_once(&self, count: usize, begin: Duration) -> Result<Vec<Observation>, Stop> {
        self.spread(count, count, begin)
    }

    /// The same on no more connections than requests may be under way: where that limit is not meant.
    pub(crate) fn burst(&self, count: usize, begin: Duration) -> Result<Vec<Observation>, Stop> {
        self.spread(count, self.gateway.parallel.unwrap_or(count).min(count), begin)
    }

    /// Sends until so many were let through or the window refuses.
    pub(crate) fn fill(&self, count: usize) -> Result<Vec<Observation>, Stop> {
        let (places, attempts, full) = (AtomicUsize::new(count), AtomicUsize::new(0), AtomicBool::new(false));
        let take = |number: usize| number.checked_sub(1);
        let work = |connection: &mut Connection, seen: &mut Vec<Observation>| {
            while !full.load(Ordering::Relaxed)
                && attempts.fetch_add(1, Ordering::Relaxed) < most_for(count)
                && places.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
            {
                let observation = self.ask(connection)?;
                if !observation.is_admitted() {
                    places.fetch_add(1, Ordering::Relaxed);
                    // A place of a parallel limit comes back soon; a window's does not.
                    full.fetch_or(observation.wait().is_some() || self.gateway.parallel.is_none(), Ordering::Relaxed);
                    self.pause(SETTLING_PAUSE)?;
                }
                seen.push(observation);
            }
            Ok(())
        };
        self.workers(self.gateway.parallel.unwrap_or(count).min(count), self.now(), work)
    }

    /// Sends so many requests from then on, one at each tick, if answers come in time; else as fast as they come.
    pub(crate) fn paced(&self, count: usize, begin: Duration, every: Duration) -> Result<Vec<Observation>, Stop> {
        let next = AtomicUsize::new(0);
        let work = |connection: &mut Connection, seen: &mut Vec<Observation>| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                self.wait_until(begin + every * u32::try_from(number).unwrap_or(u32::MAX))?;
                seen.push(self.ask(connection)?);
            }
        };
        // One below the parallel limit: a place that is still to come back is not missed.
        let workers = self.gateway.parallel.map_or(8, |parallel| parallel.saturating_sub(1).clamp(1, 8));
        self.workers(workers.min(count), begin, work)
    }

    fn spread(&self, count: usize, workers: usize, begin: Duration) -> Result<Vec<Observation>, Stop> {
        let next = AtomicUsize::new(0);
        let work = |connection: &mut Connection, seen: &mut Vec<Observation>| {
            while next.fetch_add(1, Ordering::Relaxed) < count {
                seen.push(self.ask(connection)?);
            }
            Ok(())
        };
        self.workers(workers, begin, work)
    }

    /// Runs `work` on so many connections, which are all open before it begins.
    fn workers(
        &self,
        workers: usize,
        begin: Duration,
        work: impl Fn(&mut Connection, &mut Vec<Observation>) -> Result<(), Stop> + Sync,
    ) -> Result<Vec<Observation>, Stop> {
        let barrier = Barrier::new(workers + 1);
        let run = || {
            let connection = self.connect();
            barrier.wait();
            let mut seen = Vec::new();
            work(&mut connection?, &mut seen).map(|()| seen)
        };
        let parts = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(run)).collect();
            let waited = self.wait_until(begin);
            barrier.wait();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().expect("a worker does not panic");
            let parts: Result<Vec<_>, Stop> = threads.into_iter().map(join).collect();
            waited.and(parts)
        })?;
        let mut all = parts.concat();
        all.sort_by_key(|observation| observation.sent);
        Ok(all)
    }

    /// Takes one request from what may be sent.
    fn spend(&self) -> Result<(), Stop> {
        if self.now() > self.deadline {
            return Err(Stop::Time);
        }
        let take = |left: usize| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|_| Stop::Requests)?;
        self.gateway.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn observe(&self, answer: &Answer) -> Result<Observation, Stop> {
        let decision = match answer.status {
            200..=299 => Decision::Admitted,
            status if status == self.gateway.refused_with => {
                Decision::Refused(Wait::from_headers(answer.header("retry-after-ms"), answer.header("retry-after")))
            }
            status @ 300..=499 => {
                let body = String::from_utf8_lossy(&answer.body).chars().take(120).collect();
                return Err(Stop::Unusable(status, body));
            }
            status => Decision::Other(status),
        };
        let Answer { sent, answered, ended, .. } = *answer;
        Ok(Observation { sent, answered, ended, decision })
    }
}

impl Gateway {
    fn request(&self, key: &str, max_tokens: u32, stream: bool) -> Vec<u8> {
        let mut body = json!({
            "model": self.model, "max_tokens": max_tokens,
            "messages": [{"role": "user", "content": "Count from one to one thousand, in words."}],
        });
        if stream {
            body["stream"] = true.into();
        }
        let body = body.to_string();
        let Target { host, path, .. } = &self.target;
        format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\naccept: */*\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests => write!(f, "it did not come to an end with the requests that were announced"),
            Self::Time => write!(f, "it did not come to an end in the time that was announced"),
            Self::Unusable(status, body) => write!(f, "the gateway answered {status}: {body}"),
            Self::Broken(error) => write!(f, "a connection failed: {error}"),
        }
    }
}

/// The most requests that filling a window takes.
pub(crate) const fn most_for(count: usize) -> usize {
    4 * count + 50
}

/// How long an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long a refused worker waits for a place that settles.
const SETTLING_PAUSE: Duration = Duration::from_millis(10);
