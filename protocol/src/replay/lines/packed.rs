//! One request as numbers, most of which are small.

use crate::auth::principal::Mark;
use crate::id::RequestId;
use crate::replay::request::{Decision, Request, Usage};
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
        request.max_tokens.unwrap_or(0).into(),
        used.prompt.into(),
        used.cached.into(),
        used.completion.into(),
        used.reasoning.unwrap_or(0).into(),
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
    let usage = Usage {
        prompt: narrow(prompt)?,
        cached: narrow(cached)?,
        completion: narrow(completion)?,
        reasoning: Some(narrow(reasoning)?).filter(|_| has(11)),
    };
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
        max_tokens: Some(narrow(max_tokens)?).filter(|_| has(9)),
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
