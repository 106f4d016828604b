//! A network that cuts what comes through it anywhere: in an event, in a chunk's length, in a character. Clients parse the
//! same of it, or their parsers and our answers do not fit.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Passes connections on to a gate, and its answers back in small pieces. It ends with the process.
pub struct Splitter {
    address: SocketAddr,
    seed: u64,
}

impl Splitter {
    /// Starts it before the gate that listens there. `SLUICE_SEED` chooses where it cuts; otherwise chance does.
    pub fn start(gate: SocketAddr) -> Self {
        let given = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                // A connection that breaks is the sides' affair.
                thread::spawn(move || pass(&client, gate, Pieces(seed.wrapping_add(number as u64) | 1)).ok());
            }
        });
        Self { address, seed }
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What shows the same cuts again.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

fn pass(client: &TcpStream, gate: SocketAddr, mut pieces: Pieces) -> std::io::Result<()> {
    let upstream = TcpStream::connect(gate)?;
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let (mut from_client, mut to_gate) = (client.try_clone()?, upstream.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_gate);
        // Who leaves has left.
        let _ = to_gate.shutdown(Shutdown::Both);
    });
    let (mut buffer, mut to_client) = ([0; 4_096], client);
    loop {
        let read = match (&upstream).read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(pieces.next().min(rest.len()));
            if to_client.write_all(piece).is_err() {
                return upstream.shutdown(Shutdown::Both);
            }
            // Otherwise the kernel would put the pieces together again.
            thread::sleep(BETWEEN);
            rest = after;
        }
    }
    client.shutdown(Shutdown::Both)
}

/// Sizes of pieces: mostly a few bytes. xorshift64.
struct Pieces(u64);

impl Pieces {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let most = if self.0 & 0b111 == 0 { 300 } else { 9 };
        1 + (self.0 >> 32) as usize % most
    }
}

/// How long a piece is alone.
const BETWEEN: Duration = Duration::from_micros(30);
