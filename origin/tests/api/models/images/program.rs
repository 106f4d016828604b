//! `sluice-origin draw`: the program itself.

use super::smallest;
use crate::server::program::program;
use serde_json::Value;
use std::path::Path;
use std::process::Output;

async fn draw(directory: &Path, threads: &str, more: &[&str]) -> Output {
    let model = directory.join("model");
    let arguments = ["draw", "--model", model.to_str().unwrap(), "--prompt", "a red square"];
    let mut command = program(&[&arguments, more].concat());
    command.env("CANDLE_NUM_THREADS", threads).env("RAYON_NUM_THREADS", threads).output().await.unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn told(file: &Path) -> Vec<(String, String)> {
    let reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file).unwrap())).read_info().unwrap();
    let info = reader.info();
    assert_eq!((info.width, info.height), (32, 48));
    info.utf8_text.iter().map(|chunk| (chunk.keyword.clone(), chunk.get_text().unwrap())).collect()
}

/// Twice alike, on one thread and on three, byte for byte; with another seed, not. What made it is told, the prompt
/// only if that is wanted.
#[tokio::test]
async fn the_same_command_writes_the_same_bytes_on_any_threads() {
    let directory = tempfile::tempdir().unwrap();
    smallest(&directory.path().join("model"));
    let mut files = Vec::new();
    for (name, threads, more) in [
        ("first.png", "1", &["--seed", "7"][..]),
        ("second.png", "3", &["--seed", "7"]),
        ("other.png", "2", &["--seed", "8"]),
        ("told.png", "2", &["--seed", "7", "--with-prompt"]),
    ] {
        let file = directory.path().join(name);
        let size = ["--size", "32x48", "--steps", "2", "--out", file.to_str().unwrap()];
        let output = draw(directory.path(), threads, &[&size, more].concat()).await;
        assert!(output.status.success(), "{}", error(&output));
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&line["event"], line["file"].as_str()), (&Value::from("drawn"), file.to_str()));
        assert!(error(&output).contains("step 2 of 2"), "{}", error(&output));
        files.push((std::fs::read(&file).unwrap(), told(&file)));
    }
    assert!(files[0] == files[1], "threads changed a picture");
    assert_ne!(files[0].0, files[2].0);
    let keywords: Vec<&str> = files[3].1.iter().map(|(keyword, _)| keyword.as_str()).collect();
    assert_eq!(keywords, ["Software", "Model", "Seed", "Steps", "Description"]);
    assert_eq!(files[3].1[4].1, "a red square");
    assert_eq!(files[0].1, files[3].1[..4]);
    assert_eq!(files[0].1[1..], [("Model", "model"), ("Seed", "7"), ("Steps", "2")].map(|(a, b)| (a.into(), b.into())));
    // No draft is left.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 5);
}

#[tokio::test]
async fn what_cannot_be_drawn_ends_with_words() {
    let directory = tempfile::tempdir().unwrap();
    smallest(&directory.path().join("model"));
    let file = directory.path().join("picture.png");
    let out = ["--out", file.to_str().unwrap()];
    for (more, code, expected) in [
        (&["--steps", "0", "--dtype", "f16"][..], 64, "--dtype f16: overflows"),
        (&["--size", "18x16"], 1, "multiples of 4"),
        (&["--size", "16x64"], 1, "3 times"),
    ] {
        let output = draw(directory.path(), "1", &[&out, more].concat()).await;
        assert_eq!(output.status.code(), Some(code), "{more:?}: {}", error(&output));
        assert!(error(&output).contains(expected), "{more:?}: {}", error(&output));
    }
    std::fs::remove_file(directory.path().join("model/model_index.json")).unwrap();
    let output = draw(directory.path(), "1", &out).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("model_index.json"), "{}", error(&output));
    assert!(!file.exists() && output.stdout.is_empty());
}
