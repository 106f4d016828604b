//! What Meters keep of requests: within its bounds, once, and of each account that is kept all.

use super::START;
use crate::golden::golden;
use proptest::prelude::*;
use sluice_protocol::auth::principal::Mark;
use sluice_protocol::id::hex;
use sluice_protocol::measures::counter::Counter;
use sluice_protocol::measures::gathered::{Gathered, MAX_REQUESTS, gather};
use sluice_protocol::measures::kept::{Kept, MAX_ROWS, ROW_BYTES, ROW_LINES};
use sluice_protocol::measures::meter::Meter;
use sluice_protocol::measures::report::{IsolateState, Report, decode, encode};
use sluice_protocol::replay::lines::{Lines, MAX_REPORT_BYTES, Sample};
use sluice_protocol::replay::request::{Decision, Request, Usage};
use sluice_protocol::request::bodies::chat::{self, Used};
use sluice_protocol::request::drawing::{Drawing, Drawn};
use sluice_protocol::request::endpoint::Endpoint;
use sluice_protocol::telemetry::{Counted, Decided};
use sluice_protocol::time::Millis;
use std::collections::{BTreeMap, BTreeSet};

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;

/// A request of an account; its number is told by how large its body is.
fn decided(account: &str, number: u32, at: Millis) -> Decided {
    Decided {
        account: account.to_owned(),
        subject: format!("key_{:016x}{number:08x}", 7),
        by: None,
        model: ["qwen3-8b", "tiny"][number as usize % 2].to_owned(),
        endpoint: Endpoint::Chat,
        batch: false,
        session: None,
        user: number.is_multiple_of(3).then(|| hex(&Mark::of("somebody").0)),
        body_bytes: number,
        prompt_guess: 40,
        max_tokens: Some(100),
        thinking: false,
        drawing: Drawing::default(),
        may_bend: false,
        pressure: 12,
        plan: Some("team".to_owned()),
        decided_at: Some(at),
        limits: Vec::new(),
        degraded: None,
        counted: None,
        without_gate: false,
        given_back: false,
        used: Some(Used {
            usage: chat::Usage::new(30, 60),
            reasoning_tokens: None,
            cached_tokens: 3,
            drawn: Drawn::NOTHING,
        }),
    }
}

fn account(number: u64) -> String {
    format!("acct:{number:016x}")
}

/// A Meter, its disk, and some isolates that hand on to it.
#[derive(Default)]
struct Place {
    meter: Meter,
    disk: BTreeMap<u64, Vec<u8>>,
    isolates: [Counter; 3],
    /// What was handed on, by account: the numbers of its requests, and when they were decided.
    handed: BTreeMap<String, BTreeMap<u32, Millis>>,
    number: u32,
}

impl Place {
    fn counts(&mut self, isolate: usize, account: &str, at: Millis) {
        self.number += 1;
        let decided = decided(account, self.number, at);
        self.isolates[isolate].keep(&decided, None, at, at + 20);
        self.handed.entry(account.to_owned()).or_default().insert(self.number, at);
    }

    /// Hands on what an isolate has, `times` times, and checks what that costs.
    fn hands_on(&mut self, isolate: usize, times: usize, kept_ms: Millis, now: Millis) {
        let report = self.isolates[isolate].report(isolate as u64, IsolateState::default(), kept_ms, now);
        assert!(encode(&report.lines).len() <= MAX_REPORT_BYTES, "{}", encode(&report.lines).len());
        let number = report.number;
        for time in 0..times {
            let taken = self.meter.take(read_back(&report), now).kept;
            assert!(time == 0 || taken.written.is_none(), "a report that comes again writes nothing");
            taken.forgotten.iter().for_each(|place| assert!(self.disk.remove(place).is_some()));
            if let Some(place) = taken.written {
                let row = self.meter.kept.row(place).expect("it is written").to_vec();
                assert!(row.len() <= ROW_BYTES, "{}", row.len());
                self.disk.insert(place, row);
            }
            assert!(self.disk.len() <= MAX_ROWS);
        }
        self.isolates[isolate].handed_over(number, true, false, now);
    }

