//! What is on the board: rows of panels, each of which asks something.

mod pictures;

use pictures::pictures;

/// A row.
pub(super) struct Row {
    /// What it is about.
    pub(super) title: &'static str,
    /// From left to right; they wrap.
    pub(super) panels: Vec<Panel>,
}

/// A panel.
pub(super) struct Panel {
    /// What it shows.
    pub(super) title: &'static str,
    /// What else there is to know of it.
    pub(super) says: &'static str,
    /// What its numbers are.
    pub(super) unit: Unit,
    /// Whether its curves are parts of a whole.
    pub(super) stacked: bool,
    /// How much of the 24 columns it takes.
    pub(super) width: u64,
    /// Its curves.
    pub(super) curves: Vec<Curve>,
}

/// A curve, or one for each value of its labels.
pub(super) struct Curve {
    /// In Prometheus' language.
    pub(super) query: String,
    /// Its name, with labels as in `{{model}}`.
    pub(super) legend: String,
}

/// What a number is, by Grafana's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// How many.
    Count,
    /// How many a second.
    PerSecond,
    /// How long.
    Seconds,
    /// Of one.
    Share,
    /// Of memory.
    Bytes,
    /// How warm.
    Celsius,
    /// What is drawn.
    Watts,
}

/// What whoever looks at the board may choose.
pub(super) struct Variable {
    /// How queries name it.
    pub(super) name: &'static str,
    /// What people read.
    pub(super) title: &'static str,
    /// The measure that has the values.
    pub(super) measure: &'static str,
    /// And in which of its labels.
    pub(super) label: &'static str,
}

/// All of them.
pub(super) const VARIABLES: [Variable; 2] = [
    Variable { name: "model", title: "Model", measure: "sluice_requests_total{job=\"sluice-edge\"}", label: "model" },
    Variable { name: "plan", title: "Plan", measure: "sluice_requests_total{job=\"sluice-edge\"}", label: "plan" },
];

/// All of it.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row { title: "Traffic", panels: traffic() },
        Row { title: "Refusals", panels: refusals() },
        Row { title: "How long it takes", panels: durations() },
        Row { title: "Tokens", panels: tokens() },
        Row { title: "Pictures", panels: pictures() },
        Row { title: "The edge at work", panels: edge() },
        Row { title: "Origins, as the edge sees them", panels: origins() },
        Row { title: "Origins, as they see themselves", panels: origins_own() },
        Row { title: "GPUs of origins", panels: gpus() },
    ]
}

fn traffic() -> Vec<Panel> {
    let of = |extra: &str| format!("{{job=\"sluice-edge\",model=~\"$model\",plan=~\"$plan\"{extra}}}");
    let requests = |by: &str| rate_by(by, &format!("sluice_requests_total{}", of("")));
    let all = rate(&format!("sluice_requests_total{}", of("")));
    let bad = rate(&format!("sluice_requests_total{}", of(",outcome=~\"failed|cut\"")));
    vec![
        Panel {
            title: "Requests by outcome",
            says: "served: answered to the end. cut: the answer broke off. refused: for a reason of the caller's. \
                failed: for a reason of ours. left: the caller went away.",
            stacked: true,
            curves: vec![curve(requests("outcome"), "{{outcome}}")],
            ..panel(Unit::PerSecond, 12)
        },
        Panel {
            title: "Failed or cut, of all",
            curves: vec![curve(format!("({bad} or vector(0)) / {all}"), "failed or cut")],
            ..panel(Unit::Share, 12)
        },
        Panel {
            title: "Requests by model",
            says: "A model has a name here once it has answered; what callers make up has none.",
            stacked: true,
            curves: vec![curve(requests("model"), "{{model}}")],
            ..panel(Unit::PerSecond, 12)
        },
        Panel {
            title: "Requests by plan",
            says: "Whoever was refused before a plan was known has none.",
            stacked: true,
            curves: vec![curve(requests("plan"), "{{plan}}")],
            ..panel(Unit::PerSecond, 12)
        },
    ]
}

fn refusals() -> Vec<Panel> {
    let by_limit = "sluice_limit_refusals_total{job=\"sluice-edge\",plan=~\"$plan\"}";
    vec![
        Panel {
            title: "Refusals by limit",
            says: "A request that two limits refuse counts for both.",
            stacked: true,
            curves: vec![curve(rate_by("plan, limit", by_limit), "{{plan}}: {{limit}}")],
            ..panel(Unit::PerSecond, 12)
        },
        Panel {
            title: "Refusals by code",
            says: "Of all models and plans: the code that callers were told.",
            stacked: true,
            curves: vec![curve(rate_by("code", "sluice_refusals_total{job=\"sluice-edge\"}"), "{{code}}")],
            ..panel(Unit::PerSecond, 12)
        },
    ]
}

