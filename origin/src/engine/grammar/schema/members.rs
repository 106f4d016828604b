//! Objects: which members they may have, by name, and what each must be.

mod order;

use super::clauses::is_never;
use super::document::{Document, Id, Json};
use super::keywords::{at, binds_nothing, count, types};
use super::lex::Lex;
use super::rules::{BLANK, OPENS, Sym, Ways};
use super::strings::pattern::{self, PLAIN};
use super::strings::quoted;
use super::{Compiler, Key};
use order::{Member, Members};
use std::collections::{BTreeMap, BTreeSet};

/// How many patterns of names an object may have: each doubles the kinds of names.
const MAX_PATTERNS: usize = 4;
/// How many names are compared with patterns: each takes a tenth of a millisecond.
const MAX_COMPARED: usize = 256;

impl Compiler {
    /// All ways to write an object of which all of `flats` hold.
    pub(super) fn object(&mut self, flats: &[Id], loose: bool) -> Result<Ways, String> {
        let own =
            |document: &Document, name: &str| flats.iter().filter_map(|flat| document.member(*flat, name)).collect();
        let patterns = self.patterns(flats)?;
        let (mut names, mut required) = (Vec::new(), BTreeSet::new());
        let properties: Vec<Id> = own(&self.document, "properties");
        let lists: Vec<Id> = own(&self.document, "required");
        for properties in properties {
            let Json::Object(members) = self.document.get(properties) else { continue };
            names.extend(members.iter().map(|(name, _)| name.clone()));
        }
        for list in lists {
            let Json::Array(list) = self.document.get(list) else { continue };
            for name in list {
                let Json::Text(name) = self.document.get(*name) else { continue };
                names.push(name.clone());
                required.insert(name.clone());
            }
        }
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        if names.len() * patterns.len() > MAX_COMPARED {
            return Err(self.at(flats, "so many names beside `patternProperties` are not served"));
        }
        let naming: Vec<Id> = own(&self.document, "propertyNames");
        let mut known = Vec::new();
        for name in &names {
            self.clauses.pay(1 + flats.len())?;
            let values = self.values_of(flats, name, &patterns)?;
            let named = self.document.push(Json::Text(name.clone()));
            let may_be = naming.is_empty() || self.admits(named, &naming)?;
            let is_required = required.contains(name);
            if !may_be || values.iter().any(|value| is_never(&self.document, *value)) {
                if is_required {
                    return Ok(Vec::new());
                }
                continue;
            }
            let value = self.node(values, loose)?;
            let key = Lex::Seq(vec![quoted(Lex::literal(&written(name))), colon()]);
            known.push(Member { parts: vec![self.rules.term(key)?, value], is_required });
        }
        let free = self.free(flats, &names, &patterns, &naming, loose)?;
        let comma = self.comma()?;
        let least = flats.iter().filter_map(|flat| count(&self.document, *flat, "minProperties")).max().unwrap_or(0);
        let most = flats.iter().filter_map(|flat| count(&self.document, *flat, "maxProperties")).min();
        if free.is_some() && !loose && least > known.len() as u64 + 1 {
            return Err(
                self.at(flats, "`minProperties` is not served where names are free: two of them may be the same")
            );
        }
        let members = Members { known, free, comma, loose };
        let least_known = members.known.iter().filter(|member| member.is_required).count() as u64;
        let is_counted =
            least > least_known || most.is_some_and(|most| members.free.is_some() || most < members.known.len() as u64);
        let inside = match is_counted {
            true => self.counted(&members, least, most)?,
            false => self.any_of(&members)?,
        };
        let mut ways = Vec::new();
        if let Some(inside) = inside {
            let (open, close) = (Lex::Regex(OPENS[0].into()), Lex::Regex(format!(r"{BLANK}\x{{7D}}")));
            ways.push(vec![self.rules.term(open)?, inside, self.rules.term(close)?]);
        }
        if least_known == 0 && least == 0 {
            ways.push(vec![self.rules.term(Lex::Regex(r"\x{7B}\x{20}?\x{7D}".into()))?]);
        }
        Ok(ways)
    }

    /// The patterns of names, each with the language of its names.
    pub(super) fn patterns(&self, flats: &[Id]) -> Result<Vec<(String, Lex)>, String> {
        let mut patterns: BTreeMap<String, Lex> = BTreeMap::new();
        for flat in flats {
            let Some(by_pattern) = self.document.member(*flat, "patternProperties") else { continue };
            let Json::Object(members) = self.document.get(by_pattern) else { continue };
            for (pattern, _) in members {
                let read = pattern::read(pattern, PLAIN).map_err(|why| at(&self.document, by_pattern, &why))?;
                patterns.insert(pattern.clone(), read);
            }
        }
        if patterns.len() > MAX_PATTERNS {
            return Err(self.at(flats, &format!("more than {MAX_PATTERNS} `patternProperties` are not served")));
        }
        Ok(patterns.into_iter().collect())
    }

