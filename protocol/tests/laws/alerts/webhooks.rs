//! The setting `ALERT_WEBHOOKS`: public names over https, unless one is said to be private; and nothing of it is shown.

use proptest::prelude::*;
use sluice_protocol::alerts::webhook::{Form, parse_webhooks};

fn setting(url: &str, is_private: bool) -> String {
    let url = serde_json::to_string(url).unwrap();
    format!(r#"{{"a": {{"url": {url}, "form": "slack", "private": {is_private}}}}}"#)
}

fn url(url: &str, is_private: bool) -> Option<String> {
    parse_webhooks(&setting(url, is_private)).ok().map(|webhooks| webhooks[0].url.clone())
}

#[test]
fn public_names_over_https_are_taken() {
    for (text, read) in [
        ("https://hooks.example.com", "https://hooks.example.com"),
        ("https://hooks.example.com/", "https://hooks.example.com/"),
        ("https://HOOKS.Example.COM./services/T/B?x=1&y=a%20b", "https://hooks.example.com/services/T/B?x=1&y=a%20b"),
        ("https://hooks.example.com:443/a@b", "https://hooks.example.com:443/a@b"),
        ("https://hooks.example.com?key=1", "https://hooks.example.com?key=1"),
        ("https://xn--bcher-kva.example/x", "https://xn--bcher-kva.example/x"),
        ("https://a.xn--p1ai/", "https://a.xn--p1ai/"),
        ("https://1.2.3.4.nip.io/", "https://1.2.3.4.nip.io/"),
        ("https://local.example.com/", "https://local.example.com/"),
        ("https://mylocalhost.com/", "https://mylocalhost.com/"),
    ] {
        assert_eq!(url(text, false).as_deref(), Some(read), "{text}");
        assert_eq!(url(text, true).as_deref(), Some(read), "{text}");
    }
}

/// Addresses in every notation that a reader of URLs takes, and names that mean something here alone.
#[test]
fn what_only_this_deployment_can_reach_is_refused() {
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0x",
        "1.2.3.0x4",
        "1.2.3.04",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "169.254.169.254.",
        "100.64.0.1",
        "8.8.8.8",
        "255.255.255.255",
        "256.256.256.256",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[fe80::1]",
        "[fd00::1]",
        "[2606:4700::1111]",
        "[64:ff9b::7f00:1]",
        "[::1].",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "a.localhost.",
        "printer.local",
        "metadata",
        "metadata.google.internal",
        "METADATA.google.INTERNAL.",
        "instance-data.ec2.internal",
        "metadata.azure.com",
        "gate.home.arpa",
        "router.lan",
        "intranet",
        "db",
        "db.corp",
        "x.invalid",
        "a.b1",
        "hooks.example.com:8443",
        "hooks.example.com:80",
        "hooks.example.com:8",
    ] {
        assert_eq!(url(&format!("https://{host}/x"), false), None, "{host}");
        assert_eq!(url(&format!("https://{host}"), false), None, "{host}");
    }
    assert_eq!(url("http://hooks.example.com/", false), None);
}

/// What two readers of URLs may read in two ways, and what is none. Not even a private webhook has such a one.
#[test]
fn what_is_no_plain_url_is_refused() {
    let long = format!("https://hooks.example.com/{}", "a".repeat(1_000));
    let label = format!("https://{}.com/", "a".repeat(64));
    let name = format!("https://{}com/", "a.".repeat(126));
    for text in [
        "",
        "hooks.example.com",
        "//hooks.example.com",
        "https:hooks.example.com",
        "https:/hooks.example.com",
        "https://",
        "https:///hooks.example.com",
        "https://?x",
        "ftp://hooks.example.com/",
        "HTTPS://hooks.example.com/",
        "javascript:alert(1)",
        "https://user@hooks.example.com/",
        "https://user:word@hooks.example.com/",
        "https://hooks.example.com@127.0.0.1/",
        "https://127.0.0.1\\@hooks.example.com/",
        "https://127.0.0.1#@hooks.example.com/",
        "https://hooks.example.com/#x",
        "https://hooks.example.com\\x",
        "https://hooks.example.com /",
        " https://hooks.example.com/",
        "https://hooks.example.com/\n",
        "https://ho\toks.example.com/",
        "https://hooks.example.com:/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:65536/",
        "https://hooks.example.com:+443/",
        "https://hooks.example.com:443:443/",
        "https://hooks%2eexample.com/",
        "https://%31%32%37.0.0.1/",
        "https://bücher.example/",
        "https://hooks。example.com/",
        "https://①②⑦.0.0.1/",
        "https://hooks..example.com/",
        "https://.example.com/",
        "https://hooks.example.com../",
        "https://-hooks.example.com/",
        "https://hooks-.example.com/",
        "https://hooks_x.example.com/",
        "https://*.example.com/",
        "https://[::1/",
        "https://[::1]x/",
        "https://[fe80::1%25eth0]/",
        "https://::1/",
        &long,
        &label,
        &name,
    ] {
        assert_eq!(url(text, false), None, "{text}");
        assert_eq!(url(text, true), None, "{text}");
    }
}

