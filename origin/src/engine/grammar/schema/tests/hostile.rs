//! Schemas and parameters meant to end the process, to run for ever or to eat all memory, compiled by the real compiler
//! in a process of its own: what becomes of that process is the test.
//!
//! `SLUICE_FORMS_FUZZ_SECONDS` says for how long; `SLUICE_FORMS_FUZZ_SEED` where to begin.

use super::super::{Fuel, compile};
use super::draw::{Chance, drawn, started};
use super::random;
use std::env::{current_exe, var};
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const SECONDS: u64 = 12;
/// What a single schema may take on a machine that does much else, in a build for tests. Half a second is usual at
/// most.
const STUCK: Duration = Duration::from_secs(90);
/// What a process may have of addresses, in KiB: the stack of a compile is 128 MiB of them.
const MEMORY: u64 = 2 * 1024 * 1024;
const CHILD: &str = "SLUICE_FORMS_FUZZ_CHILD";

#[test]
fn no_schema_ends_the_process() {
    let number = |name: &str| var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (seconds, first) =
        (number("SLUICE_FORMS_FUZZ_SECONDS").unwrap_or(SECONDS), number("SLUICE_FORMS_FUZZ_SEED").unwrap_or(1));
    if var(CHILD).is_ok() {
        return child(first, Duration::from_secs(seconds));
    }
    // The thread's name is the test's only where there are several.
    let this = concat!(module_path!(), "::no_schema_ends_the_process").split_once("::").unwrap().1;
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")])
        .arg(current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .envs([(CHILD, "1".to_owned()), ("SLUICE_FORMS_FUZZ_SECONDS", seconds.to_string())])
        .env("SLUICE_FORMS_FUZZ_SEED", first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (lines, told) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = thread::spawn(move || output.lines().map_while(Result::ok).all(|line| lines.send(line).is_ok()));
    let (mut last, mut tried) = (None, 0);
    loop {
        match told.recv_timeout(STUCK) {
            Ok(line) => {
                if let Some(seed) = line.strip_prefix("seed ").and_then(|seed| seed.parse().ok()) {
                    (last, tried) = (Some(seed), tried + 1);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                panic!("stuck at seed {last:?}: {}", last.map(hostile).unwrap_or_default());
            }
        }
    }
    reader.join().unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status} at seed {last:?}: {}", last.map(hostile).unwrap_or_default());
    println!("{tried} schemas");
    assert!(tried > 0, "the child ran nothing");
}

fn child(first: u64, time: Duration) {
    let began = Instant::now();
    let mut slowest = (Duration::ZERO, 0);
    for seed in first.. {
        if began.elapsed() > time {
            break;
        }
        println!("seed {seed}");
        let schema = hostile(seed);
        let at = Instant::now();
        let work = move || {
            let object = seed.is_multiple_of(3);
            let name = if object { "arguments7" } else { "form" };
            let mut fuel = Fuel::full();
            let Ok(grammars) = compile(&schema, name, object, &mut fuel) else { return };
            if let Ok(matcher) = started(grammars) {
                // That it comes to an end, and that the end can be come to, is another test's.
                let _ = drawn(&matcher, seed);
            }
        };
        thread::Builder::new().stack_size(128 * 1024 * 1024).spawn(work).unwrap().join().unwrap();
        slowest = slowest.max((at.elapsed(), seed));
    }
    println!("the slowest: {slowest:?}");
}

/// A text that is a schema, nearly one, or one of too much.
fn hostile(seed: u64) -> String {
    let mut chance = Chance(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 5);
    chance.below(2);
    let mut text = match chance.below(10) {
        0..=3 => random::schema(seed).to_string(),
        4 => format!(r#"{{"type":"string","pattern":{}}}"#, serde_json::Value::from(pattern(&mut chance, 5))),
        5 => {
            let many = 1 + chance.below(40);
            let patterns: Vec<String> = (0..many)
                .map(|_| format!(r#"{{"pattern":{}}}"#, serde_json::Value::from(pattern(&mut chance, 3))))
                .collect();
            let (of, length) =
                (chance.one_of(&["allOf", "anyOf", "oneOf"]), chance.one_of(&["", r#","minLength":4000"#]));
            format!(r#"{{"type":"string","{of}":[{}]{length}}}"#, patterns.join(","))
        }
        6 => {
            let number = *chance.one_of(&NUMBERS);
            let other = *chance.one_of(&NUMBERS);
            let (one, two) = (*chance.one_of(&BOUNDS), *chance.one_of(&BOUNDS));
            let kind = chance.one_of(&["integer", "number"]);
            format!(
                r#"{{"type":"{kind}","{one}":{number},"x":0,"{}{two}":{other}}}"#,
                if one == two { "y" } else { "" }
            )
        }
        7 => wide(&mut chance),
        8 => deep(&mut chance),
        _ => {
            let parts: Vec<String> =
                (0..2 + chance.below(6)).map(|number| random::schema(seed * 31 + number as u64).to_string()).collect();
            format!(r#"{{"{}":[{}]}}"#, chance.one_of(&["allOf", "anyOf", "oneOf"]), parts.join(","))
        }
    };
    for _ in 0..chance.below(4) {
        mutate(&mut text, &mut chance);
    }
    text
}

const BOUNDS: [&str; 12] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "const",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];
const NUMBERS: [&str; 30] = [
    "0",
    "-0",
    "1",
    "-1",
    "641.741",
    "999983",
    "99999.999",
    "0.1",
    "1e-9",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1e25",
    "-1e25",
    "1e308",
    "1e309",
    "1e999999999999999999999",
    "5e-324",
    "0.30000000000000004",
    "123456789.123456789",
    "1000000007",
    "4294967295",
    "4294967296",
    "170141183460469231731687303715884105727",
    "-170141183460469231731687303715884105728",
    "99999999999999999999999999999999999999",
    "1e-400",
    "2147483647",
];

/// Many members, options, references or names at once.
fn wide(chance: &mut Chance) -> String {
    let many = 1 << chance.below(12);
    let list = |with: &dyn Fn(usize) -> String| (0..many).map(with).collect::<Vec<_>>().join(",");
    match chance.below(8) {
        0 => format!(
            r#"{{"type":"object","properties":{{{}}},"minProperties":{}}}"#,
            list(&|n| format!(r#""p{n}":{{"format":"ipv6"}}"#)),
            many / 2
        ),
        1 => format!(r#"{{"enum":[{}]}}"#, list(&|n| format!(r#"{{"a":{n},"b":["{n}"]}}"#))),
        2 => format!(
            r#"{{"oneOf":[{}]}}"#,
            list(&|n| format!(r#"{{"properties":{{"k":{{"const":{n}}}}},"required":["k"]}}"#))
        ),
        3 => format!(
            r#"{{"allOf":[{}]}}"#,
            list(&|n| format!(r#"{{"anyOf":[{{"required":["a{n}"]}},{{"minProperties":{n}}}]}}"#))
        ),
        4 => format!(
            r##"{{{},"$ref":"#/0"}}"##,
            list(&|n| format!(
                r##""{n}":{{"items":{{"$ref":"#/{}"}},"prefixItems":[{{"$ref":"#/{}"}}]}}"##,
                (n * 7 + 1) % many,
                (n * 3) % many
            ))
        ),
        5 => format!(
            r#"{{"patternProperties":{{{}}},"required":["a"]}}"#,
            (0..1 + many % 5)
                .map(|n| format!(r#""(a|b)*a(a|b){{{n}}}$":{{"type":"null"}}"#))
                .collect::<Vec<_>>()
                .join(",")
        ),
        6 => format!(r#"{{"allOf":[{}]}}"#, list(&|n| format!(r#"{{"multipleOf":{}}}"#, n + 1))),
        _ => format!(
            r#"{{"type":"array","prefixItems":[{}],"minItems":{}}}"#,
            list(&|n| format!(r#"{{"maxLength":{n}}}"#)),
            many / 2
        ),
    }
}

fn deep(chance: &mut Chance) -> String {
    let depth = 1 + chance.below(70);
    let open = *chance.one_of(&[
        r#"{"items":"#,
        r#"{"additionalProperties":"#,
        r#"{"anyOf":[{"type":"null"},"#,
        r#"{"oneOf":["#,
        r#"{"allOf":[true,"#,
        r#"{"not":"#,
        r#"{"propertyNames":"#,
        r#"{"const":["#,
        r#"{"prefixItems":["#,
    ]);
    let close = if open.contains('[') { "]}" } else { "}" };
    format!("{}{}{}", open.repeat(depth), r##"{"$ref":"#"}"##, close.repeat(depth))
}

/// An expression by chance, with counts that multiply.
fn pattern(chance: &mut Chance, depth: usize) -> String {
    let mut pattern = String::new();
    if chance.below(3) == 0 {
        pattern.push('^');
    }
    for _ in 0..1 + chance.below(5) {
        match chance.below(if depth == 0 { 6 } else { 9 }) {
            0 => pattern.push_str(chance.one_of::<&str>(&["a", "b", "xy", "é", "\\n", "\"", "\\\\", "/", "🙂"])),
            1 => pattern.push_str(chance.one_of::<&str>(&[
                "[a-c]",
                "[^a]",
                ".",
                "\\d",
                "\\w",
                "\\S",
                "[\\s\\S]",
                "\\p{L}",
                "[^\\p{Lu}]",
            ])),
            2 => pattern.push_str(chance.one_of::<&str>(&["(?=a)", "\\b", "$", "^", "(?i)", "(?!b)", "\\1"])),
            3..=5 => {
                pattern.push_str(chance.one_of::<&str>(&["a*", "b+", "[ab]{1,100}", "(a|b)*", ".*", "c?", "(ab|a)"]))
            }
            6 => _ = write!(pattern, "({})", self::pattern(chance, depth - 1)),
            7 => _ = write!(pattern, "(?:{}|{})", self::pattern(chance, depth - 1), self::pattern(chance, depth - 1)),
            _ => {
                let (least, most) = (chance.below(40), 40 + chance.below(5000));
                _ = write!(pattern, "({}){{{least},{most}}}", self::pattern(chance, depth - 1));
            }
        }
    }
    if chance.below(3) == 0 {
        pattern.push('$');
    }
    pattern
}

/// Puts something where something else was.
fn mutate(text: &mut String, chance: &mut Chance) {
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
    if places.is_empty() {
        return;
    }
    let place = *chance.one_of(&places);
    match chance.below(5) {
        0 => text.insert_str(place, chance.one_of::<&str>(&NUMBERS)),
        1 => _ = text.remove(place),
        2 => text.insert_str(
            place,
            chance.one_of::<&str>(&["{", "}", "[", "]", ",", "\"", ":", "\\", "null", "true", "{}", "e", "-"]),
        ),
        3 => {
            // A number becomes another.
            let digits = |char: char| char.is_ascii_digit();
            if let Some(from) = text[place..].find(digits).map(|at| at + place) {
                let to = text[from..].find(|char| !digits(char)).map_or(text.len(), |at| at + from);
                text.replace_range(from..to, chance.one_of::<&str>(&NUMBERS));
            }
        }
        _ => {
            let names = [
                "minimum",
                "maximum",
                "multipleOf",
                "pattern",
                "const",
                "enum",
                "type",
                "required",
                "items",
                "anyOf",
                "minLength",
            ];
            let (from, to) = (*chance.one_of(&names), *chance.one_of(&names));
            *text = text.replacen(&format!("\"{from}\""), &format!("\"{to}\""), 1);
        }
    }
}
