//! Kept responses on the walk: what a request goes on from is put before what it asks, and an answer that is to be kept is
//! kept before its caller has its end.

use crate::auth::principal::Principal;
use crate::config::Config;
use crate::hop::jobs;
use crate::hop::responses::{self, unavailable};
use crate::limit;
use crate::platform::{Body, Env};
use crate::telemetry;
use sluice_protocol::auth::pattern::Pattern;
use sluice_protocol::auth::permission::Scope;
use sluice_protocol::auth::principal::AccountName;
use sluice_protocol::hop::responses_call::{KeptResponse, MAX_RESPONSES, ResponsesAnswer, ResponsesCall};
use sluice_protocol::id::{RequestId, ResponseId};
use sluice_protocol::jobs::background::{self, NewResponse, ResponseAsked};
use sluice_protocol::jobs::call::{JobsAnswer, JobsCall, ResponseCall};
use sluice_protocol::jobs::owner::Owner;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::responses::{
    Keeping, MAX_KEPT_PART, Told, input_of, kept_input, no_response, not_kept, referred, with_history,
};
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;

/// Where one request's kept responses are.
pub struct Stored<'a> {
    /// The environment.
    pub env: &'a Env,
    /// The plans that decide.
    pub table: &'a PlanTable,
    /// Who asks.
    pub principal: &'a Principal,
    /// How long responses are kept, in milliseconds; 0 if none is.
    pub kept_ms: Millis,
    /// Whether answers in the background are served.
    pub has_jobs: bool,
    /// How many bytes a body may have, with all that it goes on from.
    pub most: u64,
}

/// What of a request is kept with its answer, if it is to be.
pub struct Asking {
    previous: Option<ResponseId>,
    /// Its own `input`. It lies on the platform's side.
    input: Body,
    /// Whether nobody waits for its answer.
    pub background: bool,
}

/// A request that is answered in the background.
pub struct Deferred {
    /// What is kept of it with its answer.
    pub asking: Asking,
    /// The model, by its own name.
    pub model: String,
    /// What is sent on.
    pub body: Body,
}

/// An answer that is to be kept when there is one.
pub struct Keep {
    env: Env,
    account: AccountName,
    model: String,
    asking: Asking,
}

impl<'a> Stored<'a> {
    /// Those of this caller, as they are set.
    pub fn of(env: &'a Env, config: &Config, table: &'a PlanTable, principal: &'a Principal) -> Self {
        let (kept_ms, has_jobs) = (config.responses_kept_ms, config.jobs.kept_ms > 0);
        Self { env, table, principal, kept_ms, has_jobs, most: config.bodies.max }
    }

    /// The body with all of its conversation in its `input`, which is what limits, the grant and the origin see. Whoever asks
    /// is known to its Gate before anything is looked up. Refuses by name where no responses are kept, and with
    /// [`Reason::ResponseNotFound`] what goes on from one that is not there.
    pub async fn recall(&self, body: Body) -> Result<(Body, Option<Asking>), Refusal> {
        let mut bytes = body.bytes();
        let keeping = Keeping::read(&bytes);
        if keeping == Keeping::default() {
            return Ok((body, None));
        }
        if self.kept_ms == 0 {
            keeping.refuse()?;
            return Ok((body, None));
        }
        let background = keeping.background && self.has_jobs;
        if background {
            background::check_store(keeping.store)?;
            bytes = background::foreground(&bytes);
        }
        let previous = keeping.previous.as_deref().map(|id| ResponseId::parse(id).ok_or_else(no_previous));
        let (mut turns, mut is_changed) = (Vec::new(), background);
        let previous = if keeping.reads() {
            let models = self.models().await?;
            let previous = previous.transpose()?;
            let mut named = referred(&bytes);
            // There are no more.
            named.truncate(MAX_RESPONSES as usize);
            let call = ResponsesCall::Recall { previous, named, models: models.clone(), most: self.most };
            match responses::answer(self.env, &self.principal.account, &call).await? {
                ResponsesAnswer::Recalled { turns: before, named } => {
                    bytes = with_history(&bytes, &[], &named)?;
                    (turns, is_changed) = (before, true);
                }
                ResponsesAnswer::Missing => return Err(self.no_previous(previous, models).await),
                ResponsesAnswer::TooLong => return Err(self.too_large()),
                _ => return Err(unavailable("the responses gave another answer")),
            }
            previous
        } else {
            None
        };
        let input = keeping.store.then(|| input_of(&bytes)).flatten();
        let asking = input.map(|input| Asking { previous, input: Body::of_bytes(input.as_bytes()), background });
        if is_changed {
            if !turns.is_empty() {
                bytes = with_history(&bytes, &turns, &[])?;
            }
            if bytes.len() as u64 > self.most {
                return Err(self.too_large());
            }
            return Ok((Body::of_bytes(&bytes), asking));
        }
        Ok((body, asking))
    }

    /// The lists of models that the caller may use, from its Gate: of those alone it may see what they have answered. Refuses
    /// whom its Gate does not know, and who may not ask for answers.
    pub async fn models(&self) -> Result<Vec<Vec<Pattern>>, Refusal> {
        let Self { env, table, principal, .. } = *self;
        principal.check(Some(Scope::Chat), None)?;
        let admission = limit::identify(env, table, principal, Some(Scope::Chat)).await?;
        Ok(admission.models.into_iter().chain(principal.permissions.models.clone()).collect())
    }

