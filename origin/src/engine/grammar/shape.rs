//! What an answer may be, as a grammar: a form, calls of tools that are held to their parameters, or text with calls in
//! it.
//!
//! What a caller wrote are schemas, each compiled as a document of its own, so that its references mean what they mean
//! there. What stands around them is ours. A call is written as Qwen writes it: `<tool_call>`, a JSON object with
//! `name` and `arguments` in this order and with these blanks, `</tool_call>`.

use super::schema::{self, Fuel};
use super::unfollowable;
use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::{Matcher, ParserFactory};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{ChatRequest, MAX_SCHEMA_BYTES, ResponseFormat, Tool, ToolChoice};
use std::fmt::Write;

/// What an answer may be.
pub(super) struct Shape {
    parts: Vec<Part>,
    around: Around,
}

/// A schema that a caller wrote.
struct Part {
    name: String,
    /// As grammars, the first of which is the whole.
    grammars: Vec<GrammarWithLexer>,
    place: Place,
}

/// Where it stands.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// The form of the answer, by the name of the member that says it.
    Form(&'static str),
    /// The parameters of the tool with this index.
    Tool {
        index: usize,
        /// Whether calls must follow them. Otherwise they do where they can be followed.
        strict: bool,
    },
}

/// How an answer is put together.
enum Around {
    /// It is the form, which the member of this name says, and nothing else.
    Form(&'static str),
    /// By these rules.
    Rules(String, Said),
}

/// What opens a call in an answer that is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// This token, which no text contains.
    Token(u32),
    /// The mark, wherever it stands.
    Spelt,
    /// Nothing, or nothing that a text could not contain as well.
    Nothing,
}

impl Opens {
    /// Whether a mark that ends in this token opens a call.
    pub(super) fn with(self, token: u32) -> bool {
        match self {
            Self::Token(open) => token == open,
            Self::Spelt => true,
            Self::Nothing => false,
        }
    }
}

