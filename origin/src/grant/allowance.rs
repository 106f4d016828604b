//! grant, once the prompt is counted: how many tokens an answer may have under it. Pure.
//!
//! The edge reserves before anybody has counted: its guess at the prompt and the longest answer. Here both are known, and
//! what was reserved is a ceiling that nothing exceeds: what an account's windows hold of its tokens must not be less than
//! what it used. A reservation that is too small is told with the exact count, so that the edge reserves again once.

use sluice_protocol::forward::grant::GrantClaims;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{ChatRequest, Names};
use sluice_protocol::request::bodies::completion::CompletionRequest;
use sluice_protocol::wire::header;

/// What a grant says of tokens. What it leaves open is the largest number there is: no case of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ceilings {
    total: u64,
    answer: u32,
    prompt: u32,
}

impl Ceilings {
    /// Of a grant; an open origin has none, and then only its own bounds apply.
    pub(crate) fn of(claims: Option<&GrantClaims>) -> Self {
        let (total, answer, prompt) = claims.map_or((0, 0, 0), |claims| (claims.tok, claims.max, claims.inp));
        Self {
            total: if total == 0 { u64::MAX } else { total },
            answer: if answer == 0 { u32::MAX } else { answer },
            prompt: if prompt == 0 { u32::MAX } else { prompt },
        }
    }
}

/// What a request asks for: how many answers, and how long each may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// To each prompt, at least 1.
    pub(crate) answers: u32,
    max_tokens: u32,
    /// Whether the caller named `max_tokens` itself.
    is_given: bool,
    /// What its door calls that.
    names: Names,
}

impl Asked {
    /// By a chat request.
    pub(crate) fn of_chat(request: &ChatRequest) -> Self {
        let (answers, max_tokens) = (request.answers, request.max_tokens);
        Self { answers, max_tokens, is_given: request.max_tokens_given, names: request.names }
    }

    /// By a request for a text completion.
    pub(crate) fn of_text(request: &CompletionRequest) -> Self {
        let (answers, max_tokens) = (request.answers, request.max_tokens);
        Self { answers, max_tokens, is_given: request.max_tokens_given, names: request.names }
    }
}

/// How many tokens each answer may have, at least 1: what was asked for, within the context and under all ceilings.
/// `prompts`: the lengths of all prompts, at least one. What ceilings say is about all prompts and answers together; of
/// prompts that differ in length the longest decides how much of the context is left.
///
/// What no other grant would change is refused first, or the edge would reserve again in vain. A caller that named no
/// number may get less than the default: an answer that is a little shorter is better than a second way through the gates.
/// Below half of it, the second way is worth its while.
pub(crate) fn allowance(asked: Asked, prompts: &[usize], context: usize, ceilings: Ceilings) -> Result<u32, Refusal> {
    let Asked { answers, max_tokens, is_given, names } = asked;
    let param = names.prompt;
    let exceeded = |message: String| Refusal::new(Reason::ContextLengthExceeded, message).with_param(param);
    let longest = prompts.iter().copied().max().unwrap_or(0);
    let prompt = prompts.iter().fold(0, |all: usize, prompt| all.saturating_add(*prompt));
    let (which, these, have) = match prompts.len() {
        1 => ("prompt".to_owned(), "prompt".to_owned(), "has"),
        count => (format!("longest of {count} prompts"), format!("{count} prompts"), "have"),
    };
    let room = context.saturating_sub(longest);
    if prompts.is_empty() || prompts.contains(&0) || room == 0 {
        return Err(exceeded(format!("The {which} has {longest} tokens; prompt and answer have to fit {context}.")));
    }
    if is_given && !names.fits && max_tokens as usize > room {
        return Err(exceeded(format!(
            "The {which} has {longest} tokens and {} is {max_tokens}; together they have to fit {context}.",
            names.max_tokens
        )));
    }
    if prompt as u64 > u64::from(ceilings.prompt) {
        let most = ceilings.prompt;
        let message = match prompts.len() {
            1 => format!("This key may send prompts of at most {most} tokens; this one has {prompt}."),
            _ => format!("This key may send prompts of at most {most} tokens; the {these} have {prompt}."),
        };
        return Err(Refusal::new(Reason::NotAllowed, message).with_param(param));
    }
    // What a grant says is about all answers together, and each may be as long as the others.
    let answers = u64::from(answers).saturating_mul(prompts.len() as u64);
    let share = u64::from(ceilings.answer) / answers;
    if share == 0 {
        let most = ceilings.answer;
        let message = format!("This key may ask for at most {most} tokens, which is too little for {answers} answers.");
        return Err(Refusal::new(Reason::NotAllowed, message).with_param("n"));
    }
    // A named number above the ceiling has been refused by the edge. Should one come, the ceiling holds.
    let wanted = u64::from(max_tokens).min(share).min(room as u64);
    let left = ceilings.total.saturating_sub(prompt as u64) / answers;
    let least = if is_given { wanted } else { wanted.div_ceil(2) };
    if left < least {
        let who = if answers == 1 { "the answer".to_owned() } else { format!("each of {answers} answers") };
        let total = ceilings.total;
        let message = format!(
            "The {these} {have} {prompt} tokens and {who} may take {wanted}; this request was granted {total} in all."
        );
        let counted = vec![(header::PROMPT_TOKENS, prompt.to_string())];
        return Err(Refusal::new(Reason::GrantTooSmall, message).with_headers(counted));
    }
    // Whatever was decided above, no ceiling is exceeded: each is part of one of these two numbers.
    Ok(u32::try_from(wanted.min(left)).expect("at most the request's max_tokens, which is a u32"))
}

