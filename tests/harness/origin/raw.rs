//! An origin made of a socket: it keeps what it received, and answers with any bytes, none, or half of some.

use crate::caller::raw::{header_line, split_head, unchunk};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST /path HTTP/1.1`.
    pub line: String,
    /// All headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// What a socket origin does with a request.
pub type Reply = Arc<dyn Fn(&Received, &mut TcpStream) + Send + Sync>;

/// The running origin. Its threads end with their connections.
pub struct RawOrigin {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl RawOrigin {
    /// Listens on a free port.
    pub fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("bound above");
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (reply, kept) = (Arc::clone(&reply), Arc::clone(&kept));
                std::thread::spawn(move || serve(socket, &reply, &kept));
            }
        });
        Self { address, received }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut socket: TcpStream, reply: &Reply, kept: &Mutex<Vec<Received>>) {
    // A connection that is opened ahead and never used must not hold its thread for ever.
    let _ = socket.set_read_timeout(Some(Duration::from_secs(60)));
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    let request = loop {
        if let Some(request) = parse(&bytes) {
            break request;
        }
        match socket.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    };
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    reply(&request, &mut socket);
}

fn parse(bytes: &[u8]) -> Option<Received> {
    let (head, rest) = split_head(bytes)?;
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: Vec<_> = lines.filter_map(header_line).collect();
    let mut request = Received { line, headers, body: Vec::new() };
    request.body = match (request.header("transfer-encoding"), request.header("content-length")) {
        (Some("chunked"), _) => unchunk(rest)?,
        (_, Some(length)) => rest.get(..length.parse().ok()?)?.to_vec(),
        _ => Vec::new(),
    };
    Some(request)
}

/// Answers everything with one whole JSON document.
pub fn json(status: &'static str, headers: &'static str, body: impl Into<String>) -> Reply {
    let body = body.into();
    Arc::new(move |_, socket| {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        let _ = socket.write_all(head.as_bytes());
        let _ = socket.write_all(body.as_bytes());
    })
}

/// Begins a stream with these events, each a chunk of its own, and then breaks the connection off.
pub fn breaks_off_after(events: &'static [&'static str]) -> Reply {
    Arc::new(move |_, socket| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = socket.write_all(head.as_bytes());
        for event in events {
            let _ = socket.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
        }
        // The last chunk, of size zero, never comes.
    })
}

/// Takes the request, says nothing, and waits until the edge gives up.
pub fn silent() -> Reply {
    Arc::new(|_, socket| {
        let _ = socket.read(&mut [0; 1]);
    })
}
