//! Traces: whose place in one is taken over, which are exported, and what is sent of them.

mod exported;
mod queue;
mod setting;

use proptest::prelude::*;
use sluice_protocol::telemetry::trace::parent::{SpanId, TraceId, Traceparent, passes_state};
use sluice_protocol::telemetry::trace::sample::Share;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// The cases of <https://www.w3.org/TR/trace-context/>, sections 3.2.2 and 4.3.
#[test]
fn a_traceparent_is_read_as_its_standard_says() {
    let valid = [
        (format!("00-{TRACE}-{SPAN}-01"), true),
        (format!("00-{TRACE}-{SPAN}-00"), false),
        // Flags that nobody knows are left out.
        (format!("00-{TRACE}-{SPAN}-ff"), true),
        (format!("00-{TRACE}-{SPAN}-fe"), false),
        // Of a version to come, what is known counts.
        (format!("01-{TRACE}-{SPAN}-01"), true),
        (format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"), true),
        (format!("fe-{TRACE}-{SPAN}-00-"), false),
    ];
    for (text, is_sampled) in valid {
        let read = Traceparent::parse(&text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((read.trace.to_string(), read.span.to_string()), (TRACE.to_owned(), SPAN.to_owned()), "{text}");
        assert_eq!(read.is_sampled, is_sampled, "{text}");
        assert_eq!(read.to_string(), format!("00-{TRACE}-{SPAN}-0{}", u8::from(is_sampled)));
    }
    let (zeros, short) = ("0".repeat(32), "0".repeat(16));
    let invalid = [
        String::new(),
        "00".to_owned(),
        TRACE.to_owned(),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-{short}-01"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("ff-{TRACE}-{SPAN}-01-more"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("0A-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-0A"),
        // Lengths.
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-011"),
        format!("0-{TRACE}-{SPAN}-001"),
        format!("00-{}-{SPAN}0-01", &TRACE[1..]),
        format!("00-{TRACE}0-{}-01", &SPAN[1..]),
        format!("cc-{TRACE}-{SPAN}-01.more"),
        format!("cc-{TRACE}-{SPAN}-010"),
        // Separators, spaces, two of them, and what is no ASCII.
        format!("00_{TRACE}_{SPAN}_01"),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01 "),
        format!("00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01"),
        format!("00-{}é-{SPAN}-01", &TRACE[2..]),
        format!("00-{TRACE}-{SPAN}-é"),
        format!("0x-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-+1"),
    ];
    for text in invalid {
        assert_eq!(Traceparent::parse(&text), None, "{text}");
    }
}

#[test]
fn an_id_is_never_of_zeros() {
    for bytes in [[0; 16], [7; 16]] {
        let (trace, span) = (TraceId::of(bytes), SpanId::of(bytes[..8].try_into().unwrap()));
        assert!(Traceparent::parse(&Traceparent { trace, span, is_sampled: true }.to_string()).is_some(), "{trace}");
    }
}

#[test]
fn a_tracestate_is_passed_on_whole_or_not_at_all() {
    for (text, passes) in [
        ("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", true),
        ("a=1,\tb=2", true),
        ("", false),
        ("a=é", false),
        ("a=\u{1}", false),
        ("a=\r\nx: y", false),
        (&"a".repeat(512), true),
        (&"a".repeat(513), false),
    ] {
        assert_eq!(passes_state(text), passes, "{text:?}");
    }
}

proptest! {
    #![proptest_config(crate::cases(2_000))]

    #[test]
    fn what_is_written_is_read_back(trace: [u8; 16], span: [u8; 8], is_sampled: bool) {
        let written = Traceparent { trace: TraceId::of(trace), span: SpanId::of(span), is_sampled };
        prop_assert_eq!(Traceparent::parse(&written.to_string()), Some(written));
    }

    #[test]
    fn nothing_that_is_read_is_otherwise_than_it_was(text in "[0-9a-fA-F-]{50,60}|\\PC{0,80}") {
        if let Some(read) = Traceparent::parse(&text) {
            prop_assert_eq!(&read.to_string()[2..53], &text[2..53]);
        }
    }

    /// Against the same in decimals of another kind.
    #[test]
    fn a_larger_share_takes_what_a_smaller_one_takes(id: [u8; 16], one in 0_u32..=1_000, other in 0_u32..=1_000) {
        let share = |thousandths: u32| {
            Share::parse(&format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)).unwrap()
        };
        let trace = TraceId::of(id);
        let (less, more) = (one.min(other), one.max(other));
        prop_assert!(!share(less).takes(trace) || share(more).takes(trace));
        prop_assert!(share(1_000).takes(trace) && Share::ALL.takes(trace));
        prop_assert!(!share(0).takes(trace));
        // How far its last seven bytes are from the top, as a float, decides where that is exact enough.
        let mut number = [0; 8];
        number[1..].copy_from_slice(&id[9..]);
        let from_top = 1.0 - u64::from_be_bytes(number) as f64 / (1_u64 << 56) as f64;
        let expected = f64::from(one) / 1_000.0 - from_top;
        prop_assert!(expected.abs() < 1e-9 || share(one).takes(trace) == (expected > 0.0));
    }
}

/// At half of all, the upper half of what is random is taken, to the unit.
#[test]
fn a_share_ends_where_it_says() {
    let takes = |share: &str, random: u64| {
        let mut id = [0xee; 16];
        id[9..].copy_from_slice(&random.to_be_bytes()[1..]);
        Share::parse(share).unwrap().takes(TraceId::of(id))
    };
    let (half, top) = (1 << 55, (1 << 56) - 1);
    assert!(takes("0.5", half) && !takes("0.5", half - 1));
    assert!(takes("0.75", half / 2) && !takes("0.75", half / 2 - 1));
    assert!(takes("1", 0) && takes("0.000000001", top) && !takes("0", top) && !takes("0.999999999", 0));
}

/// Ids that differ in what is random, and in nothing else.
#[test]
fn a_share_takes_about_that_share() {
    for (text, share) in [("0.1", 0.1), ("0.5", 0.5), ("0.999", 0.999), ("0.01", 0.01), ("0", 0.0), ("1", 1.0)] {
        let (read, mut random) = (Share::parse(text).unwrap(), 0x9e37_79b9_7f4a_7c15_u64);
        let mut taken = 0_u32;
        for _ in 0..20_000 {
            // <https://www.jstatsoft.org/article/view/v008i14>
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut id = [0xff; 16];
            id[9..].copy_from_slice(&random.to_be_bytes()[1..]);
            taken += u32::from(read.takes(TraceId::of(id)));
        }
        let found = f64::from(taken) / 20_000.0;
        assert!((found - share).abs() < 0.012, "{text}: {found}");
        assert!((share != 0.0 || taken == 0) && (share != 1.0 || taken == 20_000), "{text}: {taken}");
    }
}

#[test]
fn a_share_is_a_decimal_from_0_to_1() {
    for good in ["0", "1", "0.0", "1.0", "0.1", "0.000000001", "1.000000000"] {
        assert!(Share::parse(good).is_ok(), "{good}");
    }
    assert_eq!(Share::parse("1.0"), Ok(Share::ALL));
    assert_eq!(Share::parse("0.5"), Share::parse("0.500000000"));
    for bad in
        ["", ".", "1.", ".5", "0.", "1.1", "1.000000001", "2", "-0", "+1", "00", "01", "0,5", "5e-1", "0.1234567890"]
    {
        assert!(Share::parse(bad).is_err(), "{bad}");
    }
}
