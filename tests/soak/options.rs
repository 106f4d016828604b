//! The command line, as `cargo xtask soak` hands it on.

use std::time::Duration;

/// How long to go on.
pub(crate) struct Options {
    /// From the first request to the last.
    pub(crate) span: Duration,
}

impl Options {
    /// Reads the command line; panics with what is wrong with it.
    pub(crate) fn read() -> Self {
        let mut span = Duration::from_secs(60 * 60);
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().and_then(|value| value.parse::<f64>().ok());
            match (name.as_str(), value) {
                ("--minutes", Some(minutes)) if (0.2..=1_440.0).contains(&minutes) => {
                    span = Duration::from_secs_f64(minutes * 60.0);
                }
                _ => panic!("there is --minutes, a number from 0.2 to 1440"),
            }
        }
        Self { span }
    }
}
