//! Who is refused before its body has come hears of it, and goes on with its connection: as a client does that keeps one
//! and sends a head and a body in two pieces.

use harness::caller::hello;
use harness::caller::raw::{parse, read_some, request};
use harness::{Answer, RunningStack, Stack};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What is refused without a look at its body.
struct Early {
    method: &'static str,
    path: &'static str,
    /// The type that its body is said to have.
    declared: &'static str,
    /// Whether its key is one that there is.
    is_known: bool,
    status: u16,
}

#[test]
fn whoever_is_refused_before_its_body_has_come_hears_of_it() {
    let stack = Stack::new().limit("1 per 1d").start();
    stack.script().allow_all();
    let key = stack.key().key;
    stack.edge.chat(Some(&key), &hello(4)).ok();
    // From here on its refusal is remembered.
    stack.edge.chat(Some(&key), &hello(4)).refused(sluice_protocol::refusal::Reason::RateLimited);
    let json = "application/json";
    let kinds = [
        Early { method: "POST", path: "/v1/responses", declared: json, is_known: false, status: 401 },
        Early { method: "POST", path: "/v1/chat/completions", declared: json, is_known: true, status: 429 },
        Early { method: "POST", path: "/v1/nothing", declared: json, is_known: true, status: 404 },
        Early { method: "PUT", path: "/v1/messages", declared: json, is_known: false, status: 405 },
        Early { method: "POST", path: "/api/chat", declared: "text/plain", is_known: false, status: 401 },
    ];
    for chunked in [false, true] {
        for kind in &kinds {
            let come = call(&stack, kind, &key, chunked);
            let (path, lost) = (kind.path, &come.lost);
            assert!(lost.is_empty(), "{path}, in chunks: {chunked}: {} of {CALLS}: {lost:?}", lost.len());
            assert_eq!(come.opened, 1, "{path}, in chunks: {chunked}: its caller goes on with its connection");
        }
    }
}

#[test]
fn a_body_that_never_comes_holds_its_refusal_up_for_a_moment_only() {
    let stack = Stack::new().start();
    for length in [10, 60_000, 1_000_000_000] {
        let head = head_of("POST", "/v1/responses", "application/json", "slc_no", &format!("Content-Length: {length}"));
        let begun = Instant::now();
        let answer = ask(&mut TcpStream::connect(stack.edge_address()).expect("the gate listens"), &head, b"", GAPS[0]);
        assert_eq!(answer.expect("it is answered").status, 401, "{length}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{length}: {:?}", begun.elapsed());
    }
}

/// What came of a caller's calls.
#[derive(Default)]
struct Come {
    lost: Vec<String>,
    opened: usize,
}

/// A caller who asks again and again, on one connection for as long as it holds.
fn call(stack: &RunningStack, kind: &Early, key: &str, chunked: bool) -> Come {
    let body = hello(4).to_string();
    let sent = if chunked { format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()) } else { body.clone() };
    let framed =
        if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", body.len()) };
    let head = head_of(kind.method, kind.path, kind.declared, if kind.is_known { key } else { "slc_no" }, &framed);
    let (mut come, mut connection) = (Come::default(), None);
    for number in 0..CALLS {
        let mut socket = connection.take().unwrap_or_else(|| {
            come.opened += 1;
            connect(stack.edge_address())
        });
        match ask(&mut socket, &head, sent.as_bytes(), GAPS[number % GAPS.len()]) {
            Ok(answer) if answer.status == kind.status => connection = Some(socket),
            Ok(answer) => come.lost.push(format!("{} in place of {}", answer.status, kind.status)),
            Err(why) => come.lost.push(format!("{why}, call {number}")),
        }
    }
    come
}

fn head_of(method: &str, path: &str, declared: &str, key: &str, framed: &str) -> Vec<u8> {
    let lines = [format!("Authorization: Bearer {key}"), format!("Content-Type: {declared}"), framed.to_owned()];
    let head = String::from_utf8(request(method, path, &lines, b"")).expect("it is text");
    head.replace("Connection: close\r\n", "").into_bytes()
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the gate listens");
    socket.set_nodelay(true).expect("a fresh socket takes options");
    socket
}

/// Sends a head, and a body so much later; the answer.
fn ask(socket: &mut TcpStream, head: &[u8], body: &[u8], gap: Duration) -> Result<Answer, String> {
    socket.write_all(head).map_err(|error| format!("the head: {error}"))?;
    let begun = Instant::now();
    while begun.elapsed() < gap {
        std::hint::spin_loop();
    }
    socket.write_all(body).map_err(|error| format!("the body: {error}"))?;
    socket.set_read_timeout(Some(Duration::from_secs(10))).map_err(|error| error.to_string())?;
    let mut received = Vec::new();
    loop {
        if let Some(answer) = parse(&received) {
            return Ok(answer);
        }
        let before = received.len();
        if !read_some(socket, &mut received) || received.len() == before {
            return Err(format!("closed after {before} bytes"));
        }
    }
}

/// How often each is refused.
const CALLS: usize = 60;
/// How long after its head a body is sent: together, as one thread's turn has it, and after the refusal. Together they are so
/// few a second that each of them is waited for.
const GAPS: [Duration; 4] =
    [Duration::ZERO, Duration::from_micros(150), Duration::from_millis(6), Duration::from_millis(12)];
