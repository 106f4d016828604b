//! `/tokenize` and `/detokenize`: messages are the chat that they would be, and what goes with messages is refused beside a
//! prompt.

use serde_json::{Value, json};
use sluice_protocol::refusal::Reason::{InvalidRequest, UnsupportedParameter};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest};
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::bodies::tokens::{MAX_TOKENS, Source, TokenizeRequest};
use sluice_protocol::request::door::Door;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::request::read;

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 1_000 };

fn ask(door: Door, body: &Value) -> Result<Question, Refusal> {
    read::question(door, body.to_string().as_bytes(), BOUNDS)
}

fn tokenize(body: &Value) -> TokenizeRequest {
    match ask(Door::Tokenize, body) {
        Ok(Question::Tokenize(request)) => *request,
        other => panic!("{body}: {other:?}"),
    }
}

/// The body of a chat, as it is: all that its prompt is made of is the same, and its answer is nobody's.
#[test]
fn messages_are_the_chat_that_they_would_be() {
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}});
    let mut body = json!({
        "model": "m",
        "messages": [{"role": "system", "content": "Be."}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "tools": [tool],
        "max_tokens": 5, "temperature": 0, "stream": true, "n": 2, "stop": "x", "user": "u", "seed": 1,
        "response_format": {"type": "json_object"},
    });
    for (name, value) in [
        ("unheard_of", json!(1)),
        ("enable_thinking", json!(false)),
        ("chat_template_kwargs", json!({"enable_thinking": true})),
        ("reasoning_effort", json!("none")),
        ("think", json!(true)),
        ("reasoning", json!({"effort": "none"})),
        ("tool_choice", json!("none")),
    ] {
        body[name] = value;
        let chat = ChatRequest::parse(body.to_string().as_bytes(), BOUNDS).unwrap();
        let request = tokenize(&body);
        let Source::Messages { chat: counted, add_generation_prompt: true } = &request.source else {
            panic!("{request:?}");
        };
        let (model, messages, tools) = (&counted.model, &counted.messages, &counted.tools);
        assert_eq!((model, messages, tools), (&chat.model, &chat.messages, &chat.tools), "{body}");
        assert_eq!(counted.enable_thinking, chat.enable_thinking, "{body}");
        assert_eq!(counted.template_arguments, chat.template_arguments, "{body}");
        assert_eq!((counted.thinking_param, counted.names), (chat.thinking_param, chat.names), "{body}");
    }
    body["add_generation_prompt"] = false.into();
    assert!(matches!(tokenize(&body).source, Source::Messages { add_generation_prompt: false, .. }));
}

#[test]
fn a_prompt_is_all_that_there_is() {
    for (special, expected) in [(Value::Null, true), (true.into(), true), (false.into(), false)] {
        let request =
            tokenize(&json!({"model": "m", "prompt": "<|im_end|>", "add_special_tokens": special, "messages": null}));
        let source = Source::Prompt { text: "<|im_end|>".into(), add_special_tokens: expected };
        assert_eq!((request.source, request.token_strs), (source, false));
    }
    assert!(matches!(tokenize(&json!({"model": "m", "prompt": ""})).source, Source::Prompt { .. }));
    for (name, value) in [
        ("tools", json!([])),
        ("tool_choice", json!("none")),
        ("enable_thinking", json!(true)),
        ("add_generation_prompt", json!(true)),
        ("messages", json!([{"role": "user", "content": "x"}])),
    ] {
        let mut body = json!({"model": "m", "prompt": "x"});
        body[name] = value;
        let refusal = ask(Door::Tokenize, &body).expect_err(name);
        assert_eq!((refusal.reason, refusal.param.as_deref()), (InvalidRequest, Some(name)), "{}", refusal.message);
    }
}

#[test]
fn what_is_wrong_is_told_by_its_name() {
    let hello = json!([{"role": "user", "content": "x"}]);
    for (door, body, reason, param) in [
        (Door::Tokenize, json!({"model": "m"}), InvalidRequest, "prompt"),
        (Door::Tokenize, json!({"prompt": "x"}), InvalidRequest, "model"),
        (Door::Tokenize, json!({"model": "m", "prompt": ["x"]}), InvalidRequest, "prompt"),
        (Door::Tokenize, json!({"model": "m", "messages": []}), InvalidRequest, "messages"),
        (
            Door::Tokenize,
            json!({"model": "m", "messages": [{"role": "x", "content": "y"}]}),
            InvalidRequest,
            "messages",
        ),
        (
            Door::Tokenize,
            json!({"model": "m", "prompt": "x", "return_token_strs": 1}),
            InvalidRequest,
            "return_token_strs",
        ),
        (Door::Tokenize, json!({"model": "m", "messages": hello, "tools": 5}), InvalidRequest, "tools"),
        (
            Door::Tokenize,
            json!({"model": "m", "messages": hello, "continue_final_message": true}),
            UnsupportedParameter,
            "continue_final_message",
        ),
        (Door::Tokenize, json!({"model": "m", "tokens": [1]}), UnsupportedParameter, "tokens"),
        (Door::Tokenize, json!({"model": "m", "content": "x"}), UnsupportedParameter, "content"),
        (Door::Detokenize, json!({"model": "m"}), InvalidRequest, "tokens"),
        (Door::Detokenize, json!({"model": "m", "tokens": "x"}), InvalidRequest, "tokens"),
        (Door::Detokenize, json!({"model": "m", "tokens": [[1]]}), InvalidRequest, "tokens"),
        (Door::Detokenize, json!({"model": "m", "tokens": [-1]}), InvalidRequest, "tokens"),
        (Door::Detokenize, json!({"model": "m", "tokens": vec![0; MAX_TOKENS + 1]}), InvalidRequest, "tokens"),
        (
            Door::Detokenize,
            json!({"model": "m", "tokens": [1], "skip_special_tokens": true}),
            UnsupportedParameter,
            "skip_special_tokens",
        ),
    ] {
        let refusal = ask(door, &body).expect_err(param);
        assert_eq!((refusal.reason, refusal.param.as_deref()), (reason, Some(param)), "{}", refusal.message);
        assert!(refusal.message.len() < 300, "{}", refusal.message);
    }
    for tokens in [json!([]), json!([0, 4_294_967_295_u32])] {
        assert!(ask(Door::Detokenize, &json!({"model": "m", "tokens": tokens})).is_ok());
    }
}

/// Nothing is charged but the request, by the scope of what would be generated.
#[test]
fn they_ask_for_no_tokens() {
    for (door, body, endpoint) in [
        (Door::Tokenize, json!({"model": "m", "prompt": "x"}), Endpoint::Completions),
        (Door::Tokenize, json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}), Endpoint::Chat),
        (Door::Detokenize, json!({"model": "m", "tokens": [1]}), Endpoint::Completions),
    ] {
        let question = ask(door, &body).unwrap();
        assert_eq!((question.endpoint(), question.model(), question.user()), (endpoint, "m", None));
        assert_eq!((question.guess_prompt_tokens(), question.most_tokens()), (0, Some(0)));
        assert!(!question.stream() && !question.thinks());
    }
}
