//! One kept-alive HTTP/1.1 connection of a client that asks, waits for the whole answer, and asks again.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client's end.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// What a client looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// `Retry-After`, in seconds.
    pub(crate) retry_after: Option<u64>,
    /// Whether the server takes no more requests on this connection.
    pub(crate) closes: bool,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; FIRST_READ], filled: 0 })
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.send(request).await?;
        self.receive().await
    }

    /// Sends a whole request.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await
    }

    /// Reads a whole answer.
    pub(crate) async fn receive(&mut self) -> Result<Answer> {
        self.filled = 0;
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(2 * self.filled, 0);
            }
            let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
            if read == 0 {
                return Err(Error::new(ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            self.filled += read;
            if let Some(answer) = parse(&self.buffer[..self.filled])? {
                return Ok(answer);
            }
        }
    }
}

/// The answer in `bytes`, if all of it is there: with a length, chunked to the last chunk, or of a status without a body.
fn parse(bytes: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).map_err(invalid)? else { return Ok(None) };
    let status = response.code.expect("a complete head has a status");
    let (mut length, mut chunked) = (None, false);
    let mut answer = Answer { status, retry_after: None, closes: false };
    for header in response.headers {
        let value = || std::str::from_utf8(header.value).unwrap_or_default().trim();
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            length = Some(value().parse::<usize>().map_err(invalid)?);
        } else if is("transfer-encoding") {
            chunked = value().eq_ignore_ascii_case("chunked");
        } else if is("connection") {
            answer.closes = value().eq_ignore_ascii_case("close");
        } else if is("retry-after") {
            answer.retry_after = value().parse().ok();
        }
    }
    let body = &bytes[head..];
    let complete = match (status, chunked, length) {
        (204 | 304, _, _) => true,
        (_, true, _) => ends_chunked(body)?,
        (_, _, Some(length)) => body.len() >= length,
        _ => return Err(invalid("an answer with neither a length nor chunks")),
    };
    Ok(complete.then_some(answer))
}

/// Whether a chunked body is there to its end. Trailers are not understood; nobody here sends any.
fn ends_chunked(mut body: &[u8]) -> Result<bool> {
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(body) else {
            // Half a line cannot be told from a wrong one until more is there.
            return if body.len() > MAX_CHUNK_LINE { Err(invalid("not a chunk")) } else { Ok(false) };
        };
        let end = line + usize::try_from(size).map_err(invalid)? + 2;
        if body.len() < end {
            return Ok(false);
        }
        if size == 0 {
            return Ok(true);
        }
        body = &body[end..];
    }
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

/// More than any answer here is long, so that one read is enough.
const FIRST_READ: usize = 8 * 1024;
/// More than any gateway here sends.
const MAX_HEADERS: usize = 64;
/// A chunk's size and its line break are shorter.
const MAX_CHUNK_LINE: usize = 32;
