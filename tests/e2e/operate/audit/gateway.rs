//! Gateways that are wrong in one way each, and one that is right, made of a socket and a lock.

use harness::caller::raw::{header_line, split_head};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most so many requests of a key in any span of this length, and so many streams at once; but for what is wrong.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) limit: usize,
    pub(super) window: Duration,
    pub(super) parallel: usize,
    pub(super) wrong: Wrong,
}

/// What a gateway does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Nothing,
    /// It counts from zero when the window is over that its first request opened.
    FixedWindow,
    /// It lets requests through at the window's rate, besides as many at once as the limit.
    LeakyBucket,
    /// Refused requests count, too.
    CountsRefusals,
    /// It looks at its count, takes its time, and then writes it.
    ReadsBeforeItWrites,
    /// It always tells to wait so many milliseconds.
    AlwaysTells(u64),
    /// It tells whole seconds rounded down.
    RoundsDown,
    /// A stream that breaks off keeps its slot.
    LeaksSlots,
    /// It does not count streams.
    ForgetsStreams,
    /// What it says is left does not fall.
    SaysTheSame,
}

/// What is known of a key.
#[derive(Default)]
struct State {
    counted: Vec<Instant>,
    streams: usize,
}

/// A decision, and what is left after it.
enum Decision {
    Admitted(usize),
    Refused(Option<Duration>),
}

struct Gateway {
    rules: Rules,
    keys: Mutex<HashMap<String, State>>,
}

/// Listens on a free port until the tests end.
pub(super) fn start(rules: Rules) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("bound above");
    let gateway = Arc::new(Gateway { rules, keys: Mutex::default() });
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let gateway = Arc::clone(&gateway);
            // A caller that leaves is one of the things that are tried.
            std::thread::spawn(move || gateway.serve(socket).is_ok());
        }
    });
    address
}

impl Gateway {
    fn serve(&self, mut socket: TcpStream) -> std::io::Result<()> {
        socket.set_nodelay(true)?;
        while let Some((key, is_stream)) = read_request(&mut socket)? {
            match self.decide(&key, is_stream) {
                Decision::Admitted(_) if is_stream => return self.stream(socket, &key),
                Decision::Admitted(left) => {
                    let left = format!("x-ratelimit-limit: {}\r\nx-ratelimit-remaining: {left}\r\n", self.rules.limit);
                    answer(&mut socket, "200 OK", &left, r#"{"object":"chat.completion"}"#)?;
                }
                Decision::Refused(wait) => {
                    let wait = wait.map_or_else(String::new, |wait| self.told(wait));
                    answer(&mut socket, "429 Too Many Requests", &wait, ERROR)?;
                }
            }
        }
        Ok(())
    }

    fn decide(&self, key: &str, is_stream: bool) -> Decision {
        let Rules { limit, window, parallel, wrong } = self.rules;
        let now = Instant::now();
        let mut keys = self.lock();
        let state = keys.entry(key.to_owned()).or_default();
        if is_stream && wrong != Wrong::ForgetsStreams && state.streams >= parallel {
            return Decision::Refused(None);
        }
        match wrong {
            Wrong::FixedWindow if state.counted.first().is_some_and(|first| now - *first >= window) => {
                state.counted.clear();
            }
            Wrong::FixedWindow => {}
            Wrong::LeakyBucket => {
                let drip = window / u32::try_from(limit).expect("limits are small");
                // What has leaked out so far; what is left of a drip goes on leaking.
                while state.counted.first().is_some_and(|first| now - *first >= drip) {
                    let first = state.counted.remove(0);
                    state.counted.iter_mut().for_each(|time| *time = (*time).max(first + drip));
                }
            }
            _ => state.counted.retain(|time| now - *time < window),
        }
        if state.counted.len() >= limit {
            let leaves = state.counted[state.counted.len() - limit] + window;
            if wrong == Wrong::CountsRefusals {
                state.counted.push(now);
            }
            return Decision::Refused(Some(leaves.saturating_duration_since(now)));
        }
        if wrong == Wrong::ReadsBeforeItWrites {
            drop(keys);
            // The mistake itself: what others write meanwhile is not seen.
            std::thread::sleep(Duration::from_millis(30));
            keys = self.lock();
        }
        let state = keys.entry(key.to_owned()).or_default();
        state.counted.push(now);
        state.streams += usize::from(is_stream);
        Decision::Admitted(if wrong == Wrong::SaysTheSame {
            limit - 1
        } else {
            limit.saturating_sub(state.counted.len())
        })
    }

    /// An event every few milliseconds, as a model makes them, for as long as somebody listens.
    fn stream(&self, mut socket: TcpStream, key: &str) -> std::io::Result<()> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one \"}}]}\n\n";
        let mut said = socket.write_all(head.as_bytes());
        for _ in 0..1_000 {
            said = said.and_then(|()| socket.write_all(event.as_bytes()));
            if said.is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(4));
        }
        if said.is_ok() || self.rules.wrong != Wrong::LeaksSlots {
            self.lock().entry(key.to_owned()).or_default().streams -= 1;
        }
        said
    }

    fn told(&self, wait: Duration) -> String {
        let ms = wait.as_micros().div_ceil(1000);
        match self.rules.wrong {
            Wrong::RoundsDown => format!("retry-after: {}\r\n", wait.as_secs()),
            Wrong::AlwaysTells(ms) => format!("retry-after: {}\r\nretry-after-ms: {ms}\r\n", ms.div_ceil(1000)),
            _ => format!("retry-after: {}\r\nretry-after-ms: {ms}\r\n", ms.div_ceil(1000)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, State>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next request's key, and whether it asks for a stream; `None` when the caller has left.
fn read_request(socket: &mut TcpStream) -> std::io::Result<Option<(String, bool)>> {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some((head, body)) = split_head(&received) {
            let headers: HashMap<_, _> = head.lines().filter_map(header_line).collect();
            let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                let key = headers.get("authorization").cloned().unwrap_or_default();
                return Ok(Some((key, String::from_utf8_lossy(body).contains("\"stream\":true"))));
            }
        }
        match socket.read(&mut chunk)? {
            0 => return Ok(None),
            read => received.extend_from_slice(&chunk[..read]),
        }
    }
}

fn answer(socket: &mut TcpStream, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(answer.as_bytes())
}

const ERROR: &str = r#"{"error":{"message":"too many","type":"rate_limit_error","param":null,"code":"rate_limited"}}"#;
