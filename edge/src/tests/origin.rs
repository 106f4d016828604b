//! An origin: it keeps to its grants, and remembers what it has computed. How each request ends there, chance decides.

mod mood;
mod response;
mod run;

pub use mood::Mood;
use run::Run;

use crate::platform::scripted::{Asked, Reply, Rng, Server, in_background};
use crate::platform::{now, sleep};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sluice_protocol::forward::capacity::Capacity;
use sluice_protocol::forward::grant::{GrantClaims, body_hash};
use sluice_protocol::forward::report::{RequestReport, RequestStatus, brief};
use sluice_protocol::id::RequestId;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{Usage, Used};
use sluice_protocol::wire::header;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;

/// An origin that is scripted.
pub struct Origin {
    rng: RefCell<Rng>,
    /// How many of a thousand requests end otherwise than well.
    pub odd: Cell<u32>,
    /// How long a step of the model takes at most, in milliseconds.
    pub step_ms: Cell<u32>,
    /// How a request ends whatever chance says.
    pub always: Cell<Option<Fate>>,
    /// Whether it says nothing when it is asked which models it has.
    pub hides_models: Cell<bool>,
    /// Its name among several.
    pub name: Option<String>,
    /// How it is as a whole.
    pub mood: Cell<Mood>,
    /// Whether a whole answer begins when it is there, as a real origin's does.
    pub is_late: Cell<bool>,
    /// Whether another one may compute for its requests at the same time.
    pub is_hedged: Cell<bool>,
    /// Whether the word that ends a request may be lost: then a step that is under way when its caller goes elsewhere ends there.
    pub may_be_unheard: Cell<bool>,
    /// How often it was asked whether it is ready.
    pub probes: Cell<u32>,
    /// How many requests for answers have reached it.
    pub reached: Cell<u32>,
    /// How full it says that it is, if it says so.
    pub capacity: RefCell<Option<Capacity>>,
    /// When it says that its models were loaded.
    pub loaded_at: Cell<u64>,
    /// The bodies of the requests for answers that it took.
    pub bodies: RefCell<Vec<Value>>,
    work: RefCell<BTreeMap<String, Work>>,
    most_at_once: Cell<usize>,
    /// The input of each request for a response, by its id.
    inputs: RefCell<BTreeMap<String, Value>>,
}

/// One request as the origin knows it.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// The account that it counts for.
    pub account: String,
    /// What was computed.
    pub used: Usage,
    /// Whether it runs.
    pub runs: bool,
    /// What its prompt is marked with.
    pub mark: String,
    /// Whether it was answered to its end.
    pub is_whole: bool,
    /// Whether it takes idle time only.
    pub idle: bool,
    /// Whether the edge has told it to end.
    pub is_cancelled: bool,
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// With a whole answer.
    Well,
    /// It is refused: there is no room.
    Full,
    /// It is refused: the origin has no such model.
    NoModel,
    /// The prompt is longer than it was taken for.
    Longer,
    /// The connection breaks before the answer begins.
    Gone,
    /// The answer breaks off, without a word.
    Cut,
    /// The answer breaks off, and says why.
    Failed,
    /// Nothing more is said, and the connection stays.
    Silent,
}

