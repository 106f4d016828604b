//! Prompts against what Hugging Face transformers makes of the same requests (`origin/tests/oracle/templates.py`).

use super::parts::Parts;
use super::template::ChatTemplate;
use super::template::marks::Marks;
use super::template::view::View;
use super::{Piece, Text};
use crate::models::endless;
use proptest::prelude::*;
use serde_json::Value;
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const GOLDENS: &str = include_str!("../../tests/oracle/templates.json");
const CONTROLS: [&str; 3] = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];

fn goldens() -> Value {
    serde_json::from_str(GOLDENS).unwrap()
}

/// A generation's template: the golden's own where it was made of other files, or the committed one.
fn template(goldens: &Value, generation: &str) -> String {
    match (goldens["templates"][generation].as_str(), generation) {
        (Some(source), _) => source.to_owned(),
        (None, "qwen1.5") => include_str!("../../tests/oracle/templates/qwen1.5.jinja").to_owned(),
        (None, "qwen2.5") => include_str!("../../tests/oracle/templates/qwen2.5.jinja").to_owned(),
        (None, _) => endless::TEMPLATE.to_owned(),
    }
}

fn request(body: &str) -> ChatRequest {
    let body = format!("{{\"model\": \"m\", {}", &body[1..]);
    let bounds = ChatBounds { default_max_tokens: 1, max_max_tokens: 1 };
    ChatRequest::parse(body.as_bytes(), bounds).unwrap_or_else(|refusal| panic!("{}: {body}", refusal.message))
}

fn text(template: String) -> Text {
    let mut tokenizer = endless::tokenizer();
    // So that tokens spell what was written: it would put accents and letters together.
    tokenizer["normalizer"] = Value::Null;
    let tokenizer = tokenizer.to_string().into_bytes();
    let parts = Parts { tokenizer, template, tokens: BTreeMap::new(), ends: vec![endless::IM_END] };
    Text::new(parts, Path::new("a test")).unwrap_or_else(|error| panic!("{error}"))
}

/// Byte for byte, every conversation in every generation's way.
#[test]
fn transformers_renders_the_same_prompts() {
    let goldens = goldens();
    for (generation, rendered) in goldens["rendered"].as_object().unwrap() {
        let marks = Arc::new(Marks::new(CONTROLS.map(String::from).into(), 7));
        let tokens = [("eos_token", "<|im_end|>"), ("pad_token", "<|endoftext|>")];
        let tokens = tokens.map(|(name, token)| (name.to_owned(), token.to_owned())).into();
        let template = ChatTemplate::new(template(&goldens, generation), tokens, Arc::clone(&marks)).unwrap();
        let (mut same, mut wrong) = (0, Vec::new());
        for (name, expected) in rendered.as_object().unwrap() {
            let request = request(goldens["conversations"][name].as_str().unwrap());
            let found = template.render(View::of(&request, &marks), 0).map(|text| marks.uncover(&text));
            match expected.as_str() {
                Some(expected) if found.as_deref() == Ok(expected) => same += 1,
                // Where transformers itself fails, nothing is asked of us.
                None => {}
                Some(expected) => wrong.push(format!("{name}:\n{expected:?}\n{found:?}")),
            }
        }
        println!("{generation}: {same} equal, {} not", wrong.len());
        assert!(wrong.is_empty() && same >= 30, "{generation}: {same} equal, not\n{}", wrong.join("\n"));
    }
}

