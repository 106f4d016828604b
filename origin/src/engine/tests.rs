//! The engine's promises to several requests at once: a seeded answer is the request's alone, and a reader who takes
//! nothing holds a few tokens and no more.

use super::model::{Logits, ModelError, Row};
use super::sampler::SplitMix64;
use super::*;
use crate::models::qwen::Qwen;
use crate::models::qwen::precision::Precision;
use crate::models::qwen::shape::{Family, Rope, Shape};

const VOCAB: usize = 512;

/// A network that every kernel applies to: widths that are multiples of 256.
fn network(slots: usize, precision: Precision) -> Qwen {
    let shape = Shape {
        family: Family::Qwen3 { bias: false },
        vocab: VOCAB,
        hidden: 256,
        intermediate: 512,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 64,
        context: 2_048,
        tied: true,
        norm_eps: 1e-6,
        rope: Rope { theta: 1e6, yarn: None },
    };
    Qwen::random(shape, slots, precision, 5).unwrap()
}

/// A request without bounds of its own; its sampling has a seed.
pub(crate) fn job(account: &str, prompt: Vec<u32>, max_tokens: u32, sampling: Sampling) -> Job {
    Job {
        account: account.into(),
        prompt,
        max_tokens,
        seed: sampling.seed.unwrap(),
        sampling,
        constraint: None,
        logprobs: None,
        over: None,
        vector: None,
        deadline: None,
        state: Arc::new(JobState::new()),
        is_first: true,
        guard: Box::new(()),
    }
}

/// Tokens of the shortest answer.
const LEAST: u32 = 14;

/// A request of this number: its prompt from one of three beginnings and an end of its own, its own seed and way to
/// choose. Long prompts are read in several chunks, and every second request shares its account and so its beginning.
fn request(number: usize) -> Job {
    let ids = |seed: u64, count: usize| -> Vec<u32> {
        let mut random = SplitMix64::new(seed);
        (0..count).map(|_| (random.next() % VOCAB as u64) as u32).collect()
    };
    let mut prompt = ids(number as u64 % 3, 40 + 100 * (number % 4));
    prompt.extend(ids(100 + number as u64, 5));
    let sampling = Sampling {
        temperature: [0.7, 1.0, 1.6][number % 3],
        top_p: [1.0, 0.95][number % 2],
        top_k: [None, Some(40)][number / 2 % 2],
        seed: Some(7_000 + number as u64),
        ..Sampling::default()
    };
    job(["", "a", "b", "a"][number % 4], prompt, LEAST + (number % 3) as u32, sampling)
}

/// All tokens of an answer, and how it ended.
async fn tokens(mut generation: Generation) -> (Vec<u32>, Cause) {
    let mut tokens = Vec::new();
    loop {
        match generation.next().await {
            Event::Token(sampled) => tokens.push(sampled.token),
            Event::End(end) => return (tokens, end.cause),
        }
    }
}

/// The answers to requests that come in this order, each with its number. After `pause` requests the rest comes only
/// when the first answer has begun. A number beyond `count` is a stranger, whose answer is not told.
async fn answers(engine: &Engine, order: &[usize], pause: usize, count: usize) -> Vec<(usize, Vec<u32>)> {
    let mut reading = tokio::task::JoinSet::new();
    let (begun, mut begins) = mpsc::channel(1);
    for (place, number) in order.iter().copied().enumerate() {
        if place == pause {
            begins.recv().await.unwrap();
        }
        let mut generation = engine.submit(request(number));
        let begun = begun.clone();
        reading.spawn(async move {
            let Event::Token(first) = generation.next().await else { panic!("{number} has no answer") };
            // The channel has room for one such word; nobody needs a second.
            let _ = begun.try_send(());
            let (rest, cause) = tokens(generation).await;
            assert_eq!(cause, Cause::Length);
            (number, [vec![first.token], rest].concat())
        });
    }
    let mut all = reading.join_all().await;
    all.retain(|(number, _)| *number < count);
    all.sort();
    all
}