impl Shape {
    /// What the request asks for; `None`: any text. `marks`: whether the model has the marks of a call as tokens.
    ///
    /// Refuses with [`Reason::InvalidRequest`] what is no schema at all.
    pub(super) fn of(request: &ChatRequest, marks: bool) -> Result<Option<Self>, Refusal> {
        let form = match &request.format {
            ResponseFormat::Text => None,
            ResponseFormat::JsonObject => Some(ANY_OBJECT),
            ResponseFormat::JsonSchema(format) => Some(&*format.schema),
        };
        let mut fuel = Fuel::full();
        let mut part = |name: String, place: Place, schema: Result<&str, String>, object: bool| {
            let compiled = schema.and_then(|text| schema::compile(text, &name, object, &mut fuel));
            let grammars = match compiled {
                Err(_) if place.is_optional() => any_object(&name),
                compiled => compiled,
            };
            grammars.map(|grammars| Part { name, grammars, place }).map_err(|why| unfollowable(place, &why))
        };
        let form =
            form.map(|text| part("form".into(), Place::Form(request.names.format), Ok(text), false)).transpose()?;
        let forced = request.tool_choice != ToolChoice::Auto;
        // Where the marks are text, nothing else sees where a call begins.
        let bound = forced || form.is_some() || !marks || request.tools.iter().any(Tool::is_strict);
        if request.tools.is_empty() || !bound {
            let around = Around::Form(request.names.format);
            return Ok(form.map(|form| Self { parts: vec![form], around }));
        }
        let mut parts = Vec::new();
        let mut bodies = Vec::new();
        for (index, tool) in request.tools.iter().enumerate() {
            if matches!(&request.tool_choice, ToolChoice::Function(name) if name != tool.name()) {
                continue;
            }
            let name = format!("arguments{index}");
            // A name has no character that would have to be escaped.
            bodies.push(format!(r#""{{\"name\": \"{}\", \"arguments\": " @{name} "}}""#, tool.name()));
            let place = Place::Tool { index, strict: tool.is_strict() };
            parts.push(part(name, place, arguments(tool), true)?);
        }
        let said = match (&form, forced) {
            (_, true) => Said::Calls,
            (Some(_), false) => Said::FormOrCalls,
            (None, false) => Said::Text,
        };
        let several = request.parallel_tool_calls && !matches!(request.tool_choice, ToolChoice::Function(_));
        parts.extend(form.filter(|_| !forced));
        Ok(Some(Self { parts, around: Around::Rules(rules(said, several, marks, &bodies), said) }))
    }

    /// What may follow the mark that opens a call, where calls may be made and need not follow a schema: a tool that was
    /// offered, some object or none, and the mark that closes the call.
    pub(super) fn of_free_call(tools: &[Tool]) -> Result<Self, Refusal> {
        let place = Place::Tool { index: 0, strict: false };
        let grammars = any_object("arguments").map_err(|why| unfollowable(place, &why))?;
        // A name has no character that would have to be escaped.
        let names: Vec<_> = tools.iter().map(|tool| format!(r#""\"{}\"""#, tool.name())).collect();
        let rules = format!(
            r#"start: "\n"? "{{\"name\":" " "? name ("," " "? "\"arguments\":" " "? @arguments)? "}}" "\n"? </tool_call>
name: {}
"#,
            names.join(" | ")
        );
        Ok(Self {
            parts: vec![Part { name: "arguments".into(), grammars, place }],
            around: Around::Rules(rules, Said::Calls),
        })
    }

    /// The member of the request that it comes from.
    pub(super) fn param(&self) -> &'static str {
        match &self.around {
            Around::Form(name) => name,
            Around::Rules(..) => "tools",
        }
    }

    /// How calls are opened; `mark`: the token that opens them, of a model that has one.
    pub(super) fn opens(&self, mark: Option<u32>) -> Opens {
        match (&self.around, mark) {
            (Around::Form(_), _) => Opens::Nothing,
            (Around::Rules(..), Some(token)) => Opens::Token(token),
            // A text of the form may hold what looks like the mark.
            (Around::Rules(_, Said::FormOrCalls), None) => Opens::Nothing,
            (Around::Rules(_, Said::Calls | Said::Text), None) => Opens::Spelt,
        }
    }

    /// Compiles it. Refuses with [`Reason::InvalidRequest`] what cannot be followed, and says where it stands.
    pub(super) fn compile(mut self, factory: &ParserFactory) -> Result<Matcher, Refusal> {
        let said = match self.whole(factory) {
            Ok(matcher) => return Ok(matcher),
            Err(said) => said,
        };
        if let [part] = self.parts.as_slice()
            && !part.place.is_optional()
        {
            return Err(unfollowable(part.place, &said));
        }
        for (number, part) in self.parts.iter_mut().enumerate() {
            let outcome = match number < MAX_PROBES {
                true => part.alone(factory),
                false if part.place.is_optional() => Err(String::new()),
                false => Ok(()),
            };
            match outcome {
                Ok(()) => {}
                Err(_) if part.place.is_optional() => {
                    part.grammars = any_object(&part.name).unwrap_or_default();
                }
                Err(said) => return Err(unfollowable(part.place, &said)),
            }
        }
        self.whole(factory).map_err(|_| {
            let form = self.parts.iter().find_map(|part| match part.place {
                Place::Form(name) => Some(format!(" and `{name}`")),
                Place::Tool { .. } => None,
            });
            let form = form.unwrap_or_default();
            let message = format!("The schemas of `tools`{form} cannot be followed together: they are too large.");
            Refusal::new(Reason::InvalidRequest, message).with_param(self.param())
        })
    }

    fn whole(&self, factory: &ParserFactory) -> Result<Matcher, String> {
        let rules = match &self.around {
            Around::Form(_) => None,
            Around::Rules(rules, _) => Some(GrammarWithLexer::from_lark(rules.clone())),
        };
        let parts = self.parts.iter().flat_map(|part| part.grammars.iter().cloned());
        let grammars = rules.into_iter().chain(parts).collect();
        try_compile(factory, TopLevelGrammar { grammars, max_tokens: None })
    }
}

impl Part {
    fn alone(&self, factory: &ParserFactory) -> Result<(), String> {
        try_compile(factory, TopLevelGrammar { grammars: self.grammars.clone(), max_tokens: None }).map(drop)
    }
}

impl Place {
    /// The member of the request.
    pub(super) fn param(self) -> &'static str {
        match self {
            Self::Form(name) => name,
            Self::Tool { .. } => "tools",
        }
    }

    /// Whether the schema is followed only if it can be.
    fn is_optional(self) -> bool {
        matches!(self, Self::Tool { strict: false, .. })
    }

    /// What a refusal begins with.
    pub(super) fn named(self) -> String {
        match self {
            Self::Form(name) => format!("The schema of `{name}`"),
            Self::Tool { index, .. } => format!("tools[{index}]: the schema of `function.parameters`"),
        }
    }
}

/// What an answer consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
fn arguments(tool: &Tool) -> Result<&str, String> {
    match tool.parameters() {
        None => Ok(NO_MEMBERS),
        Some(parameters) if parameters.len() > MAX_SCHEMA_BYTES => Err("it is too large".into()),
        Some(parameters) => Ok(parameters),
    }
}

/// What arguments are that follow nothing else.
fn any_object(name: &str) -> Result<Vec<GrammarWithLexer>, String> {
    schema::compile(ANY_OBJECT, name, true, &mut Fuel::full())
}

const ANY_OBJECT: &str = r#"{"type":"object"}"#;
const NO_MEMBERS: &str = r#"{"type":"object","additionalProperties":false}"#;

fn try_compile(factory: &ParserFactory, grammar: TopLevelGrammar) -> Result<Matcher, String> {
    let mut matcher = Matcher::new(factory.create_parser(grammar));
    // A form that nothing fits is found now and not in the middle of a stream.
    match matcher.compute_mask() {
        Ok(_) => Ok(matcher),
        Err(error) => Err(error.to_string()),
    }
}

/// How many parts are compiled one by one, to find those that cannot be followed. Beyond that, parts that need not be
/// followed are left out.
const MAX_PROBES: usize = 32;
