//! A request as a chat template sees it: the names and shapes that transformers shows, with every string of the caller's
//! covered.

use super::marks::Marks;
use super::python::BigInteger;
use minijinja::Value;
use sluice_protocol::request::bodies::chat::{Arguments, ChatMessage, ChatRequest, JsonText, Speaker, ToolCall};

/// What a template is rendered with.
pub(crate) struct View {
    pub(crate) messages: Value,
    /// `None` where there are no tools: transformers shows it as none.
    pub(crate) tools: Option<Value>,
    /// `None` where nobody said: templates ask whether it is defined.
    pub(crate) enable_thinking: Option<bool>,
    /// Whether the prompt ends where an answer begins.
    pub(crate) answer: bool,
}

impl View {
    /// All of a request that templates may look at.
    pub(crate) fn of(request: &ChatRequest, marks: &Marks) -> Self {
        let tools: Vec<Value> = request.tools.iter().map(|tool| json(tool.json(), marks)).collect();
        Self {
            messages: request.messages.iter().map(|message| shown(message, marks)).collect(),
            tools: (!tools.is_empty()).then(|| Value::from(tools)),
            enable_thinking: request.enable_thinking,
            answer: true,
        }
    }

    /// A first question, to see whether a template renders at all.
    pub(crate) fn greeting() -> Self {
        let message = Value::from_pairs([("role", "user"), ("content", "Hello")]);
        Self { messages: Value::from(vec![message]), tools: None, enable_thinking: None, answer: true }
    }
}

fn shown(message: &ChatMessage, marks: &Marks) -> Value {
    let covered = |text: &str| Value::from(marks.cover(text));
    let role = match &message.speaker {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant { .. } => "assistant",
        Speaker::Tool { .. } => "tool",
    };
    // A missing content is shown as an empty one: templates of Qwen3 add to it without a look.
    let mut members = vec![("role", Value::from(role)), ("content", covered(&message.content))];
    members.extend(message.name.as_ref().map(|name| ("name", covered(name))));
    match &message.speaker {
        Speaker::System | Speaker::User => {}
        Speaker::Tool { call } => members.push(("tool_call_id", covered(call))),
        Speaker::Assistant { reasoning, tool_calls } => {
            if let Some(reasoning) = reasoning {
                // Under both names that templates read, as transformers has it.
                members.extend(["thinking", "reasoning_content"].map(|name| (name, covered(reasoning))));
            }
            if !tool_calls.is_empty() {
                let calls: Vec<Value> = tool_calls.iter().map(|call| called(call, marks)).collect();
                members.push(("tool_calls", Value::from(calls)));
            }
        }
    }
    Value::from_pairs(members)
}

fn called(call: &ToolCall, marks: &Marks) -> Value {
    let covered = |text: &str| Value::from(marks.cover(text));
    // OpenAI's arguments are a string, transformers' a dictionary: what can be read is shown read.
    let arguments = match &call.arguments {
        Arguments::Json(text) => json(text, marks),
        Arguments::Text(text) => covered(text),
    };
    let function = Value::from_pairs([("name", covered(&call.name)), ("arguments", arguments)]);
    Value::from_pairs([("id", covered(&call.id)), ("type", Value::from("function")), ("function", function)])
}

/// JSON as Python reads it: members in their order, the last of several with one key, integers of any length, and floats
/// rounded right.
fn json(text: &JsonText, marks: &Marks) -> Value {
    Reader { rest: text.as_str(), marks }.value()
}

/// Reads what is known to be JSON, so that no step of it can fail.
struct Reader<'a> {
    rest: &'a str,
    marks: &'a Marks,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Value {
        self.rest = self.rest.trim_ascii_start();
        match self.rest.as_bytes().first() {
            Some(b'{') => {
                let mut members = Vec::new();
                self.items(|reader| {
                    let key = reader.string();
                    // The colon.
                    reader.rest = reader.rest.trim_ascii_start().get(1..).unwrap_or_default();
                    members.push((key, reader.value()));
                });
                Value::from_pairs(members)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.items(|reader| items.push(reader.value()));
                Value::from(items)
            }
            Some(b'"') => Value::from(self.string()),
            _ => {
                let end = self.rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(self.rest.len());
                match self.take(end) {
                    "null" => Value::from(()),
                    "true" => Value::from(true),
                    "false" => Value::from(false),
                    digits => number(digits),
                }
            }
        }
    }

    /// What stands between two brackets, item by item.
    fn items(&mut self, mut item: impl FnMut(&mut Self)) {
        self.take(1);
        loop {
            self.rest = self.rest.trim_ascii_start();
            match self.rest.as_bytes().first() {
                Some(b']' | b'}') | None => break,
                Some(b',') => {
                    self.take(1);
                    self.rest = self.rest.trim_ascii_start();
                }
                Some(_) => {}
            }
            item(self);
        }
        self.take(1);
    }

    fn string(&mut self) -> String {
        // Whether the next byte is passed over: the opening quote, and whatever follows a backslash.
        let mut passed = true;
        let closes = |byte: u8| {
            let closes = byte == b'"' && !passed;
            passed = byte == b'\\' && !passed;
            closes
        };
        let end = self.rest.bytes().position(closes).map_or(self.rest.len(), |end| end + 1);
        let text: String = serde_json::from_str(self.take(end)).unwrap_or_default();
        self.marks.cover(&text)
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}

/// Python's `int` where there is neither a point nor an exponent, its `float` where there is.
fn number(digits: &str) -> Value {
    if digits.contains(['.', 'e', 'E']) {
        // What is known to be a number of JSON's is one of Rust's.
        return Value::from(digits.parse::<f64>().unwrap_or_default());
    }
    let small = digits.parse::<i64>().map(Value::from);
    let large = small.or_else(|_| digits.parse::<i128>().map(Value::from));
    large.unwrap_or_else(|_| Value::from_object(BigInteger(digits.to_owned())))
}