/// Whether texts to which nothing is answered may go through: under all ceilings together. `prompts`: their lengths, each
/// within the context. `param` is what their door calls them.
pub(crate) fn texts(prompts: &[usize], ceilings: Ceilings, param: &'static str) -> Result<(), Refusal> {
    let all = prompts.iter().fold(0_u64, |all, prompt| all.saturating_add(*prompt as u64));
    let (count, most) = (prompts.len(), ceilings.prompt);
    if all > u64::from(most) {
        let message = format!("This key may send prompts of at most {most} tokens; the {count} texts have {all}.");
        return Err(Refusal::new(Reason::NotAllowed, message).with_param(param));
    }
    if all > ceilings.total {
        let message =
            format!("The {count} texts have {all} tokens; this request was granted {} in all.", ceilings.total);
        let counted = vec![(header::PROMPT_TOKENS, all.to_string())];
        return Err(Refusal::new(Reason::GrantTooSmall, message).with_headers(counted));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sluice_protocol::request::bodies::chat::ChatBounds;

    fn request(max_tokens: u32, given: bool) -> ChatRequest {
        several(1, max_tokens, given)
    }

    fn several(answers: u32, max_tokens: u32, given: bool) -> ChatRequest {
        let bounds = ChatBounds { default_max_tokens: max_tokens, max_max_tokens: u32::MAX };
        let number = if given { format!(r#","max_tokens":{max_tokens}"#) } else { String::new() };
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"n":{answers}{number}}}"#);
        ChatRequest::parse(body.as_bytes(), bounds).unwrap()
    }

    fn claims(tok: u64, max: u32, inp: u32) -> GrantClaims {
        let text = String::new;
        GrantClaims {
            jti: text(),
            sub: text(),
            acc: text(),
            plan: text(),
            pri: 0,
            tok,
            max,
            inp,
            exp: 0,
            bh: text(),
            aud: None,
            idle: false,
            img: None,
        }
    }

    /// Texts are held to what was reserved and to what a key may send; a count comes with the first, so that the edge
    /// reserves again.
    #[test]
    fn texts_are_under_the_ceilings() {
        let check = |prompts: &[usize], tok, inp| texts(prompts, Ceilings::of(Some(&claims(tok, 0, inp))), "input");
        for (prompts, tok, inp, expected) in [
            (&[3, 4][..], 0, 0, None),
            (&[3, 4], 7, 7, None),
            (&[3, 4], 6, 0, Some(Reason::GrantTooSmall)),
            (&[3, 4], 0, 6, Some(Reason::NotAllowed)),
            // What another grant would not change comes first.
            (&[3, 4], 6, 6, Some(Reason::NotAllowed)),
        ] {
            let refusal = check(prompts, tok, inp).err();
            assert_eq!(refusal.as_ref().map(|refusal| refusal.reason), expected, "{prompts:?} {tok} {inp}");
            if let Some(refusal) = refusal.filter(|refusal| refusal.reason == Reason::GrantTooSmall) {
                assert!(refusal.headers().contains(&(header::PROMPT_TOKENS, "7".into())));
            }
        }
        assert!(texts(&[1_000_000], Ceilings::of(None), "input").is_ok());
    }

    fn decide(request: &ChatRequest, prompt: usize, context: usize, claims: &GrantClaims) -> Result<u32, Refusal> {
        allowance(Asked::of_chat(request), &[prompt], context, Ceilings::of(Some(claims)))
    }

    /// The same by counting: which lengths of an answer are wanted, and which of them the grant holds.
    fn naive(request: &ChatRequest, prompt: usize, context: usize, claims: &GrantClaims) -> Result<u32, Reason> {
        let fits = |answer: u32| prompt + answer as usize <= context;
        let must_fit = request.max_tokens_given && !request.names.fits;
        if prompt == 0 || !fits(1) || (must_fit && !fits(request.max_tokens)) {
            return Err(Reason::ContextLengthExceeded);
        }
        if claims.inp != 0 && prompt > claims.inp as usize {
            return Err(Reason::NotAllowed);
        }
        let all = |answer: u32| (0..request.answers).map(|_| answer).sum::<u32>();
        let wanted = |answer: &u32| fits(*answer) && (claims.max == 0 || all(*answer) <= claims.max);
        let granted = |answer: &u32| claims.tok == 0 || prompt as u64 + u64::from(all(*answer)) <= claims.tok;
        let wanted: Vec<u32> = (1..=request.max_tokens).filter(wanted).collect();
        if wanted.is_empty() {
            return Err(Reason::NotAllowed);
        }
        let granted: Vec<u32> = wanted.iter().copied().filter(granted).collect();
        match granted.last() {
            Some(most) if granted == wanted => Ok(*most),
            Some(most) if !request.max_tokens_given && 2 * granted.len() >= wanted.len() => Ok(*most),
            _ => Err(Reason::GrantTooSmall),
        }
    }

    #[test]
    fn every_small_case_is_as_counted() {
        let mut seen = std::collections::HashMap::<_, u32>::new();
        let lengths = (1..=6).flat_map(|n| [(n, false), (n, true)]);
        for (answers, (max_tokens, given)) in [1, 2, 3].into_iter().flat_map(|n| lengths.clone().map(move |l| (n, l))) {
            let request = several(answers, max_tokens, given);
            // A door at which every request has to name a number.
            let fits = Names { fits: true, ..request.names };
            let requests = [request.clone(), ChatRequest { names: fits, ..request }];
            let sizes = (0..=6).flat_map(|prompt| (0..=10).map(move |context| (prompt, context)));
            let cases = sizes.flat_map(|size| requests.iter().map(move |request| (request, size)));
            for (request, (prompt, context)) in cases {
                for (tok, max) in (0..=13).flat_map(|tok| (0..=4).map(move |max| (tok, max))) {
                    for inp in [0, 1, 3, 6] {
                        let claims = claims(tok, max, inp);
                        let case = format!("{answers} of {max_tokens} ({given}), {prompt} of {context}, {claims:?}");
                        let got = decide(request, prompt, context, &claims);
                        let reason = got.as_ref().map_err(|refusal| refusal.reason).copied();
                        assert_eq!(reason, naive(request, prompt, context, &claims), "{case}");
                        *seen.entry(reason.err()).or_default() += 1;
                        let Err(refusal) = got else { continue };
                        let counted = (header::PROMPT_TOKENS, prompt.to_string());
                        if refusal.reason == Reason::GrantTooSmall {
                            assert_eq!(refusal.headers, [counted], "{case}");
                            // Reserved again for the prompt as counted and the longest answer, it passes.
                            let most = if max == 0 { answers * max_tokens } else { max };
                            let again = GrantClaims { tok: prompt as u64 + u64::from(most), ..claims };
                            assert!(decide(request, prompt, context, &again).is_ok(), "{case}");
                        } else {
                            assert!(refusal.headers.is_empty(), "{case}");
                            // No reservation would help.
                            let again = GrantClaims { tok: 0, ..claims };
                            assert!(decide(request, prompt, context, &again).is_err(), "{case}");
                        }
                    }
                }
            }
        }
        assert!(seen.len() == 4 && seen.values().all(|times| *times > 500), "{seen:?}");
    }

    #[test]
    fn refusals_name_their_numbers() {
        let table = [
            ((true, 5, 8, 0, 0), "The prompt has 5 tokens and max_tokens is 4; together they have to fit 8."),
            ((false, 5, 5, 0, 0), "The prompt has 5 tokens; prompt and answer have to fit 5."),
            (
                (true, 5, 50, 8, 0),
                "The prompt has 5 tokens and the answer may take 4; this request was granted 8 in all.",
            ),
            ((true, 5, 50, 0, 3), "This key may send prompts of at most 3 tokens; this one has 5."),
        ];
        for ((given, prompt, context, tok, inp), message) in table {
            let refusal = decide(&request(4, given), prompt, context, &claims(tok, 0, inp)).unwrap_err();
            assert_eq!(refusal.message, message);
            assert_eq!(refusal.param.is_some(), refusal.reason != Reason::GrantTooSmall, "{message}");
        }
    }

    /// Several prompts count together, and each has to fit by itself.
    #[test]
    fn several_prompts_share_what_is_granted() {
        let decide = |given: bool, prompts: &[usize], context: usize, (tok, max, inp): (u64, u32, u32)| {
            let asked = Asked { answers: 2, max_tokens: 4, is_given: given, names: Names::TEXT };
            allowance(asked, prompts, context, Ceilings::of(Some(&claims(tok, max, inp))))
                .map_err(|refusal| (refusal.reason, refusal.message.into_owned()))
        };
        let prompts = [5, 2, 3];
        for (given, context, ceilings, most) in [
            (true, 9, (0, 0, 0), 4),
            (false, 8, (0, 0, 0), 3),
            (true, 50, (10 + 6 * 4, 6 * 4, 10), 4),
            (false, 50, (10 + 6 * 2, 0, 0), 2),
            (false, 50, (0, 6 * 3, 0), 3),
        ] {
            assert_eq!(decide(given, &prompts, context, ceilings), Ok(most), "{context}, {ceilings:?}");
        }
        for (context, ceilings, reason, told) in [
            (8, (0, 0, 0), Reason::ContextLengthExceeded, "The longest of 3 prompts has 5 tokens and max_tokens is 4"),
            (50, (0, 0, 9), Reason::NotAllowed, "at most 9 tokens; the 3 prompts have 10."),
            (50, (0, 5, 0), Reason::NotAllowed, "too little for 6 answers"),
            (50, (10 + 6 * 4 - 1, 0, 0), Reason::GrantTooSmall, "The 3 prompts have 10 tokens and each of 6 answers"),
        ] {
            let (found, message) = decide(true, &prompts, context, ceilings).unwrap_err();
            assert_eq!(found, reason, "{message}");
            assert!(message.contains(told), "{message}");
        }
        for empty in [&[][..], &[5, 0]] {
            assert_eq!(decide(true, empty, 50, (0, 0, 0)).unwrap_err().0, Reason::ContextLengthExceeded);
        }
    }

    #[test]
    fn without_a_grant_only_the_origins_bounds_apply() {
        assert_eq!(allowance(Asked::of_chat(&request(7, false)), &[3], 100, Ceilings::of(None)), Ok(7));
        assert_eq!(allowance(Asked::of_chat(&request(7, false)), &[3], 8, Ceilings::of(None)), Ok(5));
    }

    proptest! {
        #[test]
        fn no_ceiling_is_exceeded_however_large_the_numbers(
            (max_tokens, given) in (prop_oneof![1..=u32::MAX, 1..=600u32], any::<bool>()),
            prompt in prop_oneof![any::<usize>(), 0..=600usize],
            context in prop_oneof![any::<usize>(), 0..=1200usize],
            answers in 1..=8u32,
            tok in prop_oneof![any::<u64>(), 0..=1200u64],
            max in prop_oneof![any::<u32>(), 0..=600u32],
            inp in prop_oneof![any::<u32>(), 0..=600u32],
        ) {
            if let Ok(most) = decide(&several(answers, max_tokens, given), prompt, context, &claims(tok, max, inp)) {
                prop_assert!(most >= 1 && most <= max_tokens && prompt as u128 + u128::from(most) <= context as u128);
                let all = u128::from(answers) * u128::from(most);
                prop_assert!(tok == 0 || prompt as u128 + all <= u128::from(tok));
                prop_assert!(max == 0 || all <= u128::from(max));
                prop_assert!(inp == 0 || prompt <= inp as usize);
            }
        }
    }
}
