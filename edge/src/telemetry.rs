//! The one place that writes a line to the log. What a line may hold, `sluice_protocol::telemetry` says.

use crate::platform;
use sluice_protocol::telemetry::Line;

/// Writes it.
pub fn write(line: &Line) {
    platform::log(line.severity(), &line.to_json());
}