    /// The Meter ends, and is read back.
    fn ends(&mut self) {
        let rows = std::mem::take(&mut self.meter.kept).rows();
        let of_disk: BTreeSet<_> = self.disk.values().cloned().collect();
        assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), of_disk, "what is kept is on the disk");
        self.meter.kept = Kept::of_rows(self.disk.clone().into_iter().rev().collect());
    }

    fn gathered(&self, now: Millis) -> Gathered {
        gather(&self.disk.values().cloned().collect::<Vec<_>>(), DAY, now)
    }
}

fn read_back(report: &Report) -> Report {
    let read: Report = decode(&encode(report)).expect("ours");
    assert_eq!(read, *report);
    read
}

/// Each account that is there is there whole: the same requests as were handed on since then, each once.
fn check_whole(gathered: &Gathered, handed: &[&BTreeMap<String, BTreeMap<u32, Millis>>]) -> usize {
    let mut found: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for request in &gathered.requests {
        found.entry(gathered.names.text(request.account)).or_default().push(request.body_bytes);
    }
    let mut expected: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (account, requests) in handed.iter().copied().flatten() {
        let since = requests.iter().filter(|(_, at)| **at >= gathered.view.since).map(|(number, _)| *number);
        expected.entry(account).or_default().extend(since);
    }
    let mut whole = 0;
    for (account, mut expected) in expected {
        let mut found = found.remove(account).unwrap_or_default();
        expected.sort_unstable();
        found.sort_unstable();
        let is_sampled = in_sample(account, gathered.view.one_in);
        assert_eq!(
            found,
            if is_sampled { expected } else { Vec::new() },
            "{account} of one in {}",
            gathered.view.one_in
        );
        whole += usize::from(is_sampled && !found.is_empty());
    }
    assert!(found.is_empty(), "accounts that never asked: {found:?}");
    assert!(gathered.requests.len() <= MAX_REQUESTS);
    assert_eq!(gathered.view.lines, gathered.requests.len() as u64);
    whole
}

/// By another way than the one that is held to it: the hash's first bits, as text.
fn in_sample(account: &str, one_in: u64) -> bool {
    let bits: String = Mark::of(account).0.iter().map(|byte| format!("{byte:08b}")).collect();
    bits.starts_with(&"0".repeat(one_in.ilog2() as usize))
}

/// A crowd for a day and a half, much more than there is room for.
#[test]
fn where_there_is_no_room_for_all_fewer_accounts_are_kept_and_those_whole() {
    let mut place = Place::default();
    let (mut random, mut now) = (Random(1), START);
    for turn in 0..3_000 {
        // Some ask a lot, and at times all do.
        let crowd = if turn % 40 == 0 { 600 } else { 1 + random.below(60) };
        for _ in 0..crowd {
            let most = 390 >> random.below(6);
            place.counts(turn % 3, &account(random.below(most)), now - random.below(30_000));
        }
        place.hands_on(turn % 3, 1 + (turn % 7 == 0) as usize, DAY, now);
        now += 43_200;
        if turn % 250 == 249 {
            place.ends();
            let gathered = place.gathered(now);
            let whole = check_whole(&gathered, &[&place.handed]);
            assert!(whole >= 4, "{whole} accounts of one in {}", gathered.view.one_in);
            assert_eq!(gathered.view.lost, 0);
        }
    }
    let gathered = place.gathered(now);
    assert!(gathered.view.one_in > 1 && gathered.view.left_out > 0, "{:?}", gathered.view);
    assert!(gathered.view.since >= now - DAY, "{:?}", gathered.view);
    // There is much of what there is room for.
    assert!(gathered.requests.len() > MAX_ROWS * ROW_LINES / 8, "{}", gathered.requests.len());
    // When there is less to do, there is room for more accounts again.
    let before = gathered.view.one_in;
    for turn in 0..6_000 {
        place.counts(0, &account(random.below(390)), now);
        place.hands_on(0, 1, DAY, now);
        now += 2 * DAY / 6_000 + turn % 2;
    }
    let gathered = place.gathered(now);
    check_whole(&gathered, &[&place.handed]);
    assert!(gathered.view.one_in < before, "{} of {before}", gathered.view.one_in);
}