fn durations() -> Vec<Panel> {
    let of = |measure: &str| format!("{measure}{{job=\"sluice-edge\",model=~\"$model\"}}");
    let first = of("sluice_time_to_first_token_seconds_bucket");
    let answer = of("sluice_answer_seconds_bucket");
    let three = |measure: &str| [50, 95, 99].map(|of| curve(quantile(of, "", measure), &format!("p{of}"))).into();
    let mean = |measure: &str| {
        let (sum, count) = (of(&format!("{measure}_sum")), of(&format!("{measure}_count")));
        format!("{} / {}", rate(&sum), rate(&count))
    };
    vec![
        Panel {
            title: "First token of a stream",
            says: "Since it was admitted.",
            curves: three(&first),
            ..panel(Unit::Seconds, 8)
        },
        Panel {
            title: "Whole answers",
            says: "From a request's first byte to its answer's last.",
            curves: three(&answer),
            ..panel(Unit::Seconds, 8)
        },
        Panel {
            title: "First token by model, p95",
            curves: vec![curve(quantile(95, "model", &first), "{{model}}")],
            ..panel(Unit::Seconds, 8)
        },
        Panel {
            title: "Means",
            curves: vec![
                curve(mean("sluice_time_to_first_token_seconds"), "first token"),
                curve(mean("sluice_answer_seconds"), "whole answer"),
            ],
            ..panel(Unit::Seconds, 24)
        },
    ]
}

fn tokens() -> Vec<Panel> {
    let of = |extra: &str| format!("sluice_tokens_total{{job=\"sluice-edge\",model=~\"$model\"{extra}}}");
    vec![
        Panel {
            title: "Tokens by kind",
            says: "cached ones are among prompt's, thinking ones among completion's.",
            curves: vec![curve(rate_by("kind", &of("")), "{{kind}}")],
            ..panel(Unit::PerSecond, 12)
        },
        Panel {
            title: "Tokens of answers, by model",
            stacked: true,
            curves: vec![curve(rate_by("model", &of(",kind=\"completion\"")), "{{model}}")],
            ..panel(Unit::PerSecond, 12)
        },
    ]
}

fn edge() -> Vec<Panel> {
    let calls = rate("sluice_gate_calls_total{job=\"sluice-edge\"}");
    let written = rate("sluice_gate_rows_written_total{job=\"sluice-edge\"}");
    let gauge = |name: &str| format!("sum({name}{{job=\"sluice-edge\"}})");
    vec![
        Panel {
            title: "In flight",
            says: "Admitted and not ended, as each isolate said last.",
            curves: vec![curve(gauge("sluice_requests_in_flight"), "requests")],
            ..panel(Unit::Count, 8)
        },
        Panel {
            title: "Gates",
            says: "A served request is two rows or less, a refused one none.",
            curves: vec![curve(calls, "messages"), curve(written, "rows written")],
            ..panel(Unit::PerSecond, 8)
        },
        Panel {
            title: "Isolates, and Meters that tell",
            says: "Of fewer than four Meters, everything above is too low.",
            curves: vec![curve(gauge("sluice_isolates"), "isolates")],
            ..panel(Unit::Count, 4)
        },
        Panel {
            title: "What should not be",
            says: "Logins of admins that failed, leases of which nobody said what became of their requests, \
                and spans that no collector took.",
            curves: vec![
                curve(rate("sluice_failed_logins_total{job=\"sluice-edge\"}"), "failed logins"),
                curve(rate("sluice_leases_lapsed_total{job=\"sluice-edge\"}"), "lapsed leases"),
                curve(rate("sluice_spans_dropped_total{job=\"sluice-edge\"}"), "dropped spans"),
                curve(
                    rate("sluice_exported_spans_total{job=\"sluice-origin\",outcome!=\"sent\"}"),
                    "spans of origins that did not come",
                ),
            ],
            ..panel(Unit::PerSecond, 4)
        },
    ]
}

fn origins() -> Vec<Panel> {
    let of = |name: &str| curve(format!("max by (origin) ({name}{{job=\"sluice-edge\"}})"), "origin {{origin}}");
    vec![
        Panel {
            title: "Takes requests",
            says: "1 if most isolates say so. Who is alone has no name.",
            curves: vec![of("sluice_origin_up")],
            ..panel(Unit::Count, 8)
        },
        Panel {
            title: "How full",
            says: "Of all that run and wait there, or of its GPU's memory, as it said itself.",
            curves: vec![of("sluice_origin_in_use_ratio")],
            ..panel(Unit::Share, 8)
        },
        Panel {
            title: "Wait",
            says: "How long a request that came now would wait there, as it said itself.",
            curves: vec![of("sluice_origin_wait_seconds")],
            ..panel(Unit::Seconds, 8)
        },
    ]
}

