//! What a model that judges is given: whether a document fits a query, asked in the words that Qwen3-Reranker was trained
//! with (the model card of Qwen/Qwen3-Reranker-0.6B), and the two words by which it answers.

use super::Text;
use crate::load_error::LoadError;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::rerank::RerankRequest;
use std::path::Path;

/// What stands before and behind each pair, as tokens, and the words of the answer.
pub(crate) struct Judging {
    before: Vec<u32>,
    behind: Vec<u32>,
    /// The tokens of `no` and of `yes`.
    words: [u32; 2],
}

const BEFORE: &str = "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the \
                      Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
const BEHIND: &str = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
/// Where a request has no instruction.
const INSTRUCTION: &str = "Given a web search query, retrieve relevant passages that answer the query";
const WORDS: [&str; 2] = ["no", "yes"];

impl Text {
    /// As [`Self::load`], of a model that judges: it needs no template, and a token for each of `no` and `yes`.
    pub fn load_judging(path: &Path) -> Result<Self, LoadError> {
        Self::load_embedding(path)?.judging(path)
    }

    /// The same text side as one of a model that judges. `place` is for messages.
    pub(crate) fn judging(self, place: &Path) -> Result<Self, LoadError> {
        let fault = |why: &str| LoadError::new(place, why);
        let tokens = |text| self.tokens(text).map_err(|_| fault("the tokenizer fails on the words around a document"));
        let word = |at: usize| {
            let why = || fault(&format!("its vocabulary has no token `{}`: a model that judges says it", WORDS[at]));
            self.tokenizer.token_to_id(WORDS[at]).ok_or_else(why)
        };
        let judging = Judging { before: tokens(BEFORE)?, behind: tokens(BEHIND)?, words: [word(0)?, word(1)?] };
        Ok(Self { judging: Some(judging), ..self })
    }

    /// The tokens of `no` and of `yes`, of a model that judges.
    pub fn verdicts(&self) -> Option<[u32; 2]> {
        self.judging.as_ref().map(|judging| judging.words)
    }

    /// What a model that judges reads before each document of a request. Control tokens in what was sent are text.
    pub(crate) fn judged_by(&self, judging: &Judging, request: &RerankRequest) -> Result<Vec<u32>, Refusal> {
        let instruction = request.instruction.as_deref().unwrap_or(INSTRUCTION);
        // To the end of a line, where Qwen's tokenizers part words whatever follows. So a query is taken apart once.
        let asked = self.as_text(format!("<Instruct>: {instruction}\n<Query>: {}\n", request.query))?;
        Ok([&judging.before[..], &asked].concat())
    }

    /// The same from there on.
    pub(crate) fn judged(&self, judging: &Judging, document: &str) -> Result<Vec<u32>, Refusal> {
        let text = self.as_text(format!("<Document>: {document}"))?;
        Ok([&text[..], &judging.behind].concat())
    }

    /// The tokens of a text in which nothing is a control token.
    fn as_text(&self, text: String) -> Result<Vec<u32>, Refusal> {
        let encoding = self.plain.encode_fast(text, false).map_err(|error| {
            Refusal::new(Reason::Internal, "The prompt could not be turned into tokens.")
                .with_detail(format!("tokenizer: {error}"))
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// What a model that judges is given besides, if this is one.
    pub(crate) fn judges(&self) -> Option<&Judging> {
        self.judging.as_ref()
    }
}