/// One account alone fills everything: it is kept, and what is oldest is not.
#[test]
fn of_few_accounts_the_last_hours_are_kept() {
    for accounts in [1, 3] {
        let mut place = Place::default();
        let mut now = START;
        for turn in 0..2_500_u64 {
            (0..40).for_each(|number| place.counts(0, &account(number % accounts), now));
            place.hands_on(0, 1, DAY, now);
            now += 2_500;
            if turn % 600 == 599 {
                place.ends();
            }
        }
        let gathered = place.gathered(now);
        assert_eq!(gathered.view.one_in, 1);
        assert!(gathered.view.since > START && gathered.view.since < now - 100_000, "{:?}", gathered.view);
        assert_eq!(check_whole(&gathered, &[&place.handed]), accounts as usize);
        assert!(gathered.requests.len() > MAX_ROWS * ROW_LINES / 2, "{}", gathered.requests.len());
    }
}

/// Four Meters of which one has much to do: all tell of its accounts.
#[test]
fn the_smallest_share_is_that_of_all() {
    let mut places: Vec<Place> = (0..4).map(|_| Place::default()).collect();
    let (mut random, mut now) = (Random(2), START);
    for turn in 0..1_500 {
        for (number, place) in places.iter_mut().enumerate() {
            let crowd = if number == 2 { 60 } else { 2 };
            (0..crowd).for_each(|_| place.counts(0, &account(random.below(300)), now));
            place.hands_on(0, 1, DAY, now);
        }
        now += 2_500 + turn;
    }
    let rows: Vec<_> = places.iter().flat_map(|place| place.disk.values().cloned()).collect();
    let gathered = gather(&rows, DAY, now);
    assert!(gathered.view.one_in >= 2, "{:?}", gathered.view);
    assert!(places[0].gathered(now).view.one_in == 1, "it has room for all");
    let handed: Vec<_> = places.iter().map(|place| &place.handed).collect();
    assert!(check_whole(&gathered, &handed) > 8);
    let all: usize = handed.iter().flat_map(|handed| handed.values()).map(BTreeMap::len).sum();
    assert_eq!(gathered.view.lines + gathered.view.left_out + gathered.view.lost, all as u64, "each is told of");
}

/// An isolate that cannot reach its Meter keeps what it has room for, and tells what it has not.
#[test]
fn an_isolate_has_a_bound_and_tells_what_is_beyond() {
    let mut place = Place::default();
    let mut random = Random(3);
    for number in 0..20_000_u64 {
        place.counts(0, &account(random.below(2_000)), START + number);
    }
    place.hands_on(0, 3, DAY, START + 30_000);
    let gathered = place.gathered(START + 40_000);
    let view = gathered.view;
    assert!(view.one_in == 16 && view.lost > 0, "{view:?}");
    assert_eq!(view.lines + view.left_out + view.lost, 20_000);
    assert!(gathered.requests.iter().all(|one| in_sample(gathered.names.text(one.account), 16)));
    // The next report is about all again.
    place.counts(0, &account(1), START + 40_001);
    let report = place.isolates[0].report(0, IsolateState::default(), DAY, START);
    assert_eq!((report.lines.len(), report.lines.sample().one_in()), (1, 1));
    // Whatever callers write for a model, however long.
    let sampled = (0..).map(account).find(|account| in_sample(account, 16)).expect("one of sixteen is");
    let mut lines = Lines::default();
    for number in 0..4_000 {
        let named =
            Decided { model: format!("{number}{}", "\u{1f600}".repeat(60)), ..decided(&sampled, number, START) };
        lines.add(&named, None, START, START + 1);
    }
    assert!(encode(&lines).len() <= MAX_REPORT_BYTES && lines.lost() > 0 && lines.len() > 100);
    // Who is not counted, or by nobody's plan, is not kept.
    let mut lines = Lines::default();
    lines.add(&Decided { plan: None, ..decided("a", 1, START) }, None, START, START);
    lines.add(&Decided { without_gate: true, ..decided("a", 1, START) }, None, START, START);
    assert!(lines.is_empty());
}

