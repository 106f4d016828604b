//! The differential test: random schemas over every keyword, format and way to refer, answers drawn from their
//! grammars, and a judge that shares nothing with the compiler. What is taken and does not bind is a fault.
//!
//! `SLUICE_FORMS_SECONDS` makes it longer than its few hundred schemas.

mod schemas;

use super::written::judged;
pub(super) use schemas::schema;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SCHEMAS: u64 = 700;

#[test]
fn what_is_taken_binds() {
    let seconds = std::env::var("SLUICE_FORMS_SECONDS").ok().map(|seconds| seconds.parse::<u64>().unwrap());
    let (began, mut whys) = (Instant::now(), BTreeMap::<String, u32>::new());
    let (mut taken, mut refused, mut whole) = (0, 0, 0);
    let mut wrong = Vec::new();
    for seed in 0.. {
        if seconds.map_or(seed >= SCHEMAS, |seconds| began.elapsed() > Duration::from_secs(seconds)) {
            break;
        }
        let schema = schema(seed);
        match judged(&schema, 8) {
            Ok(answers) => {
                taken += 1;
                whole += answers;
            }
            // The judge takes no schema that none is.
            Err(why) if super::compiled(&schema.to_string()).is_ok() && !why.contains("no schema") => {
                wrong.push(format!("{seed}: {schema}\n{why}"));
            }
            Err(why) => {
                refused += 1;
                *whys.entry(why.chars().filter(|char| !char.is_ascii_digit()).take(60).collect()).or_default() += 1;
            }
        }
        if wrong.len() > 20 {
            break;
        }
    }
    println!("{taken} taken, {refused} refused, {whole} answers\n{whys:#?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(taken > refused && whole > 3 * taken, "{taken} taken, {refused} refused, {whole} answers");
}

/// Schemas that the differential test found to be followed wrongly.
#[test]
fn what_was_found() {
    for schema in FOUND {
        let schema: Value = serde_json::from_str(schema).unwrap();
        if let Err(why) = judged(&schema, 100) {
            assert!(super::compiled(&schema.to_string()).is_err(), "{schema}\n{why}");
        }
    }
}

const FOUND: [&str; 3] = [
    r#"{"type":"integer","maximum":-100,"multipleOf":100}"#,
    r#"{"type":"number","exclusiveMaximum":1}"#,
    r#"{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"minProperties":3}"#,
];
