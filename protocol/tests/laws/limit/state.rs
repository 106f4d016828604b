//! What is stored and sent: any bytes are safe to read, versions are kept apart, and a full log stays small.

use crate::oracle::{facts, rules};
use proptest::collection::vec;
use proptest::prelude::*;
use sluice_protocol::auth::key::{ApiKey, Peppers};
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::hop::gate_call::{
    self, Answer, Answers, Call, Envelope, Kept, KeyRecord, decode_answers, decode_envelope, decode_kept,
    encode_answers, encode_envelope, encode_kept,
};
use sluice_protocol::id::{AccountId, RequestId, Version};
use sluice_protocol::limit::ask::Facts;
use sluice_protocol::limit::decision::{Decision, Outcome};
use sluice_protocol::limit::kind::bucket::Bucket;
use sluice_protocol::limit::kind::parallel::Parallel;
use sluice_protocol::limit::kind::refill::Refill;
use sluice_protocol::limit::kind::window::Window;
use sluice_protocol::limit::kind::{LimitKind, Unit};
use sluice_protocol::limit::plan::{Limit, Per};
use sluice_protocol::limit::state::{self, GateState, StateError};
use sluice_protocol::request::cost::Rate;
use sluice_protocol::request::cost::work::Work;

fn full(entries: u32) -> GateState {
    let window = Window { unit: Unit::Requests, limit: entries, window_ms: 86_400_000 };
    let bucket = Bucket { unit: Unit::Tokens, capacity: 1_000_000, refill: Refill { amount: 1, every_ms: 60_000 } };
    let limits = [Limit::new("w", window), Limit::new("b", bucket)];
    let mut state = GateState::default();
    for index in 0..entries {
        let now = 1_790_000_000_000 + u64::from(index) * 60_000;
        assert!(matches!(state.admit(&rules(&limits), 5_000, &facts(index as u8), now), Decision::Admit(_)));
    }
    state
}

#[test]
fn a_full_log_takes_at_most_ten_bytes_an_entry() {
    let bytes = state::encode(&full(1_024)).len();
    assert!(bytes <= 1_024 * 10, "{bytes} bytes");
}

/// A bucket keeps what may still be given back, and that is all since its oldest lease, also what has ended meanwhile.
/// The amounts are as large as requests' are.
#[test]
fn a_bucket_that_one_long_request_holds_open_takes_at_most_ten_bytes_an_entry() {
    let refill = Refill { amount: 1, every_ms: 60_000 };
    let limits = [Limit::new("b", Bucket { unit: Unit::Tokens, capacity: 1_000_000_000, refill })];
    let mut state = GateState::default();
    let mut without = 0;
    for index in 0..1_024_u64 {
        let work = Work { prompt_tokens: 40_000, max_tokens: 200_000 + index as u32, ..Work::default() };
        let mut id = [0; 16];
        id[..8].copy_from_slice(&index.to_le_bytes());
        let facts = Facts { request: RequestId(id), work, ..facts(0) };
        let now = 1_790_000_000_000 + index * 580;
        assert!(matches!(state.admit(&rules(&limits), 600_000, &facts, now), Decision::Admit(_)));
        if index > 0 {
            assert!(state.settle(facts.request, Outcome::Served(None), now + 300));
        }
        if index == 128 {
            without = state::encode(&state).len();
        }
    }
    let bytes = state::encode(&state).len();
    assert!(bytes <= 1_024 * 10, "{bytes} bytes, settles included");
    let each = (bytes - without) as f64 / (1_024.0 - 129.0);
    assert!((4.0..7.0).contains(&each), "{each} bytes an entry: all are kept, by their distances");
}

#[test]
fn other_versions_and_cut_states_are_refused() {
    let bytes = state::encode(&full(3));
    let mut newer = bytes.clone();
    newer[0] += 1;
    assert_eq!(state::decode(&newer), Err(StateError::Version(state::VERSION + 1)));
    for len in 0..bytes.len() {
        assert!(state::decode(&bytes[..len]).is_err(), "{len} bytes of {}", bytes.len());
    }
}

