//! The Redis that peers count in: one for the run, nothing of it on a disk, emptied before each start of a peer.

use super::group::{Group, find_program};
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A running Redis.
pub(super) struct Redis {
    address: SocketAddr,
    group: Group,
}

impl Redis {
    /// Starts it on a port that was free a moment ago: it cannot be told to take any that is.
    pub(super) fn start(directory: &Path, logs: &Path) -> Result<Self> {
        let address = super::free_address()?;
        let mut command = Command::new(find_program("redis-server").context("redis-server is not installed")?);
        command.current_dir(directory).args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        let group = Group::start(&command, &logs.join("redis.log"))?;
        group.wait(START_TIME, || ask(address, "PING").is_ok_and(|answer| answer.starts_with("+PONG")))?;
        Ok(Self { address, group })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process from which all of it descends.
    pub(super) fn root(&self) -> u32 {
        self.group.root()
    }

    /// Empties it.
    pub(super) fn flush(&self) -> Result<()> {
        let answer = ask(self.address, "FLUSHALL").context("Redis does not answer")?;
        ensure!(answer.starts_with("+OK"), "Redis did not empty itself: {answer}");
        Ok(())
    }
}

/// Sends a command of one word.
fn ask(address: SocketAddr, word: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, START_TIME)?;
    stream.set_read_timeout(Some(START_TIME))?;
    stream.write_all(format!("*1\r\n${}\r\n{word}\r\n", word.len()).as_bytes())?;
    let mut answer = [0; 256];
    let read = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
}

const START_TIME: Duration = Duration::from_secs(10);
