//! Who is limited: keys and their accounts, callers without credentials, and subjects of tokens; what an admin sets for one
//! of them, and who skips a limit.

use harness::caller::hello;
use harness::issuers::{self, Issuer};
use harness::{Answer, PLAN, RunningStack, Stack};
use serde_json::{Value, json};
use sluice_protocol::admin::CreatedKey;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::refusal::Reason;

fn window(name: &str, limit: u32) -> Value {
    json!({"name": name, "kind": "window", "limit": limit, "window": "1h"})
}

fn plan(limits: &Value) -> Value {
    json!({ "limits": limits })
}

/// Changes a key or an account.
fn patch(stack: &RunningStack, path: &str, change: &Value) -> Answer {
    stack.edge.admin("PATCH", path, Some(change))
}

fn key_path(key: &CreatedKey) -> String {
    format!("/keys/{}", key.id)
}

/// Asks until refused and says how often it was served.
fn served(mut ask: impl FnMut() -> Answer) -> usize {
    let served = (0..100).take_while(|_| ask().status == 200).count();
    ask().refused(Reason::RateLimited);
    served
}

#[test]
fn keys_share_their_accounts_limits_and_have_some_of_their_own() {
    let each = json!({"name": "each", "kind": "window", "limit": 2, "window": "1h", "per": "key"});
    let stack = Stack::new().with(window("all", 5)).with(each).start();
    stack.script().allow_all();
    let first = stack.key();
    let join = || stack.edge.issue(&json!({"plan": PLAN, "account": first.account}));
    let (second, third, fourth) = (join(), join(), join());
    let chat = |key: &CreatedKey| stack.edge.chat(Some(&key.key), &hello(4));
    assert_eq!([&first, &second, &third, &fourth].map(|key| served(|| chat(key))), [2, 2, 1, 0]);
    assert!(chat(&first).text().contains("`each`") && chat(&fourth).text().contains("`all`"));
    // A limit that only this key has.
    let stranger = stack.key();
    patch(&stack, &key_path(&stranger), &json!({"limits": [window("own", 1)]})).ok();
    assert_eq!(served(|| chat(&stranger)), 1);
    assert!(chat(&stranger).text().contains("`own`"));
    assert_eq!(stack.edge.own(&stranger.key).limits.len(), 3);
}

#[test]
fn what_is_set_for_a_key_holds_for_its_next_request() {
    let plans = json!({"plans": {PLAN: plan(&json!([window("hour", 1)])), "other": plan(&json!([window("day", 3)]))}});
    let stack = Stack::new().plans(plans.to_string()).start();
    stack.script().allow_all();
    let key = stack.key();
    let path = key_path(&key);
    let chat = || stack.edge.chat(Some(&key.key), &hello(4));
    let set = |change: Value| patch(&stack, &path, &change).ok().json();

    assert_eq!(set(json!({"disabled": true, "name": "ann's"}))["disabled"], true);
    chat().refused(Reason::Disabled);
    stack.edge.get("/v1/models", Some(&key.key)).refused(Reason::Disabled);
    stack.edge.get("/v1/key", Some(&key.key)).refused(Reason::Disabled);
    set(json!({"disabled": false}));
    assert_eq!(served(chat), 1);
    // A refusal of a moment ago is forgotten, too.
    assert_eq!(set(json!({"overrides": {"hour": 3}}))["overrides"], json!({"hour": 3}));
    assert_eq!(served(chat), 2);
    // The account's number is for keys that have none.
    let account = format!("/accounts/{}", key.account);
    patch(&stack, &account, &json!({"overrides": {"hour": 100}})).ok();
    chat().refused(Reason::RateLimited);
    set(json!({"overrides": {}}));
    chat().ok();
    assert_eq!(stack.edge.own(&key.key).limits[0].limit, 100);
    patch(&stack, &account, &json!({"overrides": {}})).ok();
    chat().refused(Reason::RateLimited);
    set(json!({"plan": "other"}));
    assert_eq!(served(chat), 3);
    patch(&stack, &account, &json!({"plan": PLAN})).ok();
    assert!(chat().refused(Reason::RateLimited).text().contains("`hour`"));
    patch(&stack, &account, &json!({"plan": null, "disabled": true})).ok();
    chat().refused(Reason::Disabled);
    patch(&stack, &account, &json!({"disabled": false})).ok();
    assert!(chat().refused(Reason::RateLimited).text().contains("`day`"));
    // What is listed is what is in force, and what was not named stays.
    let entry = stack.edge.list().data.remove(0);
    assert_eq!((entry.name.as_str(), entry.plan.as_str()), ("ann's", "other"));
}

