//! What a piece of text without structure may be: a regular language. It is written as a terminal of the grammar, and
//! asked whether some text is in it.

use super::fuel::Fuel;
use llguidance::derivre::{Regex, RegexAst, RegexBuilder};
use std::fmt::Write;

/// A regular language over what stands in the answer: quotes, escapes and all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lex {
    /// An expression whose letters and digits are themselves, with everything else escaped.
    Regex(String),
    /// One after the other.
    Seq(Vec<Self>),
    /// All of them at once.
    And(Vec<Self>),
    /// One of them.
    Or(Vec<Self>),
    /// What it is not: only inside of an [`Lex::And`].
    Not(Box<Self>),
}

/// What one check of an expression may cost: some tens of milliseconds.
const MOST: u64 = 20_000;

impl Lex {
    /// These characters.
    pub(super) fn literal(text: &str) -> Self {
        let mut regex = String::new();
        text.chars().for_each(|char| push(&mut regex, char));
        Self::Regex(regex)
    }

    /// One of these. A list of one is that one.
    pub(super) fn or(mut of: Vec<Self>) -> Self {
        if of.len() == 1 { of.remove(0) } else { Self::Or(of) }
    }

    /// All of these at once. A list of one is that one.
    pub(super) fn and(mut of: Vec<Self>) -> Self {
        if of.len() == 1 { of.remove(0) } else { Self::And(of) }
    }

    /// Writes it as llguidance's Lark has it.
    pub(super) fn write(&self, to: &mut String) {
        let several = |to: &mut String, of: &[Self], between: &str| {
            to.push('(');
            for (number, one) in of.iter().enumerate() {
                to.push_str(if number > 0 { between } else { "" });
                one.write(to);
            }
            to.push(')');
        };
        match self {
            // Writing to a string does not fail.
            Self::Regex(regex) if regex.is_empty() => to.push_str(r#""""#),
            Self::Regex(regex) => _ = write!(to, "/{}/", regex.replace('/', r"\x{2F}")),
            Self::Seq(of) => several(to, of, " "),
            Self::And(of) => several(to, of, " & "),
            Self::Or(of) => several(to, of, " | "),
            Self::Not(of) => {
                to.push_str("~(");
                of.write(to);
                to.push(')');
            }
        }
    }

    /// Its size, in bytes of expressions.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Regex(regex) => regex.len() + 2,
            Self::Seq(of) | Self::And(of) | Self::Or(of) => 2 + of.iter().map(Self::size).sum::<usize>(),
            Self::Not(of) => 3 + of.size(),
        }
    }

    /// Whether any text is in it. The error: the fuel did not suffice to find out.
    pub(super) fn is_possible(&self, fuel: &mut Fuel) -> Result<bool, String> {
        Ok(!self.compiled(fuel)?.always_empty())
    }

    /// Whether this text is in it.
    pub(super) fn has(&self, text: &str, fuel: &mut Fuel) -> Result<bool, String> {
        let mut regex = self.compiled(fuel)?;
        let before = regex.cost();
        let has = regex.is_match(text);
        fuel.pay(regex.cost() - before)?;
        Ok(has)
    }

    fn compiled(&self, fuel: &mut Fuel) -> Result<Regex, String> {
        let mut builder = RegexBuilder::new();
        let wrong = "its patterns are too complex";
        fuel.pay(100 + self.size() as u64)?;
        let whole = builder.mk(&self.ast()).map_err(|_| wrong)?;
        match builder.to_regex_limited(whole, MOST) {
            Ok(regex) => fuel.pay(regex.cost()).map(|()| regex),
            Err(_) => {
                fuel.pay(MOST)?;
                Err(wrong.into())
            }
        }
    }

    fn ast(&self) -> RegexAst {
        let all = |of: &[Self]| of.iter().map(Self::ast).collect();
        match self {
            Self::Regex(regex) => RegexAst::Regex(regex.clone()),
            Self::Seq(of) => RegexAst::Concat(all(of)),
            Self::And(of) => RegexAst::And(all(of)),
            Self::Or(of) => RegexAst::Or(all(of)),
            Self::Not(of) => RegexAst::Not(Box::new(of.ast())),
        }
    }
}

/// A character as itself, in an expression or in a class of one.
pub(super) fn push(regex: &mut String, char: char) {
    match char {
        'a'..='z' | 'A'..='Z' | '0'..='9' => regex.push(char),
        // Writing to a string does not fail.
        _ => _ = write!(regex, "\\x{{{:X}}}", u32::from(char)),
    }
}
