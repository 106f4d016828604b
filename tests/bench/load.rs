//! A load generator: clients with one kept-alive connection each, all on one thread, each sending as soon as it has its
//! answer. One thread, because threads that wake each other for every answer cost more than the answers of a quick gateway.

pub(crate) mod connection;
pub(crate) mod cpu;
pub(crate) mod requests;

use crate::interrupt;
use anyhow::{Context, Result, ensure};
use connection::Connection;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What to send, where to, for how long.
pub(crate) struct Load {
    /// Where to.
    pub(crate) address: SocketAddr,
    /// Whole requests, head and body; each connection goes through them in turn, from a place of its own.
    pub(crate) requests: Arc<[Vec<u8>]>,
    /// How many clients.
    pub(crate) connections: usize,
    /// How long.
    pub(crate) span: Duration,
}

/// Whose CPU time counts: process ids, each with all that it started.
#[derive(Clone, Default)]
pub(crate) struct Watched {
    /// The gateway's.
    pub(crate) gateway: Option<u32>,
    /// Redis', where the gateway counts there.
    pub(crate) redis: Option<u32>,
}

/// What came back.
pub(crate) struct Measured {
    /// How many answers of each status.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// How many requests found their connection broken.
    pub(crate) broken: usize,
    /// Cores that neither the gateway, nor Redis, nor we (load and stub origin) kept busy.
    pub(crate) foreign_cores: f64,
    latencies_us: Vec<u32>,
    span: Duration,
    gateway_cpu: Duration,
    redis_cpu: Duration,
}

impl Load {
    /// Runs the load.
    pub(crate) fn run(&self, watched: &Watched) -> Result<Measured> {
        let runtime = runtime()?;
        let (gateway, redis) = (Vec::from_iter(watched.gateway), Vec::from_iter(watched.redis));
        let (gateway_before, redis_before) = (cpu::of_trees(&gateway), cpu::of_trees(&redis));
        let (own_before, machine_before) = (cpu::of_self(), cpu::of_machine());
        let start = Instant::now();
        let results = runtime.block_on(async {
            let clients = (0..self.connections).map(|client| tokio::spawn(self.client(client, start).run()));
            let clients: Vec<_> = clients.collect();
            let mut results = Vec::new();
            for client in clients {
                let patience = (start + self.span + PATIENCE).saturating_duration_since(Instant::now());
                let joined = tokio::time::timeout(patience, client).await.context("an answer did not come in time")?;
                results.push(joined.expect("a client does not panic").context("the connection failed repeatedly")?);
            }
            anyhow::Ok(results)
        });
        interrupt::check();
        let span = start.elapsed();
        let mut measured = Measured {
            statuses: BTreeMap::new(),
            broken: 0,
            foreign_cores: 0.0,
            latencies_us: Vec::new(),
            span,
            gateway_cpu: cpu::of_trees(&gateway).saturating_sub(gateway_before),
            redis_cpu: cpu::of_trees(&redis).saturating_sub(redis_before),
        };
        let ours = cpu::of_self().saturating_sub(own_before) + measured.gateway_cpu + measured.redis_cpu;
        let foreign = cpu::of_machine().saturating_sub(machine_before).saturating_sub(ours);
        measured.foreign_cores = foreign.as_secs_f64() / span.as_secs_f64();
        for result in results? {
            measured.broken += result.broken;
            for (status, latency) in result.answers {
                *measured.statuses.entry(status).or_default() += 1;
                measured.latencies_us.push(latency);
            }
        }
        ensure!(!measured.latencies_us.is_empty(), "no answer came");
        measured.latencies_us.sort_unstable();
        Ok(measured)
    }

    fn client(&self, index: usize, start: Instant) -> Client {
        let requests = Arc::clone(&self.requests);
        Client {
            address: self.address,
            next: index * requests.len() / self.connections,
            requests,
            end: start + self.span,
        }
    }
}

impl Measured {
    /// Answers in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.count() / self.span.as_secs_f64()
    }

    /// A latency in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let index = ((self.latencies_us.len() - 1) as f64 * share).round() as usize;
        f64::from(self.latencies_us[index]) / 1000.0
    }

    /// CPU time of the gateway for each answer, in microseconds.
    pub(crate) fn gateway_us(&self) -> f64 {
        self.gateway_cpu.as_secs_f64() * 1e6 / self.count()
    }

    /// CPU time of Redis for each answer, in microseconds.
    pub(crate) fn redis_us(&self) -> f64 {
        self.redis_cpu.as_secs_f64() * 1e6 / self.count()
    }

    /// All processes counted: what an answer costs whoever runs the gateway.
    pub(crate) fn total_us(&self) -> f64 {
        self.gateway_us() + self.redis_us()
    }

    /// Requests with another answer than one of this status, or with none.
    pub(crate) fn errors(&self, expected: u16) -> usize {
        let wrong: usize = self.statuses.iter().filter(|(status, _)| **status != expected).map(|(_, n)| n).sum();
        wrong + self.broken
    }

    fn count(&self) -> f64 {
        self.latencies_us.len() as f64
    }
}

/// A runtime of one thread.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")
}

struct Client {
    address: SocketAddr,
    requests: Arc<[Vec<u8>]>,
    next: usize,
    end: Instant,
}

#[derive(Default)]
struct Answers {
    answers: Vec<(u16, u32)>,
    broken: usize,
}

impl Client {
    async fn run(mut self) -> io::Result<Answers> {
        let mut found = Answers::default();
        let mut connection = Connection::open(self.address).await?;
        while Instant::now() < self.end && !interrupt::requested() {
            let sent = Instant::now();
            let again = match connection.ask(&self.requests[self.next % self.requests.len()]).await {
                Ok(answer) => {
                    found.answers.push((answer.status, u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX)));
                    answer.closes
                }
                Err(error) => {
                    found.broken += 1;
                    if found.broken > MAX_BROKEN {
                        return Err(error);
                    }
                    true
                }
            };
            if again {
                connection = Connection::open(self.address).await?;
            }
            self.next += 1;
        }
        Ok(found)
    }
}

/// How long after the load's end its last answers may come.
const PATIENCE: Duration = Duration::from_secs(20);
/// A client whose connection breaks more often than this measures nothing.
const MAX_BROKEN: usize = 100;
