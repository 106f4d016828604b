//! The model's chat template. It comes with the model and is not trusted: it has fuel, and a bound on what it writes.

pub(super) mod marks;
mod python;
pub(super) mod view;

use chrono::DateTime;
use marks::Marks;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, escape_formatter};
use minijinja_contrib::pycompat::unknown_method_callback;
use sluice_protocol::time::Millis;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use view::View;

/// A compiled template, with the tokens that templates ask for by name.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    tokens: BTreeMap<String, String>,
    marks: Arc<Marks>,
    /// What it looks at that it does not make itself.
    reads: HashSet<String>,
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
    /// Compiles the template. `tokens` are shown under their names (`eos_token` and such). The error says where the
    /// template is wrong.
    pub(crate) fn new(source: String, tokens: BTreeMap<String, String>, marks: Arc<Marks>) -> Result<Self, String> {
        let mut environment = Environment::new();
        // As transformers sets Jinja up.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| error.to_string())?);
        environment.set_unknown_method_callback(method);
        environment.set_formatter(format);
        environment.set_fuel(Some(FUEL));
        environment.add_function("raise_exception", |why: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, format!("{RAISED}{why}")))
        });
        environment.add_function("strftime_now", strftime_now);
        let for_json = Arc::clone(&marks);
        let tojson = move |value: &Value,
                           ascii: Option<Value>,
                           indent: Option<Value>,
                           separators: Option<Value>,
                           named: Kwargs| {
            let style = python::Style::read([ascii, indent, separators], &named)?;
            python::json(value, &style, &for_json, MAX_RENDERED)
        };
        environment.add_filter("tojson", tojson);
        environment.add_filter("string", |value: &Value| {
            python::as_float(value).map_or_else(|| value.to_string(), python::float)
        });
        // None cannot be iterated over in Python; here it would pass for an empty list.
        environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
        environment.add_template_owned(NAME, source).map_err(|error| error.to_string())?;
        let asked = environment.get_template(NAME).map(|template| template.undeclared_variables(false));
        let reads = asked.map_err(|error| error.to_string())?;
        Ok(Self { environment, tokens, marks, reads })
    }

    /// Whether the template looks at what it is given by this name at all.
    pub(crate) fn reads(&self, name: &str) -> bool {
        self.reads.contains(name)
    }

    /// Renders a conversation up to the point where the model answers. Control tokens that people wrote stay covered.
    /// `now` is what templates may ask the time of; they are told it in UTC.
    pub(crate) fn render(&self, view: View, now: Millis) -> Result<String, TemplateError> {
        let mut context: Vec<(&str, Value)> =
            self.tokens.iter().map(|(name, token)| (name.as_str(), Value::from(token.as_str()))).collect();
        context.extend([
            ("messages", view.messages),
            // As transformers shows what is not there.
            ("tools", view.tools.unwrap_or(Value::from(()))),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(view.answer)),
            (NOW, Value::from(now)),
        ]);
        // Templates ask `enable_thinking is defined`.
        context.extend(view.enable_thinking.map(|thinking| ("enable_thinking", Value::from(thinking))));
        let mut output = Bounded(Vec::new());
        let template = self.environment.get_template(NAME).map_err(|error| self.broken(&error))?;
        template.render_captured_to(Value::from_pairs(context), &mut output).map_err(|error| self.broken(&error))?;
        String::from_utf8(output.0).map_err(|_| TemplateError::Broken("it wrote half a character".into()))
    }

    fn broken(&self, error: &Error) -> TemplateError {
        match error.detail().and_then(|detail| detail.strip_prefix(RAISED)) {
            Some(why) => TemplateError::Refused(self.marks.uncover(why)),
            // Not the detail: it may quote a value, and values are prompts.
            None => TemplateError::Broken(format!("{:?} in line {}", error.kind(), error.line().unwrap_or(0))),
        }
    }
}

/// Numbers as Python prints them; all else as ever.
fn format(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match python::as_float(value) {
        Some(number) => output.write_str(&python::float(number)).map_err(Error::from),
        None => escape_formatter(output, state, value),
    }
}

/// Python's methods. Its white space is Unicode's and four control characters more.
fn method(state: &mut State<'_, '_>, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let blank = |character: char| character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character);
    match (method, value.as_str(), arguments) {
        ("strip", Some(text), []) => Ok(Value::from(text.trim_matches(blank))),
        ("lstrip", Some(text), []) => Ok(Value::from(text.trim_start_matches(blank))),
        ("rstrip", Some(text), []) => Ok(Value::from(text.trim_end_matches(blank))),
        _ => unknown_method_callback(state, value, method, arguments),
    }
}

/// The name under which the time is kept; no template can spell it.
const NOW: &str = "the time";

