//! Strings: which are meant, and how they are written.

pub(super) mod format;
pub(super) mod pattern;

use super::fuel::Fuel;
use super::lex::Lex;

/// Strings that fulfil all that a schema says of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Strings {
    pub(super) least: u64,
    pub(super) most: Option<u64>,
    /// What they are in every respect: by `pattern`, and by `format`.
    pub(super) kinds: Vec<Lex>,
}

/// More characters than any context holds: a bound above it binds nothing.
const MAX_LENGTH: u64 = 1 << 24;

impl Strings {
    /// The language of what stands between the quotes. `any` is an expression for a character without restrictions.
    /// `None`: there are no such strings. The error: the schema asks for something that is not served.
    pub(super) fn inside(self, any: &str, fuel: &mut Fuel) -> Result<Option<Lex>, String> {
        let most = self.most.filter(|most| *most <= MAX_LENGTH);
        if most.is_some_and(|most| most < self.least) {
            return Ok(None);
        }
        if self.least > MAX_LENGTH {
            return Err("a `minLength` so large is not served".into());
        }
        let mut all = self.kinds;
        all.dedup();
        match (self.least, most) {
            (0, None) if all.is_empty() => all.push(Lex::Regex(format!("(?:{any})*"))),
            (0, None) => {}
            (least, Some(most)) => all.push(Lex::Regex(format!("(?:{any}){{{least},{most}}}"))),
            (least, None) => all.push(Lex::Regex(format!("(?:{any}){{{least},}}"))),
        }
        let may_be_none = all.len() > 1 || all.iter().any(|kind| matches!(kind, Lex::And(_)));
        let all = Lex::and(all);
        Ok((!may_be_none || all.is_possible(fuel)?).then_some(all))
    }

    /// The same with its quotes.
    pub(super) fn written(self, any: &str, fuel: &mut Fuel) -> Result<Option<Lex>, String> {
        Ok(self.inside(any, fuel)?.map(quoted))
    }
}

/// With quotes around it.
pub(super) fn quoted(inside: Lex) -> Lex {
    let quote = || Lex::Regex(r"\x{22}".into());
    Lex::Seq(vec![quote(), inside, quote()])
}
