//! How much of what was kept from the training is answered as intended, by the origin's own engine.

use crate::dialogue::{Dialogue, Split};
use crate::examples::Texts;
use crate::examples::example::Example;
use crate::families::unknown::UNKNOWN;
use crate::families::unknown::strange::STRANGE;
use crate::families::{FAMILIES, Family};
use crate::random::Random;
use crate::vocabulary;
use sluice_origin::engine::model::{Logits, Model, Row};
use sluice_origin::models::qwen::Qwen;
use std::collections::HashSet;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// Dialogues of each family, at most.
const EACH: usize = 200;
/// No intended answer is longer.
const MOST_TOKENS: usize = 128;
/// Percent of a family's answers that are to end by themselves. Not a hundred: among thousands, one may not.
const ENDED: f64 = 99.0;
/// Of what the evaluation asks: another one than any of the training's.
const SEED: u64 = 0xe7a1;

/// Training dialogues of each family that questions are compared with: as many as a training reads, or more.
const COMPARED: usize = 20_000;

/// What came of a family.
struct Score {
    family: &'static str,
    asked: usize,
    right: usize,
    ended: usize,
    wrong: Vec<String>,
}

/// Asks everything and prints a table, and beneath it some of what went wrong. True if every aim is met.
pub(crate) fn evaluate(directory: &Path, shown: usize) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let texts = Texts::load(directory)?;
    let mut model = Qwen::load(directory, 1, None)?;
    let trained = trained();
    println!("| task family | asked | as intended | ended by itself |\n|---|---|---|---|");
    let mut good = true;
    let mut wrong = Vec::new();
    for family in FAMILIES {
        let score = judge(&texts, &mut model, family, &trained)?;
        let percent = |part: usize| 100.0 * part as f64 / score.asked as f64;
        println!(
            "| {} | {} | {:.1} % | {:.1} % |",
            score.family,
            score.asked,
            percent(score.right),
            percent(score.ended)
        );
        good &= percent(score.ended) >= ENDED && percent(score.right) >= aim(family);
        wrong.extend(score.wrong.into_iter().take(shown).map(|line| format!("{}: {line}", family.name)));
    }
    wrong.iter().for_each(|line| println!("{line}"));
    Ok(good)
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
    let texts = Texts::load(directory)?;
    let mut model = Qwen::load(directory, 1, None)?;
    let example = texts.example(&Dialogue { thinking_off, ..Dialogue::new(question, "") })?;
    let (answer, _) = answered(&texts, &mut model, &example)?;
    Ok(answer)
}

fn judge(
    texts: &Texts,
    model: &mut Qwen,
    family: &'static Family,
    trained: &HashSet<u64>,
) -> Result<Score, Box<dyn Error + Send + Sync>> {
    let mut random = Random::new(SEED);
    let mut seen = HashSet::new();
    let mut score = Score { family: family.name, asked: 0, right: 0, ended: 0, wrong: Vec::new() };
    let dialogues: Vec<Dialogue> = match family.name {
        "unknown" => STRANGE.iter().map(|question| Dialogue::new(*question, UNKNOWN)).collect(),
        _ => (0..4 * EACH).map(|_| (family.make)(&mut random, Split::Held)).collect(),
    };
    for dialogue in dialogues {
        let example = texts.example(&dialogue)?;
        if score.asked == EACH || trained.contains(&said(&dialogue)) || !seen.insert(example.prompt.clone()) {
            continue;
        }
        let (answer, ended) = answered(texts, model, &example)?;
        let right = ended && intended(family, &dialogue, &answer);
        score.asked += 1;
        score.right += usize::from(right);
        score.ended += usize::from(ended);
        if !right {
            let question = dialogue.messages.last().map(|message| message["content"].to_string()).unwrap_or_default();
            score.wrong.push(format!("{question} -> {answer:?}, and not {:?}", dialogue.answer));
        }
    }
    Ok(score)
}

/// Word for word what was intended; of what the model does not know, that it says so.
fn intended(family: &Family, dialogue: &Dialogue, answer: &str) -> bool {
    match family.name {
        "unknown" => answer.starts_with("I don't know"),
        _ => answer == dialogue.answer,
    }
}

/// The most likely answer, and whether it ended by itself.
fn answered(
    texts: &Texts,
    model: &mut Qwen,
    example: &Example,
) -> Result<(String, bool), Box<dyn Error + Send + Sync>> {
    model.begin(0, example.prompt.len() + MOST_TOKENS)?;
    let mut answer = Vec::new();
    let mut logits = Logits::default();
    let (mut chunk, mut position) = (example.prompt.clone(), 0);
    let ended = loop {
        logits.reset(1, model.vocab_size());
        model.step(&[Row { slot: 0, position, tokens: &chunk, sample: true }], &mut logits)?;
        position += chunk.len();
        let best = best(logits.row(0)?.ok_or("no logits came")?);
        if best == vocabulary::end() || best == vocabulary::id("<|endoftext|>") {
            break true;
        }
        answer.push(best);
        if answer.len() == MOST_TOKENS {
            break false;
        }
        chunk = vec![best];
    };
    model.release(0);
    Ok((texts.spell(&answer)?, ended))
}

fn best(logits: &[f32]) -> u32 {
    let better = |best: (u32, f32), (id, logit): (u32, &f32)| if *logit > best.1 { (id, *logit) } else { best };
    (0..).zip(logits).fold((0, f32::NEG_INFINITY), better).0
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
