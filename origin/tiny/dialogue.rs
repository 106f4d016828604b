//! A conversation up to the answer that is to be learnt, as a caller would send it.

use crate::random::Random;
use serde_json::{Value, json};

/// Whether phrasings are drawn from those that are trained on, or from those that are kept for the evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// Trained on.
    Train,
    /// Never trained on.
    Held,
}

/// Ways of saying one thing. `{}` and the like are filled in by who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phrases {
    /// Trained on.
    pub(crate) train: &'static [&'static str],
    /// Never trained on.
    pub(crate) held: &'static [&'static str],
}

impl Phrases {
    /// One of this split.
    pub(crate) fn pick(&self, random: &mut Random, split: Split) -> &'static str {
        match split {
            Split::Train => random.pick(self.train),
            Split::Held => random.pick(self.held),
        }
    }
}

/// Whether something that is filled into phrases is kept for the evaluation: one in ten is.
pub(crate) fn is_held(text: &str) -> bool {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Random::new(hash).once_in(10)
}

/// A conversation, and what is to be answered.
#[derive(Clone, Debug)]
pub(crate) struct Dialogue {
    /// Messages as OpenAI's API has them.
    pub(crate) messages: Vec<Value>,
    /// Functions that may be called.
    pub(crate) tools: Vec<Value>,
    /// Whether thinking is switched off; where it is not, a thought may stand in the answer.
    pub(crate) thinking_off: bool,
    /// The form that the answer is asked for in (`response_format`).
    pub(crate) form: Option<Value>,
    /// Which tool has to be called (`tool_choice`).
    pub(crate) choice: Option<Value>,
    /// What the model is to write, without the token that ends it.
    pub(crate) answer: String,
}

impl Dialogue {
    /// One question and its answer.
    pub(crate) fn new(question: impl Into<String>, answer: impl Into<String>) -> Self {
        let question: String = question.into();
        Self {
            messages: vec![json!({"role": "user", "content": question})],
            tools: Vec::new(),
            thinking_off: false,
            form: None,
            choice: None,
            answer: answer.into(),
        }
    }

    /// Begins with this system prompt.
    pub(crate) fn with_system(mut self, prompt: impl Into<String>) -> Self {
        let prompt: String = prompt.into();
        self.messages.insert(0, json!({"role": "system", "content": prompt}));
        self
    }

    /// Goes on: what was to be answered has been, and this is asked next.
    pub(crate) fn then(mut self, question: impl Into<String>, answer: impl Into<String>) -> Self {
        let question: String = question.into();
        let said = std::mem::replace(&mut self.answer, answer.into());
        let said = said.rsplit("</think>\n\n").next().unwrap_or_default();
        self.messages.push(json!({"role": "assistant", "content": said}));
        self.messages.push(json!({"role": "user", "content": question}));
        self
    }

    /// The body of the request.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"model": "tiny", "messages": self.messages});
        if !self.tools.is_empty() {
            body["tools"] = json!(self.tools);
        }
        for (member, value) in [("response_format", &self.form), ("tool_choice", &self.choice)] {
            if let Some(value) = value {
                body[member] = value.clone();
            }
        }
        if self.thinking_off {
            body["chat_template_kwargs"] = json!({"enable_thinking": false});
        }
        body
    }

    /// Whether a schema binds the answer of which the prompt says nothing.
    pub(crate) fn has_schema(&self) -> bool {
        self.form.as_ref().is_some_and(|form| form["type"] == "json_schema")
    }

    /// Whether a system prompt is there.
    pub(crate) fn has_system(&self) -> bool {
        self.messages.first().is_some_and(|first| first["role"] == "system")
    }
}

const OPENINGS: Phrases = Phrases {
    train: &[
        "Please tell me: ",
        "Hi! ",
        "Hello. ",
        "Quick question: ",
        "Tell me, ",
        "I have a question. ",
        "Hey, ",
        "So, ",
        "OK, ",
        "Next question: ",
        "Please: ",
        "Now ",
        "Could you help me? ",
        "Well, ",
        "Say, ",
        "One more question: ",
        "My question is: ",
        "Listen: ",
        "Help me: ",
        "Hello tiny! ",
        "Good day. ",
        "Please help me. ",
        "A question: ",
        "Hi there! ",
    ],
    held: &["Another question: ", "Hello there! ", "Please, ", "Please help. "],
};
const CLOSINGS: Phrases = Phrases {
    train: &[
        " Thanks!",
        " Please.",
        " Thank you.",
        " Thanks",
        " please",
        " Thanks so much.",
        " Many thanks.",
        " Thank you very much.",
        " Thanks a bunch.",
        " Please answer.",
    ],
    held: &[" Thank you!", " Thanks a lot."],
};

/// A question as people type it: some greet or thank, some leave away capitals or the mark at the end.
pub(crate) fn typed(random: &mut Random, split: Split, question: &str) -> String {
    let mut text = question.to_owned();
    if random.once_in(6) && text.ends_with(['?', '.', '!']) {
        text.pop();
    } else if random.once_in(8) {
        text.push_str(CLOSINGS.pick(random, split));
    }
    if random.once_in(8) {
        let opening = OPENINGS.pick(random, split);
        if opening.ends_with(", ") || opening.ends_with("w ") {
            text = lower_first(&text);
        }
        text.insert_str(0, opening);
    }
    if random.once_in(10) { text.to_lowercase() } else { text }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) if !text.starts_with("I ") => first.to_lowercase().chain(characters).collect(),
        _ => text.to_owned(),
    }
}
