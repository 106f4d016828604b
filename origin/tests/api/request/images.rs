//! `/v1/images/generations` on a model with made-up weights: whole and streamed, in all formats, alone and in a crowd.

mod crowd;
mod refused;
mod streamed;

use crate::harness::{Edge, Harness, claims, parts};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::qwen::precision::Precision;
use sluice_origin::models::scripted::Script;
use sluice_origin::models::z_image::checkpoint::made_up::MadeUp;
use sluice_origin::models::z_image::size::Size;
use sluice_origin::models::z_image::{Order, ZImage};
use sluice_origin::models::{Backends, Drawing};
use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::request::bodies::images::ImageRequest;

/// The name of the model that draws.
const DRAWS: &str = "z-image";
const SIDE: usize = 64;
const PROMPT: &str = "a red square";

fn smallest() -> ZImage {
    let directory = tempfile::tempdir().unwrap();
    MadeUp::smallest().write(directory.path(), 2).unwrap();
    ZImage::load(directory.path(), Precision::F32).unwrap()
}

/// An origin that draws, beside a scripted model.
async fn drawing(config: Config) -> Harness {
    let script = Script::new(config.slots);
    let drawing = vec![Drawing { name: DRAWS.into(), model: smallest() }];
    let backends = Backends { texts: vec![script.backend()], drawing };
    Harness::with_backend(Config { open_metrics: true, ..config }, script, backends).await
}

fn request(harness: &Harness, body: &Value) -> RequestBuilder {
    let request = harness.client.post(format!("{}/v1/images/generations", harness.url));
    request.header("content-type", "application/json").body(body.to_string())
}

async fn ask(harness: &Harness, body: &Value) -> (u16, Value) {
    parts(request(harness, body).send().await.unwrap()).await
}

/// With a grant.
fn granted(harness: &Harness, edge: &Edge, body: &Value, change: impl FnOnce(&mut GrantClaims)) -> RequestBuilder {
    let mut claims = claims(body.to_string().as_bytes());
    claims.img = Some(ImageRequest::parse(body.to_string().as_bytes()).unwrap().drawing());
    change(&mut claims);
    request(harness, body).header("x-sluice-grant", edge.sign(&claims))
}

/// A small picture, with more members.
fn picture(members: &Value) -> Value {
    let mut body = json!({
        "model": DRAWS, "prompt": PROMPT, "size": "64x64", "num_inference_steps": 2, "seed": 7,
    });
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// What the model draws by itself.
fn alone(model: &mut ZImage, seed: u64, steps: usize) -> Vec<u8> {
    let size = Size { width: SIDE, height: SIDE };
    model.draw(&Order { prompt: PROMPT.into(), size, steps, seed }).unwrap().pixels
}

/// A file that was told.
fn file(told: &Value) -> Vec<u8> {
    STANDARD.decode(told["b64_json"].as_str().unwrap()).unwrap()
}

/// A PNG file's pixels, and what it tells.
fn read_png(file: &[u8]) -> (Vec<u8>, Vec<(String, String)>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let told = reader.info().utf8_text.iter();
    (pixels, told.map(|chunk| (chunk.keyword.clone(), chunk.get_text().unwrap())).collect())
}

#[tokio::test]
async fn pictures_have_the_seeds_one_behind_the_other_and_say_how_they_were_made() {
    let harness = drawing(Config::local()).await;
    let (status, told) = ask(&harness, &picture(&json!({"n": 3}))).await;
    assert_eq!(status, 200, "{told}");
    let mut model = smallest();
    let data = told["data"].as_array().unwrap();
    assert_eq!(data.len(), 3);
    for (told, seed) in data.iter().zip(7..) {
        let (pixels, texts) = read_png(&file(told));
        assert_eq!(pixels, alone(&mut model, seed, 2), "seed {seed}");
        let expected = [("Software", "Sluice"), ("Model", DRAWS), ("Seed", &seed.to_string()), ("Steps", "2")];
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(texts, expected, "and not the prompt");
    }
    let tokens =
        model.check(&Order { prompt: PROMPT.into(), size: Size { width: SIDE, height: SIDE }, steps: 2, seed: 0 });
    let (text, image) = (tokens.unwrap().len() as u64, 3 * (SIDE * SIDE / 256) as u64);
    let details = json!({"text_tokens": text, "image_tokens": 0});
    let usage = json!({
        "input_tokens": text, "input_tokens_details": details, "output_tokens": image, "total_tokens": text + image,
    });
    assert_eq!(told["usage"], usage);
    for (member, value) in [("background", "opaque"), ("output_format", "png"), ("quality", "high"), ("size", "64x64")]
    {
        assert_eq!(told[member], value, "{member}");
    }
    assert!(told["created"].as_u64().unwrap() > 1_700_000_000);
    // Whoever asks for it is told the prompt, too.
    let (_, told) = ask(&harness, &picture(&json!({"with_prompt": true}))).await;
    let (_, texts) = read_png(&file(&told["data"][0]));
    assert_eq!(texts.last().unwrap(), &("Description".to_owned(), PROMPT.to_owned()));
}

#[tokio::test]
async fn each_format_is_what_it_says() {
    let harness = drawing(Config::local()).await;
    let expected = alone(&mut smallest(), 7, 2);
    let (_, told) = ask(&harness, &picture(&json!({"output_format": "webp"}))).await;
    assert_eq!(told["output_format"], "webp");
    let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(file(&told["data"][0]))).unwrap();
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
    decoder.read_image(&mut pixels).unwrap();
    assert_eq!(pixels, expected, "nothing is lost");
    let mut sizes = Vec::new();
    for compression in [1, 50, 100] {
        let body = picture(&json!({"output_format": "jpeg", "output_compression": compression}));
        let (status, told) = ask(&harness, &body).await;
        assert_eq!(status, 200, "{told}");
        let file = file(&told["data"][0]);
        assert_eq!((&file[..3], &file[file.len() - 2..]), (&[0xff, 0xd8, 0xff][..], &[0xff, 0xd9][..]));
        sizes.push(file.len());
    }
    assert!(sizes.is_sorted() && sizes[0] < sizes[2], "{sizes:?}");
}

