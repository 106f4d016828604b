//! The model's chat template. It comes with the model and is not trusted: it has fuel, and a bound on what it writes.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use sluice_protocol::chat::Role;
use std::io;

/// A compiled template, with the tokens that templates ask for by name.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    eos_token: Option<String>,
}

/// One message as a template sees it.
#[derive(Debug)]
pub(crate) struct TemplateMessage<'a> {
    pub(crate) role: Role,
    pub(crate) content: &'a str,
}

impl TemplateMessage<'_> {
    fn value(&self) -> Value {
        let role = match self.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        Value::from_pairs([("role", Value::from(role)), ("content", Value::from(self.content))])
    }
}

/// Why a template did not render.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TemplateError {
    /// The template refuses these messages, in its own words.
    Refused(String),
    /// The template is broken, ran out of fuel or wrote too much. For the log; holds no prompt.
    Broken(String),
}

/// Instructions per rendering. Qwen3's template needs about a hundred per message.
const FUEL: u64 = 20_000_000;
/// Bytes per rendering: more than the largest body and the marks in it.
const MAX_RENDERED: usize = 64 << 20;
const NAME: &str = "chat";
/// Marks the error that the template itself raised.
const RAISED: &str = "raise_exception: ";

impl ChatTemplate {
    /// Compiles the template. The error says where it is wrong.
    pub(crate) fn new(source: String, eos_token: Option<String>) -> Result<Self, String> {
        let mut environment = Environment::new();
        // As transformers sets Jinja up.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| error.to_string())?);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.set_fuel(Some(FUEL));
        environment.add_function("raise_exception", |why: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, format!("{RAISED}{why}")))
        });
        environment.add_template_owned(NAME, source).map_err(|error| error.to_string())?;
        Ok(Self { environment, eos_token })
    }

    /// Renders a conversation up to the point where the model answers.
    pub(crate) fn render(
        &self,
        messages: &[TemplateMessage<'_>],
        enable_thinking: Option<bool>,
    ) -> Result<String, TemplateError> {
        let messages: Vec<Value> = messages.iter().map(TemplateMessage::value).collect();
        let mut context = vec![("messages", Value::from(messages)), ("add_generation_prompt", Value::from(true))];
        // Templates ask `enable_thinking is defined`.
        if let Some(thinking) = enable_thinking {
            context.push(("enable_thinking", Value::from(thinking)));
        }
        if let Some(token) = &self.eos_token {
            context.push(("eos_token", Value::from(token.as_str())));
        }
        let mut output = Bounded(Vec::new());
        let template = self.environment.get_template(NAME).map_err(|error| broken(&error))?;
        template.render_captured_to(Value::from_pairs(context), &mut output).map_err(|error| broken(&error))?;
        String::from_utf8(output.0).map_err(|_| TemplateError::Broken("it wrote half a character".into()))
    }
}

fn broken(error: &Error) -> TemplateError {
    match error.detail().and_then(|detail| detail.strip_prefix(RAISED)) {
        Some(why) => TemplateError::Refused(why.to_owned()),
        // Not the detail: it may quote a value, and values are prompts.
        None => TemplateError::Broken(format!("{:?} in line {}", error.kind(), error.line().unwrap_or(0))),
    }
}

struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED {
            return Err(io::Error::other("the chat template wrote too much"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str) -> Result<String, TemplateError> {
        let messages = [TemplateMessage { role: Role::User, content: " hi " }];
        ChatTemplate::new(source.into(), Some("<|im_end|>".into())).unwrap().render(&messages, Some(false))
    }

    #[test]
    fn templates_see_what_transformers_shows_them() {
        let source = "{%- for m in messages %}\n{{ m.role }}:{{ m.content.strip() }}\n  {% endfor %}\n{{ eos_token }}\
                      {{ enable_thinking is defined and enable_thinking is false }}{{ add_generation_prompt }}";
        assert_eq!(render(source), Ok("user:hi\n<|im_end|>TrueTrue".into()));
    }

    #[test]
    fn what_qwens_templates_are_made_of_works() {
        let source = "{%- set ns = namespace(seen=0, last=messages|length - 1) %}\
            {%- for m in messages[::-1] %}{%- set at = (messages|length - 1) - loop.index0 %}\
            {%- if m.role == 'user' and m.content is string and not(m.content.startswith('<a>') and m.content.endswith('</a>')) %}\
            {%- set ns.seen = ns.seen + 1 %}{%- set ns.last = at %}{%- endif %}{%- endfor %}\
            {%- if tools %}tools{%- endif %}{%- if messages[0].tool_calls %}calls{%- endif %}\
            {%- set c = 'x<think>\n y\n</think>z' %}\
            {{- ns.seen ~ ns.last ~ c.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}\
            {{- {'a': 1} | tojson }}{{- messages[0].reasoning_content is defined }}";
        assert_eq!(render(source), Ok("10 y{\"a\": 1}False".into()));
    }

    #[test]
    fn a_template_may_refuse_but_not_run_away() {
        assert_eq!(render("{{ raise_exception('no ' ~ 'system') }}"), Err(TemplateError::Refused("no system".into())));
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}";
        assert!(matches!(render(endless), Err(TemplateError::Broken(why)) if why.starts_with("OutOfFuel")));
        let greedy = "{% set x = 'x' * 1000000 %}{% for a in range(9999) %}{{ x }}{% endfor %}";
        assert!(matches!(render(greedy), Err(TemplateError::Broken(_))));
    }

    #[test]
    fn a_broken_template_is_found_when_it_is_loaded() {
        assert!(ChatTemplate::new("{% for %}".into(), None).is_err());
    }
}
