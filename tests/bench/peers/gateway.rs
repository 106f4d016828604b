//! A peer that runs, set up for one mode.

use super::group::Group;
use super::recipe::Place;
use super::redis::Redis;
use super::{Mode, Peer, free_address};
use crate::load;
use crate::load::connection::{Answer, Connection};
use crate::load::requests::get;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// A running peer. Dropping it ends it with all its workers.
pub(super) struct Gateway {
    address: SocketAddr,
    // Ended before its directory is removed.
    group: Group,
    _scratch: TempDir,
}

impl Gateway {
    /// Starts it and waits until every worker is ready.
    pub(super) fn start(
        peer: Peer,
        mode: Mode,
        home: &Path,
        logs: &Path,
        origin: SocketAddr,
        redis: Option<&Redis>,
    ) -> Result<Self> {
        let scratch = TempDir::with_prefix("sluice-peer-").context("no directory for temporary files")?;
        let (address, admin) = (free_address()?, free_address()?);
        let redis = redis.map(Redis::address);
        let place = Place { home, scratch: scratch.path(), origin, redis, address, admin, mode };
        let recipe = place.recipe(peer)?;
        let log = logs.join(format!("{}-{}.log", peer.name(), mode.name()));
        let group = Group::start(&recipe.command, &log)?;
        let request = get(recipe.ready);
        group.wait(recipe.patience, || {
            recipe.says.is_none_or(|(what, workers)| group.said(what) >= workers) && answers(address, &request)
        })?;
        place.finish(peer)?;
        Ok(Self { address, group, _scratch: scratch })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process from which all of it descends.
    pub(super) fn root(&self) -> u32 {
        self.group.root()
    }
}

/// Whether it serves; a path that it does not know will do.
fn answers(address: SocketAddr, request: &[u8]) -> bool {
    let ask = async { Connection::open(address).await?.ask(request).await };
    let answer = load::runtime().map(|runtime| {
        runtime.block_on(async { tokio::time::timeout(PATIENCE, ask).await.is_ok_and(|answer| is_served(&answer)) })
    });
    answer.unwrap_or(false)
}

fn is_served(answer: &std::io::Result<Answer>) -> bool {
    answer.as_ref().is_ok_and(|answer| answer.status < 500)
}

const PATIENCE: Duration = Duration::from_secs(2);