#[test]
fn messages_and_key_rows_of_other_versions_and_cut_ones_are_refused() {
    let peppers = Peppers::parse(&format!("1:{}", "00".repeat(32))).unwrap();
    let secret = ApiKey::mint(&peppers, AccountId([1; 8]), [2; 20]).secret_hash();
    let record = KeyRecord { overrides: [("w".into(), 5)].into(), ..KeyRecord::new([1; 4], secret, "p", 1) };
    let kept = Kept { keys: vec![record], ..Kept::default() };
    let calls = vec![Call::Settle { request: RequestId([3; 16]), outcome: Outcome::NotServed }, Call::DescribeAccount];
    let envelope = Envelope { account: "acct:0101010101010101".into(), table: Version([4; 8]), calls };
    let answers = vec![Answer::Done(true), Answer::UnknownPlan("p".into())];
    let answers = Answers { answers, rows_written: 1, lapsed: 2 };
    type IsRead = fn(&[u8]) -> bool;
    let reads: [(Vec<u8>, u8, IsRead); 3] = [
        (encode_envelope(&envelope), gate_call::VERSION, |bytes| decode_envelope(bytes).is_ok()),
        (encode_answers(&answers), gate_call::VERSION, |bytes| decode_answers(bytes).is_ok()),
        (encode_kept(&kept), gate_call::KEPT_VERSION, |bytes| decode_kept(bytes).is_ok()),
    ];
    for (bytes, is_of, is_read) in reads {
        for version in 0..=u8::MAX {
            let other = [&[version], &bytes[1..]].concat();
            assert_eq!(is_read(&other), version == is_of, "version {version}");
        }
        for len in 0..bytes.len() {
            assert!(!is_read(&bytes[..len]), "{len} bytes of {}", bytes.len());
        }
    }
    // A call and an answer that this version does not have.
    assert!(decode_answers(&[gate_call::VERSION, 1, 99]).is_err());
    let unknown = Envelope { calls: Vec::new(), ..envelope };
    let mut unknown = encode_envelope(&unknown);
    *unknown.last_mut().unwrap() = 1;
    unknown.push(99);
    assert!(decode_envelope(&unknown).is_err());
}

/// Found by the fuzzer: at the two ends of time a log was written as no log can be, and its account's row was lost.
#[test]
fn what_is_written_can_be_read_whenever_it_was_written() {
    let limits = [Limit::new("w", Window { unit: Unit::Requests, limit: 9, window_ms: 100 })];
    for now in [0, 1, u64::MAX - 100, u64::MAX - 1, u64::MAX] {
        let mut state = GateState::default();
        for id in 0..3 {
            assert!(matches!(state.admit(&rules(&limits), 10, &facts(id), now), Decision::Admit(_)));
            assert_eq!(state::decode(&state::encode(&state)).as_ref(), Ok(&state), "at {now}");
        }
    }
}

/// Found by the fuzzer: a log in which only nothing was counted is not written, but its name was, before all others.
#[test]
fn an_empty_log_leaves_nothing_in_the_row() {
    let window = |unit| Window { unit, limit: 9, window_ms: 100 };
    let limits = [Limit::new("free", window(Unit::Cost)), Limit::new("w", window(Unit::Requests))];
    let mut state = GateState::default();
    assert!(matches!(state.admit(&rules(&limits), 10, &facts(1), 5), Decision::Admit(_)));
    assert!(state.settle(facts(1).request, Outcome::Served(None), 6));
    assert!(matches!(state.admit(&rules(&limits), 10, &facts(2), 7), Decision::Admit(_)));
    let row = state::encode(&state);
    assert_eq!(state::encode(&state::decode(&row).unwrap()), row, "evicted or not, it is the same row");
}

