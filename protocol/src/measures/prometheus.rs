//! `GET /metrics`: what was counted, in Prometheus' text format, version 0.0.4.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use super::LONG_MS;
use super::meter::Reading;
use super::series::{BOUNDS, Label, Series};
use crate::time::Millis;
use std::fmt::{Display, Write};

/// A measure, as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels, besides `le`.
    pub labels: &'static [&'static str],
}

/// All measures, in the order in which they are told.
pub const MEASURES: [Measure; 18] = [
    REQUESTS,
    REFUSALS,
    LIMIT_REFUSALS,
    FIRST_TOKEN,
    ANSWER,
    TOKENS,
    GATE_CALLS,
    GATE_ROWS,
    FAILED_LOGINS,
    LAPSED,
    SPANS_DROPPED,
    IMAGES,
    IMAGE_STEPS,
    IN_FLIGHT,
    ISOLATES,
    ORIGIN_UP,
    ORIGIN_IN_USE,
    ORIGIN_WAIT,
];

/// The text of what all Meters have told.
pub fn text(reading: &Reading, now: Millis) -> String {
    let mut text = Text::default();
    let [mut first_tokens, mut answers] = [Vec::new(), Vec::new()];
    let mut seen = None;
    for (series, count) in reading.sums.iter() {
        let (measure, values): (Measure, Vec<&str>) = match series {
            Series::Requests { outcome, model, plan } => {
                (REQUESTS, vec![outcome.name(), model.as_str(), plan.as_str()])
            }
            Series::Refused { code } => (REFUSALS, vec![code.as_str()]),
            Series::RefusedBy { plan, limit } => (LIMIT_REFUSALS, vec![plan.as_str(), limit.as_str()]),
            Series::Tokens { model, kind } => (TOKENS, vec![model.as_str(), kind.name()]),
            Series::GateCalls => (GATE_CALLS, Vec::new()),
            Series::GateRows => (GATE_ROWS, Vec::new()),
            Series::FailedLogins => (FAILED_LOGINS, Vec::new()),
            Series::Lapsed => (LAPSED, Vec::new()),
            Series::SpansDropped => (SPANS_DROPPED, Vec::new()),
            Series::Images { model } => (IMAGES, vec![model.as_str()]),
            Series::ImageSteps { model } => (IMAGE_STEPS, vec![model.as_str()]),
            Series::KeyRefused { .. } | Series::BudgetUsed { .. } => continue,
            Series::FirstToken { model, bucket } => {
                of(&mut first_tokens, model).add(*bucket, count);
                continue;
            }
            Series::FirstTokenMs { model } => {
                of(&mut first_tokens, model).sum_ms = count;
                continue;
            }
            Series::Answer { model, bucket } => {
                of(&mut answers, model).add(*bucket, count);
                continue;
            }
            Series::AnswerMs { model } => {
                of(&mut answers, model).sum_ms = count;
                continue;
            }
        };
        if seen.replace(measure.name) != Some(measure.name) {
            text.head(measure);
        }
        text.sample(measure, "", &values, None, count);
    }
    for (measure, models) in [(FIRST_TOKEN, &first_tokens), (ANSWER, &answers)] {
        if !models.is_empty() {
            text.head(measure);
        }
        models.iter().for_each(|model| text.histogram(measure, model));
    }
    let is_recent = |at: Millis| now.saturating_sub(at) < LONG_MS;
    let isolates = reading.isolates.iter().filter(|isolate| is_recent(isolate.at)).count();
    text.gauge(IN_FLIGHT, [(Vec::new(), reading.in_flight())]);
    text.gauge(ISOLATES, [(Vec::new(), isolates)]);
    let origins = reading.origins();
    let said = || origins.iter().filter_map(|origin| Some((origin, origin.said.filter(|said| is_recent(said.at))?)));
    text.gauge(ORIGIN_UP, origins.iter().map(|origin| (vec![origin.name.as_str()], u8::from(origin.takes_requests))));
    text.gauge(
        ORIGIN_IN_USE,
        said().map(|(origin, said)| (vec![origin.name.as_str()], thousandths(10 * u64::from(said.percent)))),
    );
    text.gauge(ORIGIN_WAIT, said().map(|(origin, said)| (vec![origin.name.as_str()], seconds(said.wait_ms))));
    text.0
}

struct Histogram<'m> {
    model: &'m Label,
    buckets: [u64; BOUNDS.len() + 1],
    sum_ms: Millis,
}

fn of<'h, 'm>(histograms: &'h mut Vec<Histogram<'m>>, model: &'m Label) -> &'h mut Histogram<'m> {
    let place = histograms.iter().position(|histogram| histogram.model == model).unwrap_or_else(|| {
        histograms.push(Histogram { model, buckets: [0; BOUNDS.len() + 1], sum_ms: 0 });
        histograms.len() - 1
    });
    &mut histograms[place]
}

