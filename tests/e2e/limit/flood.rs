//! A flood of keys that are none: forged, mistyped and retired ones, a thousand a second and more for several seconds, cost no
//! storage operation at all, whatever account they name, and those who have a key are served meanwhile.

use harness::caller::bearer;
use harness::caller::raw::request;
use harness::{Stack, secrets};
use sluice_protocol::id::AccountId;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many attempts a second are sent, by all together. A machine that is slower sends what it can.
const RATE: u32 = 1_000;
const SECONDS: u32 = 5;
const CONNECTIONS: u32 = 8;

/// One request after the other on one connection, at most so many a second; how many were refused, and what else was answered.
fn attempt(address: SocketAddr, keys: &[String], begun: Instant) -> (u32, Vec<String>) {
    let mut socket = TcpStream::connect(address).expect("the gate listens");
    socket.set_nodelay(true).expect("a fresh socket takes options");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
    let requests: Vec<_> = keys.iter().map(|key| attempt_with(key)).collect();
    let (each, mut refused, mut others) = (RATE / CONNECTIONS, 0, Vec::new());
    for number in 0..each * SECONDS {
        let due = Duration::from_secs(1) * number / each;
        // Paces what is sent.
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        socket.write_all(&requests[number as usize % requests.len()]).expect("the connection is kept");
        let answer = one_answer(&mut socket);
        if answer.starts_with("HTTP/1.1 401 ") && answer.contains("invalid_api_key") {
            refused += 1;
        } else {
            others.push(answer);
        }
    }
    (refused, others)
}

fn attempt_with(key: &str) -> Vec<u8> {
    let text = String::from_utf8(request("GET", "/v1/key", &[bearer(key)], b"")).expect("ASCII");
    text.replace("Connection: close", "Connection: keep-alive").into_bytes()
}

/// Head and body, which has a length.
fn one_answer(socket: &mut TcpStream) -> String {
    let (mut received, mut chunk) = (String::new(), [0; 4096]);
    loop {
        let read = socket.read(&mut chunk).expect("an answer comes");
        assert!(read > 0, "the connection is kept: {received}");
        received.push_str(&String::from_utf8_lossy(&chunk[..read]));
        let Some((head, body)) = received.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(usize::MAX) {
            return received;
        }
    }
}

#[test]
fn a_thousand_bad_keys_a_second_cost_no_storage_operation() {
    let mut stack = Stack::new().start();
    let key = stack.key();
    let account = AccountId::parse(&key.account).expect("an account");
    // A key that was good, until its pepper was retired.
    stack.restart_edge_with("KEY_PEPPERS", secrets::next_key_peppers());
    let fresh = stack.key();
    let mut bad = vec![key.key.clone(), secrets::forged_tag(account), secrets::retired_epoch(account)];
    let mistyped = |place: usize| {
        let mut text = fresh.key.clone().into_bytes();
        text[place] = if text[place] == b'7' { b'8' } else { b'7' };
        String::from_utf8(text).expect("ASCII")
    };
    bad.extend((4..fresh.key.len()).map(mistyped));
    stack.edge.own(&fresh.key);
    let gates = || [key.id, fresh.id].map(|id| stack.edge.view(id).storage);
    let (gates_before, registry_before) = (gates(), stack.edge.list().storage);
    let (address, begun, is_over) = (stack.edge_address(), Instant::now(), AtomicBool::new(false));
    let (answers, served) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut served = 0;
            while !is_over.load(Ordering::SeqCst) {
                stack.edge.own(&fresh.key);
                served += 1;
            }
            served
        });
        let attempts: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| attempt(address, &bad, begun))).collect();
        let answers: Vec<_> = attempts.into_iter().map(|one| one.join().expect("it was answered")).collect();
        is_over.store(true, Ordering::SeqCst);
        (answers, asking.join().expect("a good key is served"))
    });
    let span = begun.elapsed();
    let refused: u32 = answers.iter().map(|(refused, _)| refused).sum();
    let others: Vec<_> = answers.iter().flat_map(|(_, others)| others).collect();
    let (gates_after, registry_after) = (gates(), stack.edge.list().storage);
    println!(
        "{refused} bad keys in {span:.1?}, {:.0} a second; {served} requests of a good key were served meanwhile",
        f64::from(refused) / span.as_secs_f64()
    );
    assert_eq!(refused, RATE * SECONDS, "{others:?}");
    // The one that names no Gate but its own was asked by its admin alone; the other one by its holder, too.
    assert_eq!(gates_after[0].calls, gates_before[0].calls + 1);
    assert_eq!(gates_after[1].calls, gates_before[1].calls + 1 + served);
    for (after, before) in gates_after.iter().zip(&gates_before) {
        assert_eq!((after.rows_read, after.rows_written), (before.rows_read, before.rows_written));
    }
    // Of the Registry an isolate asks for the plans every other second, whoever calls; and the admin looked.
    let asked = registry_after.calls - registry_before.calls;
    assert!(asked <= 4 + span.as_secs(), "{asked} messages to the Registry");
    assert_eq!(registry_after.rows_written, registry_before.rows_written);
}
