//! Where spans are exported to, if anywhere.

use super::{Reader, Vars};
use sluice_protocol::telemetry::trace::sample::Share;
use sluice_protocol::telemetry::trace::setting::{Export, Headers, parse_endpoint};
use std::rc::Rc;

/// What the settings say; nothing inside where they name no collector.
pub(super) fn read(reader: &mut Reader<'_, impl Vars>) -> Option<Option<Rc<Export>>> {
    let url = reader.or_default("OTLP_ENDPOINT", parse_endpoint);
    let headers = reader.or_default("OTLP_HEADERS", Headers::parse);
    let share = reader.or_default("OTLP_SAMPLE", Share::parse);
    let (url, headers, share) = (url?, headers?, share?);
    Some(url.map(|url| Rc::new(Export { url, headers, share })))
}
