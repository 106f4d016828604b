//! A grammar in the making: rules, terminals, and what becomes of them in llguidance's Lark.

use super::lex::Lex;
use llguidance::JsonCompileOptions;
use llguidance::api::GrammarWithLexer;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write;

/// A part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sym {
    Term(usize),
    Rule(usize),
    /// A grammar of llguidance's own, by its number.
    Own(usize),
    /// The same again and again, so many times at least and at most.
    Repeat(Vec<Self>, u64, Option<u64>),
}

/// The ways to fulfil one rule.
pub(super) type Ways = Vec<Vec<Sym>>;

/// Rules and terminals. What a rule says may be defined after it is used.
#[derive(Default)]
pub(super) struct Rules {
    rules: Vec<Ways>,
    terms: Vec<Lex>,
    known: HashMap<Lex, usize>,
    own: Vec<Value>,
    size: usize,
}

/// How much of a grammar there may be: symbols of rules, and bytes of terminals.
const MAX_SIZE: usize = 400_000;
/// How many rules may lie in one another, each on the compiler's stack.
const MAX_DEPTH: usize = 2000;
/// How many multiples of something there may be.
const MAX_OWN: usize = 32;
/// Where a terminal stands for the white space between two parts. No expression of ours has this escape.
pub(super) const BLANK: &str = r"\x{BLANK}";
/// What opens an object or an array and is followed by white space.
pub(super) const OPENS: [&str; 2] = [r"\x{7B}\x{BLANK}", r"\x{5B}\x{BLANK}"];
/// As deep as white space follows what lies in one another.
const MAX_INDENT: usize = 12;

/// All grammars of a schema; the first one is the whole.
pub(super) type Grammars = Vec<GrammarWithLexer>;

impl Rules {
    /// A rule that is not defined yet.
    pub(super) fn reserve(&mut self) -> usize {
        self.rules.push(Vec::new());
        self.rules.len() - 1
    }

    pub(super) fn define(&mut self, rule: usize, ways: Ways) -> Result<(), String> {
        self.size += ways.iter().map(|way| 1 + way.iter().map(size).sum::<usize>()).sum::<usize>();
        self.rules[rule] = ways;
        self.within_bounds()
    }

    pub(super) fn rule(&mut self, ways: Ways) -> Result<Sym, String> {
        let rule = self.reserve();
        self.define(rule, ways)?;
        Ok(Sym::Rule(rule))
    }

    pub(super) fn term(&mut self, lex: Lex) -> Result<Sym, String> {
        if let Some(known) = self.known.get(&lex) {
            return Ok(Sym::Term(*known));
        }
        self.size += lex.size();
        self.within_bounds()?;
        self.terms.push(lex.clone());
        self.known.insert(lex, self.terms.len() - 1);
        Ok(Sym::Term(self.terms.len() - 1))
    }

    /// A schema that llguidance compiles by itself.
    pub(super) fn own(&mut self, schema: Value) -> Result<Sym, String> {
        let number = self.own.iter().position(|known| *known == schema).unwrap_or(self.own.len());
        if number == MAX_OWN {
            return Err(format!("more than {MAX_OWN} kinds of `multipleOf` are not served"));
        }
        if number == self.own.len() {
            self.own.push(schema);
        }
        Ok(Sym::Own(number))
    }

    fn within_bounds(&self) -> Result<(), String> {
        (self.size <= MAX_SIZE).then_some(()).ok_or_else(|| "it is too large".into())
    }

    /// For each rule, whether a finite text can fulfil it.
    pub(super) fn fulfilled(&self) -> Vec<bool> {
        let mut users = vec![Vec::new(); self.rules.len()];
        for (rule, ways) in self.rules.iter().enumerate() {
            ways.iter().flatten().for_each(|part| each_rule(part, &mut |used| users[used].push(rule)));
        }
        let mut fulfilled = vec![false; self.rules.len()];
        let mut again: Vec<usize> = (0..self.rules.len()).collect();
        while let Some(rule) = again.pop() {
            if !fulfilled[rule] && self.rules[rule].iter().any(|way| way.iter().all(|part| can(part, &fulfilled))) {
                fulfilled[rule] = true;
                again.extend(users[rule].iter().copied().filter(|user| !fulfilled[*user]));
            }
        }
        fulfilled
    }

