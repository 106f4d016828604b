//! Embeddings and reranking: the walk of a request that a model reads and answers nothing to, from its texts to what is told.
//!
//! A request has one slot. Its texts are sequences of their own, which the engine packs into its steps; each ends with the
//! vector of its last token. A caller that leaves, a deadline and a cancellation end them as they end an answer.

use crate::api::call::{Call, Caller};
use crate::api::respond::{tell_usage, to_json, typed};
use crate::api::turn::turn;
use crate::engine::job_state::JobState;
use crate::engine::{Cause, Event, Generation, Job};
use crate::generate::{broken, trace_end};
use crate::grant::allowance::{Ceilings, texts};
use crate::models::{Does, Embeds, LANES, Loaded, starting_again};
use crate::queue::Place;
use crate::settle::live::LiveRequest;
use crate::settle::metrics::Metrics;
use crate::settle::traces::told::Asked;
use crate::settle::traces::trace::{Passed, Trace};
use axum::http::HeaderValue;
use axum::response::Response;
use sluice_protocol::refusal::{Reason, Refusal};
use sluice_protocol::request::bodies::chat::{Sampling, Usage, Used};
use sluice_protocol::request::bodies::embeddings::{EmbeddingList, EmbeddingRequest, Encoding, direction};
use sluice_protocol::request::bodies::ollama::embed::{Embedded, OneEmbedded};
use sluice_protocol::request::bodies::rerank::{RerankRequest, Reranked, likelihood_of_yes, nearness};
use sluice_protocol::request::door::Door;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tracing::{Instrument, info_span};

/// Texts to read, in tokens, and what is told of them.
pub(crate) struct EmbedRequest {
    loaded: Arc<Loaded>,
    /// Each as the model reads it, and within the context.
    inputs: Vec<Vec<u32>>,
    param: &'static str,
    read: ReadOut,
    wanted: Told,
}

/// What is taken of a text's last row.
#[derive(Clone, Copy)]
enum ReadOut {
    /// The direction of so many of its numbers.
    Direction(usize),
    /// All of them.
    Verdict,
}

/// What is told of what was read.
enum Told {
    /// Vectors.
    Vectors(Encoding),
    /// Documents, by how near their vectors are to the query's, which was read first.
    Nearest(Box<RerankRequest>),
    /// Documents, by what the model says of each.
    Judged(Box<RerankRequest>),
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
        let read = ReadOut::Direction(width);
        Ok(Self { loaded, inputs, param, read, wanted: Told::Vectors(request.encoding) })
    }

    /// The same for documents that are to be put in order: by a model that judges each beside the query, or by vectors.
    pub(crate) fn of_documents(request: Box<RerankRequest>, loaded: Arc<Loaded>) -> Result<Self, Refusal> {
        let mut reading = Documents { context: loaded.context, inputs: Vec::new(), tokens: 0 };
        let (read, wanted) = match (loaded.does, loaded.text.judges()) {
            (Does::Embed(embeds), _) => {
                let bare = |text: &str| -> Result<Vec<u32>, Refusal> {
                    let mut tokens = loaded.text.tokens(text)?;
                    if tokens.last() != Some(&embeds.end) {
                        tokens.push(embeds.end);
                    }
                    Ok(tokens)
                };
                // As it is searched for: models that embed want their instruction before the query alone.
                reading.take(|| "query".into(), &[], &bare(&instructed(&request))?)?;
                for (at, text) in request.documents.iter().enumerate() {
                    reading.take(|| format!("{DOCUMENTS}[{at}]"), &[], &bare(text)?)?;
                }
                (ReadOut::Direction(embeds.width), Told::Nearest(request))
            }
            (_, Some(judging)) => {
                let before = loaded.text.judged_by(judging, &request)?;
                for (at, text) in request.documents.iter().enumerate() {
                    reading.take(|| format!("{DOCUMENTS}[{at}]"), &before, &loaded.text.judged(judging, text)?)?;
                }
                (ReadOut::Verdict, Told::Judged(request))
            }
            (_, None) => {
                let why = format!("`{}` puts no documents in order.", loaded.name);
                return Err(Refusal::new(Reason::InvalidRequest, why).with_param("model"));
            }
        };
        Ok(Self { inputs: reading.inputs, loaded, param: DOCUMENTS, read, wanted })
    }
}

const DOCUMENTS: &str = "documents";
/// How many tokens all documents of a request may be read as: a model that judges reads the query with each of them.
const MOST_READ: usize = 1 << 20;

/// Documents on their way into tokens.
struct Documents {
    context: usize,
    inputs: Vec<Vec<u32>>,
    /// How many there are in all inputs.
    tokens: usize,
}

impl Documents {
    /// Takes one more text, in two parts. Refuses what is too long, before it costs memory.
    fn take(&mut self, name: impl Fn() -> String, before: &[u32], text: &[u32]) -> Result<(), Refusal> {
        let (count, context) = (before.len() + text.len(), self.context);
        if count > context {
            let message = format!("{}: it is read as {count} tokens, and the model takes {context}.", name());
            return Err(Refusal::new(Reason::ContextLengthExceeded, message).with_param(DOCUMENTS));
        }
        self.tokens += count;
        if self.tokens > MOST_READ {
            let message =
                format!("From {} on, query and documents are more than {MOST_READ} tokens. Send fewer.", name());
            return Err(Refusal::new(Reason::ContextLengthExceeded, message).with_param(DOCUMENTS));
        }
        self.inputs.push([before, text].concat());
        Ok(())
    }
}

