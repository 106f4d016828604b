//! `response_format`: whatever a model wants to say, what it says has the form that was asked for.

mod calls;
mod schemas;
mod wild;

use crate::harness::{Harness, chat_with, client, json_of, parts, payloads, text_of, text_of_stream};
use reqwest::{Client, RequestBuilder};
use schemas::{Chance, judge, schema};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sluice_origin::config::Config;
use sluice_origin::models::scripted::{MODEL, Say, Script};
use sluice_origin::models::{Backend, endless};
use sluice_origin::server::{Origin, RunningOrigin};
use sluice_origin::text::Text;
use wild::{VOCAB, Wild};

const THINK: u32 = 280;
const THOUGHT: u32 = 281;

struct Served {
    _origin: RunningOrigin,
    url: String,
    client: Client,
}

impl Served {
    async fn wild(slots: usize) -> Self {
        let text = Text::stand_in(VOCAB).unwrap();
        let backend = Backend { name: MODEL.into(), model: Box::new(Wild::new(2 * slots)), text };
        let config = Config { slots, queue: 64, ..Config::local() };
        let origin = Origin::start(config, backend).await.unwrap();
        Self { url: origin.url(), _origin: origin, client: client() }
    }

    fn post(&self, members: &Value) -> RequestBuilder {
        let url = format!("{}/v1/chat/completions", self.url);
        self.client.post(url).json(&chat_with("hi", members))
    }

    async fn ask(&self, members: &Value) -> Value {
        let (status, completion) = parts(self.post(members).send().await.unwrap()).await;
        assert_eq!(status, 200, "{members}: {completion}");
        completion
    }
}

fn following(schema: &Value) -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "form", "strict": true, "schema": schema}})
}

fn finish(completion: &Value) -> &str {
    completion["choices"][0]["finish_reason"].as_str().unwrap()
}

/// Two answers to each of two hundred schemas, judged by a validator that shares nothing with the compiler; and no token of an
/// answer is a control token, though the model wants them more than anything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_model_wants_its_answer_follows_the_schema() {
    let served = Served::wild(4).await;
    let mut chance = Chance(11);
    let (mut whole, mut cut) = (0, 0);
    for round in 0..200 {
        let schema = schema(&mut chance);
        let asked = |seed: u32| {
            json!({"response_format": following(&schema), "enable_thinking": false, "max_tokens": 400, "seed": seed,
                "temperature": if seed.is_multiple_of(2) { 1.0 } else { 0.3 }, "logprobs": true, "frequency_penalty": 0.2})
        };
        let asked = [asked(2 * round), asked(2 * round + 1)];
        let (first, second) = tokio::join!(served.ask(&asked[0]), served.ask(&asked[1]));
        for completion in [first, second] {
            let text = text_of(&completion);
            match finish(&completion) {
                "stop" => {
                    judge(&schema, text).unwrap_or_else(|why| panic!("{schema}\n{text}\n{why}"));
                    whole += 1;
                }
                _ => cut += 1,
            }
            for entry in completion["choices"][0]["logprobs"]["content"].as_array().unwrap() {
                let token = entry["token"].as_str().unwrap();
                assert!(token.len() == 1 || !token.is_empty() && !token.starts_with('<'), "{text}: {token:?}");
            }
        }
    }
    assert!(whole > 300, "only {whole} answers came to their end, {cut} were cut off");
}

#[tokio::test]
async fn an_object_is_an_object() {
    let served = Served::wild(1).await;
    let mut whole = 0;
    for seed in 0..40 {
        let asked = json!({"response_format": {"type": "json_object"}, "enable_thinking": false, "max_tokens": 300,
            "seed": seed});
        let completion = served.ask(&asked).await;
        if finish(&completion) == "stop" {
            let text = text_of(&completion).trim_start();
            assert!(text.starts_with('{'), "{text}");
            // Numbers may be larger than any that serde_json takes.
            serde_json::from_str::<&RawValue>(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            whole += 1;
        }
    }
    assert!(whole > 20, "only {whole} came to their end");
    // Without a form the same model says no JSON at all: it ends at once.
    let completion =
        served.ask(&json!({"response_format": {"type": "text"}, "temperature": 0, "max_tokens": 50})).await;
    assert!(serde_json::from_str::<Value>(text_of(&completion)).is_err(), "{completion}");
}

/// Sixteen at once, with a form and without, of different schemas: each says what it says alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_the_same_beside_others() {
    let served = Served::wild(16).await;
    let mut chance = Chance(5);
    let asked: Vec<Value> = (0..16)
        .map(|seed| {
            let mut asked = json!({"seed": seed, "max_tokens": 120, "enable_thinking": false});
            match seed % 3 {
                0 => {}
                1 => asked["response_format"] = json!({"type": "json_object"}),
                _ => asked["response_format"] = following(&schema(&mut chance)),
            }
            asked
        })
        .collect();
    let mut alone = Vec::new();
    for asked in &asked {
        alone.push(served.ask(asked).await);
    }
    let together = futures_util::future::join_all(asked.iter().map(|asked| served.ask(asked))).await;
    for ((asked, alone), together) in asked.iter().zip(alone).zip(together) {
        assert_eq!((text_of(&alone), finish(&alone)), (text_of(&together), finish(&together)), "{asked}");
    }
}

