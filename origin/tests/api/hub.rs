//! Models of the hub: what is fetched, how it goes on after a break, what is checked, and what the operator is told.

pub(crate) mod fake;
mod tls;

use crate::hub::fake::{COMMIT, FakeHub, Fault, REPOSITORY, hash};
use serde_json::json;
use sluice_origin::hub::{HubError, HubSettings, fetch};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const WEIGHTS: &str = "model.safetensors";

/// A cache of its own, and who asks.
pub(crate) struct Cache {
    directory: tempfile::TempDir,
    pub(crate) settings: HubSettings,
}

impl Cache {
    pub(crate) fn new(hub: &FakeHub) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = HubSettings {
            endpoint: hub.url.clone(),
            token: None,
            authorities: None,
            cache: directory.path().join("hub"),
            offline: false,
            patience: Duration::from_millis(1),
        };
        Self { directory, settings }
    }

    pub(crate) fn fetch(&self, model: &str) -> Result<PathBuf, String> {
        fetch(&self.settings, &model.parse().unwrap()).map_err(|error: HubError| error.to_string())
    }

    fn folder(&self) -> PathBuf {
        self.settings.cache.join(format!("models--{}", REPOSITORY.replace('/', "--")))
    }

    fn draft(&self, hub_bytes: &[u8]) -> PathBuf {
        self.folder().join("blobs").join(format!("{}.incomplete", hash(hub_bytes)))
    }
}

/// Bytes that are nowhere alike.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    crate::models::network::splitmix(9, count / 8 + 1).flat_map(u64::to_le_bytes).take(count).collect()
}

/// A repository with more in it than is served.
fn usual() -> (FakeHub, Vec<u8>) {
    let weights = noise(300_000);
    let hub = FakeHub::start(&[
        ("config.json", b"{}".to_vec()),
        ("tokenizer.json", b"{\"t\": 1}".to_vec()),
        ("generation_config.json", b"{\"g\": 1}".to_vec()),
        (WEIGHTS, weights.clone()),
        ("README.md", b"read me".to_vec()),
        ("pytorch_model.bin", b"pickle".to_vec()),
    ]);
    (hub, weights)
}

#[test]
fn what_is_served_is_fetched_once_into_the_usual_places() {
    let (hub, weights) = usual();
    hub.require("hf_mine");
    let mut cache = Cache::new(&hub);
    cache.settings.token = Some("hf_mine".into());
    let path = cache.fetch(REPOSITORY).unwrap();
    assert_eq!(path, cache.folder().join("snapshots").join(COMMIT));
    assert_eq!(fs::read(path.join(WEIGHTS)).unwrap(), weights);
    let link = fs::read_link(path.join(WEIGHTS)).unwrap();
    assert_eq!(link, Path::new("../../blobs").join(hash(&weights)));
    assert_eq!(fs::read_to_string(cache.folder().join("refs/main")).unwrap(), COMMIT);
    let names = |path: PathBuf| {
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(path), ["config.json", "generation_config.json", WEIGHTS, "tokenizer.json"]);
    let lacks = names(cache.folder().join(".no_exist").join(COMMIT));
    assert_eq!(lacks, ["chat_template.jinja", "modules.json", "tokenizer_config.json"]);
    assert!(names(cache.folder().join("blobs")).iter().all(|name| !name.ends_with(".incomplete")));
    let asked = hub.asked();
    assert!(asked.iter().all(|asked| !asked.what.contains("README") && !asked.what.contains("pytorch")), "{asked:?}");
    // The token is for the hub, and not for the server that it names.
    for asked in &asked {
        assert_eq!(asked.token.as_deref(), (!asked.store).then_some("Bearer hf_mine"), "{asked:?}");
    }
    assert!(asked.iter().any(|asked| asked.store));
    // Again: what the branch stands for is asked, and nothing else. A commit is not asked for.
    cache.fetch(REPOSITORY).unwrap();
    assert_eq!(hub.asked_for(), ["HEAD config.json", "HEAD config.json"]);
    cache.fetch(&format!("{REPOSITORY}@{COMMIT}")).unwrap();
    assert!(hub.asked().is_empty());
}

#[test]
fn weights_in_several_files_are_those_of_the_index() {
    let (hub, weights) = usual();
    let sharded = FakeHub::start(&[("config.json", b"{}".to_vec()), ("tokenizer.json", b"{}".to_vec())]);
    let parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let index = json!({"weight_map": {"a": parts[0], "b": parts[1], "c": parts[0]}});
    sharded.put("model.safetensors.index.json", index.to_string().into_bytes());
    for (part, bytes) in parts.into_iter().zip(weights.chunks(150_000)) {
        sharded.put(part, bytes.to_vec());
    }
    sharded.put("model-fp16.safetensors", b"other".to_vec());
    let cache = Cache::new(&sharded);
    let path = cache.fetch(REPOSITORY).unwrap();
    let whole: Vec<u8> = parts.iter().flat_map(|part| fs::read(path.join(part)).unwrap()).collect();
    assert_eq!(whole, weights);
    assert!(!path.join("model-fp16.safetensors").exists());
    // An index that leads elsewhere is not followed.
    for odd in ["../../x.safetensors", "/x.safetensors", "x.bin", "sub/x.safetensors"] {
        sharded.put("model.safetensors.index.json", json!({"weight_map": {"a": odd}}).to_string().into_bytes());
        let why = Cache::new(&sharded).fetch(REPOSITORY).unwrap_err();
        assert!(why.contains("not beside it"), "{odd}: {why}");
    }
    drop(hub);
}

