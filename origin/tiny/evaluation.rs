//! How much of what was kept from the training is answered as intended, by the origin's own engine: alone, and beside as
//! many tools as a front end sends.

mod run;

use crate::dialogue::{Dialogue, Split};
use crate::families::tools::idle;
use crate::families::unknown::UNKNOWN;
use crate::families::unknown::strange::STRANGE;
use crate::families::{FAMILIES, Family};
use crate::random::Random;
use run::Runner;
use serde_json::Value;
use std::collections::HashSet;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// Dialogues of each family, at most.
const EACH: usize = 200;
/// Of these, how many are asked again beside tools.
const BESIDE: usize = 25;
/// How many tools these are: some 11,000 tokens.
const TOOLS: usize = 84;
/// Percent of all answers beside tools that are to be right.
const AIM_BESIDE: f64 = 90.0;
/// Percent of a family's answers that are to end by themselves. Not a hundred: among thousands, one may not.
const ENDED: f64 = 99.0;
/// Of what the evaluation asks: another one than any of the training's.
const SEED: u64 = 0xe7a1;

/// Training dialogues of each family that questions are compared with: as many as a training reads, or more.
const COMPARED: usize = 20_000;

/// What to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// How many wrong answers of each family to print.
    pub(crate) shown: usize,
    /// Whether to ask nothing beside tools.
    pub(crate) is_brief: bool,
}

/// What came of some questions.
#[derive(Default)]
struct Score {
    asked: usize,
    right: usize,
    ended: usize,
    /// The longest prompt.
    longest: usize,
    wrong: Vec<String>,
}

/// Asks everything and prints a table, and beneath it some of what went wrong. True if every aim is met.
pub(crate) fn evaluate(directory: &Path, options: Options) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let mut runner = Runner::load(directory)?;
    let trained = trained();
    println!(
        "| task family | asked | as intended | ended by itself | beside tools: asked | as intended | ended by itself |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut good = true;
    let mut wrong = Vec::new();
    let mut all = Score::default();
    for family in FAMILIES {
        let dialogues = questions(&runner, family, &trained)?;
        let alone = judge(&mut runner, family, &dialogues)?;
        good &= alone.percent(alone.ended) >= ENDED && alone.percent(alone.right) >= aim(family);
        let beside = match options.is_brief {
            true => Score::default(),
            false => judge(&mut runner, family, &beside_tools(family, &dialogues))?,
        };
        println!("| {} | {} | {} |", family.name, alone.cells(), beside.cells());
        for (score, place) in [(&alone, ""), (&beside, " beside tools")] {
            let lines = score.wrong.iter().take(options.shown);
            wrong.extend(lines.map(|line| format!("{}{place}: {line}", family.name)));
        }
        all.add(&beside);
    }
    wrong.iter().for_each(|line| println!("{line}"));
    if !options.is_brief {
        println!("beside {TOOLS} tools, in prompts of up to {} tokens: {}", all.longest, all.cells());
        good &= all.percent(all.right) >= AIM_BESIDE && all.percent(all.ended) >= ENDED;
    }
    Ok(good)
}

impl Score {
    fn percent(&self, part: usize) -> f64 {
        100.0 * part as f64 / self.asked.max(1) as f64
    }

    /// Of a line of the table.
    fn cells(&self) -> String {
        format!("{} | {:.1} % | {:.1} %", self.asked, self.percent(self.right), self.percent(self.ended))
    }

    fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.right += other.right;
        self.ended += other.ended;
        self.longest = self.longest.max(other.longest);
    }
}

/// Percent that are to be right.
fn aim(family: &Family) -> f64 {
    if family.name == "unknown" { 80.0 } else { 95.0 }
}

/// Asks one question and returns the whole answer, control tokens included but the last.
pub(crate) fn ask(
    directory: &Path,
    question: &str,
    thinking_off: bool,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let dialogue = Dialogue { thinking_off, ..Dialogue::new(question, "") };
    Ok(Runner::load(directory)?.ask(&dialogue)?.text)
}

/// What is asked of a family: no question twice, and none that the training may have asked.
fn questions(
    runner: &Runner,
    family: &Family,
    trained: &HashSet<u64>,
) -> Result<Vec<Dialogue>, Box<dyn Error + Send + Sync>> {
    let mut random = Random::new(SEED);
    let mut seen = HashSet::new();
    let all: Vec<Dialogue> = match family.name {
        "unknown" => STRANGE.iter().map(|question| Dialogue::new(*question, UNKNOWN)).collect(),
        _ => (0..4 * EACH).map(|_| (family.make)(&mut random, Split::Held)).collect(),
    };
    let mut dialogues = Vec::new();
    for dialogue in all {
        if dialogues.len() == EACH || trained.contains(&said(&dialogue)) {
            continue;
        }
        let (_, prompt) = runner.texts.prompt(&dialogue)?;
        if seen.insert(prompt) {
            dialogues.push(dialogue);
        }
    }
    Ok(dialogues)
}

