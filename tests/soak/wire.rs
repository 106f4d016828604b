//! Connections of callers who do as they like. Nothing of what they are answered is kept.

use harness::caller::raw;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A connection. Dropping it leaves politely.
pub(crate) struct Wire {
    socket: TcpStream,
    received: Vec<u8>,
}

/// What came of reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// An answer with this status, to its end.
    Answer(u16),
    /// The connection ended before the answer did.
    Closed,
    /// Nothing came for too long.
    Hung,
}

impl Wire {
    /// Connects and sends; `None` where the other side does not take a connection.
    pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Option<Self> {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        socket.set_nodelay(true).ok()?;
        socket.set_read_timeout(Some(SLICE)).ok()?;
        socket.set_write_timeout(Some(PATIENCE)).ok()?;
        let mut wire = Self { socket, received: Vec::new() };
        wire.push(bytes);
        Some(wire)
    }

    /// Sends more; whether it went.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Waits until anything has come, or the span is over.
    pub(crate) fn first_byte(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while self.received.is_empty() && Instant::now() < end && self.some() {}
    }

    /// Reads an answer to its end.
    pub(crate) fn answer(&mut self, patience: Duration) -> Heard {
        let end = Instant::now() + patience;
        loop {
            if let Some(answer) = raw::parse(&self.received) {
                return Heard::Answer(answer.status);
            }
            if !self.some() {
                return Heard::Closed;
            }
            if Instant::now() > end {
                return Heard::Hung;
            }
        }
    }

    /// What was received, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// Leaves with a reset.
    pub(crate) fn reset(self) {
        // What cannot be set leaves politely.
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    /// False at the end of the connection.
    fn some(&mut self) -> bool {
        raw::read_some(&mut self.socket, &mut self.received)
    }
}

/// A request with a key and a JSON body; `more` are header lines.
pub(crate) fn post(path: &str, key: &str, more: &[&str], body: &[u8]) -> Vec<u8> {
    let fixed = [harness::caller::bearer(key), "Content-Type: application/json".to_owned()];
    let headers: Vec<_> = fixed.into_iter().chain(more.iter().map(|line| (*line).to_owned())).collect();
    raw::request("POST", path, &headers, body)
}

/// How long anything may take to be sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Reads return this often.
const SLICE: Duration = Duration::from_millis(50);