#[test]
fn of_gguf_files_the_one_that_is_named_comes_with_its_parts() {
    let names = ["q-00001-of-00002.gguf", "q-00002-of-00002.gguf"];
    let hub = FakeHub::start(&[(names[0], noise(10)), (names[1], noise(20)), ("other.gguf", noise(30))]);
    let cache = Cache::new(&hub);
    let path = cache.fetch(&format!("{REPOSITORY}:{}", names[0])).unwrap();
    assert_eq!(fs::read(&path).unwrap(), noise(10));
    assert_eq!(fs::read(path.with_file_name(names[1])).unwrap(), noise(20));
    assert!(!path.with_file_name("other.gguf").exists());
    let why = cache.fetch(&format!("{REPOSITORY}:none.gguf")).unwrap_err();
    assert!(why.contains("has no file none.gguf"), "{why}");
    let why = cache.fetch(REPOSITORY).unwrap_err();
    assert!(why.contains("config.json") && why.contains("Owner/Name:FILE.gguf"), "{why}");
}

#[test]
fn a_broken_connection_is_gone_on_with_where_it_broke() {
    let (hub, weights) = usual();
    // Five in a row would be too many; a byte in between begins the count anew.
    hub.faults([Fault::Cut(100_000), Fault::Status(503), Fault::Status(429), Fault::Cut(0), Fault::Cut(50_000)]);
    hub.faults([Fault::Cut(0), Fault::Cut(0), Fault::Cut(0)]);
    let cache = Cache::new(&hub);
    let path = cache.fetch(REPOSITORY).unwrap();
    assert_eq!(fs::read(path.join(WEIGHTS)).unwrap(), weights);
    assert_eq!(hub.sent(), weights.len(), "every byte was sent once");
    let ranges: Vec<Option<String>> =
        hub.asked().into_iter().filter(|asked| asked.store).map(|asked| asked.range).collect();
    let [at, later] = ["bytes=100000-", "bytes=150000-"].map(|range| Some(range.to_owned()));
    assert_eq!(ranges, [&[None][..], &vec![at; 4], &vec![later; 4]].concat());
}

#[test]
fn a_start_that_was_cut_off_is_gone_on_with_by_the_next() {
    let (hub, weights) = usual();
    let cache = Cache::new(&hub);
    hub.faults([Fault::Cut(200_000)].into_iter().chain([Fault::Cut(0); 4]));
    let why = cache.fetch(REPOSITORY).unwrap_err();
    assert!(why.contains("broke 5 times in a row") && why.contains("start again"), "{why}");
    assert_eq!(fs::metadata(cache.draft(&weights)).unwrap().len(), 200_000);
    let path = cache.fetch(REPOSITORY).unwrap();
    assert_eq!(fs::read(path.join(WEIGHTS)).unwrap(), weights);
    assert_eq!(hub.sent(), weights.len());
    // Whole, but not yet checked and named, when the program was ended.
    let cache = Cache::new(&hub);
    fs::create_dir_all(cache.folder().join("blobs")).unwrap();
    fs::write(cache.draft(&weights), &weights).unwrap();
    cache.fetch(REPOSITORY).unwrap();
    assert_eq!(hub.sent(), weights.len());
}

#[test]
fn a_server_that_cannot_begin_in_the_middle_begins_anew() {
    let (hub, weights) = usual();
    hub.faults([Fault::Cut(100_000), Fault::Whole]);
    let cache = Cache::new(&hub);
    let path = cache.fetch(REPOSITORY).unwrap();
    assert_eq!(fs::read(path.join(WEIGHTS)).unwrap(), weights);
    assert_eq!(hub.sent(), 100_000 + weights.len());
}

#[test]
fn bytes_that_are_not_the_hubs_are_not_served() {
    let (hub, weights) = usual();
    let cache = Cache::new(&hub);
    hub.faults([Fault::Corrupt]);
    let why = cache.fetch(REPOSITORY).unwrap_err();
    assert!(why.contains("SHA-256") && why.contains(&hash(&weights)), "{why}");
    assert!(!cache.draft(&weights).exists() && !cache.folder().join("refs/main").exists());
    for (fault, expected) in [(Fault::TooMany, "more than"), (Fault::Status(404), "the file is gone")] {
        hub.faults([fault]);
        let why = cache.fetch(REPOSITORY).unwrap_err();
        assert!(why.contains(expected) && !why.contains("secret"), "{fault:?}: {why}");
        let _ = fs::remove_file(cache.draft(&weights));
    }
    hub.faults([Fault::Cut(10), Fault::Elsewhere]);
    let why = cache.fetch(REPOSITORY).unwrap_err();
    assert!(why.contains("another part") && !why.contains("secret"), "{why}");
    // What an earlier start has left is wrong, and longer or shorter than the file: it is fetched anew, by itself.
    for count in [200_000, 400_000] {
        fs::write(cache.draft(&weights), vec![7; count]).unwrap();
        let path = cache.fetch(REPOSITORY).unwrap();
        assert_eq!(fs::read(path.join(WEIGHTS)).unwrap(), weights);
        fs::remove_dir_all(cache.folder().join("snapshots")).unwrap();
        fs::remove_file(cache.folder().join("blobs").join(hash(&weights))).unwrap();
    }
}

