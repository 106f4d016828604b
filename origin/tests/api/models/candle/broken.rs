//! Directories and files that hold no model.

use sluice_origin::models::endless;
use sluice_origin::models::qwen::Qwen;
use sluice_origin::text::Text;
use std::path::Path;

#[test]
fn what_is_wrong_with_a_directory_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let load = |path: &Path| Qwen::load(path, 1, None).err().expect("it loads").to_string();
    assert!(load(directory.path()).contains("config.json"));
    let path = directory.path().join("tiny");
    endless::ensure(&path).unwrap();
    let config = std::fs::read_to_string(path.join("config.json")).unwrap();
    std::fs::write(path.join("config.json"), config.replace("512", "500")).unwrap();
    assert!(load(&path).contains("config.json says [500, 256]"), "{}", load(&path));
    // More than any machine has: said before anything is read, with both sizes.
    let large = config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 4000000");
    assert_ne!(large, config);
    std::fs::write(path.join("config.json"), large).unwrap();
    let why = load(&path);
    assert!(why.contains("its weights need about ") && why.contains(" GiB of memory in F32, and "), "{why}");
    assert!(why.contains(" are free; try --dtype q8_0 or q4k, or a smaller model"), "{why}");
    std::fs::write(path.join("config.json"), &config).unwrap();
    let weights = std::fs::read(path.join("model.safetensors")).unwrap();
    std::fs::write(path.join("model.safetensors"), &weights[..weights.len() - 1]).unwrap();
    assert!(load(&path).contains("is cut off") && load(&path).contains("fetch it again"), "{}", load(&path));
    let mut other = weights;
    other[8..40].fill(b'x');
    std::fs::write(path.join("model.safetensors"), other).unwrap();
    assert!(load(&path).contains("its header cannot be read"), "{}", load(&path));
    std::fs::write(path.join("model.safetensors"), b"short").unwrap();
    assert!(load(&path).contains("model.safetensors"));
    std::fs::remove_file(path.join("model.safetensors")).unwrap();
    assert!(load(&path).contains("no *.safetensors"));
    let chat = std::fs::read(path.join("tokenizer_config.json")).unwrap();
    std::fs::write(path.join("tokenizer_config.json"), "{}").unwrap();
    let text = Text::load(&path).err().expect("it loads").to_string();
    assert!(text.contains("chat_template"), "{text}");
    std::fs::write(path.join("tokenizer_config.json"), chat).unwrap();
    std::fs::write(path.join("tokenizer.json"), "{}").unwrap();
    let text = Text::load(&path).err().expect("it loads").to_string();
    assert!(text.contains("the tokenizer"), "{text}");
    std::fs::remove_file(path.join("tokenizer.json")).unwrap();
    let text = Text::load(&path).err().expect("it loads").to_string();
    assert!(text.contains("tokenizer.json"), "{text}");
}

/// As of a GGUF file: weights whose header has a wrong byte are read as something, or refused.
#[test]
fn a_header_with_a_wrong_byte_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny");
    endless::ensure(&path).unwrap();
    let file = path.join("model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let mut refused = 0;
    let places = (0..16).chain((16..2_000).step_by(29));
    for (at, wrong) in places.flat_map(|at| [0xff, b'9', b'0'].map(|wrong| (at, wrong))) {
        let right = std::mem::replace(&mut bytes[at], wrong);
        std::fs::write(&file, &bytes).unwrap();
        refused += usize::from(Qwen::load(&path, 1, None).is_err());
        bytes[at] = right;
    }
    assert!(refused > 60, "{refused}");
    std::fs::write(&file, &bytes).unwrap();
    assert!(Qwen::load(&path, 1, None).is_ok());
}
