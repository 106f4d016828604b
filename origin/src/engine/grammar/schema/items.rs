//! Arrays: those of their items that have a place of their own, then all others.

use super::document::{Document, Id, Json};
use super::keywords::{count, is_old};
use super::lex::Lex;
use super::rules::{BLANK, OPENS, Sym, Ways};
use super::{Compiler, Key};

/// How many items may have a place of their own.
const MAX_PLACES: usize = 2000;

impl Compiler {
    /// All ways to write an array of which all of `flats` hold.
    pub(super) fn array(&mut self, flats: &[Id], loose: bool) -> Result<Ways, String> {
        let least = flats.iter().filter_map(|flat| count(&self.document, *flat, "minItems")).max().unwrap_or(0);
        let most = flats.iter().filter_map(|flat| count(&self.document, *flat, "maxItems")).min();
        if most.is_some_and(|most| most < least) {
            return Ok(Vec::new());
        }
        let far = i32::MAX as u64;
        if least > far {
            return Err(self.at(flats, "a `minItems` so large is not served"));
        }
        let most = most.filter(|most| *most < far);
        let shapes: Vec<(Vec<Id>, Option<Id>)> = flats.iter().map(|flat| places(&self.document, *flat)).collect();
        let own = shapes.iter().map(|(own, _)| own.len()).max().unwrap_or(0) as u64;
        let own = most.map_or(own, |most| own.min(most)) as usize;
        if own > MAX_PLACES {
            return Err("it is too large".into());
        }
        let at = |place: usize| -> Vec<Id> {
            shapes.iter().filter_map(|(own, rest)| own.get(place).copied().or(*rest)).collect()
        };
        let mut ways = Vec::new();
        if least == 0 {
            ways.push(vec![self.rules.term(Lex::Regex(r"\x{5B}\x{20}?\x{5D}".into()))?]);
        }
        if most == Some(0) {
            return Ok(ways);
        }
        let comma = self.comma()?;
        let item = |compiler: &mut Self, place: usize| {
            let key = Key::of(&compiler.document, at(place), loose);
            compiler.value(key)
        };
        let other = item(self, usize::MAX)?;
        let (open, close) = (Lex::Regex(OPENS[1].into()), Lex::Regex(format!(r"{BLANK}\x{{5D}}")));
        let (open, close) = (self.rules.term(open)?, self.rules.term(close)?);
        // What comes after the first item, or after all that have a place of their own.
        let gone = own.max(1) as u64;
        let mut after = match most {
            Some(most) if most <= gone => Vec::new(),
            _ => {
                let most = most.map(|most| most - gone);
                vec![Sym::Repeat(vec![comma.clone(), other.clone()], least.saturating_sub(gone), most)]
            }
        };
        for place in (1..own).rev() {
            let mut way = vec![comma.clone(), item(self, place)?];
            way.append(&mut after);
            after = match (place as u64) < least {
                true if way.len() < 16 => way,
                true => vec![self.rules.rule(vec![way])?],
                false => vec![self.rules.rule(vec![way, Vec::new()])?],
            };
        }
        let first = if own > 0 { item(self, 0)? } else { other };
        let way = [open, first].into_iter().chain(after).chain([close]).collect();
        ways.push(way);
        Ok(ways)
    }
}

/// What the items of an array must be: those with a place of their own, and all others. Up to the draft of 2019-09 a
/// list under `items` means what `prefixItems` means now.
pub(super) fn places(document: &Document, schema: Id) -> (Vec<Id>, Option<Id>) {
    let items = document.member(schema, "items");
    if let Some(Json::Array(own)) = items.map(|items| document.get(items)) {
        return (own.clone(), document.member(schema, "additionalItems"));
    }
    let own = document.member(schema, "prefixItems").filter(|_| !is_old(document)).map(|own| document.get(own));
    match own {
        Some(Json::Array(own)) => (own.clone(), items),
        _ => (Vec::new(), items),
    }
}
