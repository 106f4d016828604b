//! Objects: their members in the schema's order, then those whose names are free.

use super::clauses::is_never;
use super::document::{Document, Id, Json};
use super::keywords::{at, binds_nothing, count, types};
use super::lex::Lex;
use super::rules::{BLANK, OPENS, Sym, Ways};
use super::strings::pattern::{self, PLAIN};
use super::strings::quoted;
use super::{Compiler, Key};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A member that an object may have.
struct Member {
    parts: Vec<Sym>,
    is_required: bool,
}

/// What an object may consist of.
struct Members {
    known: Vec<Member>,
    /// One member of any other name; two of them may have one name.
    free: Option<Sym>,
    comma: Sym,
    /// Whether members are counted as if no two of a free name were the same.
    loose: bool,
}

/// How many patterns of names an object may have: each doubles the kinds of names.
const MAX_PATTERNS: usize = 4;
/// How many names are compared with patterns: each takes a tenth of a millisecond.
const MAX_COMPARED: usize = 256;
/// How many places and counts there may be where members are counted.
const MAX_COUNTED: u64 = 4000;

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

    /// The patterns of names, each with what its names are.
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

    /// One member whose name is none of these; `None`: there is none.
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

    /// What names of which all these hold are, without quotes.
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

    /// Members in their order, with nothing counted: at least one.
    fn any_of(&mut self, members: &Members) -> Result<Option<Sym>, String> {
        let all = members.known.len() + usize::from(members.free.is_some());
        let mut tails = HashMap::new();
        (all > 0).then(|| self.first(members, 0, all, &mut tails)).transpose()
    }

    /// At least one of some members, of which the first one has no comma in front.
    fn first(
        &mut self,
        members: &Members,
        from: usize,
        to: usize,
        tails: &mut HashMap<(usize, usize), Vec<Sym>>,
    ) -> Result<Sym, String> {
        if to - from == 1 {
            let way = match members.known.get(from) {
                Some(member) => member.parts.clone(),
                None => members.free.iter().cloned().chain([members.more(0, None)]).collect(),
            };
            return self.rules.rule(vec![way]);
        }
        let middle = from.midpoint(to);
        let mut ways =
            vec![[vec![self.first(members, from, middle, tails)?], self.tail(members, middle, to, tails)?].concat()];
        if !members.known[from..middle].iter().any(|member| member.is_required) {
            ways.push(vec![self.first(members, middle, to, tails)?]);
        }
        self.rules.rule(ways)
    }

    /// Any of some members, each with a comma in front.
    fn tail(
        &mut self,
        members: &Members,
        from: usize,
        to: usize,
        tails: &mut HashMap<(usize, usize), Vec<Sym>>,
    ) -> Result<Vec<Sym>, String> {
        if let Some(tail) = tails.get(&(from, to)) {
            return Ok(tail.clone());
        }
        let tail = if to - from == 1 {
            match members.known.get(from) {
                Some(member) => {
                    let parts = [std::slice::from_ref(&members.comma), &member.parts].concat();
                    if member.is_required { parts } else { vec![Sym::Repeat(parts, 0, Some(1))] }
                }
                None => vec![members.more(0, None)],
            }
        } else {
            let middle = from.midpoint(to);
            let parts = [self.tail(members, from, middle, tails)?, self.tail(members, middle, to, tails)?].concat();
            if parts.len() > 8 { vec![self.rules.rule(vec![parts])?] } else { parts }
        };
        tails.insert((from, to), tail.clone());
        Ok(tail)
    }

    /// Members in their order, at least one, of which there are so many.
    fn counted(&mut self, members: &Members, least: u64, most: Option<u64>) -> Result<Option<Sym>, String> {
        let all = members.known.len() as u64;
        // Beyond this many, it does not matter how many there were.
        let enough = most.unwrap_or_else(|| least.max(1)).min(all).max(1);
        if (all + 1) * (enough + 1) > MAX_COUNTED {
            return Err("it is too large: too many members are counted".into());
        }
        let Ok(enough) = usize::try_from(enough) else { return Ok(None) };
        // What may come after so many members of the schema's were looked at, of which so many were taken.
        let mut after: Vec<Option<Sym>> = Vec::new();
        for taken in 0..=enough {
            let ways = members.at_the_end(taken as u64, least, most);
            after.push(if ways.is_empty() { None } else { Some(self.rules.rule(ways)?) });
        }
        for member in members.known.iter().rev() {
            let mut before = Vec::new();
            for taken in 0..=enough {
                let mut ways = Vec::new();
                let has_room = most.is_none_or(|most| (taken as u64) < most);
                if let Some(then) = after[(taken + 1).min(enough)].as_ref().filter(|_| has_room) {
                    let comma = (taken > 0).then(|| members.comma.clone());
                    ways.push(comma.into_iter().chain(member.parts.iter().cloned()).chain([then.clone()]).collect());
                }
                ways.extend(after[taken].iter().filter(|_| !member.is_required).map(|then| vec![then.clone()]));
                before.push(if ways.is_empty() { None } else { Some(self.rules.rule(ways)?) });
            }
            after = before;
        }
        Ok(after.swap_remove(0))
    }

    pub(super) fn comma(&mut self) -> Result<Sym, String> {
        self.rules.term(Lex::Regex(format!(r"\x{{2C}}{BLANK}")))
    }

    /// The rule for a value of which all of these hold.
    fn node(&mut self, all: Vec<Id>, loose: bool) -> Result<Sym, String> {
        self.value(Key::of(&self.document, all, loose))
    }
}

impl Members {
    /// More members of free names, each with a comma in front.
    fn more(&self, least: u64, most: Option<u64>) -> Sym {
        Sym::Repeat([self.comma.clone()].into_iter().chain(self.free.clone()).collect(), least, most)
    }

    /// What may come after all of the schema's members, of which so many are there.
    fn at_the_end(&self, taken: u64, least: u64, most: Option<u64>) -> Ways {
        let missing = least.saturating_sub(taken);
        let room = most.map(|most| most.saturating_sub(taken)).map(|room| room.min(i32::MAX as u64));
        match (&self.free, taken) {
            // An empty object is written elsewhere.
            (None, 0) => Vec::new(),
            (None, _) if missing == 0 => vec![Vec::new()],
            (None, _) => Vec::new(),
            // Two of them may have one name, and are one member then.
            (Some(_), _) if missing > 1 && !self.loose => Vec::new(),
            (Some(_), _) if room.is_some_and(|room| room < missing.max(u64::from(taken == 0))) => Vec::new(),
            (Some(free), 0) => {
                let more = self.more(missing.saturating_sub(1), room.map(|room| room - 1));
                vec![vec![free.clone(), more]]
            }
            (Some(_), _) => vec![vec![self.more(missing, room)]],
        }
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