/// A query with its instruction, if it has one, as Qwen3-Embedding was trained to read it.
fn instructed(request: &RerankRequest) -> String {
    match &request.instruction {
        None => request.query.clone(),
        Some(instruction) => format!("Instruct: {instruction}\nQuery:{}", request.query),
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
    let Call { shared, caller, trace, .. } = *call;
    let EmbedRequest { loaded, inputs, param, read, wanted } = wanted;
    if loaded.engine.is_down() {
        return Err(starting_again().with_detail(loaded.name.clone()));
    }
    // Before any wait, as an answer's.
    let lengths: Vec<usize> = inputs.iter().map(Vec::len).collect();
    texts(&lengths, Ceilings::of(caller.claims.as_ref()), param)?;
    let tokens = lengths.iter().sum::<usize>() as u64;
    trace.asks(door, |operation| Asked { operation, model: loaded.name.clone(), generation: None });
    trace.waits();
    let permit = turn(place, Arc::clone(&state)).instrument(info_span!("queue")).await?;
    permit.serve();
    shared.metrics.slot_after(&loaded.name, caller.arrived.elapsed());
    trace.has_slot();
    let mut measured = Measured {
        metrics: &shared.metrics,
        trace,
        began: Instant::now(),
        model: &loaded.name,
        caller,
        tokens,
        cause: Cause::Left,
    };
    let mut batch = Batch {
        loaded: &loaded,
        caller,
        state,
        read,
        over: Some(Arc::new(Mutex::new((permit.release_on_end(), live)))),
    };
    let vectors = batch.vectors(inputs).instrument(info_span!("embed")).await;
    measured.cause = vectors.as_ref().err().cloned().unwrap_or(Cause::Stop);
    let vectors = vectors.map_err(broken)?;
    drop(measured);
    drop(permit);
    let (model, took) = (loaded.name.clone(), caller.arrived.elapsed());
    let told = tokio::task::spawn_blocking(move || told(door, model, vectors, (wanted, tokens, took)));
    let body = told.await.map_err(|_| {
        Refusal::new(Reason::Internal, "The origin failed on this request.").with_detail("telling vectors panicked")
    })??;
    let mut response = typed(body, HeaderValue::from_static("application/json"));
    tell_usage(&mut response, Used { usage: Usage::new(tokens, 0), ..Used::NOTHING });
    Ok(response)
}

/// The answer in its door's shape.
fn told(
    door: Door,
    model: String,
    mut vectors: Vec<Vec<f32>>,
    (wanted, tokens, took): (Told, u64, Duration),
) -> Result<String, Refusal> {
    let encoding = match wanted {
        Told::Vectors(encoding) => encoding,
        Told::Nearest(request) => {
            let scores: Vec<f64> = match vectors.split_first() {
                Some((query, documents)) => documents.iter().map(|document| nearness(query, document)).collect(),
                None => Vec::new(),
            };
            return Ok(to_json(&Reranked::new(model, *request, &scores, tokens)));
        }
        Told::Judged(request) => {
            let verdict = |numbers: &Vec<f32>| likelihood_of_yes(<[f32; 2]>::try_from(numbers.as_slice()).ok()?);
            let scores = vectors.iter().map(verdict).collect::<Option<Vec<f64>>>();
            let scores = scores.ok_or_else(|| broken(Cause::Failed("a verdict is no number".into())))?;
            return Ok(to_json(&Reranked::new(model, *request, &scores, tokens)));
        }
    };
    let total_duration = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    Ok(match door {
        Door::OllamaEmbed => to_json(&Embedded {
            model,
            embeddings: vectors,
            total_duration,
            load_duration: 0,
            prompt_eval_count: tokens,
        }),
        Door::OllamaEmbeddings => to_json(&OneEmbedded { embedding: vectors.pop().unwrap_or_default() }),
        _ => to_json(&EmbeddingList::new(model, vectors, encoding, tokens)),
    })
}

/// The texts of one request on their way through the engine.
struct Batch<'a> {
    loaded: &'a Loaded,
    caller: &'a Caller,
    state: Arc<JobState>,
    read: ReadOut,
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
        let read = self.read;
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
                let _ = sender.send(match read {
                    ReadOut::Direction(width) => direction(numbers, width),
                    ReadOut::Verdict => Some(numbers.to_vec()),
                });
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

/// Counts, logs and traces a request for vectors when it ends, however that comes.
struct Measured<'a> {
    metrics: &'a Metrics,
    trace: &'a Trace,
    began: Instant,
    model: &'a str,
    caller: &'a Caller,
    tokens: u64,
    cause: Cause,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let (cause, took) = (&self.cause, self.caller.arrived.elapsed());
        self.metrics.ended(self.model, cause, took);
        self.trace.passed(Passed { began: self.began, first: None });
        trace_end(self.trace, cause);
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(?cause, prompt_tokens = self.tokens, ms, "embedded");
    }
}
