//! `HEAD` wherever there is `GET`.

use crate::request::described::{ADMIN, PUBLIC, described, document, filled};
use harness::caller::{MODEL, bearer, raw};
use harness::{RunningStack, Stack, secrets};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Head and body of an answer, with what changes from one to the next left out.
fn answered(stack: &RunningStack, method: &str, path: &str, credential: &str) -> (Vec<String>, Vec<u8>) {
    let mut socket = TcpStream::connect(stack.edge_address()).expect("the gate listens");
    let bytes = raw::request(method, path, &[bearer(credential)], b"");
    socket.write_all(&bytes).expect("an open socket takes a request");
    let mut received = Vec::new();
    // The connection is closed behind the answer: whatever comes is a part of it.
    socket.read_to_end(&mut received).expect("an answer comes");
    let (head, body) = raw::split_head(&received).expect("a head");
    let changes =
        |line: &&str| !["x-request-id", "ratelimit:", "x-ratelimit-reset"].iter().any(|name| line.starts_with(name));
    let mut lines: Vec<_> = head.to_ascii_lowercase().lines().filter(changes).map(str::to_owned).collect();
    lines.sort();
    (lines, body.to_vec())
}

#[test]
fn head_is_get_without_the_body() {
    let stack = Stack::new().limit("9 per 1h").setting("TOKEN_KEYS", secrets::token_keys()).start();
    stack.script().allow_all();
    let key = stack.key();
    // What both answer that many times: 401, 404 and 405 are answers, too.
    let mut paths = vec![
        ("/v1/none".to_owned(), &*key.key),
        ("/v1/models/none".to_owned(), &*key.key),
        ("/v1/key".to_owned(), "EMPTY"),
        ("/v1/chat/completions".to_owned(), &*key.key),
        ("/admin/v1/keys".to_owned(), "no admin"),
        ("/admin/v1/keys/key_000000000000000000000000".to_owned(), secrets::ADMIN_TOKEN),
    ];
    let mut expected = paths.len();
    for (file, before, credential) in [(PUBLIC, "", &*key.key), (ADMIN, "/admin/v1", secrets::ADMIN_TOKEN)] {
        for (path, methods) in described(&document(file)) {
            assert_eq!(methods.contains("GET"), methods.contains("HEAD"), "{path}");
            // An answer that goes on for ten minutes is not read to its end.
            if methods.contains("GET") && path != "/live/stream" {
                let path = filled(&path, &key.id.to_string(), &key.account).replace("{model}", MODEL);
                paths.push((format!("{before}{path}"), credential));
                expected += 1;
            }
        }
    }
    assert!(expected > 14, "{paths:?}");
    for (path, credential) in paths {
        let (get, body) = answered(&stack, "GET", &path, credential);
        let (head, none) = answered(&stack, "HEAD", &path, credential);
        assert!(!body.is_empty() && none.is_empty(), "{path}: {}", String::from_utf8_lossy(&none));
        assert_eq!(head, get, "{path}");
    }
}
