//! Whose trace a request belongs to, as the library has it.
//!
//! The header is read by the protocol, as at the edge: the library's own reader takes signs and ids of any length.

use axum::http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use sluice_protocol::telemetry::trace::parent::Traceparent;
use sluice_protocol::wire::header;

/// The span that asked for this request. `None` where the header is missing, there twice, or not as it should be: then the
/// request begins a trace of its own.
pub(super) fn of(headers: &HeaderMap) -> Option<SpanContext> {
    let mut found = headers.get_all(header::TRACEPARENT).iter().map(HeaderValue::to_str);
    let (Some(Ok(text)), None) = (found.next(), found.next()) else { return None };
    let caller = Traceparent::parse(text)?;
    let trace = TraceId::from_hex(&caller.trace.to_string()).ok()?;
    let span = SpanId::from_hex(&caller.span.to_string()).ok()?;
    let flags = if caller.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    Some(SpanContext::new(trace, span, flags, true, TraceState::default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(values: &[String]) -> Option<SpanContext> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        of(&headers)
    }

    #[test]
    fn one_header_names_the_caller_and_two_name_nobody() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
        assert!(read(std::slice::from_ref(&good)).is_some_and(|caller| caller.is_valid() && caller.is_remote()));
        assert_eq!((read(&[]), read(&[good.clone(), good])), (None, None));
        for bad in ["", "00-1-1-01", "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "\u{e9}"] {
            assert_eq!(read(&[bad.to_owned()]), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(trace in 1..u128::MAX, span in 1..u64::MAX, flags: u8) {
            let found = read(&[format!("00-{trace:032x}-{span:016x}-{flags:02x}")]).unwrap();
            prop_assert_eq!((found.trace_id(), found.span_id()), (TraceId::from(trace), SpanId::from(span)));
            prop_assert_eq!(found.is_sampled(), flags % 2 == 1);
        }
    }
}
