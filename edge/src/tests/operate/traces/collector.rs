//! A collector that is scripted: it reads what comes as OTLP's JSON says, and answers as it is told to.

use crate::platform::scripted::{Asked, Reply, Server};
use crate::platform::sleep;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub(super) const URL: &str = "https://otlp.example/base";
pub(super) const HEADERS: &str = "api-key=so%20secret,x-tenant=sluice";
pub(super) const SECRET: &str = "so secret";

/// Keeps what it takes.
#[derive(Default)]
pub(super) struct Collector {
    spans: RefCell<Vec<Value>>,
    bodies: RefCell<Vec<String>>,
    pub(super) answers: Cell<Answers>,
    /// What is answered before that, oldest first.
    pub(super) first: RefCell<Vec<Answers>>,
    /// How many spans of each batch it says that it does not take.
    pub(super) rejects: Cell<u64>,
    pub(super) batches: Cell<u32>,
    pub(super) most_at_once: Cell<u32>,
    pub(super) most_in_one: Cell<usize>,
    /// How often somebody came to where it redirects.
    pub(super) elsewhere: Cell<u32>,
    at_once: Cell<u32>,
}

/// What it does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Answers {
    /// It takes everything.
    #[default]
    Well,
    /// It takes the connection, and says nothing for a minute.
    Nothing,
    /// Nobody is there.
    Nobody,
    /// It answers with this status and nothing is kept; perhaps with a `retry-after`.
    Status(u16, Option<u32>),
    /// It takes everything, and says ten megabytes.
    Long,
    /// It takes everything, and its answer has no end.
    Endless,
}

impl Collector {
    /// Its side, and the other server for whatever is not for it.
    pub(super) fn server(self: Rc<Self>, otherwise: Server) -> Server {
        Rc::new(move |asked| {
            if asked.url.starts_with("https://elsewhere.example") {
                self.elsewhere.set(self.elsewhere.get() + 1);
            }
            if !asked.url.starts_with(URL) {
                return otherwise(asked);
            }
            let own = self.clone();
            Box::pin(async move {
                own.at_once.set(own.at_once.get() + 1);
                own.most_at_once.set(own.most_at_once.get().max(own.at_once.get()));
                let reply = own.answer(&asked).await;
                own.at_once.set(own.at_once.get() - 1);
                reply
            })
        })
    }

    async fn answer(&self, asked: &Asked) -> Option<Reply> {
        assert_eq!((asked.method.as_str(), asked.url.as_str()), ("POST", "https://otlp.example/base/v1/traces"));
        let header = |name: &str| asked.headers.get(name).map(String::as_str);
        assert_eq!((header("api-key"), header("x-tenant")), (Some(SECRET), Some("sluice")));
        assert_eq!((header("content-type"), asked.headers.len()), (Some("application/json"), 3));
        self.batches.set(self.batches.get() + 1);
        let answers = match self.first.borrow_mut() {
            mut first if !first.is_empty() => first.remove(0),
            _ => self.answers.get(),
        };
        match answers {
            Answers::Well => {
                self.keep(&asked.body);
                let rejected = self.rejects.get();
                let said = format!(r#"{{"partialSuccess":{{"rejectedSpans":"{rejected}"}}}}"#);
                Some(Reply::whole(200, &[], if rejected > 0 { &said } else { "{}" }))
            }
            Answers::Nothing => {
                // A while only, so that worlds come to their end.
                for _ in 0..60 {
                    if asked.is_gone() {
                        break;
                    }
                    sleep(1_000).await;
                }
                None
            }
            Answers::Nobody => None,
            Answers::Status(status, retry_after) => {
                let retry_after = retry_after.map(|seconds| seconds.to_string());
                let after = retry_after.as_ref().map(|seconds| ("retry-after", seconds.as_str()));
                let location = [("location", "https://elsewhere.example/")];
                let headers: Vec<_> = location.into_iter().chain(after).collect();
                Some(Reply::whole(status, &headers, "secret words of the collector's"))
            }
            Answers::Long => {
                self.keep(&asked.body);
                Some(Reply::whole(200, &[], &"x".repeat(10 << 20)))
            }
            Answers::Endless => {
                self.keep(&asked.body);
                let reply = Reply::new(200, &[]);
                reply.writer().write("{");
                Some(reply)
            }
        }
    }

    fn keep(&self, body: &[u8]) {
        let read: Value = serde_json::from_slice(body).expect("it is JSON");
        let resource = &read["resourceSpans"][0];
        let attributes = resource["resource"]["attributes"].as_array().expect("a list");
        assert_eq!(attributes[0]["value"]["stringValue"], "sluice-edge");
        let scope = &resource["scopeSpans"][0];
        assert_eq!(scope["scope"]["name"], "sluice");
        let spans = scope["spans"].as_array().expect("a list");
        assert!(!spans.is_empty(), "nothing is sent in vain");
        for span in spans {
            for (member, length) in [("traceId", 32), ("spanId", 16)] {
                let id = span[member].as_str().expect("a text");
                assert!(id.len() == length && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{span}");
            }
            let [start, end] = ["startTimeUnixNano", "endTimeUnixNano"]
                .map(|member| span[member].as_str().expect("a text").parse::<u64>().expect("a number"));
            assert!(start <= end && start % 1_000_000 == 0 && end / 1_000_000 <= crate::platform::now(), "{span}");
        }
        self.most_in_one.set(self.most_in_one.get().max(spans.len()));
        self.spans.borrow_mut().extend(spans.iter().cloned());
        self.bodies.borrow_mut().push(String::from_utf8(body.to_vec()).expect("text"));
    }

    /// All that it took.
    pub(super) fn spans(&self) -> Vec<Value> {
        self.spans.borrow().clone()
    }

    /// Nothing of what was said, and nothing that opens a door.
    pub(super) fn holds_no_secret(&self) {
        for body in self.bodies.borrow().iter() {
            for secret in ["<", "slc_", "Bearer", SECRET, crate::tests::stage::ADMIN_TOKEN] {
                assert!(!body.contains(secret), "{secret}: {body}");
            }
        }
    }
}
