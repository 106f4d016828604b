//! One request as numbers, most of which are small.

use crate::auth::principal::Mark;
use crate::id::RequestId;
use crate::replay::request::{Decision, Request, Usage};
use crate::request::drawing::{Drawing, Drawn};
use crate::request::endpoint::Endpoint;
use crate::time::Millis;

/// The numbers of a request.
pub(super) fn pack(request: &Request) -> [u64; WIDTH] {
    let flags = [
        request.counted_at > 0,
        request.has_key,
        request.batch,
        request.thinking,
        request.may_bend,
        request.is_static,
        request.given_back,
        request.session.is_some(),
        request.user.is_some(),
        request.max_tokens.is_some(),
        request.used.is_some(),
        request.used.is_some_and(|used| used.reasoning.is_some()),
    ];
    let flags = flags.iter().rev().fold(0, |all, flag| all << 1 | u64::from(*flag));
    let decision = match request.decision {
        Decision::Through => 0,
        Decision::Limited => 1,
        Decision::Forbidden => 2,
    };
    let kind = match request.endpoint {
        Endpoint::Chat => decision * OLDER_ENDPOINTS,
        Endpoint::Completions => decision * OLDER_ENDPOINTS + 1,
        Endpoint::Embeddings => decision * OLDER_ENDPOINTS + 2,
        Endpoint::Images => IMAGES + decision,
    };
    // Keys' marks end with zeros, and small numbers are short.
    let mark = |mark: Option<Mark>| u64::from_le_bytes(mark.unwrap_or_default().0);
    let used = request.used.unwrap_or_default();
    let numbers = match request.endpoint {
        Endpoint::Images => Numbers::of_pictures(request.drawing, used.drawn),
        _ => Numbers {
            max_tokens: request.max_tokens.unwrap_or(0),
            cached: used.cached,
            completion: used.completion,
            reasoning: used.reasoning.unwrap_or(0),
        },
    };
    let after = |at: Millis| at.saturating_sub(request.at).min(u64::from(u32::MAX));
    [
        flags,
        kind,
        request.at.min(MAX_TIME),
        after(request.over),
        after(request.counted_at),
        request.account.into(),
        request.model.into(),
        request.plan.into(),
        request.limits.into(),
        mark(Some(request.mark)),
        mark(request.session),
        mark(request.user),
        request.body_bytes.into(),
        request.prompt_guess.into(),
        request.prompt_counted.into(),
        numbers.max_tokens.into(),
        used.prompt.into(),
        numbers.cached.into(),
        numbers.completion.into(),
        numbers.reasoning.into(),
        request.pressure.into(),
    ]
}

