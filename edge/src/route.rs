//! route: which origin serves a request, and which one next where that one fails before its first byte. Where there
//! is one origin, there is nothing to choose. What is known of several, an isolate keeps ([`Board`]) and shares
//! (`share.rs`).

mod care;
mod hedge;
pub mod in_force;
mod place;
mod share;

use crate::forward::ending::Ending;
use crate::forward::pressure::Pressure;
use crate::forward::{self, Failed, Origin, Outgoing, Reply, Ticket, lease_left};
use crate::platform::deadline::Deadline;
use crate::platform::{self, Body, Context, Env};
use place::{AtOrigin, Watching};
use serde_json::{Value, json};
use sluice_protocol::id::Version;
use sluice_protocol::limit::decision::Outcome;
use sluice_protocol::limit::degrade::Signal;
use sluice_protocol::measures::report::OriginSeen;
use sluice_protocol::refusal::Reason;
use sluice_protocol::request::bodies::chat::Used;
use sluice_protocol::request::model_name::renamed;
use sluice_protocol::route::beginning::Beginning;
use sluice_protocol::route::board::{Board, NoOrigin, Wanted};
use sluice_protocol::route::list::{OriginList, OriginState, OriginsView, Source};
use sluice_protocol::route::met::Met;
use sluice_protocol::route::setting::{OriginSetting, Region};
use sluice_protocol::time::Millis;
use std::cell::RefCell;
use std::rc::Rc;

/// Where requests are sent on.
pub struct Origins {
    all: Vec<Origin>,
    /// What is known of them, where there are several.
    board: Option<RefCell<Board>>,
    /// The list that says so, as an admin may see and replace it.
    json: String,
    source: Source,
    /// Whether streams that begin late are hedged.
    hedges: bool,
}

/// What a request is that looks for an origin.
pub struct Journey<'a> {
    /// For what is done meanwhile.
    pub env: &'a Env,
    /// What keeps that alive.
    pub context: &'a Context,
    /// Its model.
    pub model: &'a str,
    /// What conversation it goes on with, where that matters.
    pub beginning: Option<Beginning>,
    /// Where its caller is, where that matters.
    pub region: Option<Region>,
}

/// A request that was sent on.
pub struct Sent<'a> {
    /// To which origin, at last.
    pub origin: &'a Origin,
    /// Its answer, or why there is none.
    pub result: Result<(Reply, Deadline), Failed>,
    /// Its place there, among several, until this is dropped.
    at: Option<AtOrigin<'a>>,
}

impl Sent<'_> {
    /// Which origin has it, among several.
    pub fn place(&self) -> Option<usize> {
        self.at.as_ref().map(AtOrigin::index)
    }
}

impl Origins {
    /// One, that has no name. `hedges`: whether several that an admin puts in its place are to be.
    pub fn one(origin: Origin, hedges: bool) -> Self {
        let json = json!([{"url": origin.url}]).to_string();
        Self { all: vec![origin], board: None, json, source: Source::Settings, hedges }
    }

    /// Those of a list, in its order, which are spoken to as this one is.
    pub fn of_list(list: &OriginList, like: &Origin, source: Source, hedges: bool) -> Self {
        let of = |setting: &OriginSetting| Origin {
            name: Some(setting.name.to_string()),
            url: setting.url.clone(),
            binding: setting.name.binding(),
            timeout_ms: like.timeout_ms,
            idle_ms: like.idle_ms,
            signer: like.signer.clone(),
            is_hedged: hedges,
            pressure: Pressure::default(),
        };
        let board = Some(RefCell::new(Board::new(list.origins())));
        Self { all: list.origins().iter().map(of).collect(), board, json: list.json().to_owned(), source, hedges }
    }

    /// What the list is known by that says which there are.
    pub fn version(&self) -> Version {
        Version::of(&self.json)
    }

    /// What an admin is told of them.
    pub fn view(&self) -> OriginsView {
        let takes = |index: usize| self.board.as_ref().is_none_or(|board| !board.borrow().is_shut(index));
        let state = |(index, origin): (usize, &Origin)| {
            let name = origin.name.clone()?;
            Some(OriginState { name, takes_requests: takes(index) })
        };
        OriginsView {
            source: self.source,
            origins: serde_json::from_str(&self.json).expect("what is in force has been read"),
            state: self.all.iter().enumerate().filter_map(state).collect(),
        }
    }

