//! The command line, as `cargo xtask bench edge` hands it on.

pub(crate) mod peer;

use peer::Peer;
use std::path::PathBuf;
use std::time::Duration;

/// What to measure, and for how long.
pub(crate) struct Options {
    /// Length of one round of one scenario.
    pub(crate) seconds: u64,
    /// How many rounds count.
    pub(crate) rounds: usize,
    /// How many clients, where a scenario does not say.
    pub(crate) connections: usize,
    /// Where the figures go as JSON.
    pub(crate) json: Option<PathBuf>,
    /// Whether to vary the number of connections.
    pub(crate) sweep: bool,
    /// Whether to vary the number of accounts.
    pub(crate) accounts: bool,
    /// Keys beside tokens.
    pub(crate) callers: bool,
    /// Each door beside Chat's.
    pub(crate) doors: bool,
    /// A coding agent's conversation.
    pub(crate) agent: bool,
    /// Pictures.
    pub(crate) images: bool,
    /// Requests whose origin has just been killed.
    pub(crate) failover: bool,
    /// Whether to look at the registry, empty and full.
    pub(crate) registry: bool,
    /// Another build of the Worker to measure in the same rounds: the directory of its `index.js`.
    pub(crate) against: Option<PathBuf>,
    /// Only the kinds of request whose name holds this.
    pub(crate) only: String,
    /// How many keys fill it.
    pub(crate) keys: usize,
    /// What others use, if it is to be measured.
    pub(crate) peers: Option<Selected>,
}

/// Peers to measure.
pub(crate) struct Selected {
    /// All that were asked for.
    pub(crate) peers: Vec<Peer>,
    /// Where set-up has installed them.
    pub(crate) home: PathBuf,
    /// Which of them set-up could not install, and why.
    pub(crate) missing: Vec<(Peer, String)>,
}

impl Options {
    /// Reads the command line; panics with what is wrong with it.
    pub(crate) fn read() -> Self {
        let mut options = Self {
            seconds: 4,
            rounds: 3,
            connections: 16,
            json: None,
            sweep: false,
            accounts: false,
            callers: false,
            doors: false,
            agent: false,
            images: false,
            failover: false,
            registry: false,
            against: None,
            only: String::new(),
            keys: 100_000,
            peers: None,
        };
        let (mut peers, mut home, mut missing) = (Vec::new(), None, Vec::new());
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
            match name.as_str() {
                "--seconds" => options.seconds = number(&name, &value()),
                "--rounds" => options.rounds = number(&name, &value()) as usize,
                "--connections" => options.connections = number(&name, &value()) as usize,
                "--json" => options.json = Some(value().into()),
                "--sweep" => options.sweep = true,
                "--accounts" => options.accounts = true,
                "--callers" => options.callers = true,
                "--doors" => options.doors = true,
                "--agent" => options.agent = true,
                "--images" => options.images = true,
                "--failover" => options.failover = true,
                "--registry" => options.registry = true,
                "--against" => options.against = Some(value().into()),
                "--only" => options.only = value(),
                "--keys" => options.keys = 1_000 * number(&name, &value()) as usize,
                "--peers" => peers = value().split(',').map(peer).collect(),
                "--peers-home" => home = Some(PathBuf::from(value())),
                "--peer-missing" => {
                    let value = value();
                    let (name, why) = value.split_once('=').expect("--peer-missing takes NAME=WHY");
                    missing.push((peer(name), why.to_owned()));
                }
                _ => panic!(
                    "no option {name}; there are --seconds, --rounds, --connections, --json, --sweep, --accounts, --callers, --doors, --agent, --images, --failover, --registry, --against, --only, --keys, --peers"
                ),
            }
        }
        if !peers.is_empty() {
            let home =
                home.expect("--peers-home says where they are: start this with `cargo xtask bench edge --peers`");
            options.peers = Some(Selected { peers, home, missing });
        }
        options
    }

    /// Whether nothing in particular was asked for.
    pub(crate) fn plain(&self) -> bool {
        !self.sweep
            && !self.accounts
            && !self.callers
            && !self.doors
            && !self.agent
            && !self.images
            && !self.failover
            && !self.registry
            && self.against.is_none()
            && self.peers.is_none()
    }

    /// Length of one round.
    pub(crate) fn span(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn number(name: &str, value: &str) -> u64 {
    let number = value.parse().ok().filter(|n| (1..=1000).contains(n));
    number.unwrap_or_else(|| panic!("{name} takes a number from 1 to 1000"))
}

fn peer(name: &str) -> Peer {
    let names = Peer::ALL.map(Peer::name).join(", ");
    Peer::named(name).unwrap_or_else(|| panic!("there is no peer {name}; there are {names}"))
}
