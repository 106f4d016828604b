//! Who collects traces: `--otlp-endpoint`, `--otlp-headers`, `--otlp-sample`.

use super::{Collector, ServeArgs};
use crate::tls::{NO_SERVERS, known_servers};

impl ServeArgs {
    pub(super) fn collector(&self, mistakes: &mut Vec<String>) -> Option<Collector> {
        let headers = self.otlp_headers.clone().unwrap_or_default();
        let Some(endpoint) = self.otlp_endpoint.as_deref().filter(|text| !text.is_empty()) else {
            if !headers.is_empty() {
                mistakes.push("--otlp-headers are for a collector, and no --otlp-endpoint names one".into());
            }
            return None;
        };
        match Collector::new(endpoint, &headers, self.otlp_sample) {
            Ok(collector) if collector.is_secure() && known_servers(None).is_none() => {
                mistakes.push(format!("--otlp-endpoint: {NO_SERVERS}"));
                None
            }
            Ok(collector) => Some(collector),
            Err(found) => {
                mistakes.extend(found);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn traces_go_nowhere_unless_somebody_collects_them() {
        let collector = |arguments: &[&str]| check(&[&["--open"], arguments].concat()).unwrap().0.collector;
        assert!(collector(&[]).is_none() && collector(&["--otlp-endpoint", ""]).is_none());
        let all = ["--otlp-endpoint", "http://127.0.0.1:4318", "--otlp-headers", "a=b%20c", "--otlp-sample", "0.25"];
        let shown = format!("{:?}", collector(&all).unwrap());
        assert!(shown.contains("http://127.0.0.1:4318/v1/traces") && shown.contains("0.25"), "{shown}");
    }

    #[test]
    fn mistakes_are_told_beside_the_others() {
        let arguments = ["--open", "--slots", "0", "--otlp-headers", "a=hush"];
        let mistakes = check(&arguments).unwrap_err();
        assert!(mistakes.len() == 2 && mistakes[0].contains("--otlp-endpoint"), "{mistakes:?}");
        let more = ["--otlp-endpoint", "collector", "--otlp-sample", "2", "--otlp-headers", "a=hush,b"];
        let mistakes = check(&[&["--open", "--slots", "0"], &more[..]].concat()).unwrap_err();
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        assert!(mistakes.iter().all(|mistake| !mistake.contains("hush")), "{mistakes:?}");
    }
}