    /// The list that says which there are.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Those of an earlier list that are not among these. `like`: those of the settings.
    pub fn gone(&self, json: &str, like: &Self) -> Vec<Origin> {
        let settings = &like.all[0];
        let earlier = match OriginList::parse(json) {
            Ok(list) => Self::of_list(&list, settings, Source::Admin, false).all,
            // That of a single one has no names.
            Err(_) => {
                let list: Value = serde_json::from_str(json).unwrap_or_default();
                let url = list[0]["url"].as_str().map(str::to_owned);
                url.map(|url| settings.only_at(url)).into_iter().collect()
            }
        };
        let is_here = |one: &Origin| self.all.iter().any(|own| (&own.name, &own.url) == (&one.name, &one.url));
        earlier.into_iter().filter(|one| !is_here(one)).collect()
    }

    /// All of them.
    pub fn all(&self) -> &[Origin] {
        &self.all
    }

    /// Whether there are several, so that where a request comes from and what it goes on with matters.
    pub const fn are_several(&self) -> bool {
        self.board.is_some()
    }

    /// Which of them list models now: all that take requests. The names are those that callers have for a model of its.
    pub fn that_list(&self) -> Vec<usize> {
        let is_shut = |index: &usize| self.board.as_ref().is_some_and(|board| board.borrow().is_shut(*index));
        let open: Vec<_> = (0..self.all.len()).filter(|index| !is_shut(index)).collect();
        if open.is_empty() { (0..self.all.len()).collect() } else { open }
    }

    /// An origin has listed its models, by its own names.
    pub fn listed(&self, origin: usize, models: &[String]) {
        if let Some(board) = &self.board {
            board.borrow_mut().listed(origin, models);
        }
    }

    /// The names by which callers may have an origin's model there.
    pub fn names_of(&self, origin: usize, own: &str) -> Vec<String> {
        match &self.board {
            Some(board) => board.borrow().names_of(origin, own, now()).into_iter().map(str::to_owned).collect(),
            None => vec![own.to_owned()],
        }
    }

    /// How full all origins are, as far as they said within the last second.
    pub fn signal(&self) -> Signal {
        match &self.board {
            Some(board) => {
                let (board, now) = (board.borrow(), now());
                Signal { pressure: board.percent(now), wait_ms: board.wait_ms(now) }
            }
            None => self.all[0].pressure.signal(),
        }
    }

    /// How they are, for who looks on.
    pub fn seen(&self) -> Vec<OriginSeen> {
        let is_shut = |index: usize| self.board.as_ref().is_some_and(|board| board.borrow().is_shut(index));
        let seen = |(index, origin): (usize, &Origin)| OriginSeen {
            name: origin.name.clone().unwrap_or_default(),
            takes_requests: !is_shut(index) && (self.are_several() || !origin.pressure.is_gone()),
            said: origin.pressure.last(),
        };
        self.all.iter().enumerate().map(seen).collect()
    }

    /// Until when no origin takes requests for a model, if none does. Of one origin alone nobody keeps that.
    pub fn broken_until(&self, model: &str) -> Option<Millis> {
        self.board.as_ref()?.borrow().broken_until(model, now())
    }
}

/// Does what is due for origins while no request is sent to one: probes of those that are shut, above all.
pub fn look_after(origins: &Rc<Origins>, journey: &Journey<'_>, ticket: &Ticket) {
    care::look_after(origins, journey, ticket);
}

/// Sends a request to an origin, and to the next one where that fails before its first byte: under the same lease and
/// reservation, and never to two at once but for a hedge. `again`: the one that has counted its prompt.
pub async fn send<'o>(
    origins: &'o Rc<Origins>,
    journey: &Journey<'_>,
    ticket: &mut Ticket,
    outgoing: Outgoing<'_>,
    again: Option<usize>,
) -> Sent<'o> {
    let Some(board) = &origins.board else {
        let origin = &origins.all[0];
        let result = forward::generate(origin, ticket, outgoing).await;
        // Nothing is decided by it where there is no other; whoever looks on is told.
        match &result {
            Err(failed) if failed.met == Met::Unreached => origin.pressure.was_asked(true),
            Ok(_) => origin.pressure.was_asked(false),
            Err(_) => {}
        }
        return Sent { origin, result, at: None };
    };
    share::learn_first(origins, journey.env, journey.context).await;
    care::look_after(origins, journey, ticket);
    let mut tried = Vec::new();
    let mut at = match choose(board, journey, ticket, &tried, again) {
        Ok(at) => at,
        Err(none) => return Sent { origin: &origins.all[0], result: Err(refused(none, journey.model)), at: None },
    };
    // Once: it may go on from both.
    let mut hedge = hedge::after(origins, journey, outgoing);
    loop {
        let request = (&*ticket, outgoing);
        let done = match hedge.take() {
            Some(after) => hedge::race(origins, journey, request, at, after).await,
            None => hedge::Hedged { tried: attempt(origins, journey, request, at).await, besides: None },
        };
        let Tried { at: was, result } = done.tried;
        let (index, origin) = (was.index(), &origins.all[was.index()]);
        let failed = match result {
            Ok(answered) => return Sent { origin, result: Ok(answered), at: Some(was) },
            Err(failed) => failed,
        };
        tried.extend(done.besides.into_iter().chain([index]));
        let next = next(board, journey, ticket, &tried, &failed).filter(|_| !outgoing.left.is_aborted());
        let Some(next) = next else {
            return Sent { origin, result: Err(failed), at: Some(was) };
        };
        // It is over there before it begins elsewhere, as far as anybody hears.
        let outcome = match failed.ending {
            // Nobody is heard there.
            Ending::Ask(_) if board.borrow().is_dead(index) => Outcome::NotServed,
            Ending::Ask(_) => {
                let told = forward::cancel(origin, ticket, CANCEL_MS).await;
                told.map_or(Outcome::NotServed, |used| Outcome::Served(Some(used)))
            }
            Ending::Certain(outcome) => outcome,
        };
        ticket.spent.add(outcome);
        at = next;
    }
}