#[test]
fn what_is_old_goes_and_where_nothing_is_kept_all_does() {
    let mut place = Place::default();
    for hour in 0..30 {
        place.counts(0, &account(hour), START + hour * HOUR);
        place.hands_on(0, 1, DAY, START + hour * HOUR);
    }
    let now = START + 30 * HOUR;
    let gathered = place.gathered(now);
    assert_eq!(gathered.view.since, now - DAY);
    assert_eq!(check_whole(&gathered, &[&place.handed]), 24);
    assert_eq!(gather(&place.disk.values().cloned().collect::<Vec<_>>(), 2 * HOUR, now).requests.len(), 2);
    // An isolate says that nothing is kept any more, though it has something.
    place.counts(0, &account(99), now);
    place.hands_on(0, 1, 0, now);
    assert!(place.disk.is_empty() && place.meter.kept.rows().is_empty());
    assert_eq!(place.gathered(now).requests.len(), 0);
    // A clock that was ahead by years, and goes back.
    place.counts(0, &account(1), now + 1_000 * DAY);
    place.hands_on(0, 1, DAY, now + 1_000 * DAY);
    place.counts(0, &account(2), now);
    place.hands_on(0, 1, DAY, now);
    assert_eq!(place.disk.len(), 1, "what it wrote is forgotten");
    assert_eq!(place.gathered(now).requests.len(), 1);
}

/// Rows that were damaged, or that another version wrote, are passed over and then deleted; no bytes do more.
#[test]
fn a_row_that_cannot_be_read_is_nothing() {
    let mut place = Place::default();
    for number in 0..5 {
        place.counts(0, &account(number), START);
    }
    place.hands_on(0, 1, DAY, START);
    let (id, row) = place.disk.first_key_value().map(|(id, row)| (*id, row.clone())).expect("a row");
    let whole = place.gathered(START).requests.len();
    assert_eq!(whole, 5);
    let mut unread = 0;
    for at in 0..row.len() {
        for bit in 0..8 {
            let mut damaged = row.clone();
            damaged[at] ^= 1 << bit;
            let found = gather(&[damaged.clone()], DAY, START).requests.len();
            assert!(found <= whole, "{found}");
            let mut kept = Kept::of_rows(vec![(id, damaged)]);
            if kept.rows().is_empty() {
                unread += 1;
                assert_eq!(kept.take(Lines::default(), DAY, START).forgotten, [id]);
            }
        }
        let cut = Kept::of_rows(vec![(id, row[..at].to_vec())]);
        assert!(cut.rows().is_empty(), "cut after {at} bytes");
    }
    assert!(unread > 100, "{unread}");
    // One that is where none is written.
    let mut kept = Kept::of_rows(vec![(MAX_ROWS as u64, row)]);
    assert_eq!(kept.take(Lines::default(), DAY, START).forgotten, [MAX_ROWS as u64]);
}

