//! What `cargo xtask parity --templates DIR` runs: the origin's prompts beside those that transformers made of the same
//! conversations with the same chat templates (`origin/tests/oracle/templates.py`). Prints a line for each template; exits
//! with 1 if a prompt differs.

use serde_json::Value;
use sluice_origin::models::endless;
use sluice_origin::text::Text;
use sluice_protocol::request::bodies::chat::{ChatBounds, ChatRequest};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(prompts) = std::env::args().nth(1) else {
        eprintln!("usage: templates PROMPTS.json");
        return ExitCode::from(2);
    };
    let directory = std::env::temp_dir().join(format!("sluice-templates-{}", std::process::id()));
    let judged = judge(Path::new(&prompts), &directory);
    // Of this program's own making, if it came so far.
    let _ = std::fs::remove_dir_all(&directory);
    match judged {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every prompt is the same.
fn judge(prompts: &Path, directory: &Path) -> Result<bool, Box<dyn Error>> {
    let prompts: Value = serde_json::from_slice(&std::fs::read(prompts)?)?;
    let models = Models::begin(directory)?;
    let mut all = true;
    for (name, source) in members(&prompts["templates"])? {
        let text = match models.with_template(source.as_str().ok_or("a template is text")?) {
            Ok(text) => text,
            Err(error) => {
                println!("{name:<46}is not served: {error}");
                all = false;
                continue;
            }
        };
        let (mut same, mut failed, mut toolless, mut wrong) = (0, 0, 0, Vec::new());
        for (conversation, expected) in members(&prompts["rendered"][name])? {
            let body = prompts["conversations"][conversation].as_str().ok_or("a conversation is text")?;
            let found = models.prompt(&text, body)?;
            match (expected.as_str(), found) {
                // Where transformers itself fails, nothing is asked of us.
                (None, _) => failed += 1,
                (Some(expected), Ok(found)) if found == expected.as_bytes() => same += 1,
                (Some(_), Err(Refused { tools: true, .. })) => toolless += 1,
                (Some(expected), found) => {
                    let found = found.map(|found| String::from_utf8_lossy(&found).into_owned());
                    wrong.push(format!("  {conversation}\n    transformers {expected:?}\n    the origin   {found:?}"));
                }
            }
        }
        print!("{name:<46}{same:>4} prompts are the same, {} differ", wrong.len());
        if failed > 0 {
            print!("; transformers fails on {failed}");
        }
        if toolless > 0 {
            print!("; {toolless} are refused: this template looks at no tools, or at no switch for thinking");
        }
        println!();
        wrong.iter().for_each(|wrong| println!("{wrong}"));
        all &= wrong.is_empty();
    }
    Ok(all)
}

fn members(value: &Value) -> Result<&serde_json::Map<String, Value>, Box<dyn Error>> {
    value.as_object().ok_or_else(|| "the file was not made with --templates".into())
}

/// Why a request is not served.
#[derive(Debug)]
struct Refused {
    /// Because it asks for what the template does not look at.
    tools: bool,
    #[expect(dead_code, reason = "shown where it is no answer")]
    why: String,
}

/// A model's files with one template after another. Bytes are its tokens, so that tokens tell what was written.
struct Models {
    directory: PathBuf,
    /// The added tokens, which follow the bytes.
    added: Vec<String>,
}

impl Models {
    fn begin(directory: &Path) -> Result<Self, Box<dyn Error>> {
        endless::ensure(directory)?;
        let file = directory.join("tokenizer.json");
        let mut tokenizer: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        // It would put accents and letters together.
        tokenizer["normalizer"] = Value::Null;
        std::fs::write(&file, tokenizer.to_string())?;
        let added = endless::ADDED.iter().map(|(content, _)| (*content).to_owned()).collect();
        Ok(Self { directory: directory.to_owned(), added })
    }

    fn with_template(&self, source: &str) -> Result<Text, Box<dyn Error>> {
        std::fs::write(self.directory.join("chat_template.jinja"), source)?;
        Ok(Text::load(&self.directory)?)
    }

    /// The prompt that a request's body becomes, as bytes.
    fn prompt(&self, text: &Text, body: &str) -> Result<Result<Vec<u8>, Refused>, Box<dyn Error>> {
        let members = body.strip_prefix('{').ok_or("a conversation is a request's body")?;
        let bounds = ChatBounds { default_max_tokens: 1, max_max_tokens: 1 };
        let request = ChatRequest::parse(format!("{{\"model\": \"m\", {members}").as_bytes(), bounds);
        let tokens = match request.and_then(|request| text.prompt_tokens(&request, 0)) {
            Ok(tokens) => tokens,
            Err(refusal) => {
                // What the template does not look at is refused.
                let tools = matches!(refusal.param.as_deref(), Some("tools" | "enable_thinking"));
                return Ok(Err(Refused { tools, why: refusal.message.to_string() }));
            }
        };
        let mut bytes = Vec::new();
        for token in tokens {
            match u8::try_from(token) {
                Ok(byte) => bytes.push(byte),
                Err(_) => {
                    let added = usize::try_from(token)?.checked_sub(256).and_then(|at| self.added.get(at));
                    bytes.extend_from_slice(added.ok_or("no such token")?.as_bytes());
                }
            }
        }
        Ok(Ok(bytes))
    }
}