/// A request at one origin, and what it met there.
struct Tried<'o> {
    at: AtOrigin<'o>,
    result: Result<(Reply, Deadline), Failed>,
}

/// Sends a request to the origin at which it has a place.
async fn attempt<'o>(
    origins: &'o Rc<Origins>,
    journey: &Journey<'_>,
    (ticket, outgoing): (&Ticket, Outgoing<'_>),
    mut at: AtOrigin<'o>,
) -> Tried<'o> {
    let (index, board, began) = (at.index(), at.board(), now());
    let own_name = board.borrow().own_name(index, journey.model).map(str::to_owned);
    let body = own_name.and_then(|name| renamed(&outgoing.body.bytes(), &name)).map(|bytes| Body::of_bytes(&bytes));
    let watch = Watching::new(origins, board, index, journey.context);
    let own = Outgoing { body: body.as_ref().unwrap_or(outgoing.body), watch: Some(&watch), ..outgoing };
    let result = forward::generate(&origins.all[index], ticket, own).await;
    at.met(result.as_ref().map_or_else(|failed| failed.met, |_| Met::Served));
    if result.is_ok() && outgoing.may_be_hedged() && origins.hedges {
        board.borrow_mut().waited(journey.model, now().saturating_sub(began));
    }
    Tried { at, result }
}

fn choose<'o>(
    board: &'o RefCell<Board>,
    journey: &Journey<'_>,
    ticket: &Ticket,
    tried: &[usize],
    again: Option<usize>,
) -> Result<AtOrigin<'o>, NoOrigin> {
    let number = u64::from_be_bytes(std::array::from_fn(|index| ticket.attempt.request().0[index + 8]));
    let wanted = Wanted {
        model: journey.model,
        beginning: journey.beginning,
        otherwise: Beginning::of_nothing(number),
        region: journey.region,
        until: ticket.admission.deadline,
        again,
    };
    let place = board.borrow_mut().choose(&wanted, tried, now())?;
    Ok(AtOrigin::new(board, place))
}

/// The next origin for a request that failed so, if there is one, and time and budget for it.
fn next<'o>(
    board: &'o RefCell<Board>,
    journey: &Journey<'_>,
    ticket: &Ticket,
    tried: &[usize],
    failed: &Failed,
) -> Option<AtOrigin<'o>> {
    let may_be = failed.met.goes_on() && tried.len() < MAX_TRIES && lease_left(ticket) > LEAST_LEFT_MS;
    let next = may_be.then(|| choose(board, journey, ticket, tried, None).ok()).flatten()?;
    let has_budget = board.borrow_mut().may_try_again(now());
    has_budget.then_some(next)
}

/// What becomes of a request for which there is no origin.
fn refused(none: NoOrigin, model: &str) -> Failed {
    let refusal = none.refusal(model, now());
    let ending = match refusal.reason {
        // As an origin would have counted it that does not have the model.
        Reason::ModelNotFound => Outcome::Served(Some(Used::NOTHING)),
        _ => Outcome::NotServed,
    };
    Failed::new(refusal, Ending::Certain(ending), Met::Nothing)
}

fn now() -> Millis {
    platform::now()
}

/// How many origins a request is sent to at most.
const MAX_TRIES: usize = 3;
/// How much of its lease must be left for one more, in milliseconds.
const LEAST_LEFT_MS: u32 = 2_000;
/// How long an origin may take to say what became of a request that goes elsewhere, in milliseconds.
const CANCEL_MS: u32 = 2_000;
