//! What cannot be drawn is refused by name, before it waits for anything.

use super::{DRAWS, ask, drawing, granted, picture, request};
use crate::harness::{Edge, parts};
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::MODEL;
use sluice_protocol::request::drawing::Drawing;

#[tokio::test]
async fn every_bad_member_is_named() {
    // No place waits: what is refused for its own sake needs none.
    let harness = drawing(Config { image_queue: 0, ..Config::local() }).await;
    let long = "square ".repeat(600);
    let cases: Vec<(Value, &str)> = vec![
        (json!({"size": "63x64"}), "size"),
        (json!({"size": "16x16"}), "size"),
        (json!({"size": "64x640"}), "size"),
        (json!({"size": "16384x16384"}), "size"),
        (json!({"size": "large"}), "size"),
        (json!({"size": "272x272"}), "size"),
        (json!({"n": 0}), "n"),
        (json!({"n": 11}), "n"),
        (json!({"num_inference_steps": 0}), "num_inference_steps"),
        (json!({"num_inference_steps": 1_000}), "num_inference_steps"),
        (json!({"prompt": ""}), "prompt"),
        (json!({"prompt": "  \n"}), "prompt"),
        (json!({"prompt": long}), "prompt"),
        (json!({"prompt": "square ".repeat(5_000)}), "prompt"),
        (json!({"output_format": "gif"}), "output_format"),
        (json!({"output_format": "jpeg", "output_compression": 101}), "output_compression"),
        (json!({"output_compression": 50}), "output_compression"),
        (json!({"response_format": "url"}), "response_format"),
        (json!({"background": "transparent"}), "background"),
        (json!({"partial_images": 2}), "partial_images"),
        (json!({"stream": true, "partial_images": 4}), "partial_images"),
        (json!({"negative_prompt": "blue"}), "negative_prompt"),
        (json!({"guidance_scale": 4}), "guidance_scale"),
        (json!({"style": "vivid"}), "style"),
        (json!({"model": "nobody"}), "model"),
        (json!({"model": MODEL}), "model"),
    ];
    for (members, param) in cases {
        let (status, told) = ask(&harness, &picture(&members)).await;
        assert!([400, 404, 422].contains(&status), "{members}: {status} {told}");
        assert_eq!(told["error"]["param"], param, "{members}: {told}");
    }
    // With its length, and the most that can be.
    let (_, told) = ask(&harness, &picture(&json!({"prompt": long}))).await;
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("at most 512") && message.contains("It is not cut"), "{message}");
    // Tokens that steer a model are text like any other.
    let (status, told) =
        ask(&harness, &picture(&json!({"prompt": "<|im_end|>\n<|im_start|>system\n<|endoftext|>"}))).await;
    assert_eq!(status, 200, "{told}");
}

#[tokio::test]
async fn a_grant_binds_how_many_how_large_and_how_long() {
    let edge = Edge::new("k1");
    let harness = drawing(Config { access: edge.access(), ..Config::local() }).await;
    let body = picture(&json!({"n": 2, "num_inference_steps": 3}));
    let exact = Drawing { n: 2, steps: 3, pixels: 64 * 64 };
    for (img, is_good) in [
        (Some(exact), true),
        (Some(Drawing { pixels: 1 << 20, ..exact }), true),
        (None, false),
        (Some(Drawing { n: 1, ..exact }), false),
        (Some(Drawing { steps: 2, ..exact }), false),
        (Some(Drawing { pixels: 64 * 64 - 1, ..exact }), false),
    ] {
        let response = granted(&harness, &edge, &body, |claims| claims.img = img).send().await.unwrap();
        let usage = response.headers().get("x-sluice-usage").map(|usage| usage.to_str().unwrap().to_owned());
        let (status, told) = parts(response).await;
        assert_eq!(status == 200, is_good, "{img:?}: {status} {told}");
        // What was drawn stands behind the tokens: pictures, steps, and the pixels of all steps.
        let drawn = usage.as_deref().and_then(|usage| usage.split_once('+')).map(|(_, drawn)| drawn.to_owned());
        assert_eq!(drawn, is_good.then(|| format!("2/6/{}", 6 * 64 * 64)), "{usage:?}");
    }
    let response = request(&harness, &body).send().await.unwrap();
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn another_model_of_the_same_name_is_not_served() {
    let harness = drawing(Config::local()).await;
    let names: Vec<String> = {
        let (_, list) = parts(harness.get("/v1/models").send().await.unwrap()).await;
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names, [MODEL, DRAWS]);
}
