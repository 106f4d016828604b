//! `/tokenize` and `/detokenize`: what goes out comes back, and a count is what is charged.

use crate::harness::{Edge, Harness, claims, client, parts};
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::{MODEL, Script};
use sluice_origin::models::{Backend, tiny};
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_origin::text::Text;

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        // Knuth's, of which the upper bits are good.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// Words, control tokens, and characters of any kind. All of it is in form NFC: a tokenizer of Qwen's brings it there.
    fn text(&mut self) -> String {
        const WORDS: [&str; 12] = [
            "rain ",
            "<|im_end|>",
            "世界",
            "\n\n",
            "a",
            "<tool_call>",
            "\u{1F30D}",
            "Be brief. ",
            "  ",
            "\t",
            "é",
            "<|im_",
        ];
        let mut text = String::new();
        for _ in 0..self.below(24) {
            match self.below(3) {
                0 => text.extend(char::from_u32(0x20 + self.below(0x250) as u32).filter(|c| !c.is_control())),
                _ => text.push_str(WORDS[self.below(12) as usize]),
            }
        }
        text
    }
}

async fn ask(url: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = client().post(format!("{url}{path}")).header("content-type", "application/json");
    parts(request.body(body.to_string()).send().await.unwrap()).await
}

async fn tiny() -> RunningOrigin {
    let backend =
        Backend { name: "tiny".into(), model: Box::new(tiny::network(1).unwrap()), text: Text::tiny().unwrap() };
    Origin::start(Config { slots: 1, ..Config::local() }, backend).await.unwrap()
}

#[tokio::test]
async fn what_goes_out_comes_back() {
    let (origin, harness) = (tiny().await, Harness::open(1, 0).await);
    let mut dice = Dice(7);
    let mut most = 0;
    for _ in 0..300 {
        let text = dice.text();
        for (url, model) in [(origin.url(), "tiny"), (harness.url.clone(), MODEL)] {
            let body = json!({"model": model, "prompt": text, "return_token_strs": true});
            let (status, told) = ask(&url, "/tokenize", &body).await;
            assert_eq!(status, 200, "{told}");
            let tokens = told["tokens"].as_array().unwrap();
            assert_eq!(told["count"], tokens.len());
            assert_eq!(told["token_strs"].as_array().unwrap().len(), tokens.len());
            most = most.max(tokens.len());
            let (status, back) = ask(&url, "/detokenize", &json!({"model": model, "tokens": tokens})).await;
            assert_eq!((status, back), (200, json!({"prompt": text})), "{model}: {tokens:?}");
        }
    }
    assert!(most > 40, "{most}");
}

/// A control token in a prompt is one, as in a text completion; in a message it is text. The template's own are told.
#[tokio::test]
async fn control_tokens_are_what_generation_makes_of_them() {
    let origin = tiny().await;
    let tokens =
        async |body: Value| ask(&origin.url(), "/tokenize", &body).await.1["tokens"].as_array().unwrap().clone();
    let mark = "<|im_end|>";
    let alone = tokens(json!({"model": "tiny", "prompt": mark})).await;
    assert_eq!(alone.len(), 1);
    let said = |content: &str| json!([{"role": "user", "content": content}]);
    let in_message = tokens(json!({"model": "tiny", "messages": said(mark)})).await;
    let without = tokens(json!({"model": "tiny", "messages": said("x")})).await;
    let marks = |tokens: &[Value]| tokens.iter().filter(|token| **token == alone[0]).count();
    assert_eq!(marks(&in_message), marks(&without));
    // Without the beginning of an answer there is less of it, and what there is is the same.
    let shorter = tokens(json!({"model": "tiny", "messages": said("x"), "add_generation_prompt": false})).await;
    assert!(shorter.len() < without.len() && without[..shorter.len()] == shorter[..], "{shorter:?} {without:?}");
    let (_, text) = ask(&origin.url(), "/detokenize", &json!({"model": "tiny", "tokens": without})).await;
    assert!(text["prompt"].as_str().unwrap().starts_with("<|im_start|>"), "{text}");
}

