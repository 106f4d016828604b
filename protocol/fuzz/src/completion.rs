//! Text completions: any body is refused with a reason that can be told, or is a request within its bounds.

use super::Input;
use sluice_protocol::request::bodies::chat::{ChatBounds, MAX_ANSWERS};
use sluice_protocol::request::bodies::completion::{CompletionRequest, MAX_PROMPTS, Prompt};

/// Bounds, then a body.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let [default, most] = input.array().map(|byte: u8| u32::from(byte) + 1);
    let bounds = ChatBounds { default_max_tokens: default.min(most), max_max_tokens: most };
    match CompletionRequest::parse(input.0, bounds) {
        Ok(request) => {
            assert!(!request.model.is_empty());
            for prompt in &request.prompts {
                match prompt {
                    Prompt::Text(text) => assert!(!text.is_empty()),
                    Prompt::Tokens(tokens) => assert!(!tokens.is_empty()),
                }
            }
            assert!((1..=MAX_PROMPTS).contains(&request.all_answers()));
            assert!((1..=most).contains(&request.max_tokens));
            assert!(request.max_tokens_given || request.max_tokens == bounds.default_max_tokens);
            assert!((1..=MAX_ANSWERS).contains(&request.answers));
            assert!(request.logprobs.is_none_or(|top| top <= 20 && !request.echo));
            assert!(request.stop.len() <= 4 && request.stop.iter().all(|stop| !stop.is_empty()));
            assert!(request.guess_prompt_tokens() > 0);
        }
        Err(refusal) => {
            let _ = (refusal.body(), refusal.headers());
        }
    }
}

/// A request with every member that is served, and the four shapes of a prompt.
pub fn seeds() -> Vec<Vec<u8>> {
    let bodies = [
        r#"{"model":"m","prompt":"once","max_tokens":5,"echo":true,"stream":true,"stream_options":{"include_usage":true},
            "temperature":0.5,"top_p":0.9,"seed":-1,"stop":["a","b"],"n":1,"best_of":1,"suffix":"","user":"u"}"#,
        r#"{"model":"m","prompt":["once"],"logprobs":5,"logit_bias":{"5":-100},"min_p":0.1}"#,
        r#"{"model":"m","prompt":[1,2,3]}"#,
        r#"{"model":"m","prompt":[[1,2]],"stop":"x"}"#,
        r#"{"model":"m","prompt":["once","upon"],"n":2}"#,
        r#"{"model":"m","prompt":[[1],[2,3]]}"#,
    ];
    bodies.map(|body| [&[15, 99], body.as_bytes()].concat()).into()
}
