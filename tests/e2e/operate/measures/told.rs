//! Measures, read back from their text: Prometheus' own form, and OpenMetrics.

use harness::tools::root;
use std::collections::{BTreeMap, BTreeSet};

/// What a gate told.
#[derive(Debug)]
pub(super) struct Told {
    text: String,
    samples: Vec<Sample>,
    kinds: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// A measure, as the page has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    kind: String,
    /// But for `le`.
    labels: BTreeSet<String>,
}

impl Told {
    /// Reads all of it; fails at whatever is not in the form.
    pub(super) fn read(text: &str) -> Self {
        let mut told = Self { text: text.to_owned(), samples: Vec::new(), kinds: BTreeMap::new() };
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                assert!(told.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice: {text}");
            } else if !line.starts_with('#') {
                told.samples.push(sample(line).unwrap_or_else(|| panic!("not a sample: {line}")));
            }
        }
        told
    }

    /// As it came.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The values of all series of this name that have these labels, in order.
    pub(super) fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let has = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|found| found == value))
        };
        self.samples.iter().filter(has).map(|sample| sample.value).collect()
    }

    /// Their sum, of counts; 0 if there are none.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let sum: f64 = self.all(name, labels).into_iter().sum();
        assert!(sum >= 0.0 && sum.fract() == 0.0, "{name} is no count: {sum}");
        sum as u64
    }

    /// What kind of a measure it is, if it is told.
    pub(super) fn kind(&self, name: &str) -> Option<&str> {
        self.kinds.get(name).map(String::as_str)
    }

    /// All measures, as the page lists them. OpenMetrics leaves a counter's ending out where it tells its kind.
    pub(super) fn listed(&self) -> BTreeMap<String, Listed> {
        let mut all: BTreeMap<String, Listed> = BTreeMap::new();
        for sample in &self.samples {
            let of_kind = |wanted: &str, ending: &str| {
                let name = sample.name.strip_suffix(ending)?;
                (self.kind(name)? == wanted).then(|| name.to_owned())
            };
            let histogram = || ["_bucket", "_sum", "_count"].iter().find_map(|ending| of_kind("histogram", ending));
            let (kind, name) = if of_kind("counter", "_total").is_some() || of_kind("counter", "").is_some() {
                ("counter", sample.name.clone())
            } else if let Some(name) = histogram() {
                ("histogram", name)
            } else {
                ("gauge", of_kind("gauge", "").unwrap_or_else(|| panic!("of which kind is {sample:?}?")))
            };
            let listed = all.entry(name).or_default();
            kind.clone_into(&mut listed.kind);
            listed.labels.extend(sample.labels.keys().filter(|label| *label != "le").cloned());
        }
        all
    }
}

/// What docs/measures.md says that a gate tells.
pub(super) fn on_page(gate: &str) -> BTreeMap<String, Listed> {
    let page = std::fs::read_to_string(root().join("docs/measures.md")).expect("the repository has the page");
    let (_, after) = page.split_once(&format!("<!-- measures:{gate} -->")).expect("a table for each gate");
    let (table, _) = after.split_once("<!-- /measures -->").expect("which ends");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?.to_owned();
        let kind = cells.next()?.to_owned();
        let labels = cells.next()?.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((name, Listed { kind, labels }))
    };
    table.lines().filter_map(row).collect()
}

/// `name{label="value",other="value"} 1.5`.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.trim_start_matches(',').split_once("=\"")?;
            let (value, after) = text(after)?;
            labels.insert(label.to_owned(), value);
            rest = after;
        }
        rest = &rest[1..];
    }
    Some(Sample { name: name.to_owned(), labels, value: rest.strip_prefix(' ')?.parse().ok()? })
}

/// A label's value up to its quotation mark, and what comes behind that.
fn text(escaped: &str) -> Option<(String, &str)> {
    let (mut text, mut characters) = (String::new(), escaped.chars());
    loop {
        match characters.next()? {
            '"' => return Some((text, characters.as_str())),
            '\\' => text.push(match characters.next()? {
                'n' => '\n',
                other => other,
            }),
            other => text.push(other),
        }
    }
}

#[test]
fn a_text_is_read_as_it_was_meant() {
    let counter = r#"a_total{x="1 \"\\\n}",y=""} 2"#;
    let told = Told::read(&format!(
        "# TYPE a counter\n{counter}\na_total{{x=\"\",y=\"b\"}} 3\n# TYPE b gauge\nb 0.5\n# EOF\n"
    ));
    assert_eq!(told.all("a_total", &[("x", "1 \"\\\n}")]), [2.0]);
    assert_eq!((told.sum("a_total", &[]), told.all("b", &[])), (5, vec![0.5]));
    let listed = told.listed();
    assert_eq!(listed["a_total"].labels.iter().collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!((listed["a_total"].kind.as_str(), listed["b"].kind.as_str()), ("counter", "gauge"));
}
