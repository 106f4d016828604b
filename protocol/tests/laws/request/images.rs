//! Requests for pictures: what is none is refused by name, and what one may cost is known from the request alone.

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_protocol::auth::permission::Scope;
use sluice_protocol::refusal::Reason::{self, InvalidRequest, UnsupportedParameter};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::ChatBounds;
use sluice_protocol::request::bodies::images::answer::ImageUsage;
use sluice_protocol::request::bodies::images::{AskedSize, ImageRequest, MAX_PROMPT, PictureFormat};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::request::read;

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 1_000 };

fn ask(body: &Value) -> Result<ImageRequest, Refusal> {
    match read::question(Door::Images, body.to_string().as_bytes(), BOUNDS)? {
        Question::Images(request) => Ok(*request),
        other => panic!("{other:?}"),
    }
}

fn with(name: &str, value: Value) -> Result<ImageRequest, Refusal> {
    let mut body = json!({"model": "m", "prompt": "a red disc"});
    body[name] = value;
    ask(&body)
}

#[test]
fn a_bare_request_is_one_picture_of_the_models_size() {
    let request = ask(&json!({"model": "m", "prompt": "a red disc"})).unwrap();
    assert_eq!((request.n, request.steps_each(), request.pixels_each()), (1, 8, 1_048_576));
    assert_eq!((request.size, request.format, request.compression), (AskedSize::Auto, PictureFormat::Png, 100));
    assert_eq!((request.seed, request.steps, request.partial_images), (None, None, 0));
    let question = Question::Images(Box::new(request));
    assert_eq!((question.endpoint(), Scope::from(question.endpoint())), (Endpoint::Images, Scope::Images));
    assert_eq!((question.guess_prompt_tokens(), question.most_tokens()), (3, Some(0)));
    assert!(!question.stream() && !question.thinks() && !question.is_repeatable());
}

#[test]
fn what_is_asked_for_is_read() {
    let body = json!({
        "model": "z-image-turbo", "prompt": "雨", "n": 10, "size": "512x1536", "seed": 7, "num_inference_steps": 50,
        "output_format": "jpeg", "output_compression": 0, "response_format": "b64_json", "quality": "auto",
        "background": "opaque", "moderation": "low", "stream": true, "partial_images": 3, "user": "",
        "safety_identifier": "s", "negative_prompt": "", "guidance_scale": 0.0, "with_prompt": true, "style": null,
    });
    let request = ask(&body).unwrap();
    let expected = ImageRequest {
        model: "z-image-turbo".into(),
        prompt: "雨".into(),
        n: 10,
        size: AskedSize::Of { width: 512, height: 1_536 },
        seed: Some(7),
        steps: Some(50),
        format: PictureFormat::Jpeg,
        compression: 0,
        stream: true,
        partial_images: 3,
        metadata_prompt: true,
        user: Some("s".into()),
    };
    assert_eq!(request, expected);
    assert_eq!((request.size.to_string(), request.pixels_each()), ("512x1536".into(), 786_432));
    let seeds = [0, 9].map(|picture| request.seed_of(picture));
    assert_eq!(seeds, [Some(7), Some(16)]);
    let last = with("seed", json!(i64::MAX)).unwrap();
    assert_eq!(last.seed_of(9), Some(i64::MAX as u64 + 9), "the last seed has further ones");
}