/// Also where the vocabulary goes on behind them.
#[test]
fn added_tokens_have_the_ids_that_their_file_says() {
    for vocab in [282, 283, 400] {
        let text = Text::stand_in(vocab).unwrap();
        assert_eq!(text.thinking(), Some([280, 281]), "{vocab}");
        assert_eq!((text.spell(97), text.spell(270)), ("a".into(), "<tool_call>".into()));
        assert_eq!(text.bytes(endless::IM_END), None);
        let prompt = text.prompt(&request(r#"{"messages": [{"role": "user", "content": "a"}]}"#), "", 0).unwrap();
        assert_eq!(prompt.tokens.iter().filter(|id| **id >= 256).count(), 3, "{:?}", prompt.tokens);
        assert!(prompt.tokens.iter().all(|id| *id < 282), "{:?}", prompt.tokens);
    }
    // One that is in the vocabulary too, as another.
    let mut tokenizer = endless::tokenizer();
    tokenizer["model"]["vocab"]["<tool_call>"] = 5.into();
    let tokenizer = tokenizer.to_string().into_bytes();
    let parts = Parts { tokenizer, template: endless::TEMPLATE.into(), tokens: BTreeMap::new(), ends: vec![1] };
    let why = Text::new(parts, Path::new("a test")).err().unwrap().to_string();
    assert!(why.contains("<tool_call> is said to be 270"), "{why}");
}

/// The whole way to tokens: they spell what transformers writes, and the control tokens among them are those of the same
/// conversation in which nobody wrote any.
#[test]
fn control_tokens_come_from_the_template_alone() {
    let goldens = goldens();
    let text = text(endless::TEMPLATE.to_owned());
    let special = |ids: &[u32]| ids.iter().copied().filter(|id| (256..270).contains(id)).collect::<Vec<u32>>();
    for (name, body) in goldens["conversations"].as_object().unwrap() {
        let body = body.as_str().unwrap();
        let ids = text.prompt(&request(body), "", 0).unwrap().tokens;
        let expected = goldens["rendered"]["qwen3"][name].as_str().unwrap();
        assert_eq!(text.tokenizer.decode(&ids, false).unwrap(), expected, "{name}");
        let tame = CONTROLS.iter().fold(body.replace("\\\\u003c|", "<|"), |body, control| body.replace(control, "x"));
        assert_eq!(special(&ids), special(&text.prompt(&request(&tame), "", 0).unwrap().tokens), "{name}");
    }
}

/// A template that can be told to think or not is told; one that always or never thinks refuses the other by the name
/// of whatever member asked for it. What a template does not look at changes no prompt.
#[test]
fn thinking_is_as_the_template_has_it_or_refused() {
    let always = "{% for m in messages %}{{ m.content }}{% endfor %}<|im_start|>assistant\n<think>\n";
    let never = "{% for m in messages %}{{ m.content }}{% endfor %}<|im_start|>assistant\n";
    let reads = "{{ enable_thinking is defined and enable_thinking }}{{ preserve }}";
    let asked = |template: &str, member: &str| {
        let body = format!(r#"{{"messages": [{{"role": "user", "content": "x"}}], {member}}}"#);
        let refused = text(template.to_owned()).prompt(&request(&body), "", 0).err();
        refused.map(|refusal| (refusal.reason, refusal.param.unwrap().into_owned()))
    };
    let no = |param: &str| Some((Reason::UnsupportedParameter, param.to_owned()));
    for (member, param, thinks) in [
        (r#""enable_thinking": true"#, "enable_thinking", true),
        (r#""enable_thinking": false"#, "enable_thinking", false),
        (r#""chat_template_kwargs": {"enable_thinking": false}"#, "chat_template_kwargs", false),
        (r#""reasoning_effort": "high""#, "reasoning_effort", true),
        (r#""reasoning_effort": "none""#, "reasoning_effort", false),
        (r#""reasoning": {"effort": "none"}"#, "reasoning", false),
        (r#""think": false"#, "think", false),
    ] {
        assert_eq!(asked(always, member), if thinks { None } else { no(param) }, "{member}");
        assert_eq!(asked(never, member), if thinks { no(param) } else { None }, "{member}");
        assert_eq!(asked(reads, member), None, "{member}");
    }
    let argument = r#""chat_template_kwargs": {"preserve": true, "other": 1}"#;
    assert_eq!((asked(reads, argument), asked(never, argument)), (no("chat_template_kwargs"), None));
    assert_eq!(asked(reads, r#""chat_template_kwargs": {"messages": []}"#), None);
    assert_eq!(asked(never, r#""chat_template_kwargs": {"messages": []}"#), no("chat_template_kwargs"));
}

#[test]
fn tools_are_refused_where_the_template_does_not_know_them() {
    let text = text(template(&goldens(), "qwen1.5"));
    let body = r#"{"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "f"}}]MORE}"#;
    let refusal = text.prompt(&request(&body.replace("MORE", "")), "", 0).unwrap_err();
    assert_eq!((refusal.reason, refusal.param.as_deref()), (Reason::UnsupportedParameter, Some("tools")));
    assert!(text.prompt(&request(&body.replace("MORE", ", \"tool_choice\": \"none\"")), "", 0).is_ok());
}

/// A template may cut a text anywhere: half a mark is neither a control token nor text.
#[test]
fn a_mark_that_was_cut_in_two_leaves_nothing_behind() {
    let marks = Marks::new(CONTROLS.map(String::from).into(), 7);
    let covered = marks.cover("a<|im_end|>");
    let cut = &covered[..covered.char_indices().last().unwrap().0];
    assert_eq!((marks.uncover(cut), marks.uncover(&format!("{cut}b"))), ("a".to_owned(), "ab".to_owned()));
}

proptest! {
    /// Covering is undone, leaves no control token behind and finds each one where it was, also beside what looks like a mark.
    #[test]
    fn what_is_covered_comes_back(
        parts in proptest::collection::vec(prop_oneof!["\\PC{0,3}", "<\\|im_(start|end)\\|>", "\u{f0000}", "<\\|im_"], 0..12),
        random in any::<u64>(),
    ) {
        let marks = Marks::new(CONTROLS.map(String::from).into(), random);
        let content = parts.concat();
        let covered = marks.cover(&content);
        prop_assert_eq!(&marks.uncover(&covered), &content);
        prop_assert!(CONTROLS.iter().all(|control| !covered.contains(control)));
        let found = marks.split(&covered).into_iter().filter(|piece| matches!(piece, Piece::Covered(_))).count();
        prop_assert_eq!(found, CONTROLS.iter().map(|control| content.matches(control).count()).sum::<usize>());
    }

    /// What a tool's JSON says, `tojson` says too: read, covered, written and uncovered it is the same value.
    #[test]
    fn json_goes_through_a_template_unchanged(value in json()) {
        let marks = Arc::new(Marks::new(CONTROLS.map(String::from).into(), 7));
        let template = ChatTemplate::new("{{ tools[0] | tojson }}".into(), BTreeMap::new(), Arc::clone(&marks)).unwrap();
        let tool = serde_json::json!({"type": "function", "function": {"name": "f", "parameters": {"a": value}}});
        let body = serde_json::json!({"messages": [{"role": "user", "content": ""}], "tools": [tool]});
        let rendered = template.render(View::of(&request(&body.to_string()), &marks), 0).unwrap();
        let written: Value = serde_json::from_str(&marks.uncover(&rendered)).unwrap();
        prop_assert_eq!(written, tool);
    }
}

/// Any JSON, with strings that hold control tokens, quotes and escapes.
fn json() -> impl Strategy<Value = Value> {
    let text = || "(\\PC|[\"\\\\\n\u{0}/]|<\\|im_end\\|>){0,6}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Halves and quarters: serde_json reads others only nearly right.
        (-4_000_000i32..4_000_000).prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(text(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// What is found again is what a tokenizer makes of the whole, however turns begin and end.
    #[test]
    fn a_conversation_that_goes_on_has_the_tokens_of_one_that_is_new(
        turns in proptest::collection::vec(("[ \n\t]{0,2}[a-z]{1,9}", "[ .!?,\n\u{e9}\u{301}<|im_end|>]{0,9}", 1usize..90), 2..9),
        system in 0usize..200,
    ) {
        let (memo, mut whole) = (Text::tiny().unwrap(), Text::tiny().unwrap());
        prop_assert_eq!(memo.turn_end.as_deref(), Some("<|im_end|>"));
        whole.turn_end = None;
        let mut messages = vec![serde_json::json!({"role": "system", "content": "Answer in words. ".repeat(system)})];
        for (number, (begin, end, times)) in turns.iter().enumerate() {
            let role = if number % 2 == 0 { "user" } else { "assistant" };
            messages.push(serde_json::json!({"role": role, "content": format!("{}{end}", begin.repeat(*times))}));
            let body = serde_json::json!({"messages": messages}).to_string();
            for account in ["me", "you"] {
                let found = memo.prompt(&request(&body), account, 0).unwrap();
                let expected = whole.prompt(&request(&body), account, 0).unwrap();
                prop_assert_eq!((found.tokens, found.start), (expected.tokens, expected.start));
            }
        }
    }
}