    /// Why there is nothing to go on from: it may have no answer yet.
    async fn no_previous(&self, previous: Option<ResponseId>, models: Vec<Vec<Pattern>>) -> Refusal {
        let Some(id) = previous.filter(|_| self.has_jobs) else { return no_previous() };
        let call = JobsCall::Response(ResponseCall::Get { id, models });
        match jobs::ask(self.env, &self.principal.account, &call).await {
            Ok(JobsAnswer::Response(found)) => background::no_answer_yet(found.status),
            Ok(_) => no_previous(),
            Err(refusal) => refusal,
        }
    }

    fn too_large(&self) -> Refusal {
        let most = self.most;
        let message = format!("With the conversation that it goes on from, the body is larger than {most} bytes.");
        Refusal::new(Reason::BodyTooLarge, message).with_param("previous_response_id")
    }
}

impl Asking {
    /// Its answer is to be kept. Refuses an `input` that is longer than what is kept; it has been understood before.
    pub fn keep(self, env: &Env, account: &AccountName, model: &str) -> Result<Keep, Refusal> {
        let keep = Keep { env: env.clone(), account: account.clone(), model: model.to_owned(), asking: self };
        // Its length does not depend on the request.
        keep.input(RequestId([0; 16])).ok_or_else(too_long_to_keep)?;
        Ok(keep)
    }
}

impl Deferred {
    /// What is asked of the account's jobs under this id. Refuses what is longer than what is kept, as [`Asking::keep`]
    /// does, and a body that cannot wait anywhere.
    pub fn request(self, id: ResponseId, owner: Owner, now: Millis) -> Result<NewResponse, Refusal> {
        let Self { asking, model, body } = self;
        let [own, body] = [&asking.input, &body].map(|part| String::from_utf8(part.bytes()));
        let (Ok(own), Ok(body)) = (own, body) else { return Err(too_long_to_keep()) };
        let input = kept_input(&own, id.0).filter(|input| input.len() <= MAX_KEPT_PART).ok_or_else(too_long_to_keep)?;
        let told = background::queued(id, now, &model, body.as_bytes())?;
        if body.len() > background::MAX_BODY_BYTES || told.len() > MAX_KEPT_PART {
            let message = "The request, with all that it goes on from, is longer than what waits in the background.";
            return Err(Refusal::new(Reason::BodyTooLarge, message).with_param("background"));
        }
        Ok(NewResponse { asked: ResponseAsked { id, owner, model, previous: asking.previous, input, told }, body })
    }
}

fn too_long_to_keep() -> Refusal {
    let message = format!("`store` keeps an `input` of at most {MAX_KEPT_PART} bytes. Leave it out.");
    Refusal::new(Reason::UnsupportedParameter, message).with_param("store")
}

impl Keep {
    /// Keeps an answer; whether it is kept then. It is told so to its caller, and if not, the log says why. It takes so many
    /// milliseconds at most.
    pub async fn keep(&self, answer: &str, ms: u32) -> bool {
        // Whoever answered does not say that it is to be kept.
        let Some(Told { id, .. }) = Told::read(answer) else { return false };
        let why = match self.input(id.0) {
            Some(input) if answer.len() <= MAX_KEPT_PART => {
                let kept = KeptResponse {
                    model: self.model.clone(),
                    previous: self.asking.previous,
                    input,
                    answer: answer.to_owned(),
                };
                let call = ResponsesCall::Keep { id, kept };
                match responses::ask(&self.env, &self.account, &call, ms.min(KEEP_MS)).await {
                    Ok(ResponsesAnswer::Kept) => return true,
                    Ok(_) => "the setting is another one there".to_owned(),
                    Err(failed) => failed.why,
                }
            }
            _ => format!("it has {} bytes", answer.len()),
        };
        telemetry::write(&Line::trouble_of(id.0, "a response is not kept", why));
        false
    }

    /// [`Self::keep`] for an answer that was read whole, as its caller is to be told it.
    pub async fn whole(&self, body: Body, ms: u32) -> Body {
        let Ok(answer) = String::from_utf8(body.bytes()) else { return body };
        match self.keep(&answer, ms).await {
            true => body,
            false => Body::of_bytes(not_kept(&answer).as_bytes()),
        }
    }

    /// What was asked, as it is kept; `None` if it is too long.
    fn input(&self, request: RequestId) -> Option<String> {
        let own = String::from_utf8(self.asking.input.bytes()).ok()?;
        kept_input(&own, request).filter(|input| input.len() <= MAX_KEPT_PART)
    }
}

fn no_previous() -> Refusal {
    let message = "There is no such response to go on from, or one of its conversation was deleted. Those are kept that were \
                   asked for with `store: true`, for a while. Send the whole conversation as `input`.";
    Refusal { message: message.into(), ..no_response() }.with_param("previous_response_id")
}

/// How long keeping an answer may take, in milliseconds: its caller waits for the end of it.
const KEEP_MS: u32 = 5_000;
