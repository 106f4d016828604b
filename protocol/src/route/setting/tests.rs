//! What is read, and that every mistake is told at once, by name.

use super::*;

#[test]
fn a_list_of_origins_is_read_whole() {
    let text = r#"[
        {"name": "gpu-1", "url": "https://one.example/", "models": ["qwen", "small"], "aliases": {"qwen": "q-8b"},
         "weight": 3, "region": "EU"},
        {"name": "b", "url": "http://10.0.0.7:8081", "private": true},
        {"name": "c", "url": "http://[::1]:8081/base"}
    ]"#;
    let origins = parse(text).unwrap();
    let first = &origins[0];
    assert_eq!((first.name.as_str(), first.url.as_str(), first.weight), ("gpu-1", "https://one.example", 3));
    assert_eq!(first.name.binding(), "ORIGIN_GPU_1");
    assert_eq!(first.models.as_deref(), Some(["qwen".to_owned(), "small".to_owned()].as_slice()));
    assert_eq!((first.aliases["qwen"].as_str(), first.region), ("q-8b", Region::parse("EU")));
    assert_eq!((origins[1].weight, origins[1].models.as_deref(), origins[1].region), (1, None, None));
    assert_eq!(origins[2].url, "http://[::1]:8081/base");
}

#[test]
fn every_mistake_is_told_at_once_and_by_name() {
    let text = r#"[
        {"name": "a", "url": "http://plain.example", "wieght": 2},
        {"name": "a", "url": "ftp://x", "weight": 0, "region": "Mars"},
        {"name": "Große", "url": "http://plain.example/", "models": [], "aliases": []},
        {"url": "https://user:secret@host", "private": "yes", "models": ["m", "m"]},
        {"name": "e", "url": "https://e", "models": ["m"], "aliases": {"other": "x"}},
        "f"
    ]"#;
    let mistakes = parse(text).unwrap_err();
    let told = [
        "origin `a`: has an unknown member `wieght`",
        "origin `a`: `url` must start with https://",
        "origin `a`: `url` must be a URL",
        "origin `a`: `weight` must be 1 to 100",
        "origin `a`: `region` must be a continent",
        "origin 3: `name` must be 1 to 32 small letters",
        "origin 3: `url` must start with https://",
        "origin 3: `aliases` must be an object",
        "origin 3: `models` must be a list",
        "origin 4: `name` is missing",
        "origin 4: `private` must be true or false",
        "origin 4: `url` must be a URL",
        "origin 4: `models` must have each model once",
        "origin `e`: `aliases` must be of its models, and `other` is none",
        "origin 6: must be an object",
        "origin 2: has the `name` of one before it",
        "origin 3: has the `url` of one before it",
    ];
    assert_eq!(mistakes.len(), told.len(), "{mistakes:#?}");
    for (mistake, told) in mistakes.iter().zip(told) {
        assert!(mistake.starts_with(told), "{mistake} is not: {told}");
        assert!(!mistake.contains("secret") && !mistake.contains("plain.example"), "{mistake} shows a value");
    }
}

#[test]
fn what_is_no_list_of_origins_is_one_mistake() {
    let many = format!("[{}]", vec!["{}"; MAX_ORIGINS + 1].join(","));
    for wrong in ["", "{}", "[]", "hunter2", r#"[{"name":"a","name":"b"}]"#, &many] {
        let mistakes = parse(wrong).unwrap_err();
        assert!(mistakes.len() == 1 && mistakes[0].starts_with("must "), "{mistakes:?}");
    }
}

#[test]
fn names_are_plain() {
    for good in ["a", "gpu-1", "0", "a-b-c"] {
        assert!(OriginName::parse(good).is_some(), "{good}");
    }
    for bad in ["", "-", "a-", "-a", "A", "a_b", "a b", "ä", &"a".repeat(33)] {
        assert!(OriginName::parse(bad).is_none(), "{bad}");
    }
}