#[tokio::test]
async fn a_picture_is_given_again_to_whoever_repeats_the_request() {
    let edge = Edge::new("k1");
    let harness = drawing(Config { access: edge.access(), ..Config::local() }).await;
    let send = async |body: &Value, key: &str, account: &str| {
        let request = granted(&harness, &edge, body, |claims| claims.acc = account.into());
        let response = request.header("idempotency-key", key).send().await.unwrap();
        let usage = response.headers().get("x-sluice-usage").map(|usage| usage.to_str().unwrap().to_owned());
        let (status, told) = parts(response).await;
        (status, usage, told)
    };
    // Without a seed each picture is another one.
    let mut body = picture(&json!({}));
    body.as_object_mut().unwrap().remove("seed");
    let (status, first_usage, first) = send(&body, "one", "a").await;
    assert_eq!(status, 200, "{first}");
    let (_, usage, again) = send(&body, "one", "a").await;
    assert_eq!(again, first);
    assert_ne!(usage, first_usage);
    assert_eq!(usage.as_deref(), Some("0/0/0"), "it costs nothing");
    for (key, account) in [("two", "a"), ("one", "b")] {
        let (_, usage, other) = send(&body, key, account).await;
        assert_eq!(usage, first_usage);
        assert_ne!(other["data"], first["data"], "{key} of {account}");
    }
    let (status, _, other) = send(&picture(&json!({})), "one", "a").await;
    assert_eq!((status, &other["error"]["code"]), (422, &json!("idempotency_key_reused")), "{other}");
    let (status, _, bad) = send(&body, "with space", "a").await;
    assert_eq!((status, &bad["error"]["code"]), (400, &json!("invalid_request")), "{bad}");
}

#[tokio::test]
async fn models_that_draw_are_listed_and_asked_for_nothing_else() {
    let harness = drawing(Config::local()).await;
    let (_, list) = parts(harness.get("/v1/models").send().await.unwrap()).await;
    let drawing: Vec<&Value> = list["data"].as_array().unwrap().iter().filter(|model| model["id"] == DRAWS).collect();
    assert_eq!(drawing.len(), 1);
    assert_eq!(drawing[0]["capabilities"], json!(["image"]));
    let (status, one) = parts(harness.get("/v1/models/z-image").send().await.unwrap()).await;
    assert_eq!((status, &one), (200, drawing[0]));
    let chat = json!({"model": DRAWS, "messages": [{"role": "user", "content": "hello"}]});
    let (status, told) = parts(harness.post(&chat).send().await.unwrap()).await;
    let message = told["error"]["message"].as_str().unwrap();
    assert_eq!(status, 400);
    assert!(message.contains("POST /v1/images/generations"), "{message}");
}
