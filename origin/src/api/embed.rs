//! Embeddings: the walk of a request for vectors, from its texts to an answer.
//!
//! A request has one slot. Its texts are sequences of their own, which the engine packs into its steps; each ends with the
//! vector of its last token. A caller that leaves, a deadline and a cancellation end them as they end an answer.

use crate::api::call::{Call, Caller};
use crate::api::respond::{tell_usage, to_json, typed};
use crate::api::turn::turn;
use crate::engine::job_state::JobState;
use crate::engine::{Cause, Event, Generation, Job};
use crate::generate::broken;
use crate::grant::allowance::{Ceilings, texts};
use crate::models::{Embeds, LANES, Loaded, starting_again};
use crate::queue::Place;
use crate::settle::live::LiveRequest;
use crate::settle::metrics::Metrics;
use axum::http::HeaderValue;
use axum::response::Response;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{Sampling, Usage, Used};
use sluice_protocol::request::bodies::embeddings::{EmbeddingList, EmbeddingRequest, Encoding, direction};
use sluice_protocol::request::bodies::ollama::embed::{Embedded, OneEmbedded};
use sluice_protocol::request::door::Door;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tracing::{Instrument, info_span};

/// Texts to embed, in tokens, and how their vectors are told.
pub(crate) struct EmbedRequest {
    loaded: Arc<Loaded>,
    /// Each with its end token, and within the context.
    inputs: Vec<Vec<u32>>,
    param: &'static str,
    width: usize,
    encoding: Encoding,
}

impl EmbedRequest {
    /// Checks a request against the model that is to make the vectors, and how it does. Takes time in proportion to the
    /// texts: not for an async thread.
    pub(crate) fn read(request: &EmbeddingRequest, loaded: Arc<Loaded>, embeds: Embeds) -> Result<Self, Refusal> {
        let (width, param) = (request.width(embeds.width)?, request.param);
        let mut inputs = Vec::with_capacity(request.inputs.len());
        for (at, input) in request.inputs.iter().enumerate() {
            let mut tokens = loaded.text.bare_prompt(input, loaded.vocab, param)?.tokens;
            if tokens.last() != Some(&embeds.end) {
                tokens.push(embeds.end);
            }
            let (count, context) = (tokens.len(), loaded.context);
            if count > context {
                if !request.truncate {
                    let message = format!("{param}[{at}]: the text has {count} tokens, and the model takes {context}.");
                    return Err(Refusal::new(Reason::ContextLengthExceeded, message).with_param(param));
                }
                tokens.truncate(context - 1);
                tokens.push(embeds.end);
            }
            inputs.push(tokens);
        }
        Ok(Self { loaded, inputs, param, width, encoding: request.encoding })
    }
}

/// Makes the vectors and tells them.
pub(crate) async fn embed(
    door: Door,
    call: &Call<'_>,
    wanted: EmbedRequest,
    place: Place,
    (live, state): (LiveRequest, Arc<JobState>),
) -> Result<Response, Refusal> {
    let Call { shared, caller, .. } = call;
    let EmbedRequest { loaded, inputs, param, width, encoding } = wanted;
    if loaded.engine.is_down() {
        return Err(starting_again().with_detail(loaded.name.clone()));
    }
    // Before any wait, as an answer's.
    let lengths: Vec<usize> = inputs.iter().map(Vec::len).collect();
    texts(&lengths, Ceilings::of(caller.claims.as_ref()), param)?;
    let tokens = lengths.iter().sum::<usize>() as u64;
    let permit = turn(place, Arc::clone(&state)).instrument(info_span!("queue")).await?;
    permit.serve();
    shared.metrics.slot_after(&loaded.name, caller.arrived.elapsed());
    let mut measured = Measured { metrics: &shared.metrics, model: &loaded.name, caller, tokens, cause: Cause::Left };
    let mut batch = Batch {
        loaded: &loaded,
        caller,
        state,
        width,
        over: Some(Arc::new(Mutex::new((permit.release_on_end(), live)))),
    };
    let vectors = batch.vectors(inputs).instrument(info_span!("embed")).await;
    measured.cause = vectors.as_ref().err().cloned().unwrap_or(Cause::Stop);
    let vectors = vectors.map_err(broken)?;
    drop(measured);
    drop(permit);
    let (model, took) = (loaded.name.clone(), caller.arrived.elapsed());
    let told = tokio::task::spawn_blocking(move || told(door, model, vectors, (encoding, tokens, took)));
    let body = told.await.map_err(|_| {
        Refusal::new(Reason::Internal, "The origin failed on this request.").with_detail("telling vectors panicked")
    })?;
    let mut response = typed(body, HeaderValue::from_static("application/json"));
    tell_usage(&mut response, Used { usage: Usage::new(tokens, 0), reasoning_tokens: Some(0) });
    Ok(response)
}

