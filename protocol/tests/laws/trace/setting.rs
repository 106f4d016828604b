//! Where spans go: a URL, and headers that open a door.

use sluice_protocol::telemetry::trace::collector::{MAX_AGAIN_MS, Verdict, verdict};
use sluice_protocol::telemetry::trace::setting::{Headers, parse_endpoint};

#[test]
fn an_endpoint_is_https_or_on_this_machine() {
    for (text, url) in [
        ("https://otlp.example", "https://otlp.example/v1/traces"),
        ("https://otlp.example/", "https://otlp.example/v1/traces"),
        ("https://otlp.example:4318/base/", "https://otlp.example:4318/base/v1/traces"),
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ] {
        assert_eq!(parse_endpoint(text), Ok(Some(url.to_owned())));
    }
    assert_eq!(parse_endpoint(""), Ok(None));
    let long = format!("https://{}", "a".repeat(2_000));
    for bad in [
        "otlp.example",
        "https://",
        "http://otlp.example",
        "http://10.0.0.1:4318",
        "http://127.0.0.1.example",
        "ftp://127.0.0.1",
        "https://user:pass@otlp.example",
        "https://otlp.example/?key=secret",
        "https://otlp.example/#secret",
        "https://otlp example",
        "https://otlp.exämple",
        &long,
    ] {
        let problem = parse_endpoint(bad).expect_err(bad);
        assert!(!problem.contains("secret") && !problem.contains("private"), "{problem}");
    }
}

fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    Ok(Headers::parse(text)?.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[test]
fn headers_are_read_as_opentelemetry_has_them() {
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    for (text, pairs) in [
        ("", &[][..]),
        (" , ", &[]),
        ("api-key=secret", &[("api-key", "secret")]),
        ("Api-Key = a , x-b=c=d", &[("api-key", "a"), ("x-b", "c=d")]),
        ("authorization=Basic%20YTpi%2C%3D", &[("authorization", "Basic YTpi,=")]),
        ("x=%7e%7E,y=", &[("x", "~~"), ("y", "")]),
    ] {
        assert_eq!(read(text), Ok(own(pairs)), "{text}");
    }
}

#[test]
fn all_mistakes_of_headers_are_told_and_none_shows_them() {
    let text =
        "secret,=secret,secr et=1,a=secret%2,b=secret%zz,c=secret%0A,d=%ff,host=secret,Content-Type=x,e=1,E=secret,f=é";
    let problem = read(text).expect_err("they are wrong");
    assert!(!problem.contains("secret") && !problem.contains("secr"), "{problem}");
    let told: Vec<_> = problem.split("; ").map(|mistake| mistake.split(':').next().unwrap()).collect();
    let expected: Vec<_> = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12].map(|number| format!("header {number}")).to_vec();
    assert_eq!(told, expected, "{problem}");
    assert!(read(&format!("a={}", "x".repeat(9_000))).is_err());
}

#[test]
fn a_collector_is_believed_within_bounds() {
    for (status, retry_after, body, expected) in [
        (200, None, "", Verdict::Taken(0)),
        (200, None, "{}", Verdict::Taken(0)),
        (202, None, "no JSON", Verdict::Taken(0)),
        (200, None, r#"{"partialSuccess":{"rejectedSpans":"7","errorMessage":"x"}}"#, Verdict::Taken(7)),
        (200, None, r#"{"partialSuccess":{"rejectedSpans":7}}"#, Verdict::Taken(7)),
        (200, None, r#"{"partialSuccess":{"rejectedSpans":-7}}"#, Verdict::Taken(0)),
        (200, None, r#"{"partialSuccess":[]}"#, Verdict::Taken(0)),
        (429, None, "", Verdict::Again(1_000)), // not a status: what a collector answers
        (503, Some("2"), "", Verdict::Again(2_000)), // not a status: what a collector answers
        (502, Some("0"), "", Verdict::Again(0)), // not a status: what a collector answers
        (504, Some("3600"), "", Verdict::Again(MAX_AGAIN_MS)), // not a status: what a collector answers
        (503, Some("18446744073709551615"), "", Verdict::Again(MAX_AGAIN_MS)), // not a status: what a collector answers
        (503, Some("Wed, 21 Oct 2026 07:28:00 GMT"), "", Verdict::Again(1_000)), // not a status: what a collector answers
        (302, None, "", Verdict::Refused),
        (400, None, "", Verdict::Refused), // not a status: what a collector answers
        (413, Some("1"), "", Verdict::Refused), // not a status: what a collector answers
        (500, Some("1"), "", Verdict::Refused), // not a status: what a collector answers
        (0, None, "", Verdict::Refused),
    ] {
        assert_eq!(verdict(status, retry_after, body.as_bytes()), expected, "{status} {retry_after:?} {body}");
    }
}