proptest! {
    #[test]
    fn any_bytes_are_safe(mut bytes in vec(any::<u8>(), 0..200), versioned: bool) {
        if let (true, Some(first)) = (versioned, bytes.first_mut()) {
            *first = state::VERSION;
        }
        if let Ok(state) = state::decode(&bytes) {
            prop_assert_eq!(state::decode(&state::encode(&state)), Ok(state));
        }
        let _ = (decode_envelope(&bytes), decode_answers(&bytes), decode_kept(&bytes));
    }

    #[test]
    fn a_damaged_state_is_refused_or_is_a_state(at in any::<prop::sample::Index>(), with: u8) {
        let mut bytes = state::encode(&full(20));
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(state) = state::decode(&bytes) {
            prop_assert_eq!(state::decode(&state::encode(&state)), Ok(state));
        }
    }
}

/// The row of the largest account that there can be fits where it is kept: 32 limits with the longest names (a plan's and a
/// key's own), of all units and kinds and by all values, more values than have room, keys that are watched, as many leases as
/// there may be, and the largest amounts, months apart.
#[test]
fn the_largest_row_stays_below_two_megabytes() {
    const ASKED: u32 = 3_500;
    const MONTH: u64 = 31 * 86_400_000;
    let limit = |index: u32| {
        let unit = [Unit::Requests, Unit::Tokens, Unit::Cost][index as usize % 3];
        let refill = Refill { amount: 1, every_ms: 60_000 };
        let kind = match index % 8 {
            0 => LimitKind::from(Bucket { unit, capacity: u32::MAX, refill }),
            1 => Parallel { limit: 2_048 }.into(),
            _ => Window { unit, limit: u32::MAX, window_ms: MONTH - u64::from(index) }.into(),
        };
        let per = [Per::User, Per::Session, Per::Key, Per::User, Per::Model][index as usize % 5];
        Limit { per, ..Limit::new(&format!("{index:-<32}"), kind) }
    };
    let limits: Vec<Limit> = (0..32).map(limit).collect();
    let rules = rules(&limits);
    let (mut state, mut largest, mut now) = (GateState::default(), 0, 1_790_000_000_000);
    let mut open = std::collections::VecDeque::new();
    for number in 0..ASKED {
        let mut request = [0; 16];
        request[..4].copy_from_slice(&number.to_le_bytes());
        let value = |of: u32| Some(Mark::of(&(number % of).to_string()));
        let key = Mark::of_key((number % 64).to_be_bytes());
        let most = u32::MAX / ASKED;
        let facts = Facts {
            request: RequestId(request),
            key,
            model: format!("{}", number % 50),
            user: value(701),
            session: value(97),
            work: Work { prompt_tokens: most / 2 - number, max_tokens: most / 2, thinking: true, ..Work::default() },
            // As many prices as requests, each of pictures, too.
            rate: Rate {
                request: 100,
                prompt_token: 1,
                completion_token: 1,
                image_kilopixel_step: number,
                ..Rate::default()
            },
            ..facts(0)
        };
        // The last come close together, or their leases would not all be open at once.
        now += if number < ASKED - 2_100 { 1_500_000 } else { 3_000 };
        state.watch_usage(key);
        assert!(matches!(state.admit(&rules, 7_200_000, &facts, now), Decision::Admit(_)), "request {number}");
        open.push_back(facts.request);
        if open.len() > 2_047 {
            let oldest = open.pop_front().unwrap();
            state.settle(oldest, Outcome::Served(None), now);
        }
        if number % 500 == 499 {
            let row = state::encode(&state);
            assert!(row.len() <= state::most_bytes(&state), "{} bytes", row.len());
            assert_eq!(state::decode(&row).map(|read| state::encode(&read).len()), Ok(row.len()));
            largest = largest.max(row.len());
        }
    }
    assert_eq!(state.live_leases(now), 2_047);
    assert!(largest < 2_000_000, "{largest} bytes");
    assert!(largest > 800_000, "{largest} bytes: the account was to be a large one");
    println!("{largest} bytes");
}
