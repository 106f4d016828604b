//! HTTP/1.1 by hand: for requests that no client library would send, and for clients that leave in the middle.

use crate::answer::Answer;
use crate::watch::Sent;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// One connection that is not kept alive. Dropping it leaves, whatever is under way.
pub struct RawConnection {
    socket: TcpStream,
    received: Vec<u8>,
    sent: Option<Sent>,
}

impl RawConnection {
    /// Connects and sends these bytes.
    pub fn send(address: SocketAddr, bytes: &[u8]) -> Self {
        let socket = TcpStream::connect(address).expect("the gate listens");
        socket.set_read_timeout(Some(READ_SLICE)).expect("not zero");
        socket.set_nodelay(true).expect("a fresh socket takes options");
        let mut connection = Self { socket, received: Vec::new(), sent: sent(address, bytes) };
        // A gate that refuses early closes before all is sent: its answer is what counts.
        let _ = connection.socket.write_all(bytes);
        connection
    }

    /// Sends more.
    pub fn push(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Reads until `enough` says so of all that was received; panics if that does not come in time.
    pub fn read_until(&mut self, what: &str, enough: impl Fn(&[u8]) -> bool) -> &[u8] {
        let deadline = Instant::now() + PATIENCE;
        while !enough(&self.received) {
            let ended = !self.read_some();
            assert!(
                enough(&self.received) || (!ended && Instant::now() < deadline),
                "{what} did not come; received: {}",
                String::from_utf8_lossy(&self.received)
            );
        }
        &self.received
    }

    /// Reads what has come, without waiting long, and says whether these bytes have.
    pub fn has(&mut self, bytes: &[u8]) -> bool {
        let is_there = |received: &[u8]| received.windows(bytes.len()).any(|window| window == bytes);
        is_there(&self.received) || (self.read_some() && is_there(&self.received))
    }

    /// Reads until a text is there.
    pub fn read_text(&mut self, text: &str) {
        let wanted = text.as_bytes();
        self.read_until(text, |received| received.windows(wanted.len()).any(|window| window == wanted));
    }

    /// Reads one answer to its end.
    pub fn answer(mut self) -> Answer {
        self.read_until("a whole answer", |received| parse(received).is_some());
        let answer = parse(&self.received).expect("seen above");
        self.sent.iter().for_each(|sent| sent.answered(&answer));
        answer
    }

    /// Leaves politely (FIN), as a program does that ends. workerd takes that for a client that has no more to send, and
    /// notices that it is gone when it writes.
    pub fn leave(self) {
        // Dropping would do; this says it.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Closes its own half, and goes on reading.
    pub fn say_no_more(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Leaves with a reset (RST): noticed at once, also while there is nothing to write yet. Cloudflare's front, which
    /// knows when a client is gone, passes that on likewise.
    pub fn vanish(self) {
        let lingering = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
        lingering.expect("an open socket takes options");
    }

    fn read_some(&mut self) -> bool {
        read_some(&mut self.socket, &mut self.received)
    }
}

/// Reads what is there, or waits for as long as the socket does. False at the end of the connection.
pub fn read_some(socket: &mut TcpStream, received: &mut Vec<u8>) -> bool {
    let mut chunk = [0; 16 * 1024];
    match socket.read(&mut chunk) {
        Ok(0) => false,
        Ok(read) => {
            received.extend_from_slice(&chunk[..read]);
            true
        }
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted),
    }
}

impl Drop for RawConnection {
    fn drop(&mut self) {
        self.sent.iter().for_each(|sent| sent.received(&self.received));
    }
}

/// What is known of a request's bytes, as far as they can be read.
fn sent(address: SocketAddr, bytes: &[u8]) -> Option<Sent> {
    let (head, _) = split_head(bytes)?;
    let mut words = head.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let headers: Vec<_> = head.lines().filter_map(header_line).collect();
    Sent::to(address, method, path, headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Sends a request and reads the answer.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    RawConnection::send(address, bytes).answer()
}

/// A request's bytes. `headers` are lines; a body gets its length unless the lines say how it is framed.
pub fn request(method: &str, path: &str, headers: &[String], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n");
    for line in headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    let framed = |line: &String| {
        let line = line.to_ascii_lowercase();
        line.starts_with("content-length:") || line.starts_with("transfer-encoding:")
    };
    if !body.is_empty() && !headers.iter().any(framed) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// A body in chunks of `size`, as `Transfer-Encoding: chunked` frames it.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut framed = Vec::with_capacity(body.len() + 64);
    for chunk in body.chunks(size) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

/// The answer in `bytes` if it is complete.
pub fn parse(bytes: &[u8]) -> Option<Answer> {
    let (head, rest) = split_head(bytes)?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines.filter_map(header_line).collect();
    let value = |name: &str| headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
    let body = match (value("transfer-encoding"), value("content-length")) {
        (Some("chunked"), _) => unchunk(rest)?,
        (_, Some(length)) => rest.get(..length.parse().ok()?)?.to_vec(),
        _ => Vec::new(),
    };
    Some(Answer { status, headers, body })
}

/// Splits a message at its blank line.
pub fn split_head(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 4..]))
}

/// A header line's name, in lower case, and value.
pub fn header_line(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_ascii_lowercase(), value.trim().to_owned()))
}

/// What is in a chunked body that is complete.
pub fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

/// Reads return this often, so that deadlines are seen.
const READ_SLICE: Duration = Duration::from_millis(50);
/// How long anything may take to come.
const PATIENCE: Duration = Duration::from_secs(20);