impl Histogram<'_> {
    fn add(&mut self, bucket: u8, count: u64) {
        self.buckets[usize::from(bucket).min(BOUNDS.len())] += count;
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, measure: Measure) {
        let Measure { name, help, kind, .. } = measure;
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn gauge<'v>(&mut self, measure: Measure, samples: impl IntoIterator<Item = (Vec<&'v str>, impl Display)>) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_some() {
            self.head(measure);
        }
        samples.for_each(|(values, value)| self.sample(measure, "", &values, None, value));
    }

    fn histogram(&mut self, measure: Measure, histogram: &Histogram<'_>) {
        let (values, mut sum) = ([histogram.model.as_str()], 0_u64);
        for (index, count) in histogram.buckets.iter().enumerate() {
            sum += count;
            let bound = BOUNDS.get(index).map_or_else(|| "+Inf".to_owned(), |bound| seconds(*bound));
            self.sample(measure, "_bucket", &values, Some(&bound), sum);
        }
        self.sample(measure, "_sum", &values, None, seconds(histogram.sum_ms));
        self.sample(measure, "_count", &values, None, sum);
    }

    fn sample(&mut self, measure: Measure, ending: &str, values: &[&str], bound: Option<&str>, value: impl Display) {
        let labels = measure.labels.iter().copied().zip(values.iter().copied()).chain(bound.map(|bound| ("le", bound)));
        let labels: Vec<_> = labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.line(format_args!("{}{ending}{labels} {value}", measure.name));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

fn seconds(ms: Millis) -> String {
    thousandths(ms)
}

/// A number of thousandths, as a decimal.
fn thousandths(number: u64) -> String {
    let decimal = format!("{}.{:03}", number / 1_000, number % 1_000);
    decimal.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A label's value: a backslash, a quote and an end of a line are written as two characters.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

const REQUESTS: Measure = Measure {
    name: "sluice_requests_total",
    help: "Requests for an answer that are over, by what became of them.",
    kind: "counter",
    labels: &["outcome", "model", "plan"],
};
const REFUSALS: Measure = Measure {
    name: "sluice_refusals_total",
    help: "Requests for an answer that were refused, by the code that their callers were told.",
    kind: "counter",
    labels: &["code"],
};
const LIMIT_REFUSALS: Measure = Measure {
    name: "sluice_limit_refusals_total",
    help: "How often each limit refused; a request that two limits refuse counts for both.",
    kind: "counter",
    labels: &["plan", "limit"],
};
const TOKENS: Measure = Measure {
    name: "sluice_tokens_total",
    help: "Tokens, as far as origins told; cached ones are prompt's, thinking ones are completion's.",
    kind: "counter",
    labels: &["model", "kind"],
};
const FIRST_TOKEN: Measure = Measure {
    name: "sluice_time_to_first_token_seconds",
    help: "How long the first token of a stream took since it was admitted.",
    kind: "histogram",
    labels: &["model"],
};
const ANSWER: Measure = Measure {
    name: "sluice_answer_seconds",
    help: "How long requests took that were answered, till the last byte.",
    kind: "histogram",
    labels: &["model"],
};
const GATE_CALLS: Measure = Measure {
    name: "sluice_gate_calls_total",
    help: "Messages to Gates; several requests may share one.",
    kind: "counter",
    labels: &[],
};
const GATE_ROWS: Measure = Measure {
    name: "sluice_gate_rows_written_total",
    help: "Rows that Gates wrote over these messages.",
    kind: "counter",
    labels: &[],
};
const FAILED_LOGINS: Measure =
    Measure { name: "sluice_failed_logins_total", help: "Logins of admins that failed.", kind: "counter", labels: &[] };
const LAPSED: Measure = Measure {
    name: "sluice_leases_lapsed_total",
    help: "Leases that ended by themselves: nobody said what became of their requests.",
    kind: "counter",
    labels: &[],
};
const SPANS_DROPPED: Measure = Measure {
    name: "sluice_spans_dropped_total",
    help: "Spans that were to be exported and were dropped: a collector did not take them in time.",
    kind: "counter",
    labels: &[],
};
const IMAGES: Measure = Measure {
    name: "sluice_images_total",
    help: "Pictures that were begun, as far as origins told.",
    kind: "counter",
    labels: &["model"],
};
const IMAGE_STEPS: Measure = Measure {
    name: "sluice_image_steps_total",
    help: "Steps of pictures that were run, as far as origins told.",
    kind: "counter",
    labels: &["model"],
};
const IN_FLIGHT: Measure = Measure {
    name: "sluice_requests_in_flight",
    help: "Requests that were admitted and have not ended.",
    kind: "gauge",
    labels: &[],
};
const ISOLATES: Measure = Measure {
    name: "sluice_isolates",
    help: "Isolates of the edge that have counted something within the last minute.",
    kind: "gauge",
    labels: &[],
};
const ORIGIN_UP: Measure = Measure {
    name: "sluice_origin_up",
    help: "Whether an origin takes requests, as far as most isolates know.",
    kind: "gauge",
    labels: &["origin"],
};
const ORIGIN_IN_USE: Measure = Measure {
    name: "sluice_origin_in_use_ratio",
    help: "How full an origin is, of 1, as it said within the last minute: its places, or its GPU's memory.",
    kind: "gauge",
    labels: &["origin"],
};
const ORIGIN_WAIT: Measure = Measure {
    name: "sluice_origin_wait_seconds",
    help: "How long a request waits at an origin, as it said within the last minute.",
    kind: "gauge",
    labels: &["origin"],
};