/// Some of these beside tools that they do not need. The tools that they do need stand behind, among or before them.
fn beside_tools(family: &Family, dialogues: &[Dialogue]) -> Vec<Dialogue> {
    let mut hasher = DefaultHasher::new();
    family.name.hash(&mut hasher);
    let idle = idle::tools(&mut Random::new(hasher.finish()), Split::Held, TOOLS);
    let mut dialogues: Vec<Dialogue> = dialogues.iter().take(BESIDE).cloned().collect();
    for (number, dialogue) in dialogues.iter_mut().enumerate() {
        let place = [TOOLS, TOOLS / 2, 0][number % 3];
        let needed = std::mem::replace(&mut dialogue.tools, idle.clone());
        dialogue.tools.splice(place..place, needed);
    }
    dialogues
}

fn judge(runner: &mut Runner, family: &Family, dialogues: &[Dialogue]) -> Result<Score, Box<dyn Error + Send + Sync>> {
    let mut score = Score::default();
    for dialogue in dialogues {
        let said = runner.ask(dialogue)?;
        let right = said.ended && intended(family, dialogue, &said.text);
        score.asked += 1;
        score.right += usize::from(right);
        score.ended += usize::from(said.ended);
        score.longest = score.longest.max(said.prompt);
        if !right {
            let question = dialogue.messages.last().map(|message| message["content"].to_string()).unwrap_or_default();
            score.wrong.push(format!("{question} -> {:?}, and not {:?}", said.text, dialogue.answer));
        }
    }
    Ok(score)
}

/// Word for word what was intended; of what the model does not know, that it says so; of what a program reads, the same
/// values.
fn intended(family: &Family, dialogue: &Dialogue, answer: &str) -> bool {
    match family.name {
        "unknown" => answer.starts_with("I don't know"),
        _ if family.is_structured() => value(answer) == value(&dialogue.answer),
        _ => answer == dialogue.answer,
    }
}

/// The answer behind its thought as JSON, a call as its name and arguments; or the text.
fn value(answer: &str) -> Value {
    let answer = answer.rsplit("</think>").next().unwrap_or_default().trim();
    let call = answer.strip_prefix("<tool_call>").and_then(|call| call.strip_suffix("</tool_call>"));
    serde_json::from_str(call.unwrap_or(answer)).unwrap_or_else(|_| answer.into())
}

/// What the training may ask, as [`said`] has it. A question that differs from one of these in capitals, spaces or marks
/// alone is nothing new, and is not asked.
fn trained() -> HashSet<u64> {
    let mut random = Random::new(SEED + 1);
    let mut made = |family: &Family| said(&(family.make)(&mut random, Split::Train));
    FAMILIES.iter().flat_map(|family| (0..COMPARED).map(|_| made(family)).collect::<Vec<_>>()).collect()
}

/// Stands for all that is said before the answer, by its words, and for the names of the tools.
fn said(dialogue: &Dialogue) -> u64 {
    let mut hasher = DefaultHasher::new();
    for message in &dialogue.messages {
        let text = message["content"].as_str().unwrap_or_default();
        let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let words = words.join(" ").to_lowercase();
        (message["role"].as_str(), if words.is_empty() { text } else { &words }).hash(&mut hasher);
    }
    for tool in &dialogue.tools {
        tool["function"]["name"].as_str().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::Texts;

    #[test]
    fn tools_beside_a_question_are_as_long_as_a_front_ends() {
        let texts = Texts::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tiny/model")).unwrap();
        for family in FAMILIES {
            let dialogue = (family.make)(&mut Random::new(SEED), Split::Held);
            let beside = beside_tools(family, std::slice::from_ref(&dialogue));
            assert_eq!(beside[0].tools.len(), TOOLS + dialogue.tools.len());
            let (_, prompt) = texts.prompt(&beside[0]).unwrap();
            assert!((10_000..14_000).contains(&prompt.len()), "{}: {}", family.name, prompt.len());
        }
    }

    #[test]
    fn what_a_program_reads_is_compared_by_its_values() {
        let call = |text: &str| format!("<tool_call>\n{{\"name\": \"add\", \"arguments\": {text}}}\n</tool_call>");
        assert_eq!(value("<think>\nx\n</think>\n\n{\"a\": 1}"), value("{\"a\":1}"));
        assert_eq!(value(&call("{\"a\": 1}")), value(&call("{ \"a\": 1 }")));
        assert_ne!(value(&call("{\"a\": 1}")), value(&call("{\"a\": 2}")));
        assert_ne!(value("{\"a\": 1}"), value("{\"a\": \"1\"}"));
    }
}
