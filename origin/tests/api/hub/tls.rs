//! The hub over TLS, as it is: who it must be, whose certificates count, and where the token goes.

use crate::harness::{BOUND, client, parts, text_of};
use crate::hub::fake::{COMMIT, FakeHub, Fault, REPOSITORY};
use crate::hub::{Cache, WEIGHTS, noise};
use crate::server::program::{listening, program, signal};
use crate::server::tls::Authority;
use rustls::ServerConfig;
use serde_json::json;
use sluice_origin::hub::HubSettings;
use sluice_origin::models::endless;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

const COUNT: usize = 300_000;

/// A hub behind TLS, whose large files lie on another one.
fn hub(tls: Arc<ServerConfig>, store: Option<Arc<ServerConfig>>) -> FakeHub {
    let files = [("config.json", b"{}".to_vec()), ("tokenizer.json", b"{\"t\": 1}".to_vec()), (WEIGHTS, noise(COUNT))];
    FakeHub::with_tls(&files, Some(tls), store)
}

/// A cache that knows servers by this authority, and who asks.
fn cache(hub: &FakeHub, directory: &Path, authority: &Authority) -> Cache {
    let file = directory.join("authority.pem");
    fs::write(&file, authority.pem()).unwrap();
    let mut cache = Cache::new(hub);
    cache.settings.authorities = Some(file);
    cache.settings.token = Some("hf_mine".into());
    cache
}

#[test]
fn a_model_comes_over_tls_and_its_token_goes_to_the_hub_alone() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let hub = hub(authority.serves("localhost"), Some(authority.serves("localhost")));
    assert!(hub.url.starts_with("https://"));
    hub.require("hf_mine");
    // It breaks off in the middle, twice, and is gone on with.
    hub.faults([Fault::Cut(100_000), Fault::Cut(0), Fault::Cut(50_000)]);
    let cache = cache(&hub, directory.path(), &authority);
    let path = cache.fetch(REPOSITORY).unwrap();
    assert_eq!(path.file_name().unwrap(), COMMIT);
    assert_eq!(fs::read(path.join(WEIGHTS)).unwrap(), noise(COUNT));
    assert_eq!(hub.sent(), COUNT, "every byte was sent once");
    let asked = hub.asked();
    let stores: Vec<_> = asked.iter().filter(|asked| asked.store).collect();
    assert_eq!(stores.len(), 4);
    assert!(stores.iter().all(|asked| asked.token.is_none()), "{stores:?}");
    let hubs = asked.iter().filter(|asked| !asked.store).map(|asked| asked.token.as_deref());
    assert!(hubs.eq(vec![Some("Bearer hf_mine"); asked.len() - 4]));
    // What is not the hub's is not served, over TLS neither.
    let mut other = Cache::new(&hub);
    other.settings = HubSettings { cache: other.settings.cache, ..cache.settings };
    hub.faults([Fault::Corrupt]);
    assert!(other.fetch(REPOSITORY).unwrap_err().contains("SHA-256"));
}

/// Nothing is said to a server that is not known to be the hub, and no byte of its is taken.
#[test]
fn who_is_not_known_to_be_the_hub_is_told_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(), Authority::new());
    let empty: PathBuf = directory.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    for (tls, authorities, expected) in [
        (other.serves("localhost"), None, "set SSL_CERT_FILE to its authority's certificate"),
        (ours.serves("huggingface.co"), None, "certificate"),
        (ours.serves("localhost"), Some(empty), "empty.pem (SSL_CERT_FILE)"),
        (ours.serves("localhost"), Some("/nowhere.pem".into()), "/nowhere.pem (SSL_CERT_FILE)"),
    ] {
        let hub = hub(tls, None);
        let mut cache = cache(&hub, directory.path(), &ours);
        cache.settings.authorities = authorities.or(cache.settings.authorities);
        let why = cache.fetch(REPOSITORY).unwrap_err();
        assert!(why.contains(expected) && !why.contains("hf_mine"), "{why}");
        assert!(hub.asked().is_empty(), "{expected}");
    }
}

#[test]
fn a_way_that_leaves_tls_is_not_gone() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let hub = hub(authority.serves("localhost"), None);
    let why = cache(&hub, directory.path(), &authority).fetch(REPOSITORY).unwrap_err();
    assert!(why.contains("it leads from https to http") && !why.contains("signature"), "{why}");
    assert!(hub.asked().iter().all(|asked| !asked.store));
    // Where large files lie, somebody else answers: what comes from there is not taken, and what is there is not asked.
    let hub = self::hub(authority.serves("localhost"), Some(Authority::new().serves("localhost")));
    let why = cache(&hub, directory.path(), &authority).fetch(REPOSITORY).unwrap_err();
    assert!(why.contains("certificate"), "{why}");
    assert!(hub.asked().iter().all(|asked| !asked.store));
}

/// As an operator has it whose company looks into all connections: the program, told by the environment.
#[tokio::test]
async fn the_program_fetches_over_tls_and_serves() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("tiny");
    endless::ensure(&model).unwrap();
    let files =
        ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "model.safetensors"];
    let files = files.map(|file| (file, fs::read(model.join(file)).unwrap()));
    let authority = Authority::new();
    let hub = FakeHub::with_tls(&files, Some(authority.serves("localhost")), Some(authority.serves("localhost")));
    hub.require("hf_mine");
    let pem = directory.path().join("company.pem");
    fs::write(&pem, authority.pem()).unwrap();
    let mut command = program(&["serve", "--open", "--bind", "127.0.0.1:0", "--model", REPOSITORY]);
    command.env("HF_ENDPOINT", &hub.url).env("HF_HOME", directory.path().join("hf")).env("HF_TOKEN", "hf_mine");
    command.env("SSL_CERT_FILE", &pem).stderr(Stdio::null());
    let (mut child, url) = listening(command).await;
    let body = json!({"model": REPOSITORY, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5});
    let request = client().post(format!("{url}/v1/chat/completions")).header("content-type", "application/json");
    let (status, answer) = parts(request.body(body.to_string()).send().await.unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    assert!(!text_of(&answer).is_empty());
    signal(&child, "TERM").await;
    assert!(tokio::time::timeout(BOUND, child.wait()).await.unwrap().unwrap().success());
}
