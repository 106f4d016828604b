//! What a query in Prometheus' language asks for: measures, and their labels. It understands what our queries need, and
//! says so where one needs more.

use std::ops::Range;

/// A query, as far as it is of interest here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// The measures, in order.
    pub(super) measures: Vec<Picked>,
    /// By which labels something is told apart or brought together.
    pub(super) groups: Vec<Group>,
    /// Whether labels get lost: something is added up.
    pub(super) adds_up: bool,
}

/// A measure, and what is asked for of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Picked {
    /// Its name, with an ending such as `_bucket`.
    pub(super) name: String,
    /// What its labels must be.
    pub(super) labels: Vec<Matched>,
    /// Where in the query it stands.
    at: usize,
}

/// What a label must be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matched {
    /// The label.
    pub(super) name: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub(super) how: String,
    /// What it is held to.
    pub(super) value: String,
}

/// Labels that several measures must have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The labels.
    pub(super) labels: Vec<String>,
    /// Whether nothing but these is left.
    pub(super) is_all: bool,
    /// The part of the query in which the measures stand.
    within: Range<usize>,
}

impl Group {
    /// Whether it is about this one.
    pub(super) fn is_about(&self, measure: &Picked) -> bool {
        self.within.contains(&measure.at)
    }
}

/// Reads a query.
pub(super) fn read(query: &str) -> Result<Asked, String> {
    let tokens = tokens(query)?;
    balanced(&tokens)?;
    let mut asked = Asked::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        match token {
            Token::Word(word) if GROUPING.contains(&word.as_str()) && next == Some(&Token::Sign('(')) => {
                let close = closing(&tokens, at + 1)?;
                let labels = tokens[at + 2..close].iter().filter(|token| **token != Token::Sign(','));
                let labels = labels.map(|token| token.word().ok_or_else(|| format!("{word}: {token:?} is no label")));
                let is_inside = matches!(word.as_str(), "by" | "without");
                let within = if is_inside { close + 1..closing(&tokens, close + 1)? } else { 0..tokens.len() };
                asked.groups.push(Group { labels: labels.collect::<Result<_, _>>()?, is_all: word == "by", within });
                at = close + 1;
            }
            Token::Word(word) if next == Some(&Token::Sign('(')) || GROUPING.contains(&word.as_str()) => {
                asked.adds_up |= ADDING_UP.contains(&word.as_str());
                at += 1;
            }
            Token::Word(word) if OPERATORS.contains(&word.as_str()) => at += 1,
            Token::Word(word) if ADDING_UP.contains(&word.as_str()) => {
                asked.adds_up = true;
                at += 1;
            }
            Token::Word(word) => {
                let mut picked = Picked { name: word.clone(), labels: Vec::new(), at };
                at += 1;
                if next == Some(&Token::Sign('{')) {
                    let close = closing(&tokens, at)?;
                    picked.labels = matched(&tokens[at + 1..close])?;
                    at = close + 1;
                }
                asked.measures.push(picked);
            }
            Token::Sign('{') => return Err("labels without a measure's name are not understood here".to_owned()),
            Token::Sign('[') => at = closing(&tokens, at)? + 1,
            Token::Sign(_) | Token::Text(_) | Token::Number => at += 1,
        }
    }
    Ok(asked)
}

/// `name="value",other=~"value"`.
fn matched(tokens: &[Token]) -> Result<Vec<Matched>, String> {
    let mut all = Vec::new();
    for one in tokens.split(|token| *token == Token::Sign(',')).filter(|one| !one.is_empty()) {
        let [name, how @ .., Token::Text(value)] = one else { return Err(format!("{one:?} is no label's value")) };
        let how: Option<String> =
            how.iter().map(|sign| if let Token::Sign(sign) = sign { Some(*sign) } else { None }).collect();
        let how = how.filter(|how| ["=", "!=", "=~", "!~"].contains(&how.as_str()));
        let (Some(name), Some(how)) = (name.word(), how) else { return Err(format!("{one:?} is no label's value")) };
        all.push(Matched { name, how, value: value.clone() });
    }
    Ok(all)
}

