//! Requests for vectors: the same question by OpenAI's door and by Ollama's is one, what is too much is refused by name,
//! and a vector is the direction of its beginning.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_protocol::auth::permission::Scope;
use sluice_protocol::refusal::Reason::{self, InvalidRequest, UnsupportedParameter};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::ChatBounds;
use sluice_protocol::request::bodies::embeddings::{EmbeddingRequest, Encoding, MAX_NUMBERS, Vector, direction};
use sluice_protocol::request::bodies::prompts::Prompt;
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::door::Door;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::request::read;

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 1_000 };

fn ask(door: Door, body: &Value) -> Result<EmbeddingRequest, Refusal> {
    match read::question(door, body.to_string().as_bytes(), BOUNDS)? {
        Question::Embeddings(request) => Ok(*request),
        other => panic!("{other:?}"),
    }
}

fn refused(door: Door, body: &Value) -> (Reason, String) {
    let refusal = ask(door, body).expect_err(&body.to_string());
    (refusal.reason, refusal.param.unwrap_or_default().into_owned())
}

#[test]
fn a_text_is_said_in_four_ways() {
    let text = |text: &str| Prompt::Text(text.into());
    for (input, expected) in [
        (json!("hi"), vec![text("hi")]),
        (json!(["hi", "ho"]), vec![text("hi"), text("ho")]),
        (json!([5, 6]), vec![Prompt::Tokens(vec![5, 6])]),
        (json!([[5, 6], [7]]), vec![Prompt::Tokens(vec![5, 6]), Prompt::Tokens(vec![7])]),
    ] {
        let request = ask(Door::Embeddings, &json!({"model": "m", "input": input})).unwrap();
        assert_eq!((request.inputs, request.encoding, request.dimensions), (expected, Encoding::Float, None));
        assert!(!request.truncate);
    }
    let question = Question::from(ask(Door::Embeddings, &json!({"model": "m", "input": ["12345678", "1"]})).unwrap());
    assert_eq!((question.endpoint(), Scope::from(question.endpoint())), (Endpoint::Embeddings, Scope::Embeddings));
    // Two tokens and one, and an end token each; nothing is generated.
    assert_eq!((question.guess_prompt_tokens(), question.most_tokens()), (5, Some(0)));
    assert!(!question.stream() && !question.thinks());
}

#[test]
fn what_is_no_text_is_refused_by_its_name() {
    let many = json!(vec!["x"; 100_000]);
    let deep: Value = serde_json::from_str(&format!("{}{}", "[".repeat(100), "]".repeat(100))).unwrap();
    for input in [
        json!(""),
        json!([]),
        json!(["a", ""]),
        json!([[]]),
        json!([[1], []]),
        json!([[[1]]]),
        json!([1, "a"]),
        json!(["a", 1]),
        json!([["a"]]),
        json!([-1]),
        json!([1.5]),
        json!([4_294_967_296_u64]),
        json!([null]),
        json!({}),
        json!(5),
        many.clone(),
        deep,
    ] {
        assert_eq!(refused(Door::Embeddings, &json!({"model": "m", "input": input})), (InvalidRequest, "input".into()));
    }
    for input in [json!(""), json!([]), json!(["a", ""]), json!([1]), json!([["a"]]), json!(5), many] {
        assert_eq!(
            refused(Door::OllamaEmbed, &json!({"model": "m", "input": input})),
            (InvalidRequest, "input".into())
        );
    }
    for prompt in [json!(""), json!([]), json!(["a"]), json!(5)] {
        let body = json!({"model": "m", "prompt": prompt});
        assert_eq!(refused(Door::OllamaEmbeddings, &body), (InvalidRequest, "prompt".into()));
    }
    for (door, param) in [(Door::Embeddings, "input"), (Door::OllamaEmbed, "input"), (Door::OllamaEmbeddings, "prompt")]
    {
        assert_eq!(refused(door, &json!({"model": "m"})), (InvalidRequest, param.into()));
        assert_eq!(refused(door, &json!({param: "x"})), (InvalidRequest, "model".into()));
    }
    for (name, value, reason) in [
        ("dimensions", json!(0), InvalidRequest),
        ("dimensions", json!(-1), InvalidRequest),
        ("dimensions", json!(1.5), InvalidRequest),
        ("dimensions", json!("5"), InvalidRequest),
        ("dimensions", json!(5_000_000_000_u64), InvalidRequest),
        ("encoding_format", json!("int8"), InvalidRequest),
        ("encoding_format", json!(["float"]), InvalidRequest),
        ("user", json!(5), InvalidRequest),
        ("messages", json!([{"role": "user", "content": "x"}]), UnsupportedParameter),
        ("truncate_prompt_tokens", json!(5), UnsupportedParameter),
        ("max_tokens", json!(5), UnsupportedParameter),
    ] {
        let mut body = json!({"model": "m", "input": "x"});
        body[name] = value;
        assert_eq!(refused(Door::Embeddings, &body), (reason, name.into()), "{body}");
    }
    let told = ask(Door::Embeddings, &json!({"model": "m", "prompt": "x", "input": "x"})).unwrap_err();
    assert!(told.message.contains("/api/embeddings"), "{}", told.message);
}

