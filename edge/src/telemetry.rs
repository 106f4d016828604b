//! The one place that writes a line to the log. What a line may hold, `sluice_protocol::telemetry` says.

use crate::platform;
use sluice_protocol::id::RequestId;
use sluice_protocol::telemetry::{Line, RequestEnd, RequestLine, RequestLog, Who};
use sluice_protocol::time::Millis;

/// Writes it.
pub fn write(line: &Line) {
    platform::log(line.severity(), &line.to_json());
}

/// Writes the line of a request that is over, if the setting wants one of it.
pub fn over(log: RequestLog, request: RequestId, path: &str, who: Option<Who>, end: RequestEnd, since: Millis) {
    let least = if who.is_some() { RequestLog::Known } else { RequestLog::All };
    if log >= least {
        write(&Line::Request(Box::new(RequestLine::new(request, path, who, end, since, platform::now()))));
    }
}
