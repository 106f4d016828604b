//! Which measures there are: as the sources of both gates declare them, and as docs/measures.md lists them.

use anyhow::{Context, Result, bail};

/// Where the tables are.
pub(super) const PAGE: &str = "docs/measures.md";
/// What to do about a table that is not true.
pub(super) const PAGE_FIX: &str = "docs/measures.md has one row per measure between `<!-- measures:GATE -->` and \
    `<!-- /measures -->`: `| `name` | kind | `label`, `label` | what it is |`; make it equal to what the gate declares";

/// A measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    /// Its name, as Prometheus has it: a counter's ends in `_total`.
    pub(super) name: String,
    /// `counter`, `gauge` or `histogram`.
    pub(super) kind: String,
    /// Its labels, but for `le`; `None` where the source does not tell them in one place.
    pub(super) labels: Option<Vec<String>>,
    /// What it is.
    pub(super) help: String,
}

impl Measure {
    /// Whether it is told under this name: a histogram is under three.
    pub(super) fn is_told_as(&self, name: &str) -> bool {
        let endings: &[&str] = if self.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        name.strip_prefix(&self.name).is_some_and(|ending| endings.contains(&ending))
    }
}

/// The rows of the page's table for `gate`.
pub(super) fn from_page(page: &str, gate: &str) -> Result<Vec<Measure>> {
    let begin = format!("<!-- measures:{gate} -->");
    let (_, after) = page.split_once(&begin).with_context(|| format!("{PAGE} has no `{begin}`"))?;
    let (table, _) = after.split_once("<!-- /measures -->").with_context(|| format!("{PAGE}: a table does not end"))?;
    Ok(table.lines().filter_map(row).collect())
}

/// `| `name` | kind | `label`, `label` | what it is |`; `None` for the head and the rule below it.
fn row(line: &str) -> Option<Measure> {
    let mut cells = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
    let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
    let kind = cells.next()?.to_owned();
    let labels = cells.next()?.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some(Measure { name, kind, labels: Some(labels), help: cells.collect::<Vec<_>>().join("|") })
}

/// What protocol/src/measures/prometheus.rs declares: a constant for each, and a list of those that are told.
pub(super) fn from_edge(source: &str) -> Result<Vec<Measure>> {
    let list = between(source, "pub const MEASURES: [Measure; ", "];").and_then(|list| Some(list.split_once("= [")?.1));
    let list = list.context("protocol/src/measures/prometheus.rs has no list MEASURES")?;
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(|name| declared(source, name)).collect()
}

fn declared(source: &str, constant: &str) -> Result<Measure> {
    let shown = || format!("protocol/src/measures/prometheus.rs: {constant} is no literal `Measure`");
    let entry = between(source, &format!("const {constant}: Measure ="), "};").with_context(shown)?;
    let text = |name: &str| quoted(entry.split_once(&format!("{name}: "))?.1);
    let labels = between(entry, "labels: &[", "]").with_context(shown)?;
    Ok(Measure {
        name: text("name").with_context(shown)?,
        kind: text("kind").with_context(shown)?,
        labels: Some(labels.split('"').skip(1).step_by(2).map(str::to_owned).collect()),
        help: text("help").with_context(shown)?,
    })
}

/// What origin/src/settle/metrics.rs registers. Its library puts the prefix before a name, and behind it what
/// OpenMetrics wants there; and a full stop behind what it is. Labels are named where each is counted, so an end-to-end
/// test compares those.
pub(super) fn from_origin(source: &str) -> Result<Vec<Measure>> {
    let prefix = source.split_once("with_prefix(").and_then(|(_, rest)| quoted(rest));
    let prefix = prefix.context("origin/src/settle/metrics.rs gives its measures no prefix")?;
    let fields = between(source, "struct Metrics {", "\n}").context("origin/src/settle/metrics.rs has no Metrics")?;
    let body =
        between(source, "fn registered(", "\n    }\n").context("origin/src/settle/metrics.rs registers nothing")?;
    let body = body.split_whitespace().collect::<Vec<_>>().join(" ").replace("( \"", "(\"");
    let mut all = Vec::new();
    for entry in body.split("(\"").skip(1) {
        let shown = || format!("origin/src/settle/metrics.rs: not a literal entry: {entry}");
        let (name, rest) = entry.split_once("\", \"").with_context(shown)?;
        let (help, rest) = rest.split_once("\", ").with_context(shown)?;
        let field = rest.trim_start_matches('&').strip_prefix("self.").with_context(shown)?;
        let field: String = field.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let (_, kind) = fields.split_once(&format!(" {field}: ")).with_context(shown)?;
        let kind = kind.lines().next().unwrap_or_default();
        let (kind, ending) = match kind {
            "Gauge," | "GpuGauges," => ("gauge", ""),
            "Histograms," => ("histogram", "_seconds"),
            counter if counter.ends_with("Counter>,") => ("counter", "_total"),
            other => bail!("origin/src/settle/metrics.rs: what kind of a measure is {other}?"),
        };
        let (name, help) = (format!("{prefix}_{name}{ending}"), format!("{help}."));
        all.push(Measure { name, kind: kind.to_owned(), labels: None, help });
    }
    Ok(all)
}

