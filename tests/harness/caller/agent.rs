//! A coding agent, as the gates see one: requests of the shape in which such programs speak at the door of Messages, with
//! texts of our own.
//!
//! Each request holds the whole conversation: a system of several blocks, many tools with long descriptions, and every turn
//! with its calls, which come several at once, and their results. Marks of what is to be cached stand on the system, on the
//! tools and on what came last, so they move from request to request. Headers name betas that nobody here has heard of.

use serde_json::{Value, json};

/// Headers of every request. The key comes besides.
pub const HEADERS: [(&str, &str); 4] = [
    ("anthropic-version", "2023-06-01"),
    ("anthropic-beta", "unheard-of-2099-01-01,fine-grained-everything-2098-05-14,context-9m-2097-08-07"),
    ("user-agent", "an-agent/9.9.9 (external, cli)"),
    ("x-app", "cli"),
];

/// How large a conversation is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Words of the system.
    pub system: usize,
    /// How many tools there are.
    pub tools: usize,
    /// Words of each tool's description.
    pub description: usize,
    /// Words of a turn: of what results say, together.
    pub results: usize,
}

impl Size {
    /// Some thousand tokens in all: for every run of the tests.
    pub const SMALL: Self = Self { system: 200, tools: 6, description: 20, results: 30 };
    /// Some 20,000 tokens of system and tools, and 500 of each turn.
    pub const FULL: Self = Self { system: 5_000, tools: 18, description: 350, results: 200 };
}

/// A conversation of an agent with a model.
pub struct Agent {
    size: Size,
    model: String,
    words: Words,
    system: Vec<Value>,
    tools: Vec<Value>,
    messages: Vec<Value>,
    calls: usize,
}

impl Agent {
    /// One that has asked its first question. The same seed is the same conversation.
    pub fn new(model: &str, size: Size, seed: u64) -> Self {
        let mut words = Words(seed.wrapping_mul(2).wrapping_add(1));
        let block = |text: String| json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}});
        let system = vec![
            json!({"type": "text", "text": "You are an agent that changes code with tools."}),
            block(words.page(size.system)),
            json!({"type": "text", "text": words.page(size.system / 10), "cache_control": {"type": "ephemeral", "ttl": "1h"}}),
        ];
        let mut tools: Vec<Value> = (0..size.tools).map(|number| tool(number, size, &mut words)).collect();
        if let Some(last) = tools.last_mut() {
            last["cache_control"] = json!({"type": "ephemeral"});
        }
        let asked = json!([
            {"type": "text", "text": format!("<reminder>\n{}\n</reminder>", words.page(20))},
            {"type": "text", "text": words.sentence(12)},
        ]);
        let messages = vec![json!({"role": "user", "content": asked})];
        Self { size, model: model.to_owned(), words, system, tools, messages, calls: 0 }
    }

    /// The next request: the whole conversation as it is by now.
    pub fn request(&self, max_tokens: u32) -> Value {
        let mut messages = self.messages.clone();
        // What was marked before is not marked any more.
        if let Some(last) = messages.last_mut().and_then(|message| message["content"].as_array_mut()?.last_mut()) {
            last["cache_control"] = json!({"type": "ephemeral"});
        }
        json!({
            "model": self.model,
            "max_tokens": max_tokens,
            "stream": true,
            "system": self.system,
            "tools": self.tools,
            "messages": messages,
            "metadata": {"user_id": "user_5e55_account__session_ab12"},
        })
    }

    /// Goes on as if the model had called `calls` tools at once, whatever it said: with a thought, a text and the calls, and
    /// with what they gave.
    pub fn turn(&mut self, calls: usize) {
        let mut said = vec![json!({"type": "text", "text": self.words.sentence(15)})];
        if self.calls.is_multiple_of(2) {
            said.insert(0, json!({"type": "thinking", "thinking": self.words.sentence(25), "signature": "c2lnbmVk"}));
        }
        let mut gave = Vec::new();
        for number in 0..calls {
            self.calls += 1;
            let id = format!("toolu_{:024x}", self.calls);
            let input = json!({"path": format!("src/{}.rs", self.words.word()), "options": {"from": number, "to": 40 + number}});
            said.push(
                json!({"type": "tool_use", "id": id, "name": name(self.calls % self.size.tools), "input": input}),
            );
            let text = self.words.page(self.size.results / calls.max(1));
            let content = if number % 2 == 0 { json!(text) } else { json!([{"type": "text", "text": text}]) };
            let mut result = json!({"type": "tool_result", "tool_use_id": id, "content": content});
            if self.calls.is_multiple_of(5) {
                result["is_error"] = true.into();
            }
            gave.push(result);
        }
        self.messages.push(json!({"role": "assistant", "content": said}));
        if gave.is_empty() {
            gave.push(json!({"type": "text", "text": self.words.sentence(12)}));
        }
        self.messages.push(json!({"role": "user", "content": gave}));
    }

    /// What the last turn added: the request that has nothing but it. Its results answer calls of its own.
    pub fn last_turn_alone(&self, max_tokens: u32) -> Value {
        let from = self.messages.len().saturating_sub(2);
        let mut messages = vec![json!({"role": "user", "content": "Go on."})];
        messages.extend_from_slice(&self.messages[from..]);
        json!({"model": self.model, "max_tokens": max_tokens, "stream": true, "messages": messages})
    }
}

fn name(number: usize) -> String {
    format!("{}_{number}", ["Read", "Write", "Search", "Run", "List", "Plan"][number % 6])
}

fn tool(number: usize, size: Size, words: &mut Words) -> Value {
    let described = |kind: &str, words: &mut Words| json!({"type": kind, "description": words.sentence(10)});
    let properties = json!({
        "path": described("string", words),
        "options": {
            "type": "object",
            "properties": {
                "from": described("integer", words),
                "to": described("integer", words),
                "kind": {"type": "string", "enum": ["exact", "like", "any"], "default": "any"},
                "paths": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
            },
            "additionalProperties": false,
        },
    });
    json!({
        "name": name(number),
        "description": words.page(size.description),
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": properties,
            "required": ["path"],
            "additionalProperties": false,
        },
    })
}

/// Words by chance. xorshift64.
struct Words(u64);

impl Words {
    const ALL: [&str; 40] = [
        "the", "a", "file", "function", "line", "test", "of", "in", "to", "with", "and", "is", "must", "never", "read",
        "write", "gate", "limit", "stream", "token", "model", "answer", "request", "queue", "window", "when", "before",
        "after", "change", "keep", "only", "all", "one", "two", "error", "value", "name", "path", "call", "result",
    ];

    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize
    }

    fn word(&mut self) -> &'static str {
        Self::ALL[self.next() % Self::ALL.len()]
    }

    /// So many words, and a full stop.
    fn sentence(&mut self, words: usize) -> String {
        let words: Vec<_> = (0..words.max(1)).map(|_| self.word()).collect();
        format!("{}.", words.join(" "))
    }

    /// So many words in sentences, lists and code.
    fn page(&mut self, words: usize) -> String {
        let mut page = String::new();
        let mut left = words;
        while left > 0 {
            let count = left.min(4 + self.next() % 14);
            left -= count;
            match self.next() % 5 {
                0 => page += &format!("- {}\n", self.sentence(count)),
                1 => {
                    page +=
                        &format!("```rust\nlet {} = {}({:?});\n```\n", self.word(), self.word(), self.sentence(count))
                }
                2 => page += &format!("\n# {}\n", self.sentence(count)),
                _ => page += &format!("{} ", self.sentence(count)),
            }
        }
        page
    }
}
