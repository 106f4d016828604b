//! Connections that say nothing, by the thousand: whoever sends a request is served at once.

use crate::harness::{BOUND, Harness, chat, parts, until};
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What a connection says before it falls silent.
const SAID: [&str; 3] = ["", "POST /v1/chat/compl", "GET /health HTTP/1.1\r\nhost: x\r\nx-slow: "];

async fn crowd(harness: &Harness, count: usize) -> Vec<TcpStream> {
    let address = harness.origin.as_ref().unwrap().address();
    let mut all = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = tokio::time::timeout(BOUND, TcpStream::connect(address)).await.unwrap().unwrap();
        // It may have been sent away already.
        let _ = stream.write_all(SAID[number % SAID.len()].as_bytes()).await;
        all.push(stream);
    }
    all
}

fn is_closed(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 1]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_silent_connections_keep_nobody_out() {
    let harness = Harness::open(1, 4).await;
    harness.script.allow_all();
    let mut all = crowd(&harness, 2_000).await;
    for _ in 0..5 {
        let begun = Instant::now();
        assert_eq!(parts(harness.post(&chat("hi")).send().await.unwrap()).await.0, 200);
        assert_eq!((harness.status("/health").await, harness.status("/ready").await), (200, 200));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        all.extend(crowd(&harness, 100).await);
    }
    until("most of them were sent away", || all.iter().filter(|stream| !is_closed(stream)).count() <= 160).await;
}

/// Also those that have had their answer and keep their connection open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_between_two_requests_are_bounded() {
    let harness = Harness::open(1, 4).await;
    harness.script.allow_all();
    let address = harness.origin.as_ref().unwrap().address();
    let mut all = Vec::new();
    for _ in 0..700 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        stream.readable().await.unwrap();
        let mut answer = [0; 1_024];
        assert!(stream.try_read(&mut answer).unwrap() > 12 && answer.starts_with(b"HTTP/1.1 200"));
        all.push(stream);
    }
    until("most of them were closed", || all.iter().filter(|stream| !is_closed(stream)).count() <= 160).await;
    assert_eq!(parts(harness.post(&chat("hi")).send().await.unwrap()).await.0, 200);
}