/// Measures in one and not in the other, and what differs.
pub(super) fn differences(gate: &str, page: &[Measure], source: &[Measure]) -> Vec<String> {
    let mut found = Vec::new();
    for told in source {
        let Measure { name, kind, labels, help } = told;
        let Some(row) = page.iter().find(|row| row.name == *name) else {
            found.push(format!("{gate}: {name} is missing from {PAGE}"));
            continue;
        };
        let pairs = [("kind", kind, &row.kind), ("meaning", help, &row.help)];
        for (what, told, shown) in pairs.into_iter().filter(|(_, told, shown)| told != shown) {
            found.push(format!("{gate}: the {what} of {name} is `{told}`, {PAGE} says `{shown}`"));
        }
        if labels.is_some() && row.labels != *labels {
            let listed = |labels: &Option<Vec<String>>| labels.iter().flatten().cloned().collect::<Vec<_>>().join(", ");
            let (told, shown) = (listed(labels), listed(&row.labels));
            found.push(format!("{gate}: the labels of {name} are `{told}`, {PAGE} says `{shown}`"));
        }
    }
    for row in page.iter().filter(|row| source.iter().all(|told| told.name != row.name)) {
        found.push(format!("{gate}: {PAGE} lists {}, which is not told", row.name));
    }
    if source.is_empty() {
        found.push(format!("{gate}: no measures were found in the source, so nothing was compared"));
    }
    found
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    Some(text.split_once(begin)?.1.split_once(end)?.0)
}

/// A text in quotation marks at the beginning.
fn quoted(text: &str) -> Option<String> {
    Some(text.strip_prefix('"')?.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: &str = r#"
pub const MEASURES: [Measure; 2] = [
    ONE,
    TWO,
];

const ONE: Measure = Measure {
    name: "a_total",
    help: "One.",
    kind: "counter",
    labels: &["x", "y"],
};
const TWO: Measure =
    Measure { name: "b", help: "Two; more.", kind: "gauge", labels: &[] };
"#;
    const ORIGIN: &str = r#"
struct Metrics {
    registry: Registry,
    slots: Gauge,
    ended: Family<EndedLabels, Counter>,
    took: Histograms,
    gpu_age: GpuGauges,
}

    fn new() -> Self {
        Self { registry: Registry::with_prefix("s") }
    }

    fn registered(mut self) -> Self {
        all.register("num_slots", "Slots", self.slots.clone());
        all.register(
            "requests",
            "Requests",
            self.ended.clone(),
        );
        for (name, help, histogram) in [
            ("took", "Time", &self.took),
        ] {
            all.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        for (name, help, gauge) in [("gpu_age_seconds", "How old", &self.gpu_age)] {
            all.register(name, help, gauge.clone());
        }
        self
    }
"#;
    const TABLE: &str = "<!-- measures:edge -->\n| name | kind | labels | what it is |\n|---|---|---|---|\n\
        | `a_total` | counter | `x`, `y` | One. |\n| `b` | gauge | none | Two; more. |\n<!-- /measures -->\n";

    fn edge(page: &str) -> Vec<String> {
        differences("edge", &from_page(page, "edge").unwrap(), &from_edge(EDGE).unwrap())
    }

    #[test]
    fn a_table_that_is_true_passes() {
        assert_eq!(edge(TABLE), Vec::<String>::new());
    }

    #[test]
    fn a_table_that_is_not_is_refused() {
        let row = "| `b` | gauge | none | Two; more. |\n";
        assert_eq!(edge(&TABLE.replace(row, "")), ["edge: b is missing from docs/measures.md"]);
        assert_eq!(edge(&TABLE.replace("`b`", "`c`")).len(), 2);
        let says = |what: &str, shown: &str| format!("edge: the {what}, docs/measures.md says `{shown}`");
        assert_eq!(edge(&TABLE.replace("gauge", "counter")), [says("kind of b is `gauge`", "counter")]);
        assert_eq!(edge(&TABLE.replace("One.", "1.")), [says("meaning of a_total is `One.`", "1.")]);
        assert_eq!(edge(&TABLE.replace("`x`, `y`", "`x`")), [says("labels of a_total are `x, y`", "x")]);
        assert_eq!(differences("edge", &[], &[]).len(), 1);
        assert!(from_page("# Measures", "edge").is_err() && from_edge("fn main() {}").is_err());
        assert!(from_edge(&EDGE.replace("TWO: Measure", "TWO: Other")).is_err());
    }

    #[test]
    fn what_the_origin_registers_is_found() {
        let found = from_origin(ORIGIN).unwrap();
        let told: Vec<_> = found.iter().map(|one| (&*one.name, &*one.kind, &*one.help)).collect();
        assert_eq!(
            told,
            [
                ("s_num_slots", "gauge", "Slots."),
                ("s_requests_total", "counter", "Requests."),
                ("s_took_seconds", "histogram", "Time."),
                ("s_gpu_age_seconds", "gauge", "How old."),
            ]
        );
        assert!(from_origin(&ORIGIN.replace("slots: Gauge", "slots: Info")).is_err());
        assert!(from_origin("fn main() {}").is_err());
    }
}
