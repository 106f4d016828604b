//! Chat requests: any body is refused with a reason that can be told, or is a request within its bounds.

use super::Input;
use sluice_protocol::chat::{
    ChatBounds, ChatRequest, MAX_BIASES, MAX_REPETITION_PENALTY, MIN_REPETITION_PENALTY, usage_of,
};

/// Bounds, then a body.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let [default, most] = input.array().map(|byte: u8| u32::from(byte) + 1);
    let bounds = ChatBounds { default_max_tokens: default.min(most), max_max_tokens: most };
    let _ = usage_of(input.0);
    match ChatRequest::parse(input.0, bounds) {
        Ok(request) => {
            assert!(!request.model.is_empty() && !request.messages.is_empty());
            assert!((1..=most).contains(&request.max_tokens));
            assert!(request.max_tokens_given || request.max_tokens == bounds.default_max_tokens);
            let sampling = &request.sampling;
            assert!((0.0..=2.0).contains(&sampling.temperature) && sampling.top_p > 0.0 && sampling.top_p <= 1.0);
            assert!((0.0..=1.0).contains(&sampling.min_p) && sampling.top_k != Some(0));
            assert!((MIN_REPETITION_PENALTY..=MAX_REPETITION_PENALTY).contains(&sampling.repetition_penalty));
            assert!([sampling.presence_penalty, sampling.frequency_penalty].iter().all(|penalty| penalty.abs() <= 2.0));
            assert!(
                sampling.logit_bias.len() <= MAX_BIASES && sampling.logit_bias.values().all(|bias| bias.abs() <= 100.0)
            );
            assert!(request.logprobs.is_none_or(|top| top <= 20));
            assert!(request.stop.len() <= 4 && request.stop.iter().all(|stop| !stop.is_empty()));
            assert!(request.guess_prompt_tokens() > 0);
        }
        Err(refusal) => {
            let _ = (refusal.body(), refusal.headers());
        }
    }
}

/// A request with every member that is served, one with every member that is not, and an answer.
pub fn seeds() -> Vec<Vec<u8>> {
    let bodies = [
        r#"{"model":"m","messages":[{"role":"developer","content":"be"},{"role":"user","content":[{"type":"text","text":"hi"}]}],
            "max_tokens":5,"max_completion_tokens":6,"stream":true,"stream_options":{"include_usage":true},"temperature":0.5,
            "top_p":0.9,"seed":-1,"stop":["a","b"],"n":1,"chat_template_kwargs":{"enable_thinking":false},"user":"u"}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[],"functions":[1],"logprobs":true,"top_logprobs":5,
            "top_k":40,"min_p":0.1,"repetition_penalty":1.1,"logit_bias":{"5":-100,"6":1.5},"presence_penalty":0,
            "frequency_penalty":1e-3,"response_format":{"type":"text"},"stop":"x"}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}}"#,
    ];
    bodies.map(|body| [&[15, 99], body.as_bytes()].concat()).into()
}
