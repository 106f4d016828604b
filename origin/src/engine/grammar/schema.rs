//! From a JSON schema to a grammar that binds: what is taken is followed to the letter, and what is not followed is
//! refused.
//!
//! The compiler is our own, because a schema is what a stranger wrote. llguidance's would go through floats (2^53 + 1
//! becomes 2^53, and a bound of 2^63 an endless recursion), reads some keywords in part, and lets an answer be blanks
//! or digits for ever. This one is bounded everywhere, and by counts: a schema compiles on a slow machine or nowhere.
//!
//! **How.** A place in an answer must fulfil a *set* of schemas, all at once ([`Key`]): what its parents say of it, and
//! what these refer to. Each set has one rule, made once, so references may go in circles. [`clauses`] turns the
//! choices of a set into alternatives. For each alternative the keywords are put together type by type. In the end a
//! rule that no finite text fulfils is dropped, with all that needs it. That shows that a `oneOf` is exact: two of its
//! options together must be such a rule. And a schema that nothing fits is refused.
//!
//! **What an answer looks like.** Members come in the schema's order, those of other names behind them. White space is
//! that of compact JSON, of Python's, or a line break and an indentation, once at a place. Numbers have an end.

mod admits;
mod clauses;
mod document;
mod fuel;
mod items;
mod keywords;
mod lex;
mod members;
mod number;
mod rules;
mod strings;
#[cfg(test)]
mod tests;

use clauses::Clauses;
use document::{Document, Id, Json};
pub(super) use fuel::Fuel;
use keywords::{at, binds_nothing, count, text_of, types};
use lex::Lex;
use members::written;
use number::decimal::Decimal;
use number::{Numbers, Written};
use rules::{BLANK, Grammars, OPENS, Rules, Sym, Ways};
use std::collections::{BTreeSet, HashMap};
use strings::pattern::{self, ANY};
use strings::{Strings, format, quoted};

/// Compiles a schema. `name` is that of the whole: letters, digits and `_`. `object` says that it is an object,
/// whatever the schema says, as the arguments of a call are. `fuel` is what it may cost; the schemas of a request share
/// it.
///
/// The error is for the caller: what is not served or contradicts itself, and where. Takes a few milliseconds, and some
/// hundreds at most, counted in steps.
pub(super) fn compile(schema: &str, name: &str, object: bool, fuel: &mut Fuel) -> Result<Grammars, String> {
    let mut document = Document::read(schema)?;
    if document.member(Document::ROOT, "x-guidance").is_some() {
        return Err("`x-guidance` is not served".into());
    }
    let mut all = vec![Document::ROOT];
    if object {
        let kind = document.push(Json::Text("object".into()));
        all.push(document.push(Json::Object(vec![("type".into(), kind)])));
    }
    let clauses = Clauses::of(&document, std::mem::replace(fuel, Fuel::empty()));
    let key = Key::of(&document, all, false);
    let rules = Rules::default();
    let mut compiler = Compiler { document, clauses, rules, known: HashMap::new(), open: Vec::new() };
    let grammars = compiler.whole(key, name, object);
    *fuel = compiler.clauses.fuel;
    grammars
}

/// Schemas that must all hold at one place of an answer.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    all: Vec<Id>,
    /// May let through more than the schemas do, never less: enough to find out that nothing fulfils them.
    loose: bool,
}

struct Compiler {
    document: Document,
    clauses: Clauses,
    rules: Rules,
    known: HashMap<Key, usize>,
    /// Rules that are not defined yet.
    open: Vec<(Key, usize)>,
}

impl Key {
    fn of(document: &Document, mut all: Vec<Id>, loose: bool) -> Self {
        all.retain(|schema| !binds_nothing(document, *schema));
        all.sort_unstable();
        all.dedup();
        Self { all, loose }
    }
}

