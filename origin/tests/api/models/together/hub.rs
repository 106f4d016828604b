//! Models of the hub beside the built-in one, in the whole program.

use super::answers;
use crate::harness::{BOUND, client, parts, until, until_then};
use crate::hub::fake::{FakeHub, REPOSITORY};
use crate::server::program::{listening, program, signal};
use candle_core::quantized::GgmlDType;
use sluice_origin::models::choice::{ModelChoice, Models};
use sluice_origin::models::load::load;
use sluice_origin::models::qwen::Qwen;
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::qwen::shape::Shape;
use sluice_origin::models::qwen::weights::export;
use sluice_origin::models::{endless, tiny};
use std::iter;
use std::process::Stdio;

/// The program with two models of the hub's and the built-in one, all of the same weights.
#[tokio::test]
async fn models_of_the_hub_are_served_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("tiny");
    tiny::write(&model).unwrap();
    let files =
        ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "model.safetensors"];
    let files = files.map(|file| (file, std::fs::read(model.join(file)).unwrap()));
    let hub = FakeHub::start(&files);
    hub.hold(true);
    hub.require("hf_mine");
    let bind = format!("127.0.0.1:{}", free_port());
    let models = format!("tiny,{REPOSITORY},small=hf:{REPOSITORY}@main");
    let start = || {
        let mut command = program(&["serve", "--open", "--bind", &bind, "--model", &models]);
        command.env("HF_HOME", directory.path().join("hf")).env("HF_ENDPOINT", &hub.url);
        command.env("HF_TOKEN", "hf_mine");
        command
    };
    let mut command = start();
    let log = directory.path().join("log");
    command.stderr(std::fs::File::create(&log).unwrap());
    let starting = tokio::spawn(listening(command));
    // It listens while the hub is slow, and says what it waits for.
    let url = format!("http://{bind}");
    until_then("it listens", async || client().get(format!("{url}/health")).send().await.is_ok()).await;
    until("it fetches", || hub.asked().iter().any(|asked| asked.store)).await;
    let (status, body) = parts(client().get(format!("{url}/ready")).send().await.unwrap()).await;
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("model_loading")));
    until("a line tells of it", || {
        std::fs::read_to_string(&log).unwrap().contains(&format!("looking for {REPOSITORY} (2 of 3)"))
    })
    .await;
    hub.hold(false);
    let (mut child, _) = tokio::time::timeout(BOUND, starting).await.unwrap().unwrap();
    let (_, list) = parts(client().get(format!("{url}/v1/models")).send().await.unwrap()).await;
    let names: Vec<&str> = (0..3).map(|index| list["data"][index]["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["tiny", REPOSITORY, "small"]);
    let found = answers(&url, &names).await;
    assert_eq!((&found[..3], &found[..3]), (&found[3..6], &found[6..]));
    signal(&child, "TERM").await;
    assert!(tokio::time::timeout(BOUND, child.wait()).await.unwrap().unwrap().success());
    assert!(!std::fs::read_to_string(&log).unwrap().contains("hf_mine"), "the token was logged");
    // The hub is gone: what is there is served.
    let mut command = start();
    command.env("HF_ENDPOINT", "http://127.0.0.1:1").stderr(Stdio::null());
    let (_child, url) = listening(command).await;
    assert_eq!(answers(&url, &["small"]).await, found[..3]);
}

#[tokio::test]
async fn what_is_not_there_is_told_of_all_models_before_one_is_fetched() {
    let directory = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(&[]);
    std::fs::write(directory.path().join("q.gguf"), "").unwrap();
    std::fs::write(directory.path().join("tokenizer.json"), "{}").unwrap();
    std::fs::write(directory.path().join("weights.bin"), "").unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let models = [
        format!("a={}", path("")),
        format!("b={}", path("none")),
        "c=Qwen/Qwen3-0.6B".into(),
        format!("d={}", path("weights.bin")),
        "e=hf:Owner/Small-1.0".into(),
    ];
    let mut command = program(&["serve", "--open", "--bind", "127.0.0.1:0", "--model", &models.join(",")]);
    command.env("HF_ENDPOINT", &hub.url).env("HF_HOME", directory.path()).current_dir(directory.path());
    let output = command.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    for expected in [
        "it has no config.json, no *.safetensors; to serve its GGUF file name that:",
        "none is not there",
        "Qwen/Qwen3-0.6B is not there; for the hub's model write c=hf:Qwen/Qwen3-0.6B",
        "weights.bin is neither a directory nor a .gguf file",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    assert!(hub.asked().is_empty());
    // The hub's own refusal, and what stands before it.
    let mut command = program(&["serve", "--open", "--bind", "127.0.0.1:0", "--model", "tiny,o/n"]);
    command.env("HF_ENDPOINT", &hub.url).env("HF_HOME", directory.path());
    let output = command.output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("o/n: ") && said.contains("has no model o/n") && !said.contains("loaded"),
        "nothing is loaded before all is there: {said}"
    );
    assert_eq!(output.status.code(), Some(1));
}

/// Each would fit on this machine, and all together on none: that is said before the first is loaded.
#[test]
fn models_that_do_not_fit_together_are_refused_before_one_is_loaded() {
    let random = |number: usize| ModelChoice::Random {
        name: if number.is_multiple_of(2) { "Qwen3-0.6B" } else { "Qwen1.5-0.5B" }.into(),
        precision: Precision::Q8_0,
    };
    let choices = iter::once(ModelChoice::Tiny).chain((0..4_000).map(random)).collect();
    let why =
        load(Models { choices, embedding: Vec::new(), judging: Vec::new(), hub: None }, 2).err().unwrap().to_string();
    let start = "the weights of all models together need about ";
    let needed: f64 = why.strip_prefix(start).unwrap().split(' ').next().unwrap().parse().unwrap();
    // 4,000 of some 0.6 and 0.46 billion numbers, 8.5 bits each, or 17 where nothing is packed.
    assert!((1_800.0..4_500.0).contains(&needed), "{needed}");
    assert!(why.contains("(tiny 0.0 GiB, Qwen3-0.6B 0.") && why.contains(" are free; try --dtype"), "{}", &why[..200]);
}

/// A file of blocks needs what its blocks need, and no more: not what it would in 32 bits.
#[test]
fn what_weights_need_is_known_from_their_headers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny");
    endless::ensure(&path).unwrap();
    let gguf = directory.path().join("small.gguf");
    let shape = Shape::parse(&std::fs::read(path.join("config.json")).unwrap()).unwrap();
    export(&shape, GgmlDType::Q8_0, 3, &gguf).unwrap();
    for (path, precision) in [(&path, None), (&path, Some(Precision::Q8_0)), (&gguf, None)] {
        let held = Qwen::load(path, 1, precision).unwrap().weight_bytes() as f64;
        let needs = Qwen::needs(path, precision).unwrap() as f64;
        // Norms are not weighed; and nobody knows what candle keeps beside blocks.
        assert!((0.95..2.1).contains(&(needs / held)), "{precision:?}: {needs} for {held}");
    }
    let dense = Qwen::needs(&path, None).unwrap();
    assert!(Qwen::needs(&gguf, None).unwrap() < dense * 6 / 10);
    assert!(Qwen::needs(&directory.path().join("none"), None).is_err());
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
