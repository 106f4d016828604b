//! A load generator: one thread and one kept-alive connection for each client, each sending as soon as it has its answer.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What to send, where to, for how long.
pub(crate) struct Load<'a> {
    /// Where to.
    pub(crate) address: SocketAddr,
    /// Whole requests, head and body; each connection goes through them in turn, from a place of its own.
    pub(crate) requests: &'a [Vec<u8>],
    /// How many clients.
    pub(crate) connections: usize,
    /// How long.
    pub(crate) span: Duration,
}

/// What came back.
pub(crate) struct Measured {
    /// How many answers of each status.
    pub(crate) statuses: BTreeMap<u16, usize>,
    latencies_us: Vec<u32>,
    span: Duration,
    cpu: Duration,
}

impl Load<'_> {
    /// Runs the load; the CPU time is that of the process with this id.
    pub(crate) fn run(&self, process: Option<u32>) -> Measured {
        let cpu_before = process.map(cpu_time).unwrap_or_default();
        let start = Instant::now();
        let parts: Vec<_> = std::thread::scope(|scope| {
            let clients: Vec<_> =
                (0..self.connections).map(|client| scope.spawn(move || self.client(client, start))).collect();
            clients
                .into_iter()
                .map(|client| client.join().expect("a client panics only if its connection breaks"))
                .collect()
        });
        let span = start.elapsed();
        let cpu = process.map(cpu_time).unwrap_or_default() - cpu_before;
        let mut measured = Measured { statuses: BTreeMap::new(), latencies_us: Vec::new(), span, cpu };
        for (status, latency) in parts.into_iter().flatten() {
            *measured.statuses.entry(status).or_default() += 1;
            measured.latencies_us.push(latency);
        }
        measured.latencies_us.sort_unstable();
        measured
    }

    fn client(&self, client: usize, start: Instant) -> Vec<(u16, u32)> {
        let mut connection = Connection::open(self.address);
        let mut answers = Vec::new();
        let mut next = client * self.requests.len() / self.connections;
        while start.elapsed() < self.span {
            let sent = Instant::now();
            let status = connection.ask(&self.requests[next % self.requests.len()]);
            answers.push((status, u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX)));
            next += 1;
        }
        answers
    }
}

impl Measured {
    /// Answers in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies_us.len() as f64 / self.span.as_secs_f64()
    }

    /// A latency in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let index = ((self.latencies_us.len() - 1) as f64 * share).round() as usize;
        f64::from(self.latencies_us[index]) / 1000.0
    }

    /// CPU time of the process for each answer, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.latencies_us.len() as f64
    }

    /// Answers of another status than this.
    pub(crate) fn unexpected(&self, expected: u16) -> usize {
        self.statuses.iter().filter(|(status, _)| **status != expected).map(|(_, count)| count).sum()
    }
}

/// Sends one request on a connection of its own.
pub(crate) fn once(address: SocketAddr, request: &[u8]) -> u16 {
    Connection::open(address).ask(request)
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a connected socket takes the option");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a connected socket takes the option");
        Self { stream, buffer: Vec::with_capacity(16 * 1024) }
    }

    /// Sends a request and reads its whole answer: with a length, or chunked to the last chunk.
    fn ask(&mut self, request: &[u8]) -> u16 {
        self.stream.write_all(request).expect("the server keeps the connection");
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.fill();
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let status =
            text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("an answer begins with its status");
        match text.lines().find_map(|line| line.strip_prefix("content-length: ")) {
            Some(length) => {
                let end = head + length.trim().parse::<usize>().expect("a length is a number");
                while self.buffer.len() < end {
                    self.fill();
                }
            }
            None => {
                while !self.buffer.ends_with(b"0\r\n\r\n") {
                    self.fill();
                }
            }
        }
        status
    }

    fn fill(&mut self) {
        let mut chunk = [0; 8 * 1024];
        let read = self.stream.read(&mut chunk).expect("the server answers within its time");
        assert!(read > 0, "the server closed the connection");
        self.buffer.extend_from_slice(&chunk[..read]);
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// User and system time of a process, from /proc (in hundredths of a second, as Linux counts for user space).
fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    // The name is in brackets and may hold anything; utime and stime are the 12th and 13th after it.
    let after_name = stat.rsplit_once(')').expect("every stat line has a name").1;
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().expect("ticks are numbers")).sum();
    Duration::from_millis(ticks * 10)
}
