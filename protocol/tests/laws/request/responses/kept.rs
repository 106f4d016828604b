//! Kept responses: a conversation that goes on from them is the one that sends all of it; what is kept and listed says the
//! same; and a stream's last event is held back, whole, until it is known whether its answer is kept.

use super::BOUNDS;
use super::same::{blurred, talk};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_protocol::hop::responses_call::{
    KeptResponse, ResponsesAnswer, ResponsesCall, decode_answer, decode_call, decode_row, encode_answer, encode_call,
    encode_row,
};
use sluice_protocol::id::{RequestId, ResponseId};
use sluice_protocol::refusal::Reason::{InvalidRequest, ResponseNotFound, UnsupportedParameter};
use sluice_protocol::request::bodies::responses::{
    FinalEvent, ItemPage, Keeping, Referred, Told, Turn, input_of, kept_input, not_kept, output_of, parse, referred,
    whole_only, with_history,
};
use sluice_protocol::wire::sse::{Passed, WholeEvents};

const REQUEST: RequestId = RequestId([7; 16]);

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

proptest! {
    /// However it is cut into turns: each has what was asked, as it is kept, and what was answered, as it came.
    #[test]
    fn a_conversation_that_goes_on_from_kept_answers_is_the_one_that_sends_all_of_it(
        talk in talk(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        prop_assume!(!blurred(&talk.turns));
        let body = talk.of_responses();
        let mut whole = parsed(&body);
        let items = whole["input"].as_array().unwrap().clone();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(items.len() + 1)).collect();
        places.sort_unstable();
        places.truncate(places.len() / 2 * 2);
        let mut from = 0;
        let mut lists: Vec<String> = Vec::new();
        for place in places {
            lists.push(Value::from(&items[from..place]).to_string());
            from = place;
        }
        let turns: Vec<Turn> = lists
            .chunks(2)
            .map(|turn| Turn { input: kept_input(&turn[0], REQUEST).unwrap(), output: turn[1].clone() })
            .collect();
        let mut last = Value::from(&items[from..]);
        if let [only] = &items[from..]
            && only["role"] == "user"
            && let Some(text) = only["content"].as_str()
        {
            last = json!(text);
        }
        whole["input"] = last;
        // Tools stay as they were written.
        let rest = body[body.rfind(r#","tools":"#).unwrap()..].to_owned();
        whole.as_object_mut().unwrap().remove("tools");
        let short = whole.to_string();
        let short = format!("{}{rest}", short.strip_suffix('}').unwrap());
        let found = with_history(short.as_bytes(), &turns, &[]).unwrap();
        prop_assert_eq!(parse(&found, BOUNDS), parse(body.as_bytes(), BOUNDS));
    }

    /// What is kept of a request asks the same, and each of its items has what clients look for.
    #[test]
    fn what_is_kept_says_the_same(talk in talk()) {
        let body = talk.of_responses();
        let kept = kept_input(input_of(body.as_bytes()).unwrap(), REQUEST).unwrap();
        let again = with_history(br#"{"model":"m","input":[]}"#, &[Turn { input: kept.clone(), output: "[]".into() }], &[]);
        let plain = json!({"model": "m", "input": parsed(&body)["input"]}).to_string();
        prop_assert_eq!(parse(&again.unwrap(), BOUNDS), parse(plain.as_bytes(), BOUNDS));
        for item in parsed(&kept).as_array().unwrap() {
            prop_assert!(["id", "type", "status"].iter().all(|name| item[name].is_string()), "{}", item);
            prop_assert!(item["type"] != "message" || item["content"].is_array(), "{}", item);
        }
        // It is as long for whatever request.
        let other = kept_input(input_of(body.as_bytes()).unwrap(), RequestId([0; 16])).unwrap();
        prop_assert_eq!(other.len(), kept.len());
    }

    /// However a stream is cut into chunks, all that comes before the last event passes at once, and the last one is told as
    /// it came, or as not kept.
    #[test]
    fn the_last_event_is_held_back_and_tells_whether_it_is_kept(
        text in ".{0,12}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        is_cut in any::<bool>(),
        is_kept in any::<bool>(),
        end in any::<prop::sample::Index>(),
    ) {
        let kind = if is_cut { "response.incomplete" } else { "response.completed" };
        let said = json!(format!("{text}\nevent: response.completed\n\n"));
        let answer = format!(r#"{{"id":"resp_{REQUEST}","store":true,"output":[{{"store":true,"text":{said}}}]}}"#);
        let first = format!("event: response.created\nid: 1/0/0\ndata: {{\"response\":{answer}}}\n\n: a comment\n\n");
        let last = format!("event: {kind}\nid: 1/1/0!\ndata: {{\"type\":\"{kind}\",\"response\":{answer}}}\n\n");
        let stream = format!("{first}{last}");
        // It may break off anywhere in the last one.
        let come = first.len() + end.index(last.len() + 1);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(come + 1)).collect();
        places.extend([0, come]);
        places.sort_unstable();
        let (mut whole, mut held, mut passed) = (WholeEvents::new(1 << 20), FinalEvent::default(), Vec::new());
        for pair in places.windows(2) {
            let chunk = &stream.as_bytes()[pair[0]..pair[1]];
            match held.push(chunk, whole.push(chunk)) {
                Passed::Whole => passed.extend_from_slice(chunk),
                Passed::Part(part) => passed.extend(part),
            }
        }
        prop_assert_eq!(std::str::from_utf8(&passed).unwrap(), &first);
        if come < stream.len() {
            prop_assert_eq!(held.answer(), None);
            return Ok(());
        }
        let told = Told::read(held.answer().unwrap()).unwrap();
        prop_assert_eq!(told, Told { id: ResponseId(REQUEST), answer: &answer });
        let end = String::from_utf8(held.take(is_kept)).unwrap();
        let expected = if is_kept { last } else { last.replacen(r#""store":true"#, r#""store":false"#, 1) };
        prop_assert_eq!(end, expected);
        prop_assert!(held.take(false).is_empty());
    }

    /// Whatever bytes come, they are refused or come back as they were.
    #[test]
    fn messages_and_rows_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let kept = KeptResponse { model: "m".into(), previous: Some(ResponseId(REQUEST)), input: "[]".into(), answer: "{}".into() };
        let call = ResponsesCall::Keep { id: ResponseId(REQUEST), kept: kept.clone() };
        for mut good in [encode_call(&call), encode_row(&kept), encode_answer(&ResponsesAnswer::Response(kept))] {
            for (at, flip) in &flips {
                let at = at.index(good.len());
                good[at] ^= flip;
            }
            for bytes in [&good, &bytes] {
                if let Ok(call) = decode_call(bytes) {
                    prop_assert_eq!(decode_call(&encode_call(&call)), Ok(call));
                }
                if let Ok(answer) = decode_answer(bytes) {
                    prop_assert_eq!(decode_answer(&encode_answer(&answer)), Ok(answer));
                }
                if let Ok(row) = decode_row(bytes) {
                    prop_assert_eq!(decode_row(&encode_row(&row)), Ok(row));
                }
            }
        }
    }
}

#[test]
fn what_a_request_says_of_kept_answers() {
    let reads = |store, previous: Option<&str>, refers| {
        let previous = previous.map(Into::into);
        Keeping { store, previous, refers, background: false }
    };
    for (body, expected) in [
        (r#"{"input":"item_reference","store":true}"#, reads(true, None, false)),
        (r#"{"\u0073tore":true,"previous_response_id":"r\u0065sp_1"}"#, reads(true, Some("resp_1"), false)),
        (r#"{"input":[{"type":"item_reference","id":"x"}]}"#, reads(false, None, true)),
        (r#"{"store":"true","previous_response_id":5}"#, reads(false, None, false)),
        (r#"{"store":null,"previous_response_id":null}"#, reads(false, None, false)),
        (r#"{"store":true,"store":true}"#, reads(false, None, false)),
        (r#"{"background":true}"#, Keeping { background: true, ..Keeping::default() }),
        (r#"{"background":"true","store":true}"#, reads(true, None, false)),
        ("[]", reads(false, None, false)),
        ("", reads(false, None, false)),
    ] {
        assert_eq!(Keeping::read(body.as_bytes()), expected, "{body}");
    }
    assert_eq!(Keeping::read(b"\xff"), Keeping::default());
    for (keeping, param) in [
        (reads(true, None, false), Some("store")),
        (reads(false, Some("resp_1"), false), Some("previous_response_id")),
        (reads(false, None, true), None),
    ] {
        let refusal = keeping.refuse().err();
        assert_eq!(refusal.as_ref().and_then(|refusal| refusal.param.as_deref()), param);
        assert!(refusal.is_none_or(|refusal| refusal.reason == UnsupportedParameter));
    }
}

#[test]
fn items_are_named_by_their_ids_and_nobody_elses_are_found() {
    let [one, other] = [[7; 16], [8; 16]].map(|id| ResponseId(RequestId(id)));
    let message = |id: &str, text: &str| json!([{"id": id, "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]);
    let asked = kept_input(r#""Hi""#, one.0).unwrap();
    let answered = message(&format!("msg_{}_0", one.0), "Hello").to_string();
    let named = [Referred { id: one, turn: Turn { input: asked, output: answered } }];
    let reference = |id: &str| json!({"type": "item_reference", "id": id});
    let body = |items: Value| json!({"model": "m", "input": items}).to_string().into_bytes();
    let [input, output] = [format!("msg_{}_i0", one.0), format!("msg_{}_0", one.0)];
    let asks = body(json!([reference(&input), reference(&output), {"role": "user", "content": "More"}]));
    assert_eq!(referred(&asks), [one]);
    let found = with_history(&asks, &[], &named).unwrap();
    let all = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "More"}]);
    assert_eq!(parse(&found, BOUNDS), parse(&body(all), BOUNDS));
    for id in [format!("msg_{}_0", other.0), format!("msg_{}_1", one.0), "x".into(), String::new(), "msg_req__0".into()]
    {
        let refusal = with_history(&body(json!([reference(&id)])), &[], &named).unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (ResponseNotFound, Some("input")), "{id}");
        assert!(refusal.message.starts_with("input[0]: "), "{}", refusal.message);
    }
    assert_eq!(referred(&body(json!([reference("x"), reference(&format!("msg_{}_0", other.0)), 5]))), [other]);
    // What is wrong is left as it is, for whoever reads it.
    for wrong in [r#"{"input":5}"#, "{}", "", r#"{"input":"a","input":"b"}"#] {
        assert_eq!(with_history(wrong.as_bytes(), &named.clone().map(|one| one.turn), &[]).unwrap(), wrong.as_bytes());
    }
}

#[test]
fn an_answer_says_whether_it_is_kept() {
    let answer =
        format!(r#"{{"id":"resp_{REQUEST}","output":[{{"store":true}}],"store":true,"metadata":{{"store":"true"}}}}"#);
    assert_eq!(Told::read(&answer).map(|told| told.id), Some(ResponseId(REQUEST)));
    assert_eq!(output_of(&answer), Some(r#"[{"store":true}]"#));
    let told = not_kept(&answer);
    assert_eq!(Told::read(&told), None);
    assert_eq!(told.replacen(r#""store":false"#, r#""store":true"#, 1), answer);
    assert_eq!(Told::read(r#"{"id":"resp_1","store":true,"output":[]}"#), None);
    for other in ["{}", "", "[]", r#"{"store":false}"#] {
        assert_eq!((Told::read(other), not_kept(other)), (None, other.to_owned()), "{other}");
    }
}

#[test]
fn pages_hold_what_was_asked_once_and_in_order() {
    let items = kept_input(
        &Value::from((0..45).map(|at| json!({"role": "user", "content": at.to_string()})).collect::<Vec<_>>())
            .to_string(),
        REQUEST,
    )
    .unwrap();
    let page = |query: &str| ItemPage::parse(query).and_then(|page| page.of(&items)).map(|page| parsed(&page));
    for (order, expected) in [("asc", (0..45).collect::<Vec<_>>()), ("desc", (0..45).rev().collect())] {
        for limit in [1, 7, 20, 45, 100] {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let told = page(&format!("limit={limit}&order={order}{after}&include[]=x")).unwrap();
                let data = told["data"].as_array().unwrap();
                assert!(data.len() <= limit && told["object"] == "list");
                assert_eq!((&told["first_id"], &told["last_id"]), (&data[0]["id"], &data[data.len() - 1]["id"]));
                found.extend(
                    data.iter().map(|item| item["content"][0]["text"].as_str().unwrap().parse::<u32>().unwrap()),
                );
                after = format!("&after={}", told["last_id"].as_str().unwrap());
                if told["has_more"] == false {
                    break;
                }
            }
            assert_eq!(found, expected, "{order} {limit}");
        }
    }
    assert_eq!(page("").unwrap()["data"][0]["content"][0]["text"], "44", "the last comes first");
    assert_eq!(page("").unwrap()["data"].as_array().unwrap().len(), 20);
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=x", "after"),
        ("after", "after"),
        ("before=x", "before"),
    ] {
        let refusal = page(query).unwrap_err();
        assert_eq!((refusal.reason, refusal.param.as_deref()), (InvalidRequest, Some(param)), "{query}");
    }
    let empty = parsed(&ItemPage::parse("").unwrap().of("[]").unwrap());
    assert_eq!(empty, json!({"object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false}));
    assert!(whole_only("include[]=x&stream=false").is_ok() && whole_only("").is_ok());
    assert_eq!(whole_only("stream=true").unwrap_err().param.as_deref(), Some("stream"));
}