    /// What a member of this name must be: all that any of the schemas says of it.
    pub(super) fn values_of(
        &mut self,
        flats: &[Id],
        name: &str,
        patterns: &[(String, Lex)],
    ) -> Result<Vec<Id>, String> {
        let text = written(name);
        let mut has = Vec::new();
        for (pattern, lex) in patterns {
            if lex.has(&text, &mut self.clauses.fuel)? {
                has.push(pattern.as_str());
            }
        }
        Ok(self.values_by(flats, Some(name), &has))
    }

    fn values_by(&self, flats: &[Id], name: Option<&str>, patterns: &[&str]) -> Vec<Id> {
        let mut values = Vec::new();
        for flat in flats {
            let before = values.len();
            let member = |of: &str, name: &str| {
                self.document.member(*flat, of).and_then(|members| self.document.member(members, name))
            };
            values.extend(name.and_then(|name| member("properties", name)));
            values.extend(patterns.iter().filter_map(|pattern| member("patternProperties", pattern)));
            if values.len() == before {
                values.extend(self.document.member(*flat, "additionalProperties"));
            }
        }
        values
    }

    /// A member whose name is none of these. `None`: there can be no such member.
    fn free(
        &mut self,
        flats: &[Id],
        known: &[String],
        patterns: &[(String, Lex)],
        naming: &[Id],
        loose: bool,
    ) -> Result<Option<Sym>, String> {
        let mut kinds = Vec::new();
        let naming: Vec<Id> = naming.iter().copied().filter(|schema| !says_text(&self.document, *schema)).collect();
        let Some(names) = (if naming.is_empty() { Some(None) } else { self.names(&naming)?.map(Some) }) else {
            return Ok(None);
        };
        for kind in 0..1_usize << patterns.len() {
            let (mut has, mut all) = (Vec::new(), Vec::new());
            all.push(names.clone().unwrap_or_else(|| Lex::Regex(format!("(?:{PLAIN})*"))));
            for (number, (pattern, lex)) in patterns.iter().enumerate() {
                if kind >> number & 1 == 1 {
                    has.push(pattern.as_str());
                    all.push(lex.clone());
                } else {
                    all.push(Lex::Not(Box::new(lex.clone())));
                }
            }
            let values = self.values_by(flats, None, &has);
            if values.iter().any(|value| is_never(&self.document, *value)) {
                continue;
            }
            if !known.is_empty() {
                all.push(Lex::Not(Box::new(Lex::or(known.iter().map(|name| pattern::spelled(name)).collect()))));
            }
            let may_be_none = !patterns.is_empty() || names.is_some();
            let name = Lex::and(all);
            if may_be_none && !name.is_possible(&mut self.clauses.fuel)? {
                continue;
            }
            let value = self.node(values, loose)?;
            kinds.push(vec![self.rules.term(Lex::Seq(vec![quoted(name), colon()]))?, value]);
        }
        Ok(if kinds.is_empty() { None } else { Some(self.rules.rule(kinds)?) })
    }

    /// The language of names that fulfil all of these schemas, without quotes.
    fn names(&mut self, naming: &[Id]) -> Result<Option<Lex>, String> {
        let mut ways = Vec::new();
        for clause in self.clauses.expand(&self.document, naming, false)? {
            let flats: Vec<Id> = clause.into_iter().collect();
            if let Some(values) = self.listed(&flats)? {
                let texts = values.iter().filter_map(|value| match self.document.get(*value) {
                    Json::Text(text) => Some(Lex::literal(&written(text))),
                    _ => None,
                });
                ways.extend(texts);
            } else if self.kinds(&flats).contains(&"string") {
                ways.extend(self.strings(&flats, false)?.inside(PLAIN, &mut self.clauses.fuel)?);
            }
        }
        Ok(if ways.is_empty() { None } else { Some(Lex::or(ways)) })
    }

    pub(super) fn comma(&mut self) -> Result<Sym, String> {
        self.rules.term(Lex::Regex(format!(r"\x{{2C}}{BLANK}")))
    }

    /// The rule for a value of which all of these hold.
    fn node(&mut self, all: Vec<Id>, loose: bool) -> Result<Sym, String> {
        self.value(Key::of(&self.document, all, loose))
    }
}

/// A name or a text as it stands between quotes, in the shortest spelling.
pub(super) fn written(text: &str) -> String {
    // A text is always written.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// Between a name and its value.
pub(super) fn colon() -> Lex {
    Lex::Regex(r"\x{20}?\x{3A}\x{20}?".into())
}

/// Whether a schema says of a name no more than that it is a text, which it always is.
fn says_text(document: &Document, schema: Id) -> bool {
    binds_nothing(document, schema)
        || matches!(document.get(schema), Json::Object(members) if members.iter().all(|(name, _)| name == "type"))
            && types(document, schema).is_ok_and(|types| types.is_none_or(|types| types.contains(&"string")))
}