#[test]
fn the_row_of_a_meter_is_golden() {
    let mut place = Place::default();
    let mut refused = decided("ip:203.0.113.7", 2, START + 5);
    (refused.subject, refused.by) = ("ip:203.0.113.7".into(), Some("0011223344556677".into()));
    (refused.limits, refused.used) = (vec!["minute".into(), "tokens".into()], None);
    place.isolates[0].keep(&decided("acct:00000000000000a1", 1, START), None, START - 2, START + 900);
    place.isolates[0].keep(&refused, None, START + 4, START + 6);
    place.hands_on(0, 1, DAY, START + 1_000);
    golden("meter_kept_row.v2.hex", &(hex(&place.disk[&0]) + "\n"));
}

#[test]
fn a_sample_holds_all_of_smaller_ones() {
    let mut sample = Sample::default();
    let mut before: Vec<u64> = (0..20_000).collect();
    while let Some(half) = sample.half() {
        let held: Vec<u64> = (0..20_000).filter(|number| half.holds(&account(*number))).collect();
        assert!(held.iter().all(|number| before.binary_search(number).is_ok()));
        assert!(held.iter().all(|number| in_sample(&account(*number), half.one_in())));
        let share = 20_000 / half.one_in() as usize;
        assert!((share / 2..=2 * share + 10).contains(&held.len()), "{} of one in {}", held.len(), half.one_in());
        (before, sample) = (held, half);
    }
    assert_eq!(sample.one_in(), 1_024);
    assert_eq!((sample.twice().one_in(), Sample::default().twice().one_in()), (512, 1));
}