#[test]
fn a_private_webhook_may_be_anywhere() {
    for text in [
        "http://127.0.0.1:9000/x",
        "http://localhost:9000",
        "http://[::1]:9000/x",
        "https://db:8443/",
        "https://gate.home.arpa/",
        "http://hooks.example.com/",
    ] {
        assert_eq!(url(text, true).as_deref(), Some(text));
        assert_eq!(url(text, false), None, "{text}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_no_secret_with_them() {
    let told = parse_webhooks(
        r#"{
        "a": {"url": "http://hunter2.example.com/hunter2", "form": "json", "secret": "hunter2"},
        "b": {"form": "jsno", "sekret": "hunter2"},
        "c": {"url": "https://hooks.example.com/hunter2", "form": "slack", "secret": "hunter2hunter2hunter2"},
        "d": {"url": "https://hooks.example.com/hunter2", "form": "dingtalk", "secret": "", "private": "no"},
        "e": {"url": "https://hooks.example.com/hunter2", "form": "json"},
        "f": {"url": "https://hooks.example.com/hunter2", "form": "wecom", "secret": 5},
        "g": "https://hooks.example.com/hunter2",
        "https://hooks.example.com/hunter2": {"url": "https://hooks.example.com/", "form": "slack"}}"#,
    )
    .unwrap_err();
    let expected = [
        "webhook `a`: `url` must start with https://; `\"private\": true` says that it is in a network of your own",
        "webhook `a`: `secret` must be 16 to 256 characters: what messages are signed with",
        "webhook `b`: has an unknown member; known: url, form, secret, private",
        "webhook `b`: `url` must be a URL such as https://hooks.example.com/path, with a name as its host",
        "webhook `b`: `form` must be json, slack, wecom or dingtalk",
        "webhook `c`: `secret` is not for this form: its URL is its secret",
        "webhook `d`: `private` must be true or false",
        "webhook `d`: `secret` must be 1 to 256 characters",
        "webhook `e`: `secret` must be 16 to 256 characters: what messages are signed with",
        "webhook `f`: `secret` must be a text",
        "webhook `g`: must be an object",
        "webhook 8: its name must be 1 to 32 of a-z, 0-9 and -",
    ];
    assert_eq!(told.matches("webhook ").count(), expected.len(), "{told}");
    for mistake in expected {
        assert!(told.contains(mistake), "{mistake} is not in {told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    let one = |number: usize| format!(r#""w{number}":{{"url":"https://hooks.example.com/","form":"slack"}}"#);
    let of = |count: usize| format!("{{{}}}", (0..count).map(one).collect::<Vec<_>>().join(","));
    assert_eq!(parse_webhooks(&of(16)).unwrap().len(), 16);
    for wrong in ["", "[]", "hunter2", r#"{"a":{},"a":{}}"#, &of(17)] {
        let told = parse_webhooks(wrong).unwrap_err();
        assert!(told.starts_with("must be a JSON object") && !told.contains("hunter2"), "{told}");
    }
    assert_eq!(parse_webhooks("{}").unwrap(), []);
}

#[test]
fn nothing_of_a_webhook_is_printed() {
    let webhooks = super::webhooks();
    let forms: Vec<_> = webhooks.iter().map(|webhook| webhook.form).collect();
    assert_eq!(forms, [Form::Dingtalk, Form::Json, Form::Slack, Form::Wecom]);
    assert_eq!(webhooks[0].host(), "oapi.dingtalk.com");
    let printed = format!("{webhooks:?}");
    for secret in ["T0K", "SECabc", "0123456789abcdef", "services", "/sluice", "key=K"] {
        assert!(!printed.contains(secret), "{secret} is in {printed}");
    }
}

proptest! {
    /// Nothing panics, and what is taken as public has a name of two labels at least that does not end in a number.
    #[test]
    fn whatever_is_public_has_a_public_name(text in "(https://)?[a-z0-9.:@/?#\\[\\]\\\\%x-]{0,40}") {
        if let Some(read) = url(&text, false) {
            let rest = read.strip_prefix("https://").unwrap();
            let host = rest.split(['/', '?']).next().unwrap().split(':').next().unwrap();
            let labels: Vec<_> = host.split('.').collect();
            prop_assert!(labels.len() >= 2, "{}", read);
            prop_assert!(labels.iter().all(|label| !label.is_empty()), "{}", read);
            prop_assert!(labels.last().unwrap().starts_with(|letter: char| letter.is_ascii_alphabetic()), "{}", read);
            prop_assert_eq!(url(&read, false), Some(read.clone()));
        }
        let _ = parse_webhooks(&text);
    }
}