impl Origin {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: RefCell::new(Rng::new(seed)),
            odd: Cell::new(0),
            step_ms: Cell::new(20),
            always: Cell::new(None),
            hides_models: Cell::new(false),
            name: None,
            mood: Cell::new(Mood::Well),
            is_late: Cell::new(false),
            is_hedged: Cell::new(false),
            may_be_unheard: Cell::new(false),
            probes: Cell::new(0),
            reached: Cell::new(0),
            capacity: RefCell::default(),
            loaded_at: Cell::new(1),
            bodies: RefCell::default(),
            work: RefCell::default(),
            most_at_once: Cell::new(0),
            inputs: RefCell::default(),
        }
    }

    /// The texts of the input of a request for a response, in order, as it came here.
    pub fn input(&self, request: &str) -> Vec<String> {
        self.inputs.borrow().get(request).map(response::texts).unwrap_or_default()
    }

    /// All that it was ever sent to generate and did not refuse.
    pub fn work(&self) -> BTreeMap<String, Work> {
        self.work.borrow().clone()
    }

    /// Whether any request runs here.
    pub fn runs(&self) -> bool {
        self.work.borrow().values().any(|work| work.runs)
    }

    /// How many tokens it has computed.
    pub fn computed(&self) -> u64 {
        self.work.borrow().values().map(|work| work.used.total_tokens).sum()
    }

    /// How many requests ran at once at most.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.get()
    }

    pub fn server(self: Rc<Self>) -> Server {
        Rc::new(move |asked| {
            let origin = self.clone();
            Box::pin(async move { origin.answer(asked).await })
        })
    }

    async fn answer(self: Rc<Self>, asked: Asked) -> Option<Reply> {
        let is_probe = asked.url.ends_with("/ready");
        let count = if is_probe { &self.probes } else { &self.reached };
        count.set(count.get() + u32::from(is_probe || asked.method == "POST"));
        if let Some(reply) = self.by_mood(&asked, is_probe).await {
            return reply;
        }
        let grant = asked.headers.get(header::GRANT).expect("nothing reaches an origin without a grant");
        let claims = claims(grant);
        assert_eq!(claims.bh, body_hash(&asked.body), "a grant is for its body");
        assert_eq!(claims.aud, self.name, "a grant is for its origin");
        if claims.exp * 1_000 <= now() {
            return Some(refuse(&Refusal::new(Reason::InvalidGrant, "It has expired."), None));
        }
        match (asked.method.as_str(), asked.url.rsplit_once("/requests/")) {
            ("DELETE", Some((_, id))) => Some(self.cancel(id)),
            ("POST", _) => self.generate(asked, claims).await,
            ("GET", None) if self.hides_models.get() => pending().await,
            ("GET", None) => {
                let entry = |id: &str| json!({"id": id, "created": self.loaded_at.get()});
                let list = json!({"object": "list", "data": [entry("tiny"), entry("large")]});
                Some(Reply::whole(200, &[(header::CONTENT_TYPE, "application/json")], &list.to_string()))
            }
            _ => None,
        }
    }

    async fn generate(self: Rc<Self>, asked: Asked, claims: GrantClaims) -> Option<Reply> {
        let body: Value = serde_json::from_slice(&asked.body).expect("the edge sends what it has read");
        let response = asked.url.ends_with("/v1/responses").then(|| response::Asked::read(&body, &claims));
        let mark = match &response {
            Some(response) => response.mark.clone(),
            None => body["messages"][0]["content"].as_str().unwrap_or_default().to_owned(),
        };
        let is_stream = body["stream"] == true;
        let fate = self.fate();
        let prompt = if fate == Fate::Longer { LONG_PROMPT } else { PROMPT };
        let most = body[if response.is_some() { "max_output_tokens" } else { "max_tokens" }]
            .as_u64()
            .unwrap_or(1)
            .min(u64::from(claims.max));
        if claims.tok > 0 && claims.tok < prompt + most {
            let told = prompt.to_string();
            let refusal = Refusal::new(Reason::GrantTooSmall, "It is too small.");
            return Some(refuse(&refusal, Some((header::PROMPT_TOKENS, &told))));
        }
        if fate == Fate::Full || self.work.borrow().get(&claims.jti).is_some_and(|work| work.is_cancelled) {
            let told = brief(Used::NOTHING);
            let refusal = Refusal::new(Reason::Overloaded, "There is no room.");
            return Some(refuse(&refusal, Some((header::USAGE, &told))));
        }
        if fate == Fate::NoModel {
            let told = brief(Used::NOTHING);
            return Some(refuse(
                &Refusal::new(Reason::ModelNotFound, "There is no such model."),
                Some((header::USAGE, &told)),
            ));
        }
        self.begin(&claims, &mark);
        self.inputs.borrow_mut().insert(claims.jti.clone(), body["input"].clone());
        if fate == Fate::Gone {
            self.step(&claims, prompt, 0, || asked.is_gone()).await;
            self.end(&claims);
            return None;
        }
        self.bodies.borrow_mut().push(body);
        let kind = if is_stream { header::EVENT_STREAM } else { "application/json" };
        let capacity = self.capacity.borrow().map(|capacity| capacity.to_string());
        let capacity = capacity.as_ref().map(|capacity| (header::CAPACITY, capacity.as_str()));
        let headers: Vec<_> = [(header::CONTENT_TYPE, kind)].into_iter().chain(capacity).collect();
        let reply = Reply::new(200, &headers);
        let is_late = self.is_late.get();
        let run = Run { origin: self, claims, asked, writer: reply.writer(), mark, response, prompt, most, fate };
        match (is_stream, is_late) {
            (true, _) => in_background(run.stream()),
            (false, true) => return run.whole().await.then_some(reply),
            (false, false) => in_background(run.ends()),
        }
        Some(reply)
    }

    fn cancel(&self, id: &str) -> Reply {
        let request: RequestId = RequestId::parse(id).expect("the edge asks for a request");
        let report = {
            let mut all = self.work.borrow_mut();
            match all.get_mut(id) {
                Some(work) => {
                    (work.runs, work.is_cancelled) = (false, true);
                    let report = RequestReport::new(request, RequestStatus::Ended, work.used.into());
                    RequestReport { complete: Some(work.is_whole), ..report }
                }
                None => {
                    all.insert(id.to_owned(), Work { is_cancelled: true, ..Work::default() });
                    RequestReport::unseen(request, KNOWN_MS)
                }
            }
        };
        let report = serde_json::to_string(&report).expect("a report is JSON");
        Reply::whole(200, &[(header::CONTENT_TYPE, "application/json")], &report)
    }

    fn begin(&self, claims: &GrantClaims, mark: &str) {
        let mut all = self.work.borrow_mut();
        let (account, mark) = (claims.acc.clone(), mark.to_owned());
        let work = Work { account, mark, idle: claims.idle, runs: true, ..Work::default() };
        let before = all.insert(claims.jti.clone(), work);
        assert!(before.is_none(), "a grant is sent once");
        let at_once = all.values().filter(|work| work.runs).count();
        self.most_at_once.set(self.most_at_once.get().max(at_once));
    }

    /// Computes so much; false if the request has ended meanwhile, or its time is over.
    async fn step(&self, claims: &GrantClaims, prompt: u64, completion: u64, is_gone: impl Fn() -> bool) -> bool {
        let ms = self.rng.borrow_mut().below(u64::from(self.step_ms.get()) + 1) as u32;
        sleep(ms).await;
        let was_still = self.until_it_moves().await;
        if was_still && is_gone() || self.mood.get() == Mood::Dead {
            self.end(claims);
        }
        let mut all = self.work.borrow_mut();
        let work = all.get_mut(&claims.jti).expect("it has begun");
        if now() >= claims.exp * 1_000 {
            work.runs = false;
        }
        if work.runs {
            if !(self.may_be_unheard.get() && is_gone()) {
                mood::computes(self, &claims.jti);
            }
            work.used = Usage::new(work.used.prompt_tokens + prompt, work.used.completion_tokens + completion);
            assert!(claims.tok == 0 || work.used.total_tokens <= claims.tok, "the origin keeps to its reservation");
        }
        work.runs
    }

    fn end(&self, claims: &GrantClaims) {
        if let Some(work) = self.work.borrow_mut().get_mut(&claims.jti) {
            work.runs = false;
        }
    }

    /// It was answered to its end.
    fn end_whole(&self, claims: &GrantClaims) {
        if let Some(work) = self.work.borrow_mut().get_mut(&claims.jti) {
            work.is_whole = true;
        }
    }

    fn used(&self, claims: &GrantClaims) -> Usage {
        self.work.borrow().get(&claims.jti).map_or(Usage::new(0, 0), |work| work.used)
    }

    fn fate(&self) -> Fate {
        if let Some(fate) = self.always.get() {
            return fate;
        }
        let mut rng = self.rng.borrow_mut();
        if !rng.per_mille(self.odd.get()) {
            return Fate::Well;
        }
        let odd = [Fate::Full, Fate::Longer, Fate::Gone, Fate::Cut, Fate::Failed, Fate::Silent];
        odd[rng.below(odd.len() as u64) as usize]
    }
}

fn claims(grant: &str) -> GrantClaims {
    let payload = grant.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    serde_json::from_slice(&payload.expect("a grant has claims")).expect("claims of ours")
}

fn refuse(refusal: &Refusal, told: Option<(&'static str, &str)>) -> Reply {
    let body = serde_json::to_string(&refusal.body()).expect("a refusal is JSON");
    let headers: Vec<_> = [(header::CONTENT_TYPE, "application/json")].into_iter().chain(told).collect();
    Reply::whole(refusal.status(), &headers, &body)
}

/// How many tokens a prompt has, and one that is longer than it looks.
const PROMPT: u64 = 4;
const LONG_PROMPT: u64 = 60;
/// How far back it remembers.
const KNOWN_MS: u64 = 900_000;