/// The body of a chat, as it is, has as many tokens as its answer is charged for.
#[tokio::test]
async fn messages_have_as_many_tokens_as_their_chat_is_charged_for() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let mut dice = Dice(2_026);
    for number in 0..200 {
        let mut messages = vec![json!({"role": "user", "content": dice.text()})];
        if dice.below(2) == 0 {
            messages.push(json!({"role": "assistant", "content": dice.text(), "reasoning_content": dice.text()}));
            messages.push(json!({"role": "user", "content": dice.text()}));
        }
        let mut body = json!({"model": MODEL, "messages": messages, "max_tokens": 4, "temperature": 0.5});
        if dice.below(2) == 0 {
            body["tools"] = json!([{"type": "function", "function": {"name": "f", "description": dice.text()}}]);
        }
        match dice.below(3) {
            0 => body["enable_thinking"] = (number % 2 == 0).into(),
            1 => body["reasoning_effort"] = "none".into(),
            _ => {}
        }
        let (status, told) = ask(&harness.url, "/tokenize", &body).await;
        assert_eq!(status, 200, "{told}: {body}");
        let (status, answer) = ask(&harness.url, "/v1/chat/completions", &body).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(told["count"], answer["usage"]["prompt_tokens"], "{body}");
        let prompt = harness.script.prompt_tokens().pop().unwrap();
        assert_eq!(told["tokens"], json!(prompt), "{body}");
    }
}

#[tokio::test]
async fn what_a_model_does_not_have_is_refused() {
    let harness = Harness::open(1, 0).await;
    let wrong = [
        ("/detokenize", json!({"model": MODEL, "tokens": [288]}), 400, "tokens"),
        ("/detokenize", json!({"model": "other", "tokens": [1]}), 404, "model"),
        ("/tokenize", json!({"model": "other", "prompt": "x"}), 404, "model"),
        ("/tokenize", json!({"model": MODEL, "prompt": "x".repeat(262_145)}), 400, "prompt"),
        ("/tokenize", json!({"model": MODEL}), 400, "prompt"),
    ];
    for (path, body, status, param) in wrong {
        let (found, told) = ask(&harness.url, path, &body).await;
        assert_eq!((found, &told["error"]["param"]), (status, &json!(param)), "{told}");
    }
    // The vocabulary's last rows spell nothing.
    let (_, told) = ask(&harness.url, "/detokenize", &json!({"model": MODEL, "tokens": [104, 287, 105]})).await;
    assert_eq!(told, json!({"prompt": "hi"}));
    let (_, told) = ask(&harness.url, "/tokenize", &json!({"model": MODEL, "prompt": ""})).await;
    assert_eq!(told, json!({"count": 0, "max_model_len": 4096, "tokens": [], "token_strs": null}));
    // A model that embeds has no chats, and adds its end token.
    let embeds = Harness::with_script(Config::local(), Script::embedding(1, 8)).await;
    let tokens = async |body: Value| ask(&embeds.url, "/tokenize", &body).await;
    assert_eq!(tokens(json!({"model": MODEL, "prompt": "hi"})).await.1["tokens"], json!([104, 105, 256]));
    assert_eq!(tokens(json!({"model": MODEL, "prompt": "hi<|endoftext|>"})).await.1["tokens"], json!([104, 105, 256]));
    let bare = json!({"model": MODEL, "prompt": "hi", "add_special_tokens": false});
    assert_eq!(tokens(bare).await.1["tokens"], json!([104, 105]));
    let (status, told) = tokens(json!({"model": MODEL, "messages": [{"role": "user", "content": "x"}]})).await;
    assert_eq!((status, &told["error"]["param"]), (400, &json!("messages")), "{told}");
}

/// Nothing is used, no slot is taken, and a grant is needed.
#[tokio::test]
async fn they_use_nothing() {
    let edge = Edge::new("k1");
    let harness = Harness::with(Config { access: edge.access(), slots: 1, queue: 1, ..Config::local() }).await;
    let body = json!({"model": MODEL, "prompt": "hi"}).to_string();
    let ask = async |grant: Option<String>| {
        let request =
            harness.client.post(format!("{}/tokenize", harness.url)).header("content-type", "application/json");
        let request = grant.into_iter().fold(request, |request, grant| request.header("x-sluice-grant", grant));
        request.body(body.clone()).send().await.unwrap()
    };
    let answer = ask(Some(edge.sign(&claims(body.as_bytes())))).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-sluice-usage"]), (200, &"0/0/0".parse().unwrap()));
    assert_eq!(harness.script.steps(), 0);
    assert_eq!(ask(None).await.status().as_u16(), 401);
}