    /// How large it is.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Writes all that `start` needs, without what nothing fulfils. `name`: the whole's; `after_all`: whether something
    /// of ours stands in front of it, so that no blanks do.
    pub(super) fn write(
        mut self,
        start: usize,
        fulfilled: &[bool],
        name: &str,
        after_all: bool,
    ) -> Result<Grammars, String> {
        for ways in &mut self.rules {
            ways.retain(|way| way.iter().all(|part| can(part, fulfilled)));
            for way in ways {
                way.retain(|part| !matches!(part, Sym::Repeat(of, ..) if !of.iter().all(|part| can(part, fulfilled))));
            }
        }
        let (order, indent) = self.order(start)?;
        let blanks = format!(r"(?:\x{{20}}|\x{{A}}(?:\x{{20}}{{0,{}}}|\x{{9}}{{1,{indent}}}))?", 4 * indent);
        let mut text = match after_all {
            true => format!("start: r{start}\n"),
            // What models write behind their thoughts.
            false => format!("start: BEFORE? r{start}\nBEFORE: /\\x{{20}}|\\x{{A}}{{1,2}}/\n"),
        };
        let mut terms = vec![false; self.terms.len()];
        for rule in order {
            // Writing to a string does not fail.
            _ = write!(text, "r{rule}:");
            for (number, way) in self.rules[rule].iter().enumerate() {
                text.push_str(if number > 0 { " |" } else { "" });
                text.push_str(if way.is_empty() { " \"\"" } else { "" });
                for part in way {
                    write_part(part, name, &mut terms, &mut text);
                }
            }
            text.push('\n');
        }
        for (number, term) in self.terms.iter().enumerate().filter(|(number, _)| terms[*number]) {
            _ = write!(text, "T{number}: ");
            term.write(&mut text);
            text.push('\n');
        }
        let whole = GrammarWithLexer::from_lark(text.replace(BLANK, &blanks));
        let mut grammars = vec![GrammarWithLexer { name: Some(name.to_owned()), ..whole }];
        for (number, mut schema) in self.own.into_iter().enumerate() {
            let options = JsonCompileOptions { whitespace_flexible: false, ..JsonCompileOptions::default() };
            options.apply_to(&mut schema);
            let own = GrammarWithLexer::from_json_schema(schema);
            grammars.push(GrammarWithLexer { name: Some(format!("{name}_m{number}")), ..own });
        }
        Ok(grammars)
    }

    /// The rules that a rule needs, and how deep objects and arrays lie in one another; refuses what is too deep for
    /// the compiler, which goes as deep as we do here.
    fn order(&self, start: usize) -> Result<(Vec<usize>, usize), String> {
        #[derive(Clone, Copy, PartialEq)]
        enum Seen {
            No,
            Open,
            Done(usize),
        }
        let mut seen = vec![Seen::No; self.rules.len()];
        let (mut order, mut cycles) = (Vec::new(), false);
        let mut open = vec![(start, 0, Vec::new())];
        let uses = |rule: usize| {
            let mut uses = Vec::new();
            self.rules[rule].iter().flatten().for_each(|part| each_rule(part, &mut |used| uses.push(used)));
            // The compiler goes into the first one first.
            uses.reverse();
            uses
        };
        let opens = |part: &Sym| match part {
            Sym::Term(term) => matches!(&self.terms[*term], Lex::Regex(regex) if OPENS.contains(&regex.as_str())),
            _ => false,
        };
        open[0].2 = uses(start);
        seen[start] = Seen::Open;
        order.push(start);
        while let Some((rule, deepest, rest)) = open.last_mut() {
            let Some(next) = rest.pop() else {
                let level = usize::from(self.rules[*rule].iter().flatten().any(opens));
                let (rule, depth) = (*rule, *deepest + level);
                seen[rule] = Seen::Done(depth);
                open.pop();
                if let Some((_, deepest, _)) = open.last_mut() {
                    *deepest = depth.max(*deepest);
                }
                continue;
            };
            match seen[next] {
                Seen::Open => cycles = true,
                Seen::Done(depth) => *deepest = depth.max(*deepest),
                Seen::No => {
                    if open.len() == MAX_DEPTH {
                        return Err(format!("its parts refer to one another more than {MAX_DEPTH} deep"));
                    }
                    seen[next] = Seen::Open;
                    order.push(next);
                    open.push((next, 0, uses(next)));
                }
            }
        }
        let depth = match seen[start] {
            Seen::Done(depth) if !cycles => depth.clamp(1, MAX_INDENT),
            _ => MAX_INDENT,
        };
        Ok((order, depth))
    }
}

fn size(part: &Sym) -> usize {
    match part {
        Sym::Repeat(of, ..) => 4 + of.iter().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn each_rule(part: &Sym, with: &mut impl FnMut(usize)) {
    match part {
        Sym::Rule(rule) => with(*rule),
        Sym::Repeat(of, ..) => of.iter().for_each(|part| each_rule(part, with)),
        Sym::Term(_) | Sym::Own(_) => {}
    }
}

fn can(part: &Sym, fulfilled: &[bool]) -> bool {
    match part {
        Sym::Rule(rule) => fulfilled[*rule],
        Sym::Repeat(of, least, _) => *least == 0 || of.iter().all(|part| can(part, fulfilled)),
        Sym::Term(_) | Sym::Own(_) => true,
    }
}

fn write_part(part: &Sym, name: &str, terms: &mut [bool], text: &mut String) {
    // Writing to a string does not fail.
    _ = match part {
        Sym::Term(term) => {
            terms[*term] = true;
            write!(text, " T{term}")
        }
        Sym::Rule(rule) => write!(text, " r{rule}"),
        Sym::Own(number) => write!(text, " @{name}_m{number}"),
        Sym::Repeat(_, _, Some(0)) => Ok(()),
        Sym::Repeat(of, least, most) => {
            text.push_str(" (");
            of.iter().for_each(|part| write_part(part, name, terms, text));
            match (least, most) {
                (0, None) => write!(text, ")*"),
                (least, None) => write!(text, "){{{least},}}"),
                (least, Some(most)) => write!(text, "){{{least},{most}}}"),
            }
        }
    };
}
