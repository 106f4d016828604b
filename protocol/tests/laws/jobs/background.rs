//! A response in the background: whatever ends when and whoever wants what, it comes to one end, what was told of it
//! stays true, and nothing of it is under way then.

use super::ways::owner;
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_protocol::id::{RequestId, ResponseId};
use sluice_protocol::jobs::background::{
    Background, Deletion, End, Next, ResponseAsked, Seen, WINDOW_MS, check_store, check_stream, decode_background,
    encode_background, foreground, no_answer_yet, queued,
};
use sluice_protocol::jobs::work::{Found, Outcome, Stage, Why, Work};
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::responses::{MAX_KEPT_PART, Status, parse};

const NOW: u64 = 1_790_000_000_000;
const ID: ResponseId = ResponseId(RequestId([5; 16]));
const BODY: &str = r#"{"model":"m","input":"Hi","store":true,"background":true,"instructions":"x"}"#;

pub(super) fn asked() -> ResponseAsked {
    ResponseAsked {
        id: ID,
        owner: owner(),
        model: "m".into(),
        previous: None,
        input: "[]".into(),
        told: queued(ID, NOW, "m", &foreground(BODY.as_bytes())).unwrap(),
    }
}

/// An answer as an origin gives it to this try.
fn answer(request: RequestId) -> String {
    let item = json!({"id": format!("msg_{request}_0"), "type": "message", "content": []});
    let answer = json!({
        "id": format!("resp_{request}"), "status": "completed", "background": false, "store": true,
        "created_at": 1, "output": [item],
    });
    answer.to_string()
}

#[derive(Clone, Copy, Debug)]
enum Do {
    /// What is next is done, as its task does it; this is what it meets.
    Next(Meets),
    Cancel,
    Delete(u8),
    /// The instance ends: what is next is looked for again.
    Later(u64),
}

#[derive(Clone, Copy, Debug)]
enum Meets {
    Answer,
    Refusal,
    NoRoom,
    Failure,
    /// The instance ends before the answer.
    End,
    /// The instance ends between the answer and its settling.
    EndAfterAnswer,
}

fn steps() -> impl Strategy<Value = Vec<Do>> {
    let meets = prop_oneof![
        Just(Meets::Answer),
        Just(Meets::Refusal),
        Just(Meets::NoRoom),
        Just(Meets::Failure),
        Just(Meets::End),
        Just(Meets::EndAfterAnswer),
    ];
    let step = prop_oneof![
        6 => meets.prop_map(Do::Next),
        1 => Just(Do::Cancel),
        1 => (0..2_u8).prop_map(Do::Delete),
        1 => (0..WINDOW_MS).prop_map(Do::Later),
    ];
    prop::collection::vec(step, 0..30)
}

struct Kept {
    response: Background,
    work: Option<Work>,
    now: u64,
    tries: u8,
    /// Who is told what, in order.
    seen: Vec<Seen>,
    /// Whether it lies where responses are kept.
    lies_there: bool,
    /// Whether an origin has answered it.
    is_answered: bool,
}

impl Kept {
    fn new() -> Self {
        let (response, work) = (Background::new(asked(), NOW), Work::new(String::new(), BODY.into()));
        let own = Self {
            response,
            work: Some(work),
            now: NOW,
            tries: 0,
            seen: Vec::new(),
            lies_there: false,
            is_answered: false,
        };
        own.written()
    }

    /// As it is read again from its row.
    fn written(mut self) -> Self {
        self.response = decode_background(&encode_background(&self.response)).unwrap();
        if self.response.end.is_some() {
            self.work = None;
        }
        self.seen.push(self.response.seen(self.work.as_ref()));
        self
    }

