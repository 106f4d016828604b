//! HTTP/1.1 on plain sockets, so that it is known when the first byte left and when the first one came.

use harness::caller::raw::{header_line, split_head, unchunk};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The audit's clock: times are distances from its beginning.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time.
    pub(crate) fn now(&self) -> Duration {
        self.0.elapsed()
    }

    /// Waits until then: asleep, and awake for the last moment, so that it is met to some microseconds.
    pub(crate) fn wait_until(&self, time: Duration) {
        if let Some(asleep) = time.checked_sub(self.now() + AWAKE) {
            std::thread::sleep(asleep);
        }
        while self.now() < time {
            std::hint::spin_loop();
        }
    }
}

/// How long before an awaited time sleep ends: a sleeper may be woken late.
const AWAKE: Duration = Duration::from_millis(1);

/// An answer, and when it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// All headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body as far as it was read.
    pub(crate) body: Vec<u8>,
    /// Before the request's first byte left.
    pub(crate) sent: Duration,
    /// When the answer's first byte was there.
    pub(crate) answered: Duration,
    /// When its last byte was there.
    pub(crate) ended: Duration,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// A connection that is kept as long as the gateway keeps it, and opened again when it does not.
pub(crate) struct Connection {
    address: SocketAddr,
    clock: Clock,
    socket: Option<TcpStream>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr, clock: Clock) -> io::Result<Self> {
        Ok(Self { address, clock, socket: Some(connect(address)?) })
    }

    /// Sends a request and reads its whole answer.
    pub(crate) fn ask(&mut self, request: &[u8], patience: Duration) -> io::Result<Answer> {
        self.begin(request, patience)?.finish(self, patience)
    }

    /// Sends a request and reads the head of its answer. The connection leaves with it.
    pub(crate) fn begin(&mut self, request: &[u8], patience: Duration) -> io::Result<Begun> {
        let mut socket = match self.socket.take().filter(is_open) {
            Some(socket) => socket,
            None => connect(self.address)?,
        };
        let sent = self.clock.now();
        socket.write_all(request)?;
        let deadline = sent + patience;
        let mut received = Vec::new();
        let mut answered = None;
        loop {
            if read_before(&mut socket, &mut received, self.clock, deadline)? == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the gateway closed before it answered"));
            }
            let answered = *answered.get_or_insert_with(|| self.clock.now());
            if let Some((status, headers, body)) = parse_head(&received) {
                let body = body.to_vec();
                let head = Answer { status, headers, body, sent, answered, ended: answered };
                return Ok(Begun { socket, head });
            }
        }
    }
}

/// An answer whose head is there.
pub(crate) struct Begun {
    /// The connection.
    pub(crate) socket: TcpStream,
    /// The head, and what came of the body with it.
    pub(crate) head: Answer,
}

impl Begun {
    /// Reads the rest, and gives the connection back if it can be used again.
    pub(crate) fn finish(mut self, connection: &mut Connection, patience: Duration) -> io::Result<Answer> {
        let deadline = self.head.sent + patience;
        let framing = Framing::of(&self.head);
        let body = loop {
            if let Some(body) = framing.body(&self.head.body) {
                break body;
            }
            if read_before(&mut self.socket, &mut self.head.body, connection.clock, deadline)? == 0 {
                match framing {
                    Framing::ToTheEnd => break std::mem::take(&mut self.head.body),
                    _ => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the gateway broke an answer off")),
                }
            }
        };
        let closes = self.head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if !closes && !matches!(framing, Framing::ToTheEnd) {
            connection.socket = Some(self.socket);
        }
        Ok(Answer { body, ended: connection.clock.now(), ..self.head })
    }
}

/// Reads what is there, or waits for it; 0 at the end of the connection.
pub(crate) fn read_before(
    socket: &mut TcpStream,
    into: &mut Vec<u8>,
    clock: Clock,
    deadline: Duration,
) -> io::Result<usize> {
    let left = deadline.saturating_sub(clock.now());
    if left.is_zero() {
        return Err(io::Error::new(ErrorKind::TimedOut, "the gateway took too long to answer"));
    }
    socket.set_read_timeout(Some(left))?;
    let mut chunk = [0; 16 * 1024];
    match socket.read(&mut chunk) {
        Ok(read) => {
            into.extend_from_slice(&chunk[..read]);
            Ok(read)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(io::Error::new(ErrorKind::TimedOut, "the gateway took too long to answer"))
        }
        Err(error) => Err(error),
    }
}

/// What is there to read at this moment: `Some(true)` for bytes, `Some(false)` for the end, `None` for nothing yet.
pub(crate) fn pending(socket: &TcpStream) -> Option<bool> {
    let _ = socket.set_nonblocking(true);
    let peeked = socket.peek(&mut [0]);
    let _ = socket.set_nonblocking(false);
    match peeked {
        Ok(read) => Some(read > 0),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(_) => Some(false),
    }
}

/// Whether a stream's bytes hold its end.
pub(crate) fn is_over(body: &[u8]) -> bool {
    body.windows(6).any(|window| window == b"[DONE]") || body.ends_with(b"\r\n0\r\n\r\n")
}

/// How a body ends.
enum Framing {
    Length(usize),
    Chunked,
    ToTheEnd,
}

impl Framing {
    fn of(head: &Answer) -> Self {
        let chunked = head.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        match head.header("content-length").and_then(|value| value.parse().ok()) {
            _ if chunked => Self::Chunked,
            Some(length) => Self::Length(length),
            None => Self::ToTheEnd,
        }
    }

    /// The body if all of it is there.
    fn body(&self, received: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Length(length) => received.get(..*length).map(<[u8]>::to_vec),
            Self::Chunked => unchunk(received),
            Self::ToTheEnd => None,
        }
    }
}

type Head<'a> = (u16, Vec<(String, String)>, &'a [u8]);

fn parse_head(received: &[u8]) -> Option<Head<'_>> {
    let (head, body) = split_head(received)?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    Some((status, lines.filter_map(header_line).collect(), body))
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Whether a connection that lay idle is still there, and nothing was said on it meanwhile.
fn is_open(socket: &TcpStream) -> bool {
    pending(socket).is_none()
}