fn origins_own() -> Vec<Panel> {
    let gauge = |name: &str| format!("sum(sluice_num_{name}{{job=\"sluice-origin\"}})");
    let of = |name: &str| format!("sluice_{name}{{job=\"sluice-origin\",model_name=~\"$model\"}}");
    let p95 = |name: &str, legend: &str| curve(quantile(95, "", &of(&format!("{name}_seconds_bucket"))), legend);
    let (hits, looked) = (rate(&of("prefix_cache_hits_total")), rate(&of("prefix_cache_queries_total")));
    vec![
        Panel {
            title: "Places",
            curves: vec![
                curve(gauge("requests_running"), "running"),
                curve(gauge("requests_waiting"), "waiting"),
                curve(gauge("slots"), "slots"),
            ],
            ..panel(Unit::Count, 8)
        },
        Panel {
            title: "Where the time goes, p95",
            curves: vec![
                p95("request_queue_time", "to its slot"),
                p95("request_prefill_time", "from there to the first token"),
                p95("request_decode_time", "from there to the last"),
                p95("time_to_first_token", "to the first token"),
                p95("e2e_request_latency", "all of it"),
            ],
            ..panel(Unit::Seconds, 8)
        },
        Panel {
            title: "Tokens computed",
            curves: vec![
                curve(rate(&of("prompt_tokens_total")), "of prompts"),
                curve(rate(&of("generation_tokens_total")), "of answers"),
            ],
            ..panel(Unit::PerSecond, 8)
        },
        Panel {
            title: "Prompts that were remembered",
            says: "Tokens of prompts that needed no computing, of all.",
            curves: vec![curve(format!("{hits} / {looked}"), "remembered")],
            ..panel(Unit::Share, 8)
        },
        Panel {
            title: "How requests ended",
            stacked: true,
            curves: vec![curve(rate_by("outcome", &of("requests_total")), "{{outcome}}")],
            ..panel(Unit::PerSecond, 8)
        },
        Panel {
            title: "Refusals and errors, by code",
            stacked: true,
            curves: vec![curve(rate_by("code", "sluice_refusals_total{job=\"sluice-origin\"}"), "{{code}}")],
            ..panel(Unit::PerSecond, 8)
        },
    ]
}

fn gpus() -> Vec<Panel> {
    let of = |name: &str, what: &str| {
        let query = format!("max by (instance, gpu) (sluice_origin_gpu_{name}{{job=\"sluice-origin\"}})");
        curve(query, &format!("{what}{{{{instance}}}} {{{{gpu}}}}"))
    };
    vec![
        Panel {
            title: "Computing",
            says: "How much of the time something computed on it. A GPU at 1 may still have room for more at once.",
            curves: vec![of("utilization_ratio", "")],
            ..panel(Unit::Share, 8)
        },
        Panel {
            title: "Memory",
            says: "Weights and a pool for keys and values fill most of it when all is well.",
            curves: vec![of("memory_used_bytes", "in use, "), of("memory_total_bytes", "all, ")],
            ..panel(Unit::Bytes, 8)
        },
        Panel {
            title: "How memory presses",
            says: "Above 0, others or we ourselves take what was spare when the models were loaded.",
            curves: vec![of("memory_pressure_ratio", "")],
            ..panel(Unit::Share, 8)
        },
        Panel { title: "Temperature", curves: vec![of("temperature_celsius", "")], ..panel(Unit::Celsius, 8) },
        Panel { title: "Power", curves: vec![of("power_watts", "")], ..panel(Unit::Watts, 8) },
        Panel {
            title: "Age of what was read",
            says: "Rises where the driver hangs or the GPU is lost. After five seconds nothing else is told.",
            curves: vec![of("reading_age_seconds", "")],
            ..panel(Unit::Seconds, 8)
        },
    ]
}

fn panel(unit: Unit, width: u64) -> Panel {
    Panel { title: "", says: "", unit, stacked: false, width, curves: Vec::new() }
}

fn curve(query: String, legend: &str) -> Curve {
    Curve { query, legend: legend.to_owned() }
}

/// How many a second, all of a measure together.
fn rate(measure: &str) -> String {
    format!("sum(rate({measure}[$__rate_interval]))")
}

/// The same, told apart by labels.
fn rate_by(labels: &str, measure: &str) -> String {
    format!("sum by ({labels}) (rate({measure}[$__rate_interval]))")
}

/// How long so many of a hundred took at most.
fn quantile(percent: u64, by: &str, buckets: &str) -> String {
    let by = if by.is_empty() { "le".to_owned() } else { format!("le, {by}") };
    format!("histogram_quantile(0.{percent}, {})", rate_by(&by, buckets))
}
