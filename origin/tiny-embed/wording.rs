//! From wordings to texts: alternatives are chosen, a subject is put in, and people write it down as people do.

use crate::random::Random;
use crate::topics::{Meaning, Question};

/// Where a text of a meaning is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Wordings that are trained on.
    Wording,
    /// Wordings that are not.
    Held,
    /// What is said to it.
    Answer,
    /// Wordings in Chinese that are trained on.
    Chinese,
    /// One that is not.
    ChineseHeld,
}

impl Kind {
    fn wordings(self, question: &'static Question) -> &'static [&'static str] {
        match self {
            Self::Wording => question.wordings,
            Self::Held => question.held,
            Self::Answer => question.answers,
            Self::Chinese => question.chinese,
            Self::ChineseHeld => std::slice::from_ref(&question.chinese_held),
        }
    }

    const fn is_chinese(self) -> bool {
        matches!(self, Self::Chinese | Self::ChineseHeld)
    }
}

/// A text of this meaning and kind, neatly written.
pub(crate) fn text(meaning: &Meaning, kind: Kind, random: &mut Random) -> String {
    let names = if kind.is_chinese() { meaning.subject.chinese } else { meaning.subject.names };
    let wording = *random.choose(kind.wordings(meaning.question));
    said(wording, random.pick(names), random)
}

/// This wording about this subject; for one that has no subject any name will do.
pub(crate) fn said(wording: &str, name: &str, random: &mut Random) -> String {
    let mut text = String::with_capacity(wording.len() + name.len());
    let mut rest = wording;
    while let Some((before, behind)) = rest.split_once('[') {
        let (choices, after) = behind.split_once(']').expect("wordings close what they open");
        let choices: Vec<&str> = choices.split('|').collect();
        text.push_str(before);
        text.push_str(random.pick(&choices));
        rest = after;
    }
    text.push_str(rest);
    let text = text.replace("{x}", name);
    // An alternative of nothing leaves its spaces behind.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = [" ?", " .", " !", " ,"].iter().fold(text, |text, mark| text.replace(mark, &mark[1..]));
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => text,
    }
}

/// As people write: politely, in a hurry, without marks or capitals; or as it is.
pub(crate) fn written(text: String, random: &mut Random) -> String {
    const BEFORE: [&str; 6] = ["Hi, ", "Hello! ", "Please: ", "A question: ", "Quick question: ", "So, "];
    const BEHIND: [&str; 4] = [" Thanks!", " Thank you.", " Please.", " Anybody?"];
    let mut text = text;
    if random.once_in(4) {
        text = text.trim_end_matches(['.', '?', '!', '。', '？']).to_owned();
    } else if random.once_in(12) {
        text += random.pick(&BEHIND);
    }
    if random.once_in(12) {
        text.insert_str(0, random.pick(&BEFORE));
    }
    if random.once_in(3) { text.to_lowercase() } else { text }
}