#[tokio::test]
async fn a_stream_says_what_the_whole_says() {
    let served = Served::wild(1).await;
    for seed in 0..6 {
        let schema = schema(&mut Chance(seed));
        let mut asked =
            json!({"response_format": following(&schema), "enable_thinking": false, "seed": seed, "max_tokens": 200});
        let whole = served.ask(&asked).await;
        asked["stream"] = true.into();
        let events = payloads(served.post(&asked).send().await.unwrap()).await;
        assert_eq!(text_of_stream(&events), text_of(&whole));
        let reasons: Vec<Value> = events
            .iter()
            .filter(|event| *event != "[DONE]")
            .map(|event| json_of(event)["choices"][0]["finish_reason"].clone())
            .filter(|reason| !reason.is_null())
            .collect();
        assert_eq!(reasons, [json!(finish(&whole))]);
    }
}

/// Each of several answers to one prompt begins with its form, and is what it would be with its seed alone.
#[tokio::test]
async fn several_answers_have_a_form_each() {
    let served = Served::wild(1).await;
    let schema = json!({"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "maxItems": 3});
    let asked = |seed: u32, n: u32| json!({"response_format": following(&schema), "enable_thinking": false, "max_tokens": 300, "seed": seed, "n": n});
    let together = served.ask(&asked(40, 3)).await;
    for (seed, choice) in (40..).zip(together["choices"].as_array().unwrap()) {
        let text = choice["message"]["content"].as_str().unwrap();
        judge(&schema, text).unwrap();
        assert_eq!(text, text_of(&served.ask(&asked(seed, 1)).await));
    }
    assert_eq!(together["choices"].as_array().unwrap().len(), 3);
}

/// A schema that no finite text follows, and a model that wants nothing but blanks.
#[tokio::test]
async fn what_would_run_for_ever_does_not() {
    let served = Served::wild(1).await;
    let endless = json!({
        "$ref": "#/$defs/node",
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["next"],
            "additionalProperties": false}},
    });
    let asked = json!({"response_format": following(&endless), "max_tokens": 90, "enable_thinking": false});
    let (status, refused) = parts(served.post(&asked).send().await.unwrap()).await;
    assert_eq!((status, &refused["error"]["param"]), (400, &json!("response_format")), "{refused}");

    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    harness.script.say(Say::endless(" "));
    let schema = json!({"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"],
        "additionalProperties": false});
    let completion = ask(&harness, &json!({"response_format": following(&schema), "temperature": 0})).await;
    assert_eq!(finish(&completion), "stop");
    judge(&schema, text_of(&completion)).unwrap();
    assert!(text_of(&completion).contains(": ") && !text_of(&completion).contains("  "), "{completion}");
}

async fn ask(harness: &Harness, members: &Value) -> Value {
    let (status, completion) = parts(harness.post(&chat_with("hi", members)).send().await.unwrap()).await;
    assert_eq!(status, 200, "{completion}");
    completion
}

