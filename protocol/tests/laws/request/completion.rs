//! The door of text completions: what is a request and what is not, as a table; and the older shape of log probabilities.

use sluice_protocol::refusal::Reason::{self, InvalidJson, InvalidRequest, UnsupportedParameter};
use sluice_protocol::request::bodies::chat::{ChatBounds, Likelihood, TokenLogprob};
use sluice_protocol::request::bodies::completion::{CompletionRequest, MAX_PROMPTS, Prompt, TextLogprobs};

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 100 };

fn parse(body: &str) -> Result<CompletionRequest, (Reason, Option<String>)> {
    CompletionRequest::parse(body.as_bytes(), BOUNDS)
        .map_err(|refusal| (refusal.reason, refusal.param.map(|param| param.to_string())))
}

#[test]
fn prompts_come_in_four_shapes() {
    let text = |text: &str| Prompt::Text(text.into());
    let table = [
        (r#""hi <|im_start|>""#, vec![text("hi <|im_start|>")]),
        (r#"["hi"]"#, vec![text("hi")]),
        (r#"["hi","ho","hi"]"#, vec![text("hi"), text("ho"), text("hi")]),
        ("[1,2,3]", vec![Prompt::Tokens(vec![1, 2, 3])]),
        ("[[1,2]]", vec![Prompt::Tokens(vec![1, 2])]),
        ("[[1],[2,3]]", vec![Prompt::Tokens(vec![1]), Prompt::Tokens(vec![2, 3])]),
    ];
    for (prompt, expected) in table {
        let request = parse(&format!(r#"{{"model":"m","prompt":{prompt}}}"#)).unwrap();
        assert_eq!(request.prompts, expected, "{prompt}");
        assert!(
            (request.max_tokens, request.max_tokens_given, request.echo, request.stream) == (16, false, false, false)
        );
    }
    assert_eq!(parse(r#"{"model":"m","prompt":"123456789"}"#).unwrap().guess_prompt_tokens(), 3);
    assert_eq!(parse(r#"{"model":"m","prompt":[5,6]}"#).unwrap().guess_prompt_tokens(), 2);
    assert_eq!(parse(r#"{"model":"m","prompt":["123456789","1"]}"#).unwrap().guess_prompt_tokens(), 4);
}

#[test]
fn what_is_no_request_is_refused_by_name() {
    let table = [
        ("{", InvalidJson, None),
        ("[]", InvalidRequest, None),
        (r#"{"prompt":"x"}"#, InvalidRequest, Some("model")),
        (r#"{"model":"m"}"#, InvalidRequest, Some("prompt")),
        (r#"{"model":"m","prompt":""}"#, InvalidRequest, Some("prompt")),
        (r#"{"model":"m","prompt":[]}"#, InvalidRequest, Some("prompt")),
        (r#"{"model":"m","prompt":[[]]}"#, InvalidRequest, Some("prompt")),
        (r#"{"model":"m","prompt":[""]}"#, InvalidRequest, Some("prompt")),
        (r#"{"model":"m","prompt":[-1]}"#, InvalidRequest, Some("prompt")),
        (r#"{"model":"m","prompt":5}"#, InvalidRequest, Some("prompt")),
        (r#"{"model":"m","prompt":["a",""]}"#, InvalidRequest, Some("prompt")),
        (r#"{"model":"m","prompt":[[1],[]]}"#, InvalidRequest, Some("prompt")),
        (r#"{"model":"m","prompt":["a",[1]]}"#, InvalidRequest, Some("prompt")),
        (r#"{"model":"m","prompt":"x","n":0}"#, InvalidRequest, Some("n")),
        (r#"{"model":"m","prompt":"x","n":9}"#, InvalidRequest, Some("n")),
        (r#"{"model":"m","prompt":"x","best_of":2}"#, UnsupportedParameter, Some("best_of")),
        (r#"{"model":"m","prompt":"x","suffix":"y"}"#, UnsupportedParameter, Some("suffix")),
        (r#"{"model":"m","prompt":"x","max_tokens":0}"#, InvalidRequest, Some("max_tokens")),
        (r#"{"model":"m","prompt":"x","max_tokens":101}"#, InvalidRequest, Some("max_tokens")),
        (r#"{"model":"m","prompt":"x","logprobs":21}"#, InvalidRequest, Some("logprobs")),
        (r#"{"model":"m","prompt":"x","logprobs":true}"#, InvalidRequest, Some("logprobs")),
        (r#"{"model":"m","prompt":"x","logprobs":1,"echo":true}"#, InvalidRequest, Some("logprobs")),
        (r#"{"model":"m","prompt":"x","temperature":3}"#, InvalidRequest, Some("temperature")),
        (r#"{"model":"m","prompt":"x","stop":""}"#, InvalidRequest, Some("stop")),
    ];
    for (body, reason, param) in table {
        assert_eq!(parse(body).unwrap_err(), (reason, param.map(str::to_owned)), "{body}");
    }
}

#[test]
fn the_rest_is_read() {
    let body = r#"{"model":"m","prompt":"x","max_tokens":7,"echo":true,"stream":true,"stream_options":{"include_usage":true},
        "n":3,"best_of":1,"suffix":"","stop":["a"],"user":"u","seed":-1,"temperature":0,"unheard_of":1}"#;
    let request = parse(body).unwrap();
    assert_eq!((request.max_tokens, request.max_tokens_given, request.answers), (7, true, 3));
    assert_eq!(request.most_tokens(), Some(21));
    assert!(request.echo && request.stream && request.include_usage);
    assert_eq!((request.stop, request.user.as_deref()), (vec!["a".to_owned()], Some("u")));
    assert_eq!((request.sampling.seed, request.sampling.temperature), (Some(u64::MAX), 0.0));
    assert_eq!(parse(r#"{"model":"m","prompt":"x","logprobs":0}"#).unwrap().logprobs, Some(0));
}

/// All answers to all prompts come in one slot, so they are bounded together, and reserved together.
#[test]
fn prompts_and_answers_are_bounded_together() {
    let asked = |prompts: u32, answers: u32, more: &str| {
        let prompts = vec!["[1,2]"; prompts as usize].join(",");
        parse(&format!(r#"{{"model":"m","prompt":[{prompts}],"n":{answers}{more}}}"#))
    };
    for (prompts, answers, most) in
        [(1, 1, None), (1, 8, Some(128)), (2, 8, Some(256)), (16, 1, Some(256)), (5, 3, Some(240))]
    {
        let request = asked(prompts, answers, "").unwrap();
        assert_eq!((request.all_answers(), request.most_tokens()), (prompts * answers, most));
        assert_eq!(request.guess_prompt_tokens(), 2 * prompts);
        let given = asked(prompts, answers, r#","max_tokens":10"#).unwrap();
        assert_eq!(given.most_tokens(), Some(10 * prompts * answers));
    }
    for (prompts, answers, param) in [(MAX_PROMPTS + 1, 1, "prompt"), (3, 6, "n"), (2_000, 1, "prompt"), (16, 2, "n")] {
        assert_eq!(asked(prompts, answers, "").unwrap_err(), (InvalidRequest, Some(param.to_owned())));
    }
}

#[test]
fn lists_stand_side_by_side_and_offsets_go_on() {
    let likely = |token: &str, logprob| Likelihood { token: token.into(), logprob, bytes: None };
    let token = |text: &str, logprob: f64| TokenLogprob {
        chosen: likely(text, logprob),
        top_logprobs: vec![likely("best", -0.1)],
    };
    let mut offset = 0;
    let first = TextLogprobs::new(vec![token("é", -1.0), token("ab", -2.0)], &mut offset);
    let second = TextLogprobs::new(vec![token("best", -0.1)], &mut offset);
    assert_eq!((first.tokens, first.text_offset), (vec!["é".to_owned(), "ab".to_owned()], vec![0, 1]));
    assert_eq!(first.token_logprobs, [-1.0, -2.0]);
    assert_eq!(first.top_logprobs[0], [("best".to_owned(), -0.1), ("é".to_owned(), -1.0)].into());
    assert_eq!((second.text_offset, second.top_logprobs[0].len(), offset), (vec![3], 1, 7));
}