/// A request of these numbers; `None` where one is out of its range.
pub(super) fn unpack(line: &[u64; WIDTH]) -> Option<Request> {
    let [flags, kind, at, over, counted, account, model, plan, limits, own, session, user, numbers @ ..] = *line;
    let [body_bytes, prompt_guess, prompt_counted, max_tokens, prompt, cached, completion, reasoning, pressure] =
        numbers;
    let has = |flag: u32| flags >> flag & 1 == 1;
    let narrow = |number: u64| u32::try_from(number).ok();
    let mark = |number: u64| Mark(number.to_le_bytes());
    let (decision, endpoint) = match kind {
        IMAGES.. => (kind - IMAGES, Endpoint::Images),
        _ => match kind % OLDER_ENDPOINTS {
            0 => (kind / OLDER_ENDPOINTS, Endpoint::Chat),
            1 => (kind / OLDER_ENDPOINTS, Endpoint::Completions),
            _ => (kind / OLDER_ENDPOINTS, Endpoint::Embeddings),
        },
    };
    let decision = match decision {
        0 => Decision::Through,
        1 => Decision::Limited,
        2 => Decision::Forbidden,
        _ => return None,
    };
    if at > MAX_TIME || flags >> FLAGS != 0 {
        return None;
    }
    let [over, counted] = [narrow(over)?, narrow(counted)?].map(|after| at + Millis::from(after));
    let numbers = Numbers {
        max_tokens: narrow(max_tokens)?,
        cached: narrow(cached)?,
        completion: narrow(completion)?,
        reasoning: narrow(reasoning)?,
    };
    let is_of_pictures = endpoint == Endpoint::Images;
    let (drawing, drawn) = if is_of_pictures { numbers.pictures() } else { Default::default() };
    let Numbers { max_tokens, cached, completion, reasoning } =
        if is_of_pictures { Numbers::default() } else { numbers };
    let reasoning = Some(reasoning).filter(|_| has(11));
    let usage = Usage { prompt: narrow(prompt)?, cached, completion, reasoning, drawn };
    Some(Request {
        id: RequestId([0; 16]),
        at,
        over,
        counted_at: if has(0) { counted } else { 0 },
        line: 0,
        account: narrow(account)?,
        model: narrow(model)?,
        plan: narrow(plan)?,
        limits: narrow(limits)?,
        mark: mark(own),
        session: has(7).then(|| mark(session)),
        user: has(8).then(|| mark(user)),
        body_bytes: narrow(body_bytes)?,
        prompt_guess: narrow(prompt_guess)?,
        prompt_counted: narrow(prompt_counted)?,
        max_tokens: Some(max_tokens).filter(|_| has(9)),
        drawing,
        used: has(10).then_some(usage),
        endpoint,
        pressure: u8::try_from(pressure).ok()?,
        decision,
        has_key: has(1),
        batch: has(2),
        thinking: has(3),
        may_bend: has(4),
        is_static: has(5),
        given_back: has(6),
    })
}

/// What requests for texts and those for pictures have in the same places.
#[derive(Clone, Copy, Default)]
struct Numbers {
    max_tokens: u32,
    cached: u32,
    completion: u32,
    reasoning: u32,
}

impl Numbers {
    /// Pictures have no such tokens. What was drawn keeps to what was asked for, and one of a request that asked for more
    /// than any door lets through is told as the most.
    fn of_pictures(drawing: Drawing, drawn: Drawn) -> Self {
        let both = |upper: u16, lower: u16| u32::from(upper) << 16 | u32::from(lower);
        let narrow = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        Self {
            max_tokens: drawing.pixels,
            cached: both(drawing.n, drawing.steps),
            completion: u32::try_from(drawn.pixel_steps).unwrap_or(u32::MAX),
            reasoning: both(narrow(drawn.images), narrow(drawn.steps)),
        }
    }

    fn pictures(self) -> (Drawing, Drawn) {
        let [n, images] = [self.cached, self.reasoning].map(|both| (both >> 16) as u16);
        let [each, steps] = [self.cached, self.reasoning].map(|both| both as u16);
        let drawn = Drawn { images: images.into(), steps: steps.into(), pixel_steps: self.completion.into() };
        (Drawing { n, steps: each, pixels: self.max_tokens }, drawn)
    }
}

/// How many numbers a request has.
pub(super) const WIDTH: usize = 21;
/// How many flags are in the first of them.
const FLAGS: u32 = 12;
/// Where it has its time.
pub(super) const AT: usize = 2;
/// Where it has its account.
pub(super) const ACCOUNT: usize = 5;
/// Where it has numbers of names.
pub(super) const NAMES: [usize; 4] = [ACCOUNT, 6, 7, 8];
/// How many endpoints there were at first: decisions and endpoints are told in one number.
const OLDER_ENDPOINTS: u64 = 3;
/// Where decisions about pictures begin in it: behind all others, which stay what they were.
const IMAGES: u64 = 3 * OLDER_ENDPOINTS;
/// The most that a request's numbers take, in bytes: three marks of ten, a time of seven, ten numbers of five, four names of
/// three, and the rest.
pub(super) const MAX_PACKED: usize = 3 * 10 + 7 + 10 * 5 + 4 * 3 + 5;
/// The year 9000: what calendars know, with room for all that is added.
const MAX_TIME: Millis = 221_845_392_000_000;