impl Compiler {
    fn whole(&mut self, key: Key, name: &str, after_all: bool) -> Result<Grammars, String> {
        let start = self.rule_of(key)?;
        let mut pairs = BTreeSet::new();
        loop {
            while let Some((key, rule)) = self.open.pop() {
                let ways = self.ways(&key)?;
                self.rules.define(rule, ways)?;
            }
            let new: Vec<(Id, Id)> = std::mem::take(&mut self.clauses.apart).into_iter().collect();
            let new: Vec<(Id, Id)> = new.into_iter().filter(|pair| pairs.insert(*pair)).collect();
            if new.is_empty() {
                break;
            }
            for (one, other) in new {
                self.rule_of(Key::of(&self.document, vec![one, other], true))?;
            }
        }
        let fulfilled = self.rules.fulfilled();
        for (one, other) in pairs {
            let rule = self.known.get(&Key::of(&self.document, vec![one, other], true));
            if rule.is_none_or(|rule| fulfilled[*rule]) {
                let what = "of the options of `oneOf` it must be plain that no value fits two; use `anyOf`";
                return Err(at(&self.document, other, what));
            }
        }
        if !fulfilled[start] {
            return Err("nothing fits it".into());
        }
        self.clauses.pay(self.rules.size() / 4)?;
        std::mem::take(&mut self.rules).write(start, &fulfilled, name, after_all)
    }

    /// The rule for a value of which all of these hold.
    fn value(&mut self, key: Key) -> Result<Sym, String> {
        self.rule_of(key).map(Sym::Rule)
    }

    fn rule_of(&mut self, key: Key) -> Result<usize, String> {
        if let Some(rule) = self.known.get(&key) {
            return Ok(*rule);
        }
        self.clauses.pay(1 + key.all.len())?;
        let rule = self.rules.reserve();
        self.known.insert(key.clone(), rule);
        self.open.push((key, rule));
        Ok(rule)
    }

    /// All ways to write a value of which these hold.
    fn ways(&mut self, key: &Key) -> Result<Ways, String> {
        let (mut ways, mut scalars) = (Ways::new(), Vec::new());
        for clause in self.clauses.expand(&self.document, &key.all, key.loose)? {
            let flats: Vec<Id> = clause.into_iter().collect();
            if let Some(values) = self.listed(&flats)? {
                for value in values {
                    match self.literal(value)? {
                        Ok(lex) => scalars.push(lex),
                        Err(way) => ways.push(way),
                    }
                }
                continue;
            }
            for kind in self.kinds(&flats) {
                match kind {
                    "null" => scalars.push(Lex::literal("null")),
                    "boolean" => scalars.push(Lex::Regex("(?:true|false)".into())),
                    "integer" | "number" => match self.numbers(&flats, kind == "integer")? {
                        Written::Never => {}
                        Written::Lex(lex) => scalars.push(lex),
                        Written::Multiples(schema) => ways.push(vec![self.rules.own(schema)?]),
                    },
                    "string" => {
                        let strings = self.strings(&flats, key.loose)?;
                        scalars
                            .extend(strings.written(ANY, &mut self.clauses.fuel).map_err(|why| self.at(&flats, &why))?);
                    }
                    "array" => ways.extend(self.array(&flats, key.loose)?),
                    _ => ways.extend(self.object(&flats, key.loose)?),
                }
            }
        }
        if !scalars.is_empty() {
            ways.push(vec![self.rules.term(together(scalars))?]);
        }
        let mut different = Ways::new();
        ways.into_iter().for_each(|way| {
            if different.len() > 64 || !different.contains(&way) {
                different.push(way);
            }
        });
        Ok(different)
    }