/// Every bracket ends, and none that does not open.
fn balanced(tokens: &[Token]) -> Result<(), String> {
    let opens = (0..tokens.len()).filter(|at| matches!(tokens[*at], Token::Sign('(' | '[' | '{')));
    let opens = opens.map(|at| closing(tokens, at)).collect::<Result<Vec<_>, _>>()?.len();
    let closes = tokens.iter().filter(|token| matches!(token, Token::Sign(')' | ']' | '}'))).count();
    if opens == closes { Ok(()) } else { Err("a bracket ends that does not begin".to_owned()) }
}

/// Where the bracket ends that opens here.
fn closing(tokens: &[Token], open: usize) -> Result<usize, String> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return if at > open { Ok(at) } else { Err(format!("a bracket is expected in place of {token:?}")) };
        }
    }
    Err("a bracket does not end".to_owned())
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    /// And what is written like one: a duration, or a variable of Grafana's that stands for one.
    Number,
    Sign(char),
}

impl Token {
    fn word(&self) -> Option<String> {
        if let Self::Word(word) = self { Some(word.clone()) } else { None }
    }
}

fn tokens(query: &str) -> Result<Vec<Token>, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let (mut all, mut rest) = (Vec::new(), query.trim_start());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' | '`' => {
                let end = text_end(&rest[1..], first).ok_or("a text does not end")?;
                all.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            '0'..='9' | '$' => {
                all.push(Token::Number);
                1 + rest[1..].find(|c: char| !is_part(c) && c != '.').unwrap_or(rest.len() - 1)
            }
            _ if is_part(first) => {
                let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
                all.push(Token::Word(rest[..end].to_owned()));
                end
            }
            _ => {
                all.push(Token::Sign(first));
                first.len_utf8()
            }
        };
        rest = rest[length..].trim_start();
    }
    Ok(all)
}

/// Where a text ends, in bytes: at the mark that no backslash goes before.
fn text_end(text: &str, mark: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == mark && !is_escaped;
        is_escaped = c == '\\' && !is_escaped && mark != '`';
        ends.then_some(at)
    })
}

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 7] = ["and", "or", "unless", "bool", "offset", "inf", "nan"];
const ADDING_UP: [&str; 10] = ["sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "topk", "absent"];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(query: &str) -> Vec<String> {
        read(query).unwrap().measures.into_iter().map(|measure| measure.name).collect()
    }

    #[test]
    fn measures_are_found_wherever_they_stand() {
        for (query, expected) in [
            ("up", vec!["up"]),
            ("a_total{x=\"b_total[5m] sum(c)\"} > 1e3", vec!["a_total"]),
            (
                "sum by (x, y) (rate(a_total[$__rate_interval])) / ignoring(y) group_left b > bool 0.5",
                vec!["a_total", "b"],
            ),
            ("(sum(rate(a[5m])) or vector(0)) / sum(rate(b{}[5m] offset 1h))", vec!["a", "b"]),
            ("histogram_quantile(0.95, sum by (le) (rate(a_bucket[5m])))\n  > 10", vec!["a_bucket"]),
            ("sum without (x) (a) and b unless c", vec!["a", "b", "c"]),
            ("absent(a{x='it\\'s',y=`\\`})", vec!["a"]),
            ("1 + -2.5 * inf", vec![]),
        ] {
            assert_eq!(names(query), expected, "{query}");
        }
    }

    #[test]
    fn labels_are_found_with_what_they_are_held_to() {
        let asked = read("sum by (m, le) (rate(a{x=\"1\",y!~\"2|3\"}[5m])) + on (z) b").unwrap();
        let labels: Vec<_> = asked.measures[0].labels.iter().map(|l| (&*l.name, &*l.how, &*l.value)).collect();
        assert_eq!(labels, [("x", "=", "1"), ("y", "!~", "2|3")]);
        let [by, on] = &asked.groups[..] else { panic!("{asked:?}") };
        assert!(asked.adds_up && by.is_all && !on.is_all);
        assert_eq!((by.labels.join(","), on.labels.join(",")), ("m,le".to_owned(), "z".to_owned()));
        let about = |group: &Group| [0, 1].map(|index| group.is_about(&asked.measures[index]));
        assert_eq!((about(by), about(on)), ([true, false], [true, true]));
        assert!(!read("rate(a[5m])").unwrap().adds_up);
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for query in
            ["sum(a", "sum(a))", "a{x=\"1}", "a{x}", "a{x==\"1\"}", "{x=\"1\"}", "sum by (\"x\") (a)", "sum by (x) a"]
        {
            assert!(read(query).is_err(), "{query}: {:?}", read(query));
        }
    }
}
