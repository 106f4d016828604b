//! Pictures through the edge: what is granted, what passes, and what counts in the end, whatever becomes of a request. The
//! origin here draws as a real one does: step by step, with heartbeats between.

mod repeated;

use crate::platform::scripted::{Asked, Caller, Closed, Faults, Reply, Server, Writer, in_background};
use crate::platform::sleep;
use crate::tests::for_seeds;
use crate::tests::stage::{ADDRESS, Stage, json_of, plan};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sluice_protocol::forward::grant::{GrantClaims, body_hash};
use sluice_protocol::forward::report::{RequestReport, RequestStatus, UsageMark, brief};
use sluice_protocol::id::RequestId;
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::request::bodies::images::ImageRequest;
use sluice_protocol::request::drawing::{Drawing, Drawn};
use sluice_protocol::wire::{header, sse};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// An origin that draws.
#[derive(Default)]
struct Painter {
    /// What it has drawn for each request.
    drawn: RefCell<BTreeMap<String, Drawn>>,
    /// How long a picture is in base64.
    length: Cell<usize>,
    /// How long a step takes, in milliseconds.
    step_ms: Cell<u32>,
    /// The sides of a picture whose size is left to it.
    own_side: Cell<u32>,
    /// Whether a whole answer breaks off behind its first piece.
    breaks_off: Cell<bool>,
}

/// A request that is drawn.
struct Job {
    painter: Rc<Painter>,
    id: String,
    drawing: Drawing,
    asked: Asked,
    writer: Writer,
}

impl Painter {
    fn server(self: Rc<Self>) -> Server {
        Rc::new(move |asked| {
            let painter = self.clone();
            Box::pin(async move { painter.answer(asked).await })
        })
    }

    async fn answer(self: Rc<Self>, asked: Asked) -> Option<Reply> {
        let grant = asked.headers.get(header::GRANT).expect("nothing reaches an origin without a grant");
        let payload = grant.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: GrantClaims =
            serde_json::from_slice(&payload.expect("a grant has claims")).expect("claims of ours");
        match (asked.method.as_str(), asked.url.rsplit_once("/requests/")) {
            ("DELETE", Some((_, id))) => Some(self.ended(id)),
            ("POST", _) if asked.url.ends_with("/v1/images/generations") => self.draw(asked, &claims).await,
            _ => None,
        }
    }

