//! The caller who behaves: two small requests a second, every other one streamed.

use crate::gates::Gates;
use harness::caller::{hello, hello_stream};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What it met.
pub(crate) struct Good {
    statuses: BTreeMap<String, u64>,
    latencies: Vec<Duration>,
    sent: u64,
    counted: u64,
}

/// Calls until it is over, at its own pace, however long answers take. Then asks how much of its window is used.
pub(crate) fn run(gates: &Gates, over: &AtomicBool) -> Good {
    let key = gates.caller.issue_key("good");
    let met = Mutex::new((BTreeMap::<String, u64>::new(), Vec::new()));
    let mut sent = 0;
    std::thread::scope(|scope| {
        let begun = Instant::now();
        while !over.load(Ordering::Relaxed) {
            let streams = sent % 2 == 1;
            let (key, met) = (&key.key, &met);
            scope.spawn(move || {
                let at = Instant::now();
                let body = if streams { hello_stream(8) } else { hello(8) };
                let answer = gates.caller.chat(Some(key), &body);
                let is_whole = !streams || answer.text().trim_end().ends_with("[DONE]");
                let what = if is_whole { answer.status.to_string() } else { format!("{} and cut off", answer.status) };
                // A thread that panicked with the lock held has said why already.
                let mut met = met.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *met.0.entry(what).or_default() += 1;
                met.1.push(at.elapsed());
            });
            sent += 1;
            let due = begun + PACE * u32::try_from(sent).unwrap_or(u32::MAX);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    });
    let (statuses, mut latencies) = met.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    latencies.sort();
    let own = serde_json::to_value(gates.caller.own(&key.key)).unwrap_or_default();
    let counted = own["limits"].as_array().and_then(|limits| limits[0]["used"].as_u64()).unwrap_or_default();
    Good { statuses, latencies, sent, counted }
}

impl Good {
    /// In a line.
    pub(crate) fn line(&self) -> String {
        let at = |part: f64| {
            let place = ((self.latencies.len() as f64 * part) as usize).min(self.latencies.len().saturating_sub(1));
            self.latencies.get(place).copied().unwrap_or_default().as_millis()
        };
        format!(
            "who behaves: {} sent, {} counted in its window, answers {:?}; ms: median {}, p99 {}, longest {}",
            self.sent,
            self.counted,
            self.statuses,
            at(0.5),
            at(0.99),
            at(1.0)
        )
    }

    /// What must not be.
    pub(crate) fn faults(&self, lease: Duration) -> Vec<String> {
        let mut faults = Vec::new();
        if self.statuses.keys().any(|status| status != "200") {
            faults.push(format!("who behaves was answered {:?}", self.statuses));
        }
        if self.latencies.last().is_none_or(|longest| *longest >= lease) {
            faults.push(format!("who behaves waited for {:?}", self.latencies.last()));
        }
        if self.sent != self.counted {
            faults.push(format!("who behaves sent {} and was counted {}", self.sent, self.counted));
        }
        faults
    }
}

/// From one request to the next.
const PACE: Duration = Duration::from_millis(500);