#[test]
fn who_is_refused_is_told_what_to_do() {
    let mine = Some("hf_mine");
    for (status, code, token, expected) in [
        (401, "RepoNotFound", None, "no such model, or it is private or gated. If the name is right, set HF_TOKEN"),
        (401, "", mine, "does not take this token"),
        (401, "GatedRepo", None, "accept its terms at"),
        (403, "GatedRepo", None, "set HF_TOKEN to a token of that account"),
        (403, "GatedRepo", mine, "the one that was sent may not"),
        (404, "RepoNotFound", mine, "has no model Owner/Small-1.0"),
        (404, "RevisionNotFound", mine, "has no revision main"),
        (404, "EntryNotFound", mine, "has no file config.json"),
        (418, "", None, "it answers 418"),
        (500, "", None, "cannot be reached (it answers 500"),
    ] {
        let (hub, _) = usual();
        hub.refuse(status, code);
        let mut cache = Cache::new(&hub);
        cache.settings.token = token.map(str::to_owned);
        let why = cache.fetch(REPOSITORY).unwrap_err();
        assert!(why.contains(expected), "{status} {code}: {why}");
        assert!(!why.contains("hf_mine"));
    }
    let (hub, _) = usual();
    for (model, expected) in [("Owner/Other", "has no model Owner/Other"), ("Owner/Small-1.0@v9", "has no revision v9")]
    {
        let why = Cache::new(&hub).fetch(model).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn without_a_network_the_last_whole_commit_is_served() {
    let (hub, weights) = usual();
    let mut cache = Cache::new(&hub);
    let first = cache.fetch(REPOSITORY).unwrap();
    // A new commit, of which only a part comes.
    let later = "f".repeat(40);
    hub.commit(&later);
    hub.put(WEIGHTS, noise(400_000));
    hub.faults([Fault::Status(404)]);
    cache.fetch(REPOSITORY).unwrap_err();
    let here = cache.settings.endpoint.clone();
    // Nobody has served this port for decades.
    cache.settings.endpoint = "http://127.0.0.1:1".into();
    assert_eq!(cache.fetch(REPOSITORY).unwrap(), first);
    assert_eq!(fs::read(first.join(WEIGHTS)).unwrap(), weights);
    let why = cache.fetch("Owner/Other").unwrap_err();
    assert!(
        why.contains("cannot be reached") && why.contains("config.json of Owner/Other is not in the cache"),
        "{why}"
    );
    cache.settings.endpoint = here;
    cache.settings.offline = true;
    hub.asked();
    assert_eq!(cache.fetch(REPOSITORY).unwrap(), first);
    assert!(cache.fetch("Owner/Other").unwrap_err().contains("HF_HUB_OFFLINE is set"));
    let why = cache.fetch(&format!("{REPOSITORY}@{later}")).unwrap_err();
    assert!(why.contains("HF_HUB_OFFLINE is set, and model.safetensors of"), "{why}");
    assert!(hub.asked().is_empty());
    cache.settings.offline = false;
    assert_eq!(cache.fetch(REPOSITORY).unwrap(), first.with_file_name(&later));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_named_with_the_way_out() {
    let (hub, weights) = usual();
    let cache = Cache::new(&hub);
    fs::create_dir_all(cache.folder().join("blobs")).unwrap();
    std::os::unix::fs::symlink("/dev/full", cache.draft(&weights)).unwrap();
    let why = cache.fetch(REPOSITORY).unwrap_err();
    assert!(why.contains("No space left") && why.contains("set HF_HOME"), "{why}");
    let file = cache.directory.path().join("file");
    fs::write(&file, "").unwrap();
    let mut cache = cache;
    cache.settings.cache = file;
    assert!(cache.fetch(REPOSITORY).unwrap_err().contains("file"));
}

#[test]
fn two_that_want_the_same_fetch_it_once() {
    let (hub, weights) = usual();
    hub.hold(true);
    let cache = Cache::new(&hub);
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| cache.fetch(REPOSITORY).unwrap()));
        let start = std::time::Instant::now();
        let mut heads = 0;
        while heads < 2 {
            assert!(start.elapsed() < crate::harness::BOUND, "they never came that far");
            heads += hub.asked().iter().filter(|asked| asked.what == format!("HEAD {WEIGHTS}")).count();
            std::thread::yield_now();
        }
        hub.hold(false);
        for path in both {
            assert_eq!(fs::read(path.join().unwrap().join(WEIGHTS)).unwrap(), weights);
        }
    });
    assert_eq!(hub.sent(), weights.len());
}