    fn step(mut self, step: Do) -> Self {
        match (step, self.work.take()) {
            (Do::Later(ms), work) => {
                self.now += ms;
                self.work = work;
            }
            (Do::Cancel, Some(work)) => {
                self.response.cancel(&work);
                self.work = Some(work);
            }
            (Do::Cancel, None) => {}
            (Do::Delete(by), work) => {
                let before = self.response.clone();
                let done = self.response.delete(work.as_ref(), RequestId([by; 16]));
                match done {
                    Deletion::Done => assert_eq!(self.response.seen(work.as_ref()), Seen::Nothing),
                    Deletion::Kept => {
                        assert_eq!(before.end, Some(End::Kept));
                        self.lies_there = false;
                    }
                    Deletion::Nothing => assert_eq!(self.response, before),
                }
                // A message that comes again is answered as before.
                if done != Deletion::Kept {
                    assert_eq!(self.response.delete(work.as_ref(), RequestId([by; 16])), done);
                }
                self.work = work;
            }
            (Do::Next(_), None) => {}
            (Do::Next(meets), Some(mut work)) => {
                self.next(&mut work, meets);
                self.work = Some(work);
            }
        }
        self.written()
    }

    fn next(&mut self, work: &mut Work, meets: Meets) {
        match self.response.next(work, self.now) {
            Next::Nothing => panic!("what has work is not over"),
            Next::FindOut(tried) => {
                assert!(matches!(work.stage, Stage::Sent(own) | Stage::Told(own, _) if own == tried));
                work.find(if matches!(meets, Meets::End) { Found::Unknown } else { Found::NotWhole });
            }
            Next::Send => {
                assert!(self.now < self.response.expires_at && self.response.wish.is_none());
                self.tries += 1;
                let request = RequestId([self.tries; 16]);
                assert!(work.send(request, self.now, self.now + 1));
                self.carry(work, request, meets);
            }
            Next::Keep => {
                assert!(self.is_answered, "what was answered alone is kept");
                // Its message may come, and the word that it has may not.
                (self.lies_there, self.response.is_keeping) = (true, true);
                self.response.is_kept = !matches!(meets, Meets::End);
            }
            Next::Forget(by) => {
                self.lies_there = false;
                self.response.end = Some(End::Deleted(by));
            }
            Next::End(end) => {
                assert!(work.under_way().is_none(), "nothing is under way at its end");
                self.response.end = Some(end);
            }
        }
    }

    fn carry(&mut self, work: &mut Work, request: RequestId, meets: Meets) {
        match meets {
            Meets::Answer | Meets::EndAfterAnswer => {
                let body = answer(request);
                self.is_answered = true;
                assert!(self.response.tell(work, request, Outcome::Answered { request, body }));
                if matches!(meets, Meets::Answer) {
                    work.settle();
                }
            }
            Meets::Refusal => {
                let body = r#"{"error":{"code":"model_not_found","message":"There is none."}}"#.into();
                self.response.tell(work, request, Outcome::Refused { request, status: 1, body });
                work.settle();
            }
            Meets::NoRoom => work.wait(request, false),
            Meets::Failure => work.wait(request, true),
            Meets::End => {}
        }
    }
}

proptest! {
    #[test]
    fn it_comes_to_one_end_and_what_was_told_stays_true(steps in steps()) {
        let mut kept = steps.into_iter().fold(Kept::new(), Kept::step);
        for _ in 0..4 {
            kept = kept.step(Do::Next(Meets::Answer));
        }
        prop_assert!(kept.response.end.is_some() && kept.work.is_none(), "{:?}", kept.response);
        prop_assert_eq!(kept.response.next(&Work::new(String::new(), String::new()), kept.now), Next::Nothing);
        for pair in kept.seen.windows(2) {
            let goes_on = match pair[0] {
                Seen::Nothing => pair[1] == Seen::Nothing,
                Seen::Kept => pair[1] == Seen::Kept,
                Seen::So(Status::Cancelled | Status::Failed) => [pair[0], Seen::Nothing].contains(&pair[1]),
                Seen::So(Status::InProgress) => pair[1] != Seen::So(Status::Queued) || kept.tries > 0,
                Seen::So(_) => true,
            };
            prop_assert!(goes_on, "{:?}", kept.seen);
            prop_assert!(!matches!(pair[1], Seen::So(Status::Completed | Status::Incomplete)), "that is told by what is kept");
        }
        let last = kept.seen[kept.seen.len() - 1];
        prop_assert!(kept.lies_there <= (last == Seen::Kept), "what is deleted or cancelled lies nowhere: {:?}", kept.response);
    }
}