fn strftime_now(state: &State<'_, '_>, format: &str) -> Result<String, Error> {
    let now = state.lookup(NOW).and_then(|now| i64::try_from(now).ok()).and_then(DateTime::from_timestamp_millis);
    let mut text = String::new();
    match now {
        Some(now) if write!(text, "{}", now.format(format)).is_ok() => Ok(text),
        _ => Err(Error::new(ErrorKind::InvalidOperation, "no such time, or no such format")),
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

    /// 2026-11-21, 22:13:20 UTC.
    const NOW: Millis = 1_795_299_200_000;

    fn template(source: &str) -> Result<ChatTemplate, String> {
        let tokens = [("eos_token".to_owned(), "<|im_end|>".to_owned())];
        ChatTemplate::new(source.into(), tokens.into(), Arc::new(Marks::new(vec!["<|im_end|>".into()], 7)))
    }

    fn render(source: &str) -> Result<String, TemplateError> {
        let message = Value::from_pairs([("role", "user"), ("content", " hi ")]);
        let view =
            View { messages: Value::from(vec![message]), tools: None, enable_thinking: Some(false), answer: true };
        template(source).unwrap().render(view, NOW)
    }

    #[test]
    fn templates_see_what_transformers_shows_them() {
        let source = "{%- for m in messages %}\n{{ m.role }}:{{ m.content.strip() }}\n  {% endfor %}\n{{ eos_token }}\
                      {{ enable_thinking is defined and enable_thinking is false }}{{ add_generation_prompt }}\
                      {{ tools is defined and tools is none and documents is none }}{{ bos_token is defined }}";
        assert_eq!(render(source), Ok("user:hi\n<|im_end|>TrueTrueTrueFalse".into()));
    }

    /// As Qwen3-Coder's template asks whether there are tools.
    #[test]
    fn none_is_not_iterable() {
        let source = "{{ tools is iterable and tools | length > 0 }}{{ none is iterable }}{{ missing is iterable }}\
                      {{ messages is iterable }}{{ {} is iterable }}{{ 'text' is iterable }}{{ 1 is iterable }}";
        assert_eq!(render(source), Ok("FalseFalseTrueTrueTrueTrueFalse".into()));
    }

    #[test]
    fn numbers_are_printed_as_python_prints_them() {
        let source = "{{ 1e16 }} {{ 0.1 }} {{ 1e-5 | string }} {{ 2.0 | string }} {{ 3 }} {{ [] | string }}";
        assert_eq!(render(source), Ok("1e+16 0.1 1e-05 2.0 3 []".into()));
    }

    #[test]
    fn the_time_is_told_in_utc() {
        assert_eq!(render("{{ strftime_now('%d %b %Y, %H:%M') }}"), Ok("21 Nov 2026, 22:13".into()));
        assert!(matches!(render("{{ strftime_now('%!') }}"), Err(TemplateError::Broken(_))));
    }

    #[test]
    fn json_is_written_as_python_writes_it() {
        let value = "{'b': [1, 2.0, none, true], 'a': {}, 'é<': '\u{7f}\\t\"🦀'}";
        for (arguments, expected) in [
            ("", r#"{"b": [1, 2.0, null, true], "a": {}, "é<": "\u{7f}\t\"🦀"}"#),
            ("(ensure_ascii=true)", r#"{"b": [1, 2.0, null, true], "a": {}, "\u00e9<": "\u007f\t\"\ud83e\udd80"}"#),
            ("(separators=(',', ':'))", r#"{"b":[1,2.0,null,true],"a":{},"é<":"\u{7f}\t\"🦀"}"#),
            ("(sort_keys=true)", r#"{"a": {}, "b": [1, 2.0, null, true], "é<": "\u{7f}\t\"🦀"}"#),
        ] {
            let expected = expected.replace("\\u{7f}", "\u{7f}");
            assert_eq!(render(&format!("{{{{ {value} | tojson{arguments} }}}}")), Ok(expected), "{arguments}");
        }
        assert_eq!(
            render("{{ {'a': [1, []], 2: {}} | tojson(indent=2) }}").unwrap(),
            "{\n  \"a\": [\n    1,\n    []\n  ],\n  \"2\": {}\n}"
        );
        assert_eq!(render("{{ [1] | tojson(false, '-') }}").unwrap(), "[\n-1\n]");
        let endless = "{% set ns = namespace(x=1) %}{% for _ in range(300) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}";
        for wrong in ["{{ undefined_name | tojson }}", "{{ 1 | tojson(wrong=1) }}", "{{ {[1]: 2} | tojson }}", endless]
        {
            assert!(matches!(render(wrong), Err(TemplateError::Broken(_))), "{wrong}");
        }
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
    fn a_template_that_refuses_quotes_people_as_they_wrote() {
        let template = template("{{ raise_exception(messages[0].content) }}").unwrap();
        let message = Value::from_pairs([("content", template.marks.cover("a<|im_end|>b"))]);
        let view = View { messages: Value::from(vec![message]), tools: None, enable_thinking: None, answer: true };
        assert_eq!(template.render(view, NOW), Err(TemplateError::Refused("a<|im_end|>b".into())));
    }

    #[test]
    fn a_template_is_asked_whether_it_knows_tools() {
        assert!(template("{% if tools %}x{% endif %}").unwrap().reads("tools"));
        assert!(!template("{% for tool in messages %}tools{% endfor %}").unwrap().reads("tools"));
    }

    #[test]
    fn a_broken_template_is_found_when_it_is_loaded() {
        assert!(template("{% for %}").is_err());
    }
}