#[test]
fn what_is_none_is_refused_by_its_name() {
    for (name, value, reason) in [
        ("model", json!(null), InvalidRequest),
        ("model", json!(""), InvalidRequest),
        ("prompt", json!(null), InvalidRequest),
        ("prompt", json!(""), InvalidRequest),
        ("prompt", json!(["x"]), InvalidRequest),
        ("prompt", json!("é".repeat(MAX_PROMPT + 1)), InvalidRequest),
        ("n", json!(0), InvalidRequest),
        ("n", json!(11), InvalidRequest),
        ("n", json!(-1), InvalidRequest),
        ("n", json!(1.5), InvalidRequest),
        ("n", json!(4_294_967_297_i64), InvalidRequest),
        ("num_inference_steps", json!(0), InvalidRequest),
        ("num_inference_steps", json!(51), InvalidRequest),
        ("num_inference_steps", json!(1_000), InvalidRequest),
        ("seed", json!(-1), InvalidRequest),
        ("seed", json!(u64::MAX), InvalidRequest),
        ("seed", json!("1"), InvalidRequest),
        ("output_format", json!("gif"), InvalidRequest),
        ("output_format", json!("svg"), InvalidRequest),
        ("output_format", json!("PNG"), InvalidRequest),
        ("output_compression", json!(99), InvalidRequest),
        ("output_compression", json!(101), InvalidRequest),
        ("partial_images", json!(1), InvalidRequest),
        ("partial_images", json!(4), InvalidRequest),
        ("stream", json!(1), InvalidRequest),
        ("with_prompt", json!("yes"), InvalidRequest),
        ("response_format", json!("url"), UnsupportedParameter),
        ("quality", json!("high"), UnsupportedParameter),
        ("background", json!("transparent"), UnsupportedParameter),
        ("moderation", json!("high"), UnsupportedParameter),
        ("style", json!("vivid"), UnsupportedParameter),
        ("negative_prompt", json!("rain"), UnsupportedParameter),
        ("guidance_scale", json!(5), UnsupportedParameter),
        ("width", json!(512), UnsupportedParameter),
        ("steps", json!(8), UnsupportedParameter),
        ("image", json!("aGk="), UnsupportedParameter),
        ("max_tokens", json!(8), UnsupportedParameter),
    ] {
        refused(name, &value, reason);
    }
    assert!(with("prompt", json!("é".repeat(MAX_PROMPT))).is_ok());
    assert!(with("model", json!(null)).unwrap_err().message.contains("GET /v1/models"));
}

fn refused(name: &str, value: &Value, reason: Reason) {
    let refusal = with(name, value.clone()).expect_err(name);
    assert_eq!((refusal.reason, refusal.param.as_deref()), (reason, Some(name)), "{value}: {}", refusal.message);
}

#[test]
fn a_size_is_one_that_some_model_draws() {
    for text in ["64x64", "512x512", "720x720", "1024x1024", "2048x2048", "64x192", "1536x512", "1184x3536"] {
        assert_eq!(with("size", json!(text)).unwrap().size.to_string(), text);
    }
    for text in [
        "",
        "x",
        "512",
        "512x",
        "x512",
        "512X512",
        "512 x 512",
        "+512x512",
        "-512x512",
        "512x512x512",
        "0x0",
        "0x512",
        "511x512",
        "512x520",
        "48x48",
        "16384x16384",
        "16384x512",
        "8192x8192",
        "8192x2048",
        "64x208",
        "640x64",
        "2064x2048",
        "1e3x512",
        "99999999999999999999x512",
        "4294967360x64",
        "512x18446744073709551615",
        "AUTO",
        "\u{0665}12x512",
    ] {
        refused("size", &json!(text), InvalidRequest);
    }
    refused("size", &json!(512), InvalidRequest);
}

proptest! {
    /// What it may cost fits, whatever it asks for, and no size is larger than it says.
    #[test]
    fn a_request_is_small_enough_to_be_counted(n in 0_u32..12, steps in 0_u32..60, width: u16, height: u16) {
        let body = json!({
            "model": "m", "prompt": "x", "n": n, "num_inference_steps": steps,
            "size": format!("{}x{}", u32::from(width) / 16 * 16, u32::from(height) / 16 * 16),
        });
        if let Ok(request) = ask(&body) {
            prop_assert!((1..=10).contains(&request.n) && (1..=50).contains(&request.steps_each()));
            prop_assert!((4_096..=4_194_304).contains(&request.pixels_each()));
            prop_assert!(u64::from(request.n) * u64::from(request.pixels_each()) <= u64::from(u32::MAX));
        }
    }

    /// OpenAI's tokens: those of the prompt, and one for each patch of a picture.
    #[test]
    fn usage_adds_up(text: u64, pictures in 0_u32..=10, side in 4_u32..=128) {
        let usage = ImageUsage::new(text, pictures, side * side * 256);
        prop_assert_eq!(usage.output_tokens, u64::from(pictures * side * side));
        prop_assert_eq!(usage.total_tokens, usage.input_tokens.saturating_add(usage.output_tokens));
        prop_assert_eq!((usage.input_tokens_details.text_tokens, usage.input_tokens_details.image_tokens), (text, 0));
    }
}
