//! Vectors at OpenAI's door and at Ollama's, documents in their order, and what `/tokenize` and `/detokenize` answer.

use super::json;
use sluice_protocol::request::bodies::embeddings::{EmbeddingList, Encoding, direction};
use sluice_protocol::request::bodies::ollama::embed::{Embedded, OneEmbedded};
use sluice_protocol::request::bodies::rerank::{RerankRequest, Reranked};
use sluice_protocol::request::bodies::tokens::{Detokenized, Tokenized};

#[test]
fn vectors_have_the_shape_of_their_door() {
    let vectors = || vec![vec![0.6, -0.8], direction(&[1.0, 1.0, 5.0], 2).unwrap()];
    json("embeddings", &EmbeddingList::new("qwen3-embedding".into(), vectors(), Encoding::Float, 7));
    json("embeddings_base64", &EmbeddingList::new("qwen3-embedding".into(), vectors(), Encoding::Base64, 7));
    let embedded = Embedded {
        model: "qwen3-embedding".into(),
        embeddings: vectors(),
        total_duration: 1_000_000,
        load_duration: 0,
        prompt_eval_count: 7,
    };
    json("ollama_embedded", &embedded);
    json("ollama_embedding", &OneEmbedded { embedding: vec![0.6, -0.8] });
}

#[test]
fn documents_are_told_in_their_order() {
    let body = r#"{"model":"qwen3-reranker","query":"q","documents":["a","b","c"],"return_documents":true,"top_n":2}"#;
    let request = RerankRequest::parse(body.as_bytes()).unwrap();
    json("reranked", &Reranked::new("qwen3-reranker".into(), request.clone(), &[0.25, 0.75, 0.5], 30));
    let bare = RerankRequest { return_documents: false, top_n: None, ..request };
    json("reranked_bare", &Reranked::new("qwen3-reranker".into(), bare, &[0.25, 0.75, 0.5], 30));
}

#[test]
fn tokens_are_told_as_vllm_tells_them() {
    let tokenized = Tokenized { count: 2, max_model_len: 4096, tokens: vec![9707, 1879], token_strs: None };
    json("tokenized", &tokenized);
    let token_strs = Some(vec!["Hello".into(), "\u{120}world".into()]);
    json("tokenized_spelt", &Tokenized { token_strs, ..tokenized });
    json("detokenized", &Detokenized { prompt: "Hello world".into() });
}