    async fn draw(self: Rc<Self>, asked: Asked, claims: &GrantClaims) -> Option<Reply> {
        assert_eq!(claims.bh, body_hash(&asked.body), "a grant is for its body");
        let request = ImageRequest::parse(&asked.body).expect("the edge sends what it has read");
        let mut drawing = request.drawing();
        assert_eq!(claims.img, Some(drawing), "a grant says what may be drawn");
        if self.own_side.get() > 0 {
            drawing.pixels = self.own_side.get() * self.own_side.get();
        }
        assert_eq!(claims.check_pictures(drawing), Ok(()));
        let kind = if request.stream { header::EVENT_STREAM } else { "application/json" };
        let id = claims.jti.clone();
        self.drawn.borrow_mut().insert(id.clone(), Drawn::NOTHING);
        if request.stream {
            let reply = Reply::new(200, &[(header::CONTENT_TYPE, kind)]);
            let job = Job { painter: self, id, drawing, asked, writer: reply.writer() };
            in_background(job.stream());
            return Some(reply);
        }
        let job = Job { painter: self.clone(), id: id.clone(), drawing, asked, writer: Reply::new(200, &[]).writer() };
        for _ in 0..drawing.whole().steps {
            if !job.step().await {
                return None;
            }
        }
        let used = brief(self.used(&id));
        let reply = Reply::new(200, &[(header::CONTENT_TYPE, kind), (header::USAGE, &used)]);
        let writer = reply.writer();
        let picture = "A".repeat(self.length.get());
        let data = vec![format!(r#"{{"b64_json":"{picture}"}}"#); drawing.n.into()].join(",");
        let body = format!(r#"{{"created":1,"data":[{data}],"usage":{{"input_tokens":7}}}}"#);
        let (first, rest) = body.split_at(body.len() / 2);
        writer.write(first);
        if self.breaks_off.get() {
            writer.break_off();
        } else {
            writer.write(rest);
            writer.end();
        }
        Some(reply)
    }

    fn used(&self, id: &str) -> Used {
        Used::of_pictures(PROMPT, self.drawn.borrow().get(id).copied().unwrap_or_default())
    }

    /// What it tells of a request that is to end.
    fn ended(&self, id: &str) -> Reply {
        let request = RequestId::parse(id).expect("the edge asks for a request");
        let used = self.used(id);
        let report = if self.drawn.borrow().contains_key(id) {
            RequestReport::new(request, RequestStatus::Ended, used)
        } else {
            RequestReport::unseen(request, 900_000)
        };
        let report = serde_json::to_string(&report).expect("a report is JSON");
        Reply::whole(200, &[(header::CONTENT_TYPE, "application/json")], &report)
    }

    /// What it has drawn for all.
    fn all(&self) -> Drawn {
        self.drawn.borrow().values().fold(Drawn::NOTHING, |all, one| Drawn {
            images: all.images + one.images,
            steps: all.steps + one.steps,
            pixel_steps: all.pixel_steps + one.pixel_steps,
        })
    }
}

impl Job {
    /// Runs a step; whether anybody still waits.
    async fn step(&self) -> bool {
        sleep(self.painter.step_ms.get()).await;
        if self.asked.is_gone() || self.writer.is_closed() {
            return false;
        }
        let mut all = self.painter.drawn.borrow_mut();
        let drawn = all.get_mut(&self.id).expect("it has begun");
        drawn.steps += 1;
        drawn.pixel_steps += u64::from(self.drawing.pixels);
        drawn.images = drawn.steps.div_ceil(self.drawing.steps.into());
        true
    }

    async fn stream(self) {
        let mark = |mark: fn(Used) -> UsageMark| mark(self.painter.used(&self.id)).to_string();
        for picture in 0..self.drawing.n {
            for step in 0..self.drawing.steps {
                if !self.writer.write(&sse::comment(&format!("step {step} of {}", self.drawing.steps)))
                    || !self.step().await
                {
                    return self.writer.break_off();
                }
            }
            let is_last = picture + 1 == self.drawing.n;
            let id = mark(if is_last { UsageMark::complete } else { UsageMark::so_far });
            let data = json!({"type": "image_generation.completed", "b64_json": "A".repeat(self.painter.length.get())});
            let event = sse::named_event("image_generation.completed", Some(&id), &data.to_string());
            // As it comes over a wire.
            for piece in event.as_bytes().chunks(64 << 10) {
                if !self.writer.write(std::str::from_utf8(piece).expect("it is ASCII")) {
                    return;
                }
            }
        }
        self.writer.end();
    }
}

/// Limits that nobody reaches, but those of `more`.
fn plans(more: &Value) -> Value {
    let mut limits = json!([
        {"name": "requests", "kind": "window", "limit": 1_000, "window": "1d"},
        {"name": "images", "kind": "window", "unit": "images", "limit": 1_000, "window": "1d"},
        {"name": "units", "kind": "window", "unit": "cost", "limit": 900_000_000, "window": "1d"},
        {"name": "tokens", "kind": "window", "unit": "tokens", "limit": 100_000, "window": "1d"},
    ]);
    limits.as_array_mut().expect("a list").extend(more.as_array().cloned().unwrap_or_default());
    let mut plans = plan(&limits, &json!("refuse"));
    plans["costs"] = json!([{"when": {"endpoint": "images"}, "image_kilopixel_step": 1}]);
    plans
}

/// A stage with those, and with one origin that draws.
fn stage(seed: u64, more: &Value) -> (Stage, Rc<Painter>) {
    let stage = Stage::at(seed, &plans(more), ("ORIGIN_URL", "http://origin.test".to_owned()));
    let painter = Rc::new(Painter::default());
    painter.length.set(1_000);
    painter.step_ms.set(20);
    stage.world.set_server(painter.clone().server());
    stage.world.set_faults(Faults { delay_ms: 5, ..Faults::default() });
    (stage, painter)
}

fn ask(stage: &Stage, more: &Value) -> Caller {
    let mut body = json!({"model": "tiny-draw", "prompt": "a red disc on blue, at the left", "size": "512x512"});
    for (name, value) in more.as_object().expect("members") {
        body[name] = value.clone();
    }
    let headers = [("cf-connecting-ip", ADDRESS)];
    stage.send(stage.place(), "POST", "/v1/images/generations", &headers, body.to_string())
}

/// What counts is what was drawn, to the step.
fn counts(stage: &Stage, painter: &Painter) {
    stage.calm();
    let drawn = painter.all();
    let each = painter.drawn.borrow().values().map(|drawn| drawn.kilopixel_steps()).sum::<u64>();
    assert_eq!((stage.used("images"), stage.used("units")), (drawn.images.into(), each), "{drawn:?}");
    assert_eq!(stage.standing().live_leases, 0);
}

#[test]
fn a_whole_answer_passes_as_it_is_and_its_head_says_what_it_used() {
    for_seeds(100, |seed| {
        let (stage, painter) = stage(seed, &json!([]));
        let own = [0, 256][(seed % 2) as usize];
        painter.own_side.set(own);
        let size = if own > 0 { json!("auto") } else { json!("1024x768") };
        let caller = ask(&stage, &json!({"n": 2, "num_inference_steps": 3, "size": size}));
        stage.finish(&caller);
        let told = json_of(&caller);
        assert_eq!((caller.status(), told["data"].as_array().map(Vec::len)), (Some(200), Some(2)));
        assert_eq!(painter.all().images, 2);
        counts(&stage, &painter);
        assert_eq!(stage.used("tokens"), PROMPT, "a picture is no tokens, and its prompt is");
        let lines = lines(&stage);
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        let drawn = painter.all();
        let told = json!({"images": 2, "steps": 6, "pixel_steps": drawn.pixel_steps});
        assert_eq!((&line["endpoint"], &line["drawn"]), (&json!("images"), &told));
        assert_eq!((&line["drawing"]["n"], &line["drawing"]["steps"]), (&json!(2), &json!(3)));
    });
}

/// Ten pictures of 2,048 x 2,048 are four times as long as what is read whole.
#[test]
fn what_is_longer_than_anything_that_is_read_whole_is_piped() {
    let (stage, painter) = stage(1, &json!([]));
    painter.length.set(14_000_000);
    let caller = ask(&stage, &json!({"n": 10, "size": "2048x2048", "num_inference_steps": 1}));
    stage.finish(&caller);
    assert_eq!((caller.status(), caller.closed()), (Some(200), Some(Closed::Whole)));
    assert!(caller.body().len() > 140_000_000);
    counts(&stage, &painter);
    // It ends where the origin does, and is no JSON; what was drawn counts.
    painter.breaks_off.set(true);
    painter.length.set(1_000);
    let caller = ask(&stage, &json!({"num_inference_steps": 2}));
    stage.finish(&caller);
    assert!(serde_json::from_str::<Value>(&caller.body()).is_err() && !caller.body().contains("event:"));
    counts(&stage, &painter);
    let lines = lines(&stage);
    assert_eq!(lines.last().map(|line| &line["outcome"]), Some(&json!("cut")), "{lines:?}");
}

/// A picture of 1,024 x 1,024 is one event of 2.7 MB.
#[test]
fn events_longer_than_what_is_held_back_pass_whole() {
    for (length, n) in [(2_700_000, 2), (900_000, 2), (100, 3)] {
        let (stage, painter) = stage(2, &json!([]));
        painter.length.set(length);
        painter.step_ms.set(1_000);
        let caller = ask(&stage, &json!({"n": n, "stream": true, "size": "1024x1024"}));
        stage.finish(&caller);
        assert_eq!((caller.status(), caller.closed()), (Some(200), Some(Closed::Whole)));
        let body = caller.body();
        let events: Vec<Value> = body
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).expect("each event is whole"))
            .collect();
        assert_eq!(events.len(), n);
        let lengths: Vec<_> = events.iter().filter_map(|event| event["b64_json"].as_str()).map(str::len).collect();
        assert_eq!(lengths, vec![length; n]);
        // A picture takes eight seconds, and silence may last for five.
        assert_eq!(body.matches(": step ").count(), n * 8);
        counts(&stage, &painter);
    }
}

#[test]
fn whoever_leaves_pays_for_the_steps_that_were_run() {
    for_seeds(300, |seed| {
        let (stage, painter) = stage(seed, &json!([]));
        let caller = ask(&stage, &json!({"n": 3, "num_inference_steps": 10, "stream": seed % 2 == 0}));
        stage.world.run_for(stage.world.below(900));
        caller.leave();
        stage.calm();
        counts(&stage, &painter);
        assert!(painter.all().steps < 45, "nobody waits for the rest");
    });
}

#[test]
fn a_day_of_pictures_is_counted_by_pictures() {
    let day = json!([{"name": "day", "kind": "window", "unit": "images", "limit": 5, "window": "1d"}]);
    for_seeds(50, |seed| {
        let (stage, painter) = stage(seed, &day);
        let status = |more: Value| {
            let caller = ask(&stage, &more);
            stage.finish(&caller);
            (caller.status(), caller.body())
        };
        assert_eq!(status(json!({"n": 3})).0, Some(200));
        let (code, told) = status(json!({"n": 3}));
        assert_eq!(code, Some(429), "{told}");
        assert!(told.contains("5 images in 86400 s, this request needs 3 and 2 are left"), "{told}");
        assert_eq!((status(json!({"n": 2})).0, status(json!({})).0), (Some(200), Some(429)));
        assert!(status(json!({"n": 6})).1.contains("request_exceeds_limit"));
        assert_eq!(painter.all().images, 5);
    });
}

#[test]
fn what_no_model_draws_is_refused_before_anything_counts() {
    let (stage, painter) = stage(3, &json!([]));
    for (more, code, param) in [
        (json!({"size": "16384x16384"}), 400, "size"),
        (json!({"n": 11}), 400, "n"),
        (json!({"prompt": ""}), 400, "prompt"),
        (json!({"model": null}), 400, "model"),
        (json!({"negative_prompt": "rain"}), 422, "negative_prompt"),
    ] {
        let caller = ask(&stage, &more);
        stage.finish(&caller);
        let told = json_of(&caller);
        assert_eq!((caller.status(), &told["error"]["param"]), (Some(code), &json!(param)), "{told}");
    }
    counts(&stage, &painter);
    assert_eq!(stage.used("requests"), 0);
}

/// How many tokens a prompt has: fewer than it is taken for.
const PROMPT: u64 = 7;

/// The log's lines of requests for pictures that are over.
fn lines(stage: &Stage) -> Vec<Value> {
    let log = stage.world.log().into_iter().filter_map(|(_, line)| serde_json::from_str::<Value>(&line).ok());
    log.filter(|line| line["outcome"].is_string() && line["path"] == "/v1/images/generations").collect()
}
