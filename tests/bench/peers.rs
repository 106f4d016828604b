//! Sluice beside what others put in front of a language model: the same load, the same origin, the same attacks, in turn.

mod gateway;
mod group;
mod recipe;
mod redis;
mod report;

use crate::exactness::{self, BURST_WINDOW, EDGE_WINDOW, LIMIT};
use crate::interrupt;
use crate::load::requests::{chat, forge};
use crate::load::{Load, Watched, cpu};
use crate::options::peer::Peer;
use crate::options::{Options, Selected};
use crate::workers::{Empty, Sluice};
use anyhow::{Result, bail};
use gateway::Gateway;
use redis::Redis;
use report::Row;
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// What a gateway is set up to limit, and so what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing is refused.
    Admit,
    /// One request an hour: all others are refused.
    Refuse,
    /// 30 a minute.
    Burst,
    /// 30 per 5 s.
    Edge,
}

impl Mode {
    const ALL: [Self; 4] = [Self::Admit, Self::Refuse, Self::Burst, Self::Edge];
    /// The keys that peers know. Their two halves are what Express Gateway calls id and secret.
    const KEYS: [&str; 2] = ["sk-bench-one:3f9c51d7a2", "sk-bench-two:8be06c44f1"];

    fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Refuse => "refuse",
            Self::Burst => "burst",
            Self::Edge => "edge",
        }
    }

    /// How many requests in how long.
    fn limit(self) -> (u32, Duration) {
        match self {
            Self::Admit => (10_000_000, Duration::from_secs(60)),
            Self::Refuse => (1, Duration::from_secs(3_600)),
            Self::Burst => (LIMIT, BURST_WINDOW),
            Self::Edge => (LIMIT, EDGE_WINDOW),
        }
    }
}

/// Measures all of them, in turn, again and again, and prints the tables.
pub(crate) fn run(options: &Options, selected: &Selected, stub: SocketAddr, sluice: &Sluice, empty: &Empty) -> Value {
    let mut bench = Bench::new(options, stub, selected);
    for round in 1..=options.rounds {
        bench.round = round;
        bench.ours(sluice, empty);
        for &peer in &selected.peers {
            bench.peer(selected, peer);
        }
    }
    report::print(&bench.rows)
}

struct Bench<'a> {
    options: &'a Options,
    stub: SocketAddr,
    logs: std::path::PathBuf,
    redis: Option<Redis>,
    /// Why there is no Redis, for those who need it.
    no_redis: String,
    round: usize,
    begun: Instant,
    rows: Vec<Row>,
}

impl<'a> Bench<'a> {
    fn new(options: &'a Options, stub: SocketAddr, selected: &Selected) -> Self {
        let logs = selected.home.join("log");
        let needed = selected.peers.iter().any(|peer| peer.counts_in_redis());
        let (redis, no_redis) = match needed.then(|| Redis::start(&std::env::temp_dir(), &logs)) {
            Some(Ok(redis)) => (Some(redis), String::new()),
            Some(Err(error)) => (None, format!("Redis: {error:#}")),
            None => (None, String::new()),
        };
        let mut rows: Vec<_> = OURS.iter().map(|name| Row::ours(name)).collect();
        rows.extend(selected.peers.iter().map(|peer| Row::peer(*peer)));
        eprintln!(
            "{} peers beside Sluice, {} rounds; each load: {} s of warm-up, {} s measured; about {:.0} minutes",
            selected.peers.len(),
            options.rounds,
            options.seconds,
            options.seconds,
            minutes(options, &selected.peers)
        );
        Self { options, stub, logs, redis, no_redis, round: 0, begun: Instant::now(), rows }
    }

    /// Sluice with keys that are new in each round, and what it is compared with.
    fn ours(&mut self, sluice: &Sluice, empty: &Empty) {
        let one = sluice.key("open");
        let chats = |keys: Vec<String>| keys.iter().map(|key| chat(key)).collect::<Vec<_>>();
        let watched = Watched { gateway: Some(sluice.process), redis: None };
        let at_empty = Watched { gateway: Some(empty.process), redis: None };

        self.load(STUB, Mode::Admit, self.stub, vec![chat(&one)], &Watched::default());
        self.load(EMPTY, Mode::Admit, empty.address, vec![chat(&one)], &at_empty);
        self.load(SLUICE, Mode::Admit, sluice.address, vec![chat(&one)], &watched);
        self.load(SLUICE_MANY, Mode::Admit, sluice.address, chats(sluice.keys("open", 200)), &watched);
        self.load(SLUICE, Mode::Refuse, sluice.address, chats(sluice.spent_keys(1)), &watched);
        self.load(SLUICE_MANY, Mode::Refuse, sluice.address, chats(sluice.spent_keys(200)), &watched);
        self.load(SLUICE_FORGED, Mode::Refuse, sluice.address, vec![chat(&forge(&one))], &watched);
        self.burst(SLUICE, sluice.address, &chat(&sluice.key("burst")));
        self.edge(SLUICE, sluice.address, &chat(&sluice.key("edge")), &chat(&sluice.key("edge")));
    }