    /// The types that all of these schemas let through. Of `number` and `integer` it names one.
    fn kinds(&self, flats: &[Id]) -> Vec<&'static str> {
        let lets = |kind: &str| {
            flats.iter().all(|flat| match types(&self.document, *flat) {
                Ok(Some(types)) => types.contains(&kind) || kind == "integer" && types.contains(&"number"),
                _ => true,
            })
        };
        let kinds = ["null", "boolean", "string", "array", "object"].into_iter().filter(|kind| lets(kind));
        let number = if lets("number") { Some("number") } else { lets("integer").then_some("integer") };
        kinds.chain(number).collect()
    }

    fn numbers(&mut self, flats: &[Id], integer: bool) -> Result<Written, String> {
        let mut numbers = Numbers::of(integer);
        for flat in flats {
            number_of(&self.document, *flat, &mut numbers)?;
        }
        numbers.written(&mut self.clauses.fuel).map_err(|why| self.at(flats, &why))
    }

    fn strings(&mut self, flats: &[Id], loose: bool) -> Result<Strings, String> {
        let mut strings = Strings::default();
        for flat in flats {
            strings.least = strings.least.max(count(&self.document, *flat, "minLength").unwrap_or(0));
            let most = count(&self.document, *flat, "maxLength");
            strings.most = most.into_iter().chain(strings.most).min();
            if let Some(pattern) = text_of(&self.document, *flat, "pattern") {
                self.clauses.fuel.pay(10 + pattern.len() as u64)?;
                strings.kinds.push(pattern::read(pattern, ANY).map_err(|why| at(&self.document, *flat, &why))?);
            }
            let format = text_of(&self.document, *flat, "format").filter(|_| !loose).and_then(format::lookup);
            strings.kinds.extend(format.map(|format| Lex::Regex(format.into())));
        }
        Ok(strings)
    }

    /// A value as it is written: in one piece, or in several.
    fn literal(&mut self, value: Id) -> Result<Result<Lex, Vec<Sym>>, String> {
        self.clauses.pay(1)?;
        let (open, parts, close) = match self.document.get(value).clone() {
            Json::Null => return Ok(Ok(Lex::literal("null"))),
            Json::Bool(value) => return Ok(Ok(Lex::literal(if value { "true" } else { "false" }))),
            Json::Number(number) => return Ok(Ok(Lex::literal(&number.text()))),
            Json::Text(text) => return Ok(Ok(Lex::literal(&format!("\"{}\"", written(&text))))),
            Json::Array(items) if items.is_empty() => return Ok(Ok(Lex::literal("[]"))),
            Json::Object(members) if members.is_empty() => return Ok(Ok(Lex::literal("{}"))),
            Json::Array(items) => (OPENS[1], items.into_iter().map(|item| (None, item)).collect(), r"\x{5D}"),
            Json::Object(members) => {
                let parts: Vec<_> = members.into_iter().map(|(name, value)| (Some(name), value)).collect();
                (OPENS[0], parts, r"\x{7D}")
            }
        };
        let mut way = vec![self.rules.term(Lex::Regex(open.into()))?];
        for (number, (name, value)) in parts.into_iter().enumerate() {
            if number > 0 {
                way.push(self.comma()?);
            }
            if let Some(name) = name {
                let key = Lex::Seq(vec![quoted(Lex::literal(&written(&name))), members::colon()]);
                way.push(self.rules.term(key)?);
            }
            match self.literal(value)? {
                Ok(lex) => way.push(self.rules.term(lex)?),
                Err(mut inner) => way.append(&mut inner),
            }
        }
        way.push(self.rules.term(Lex::Regex(format!("{BLANK}{close}")))?);
        Ok(Err(way))
    }

    /// A sentence about schemas that hold together: it says where the last of them stands.
    fn at(&self, flats: &[Id], what: &str) -> String {
        flats.last().map_or_else(|| what.to_owned(), |flat| at(&self.document, *flat, what))
    }
}

/// Adds what a schema says of numbers.
fn number_of(document: &Document, flat: Id, numbers: &mut Numbers) -> Result<(), String> {
    let number = |name: &str| match document.member(flat, name).map(|id| document.get(id)) {
        Some(Json::Number(number)) => Some(number),
        _ => None,
    };
    // As the drafts up to 4 have it: the bound beside it is excluded.
    let is_on = |name: &str| matches!(document.member(flat, name).map(|id| document.get(id)), Some(Json::Bool(true)));
    let bound = |with: &mut dyn FnMut(&Decimal, bool), inclusive: &str, exclusive: &str| {
        number(inclusive).into_iter().for_each(|bound| with(bound, is_on(exclusive)));
        number(exclusive).into_iter().for_each(|bound| with(bound, true));
    };
    bound(&mut |least, excluded| numbers.least(least, excluded), "minimum", "exclusiveMinimum");
    bound(&mut |most, excluded| numbers.most(most, excluded), "maximum", "exclusiveMaximum");
    match number("multipleOf") {
        Some(of) => numbers.multiple(of).map_err(|why| at(document, flat, &why)),
        None => Ok(()),
    }
}

/// A rule for one of these. Those that are plain expressions become one expression.
fn together(all: Vec<Lex>) -> Lex {
    let (mut plain, mut others, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for lex in all {
        match lex {
            Lex::Regex(regex) if seen.insert(regex.clone()) => plain.push(regex),
            Lex::Regex(_) => {}
            other if others.contains(&other) => {}
            other => others.push(other),
        }
    }
    match plain.len() {
        0 => {}
        1 => others.extend(plain.pop().map(Lex::Regex)),
        _ => others.push(Lex::Regex(format!("(?:{})", plain.join("|")))),
    }
    Lex::or(others)
}
