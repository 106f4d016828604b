//! `POST /v1/messages/count_tokens`: what it says is what is charged.

use super::{asking, prompt, send};
use crate::harness::{Edge, Harness, claims, parts};
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::MODEL;

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        // Knuth's, of which the upper bits are good.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 8] = ["rain ", "<|im_end|>", "世界", "\n", "a", "<tool_call>", "\u{1F30D}", "Be brief. "];
        (0..=self.below(6)).map(|_| WORDS[self.below(8) as usize]).collect()
    }

    fn conversation(&mut self) -> Value {
        let mut messages = Vec::new();
        for turn in 0..self.below(4) {
            messages.push(json!({"role": "user", "content": self.text()}));
            let id = format!("t{turn}");
            let call = json!({"type": "tool_use", "id": id, "name": "f", "input": {"a": self.text(), "b": [1, 2.5]}});
            let mut blocks = vec![json!({"type": "text", "text": self.text()})];
            if self.below(2) == 0 {
                blocks.insert(0, json!({"type": "thinking", "thinking": self.text(), "signature": "s"}));
            }
            if self.below(2) == 0 {
                let failed = self.below(2) == 0;
                blocks.push(call);
                messages.push(json!({"role": "assistant", "content": blocks}));
                let result =
                    json!({"type": "tool_result", "tool_use_id": id, "content": self.text(), "is_error": failed});
                messages.push(json!({"role": "user", "content": [result]}));
            } else {
                messages.push(json!({"role": "assistant", "content": blocks}));
            }
        }
        messages.push(json!({"role": "user", "content": [{"type": "text", "text": self.text()}]}));
        let mut body = json!({"model": MODEL, "max_tokens": 1, "messages": messages});
        if self.below(2) == 0 {
            body["system"] = self.text().into();
        }
        if self.below(2) == 0 {
            let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
            body["tools"] = json!([{"name": "f", "description": self.text(), "input_schema": schema}]);
        }
        if self.below(3) == 0 {
            body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
        }
        body
    }
}

#[tokio::test]
async fn a_count_is_what_is_charged() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let mut dice = Dice(2_026);
    let mut longest = 0;
    for _ in 0..1_000 {
        let body = dice.conversation();
        let (status, counted) = parts(send(&harness, "/v1/messages/count_tokens", &body).await).await;
        assert_eq!(status, 200, "{counted}: {body}");
        let (status, answer) = parts(send(&harness, "/v1/messages", &body).await).await;
        assert_eq!(status, 200, "{answer}: {body}");
        let count = prompt(&answer["usage"]);
        assert_eq!(counted, json!({"input_tokens": count}), "{body}");
        longest = longest.max(count);
    }
    assert!(longest > 200, "{longest}");
}

/// It takes a place and no slot, and says that nothing was used: its edge settles it as a request.
#[tokio::test]
async fn a_count_uses_nothing() {
    let edge = Edge::new("k1");
    let harness = Harness::with(Config { access: edge.access(), slots: 1, queue: 1, ..Config::local() }).await;
    let body = asking(&json!("hi"), &json!({})).to_string();
    let ask = async |path: &str, grant: String| {
        let request = harness.client.post(format!("{}{path}", harness.url)).header("content-type", "application/json");
        request.header("x-sluice-grant", grant).body(body.clone()).send().await.unwrap()
    };
    // The slot is held: the model does nothing, and the count comes all the same.
    let held = harness.start_request(
        harness
            .client
            .post(format!("{}/v1/messages", harness.url))
            .header("content-type", "application/json")
            .header("x-sluice-grant", edge.sign(&claims(body.as_bytes())))
            .body(body.clone()),
    );
    harness.until_places(0, 0).await;
    for _ in 0..3 {
        let counted = ask("/v1/messages/count_tokens", edge.sign(&claims(body.as_bytes()))).await;
        assert_eq!(counted.headers()["x-sluice-usage"], "0/0/0");
        let (status, told) = parts(counted).await;
        assert!(status == 200 && told["input_tokens"].as_u64().is_some_and(|count| count > 0), "{told}");
        harness.until_places(0, 0).await;
    }
    // Nor does it pass without a grant, or with one for another body; what refuses it speaks as between gates.
    let other = ask("/v1/messages/count_tokens", edge.sign(&claims(b"{}"))).await;
    let (status, told) = parts(other).await;
    assert_eq!((status, &told["error"]["code"]), (401, &json!("invalid_grant")), "{told}");
    harness.script.allow_all();
    assert_eq!(held.await.unwrap().0, 200);
}
