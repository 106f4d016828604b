//! Rules, in the form in which Prometheus reads them: YAML, of which little is needed. A query stands as it is in a
//! block; whatever else is a text has JSON's quotation marks, which are YAML's, too.

use serde_json::Value;

use super::alerts::{Alert, Severity};

/// The file.
pub(super) fn rules(alerts: &[Alert]) -> String {
    let all: String = alerts.iter().map(rule).collect();
    format!("{HEAD}groups:\n  - name: sluice\n    rules:\n{all}")
}

fn rule(alert: &Alert) -> String {
    let Alert { name, query, lasts, severity, summary, says } = alert;
    let severity = match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
    };
    let query: String = query.lines().map(|line| format!("          {line}\n")).collect();
    format!(
        "      - alert: {name}\n        expr: |-\n{query}        for: {lasts}\n        labels:\n          severity: \
         {severity}\n        annotations:\n          summary: {}\n          description: {}\n",
        quoted(summary),
        quoted(says)
    )
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

const HEAD: &str = "\
# When to wake somebody about Sluice: rules for Prometheus. docs/measures.md says how they are used.
# Made by `cargo xtask board` from xtask/src/board/alerts.rs: change that. A deployment changes numbers in its own copy.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::alerts::alerts;

    #[test]
    fn a_rule_is_written_as_prometheus_reads_it() {
        let alert = Alert {
            name: "SluiceTest",
            query: "up == 0\n  or vector(1)".to_owned(),
            lasts: "5m",
            severity: Severity::Warning,
            summary: "A \"test\": {{ $value }}",
            says: "It is one.",
        };
        let expected = r#"      - alert: SluiceTest
        expr: |-
          up == 0
            or vector(1)
        for: 5m
        labels:
          severity: warning
        annotations:
          summary: "A \"test\": {{ $value }}"
          description: "It is one."
"#;
        assert_eq!(rule(&alert), expected);
    }

    /// What a block and a plain word of YAML may hold without more ado.
    #[test]
    fn all_of_them_are_as_simple_as_that() {
        for Alert { name, query, lasts, .. } in alerts() {
            assert!(name.starts_with("Sluice") && name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
            assert!(lasts.strip_suffix('m').is_some_and(|minutes| minutes.parse::<u64>().is_ok()), "{name}");
            assert!(query.starts_with(|first: char| !first.is_whitespace()) && !query.ends_with('\n'), "{name}");
            assert!(query.lines().all(|line| !line.trim().is_empty() && line.len() <= 110), "{name}: {query}");
            assert!(query.chars().all(|c| c == '\n' || !c.is_control()) && query.is_ascii(), "{name}");
        }
    }
}
