//! The command line, as `cargo xtask soak` hands it on.

use std::time::Duration;

/// How long to go on.
pub(crate) struct Options {
    /// From the first request to the last.
    pub(crate) span: Duration,
    /// Only the shapes whose names hold this text.
    pub(crate) only: String,
}

impl Options {
    /// Reads the command line; panics with what is wrong with it.
    pub(crate) fn read() -> Self {
        let mut options = Self { span: Duration::from_secs(60 * 60), only: String::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_default();
            match (name.as_str(), value.parse::<f64>()) {
                ("--minutes", Ok(minutes)) if (0.2..=1_440.0).contains(&minutes) => {
                    options.span = Duration::from_secs_f64(minutes * 60.0);
                }
                ("--only", _) if !value.is_empty() => options.only = value,
                _ => panic!("there are --minutes, a number from 0.2 to 1440, and --only, a part of a shape's name"),
            }
        }
        options
    }
}