/// The answer in its door's shape.
fn told(
    door: Door,
    model: String,
    mut vectors: Vec<Vec<f32>>,
    (encoding, tokens, took): (Encoding, u64, Duration),
) -> String {
    let total_duration = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    match door {
        Door::OllamaEmbed => to_json(&Embedded {
            model,
            embeddings: vectors,
            total_duration,
            load_duration: 0,
            prompt_eval_count: tokens,
        }),
        Door::OllamaEmbeddings => to_json(&OneEmbedded { embedding: vectors.pop().unwrap_or_default() }),
        _ => to_json(&EmbeddingList::new(model, vectors, encoding, tokens)),
    }
}

/// The texts of one request on their way through the engine.
struct Batch<'a> {
    loaded: &'a Loaded,
    caller: &'a Caller,
    state: Arc<JobState>,
    width: usize,
    /// What is given back when the last sequence is over: the slot, and that the request lives. Sequences hold it, and this
    /// does until all of them have begun.
    over: Option<Arc<Mutex<Over>>>,
}

/// Dropped when nothing of a request runs: its slot, and that it lives.
type Over = (Box<dyn Send>, LiveRequest);

impl Batch<'_> {
    /// The vectors of all texts, in their order; or why the first that failed did.
    async fn vectors(&mut self, inputs: Vec<Vec<u32>>) -> Result<Vec<Vec<f32>>, Cause> {
        let mut vectors = Vec::with_capacity(inputs.len());
        let mut inputs = inputs.into_iter().peekable();
        while inputs.peek().is_some() {
            // Together, so that they are in one pass as far as that has room.
            let (jobs, waiting): (Vec<Job>, Vec<_>) =
                inputs.by_ref().take(LANES).map(|tokens| self.job(tokens)).unzip();
            let running = self.loaded.engine.submit_all(jobs.into_iter());
            if inputs.peek().is_none() {
                self.over = None;
            }
            for (generation, vector) in running.into_iter().zip(waiting) {
                match ended(generation, self.caller.deadline).await {
                    Cause::Stop => {}
                    cause => return Err(cause),
                }
                let lost = || Cause::Failed("a vector is no direction".into());
                vectors.push(vector.await.ok().flatten().ok_or_else(lost)?);
            }
        }
        Ok(vectors)
    }

    /// What the engine is to do for one text, and where its vector comes.
    fn job(&self, prompt: Vec<u32>) -> (Job, oneshot::Receiver<Option<Vec<f32>>>) {
        let (sender, vector) = oneshot::channel();
        let width = self.width;
        let job = Job {
            account: self.caller.account().to_owned(),
            prompt,
            max_tokens: 0,
            sampling: Sampling::default(),
            seed: 0,
            constraint: None,
            logprobs: None,
            over: None,
            vector: Some(Box::new(move |numbers| {
                // The reader may be gone: then nobody needs it.
                let _ = sender.send(direction(numbers, width));
            })),
            deadline: self.caller.deadline,
            state: Arc::clone(&self.state),
            is_first: true,
            guard: Box::new(self.over.clone()),
        };
        (job, vector)
    }
}

/// Why a sequence that samples nothing ended.
async fn ended(mut generation: Generation, deadline: Option<Instant>) -> Cause {
    let end = async {
        loop {
            if let Event::End(end) = generation.next().await {
                return end.cause;
            }
        }
    };
    match deadline {
        None => end.await,
        // The engine keeps deadlines by itself. This one holds when it hangs.
        Some(deadline) => tokio::time::timeout_at(deadline.into(), end).await.unwrap_or(Cause::Deadline),
    }
}

/// Counts and logs a request for vectors when it ends, however that comes.
struct Measured<'a> {
    metrics: &'a Metrics,
    model: &'a str,
    caller: &'a Caller,
    tokens: u64,
    cause: Cause,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let (cause, took) = (&self.cause, self.caller.arrived.elapsed());
        self.metrics.ended(self.model, cause, took);
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(?cause, prompt_tokens = self.tokens, ms, "embedded");
    }
}