/// The same seeded requests in many orders, all at once or some while others are answered, beside strangers or without,
/// with slots and memory for all or for few: every answer is, token by token, the one that it has alone.
#[tokio::test]
async fn neither_order_nor_company_changes_a_seeded_answer() {
    const COUNT: usize = 7;
    for precision in [Precision::Q8_0, Precision::Q4K, Precision::F32] {
        let engine = |slots, runs, kv_tokens| {
            let options =
                EngineOptions { runs, kv_tokens, stall: Duration::from_secs(60), company: Company::default() };
            Engine::start(Box::new(network(slots, precision)), Vec::new(), options).unwrap()
        };
        // Each alone; a model with no slot to spare remembers nothing of those before.
        let (alone_engine, mut alone) = (engine(1, 1, 4_000), Vec::new());
        for number in 0..COUNT {
            alone.push((number, tokens(alone_engine.submit(request(number))).await.0));
        }
        for (number, answer) in &alone {
            assert_eq!(answer.len(), LEAST as usize + number % 3);
            assert!(alone.iter().all(|(other, others)| other == number || !others.starts_with(&answer[..8])));
        }
        let mut random = SplitMix64::new(3);
        let mut orders: Vec<Vec<usize>> = vec![(0..COUNT).collect(), (0..COUNT).rev().collect()];
        for strangers in [0, 1, 4] {
            let mut order: Vec<usize> = (0..COUNT + strangers).collect();
            for last in (1..order.len()).rev() {
                order.swap(last, (random.next() % (last as u64 + 1)) as usize);
            }
            orders.push(order);
        }
        for (runs, kv_tokens) in [(COUNT, 20_000), (3, 900)] {
            // One engine for all orders: later ones begin with copies of what the earlier ones left.
            let engine = engine(2 * runs, runs, kv_tokens);
            for (number, order) in orders.iter().enumerate() {
                let pause = [usize::MAX, 2][number % 2];
                let found = answers(&engine, order, pause, COUNT).await;
                assert_eq!(found, alone, "{precision:?}, {runs} at once, in the order {order:?}");
            }
        }
    }
}

/// A model that says one token for ever.
struct Endless;

impl Model for Endless {
    fn context_length(&self) -> usize {
        1 << 40
    }

    fn vocab_size(&self) -> usize {
        2
    }

    fn token_bytes(&self) -> usize {
        0
    }

    fn slots(&self) -> usize {
        2
    }

    fn begin(&mut self, _slot: usize, _tokens: usize) -> Result<(), ModelError> {
        Ok(())
    }

    fn copy_prefix(&mut self, _from: usize, _to: usize, _tokens: usize) -> Result<(), ModelError> {
        Ok(())
    }

    fn step(&mut self, rows: &[Row<'_>], logits: &mut Logits) -> Result<(), ModelError> {
        for row in 0..rows.len() {
            logits.row_mut(row).copy_from_slice(&[0.0, 100.0]);
        }
        Ok(())
    }

    fn release(&mut self, _slot: usize) {}
}

/// Four billion tokens are asked for and nobody reads: as many are made as the channel holds, and then one for each
/// that is taken. That the sequence stands still is seen by another, which has all of its answer meanwhile.
#[tokio::test]
async fn who_takes_nothing_holds_as_many_tokens_as_a_channel() {
    let options =
        EngineOptions { runs: 2, kv_tokens: 1 << 40, stall: Duration::from_secs(60), company: Company::default() };
    let engine = Engine::start(Box::new(Endless), Vec::new(), options).unwrap();
    let ask = |max_tokens| {
        let sampling = Sampling { seed: Some(1), ..Sampling::default() };
        engine.submit(job("", vec![0], max_tokens, sampling))
    };
    let mut slow = ask(u32::MAX);
    let mut others = 0;
    for taken in 0..=40 {
        if taken > 0 {
            assert!(matches!(slow.next().await, Event::Token(_)));
        }
        // It takes part in each of the other's steps, unless it stands still.
        let (answer, cause) = tokens(ask(1_000)).await;
        assert_eq!((answer.len(), cause), (1_000, Cause::Length));
        others += 1_000;
        assert_eq!(engine.generated() - others, CHANNEL as u64 + taken);
    }
}