/// More numbers than the model has, or than an answer holds, are refused where the model is known.
#[test]
fn an_answer_is_bounded() {
    let request = |count: usize, dimensions: Option<u32>| {
        let mut body = json!({"model": "m", "input": vec!["x"; count]});
        if let Some(dimensions) = dimensions {
            body["dimensions"] = dimensions.into();
        }
        ask(Door::Embeddings, &body).unwrap()
    };
    assert_eq!(request(1, None).width(1_024).unwrap(), 1_024);
    assert_eq!(request(2_048, Some(512)).width(1_024).unwrap(), 512);
    assert_eq!(request(1, Some(1_024)).width(1_024).unwrap(), 1_024);
    let param = |refusal: Refusal| (refusal.reason, refusal.param.unwrap().into_owned(), refusal.message.into_owned());
    let (reason, name, told) = param(request(1, Some(1_025)).width(1_024).unwrap_err());
    assert_eq!((reason, name.as_str()), (InvalidRequest, "dimensions"));
    assert!(told.contains("1025") && told.contains("1024"), "{told}");
    let fits = MAX_NUMBERS / 4_096;
    assert_eq!(request(fits, None).width(4_096).unwrap(), 4_096);
    let (reason, name, told) = param(request(fits + 1, None).width(4_096).unwrap_err());
    assert_eq!((reason, name.as_str()), (InvalidRequest, "input"));
    assert!(told.contains(&format!("of {fits} fit")), "{told}");
}

fn numbers() -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec(-1e3f32..1e3, 1..40)
}

proptest! {
    /// Texts mean the same by OpenAI's door and by Ollama's two.
    #[test]
    fn ollamas_doors_ask_the_same(texts in proptest::collection::vec("[a-z\\u{e9}<|\"\\\\ ]{1,12}", 1..5), cut: bool) {
        let openai = ask(Door::Embeddings, &json!({"model": "m", "input": texts, "dimensions": 3})).unwrap();
        let body = json!({"model": "m:latest", "input": texts, "dimensions": 3, "truncate": cut, "options": {"seed": null}});
        let ollama = ask(Door::OllamaEmbed, &body).unwrap();
        prop_assert_eq!(ollama.truncate, cut);
        prop_assert_eq!(&EmbeddingRequest { truncate: false, ..ollama }, &openai);
        let one = ask(Door::OllamaEmbeddings, &json!({"model": "m", "prompt": texts[0]})).unwrap();
        prop_assert_eq!(&one.inputs[..], &openai.inputs[..1]);
    }

    /// A direction has length 1, points where its numbers point, and that of a beginning is its own.
    #[test]
    fn a_vector_is_the_direction_of_its_beginning(numbers in numbers(), cut in 1usize..40, scale in 0.01f32..100.0) {
        let width = cut.min(numbers.len());
        prop_assume!(numbers[..width].iter().any(|number| number.abs() > 1e-3));
        let found = direction(&numbers, width).unwrap();
        prop_assert_eq!(found.len(), width);
        let length: f64 = found.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
        prop_assert!((length - 1.0).abs() < 1e-6, "{}", length);
        // Of a whole vector, whatever its length, the beginning is the same.
        let scaled: Vec<f32> = numbers.iter().map(|number| number * scale).collect();
        for (one, other) in direction(&scaled, width).unwrap().iter().zip(&found) {
            prop_assert!((one - other).abs() < 1e-5);
        }
        let base64 = match Vector::new(found.clone(), Encoding::Base64) {
            Vector::Base64(text) => STANDARD.decode(text).unwrap(),
            Vector::Float(_) => unreachable!("base64 was asked for"),
        };
        let read: Vec<f32> =
            base64.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        prop_assert_eq!(read, found);
    }
}

#[test]
fn what_has_no_direction_is_no_vector() {
    for numbers in [vec![], vec![0.0, 0.0, 1.0], vec![f32::NAN, 1.0], vec![f32::INFINITY, 1.0]] {
        assert_eq!(direction(&numbers, 2), None, "{numbers:?}");
    }
}
