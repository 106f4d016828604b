//! Admins for whom Cloudflare Access vouches.

use crate::auth::issuers::now;
use harness::Stack;
use harness::issuers::{Issuer, KID, KeyServer};
use serde_json::{Value, json};
use sluice_protocol::refusal::Reason;

#[test]
fn admins_come_through_cloudflare_access_by_their_address() {
    let server = KeyServer::start(&[Issuer::Mill.jwk(Some(KID))]);
    let setting = json!({"team": server.url(), "audience": "admin-app", "admins": {"Ann@Example.com": "read", "bob@example.com": "keys"}});
    let stack = Stack::new().setting("ADMIN_ACCESS", setting.to_string()).start();
    let assertion = |email: Value, change: Value| {
        let mut claims = json!({"iss": server.url(), "aud": ["admin-app"], "sub": "uuid", "email": email, "exp": now() + 3_600, "iat": now()});
        claims.as_object_mut().expect("an object").extend(change.as_object().expect("members").clone());
        Issuer::Mill.sign_under(&json!({"alg": "RS256", "kid": KID}), &claims)
    };
    let ask = |method: &str, path: &str, assertion: &str| {
        let method = reqwest_method(method);
        stack.edge.send(|http, base| {
            http.request(method, format!("{base}/admin/v1{path}")).header("cf-access-jwt-assertion", assertion)
        })
    };
    ask("GET", "/keys", &assertion(json!("ann@example.com"), json!({}))).ok();
    assert_eq!(server.received()[0].line, "GET /cdn-cgi/access/certs HTTP/1.1");
    ask("POST", "/keys", &assertion(json!("ANN@example.com"), json!({}))).refused(Reason::NotAllowed);
    let denied = ask("DELETE", "/keys/key_000000000000000000000000", &assertion(json!("bob@example.com"), json!({})));
    denied.refused(Reason::KeyNotFound);
    let good = assertion(json!("ann@example.com"), json!({}));
    for (what, bad) in [
        ("nobody's address", assertion(json!("eve@example.com"), json!({}))),
        ("no address", assertion(json!(null), json!({}))),
        ("another application", assertion(json!("ann@example.com"), json!({"aud": ["other"]}))),
        ("another team", assertion(json!("ann@example.com"), json!({"iss": "https://other.cloudflareaccess.com"}))),
        ("expired", assertion(json!("ann@example.com"), json!({"exp": now() - 60}))),
        ("cut short", good[..good.len() - 8].to_owned()),
        ("an admin token", harness::secrets::ADMIN_TOKEN.to_owned()),
    ] {
        let answer = ask("GET", "/keys", &bad);
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        answer.refused(Reason::InvalidAdminToken);
    }
    let failed = stack.edge.admin("GET", "/failed-logins", None).ok().json();
    let count: u64 = failed["data"].as_array().expect("rows").iter().filter_map(|row| row["count"].as_u64()).sum();
    assert_eq!(count, 7);
    // Who has both is the holder of the token.
    stack
        .edge
        .send(|http, base| {
            let request = http.get(format!("{base}/admin/v1/keys")).bearer_auth("wrong");
            request.header("cf-access-jwt-assertion", good.as_str())
        })
        .refused(Reason::InvalidAdminToken);
    stack.check_logs(&[&good]);
}

#[test]
fn programs_come_through_cloudflare_access_by_their_service_token() {
    let server = KeyServer::start(&[Issuer::Mill.jwk(Some(KID))]);
    let setting = json!({"team": server.url(), "audience": "admin-app", "admins": {"ann@example.com": "read"},
        "services": {"e367826f93b8.access": "read+keys"}});
    let stack = Stack::new().setting("ADMIN_ACCESS", setting.to_string()).start();
    let assertion = |change: Value| {
        // As Access writes it: a service has an empty subject, and no address.
        let mut claims = json!({"iss": server.url(), "aud": "admin-app", "type": "app", "sub": "", "common_name": "e367826f93b8.access",
            "exp": now() + 3_600, "iat": now()});
        claims.as_object_mut().expect("an object").extend(change.as_object().expect("members").clone());
        Issuer::Mill.sign_under(&json!({"alg": "RS256", "kid": KID}), &claims)
    };
    let ask = |method: &str, path: &str, assertion: &str| {
        stack.edge.send(|http, base| {
            let request = http.request(reqwest_method(method), format!("{base}/admin/v1{path}"));
            request.header("cf-access-jwt-assertion", assertion)
        })
    };
    ask("GET", "/keys", &assertion(json!({}))).ok();
    assert_eq!(ask("POST", "/accounts", &assertion(json!({}))).status, 201);
    ask("PUT", "/plans", &assertion(json!({}))).refused(Reason::NotAllowed);
    for (what, change) in [
        ("another service", json!({"common_name": "f00.access"})),
        ("another case", json!({"common_name": "E367826F93B8.access"})),
        ("a person with the name of a service", json!({"sub": "uuid"})),
        ("a person whose address is that name", json!({"sub": "uuid", "email": "e367826f93b8.access"})),
        ("a service whose name is an address", json!({"common_name": "ann@example.com"})),
        ("an address without a person", json!({"email": "ann@example.com"})),
        ("another application", json!({"aud": "other"})),
        ("expired", json!({"exp": now() - 60})),
    ] {
        let answer = ask("GET", "/keys", &assertion(change));
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        answer.refused(Reason::InvalidAdminToken);
    }
    let log = stack.edge.admin("GET", "/audit", None).ok().json();
    assert_eq!(log["data"][0]["actor"], "access:e367826f93b8.access", "{log}");
}

fn reqwest_method(name: &str) -> reqwest::Method {
    reqwest::Method::from_bytes(name.as_bytes()).expect("a method's name")
}
