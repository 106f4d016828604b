//! Requests for an order of documents: what is none is refused by name, and the order is that of the scores.

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason::{self, InvalidRequest, UnsupportedParameter};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::request::bodies::chat::ChatBounds;
use sluice_protocol::request::bodies::embeddings::direction;
use sluice_protocol::request::bodies::question::Question;
use sluice_protocol::request::bodies::rerank::{MAX_DOCUMENTS, RerankRequest, Reranked, likelihood_of_yes, nearness};
use sluice_protocol::request::door::Door;
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::request::read;

const BOUNDS: ChatBounds = ChatBounds { default_max_tokens: 16, max_max_tokens: 1_000 };

fn ask(body: &Value) -> Result<RerankRequest, Refusal> {
    match read::question(Door::Rerank, body.to_string().as_bytes(), BOUNDS)? {
        Question::Rerank(request) => Ok(*request),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_document_is_said_in_two_ways() {
    let body =
        json!({"model": "m", "query": "1234", "documents": ["12345678", {"text": "é", "title": "t"}], "top_n": 0});
    let request = ask(&body).unwrap();
    assert_eq!((&*request.query, &*request.documents), ("1234", &["12345678".to_owned(), "é".to_owned()][..]));
    assert_eq!((request.top_n, request.return_documents, &request.instruction), (None, false, &None));
    let question = Question::Rerank(Box::new(request));
    // One and two and one, and an end token each; nothing is generated.
    assert_eq!((question.guess_prompt_tokens(), question.most_tokens()), (7, Some(0)));
    assert_eq!(question.endpoint(), Endpoint::Embeddings);
    assert!(!question.stream() && !question.thinks() && question.is_repeatable());
}

#[test]
fn what_is_none_is_refused_by_its_name() {
    let deep: Value = serde_json::from_str(&format!("{}{}", "[".repeat(100), "]".repeat(100))).unwrap();
    for (name, value, reason) in [
        ("query", json!(""), InvalidRequest),
        ("query", json!(null), InvalidRequest),
        ("query", json!(["x"]), InvalidRequest),
        ("documents", json!([]), InvalidRequest),
        ("documents", json!("x"), InvalidRequest),
        ("documents", json!([""]), InvalidRequest),
        ("documents", json!([{}]), InvalidRequest),
        ("documents", json!([{"text": ""}]), InvalidRequest),
        ("documents", json!([{"text": ["x"]}]), InvalidRequest),
        ("documents", json!([[1, 2]]), InvalidRequest),
        ("documents", json!(["x", 1]), InvalidRequest),
        ("documents", json!(null), InvalidRequest),
        ("documents", deep, InvalidRequest),
        ("documents", json!(vec!["x"; MAX_DOCUMENTS as usize + 1]), InvalidRequest),
        ("top_n", json!(-1), InvalidRequest),
        ("top_n", json!(1.5), InvalidRequest),
        ("top_n", json!("1"), InvalidRequest),
        ("return_documents", json!(1), InvalidRequest),
        ("instruction", json!(5), InvalidRequest),
        ("top_k", json!(3), UnsupportedParameter),
        ("texts", json!(["x"]), UnsupportedParameter),
        ("max_tokens_per_doc", json!(5), UnsupportedParameter),
        ("rank_fields", json!(["title"]), UnsupportedParameter),
    ] {
        let mut body = json!({"model": "m", "query": "q", "documents": ["d"]});
        body[name] = value;
        let refusal = ask(&body).expect_err(&body.to_string());
        let found: (Reason, String) = (refusal.reason, refusal.param.unwrap_or_default().into_owned());
        assert_eq!(found, (reason, name.to_owned()), "{body}");
    }
    let twice = br#"{"model":"m","query":"q","documents":[{"text":"a","text":"b"}]}"#;
    assert_eq!(read::question(Door::Rerank, twice, BOUNDS).unwrap_err().param.unwrap(), "documents");
    assert_eq!(
        ask(&json!({"model": "m", "query": "q", "documents": vec!["x"; MAX_DOCUMENTS as usize]})).unwrap().top_n,
        None
    );
}

#[test]
fn two_words_are_weighed_as_a_softmax_does() {
    for (no, yes, expected) in
        [(0.0, 0.0, 0.5), (0.0, 1.0, 0.731_058_578_630_004_9), (3.0, 1.0, 0.119_202_922_022_117_6)]
    {
        let found = likelihood_of_yes([no, yes]).unwrap();
        assert!((found - expected).abs() < 1e-12, "{no} {yes}: {found}");
    }
    assert_eq!(likelihood_of_yes([-1e30, 1e30]), Some(1.0));
    assert_eq!(likelihood_of_yes([1e30, -1e30]), Some(0.0));
    assert_eq!(likelihood_of_yes([f32::NAN, 1.0]), None);
}

proptest! {
    /// Every document is told once, none before one that fits better; of those that fit alike the first comes first.
    #[test]
    fn the_best_comes_first(scores in proptest::collection::vec(0u8..4, 1..20), top in 0usize..22, tells: bool) {
        let documents: Vec<String> = (0..scores.len()).map(|at| format!("d{at}")).collect();
        let body = json!({"model": "m", "query": "q", "documents": documents, "top_n": top, "return_documents": tells});
        let as_told: Vec<f64> = scores.iter().map(|score| f64::from(*score) / 4.0).collect();
        let told = Reranked::new("m".into(), ask(&body).unwrap(), &as_told, 9);
        let count = if top == 0 { scores.len() } else { top.min(scores.len()) };
        prop_assert_eq!(told.results.len(), count);
        let mut expected: Vec<usize> = (0..scores.len()).collect();
        // Without a sort that keeps order: by score, and by place.
        expected.sort_unstable_by_key(|at| (std::cmp::Reverse(scores[*at]), *at));
        for (result, at) in told.results.iter().zip(expected) {
            prop_assert_eq!(result.index as usize, at);
            prop_assert_eq!(result.relevance_score, as_told[at]);
            prop_assert_eq!(result.document.as_ref().map(|document| &document.text), tells.then_some(&documents[at]));
        }
    }

    /// It grows with the angle's cosine, and stays within its bounds.
    #[test]
    fn nearness_is_of_directions(a in proptest::collection::vec(-1e3f32..1e3, 4), b in proptest::collection::vec(-1e3f32..1e3, 4)) {
        let (Some(a), Some(b)) = (direction(&a, 4), direction(&b, 4)) else { return Ok(()) };
        let opposite: Vec<f32> = b.iter().map(|number| -number).collect();
        let (near, far) = (nearness(&a, &b), nearness(&a, &opposite));
        prop_assert!((0.0..=1.0).contains(&near) && (near + far - 1.0).abs() < 1e-6);
        prop_assert!((nearness(&a, &a) - 1.0).abs() < 1e-6);
    }
}
