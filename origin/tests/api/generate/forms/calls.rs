//! Calls that must be made, and arguments that must follow a schema: whatever a model of noise wants.

use super::schemas::{Chance, judge, object, schema};
use super::{Served, finish, following};
use crate::harness::text_of;
use serde_json::{Value, json};

fn tool(name: &str, parameters: &Value) -> Value {
    json!({"type": "function", "function": {"name": name, "strict": true, "parameters": parameters}})
}

/// Two tools with parameters by chance, names that begin alike.
fn tools(chance: &mut Chance) -> [(&'static str, Value); 2] {
    ["get", "get_all"].map(|name| (name, object(chance, 3)))
}

/// Name and arguments of every call, each held to its tool's schema. The last one of an answer that was cut off may be no
/// more than a beginning.
fn judged(completion: &Value, tools: &[(&str, Value)]) -> Vec<String> {
    let mut calls = completion["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
    if finish(completion) == "length" {
        let is_whole =
            |call: &Value| serde_json::from_str::<Value>(call["function"]["arguments"].as_str().unwrap()).is_ok();
        calls.pop_if(|call| !is_whole(&*call));
    }
    let judged = |call: &Value| {
        let (name, arguments) = (&call["function"]["name"], call["function"]["arguments"].as_str().unwrap());
        let (name, schema) = tools.iter().find(|(known, _)| name == known).unwrap();
        judge(schema, arguments).unwrap_or_else(|why| panic!("{schema}\n{arguments}\n{why}"));
        (*name).to_owned()
    };
    calls.iter().map(judged).collect()
}

fn asked(tools: &[(&str, Value)], choice: &Value, seed: u64) -> Value {
    let tools: Vec<Value> = tools.iter().map(|(name, parameters)| tool(name, parameters)).collect();
    json!({"tools": tools, "tool_choice": choice, "enable_thinking": false, "max_tokens": 500, "seed": seed})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_must_be_made_are_made_and_follow_their_schemas() {
    let served = Served::wild(4).await;
    let mut chance = Chance(3);
    let (mut whole, mut several, mut cut) = (0, 0, 0);
    let named = json!({"type": "function", "function": {"name": "get_all"}});
    for seed in 0..80 {
        let tools = tools(&mut chance);
        let required = asked(&tools, &json!("required"), seed);
        let mut single = required.clone();
        single["parallel_tool_calls"] = false.into();
        let named = asked(&tools, &named, seed);
        let (many, one, named) = tokio::join!(served.ask(&required), served.ask(&single), served.ask(&named));
        for (completion, most) in [(many, usize::MAX), (one, 1), (named.clone(), 1)] {
            let calls = judged(&completion, &tools);
            if finish(&completion) == "length" {
                cut += 1;
                continue;
            }
            assert_eq!(finish(&completion), "tool_calls", "{completion}");
            assert!((1..=most).contains(&calls.len()), "{completion}");
            assert!(completion["choices"][0]["message"]["content"].is_null(), "{completion}");
            whole += 1;
            several += usize::from(calls.len() > 1);
        }
        assert!(judged(&named, &tools).iter().all(|name| name == "get_all"), "{named}");
    }
    assert!(whole > 160 && several > 20, "{whole} came to their end, {several} with several calls; {cut} were cut off");
}

/// Nothing has to be called; what is called follows its schema, and the rest is text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_may_be_made_follow_their_schemas() {
    let served = Served::wild(2).await;
    let mut chance = Chance(8);
    let (mut called, mut said) = (0, 0);
    for seed in 0..80 {
        let tools = tools(&mut chance);
        let mut asked = asked(&tools, &json!("auto"), seed);
        asked["logit_bias"] = json!({"272": -9}); // not a status: a bias
        let completion = served.ask(&asked).await;
        if finish(&completion) == "length" {
            continue;
        }
        called += judged(&completion, &tools).len();
        let content = completion["choices"][0]["message"]["content"].as_str().unwrap_or_default();
        assert!(!content.contains("<tool_call>"), "{content}");
        said += usize::from(!content.is_empty());
    }
    assert!(called > 30 && said > 10, "{called} calls, {said} texts");
}

/// A form, or calls: as OpenAI has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_has_its_form_or_is_calls() {
    let served = Served::wild(2).await;
    let mut chance = Chance(21);
    let (mut called, mut formed) = (0, 0);
    for seed in 0..80 {
        let (tools, schema) = (tools(&mut chance), schema(&mut chance));
        let mut asked = asked(&tools, &json!("auto"), seed);
        asked["response_format"] = following(&schema);
        // The mark of a call is liked as much as what a form begins with.
        asked["logit_bias"] = json!({"270": if seed % 2 == 0 { -100 } else { 0 }});
        let completion = served.ask(&asked).await;
        match finish(&completion) {
            "tool_calls" => called += usize::from(!judged(&completion, &tools).is_empty()),
            "stop" => {
                assert!(judged(&completion, &tools).is_empty(), "{completion}");
                judge(&schema, text_of(&completion)).unwrap();
                formed += 1;
            }
            _ => {}
        }
        asked["tool_choice"] = "required".into();
        let completion = served.ask(&asked).await;
        assert!(finish(&completion) != "stop", "{completion}");
        asked["tool_choice"] = "none".into();
        let completion = served.ask(&asked).await;
        if finish(&completion) == "stop" {
            judge(&schema, text_of(&completion)).unwrap();
        }
    }
    assert!(called > 20 && formed > 20, "{called} were calls, {formed} had the form");
}