#[test]
fn an_answer_has_the_id_that_its_caller_knows_and_so_have_its_items() {
    let response = Background::new(asked(), NOW);
    let request = RequestId([9; 16]);
    for tried in [request, request.again()] {
        let mut work = Work::new(String::new(), BODY.into());
        work.send(request, NOW, NOW + 1);
        response.tell(&mut work, request, Outcome::Answered { request, body: answer(tried) });
        let Stage::Told(_, Outcome::Answered { body, .. }) = work.stage else { panic!("{:?}", work.stage) };
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&told["id"], &told["background"]), (&json!(ID.to_string()), &json!(true)));
        assert_eq!(told["output"][0]["id"], json!(format!("msg_{}_0", ID.0)));
        assert_eq!(told["created_at"], json!(NOW / 1000));
    }
    let told = |body: String| {
        let mut work = Work::new(String::new(), BODY.into());
        work.send(request, NOW, NOW + 1);
        response.tell(&mut work, request, Outcome::Answered { request, body });
        work.stage
    };
    let why = |stage| match stage {
        Stage::Told(_, Outcome::Unanswered(why)) => Some(why),
        _ => None,
    };
    assert_eq!(why(told("{}".into())), Some(Why::Lost), "what cannot be kept is no answer");
    let long = answer(request).replace("completed", &"x".repeat(MAX_KEPT_PART));
    assert_eq!(why(told(long)), Some(Why::TooLong));
}

#[test]
fn what_waits_is_told_as_it_was_asked_for() {
    let told: Value = serde_json::from_str(&asked().told).unwrap();
    let expected = [
        ("id", json!(ID.to_string())),
        ("status", json!("queued")),
        ("background", json!(true)),
        ("instructions", json!("x")),
        ("store", json!(true)),
        ("output", json!([])),
        ("usage", Value::Null),
    ];
    for (name, value) in expected {
        assert_eq!(told[name], value, "{name}");
    }
    let mut response = Background::new(asked(), NOW);
    response.refuse(&Work::new(String::new(), String::new()), &Refusal::new(Reason::InvalidKey, "It is \"gone\"."));
    let failed: Value = serde_json::from_str(&response.told(Status::Failed)).unwrap();
    assert_eq!(failed["error"], json!({"code": "invalid_api_key", "message": "It is \"gone\"."}));
    assert_eq!(failed["status"], "failed");
}

#[test]
fn who_asks_in_the_background_keeps_and_streams_nothing() {
    assert!(parse(BODY.as_bytes(), super::files::BOUNDS).is_err(), "nobody but an edge takes it");
    let sent = foreground(BODY.as_bytes());
    assert!(parse(&sent, super::files::BOUNDS).is_ok(), "{}", String::from_utf8_lossy(&sent));
    let params = [check_store(false), check_stream(true)].map(|checked| checked.unwrap_err().param);
    assert_eq!(params.map(Option::unwrap), ["background", "stream"]);
    assert!(check_store(true).is_ok() && check_stream(false).is_ok());
    for status in [Status::Queued, Status::InProgress, Status::Failed, Status::Cancelled] {
        let refusal = no_answer_yet(status);
        assert_eq!((refusal.reason, refusal.param.as_deref()), (Reason::InvalidRequest, Some("previous_response_id")));
        assert!(refusal.message.contains(status.name()), "{}", refusal.message);
    }
}

proptest! {
    #[test]
    fn rows_are_read_or_refused_whatever_they_are(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(response) = decode_background(&bytes) {
            prop_assert_eq!(decode_background(&encode_background(&response)), Ok(response));
        }
    }
}
