//! The same question through each door, one account each: what a protocol costs beside Chat's.

use super::print;
use crate::figures::{interval, median};
use crate::load::Measured;
use crate::load::requests::{MODEL, SYSTEM, USER, post};
use crate::options::Options;
use crate::scenario::{Scenario, run_interleaved};
use crate::workers::Sluice;
use serde_json::{Value, json};
use sluice_protocol::request::door::Door;

/// A table with a row for each door, and how each compares with Chat's: the median of what two rounds that follow each other are
/// to one another, and where it lies.
pub(crate) fn run(options: &Options, sluice: &Sluice) -> Value {
    let asked = Door::ALL.iter().filter_map(|door| Some((door.path(), body(*door)?)));
    let mut scenarios: Vec<_> = asked
        .map(|(path, body)| {
            let requests = vec![post(path, &sluice.key("open"), &body)];
            Scenario::new(path, options, sluice.address, requests).watching(sluice.process)
        })
        .collect();
    run_interleaved(options, &mut scenarios);
    let mut section = print(&scenarios);
    println!();
    let (chat, others) = scenarios.split_first().expect("Chat's is the first door");
    for (door, row) in others.iter().zip(section.as_array_mut().into_iter().flatten().skip(1)) {
        for (what, of) in [("rate", Measured::rate as fn(&Measured) -> f64), ("CPU", Measured::gateway_us)] {
            let ratios = || chat.rounds.iter().zip(&door.rounds).map(|(chat, door)| of(door) / of(chat));
            let ((low, high), ratio) = (interval(ratios()), median(ratios()));
            row[format!("{what}_of_chat").to_lowercase()] = json!({"median": ratio, "low": low, "high": high});
            println!("{:<28} {what} of Chat's {ratio:.3} ({low:.3}-{high:.3})", door.name);
        }
    }
    section
}

/// The question of [`chat`](crate::load::requests::chat) as this door has it; `None` for one that generates nothing.
fn body(door: Door) -> Option<Value> {
    let said = json!([{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]);
    let asked = match door {
        Door::Chat => json!({"messages": said, "max_tokens": 64, "temperature": 0.7}),
        Door::Completions => json!({"prompt": format!("{SYSTEM}\n{USER}"), "max_tokens": 64, "temperature": 0.7}),
        Door::OllamaChat => {
            json!({"messages": said, "stream": false, "options": {"num_predict": 64, "temperature": 0.7}})
        }
        Door::OllamaGenerate => {
            json!({"system": SYSTEM, "prompt": USER, "stream": false, "options": {"num_predict": 64, "temperature": 0.7}})
        }
        Door::Messages => {
            json!({"system": SYSTEM, "messages": [{"role": "user", "content": USER}], "max_tokens": 64, "temperature": 0.7})
        }
        Door::Responses => {
            json!({"instructions": SYSTEM, "input": USER, "max_output_tokens": 64, "temperature": 0.7, "store": false})
        }
        Door::CountTokens
        | Door::Embeddings
        | Door::OllamaEmbed
        | Door::OllamaEmbeddings
        | Door::Rerank
        | Door::Images
        | Door::Tokenize
        | Door::Detokenize => return None,
    };
    let mut asked = asked;
    asked["model"] = MODEL.into();
    Some(asked)
}