    /// One peer in all modes, started anew for each. What fails is reported, and the rest goes on.
    fn peer(&mut self, selected: &Selected, peer: Peer) {
        if let Some((_, why)) = selected.missing.iter().find(|(missing, _)| *missing == peer) {
            return self.failed(peer.name(), "set-up", why);
        }
        if peer.counts_in_redis() && self.redis.is_none() {
            return self.failed(peer.name(), "set-up", &self.no_redis.clone());
        }
        for mode in Mode::ALL {
            let started =
                self.redis.as_ref().filter(|_| peer.counts_in_redis()).map_or(Ok(()), Redis::flush).and_then(|()| {
                    Gateway::start(peer, mode, &selected.home, &self.logs, self.stub, self.redis.as_ref())
                });
            let gateway = match started {
                Ok(gateway) => gateway,
                // It would not start in the next mode either.
                Err(error) => return self.failed(peer.name(), mode.name(), &format!("{error:#}")),
            };
            let [one, two] = Mode::KEYS.map(chat);
            match mode {
                Mode::Admit | Mode::Refuse => {
                    let redis = self.redis.as_ref().filter(|_| peer.counts_in_redis()).map(Redis::root);
                    let watched = Watched { gateway: Some(gateway.root()), redis };
                    self.load(peer.name(), mode, gateway.address(), vec![one], &watched);
                }
                Mode::Burst => self.burst(peer.name(), gateway.address(), &one),
                Mode::Edge => self.edge(peer.name(), gateway.address(), &one, &two),
            }
        }
    }

    fn load(&mut self, name: &str, mode: Mode, address: SocketAddr, requests: Vec<Vec<u8>>, watched: &Watched) {
        let Options { connections, .. } = *self.options;
        let load = Load { address, requests: requests.into(), connections, span: self.options.span() };
        let load_average = cpu::load_average();
        // Once to warm up.
        match load.run(&Watched::default()).and_then(|_| load.run(watched)) {
            Ok(measured) => {
                self.progress(name, mode, &format!("{:>8.0} requests/s", measured.rate()));
                self.row(name).add_load(mode, measured, load_average);
            }
            Err(error) => self.failed(name, mode.name(), &format!("{error:#}")),
        }
    }

    fn burst(&mut self, name: &str, address: SocketAddr, request: &[u8]) {
        match exactness::burst(address, request) {
            Ok(admitted) => {
                self.progress(name, Mode::Burst, &format!("{admitted:>8} of {LIMIT} in {BURST_WINDOW:?}"));
                self.row(name).bursts.push(admitted);
            }
            Err(error) => self.failed(name, Mode::Burst.name(), &format!("{error:#}")),
        }
    }

    fn edge(&mut self, name: &str, address: SocketAddr, boundary: &[u8], steady: &[u8]) {
        match exactness::edge(address, boundary, steady) {
            Ok(edge) => {
                let (boundary, steady) = (edge.boundary, edge.steady);
                self.progress(name, Mode::Edge, &format!("{boundary:>8} and {steady} of {LIMIT} in {EDGE_WINDOW:?}"));
                self.row(name).edges.push(edge);
            }
            Err(error) => self.failed(name, Mode::Edge.name(), &format!("{error:#}")),
        }
    }

    fn failed(&mut self, name: &str, when: &str, why: &str) {
        interrupt::check();
        eprintln!("  round {}: {name}, {when}: not measured: {why}", self.round);
        self.row(name).failures.push(format!("{when}: {why}"));
    }

    fn progress(&self, name: &str, mode: Mode, what: &str) {
        let elapsed = self.begun.elapsed().as_secs();
        let minutes = format!("{}:{:02}", elapsed / 60, elapsed % 60);
        let rounds = self.options.rounds;
        eprintln!("  {minutes:>6}  round {} of {rounds}: {name:<22} {:<6} {what}", self.round, mode.name());
    }

    fn row(&mut self, name: &str) -> &mut Row {
        self.rows.iter_mut().find(|row| row.name == name).expect("every name that is measured has its row")
    }
}

/// An address that nobody listens at: not one of those that the system gives to connections, or it could be taken again
/// before its owner has come to listen there. No address is returned twice.
fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % u32::from(PORTS)).expect("less than a u16");
    for _ in 0..PORTS {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST_PORT + (first.wrapping_add(offset)) % PORTS));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("loopback has no free port from {FIRST_PORT} on")
}

/// About how long a run takes, starts included.
fn minutes(options: &Options, peers: &[Peer]) -> f64 {
    let load = 2.0 * options.seconds as f64;
    let edge = 15.0;
    let peer = |peer: &Peer| 2.0 * load + edge + if *peer == Peer::LiteLlm { 80.0 } else { 12.0 };
    let round = 7.0 * load + edge + peers.iter().map(peer).sum::<f64>();
    options.rounds as f64 * round / 60.0
}

const STUB: &str = "stub origin alone";
const EMPTY: &str = "empty Worker";
const SLUICE: &str = "Sluice, 1 account";
const SLUICE_MANY: &str = "Sluice, 200 accounts";
const SLUICE_FORGED: &str = "Sluice, forged key";
const OURS: [&str; 5] = [STUB, EMPTY, SLUICE, SLUICE_MANY, SLUICE_FORGED];
/// Linux gives connections ports from 32768 on, unless it was told otherwise.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;
/// Processes that serve, for each peer.
const WORKERS: usize = 2;
