//! The walk for callers with keys and with tokens, one account each: what a credential costs.

use super::print;
use crate::load::Measured;
use crate::load::requests::chat;
use crate::options::Options;
use crate::scenario::{Scenario, run_interleaved};
use crate::workers::Sluice;
use harness::issuers::Issuer;
use serde_json::{Value, json};

/// A table with a row for each kind of credential, and how each compares with a key.
pub(crate) fn run(options: &Options, sluice: &Sluice) -> Value {
    let key = sluice.key("open");
    let short = sluice.short_token(&key);
    let seen = |issuer| vec![chat(&token(issuer, 0))];
    let unseen = |issuer: Issuer| {
        eprintln!("  {UNSEEN} tokens are signed with {}", issuer.algorithm());
        (0..UNSEEN).map(|number| chat(&token(issuer, number))).collect::<Vec<_>>()
    };
    let row = |name, requests| Scenario::new(name, options, sluice.address, requests).watching(sluice.process);
    let mut scenarios = [
        row(KEY, vec![chat(&key)]),
        row("short token", vec![chat(&short)]),
        row("EdDSA token", seen(Issuer::Lab)),
        row("RS256 token", seen(Issuer::Mill)),
        row("EdDSA, each token new", unseen(Issuer::Lab)),
        row("ES256, each token new", unseen(Issuer::Port)),
        row("RS256, each token new", unseen(Issuer::Mill)),
    ];
    run_interleaved(options, &mut scenarios);
    let mut section = print(&scenarios);
    let of_key = scenarios[0].median(Measured::rate);
    println!();
    for (scenario, row) in scenarios.iter().zip(section.as_array_mut().into_iter().flatten()).skip(1) {
        let ratio = scenario.median(Measured::rate) / of_key;
        row["of_key"] = ratio.into();
        println!("{:<24} {:>4.0} % of the rate of an API key", scenario.name, 100.0 * ratio);
    }
    section
}

/// One of many tokens of one subject.
fn token(issuer: Issuer, number: usize) -> String {
    let mut claims = issuer.claims("bench");
    claims["exp"] = json!(jsonwebtoken::get_current_timestamp() + 7_200);
    claims["jti"] = json!(number.to_string());
    issuer.sign(&claims)
}

const KEY: &str = "API key";
/// More than an isolate remembers, so that a token is forgotten before it comes again.
const UNSEEN: usize = 10_000;
