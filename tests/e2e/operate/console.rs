//! The console: files beside the Worker, what browsers are told of them, and what a person does with it in Chromium.

mod driven;
mod walk;

use harness::caller::raw::{exchange, request};
use harness::{RunningStack, Stack};

/// What a browser is told of every file of the console.
const TOLD: [(&str, &str); 5] = [
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

fn get(stack: &RunningStack, method: &str, path: &str) -> harness::Answer {
    exchange(stack.edge_address(), &request(method, path, &[], b""))
}

#[test]
fn its_files_are_served_with_a_strict_policy() {
    let stack = Stack::new().with_console().start();
    for (path, kind) in [
        ("/console/", "text/html"),
        ("/console/console.js", "text/javascript"),
        ("/console/console.css", "text/css"),
        ("/console/icon.svg", "image/svg+xml"),
    ] {
        let answer = get(&stack, "GET", path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").is_some_and(|found| found.starts_with(kind)), "{path}: {answer:?}");
        for (name, value) in TOLD {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path} has no policy"));
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"] {
            assert!(policy.split("; ").any(|found| found == part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
    }
    let moved = get(&stack, "GET", "/console");
    assert_eq!((moved.status, moved.header("location")), (307, Some("/console/")));
    for path in ["/console/none", "/console/_headers", "/console/../_headers", "/_headers", "/console%2f", "/consoles"]
    {
        assert_eq!(get(&stack, "GET", path).status, 404, "{path}");
    }
}

/// Whatever is not the console's is the Worker's, as where there is no console.
#[test]
fn the_other_paths_are_the_workers() {
    let (with, without) = (Stack::new().with_console().start(), Stack::new().start());
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/index.html"),
        ("GET", "/console.js"),
        ("GET", "/admin/v1/keys"),
        ("GET", "/v1/none"),
        ("POST", "/v1/chat/completions"),
        ("DELETE", "/v1/models"),
    ] {
        let shown = |stack: &RunningStack| {
            let answer = get(stack, method, path);
            let names: Vec<_> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
            (answer.status, answer.text().to_owned(), names)
        };
        assert_eq!(shown(&with), shown(&without), "{method} {path}");
    }
}
