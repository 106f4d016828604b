//! What an answer may be, as a grammar: a form, calls of tools that are held to their parameters, or text with calls in it.
//!
//! What a caller wrote are schemas, each compiled as a document of its own, so that its references mean what they mean there.
//! What stands around them is ours. A call is written as Qwen writes it: `<tool_call>`, a JSON object with `name` and
//! `arguments` in this order and with these blanks, `</tool_call>`.

use super::unfollowable;
use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{Value, json};
use sluice_protocol::chat::{ChatRequest, MAX_SCHEMA_BYTES, ResponseFormat, Tool, ToolChoice};
use sluice_protocol::refusal::{Reason, Refusal};
use std::fmt::Write;

/// What an answer may be.
pub(super) struct Shape {
    parts: Vec<Part>,
    around: Around,
}

/// A schema that a caller wrote.
struct Part {
    name: String,
    schema: Value,
    place: Place,
}

/// Where it stands.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// `response_format`.
    Form,
    /// The parameters of the tool with this index.
    Tool {
        index: usize,
        /// Whether calls must follow them. Otherwise they do where they can be followed.
        strict: bool,
    },
}

/// How an answer is put together.
enum Around {
    /// It is the form, and nothing else.
    Form,
    /// By these rules.
    Rules(String),
}

impl Shape {
    /// What the request asks for; `None`: any text. `marks`: whether the model has the marks of a call as tokens.
    ///
    /// Refuses with [`Reason::InvalidRequest`] what is no schema at all.
    pub(super) fn of(request: &ChatRequest, marks: bool) -> Result<Option<Self>, Refusal> {
        let form = match &request.format {
            ResponseFormat::Text => None,
            ResponseFormat::JsonObject => Some(json!({"type": "object"})),
            ResponseFormat::JsonSchema(format) => {
                Some(parse(&format.schema).map_err(|why| unfollowable(Place::Form, &why))?)
            }
        };
        let form = form.map(|schema| Part { name: "form".into(), schema, place: Place::Form });
        let forced = request.tool_choice != ToolChoice::Auto;
        let bound = forced || form.is_some() || request.tools.iter().any(Tool::is_strict);
        if request.tools.is_empty() || !bound {
            return Ok(form.map(|form| Self { parts: vec![form], around: Around::Form }));
        }
        let mut parts = Vec::new();
        let mut bodies = Vec::new();
        for (index, tool) in request.tools.iter().enumerate() {
            if matches!(&request.tool_choice, ToolChoice::Function(name) if name != tool.name()) {
                continue;
            }
            let place = Place::Tool { index, strict: tool.is_strict() };
            let schema = match arguments(tool) {
                Ok(schema) => schema,
                Err(why) if tool.is_strict() => return Err(unfollowable(place, &why)),
                Err(_) => any_object(),
            };
            // A name has no character that would have to be escaped.
            let name = format!("arguments{index}");
            bodies.push(format!(r#""{{\"name\": \"{}\", \"arguments\": " @{name} "}}""#, tool.name()));
            parts.push(Part { name, schema, place });
        }
        let said = match (&form, forced) {
            (_, true) => Said::Calls,
            (Some(_), false) => Said::FormOrCalls,
            (None, false) => Said::Text,
        };
        let several = request.parallel_tool_calls && !matches!(request.tool_choice, ToolChoice::Function(_));
        parts.extend(form.filter(|_| !forced));
        Ok(Some(Self { parts, around: Around::Rules(rules(said, several, marks, &bodies)) }))
    }

    /// The member of the request that it comes from.
    pub(super) fn param(&self) -> &'static str {
        match &self.around {
            Around::Form => Place::Form.param(),
            Around::Rules(_) => "tools",
        }
    }

    /// Compiles it. Refuses with [`Reason::InvalidRequest`] what cannot be followed, and says where it stands.
    pub(super) fn compile(mut self, factory: &ParserFactory) -> Result<Matcher, Refusal> {
        let said = match self.whole(factory) {
            Ok(matcher) => return Ok(matcher),
            Err(said) => said,
        };
        if let [part] = self.parts.as_slice()
            && !part.is_optional()
        {
            return Err(unfollowable(part.place, &said));
        }
        for (number, part) in self.parts.iter_mut().enumerate() {
            let outcome = match number < MAX_PROBES {
                true => part.alone(factory),
                false if part.is_optional() => Err(String::new()),
                false => Ok(()),
            };
            match outcome {
                Ok(()) => {}
                Err(_) if part.is_optional() => part.schema = any_object(),
                Err(said) => return Err(unfollowable(part.place, &said)),
            }
        }
        self.whole(factory).map_err(|_| {
            let message =
                "The schemas of `tools` and `response_format` cannot be followed together: they are too large.";
            Refusal::new(Reason::InvalidRequest, message).with_param(self.param())
        })
    }

    fn whole(&self, factory: &ParserFactory) -> Result<Matcher, String> {
        let schemas = self.parts.iter().map(|part| {
            let grammar = GrammarWithLexer::from_json_schema(with_blanks(part.schema.clone()));
            GrammarWithLexer { name: Some(part.name.clone()), ..grammar }
        });
        let rules = match &self.around {
            Around::Form => None,
            Around::Rules(rules) => Some(GrammarWithLexer::from_lark(rules.clone())),
        };
        let grammars = rules.into_iter().chain(schemas).collect();
        try_compile(factory, TopLevelGrammar { grammars, max_tokens: None })
    }
}

impl Part {
    fn is_optional(&self) -> bool {
        matches!(self.place, Place::Tool { strict: false, .. })
    }