/// An answer that is complete ends by itself; one that could go on ends where the model ends it, and not before it may;
/// `max_tokens` and stop strings hold inside of a form too.
#[tokio::test]
async fn an_answer_ends_where_its_form_does() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let number = |token: u8| (u32::from(token), 90.0);
    let end = (endless::IM_END, 100.0);
    let wants_the_end = |text: &str| Say::logits(text.bytes().map(|byte| vec![end, number(byte)]).collect());
    let with =
        |schema: Value| json!({"response_format": following(&schema), "temperature": 0, "enable_thinking": false});
    let object = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
    for (say, members, text, reason, tokens) in [
        // No ending token is needed, and none is counted.
        (wants_the_end("{}"), with(json!({"type": "object"})), "{}", "stop", 2),
        (wants_the_end(r#"{"a": 5}"#), with(object.clone()), r#"{"a": 5}"#, "stop", 8),
        // As many tokens as were asked for: what is complete with the last of them is complete.
        (wants_the_end("{}"), merged(with(json!({"type": "object"})), &json!({"max_tokens": 2})), "{}", "stop", 2),
        (wants_the_end("{}"), merged(with(json!({"type": "object"})), &json!({"max_tokens": 1})), "{", "length", 1),
        // A number may go on: the model ends it, as soon as it may.
        (wants_the_end("12"), with(json!({"type": "integer", "minimum": 10})), "12", "stop", 3),
        (Say::text("\"abc\""), merged(with(json!({"type": "string"})), &json!({"stop": "b"})), "\"a", "stop", 3),
    ] {
        harness.script.say(say);
        let completion = ask(&harness, &members).await;
        assert_eq!((text_of(&completion), finish(&completion)), (text, reason), "{members}");
        assert_eq!(completion["usage"]["completion_tokens"], tokens, "{members}");
    }
}

fn merged(mut into: Value, from: &Value) -> Value {
    for (name, value) in from.as_object().unwrap() {
        into[name] = value.clone();
    }
    into
}

/// A model thinks in front of its answer: freely, but it has to come to its answer; and not where thinking is switched off.
#[tokio::test]
async fn thoughts_come_first_and_are_free() {
    let certain = |token: u32| vec![(token, 100.0)];
    let byte = |byte: u8| certain(byte.into());
    let end = endless::IM_END;
    // It ends in the middle of its thoughts, and has no form of its own behind them.
    let thoughts = [byte(b'['), byte(b'x'), vec![(end, 100.0), (u32::from(b'y'), 90.0)], certain(THOUGHT)];
    let answer = [vec![(THINK, 100.0), (u32::from(b'x'), 95.0), (u32::from(b'{'), 90.0)], byte(b'}')];
    let thinks: Vec<_> = [vec![certain(THINK)], thoughts.to_vec(), answer.to_vec()].concat();
    let in_prompt: Vec<_> = [thoughts.to_vec(), answer.to_vec()].concat();
    let asked = json!({"response_format": {"type": "json_object"}, "temperature": 0});
    let off = merged(asked.clone(), &json!({"enable_thinking": false}));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    endless::ensure(&path).unwrap();
    let file = path.join("tokenizer_config.json");
    let config = std::fs::read_to_string(&file).unwrap();
    let opened = config.replace(r"<|im_start|>assistant\\n", r"<|im_start|>assistant\\n<think>\\n");
    assert_ne!(opened, config);
    std::fs::write(&file, opened).unwrap();

    for (steps, members, opens, tokens) in [
        (thinks.clone(), &asked, false, 7),
        (answer.to_vec(), &off, false, 2),
        // A form does not begin with thoughts that the model does not want.
        (vec![byte(b'{'), vec![(THINK, 100.0), (u32::from(b'}'), 90.0)]], &asked, false, 2),
        (in_prompt, &asked, true, 6),
    ] {
        let script = Script::new(1);
        script.allow_all();
        let mut backend = script.backend();
        if opens {
            backend.text = Text::load(&path).unwrap();
        }
        let origin = Origin::start(Config { slots: 1, ..Config::local() }, backend).await.unwrap();
        let harness = Harness { url: origin.url(), origin: Some(origin), script, client: client() };
        harness.script.say(Say::logits(steps));
        let completion = ask(&harness, members).await;
        let text = text_of(&completion);
        let json = text.rsplit("</think>").next().unwrap();
        assert!(serde_json::from_str::<Value>(json).unwrap().is_object() && !json.contains("<think>"), "{text}");
        assert_eq!(finish(&completion), "stop");
        assert_eq!((json, &completion["usage"]["completion_tokens"]), ("{}", &json!(tokens)), "{text}");
    }
}

/// As in vLLM: of the tokens that may come.
#[tokio::test]
async fn log_probabilities_are_of_the_tokens_that_may_come() {
    let harness = Harness::open(1, 0).await;
    harness.script.allow_all();
    let step = vec![(u32::from(b't'), 1.0), (u32::from(b'f'), 1.0), (u32::from(b'x'), 9.0)];
    harness.script.say(Say::logits(vec![step]));
    let asked = json!({"response_format": following(&json!({"type": "boolean"})), "temperature": 0, "max_tokens": 1,
        "logprobs": true, "top_logprobs": 20, "enable_thinking": false});
    let completion = ask(&harness, &asked).await;
    let entry = &completion["choices"][0]["logprobs"]["content"][0];
    assert_eq!(entry["token"], "f");
    assert!((entry["logprob"].as_f64().unwrap() - 0.5f64.ln()).abs() < 1e-4, "{entry}");
    let listed: Vec<&str> =
        entry["top_logprobs"].as_array().unwrap().iter().map(|top| top["token"].as_str().unwrap()).collect();
    assert_eq!(listed[..2], ["f", "t"]);
    // Blanks may come too, and nothing else.
    assert!(listed[2..].iter().all(|token| token.trim().is_empty()), "{listed:?}");
}