proptest! {
    #![proptest_config(crate::cases(2_000))]

    /// Every member comes back as it was; what cannot be is clamped, and never wrong.
    #[test]
    fn a_request_comes_back_as_it_was(
        (at, came, now) in (0..200_000_000_000_000_u64, any::<u64>(), any::<u64>()),
        (body_bytes, prompt_guess, max_tokens) in (any::<u32>(), any::<u32>(), any::<Option<u32>>()),
        counted in prop::option::of((any::<u32>(), any::<u64>())),
        used in prop::option::of((any::<u64>(), any::<u64>(), any::<u64>(), any::<Option<u64>>())),
        (session, user, by) in (any::<Option<[u8; 8]>>(), any::<Option<[u8; 8]>>(), any::<Option<[u8; 8]>>()),
        (flags, pressure, kind) in (any::<[bool; 5]>(), any::<u8>(), 0..9_usize),
    ) {
        let [batch, thinking, may_bend, given_back, has_key] = flags;
        let was = Decided {
            subject: if has_key { "key_0000000000000007000000ff".into() } else { "jwt:x".into() },
            by: by.map(|mark| hex(&mark)),
            endpoint: [Endpoint::Chat, Endpoint::Completions, Endpoint::Embeddings][kind % 3],
            session: session.map(|mark| hex(&mark)),
            user: user.map(|mark| hex(&mark)),
            decided_at: (kind / 3 != 2).then_some(at),
            limits: if kind / 3 == 1 { vec!["a".into(), "b".into()] } else { Vec::new() },
            counted: counted.map(|(prompt_tokens, at)| Counted { prompt_tokens, at }),
            batch, body_bytes, prompt_guess, max_tokens, thinking, may_bend, pressure, given_back,
            ..decided("acct:1", 0, at)
        };
        let told = used.map(|(prompt, cached_tokens, completion, reasoning_tokens)| Used {
            usage: chat::Usage { prompt_tokens: prompt, completion_tokens: completion, total_tokens: 0 },
            cached_tokens,
            reasoning_tokens,
            drawn: Drawn::NOTHING,
        });
        let mut lines = Lines::default();
        lines.add(&was, told, came, now);
        let lines: Lines = decode(&encode(&lines)).unwrap();
        let found: Vec<Request> = lines.requests().collect();
        let [found] = found.as_slice() else { panic!("{found:?}") };
        let name = |number: u32| lines.names()[number as usize].as_str();
        let narrow = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
        let last_time = 221_845_392_000_000;
        let expected_at = was.decided_at.unwrap_or(came).min(last_time);
        prop_assert_eq!(found.at, expected_at);
        prop_assert!(found.over >= found.at && found.over >= found.counted_at.min(found.over));
        prop_assert_eq!(found.counted_at > 0, counted.is_some() && (expected_at > 0 || found.counted_at > 0));
        prop_assert_eq!(found.prompt_counted, counted.map_or(0, |(tokens, _)| tokens));
        prop_assert_eq!((name(found.account), name(found.model), name(found.plan)), ("acct:1", "qwen3-8b", "team"));
        prop_assert_eq!(name(found.limits), was.limits.join(","));
        let mark = if has_key { Mark([0, 0, 0, 255, 0, 0, 0, 0]) } else { Mark(by.unwrap_or_default()) };
        prop_assert_eq!((found.mark, found.has_key), (mark, has_key));
        prop_assert_eq!((found.session, found.user), (session.map(Mark), user.map(Mark)));
        let numbers = (found.body_bytes, found.prompt_guess, found.max_tokens, found.pressure, found.endpoint);
        prop_assert_eq!(numbers, (body_bytes, prompt_guess, max_tokens, pressure, was.endpoint));
        let flags = (found.batch, found.thinking, found.may_bend, found.given_back);
        prop_assert_eq!(flags, (batch, thinking, may_bend, given_back));
        prop_assert_eq!(found.decision, [Decision::Through, Decision::Limited, Decision::Forbidden][kind / 3]);
        prop_assert_eq!(found.used, used.map(|(prompt, cached, completion, reasoning)| Usage {
            prompt: narrow(prompt),
            cached: narrow(cached),
            completion: narrow(completion),
            reasoning: reasoning.map(narrow),
            drawn: Drawn::NOTHING,
        }));
    }

    /// So do requests for pictures, which any door lets through.
    #[test]
    fn pictures_come_back_as_they_were(
        (n, steps, pixels) in (0..=10_u16, 0..=50_u16, 0..=4_194_304_u32),
        used in prop::option::of((0..=10_u32, 0..=500_u32, any::<u32>())),
        prompt: u32,
        kind in 0..3_usize,
    ) {
        let drawing = Drawing { n, steps, pixels };
        let was = Decided {
            endpoint: Endpoint::Images,
            max_tokens: Some(0),
            drawing,
            decided_at: (kind != 2).then_some(START),
            limits: if kind == 1 { vec!["a".into()] } else { Vec::new() },
            ..decided("acct:1", 0, START)
        };
        let drawn = used.map(|(images, steps, pixel_steps)| Drawn { images, steps, pixel_steps: pixel_steps.into() });
        let mut lines = Lines::default();
        lines.add(&was, drawn.map(|drawn| Used::of_pictures(prompt.into(), drawn)), START, START);
        let lines: Lines = decode(&encode(&lines)).unwrap();
        let found: Vec<Request> = lines.requests().collect();
        let [found] = found.as_slice() else { panic!("{found:?}") };
        prop_assert_eq!((found.endpoint, found.drawing, found.max_tokens), (Endpoint::Images, drawing, Some(0)));
        prop_assert_eq!(found.decision, [Decision::Through, Decision::Limited, Decision::Forbidden][kind]);
        let usage = |drawn| Usage { prompt, cached: 0, completion: 0, reasoning: Some(0), drawn };
        prop_assert_eq!(found.used, drawn.map(usage));
    }

    /// Bytes from anywhere.
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), version in any::<bool>()) {
        let bytes = if version { [vec![2], bytes].concat() } else { bytes };
        let _ = gather(std::slice::from_ref(&bytes), DAY, START);
        let mut kept = Kept::of_rows(vec![(0, bytes.clone())]);
        kept.take(Lines::default(), DAY, START);
        if let Ok(lines) = decode::<Lines>(&bytes) {
            let mut both = lines.clone();
            both.join(&lines);
            both.narrow(Sample::default().half().unwrap(), START);
            prop_assert!(both.requests().count() <= 2 * lines.len());
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }
}