#[test]
fn bad_values_are_refused_by_name_and_change_nothing() {
    let stack = Stack::new().limit("5 per 1h").start();
    let key = stack.key();
    let number = |value: Value| json!({"overrides": {"window-0": value}});
    let at = Some("overrides.window-0");
    let limits = |limit: Value| json!({ "limits": limit });
    // Where `param` is none, the message names the member.
    let of_keys: Vec<(Value, Option<&str>, &str)> = vec![
        (number(json!(-1)), at, "overrides"),
        (number(json!(1.5)), at, "overrides"),
        (number(json!(0)), at, "overrides"),
        (number(json!("7")), at, "overrides"),
        (number(json!("NaN")), at, "overrides"),
        (number(json!(null)), at, "overrides"),
        (number(json!(1_000_000_001)), at, "overrides"),
        (json!({"overrides": {"minute": 7}}), None, "`minute`"),
        (json!({"overrides": {"No Name": 7}}), Some("overrides.No Name"), "overrides"),
        (json!({"colour": "red"}), None, "colour"),
        (json!({"plan": "gold"}), Some("plan"), "plan"),
        (json!({"plan": 1}), None, "integer"),
        (json!({"disabled": "yes"}), None, "yes"),
        (json!({"name": "a\nb"}), Some("name"), "name"),
        (limits(json!([window("own", 0)])), Some("limits"), "limits[0].limit"),
        (limits(json!([{"name": "own"}])), Some("limits"), "limits[0].kind"),
        (limits(json!({})), Some("limits"), "limits"),
        (limits(json!([window("window-0", 1)])), None, "`window-0`"),
    ];
    let before = stack.edge.view(key.id);
    let check = |answer: Answer, param: Option<&str>, named: &str| {
        let refused = answer.refused(Reason::InvalidRequest);
        assert_eq!(refused.json()["error"]["param"].as_str(), param, "{}", refused.text());
        assert!(refused.text().contains(named), "{named}: {}", refused.text());
    };
    for (change, param, named) in &of_keys {
        check(patch(&stack, &key_path(&key), change), *param, named);
    }
    let nan = stack.edge.send(|http, base| {
        let request = http.patch(format!("{base}/admin/v1/keys/{}", key.id)).bearer_auth(harness::secrets::ADMIN_TOKEN);
        request.header("content-type", "application/json").body(r#"{"overrides":{"window-0":NaN}}"#)
    });
    nan.from_edge().refused(Reason::InvalidJson);
    let account = format!("/accounts/{}", key.account);
    for (change, param, named) in &of_keys[..12] {
        check(patch(&stack, &account, change), *param, named);
    }
    check(patch(&stack, &account, &json!({"limits": []})), None, "limits");
    let after = stack.edge.view(key.id);
    assert_eq!((after.overrides, after.limits, after.key), (before.overrides, before.limits, before.key));
    for unknown in ["07", "jwt:corp", "jwt:CORP:00", "ip:x", "acct:", "ip:203.0.113.9/64", ""] {
        stack.edge.admin("GET", &format!("/accounts/{unknown}"), None).refused(Reason::KeyNotFound);
        patch(&stack, &format!("/accounts/{unknown}"), &json!({})).refused(Reason::KeyNotFound);
    }
    let unknown = format!("/keys/key_{}", "0".repeat(24));
    patch(&stack, &unknown, &json!({"disabled": true})).refused(Reason::KeyNotFound);
}

#[test]
fn callers_without_credentials_are_their_address_if_the_plans_say_so() {
    let refusing = Stack::new().start();
    let ask = |stack: &RunningStack, address: &str| stack.edge.chat_as(&[("cf-connecting-ip", address)], &hello(4));
    ask(&refusing, "203.0.113.9").refused(Reason::MissingKey);
    drop(refusing);

    let stack = Stack::new().limit("2 per 1h").table("anonymous", PLAN).start();
    stack.script().allow_all();
    stack.edge.chat(None, &hello(4)).refused(Reason::MissingKey);
    ask(&stack, "not an address").refused(Reason::MissingKey);
    // An IPv4 address, also written as IPv6; an IPv6 /64.
    for (name, first, again, other) in [
        ("ip:203.0.113.9", "203.0.113.9", "::ffff:203.0.113.9", "203.0.113.10"),
        ("ip:2001:db8:1:2::/64", "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
    ] {
        ask(&stack, first).ok();
        ask(&stack, again).ok();
        for address in [first, again] {
            ask(&stack, address).refused(Reason::RateLimited);
        }
        ask(&stack, other).ok();
        let view = stack.edge.admin("GET", &format!("/accounts/{name}"), None).ok().json();
        assert_eq!((&view["account"], &view["keys"]), (&json!(name), &json!([])));
        assert_eq!(stack.edge.chat_as(&[("cf-connecting-ip", other)], &hello(4)).ok().status, 200);
        // An admin can take such an account in hand: with a wider limit, and at all.
        patch(&stack, &format!("/accounts/{name}"), &json!({"overrides": {"window-0": 3}})).ok();
        ask(&stack, first).ok();
        let escaped = name.replace(':', "%3A").replace('/', "%2F");
        patch(&stack, &format!("/accounts/{escaped}"), &json!({"disabled": true})).ok();
        ask(&stack, again).refused(Reason::Disabled);
    }
    let own =
        stack.edge.send(|http, base| http.get(format!("{base}/v1/key")).header("cf-connecting-ip", "203.0.113.10"));
    assert_eq!(own.from_edge().ok().json()["id"], "ip:203.0.113.10");
    // A key is a key wherever it is used, and a bad one is not nobody.
    let key = stack.key();
    stack
        .edge
        .chat_as(&[("authorization", &format!("Bearer {}", key.key)), ("cf-connecting-ip", "203.0.113.9")], &hello(4))
        .ok();
    stack
        .edge
        .chat_as(&[("authorization", "Bearer x"), ("cf-connecting-ip", "203.0.113.11")], &hello(4))
        .refused(Reason::InvalidKey);
}

#[test]
fn subjects_of_tokens_are_accounts_of_their_issuer() {
    let issuers = issuers::setting(&[(Issuer::Corp, PLAN), (Issuer::Lab, PLAN)]);
    let stack = Stack::new().limit("2 per 1h").setting("JWT_ISSUERS", issuers).start();
    stack.script().allow_all();
    let ask = |token: &str| stack.edge.chat(Some(token), &hello(4));
    for issuer in [Issuer::Corp, Issuer::Lab] {
        for subject in ["ann", "bob@example"] {
            let token = issuer.token(subject);
            assert_eq!(served(|| ask(&token)), 2, "{issuer:?} {subject}");
            ask(&issuer.sign(&issuer.claims(subject))).refused(Reason::RateLimited);
        }
        let account = AccountName::of_token(issuer.name(), "ann");
        patch(&stack, &format!("/accounts/{account}"), &json!({"overrides": {"window-0": 3}})).ok();
        ask(&issuer.token("ann")).ok();
        let own = stack.edge.get("/v1/key", Some(&issuer.token("ann"))).ok().json();
        assert_eq!((&own["id"], &own["limits"][0]["used"]), (&json!(account.name()), &json!(3)));
    }
    let with = |issuer: Issuer, member: &str, value: Value| {
        let mut claims = issuer.claims("eve");
        claims[member] = value;
        claims
    };
    let mut bad = Issuer::Lab.signed_with_public_key(&Issuer::Lab.claims("eve"));
    bad.push("x.y.z".into());
    for (issuer, other) in [(Issuer::Corp, Issuer::Lab), (Issuer::Lab, Issuer::Corp)] {
        let now = jsonwebtoken::get_current_timestamp();
        bad.extend([
            issuer.sign(&with(issuer, "exp", json!(now - 60))),
            issuer.sign(&with(issuer, "nbf", json!(now + 600))),
            issuer.sign(&with(issuer, "aud", json!("other"))),
            issuer.sign(&with(issuer, "iss", json!("https://other.test"))),
            issuer.sign(&with(issuer, "sub", json!(""))),
            issuer.sign(&with(issuer, "sub", json!(null))),
            issuer.sign(&other.claims("eve")),
            issuer.unsigned(&issuer.claims("eve")),
            format!("{}x", issuer.token("eve")),
        ]);
    }
    for token in &bad {
        let answer = ask(token);
        assert_eq!(answer.status, 401, "{token}: {}", answer.text());
        answer.refused(Reason::InvalidKey);
    }
    assert_eq!(stack.script().prompts().len(), 2 * (2 * 2 + 1), "nobody else was served");
    let key = stack.key();
    ask(&key.key).ok();
    stack.check_logs(&bad.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn whoever_is_exempt_skips_that_limit_and_no_other() {
    let table = |exempt: Value| {
        let limits = json!([window("hour", 1), window("day", 3)]);
        json!({"plans": {PLAN: plan(&limits)}, "anonymous": PLAN, "exempt": exempt}).to_string()
    };
    let stack = Stack::new().plans(table(json!([]))).start();
    stack.script().allow_all();
    let (key, account, address, nobody) = (stack.key(), stack.key(), stack.key(), stack.key());
    let beside = stack.edge.issue(&json!({"plan": PLAN, "account": key.account}));
    let exempt = json!([
        {"limit": "hour", "who": [key.id.to_string(), account.account, "198.51.100.0/24", "2001:db8::/32"]},
        {"limit": "day", "who": "ip:203.0.113.9"},
    ]);
    stack.edge.put_plans(Some("*"), &table(exempt)).ok();
    let chat = |key: &CreatedKey| stack.edge.chat(Some(&key.key), &hello(4));
    assert_eq!(served(|| chat(&nobody)), 1);
    assert_eq!(served(|| chat(&account)), 3, "the other limit still holds");
    let from = |key: &CreatedKey, address: &str| {
        let bearer = format!("Bearer {}", key.key);
        stack.edge.chat_as(&[("authorization", &bearer), ("cf-connecting-ip", address)], &hello(4))
    };
    assert_eq!(served(|| from(&address, "203.0.113.9")), 1);
    // The same key from there: the refusal of a moment ago is not repeated to it.
    from(&address, "198.51.100.200").ok();
    from(&address, "2001:db8:9::1").ok();
    from(&address, "2001:db9::1").refused(Reason::RateLimited);
    // What skips a limit is not counted by it: the other key has it to itself.
    chat(&key).ok();
    chat(&key).ok();
    assert_eq!(served(|| chat(&beside)), 1);
    let anonymous = |address: &str| stack.edge.chat_as(&[("cf-connecting-ip", address)], &hello(4));
    assert_eq!(served(|| anonymous("203.0.113.9")), 1, "exempt from the wider limit only");
    assert_eq!(served(|| anonymous("198.51.100.1")), 3);
}