    fn alone(&self, factory: &ParserFactory) -> Result<(), String> {
        try_compile(factory, TopLevelGrammar::from_json_schema(with_blanks(self.schema.clone()))).map(drop)
    }
}

impl Place {
    /// The member of the request.
    pub(super) fn param(self) -> &'static str {
        match self {
            Self::Form => "response_format",
            Self::Tool { .. } => "tools",
        }
    }

    /// What a refusal begins with.
    pub(super) fn named(self) -> String {
        match self {
            Self::Form => "The schema of `response_format`".into(),
            Self::Tool { index, .. } => format!("tools[{index}]: the schema of `function.parameters`"),
        }
    }
}

/// What an answer consists of.
#[derive(Clone, Copy)]
enum Said {
    Calls,
    FormOrCalls,
    Text,
}

/// As rules of llguidance's Lark.
fn rules(said: Said, several: bool, marks: bool, bodies: &[String]) -> String {
    // Angle brackets name tokens, quotes text.
    let [open, close] = if marks { ["<tool_call>", "</tool_call>"] } else { [r#""<tool_call>""#, r#""</tool_call>""#] };
    let calls = if several { "BLANK? call (BLANK? call)*" } else { "BLANK? call" };
    let mut rules = match said {
        Said::Calls => format!("start: {calls}\n"),
        Said::FormOrCalls => format!("start: @form | {calls}\n"),
        // Once a call was opened, it is one: so text does not spell the mark.
        Said::Text if marks => format!("start: TEXT? (call TEXT?){}\n", if several { "*" } else { "?" }),
        Said::Text => {
            format!("start: (until rest){} TEXT?\nuntil[lazy]: /(?s:.*)<tool_call>/\n", if several { "*" } else { "?" })
        }
    };
    let rest = format!(r#""\n"? body "\n"? {close}"#);
    // Writing to a string does not fail.
    let _ = match said {
        Said::Text if marks => writeln!(rules, "call: {open} {rest}"),
        Said::Text => writeln!(rules, "rest: {rest}"),
        _ => writeln!(rules, "call: {open} {rest}"),
    };
    let _ = match said {
        Said::Text => writeln!(rules, "TEXT: /(?s:.+)/ & ~/(?s:.*)<tool_call>(?s:.*)/"),
        _ => writeln!(rules, r"BLANK: /\n{{1,3}}/"),
    };
    let _ = writeln!(rules, "body: {}", bodies.join("\n    | "));
    rules
}

/// The schema of a call's arguments, which are an object whatever else is said.
fn arguments(tool: &Tool) -> Result<Value, String> {
    let Some(parameters) = tool.parameters() else {
        return Ok(json!({"type": "object", "additionalProperties": false}));
    };
    if parameters.len() > MAX_SCHEMA_BYTES {
        return Err("it is too large".into());
    }
    let mut schema = parse(parameters)?;
    let is_object = match schema.get("type") {
        None => true,
        Some(Value::Array(types)) => types.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
    };
    if !is_object {
        return Err("its `type` must be `object`".into());
    }
    schema["type"] = "object".into();
    Ok(schema)
}

fn any_object() -> Value {
    json!({"type": "object"})
}

fn parse(schema: &str) -> Result<Value, String> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    // llguidance's own settings: they would let a schema be followed in part.
    match schema.get("x-guidance") {
        Some(_) => Err("`x-guidance` is not served".into()),
        None => Ok(schema),
    }
}

fn with_blanks(mut schema: Value) -> Value {
    let options = JsonCompileOptions { whitespace_pattern: Some(BLANKS.into()), ..JsonCompileOptions::default() };
    options.apply_to(&mut schema);
    schema
}

fn try_compile(factory: &ParserFactory, grammar: TopLevelGrammar) -> Result<Matcher, String> {
    let mut matcher = Matcher::new(factory.create_parser(grammar));
    // A form that nothing fits is found now and not in the middle of a stream.
    match matcher.compute_mask() {
        Ok(_) => Ok(matcher),
        Err(error) => Err(error.to_string()),
    }
}

/// White space between two parts: bounded, as a model that is bound to JSON and does not want to write it may write blanks for ever.
const BLANKS: &str = r"[\x20\x0A\x0D\x09]{1,64}";
/// How many parts are compiled one by one to find those that cannot be followed. Of the others those that need not be are not.
const MAX_PROBES: usize = 32;
