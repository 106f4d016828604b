//! What is sent: the four forms, their signatures, and nobody who is called by a name.

use super::{START, webhooks};
use crate::golden::golden;
use proptest::prelude::*;
use sluice_protocol::alerts::message::WebhookRequest;
use sluice_protocol::alerts::watch::{Notice, Phase, Sent};
use sluice_protocol::alerts::webhook::{Form, Webhook};
use std::fmt::Write;

fn webhook(form: Form) -> Webhook {
    webhooks().into_iter().find(|webhook| webhook.form == form).unwrap()
}

fn notice(name: &str) -> Notice {
    Notice {
        id: format!("{START}-7-opened"),
        rule: "key-refused".into(),
        phase: Phase::Opened,
        at: START,
        title: "Alert: a key is refused more than 50 times within 1h".into(),
        text: format!("Key {name} of account a1 was refused 51 times."),
        facts: [("account".into(), "a1".into()), ("key".into(), name.into()), ("count".into(), "51".into())].into(),
    }
}

fn header<'a>(request: &'a WebhookRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
}

#[test]
fn every_form_is_as_it_was() {
    let mut told = String::new();
    for webhook in webhooks() {
        let request = webhook.request(&notice("<@all> & [x](y)"), START + 1_234);
        writeln!(told, "POST {}", request.url).unwrap();
        request.headers.iter().for_each(|header| writeln!(told, "{}: {}", header.name, header.value).unwrap());
        writeln!(told, "\n{}\n", request.body).unwrap();
    }
    golden("alert_messages.txt", &told);
}

/// The values on the right were computed by OpenSSL and by Python when this was written:
///
/// - `printf '%s.%s' 1790000001 "$BODY" | openssl dgst -sha256 -hmac 0123456789abcdef`, with the body of the golden file;
/// - `urllib.parse.quote_plus(base64.b64encode(hmac.new(b"SECabc", b"1790000001234\nSECabc", "sha256").digest()))`.
#[test]
fn signatures_are_what_others_compute() {
    let request = webhook(Form::Json).request(&notice("<@all> & [x](y)"), START + 1_234);
    assert_eq!(header(&request, "x-sluice-timestamp"), Some("1790000001"));
    assert_eq!(
        header(&request, "x-sluice-signature"),
        Some("v1=536d3072d39329a9ca32c304ebe9057c3fc2d7a25a1df8d6020192570594a6f5")
    );
    let request = webhook(Form::Dingtalk).request(&notice("k"), START + 1_234);
    let url = "https://oapi.dingtalk.com/robot/send?access_token=T0K&timestamp=1790000001234&sign=TsjUJbrUnxW2BGxEzNMoHcbuaEcO3FqTeT1hfvsQpno%3D";
    assert_eq!(request.url, url);
    // Without a secret nothing is signed, and a URL without a query gets one.
    let bare = Webhook { secret: None, ..webhook(Form::Dingtalk) };
    assert_eq!(bare.request(&notice("k"), START).url, bare.url);
    let plain = Webhook { url: "https://ding.example.com/send".into(), ..webhook(Form::Dingtalk) };
    assert!(plain.request(&notice("k"), START).url.starts_with("https://ding.example.com/send?timestamp="));
}

#[test]
fn a_retry_says_the_same_under_a_new_time() {
    let [first, again] = [START, START + 60_000].map(|now| webhook(Form::Json).request(&notice("k"), now));
    assert_eq!(first.body, again.body);
    assert_ne!(header(&first, "x-sluice-signature"), header(&again, "x-sluice-signature"));
    let printed = format!("{first:?}");
    assert!(!printed.contains("hooks.example.com") && !printed.contains("v1="), "{printed}");
}

/// The robots of WeCom and DingTalk answer with 200 and say in the body that nothing came.
#[test]
fn an_answer_is_taken_if_its_webhook_says_so() {
    let (ok, bad) = (br#"{"errcode":0,"errmsg":"ok"}"#.as_slice(), br#"{"errcode":93000,"errmsg":"no"}"#.as_slice());
    for form in [Form::Json, Form::Slack, Form::Wecom, Form::Dingtalk] {
        let webhook = webhook(form);
        let is_robot = matches!(form, Form::Wecom | Form::Dingtalk);
        assert_eq!(webhook.answered(200, ok), Sent::Taken);
        // Whatever stands before a robot may answer, too.
        let unless_robot = |status| if is_robot { Sent::Refused(status) } else { Sent::Taken };
        assert_eq!(webhook.answered(204, b""), unless_robot(204));
        assert_eq!(webhook.answered(200, b"<html>"), unless_robot(200));
        assert_eq!(webhook.answered(200, bad), if is_robot { Sent::Refused(200) } else { Sent::Taken });
        assert_eq!(webhook.answered(301, ok), Sent::Refused(301));
        assert_eq!(webhook.answered(500, ok), Sent::Refused(500));
    }
}

proptest! {
    /// Whatever a name is: nobody is called, no markup is begun, and no form's bound is passed.
    #[test]
    fn names_call_nobody(name in prop_oneof![".{0,64}", "[@<>&!a-z|*\n]{0,64}", "(<!channel>|<@all>|@all|<!here>|&amp;){0,500}"]) {
        let notice = notice(&name);
        for webhook in webhooks() {
            let request = webhook.request(&notice, START);
            let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
            let text = match webhook.form {
                Form::Json => {
                    prop_assert_eq!(body["text"].as_str(), Some(notice.text.as_str()));
                    prop_assert_eq!(body["facts"]["key"].as_str(), Some(name.as_str()));
                    continue;
                }
                Form::Slack => body["text"].as_str().unwrap().to_owned(),
                Form::Wecom | Form::Dingtalk => body["text"]["content"].as_str().unwrap().to_owned(),
            };
            prop_assert!(!text.contains(['@', '<', '>']), "{}", text);
            prop_assert!(text.len() <= 2_048);
            prop_assert!(text.starts_with("[Sluice] Alert: "));
            if webhook.form == Form::Slack {
                let rest = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
                prop_assert!(!rest.contains('&'), "{}", text);
            }
        }
    }
}
