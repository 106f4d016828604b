use super::*;

const TWO: Parallel = Parallel { limit: 2 };

#[test]
fn leases_are_its_count_and_one_more_fits_when_enough_have_ended() {
    let tally = Tally { log: None, leases: &[300, 100, 200] };
    assert_eq!(TWO.used(tally, 50), 3);
    assert_eq!(TWO.ends(tally, 50), Some((100, 300)));
    for (quota, fit) in [(4, Fit::Now), (3, Fit::At(100)), (2, Fit::At(200)), (1, Fit::At(300)), (0, Fit::Never)] {
        assert_eq!(TWO.fit(tally, 50, quota, 1), fit, "of {quota}");
    }
    let nobody = Tally { log: None, leases: &[] };
    assert_eq!((TWO.used(nobody, 50), TWO.ends(nobody, 50)), (0, None));
    assert_eq!((TWO.fit(nobody, 50, 1, 1), TWO.fit(nobody, 50, 0, 1)), (Fit::Now, Fit::Never));
    assert!(TWO.in_log().is_none());
}

#[test]
fn callers_are_told_of_no_time() {
    let refused = TWO.refused(1, Per::Account);
    assert_eq!((refused.text().as_str(), refused.unit()), ("1 at once", Unit::Requests));
    assert_eq!(refused.reason(), Reason::ParallelLimited);
    assert_eq!(refused.awaits(), Some("when one of your requests has ended"));
    let standing = TWO.standing(1, None);
    assert_eq!((standing.name(), standing.span_ms(), standing.is_timed()), ("parallel", None, false));
    assert_eq!(standing.quota_unit(Unit::Requests), Some("concurrent-requests".into()));
}

#[test]
fn a_plan_may_let_through_as_many_as_an_account_has_leases() {
    for (limit, is_read) in [(0, false), (1, true), (MAX_LEASES, true), (MAX_LEASES + 1, false)] {
        let mut reader = Reader::new(|_| true);
        let object = serde_json::from_str(&format!(r#"{{"limit":{limit}}}"#)).unwrap();
        assert_eq!(Parallel::read(&mut reader, "at", &object), is_read.then_some(Parallel { limit }));
        assert_eq!(reader.mistakes.is_empty(), is_read);
    }
}
