//! A log, read line by line. What is kept of a request has one size, and each name is kept once, so that a file of a
//! gigabyte needs a fraction of that.

use crate::line::{self, Decided, Read, Skipped};
use anyhow::{Context, Result, bail};
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::replay::request::{Names, Request};
use std::collections::HashMap;
use std::io::{BufRead, Read as _};

/// Requests, in the order of their lines.
#[derive(Debug, Default)]
pub struct Log {
    /// All that are decided again.
    pub requests: Vec<Request>,
    /// The names that they have.
    pub names: Names,
    /// The numbers of these.
    numbers: HashMap<Box<str>, u32>,
    /// What else was there.
    pub seen: Seen,
}

/// How many lines there were of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// All.
    pub lines: u64,
    /// Those of other events, and of nobody's.
    pub others: u64,
    /// Requests that no plan has decided about.
    pub undecided: u64,
    /// Requests that were let through without their Gate.
    pub without_gate: u64,
}

/// Reads all of a log. `told` is called now and then with how many lines were read.
pub fn read(mut from: impl BufRead, mut told: impl FnMut(u64)) -> Result<Log> {
    let mut log = Log::default();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let number = log.seen.lines + 1;
        let length = from.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut bytes).context("cannot read the log")?;
        if length == 0 {
            break;
        }
        if length as u64 > MAX_LINE {
            bail!("line {number}: it is longer than {MAX_LINE} bytes");
        }
        if number > MAX_LINES {
            bail!("line {number}: this reads at most {MAX_LINES} lines");
        }
        log.seen.lines = number;
        let text = std::str::from_utf8(&bytes).ok().with_context(|| format!("line {number}: it is not UTF-8"))?;
        log.add(text.trim_end_matches(['\n', '\r'])).map_err(|wrong| anyhow::anyhow!("line {number}: {wrong}"))?;
        if number % TELL == 0 {
            told(number);
        }
    }
    log.check_once()?;
    Ok(log)
}

impl Log {
    fn add(&mut self, text: &str) -> Result<(), String> {
        match line::read(text)? {
            Read::Text | Read::Other => self.seen.others += 1,
            Read::Request(read) => match read.decided()? {
                Ok(decided) => {
                    let request = self.request(&decided);
                    self.requests.push(request);
                }
                Err(Skipped::Undecided) => self.seen.undecided += 1,
                Err(Skipped::WithoutGate) => self.seen.without_gate += 1,
            },
        }
        Ok(())
    }

    fn request(&mut self, decided: &Decided<'_>) -> Request {
        let (prompt_counted, counted_at) = decided.counted.unwrap_or_default();
        Request {
            id: decided.request,
            at: decided.at,
            over: decided.over,
            counted_at,
            // Lines are counted, and there are fewer than 2^32.
            line: self.seen.lines as u32,
            account: self.number(decided.account),
            model: self.number(decided.model),
            plan: self.number(decided.plan),
            limits: self.number(&decided.limits),
            mark: decided.mark,
            session: decided.session,
            user: decided.user,
            body_bytes: decided.body_bytes,
            prompt_guess: decided.prompt_tokens,
            prompt_counted,
            max_tokens: decided.max_tokens,
            drawing: decided.drawing,
            used: decided.used,
            endpoint: decided.endpoint,
            pressure: decided.pressure,
            decision: decided.decision,
            has_key: decided.key.is_some(),
            batch: decided.batch,
            thinking: decided.thinking,
            may_bend: decided.may_bend,
            is_static: decided.is_static,
            given_back: decided.given_back,
        }
    }

    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.names.push(text);
        self.numbers.insert(text.into(), number);
        number
    }

    /// A request has one line: two of them would count it twice.
    fn check_once(&self) -> Result<()> {
        let mut ids: Vec<([u8; 16], u32)> = self.requests.iter().map(|request| (request.id.0, request.line)).collect();
        ids.sort_unstable();
        let again = ids.windows(2).filter(|pair| pair[0].0 == pair[1].0).min_by_key(|pair| pair[1].1);
        match again {
            Some(pair) => {
                bail!("line {}: the request of line {} again: is this file in it twice?", pair[1].1, pair[0].1)
            }
            None => Ok(()),
        }
    }

    /// Refuses plans that do not have all that the log names. `name` is what the table is called.
    pub fn check_plans(&self, table: &PlanTable, name: &str) -> Result<()> {
        match self.requests.iter().find(|request| table.get(self.names.text(request.plan)).is_none()) {
            Some(Request { line, plan, .. }) => {
                bail!(
                    "line {line}: {name} has no plan `{}`; a replay needs each that the log names",
                    self.names.text(*plan)
                )
            }
            None => Ok(()),
        }
    }
}

/// The longest line that is read, in bytes: ours are below a thousandth of a megabyte, and others are not long.
const MAX_LINE: u64 = 1 << 20;
/// Lines are counted in 32 bits.
const MAX_LINES: u64 = u32::MAX as u64;
/// How many lines there are between two calls of `told`.
const TELL: u64 = 16_384;
