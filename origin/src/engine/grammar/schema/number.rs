//! Numbers: which are meant, exactly, and how they are written. Every number has an end. An integer has as many digits
//! as 64 bits need, any other number as many as a float of 64 bits tells apart, unless its bounds need more.

pub(super) mod decimal;
mod digits;

use super::fuel::Fuel;
use super::lex::Lex;
use decimal::Decimal;
use digits::{above, below, between, either};
use serde_json::json;

/// Numbers that fulfil all that a schema says of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// The least one, and whether it is excluded.
    least: Option<(Decimal, bool)>,
    most: Option<(Decimal, bool)>,
    integer: bool,
    /// What all are multiples of: an integer, and how many of its digits are behind the point.
    step: Option<(i128, u32)>,
}

/// How numbers are written.
pub(super) enum Written {
    /// There are none.
    Never,
    Lex(Lex),
    /// Multiples of something that does not divide a power of ten. llguidance counts them.
    Multiples(serde_json::Value),
}

/// Digits of an integer without bounds: those of 64 bits.
const INTEGER_DIGITS: usize = 19;
/// Digits before and behind the point of other numbers: as JavaScript writes a float without an exponent.
const WHOLE_DIGITS: usize = 21;
const FRACTION_DIGITS: usize = 24;
/// Digits that a float of 64 bits always tells apart.
const EXACT_DIGITS: i32 = 15;
/// A bound beyond this, or nearer to zero, is never reached by what we write.
const FAR: i32 = 37;
/// How many multiples there may be before their digits repeat. So many cost llguidance a few milliseconds.
const MAX_STEPS: i128 = 1000;

impl Numbers {
    /// All, or all integers.
    pub(super) fn of(integer: bool) -> Self {
        Self { integer, ..Self::default() }
    }

    pub(super) fn least(&mut self, bound: &Decimal, excluded: bool) {
        let is_tighter =
            self.least.as_ref().is_none_or(|(known, out)| bound > known || bound == known && excluded && !out);
        if is_tighter {
            self.least = Some((bound.clone(), excluded));
        }
    }

    pub(super) fn most(&mut self, bound: &Decimal, excluded: bool) {
        let is_tighter =
            self.most.as_ref().is_none_or(|(known, out)| bound < known || bound == known && excluded && !out);
        if is_tighter {
            self.most = Some((bound.clone(), excluded));
        }
    }

    /// Adds `multipleOf`.
    pub(super) fn multiple(&mut self, of: &Decimal) -> Result<(), String> {
        let too_long = || "a `multipleOf` of so many digits is not served".to_owned();
        if of.is_zero() || of.is_negative() {
            return Err("`multipleOf` must be more than 0".into());
        }
        let (count, behind) = of.scaled().ok_or_else(too_long)?;
        self.step = Some(match self.step {
            None => (count, behind),
            Some((known, places)) => {
                let all = behind.max(places);
                let scaled = |count: i128, places: u32| count.checked_mul(10_i128.checked_pow(all - places)?);
                let (one, other) = (scaled(count, behind), scaled(known, places));
                let (Some(one), Some(other)) = (one, other) else { return Err(too_long()) };
                ((one / gcd(one, other)).checked_mul(other).ok_or_else(too_long)?, all)
            }
        });
        Ok(())
    }

    /// Whether a number is one of them.
    pub(super) fn has(&self, number: &Decimal) -> bool {
        let above = |(least, out): &(Decimal, bool)| number > least || number == least && !out;
        let below = |(most, out): &(Decimal, bool)| number < most || number == most && !out;
        let is_multiple = |(count, behind): (i128, u32)| {
            let Some((value, places)) = number.scaled() else { return false };
            let all = behind.max(places);
            let scaled = |count: i128, places: u32| count.checked_mul(10_i128.checked_pow(all - places)?);
            matches!((scaled(value, places), scaled(count, behind)), (Some(value), Some(count)) if value % count == 0)
        };
        self.least.as_ref().is_none_or(above)
            && self.most.as_ref().is_none_or(below)
            && (!self.integer || number.is_integer())
            && self.step.is_none_or(is_multiple)
    }

    /// How they are written. The error: what is asked for is not served.
    pub(super) fn written(mut self, fuel: &mut Fuel) -> Result<Written, String> {
        if self.integer && self.step.is_some() {
            self.multiple(&Decimal::of(1))?;
        }
        let step = self.step.map(lowest);
        match step {
            Some((count, 0)) => self.integers(count),
            None if self.integer => self.integers(1),
            Some((1, behind)) => self.decimals(Some(behind), fuel),
            Some((count, behind)) => self.multiples(count, behind),
            None => self.decimals(None, fuel),
        }
    }

    fn integers(self, step: i128) -> Result<Written, String> {
        // The least integer that is meant; `None`: any.
        let least = match &self.least {
            Some((bound, _)) if bound.point() > FAR => match bound.is_negative() {
                true => None,
                false => return Err("a bound of so many digits is not served".into()),
            },
            Some((bound, out)) => bound.floor().map(|floor| floor + i128::from(*out || !bound.is_integer())),
            None => None,
        };
        let most = match &self.most {
            Some((bound, _)) if bound.point() > FAR => match bound.is_negative() {
                false => None,
                true => return Err("a bound of so many digits is not served".into()),
            },
            Some((bound, out)) => bound.floor().map(|floor| floor - i128::from(*out && bound.is_integer())),
            None => None,
        };
        let digits = |bound: Option<i128>| bound.map_or(0, |bound| bound.unsigned_abs().to_string().len());
        let most_digits = digits(least).max(digits(most)).max(INTEGER_DIGITS) as u32;
        let end = 10_i128.pow(most_digits) - 1;
        let (mut from, mut to) = (least.unwrap_or(-end), most.unwrap_or(end));
        if step > 1 {
            // Beyond, what is read as a float is another number, and no multiple.
            let exact = 10_i128.pow(EXACT_DIGITS as u32) - 1;
            (from, to) = (from.max(-exact), to.min(exact));
        }
        let (first, last) = (from.div_euclid(step) + i128::from(from.rem_euclid(step) > 0), to.div_euclid(step));
        if first > last {
            return Ok(Written::Never);
        }
        let mut ways = Vec::new();
        if to >= 0 {
            ways.push(between(from.max(0), to));
        }
        if from < 0 {
            ways.push(format!("-{}", between((-to).max(1), -from)));
        }
        let range = Lex::Regex(either(ways));
        if step == 1 {
            return Ok(Written::Lex(range));
        }
        let text = step.to_string();
        let zeros = text.len() - 1;
        if text.trim_end_matches('0') == "1" {
            let multiples = Lex::Regex(format!("-?(?:0|[0-9]*0{{{zeros}}})"));
            return Ok(Written::Lex(Lex::And(vec![range, multiples])));
        }
        self.multiples(step, 0)
    }

    /// `places`: how many digits may be behind the point.
    fn decimals(self, places: Option<u32>, fuel: &mut Fuel) -> Result<Written, String> {
        let (mut least, mut most) = (self.least, self.most);
        let too_long = || "a bound of so many digits is not served".to_owned();
        for (bound, is_least) in [(&mut least, true), (&mut most, false)] {
            let Some((number, out)) = bound else { continue };
            if number.point() > FAR {
                if number.is_negative() != is_least {
                    return Err(too_long());
                }
                // Nothing that is written comes so far, and no exponent is.
                *bound = Some((Decimal::of(if is_least { -HUGE } else { HUGE }), false));
            } else if number.point() < -FAR {
                // Next to zero.
                *bound = match number.is_negative() != is_least {
                    true => Some((Decimal::zero(), true)),
                    false => Some((Decimal::zero(), false)),
                };
            } else if *out && number.significant() as i32 > EXACT_DIGITS || number.significant() > 40 {
                return Err(too_long());
            }
        }
        if let (Some((least, least_out)), Some((most, most_out))) = (&least, &most)
            && (least > most || least == most && (*least_out || *most_out))
        {
            return Ok(Written::Never);
        }
        let bounds = || [&least, &most].into_iter().flatten();
        let whole = match places {
            // With more, a float is no multiple of a part of one.
            Some(places) => (EXACT_DIGITS - places as i32).max(1) as usize,
            None => bounds().map(|(bound, _)| bound.whole().len()).max().unwrap_or(0).max(WHOLE_DIGITS),
        };
        let behind = bounds().map(|(bound, _)| bound.fraction().len() as i32).max().unwrap_or(0);
        // Nearer to a bound that is excluded than a float can tell, a number would be read as the bound.
        let told = bounds().filter(|(bound, out)| *out && !bound.is_zero());
        let told = told.map(|(bound, _)| EXACT_DIGITS - bound.point().max(0)).min().unwrap_or(FRACTION_DIGITS as i32);
        let fraction = places.map_or(told.max(behind + 1).max(1) as usize, |places| places as usize);
        // Whoever reads a point reads a float. Beside a bound that no float holds, it would be another number, beyond the bound.
        let is_rounded = bounds().any(|(bound, _)| bound.whole().len() > EXACT_DIGITS as usize);
        let digits = |most: usize| format!("(?:0|[1-9][0-9]{{0,{}}})", most - 1);
        let base = Lex::Regex(match (fraction, is_rounded) {
            (0, _) => digits(whole),
            (_, false) => format!(r"{}(?:\x{{2E}}[0-9]{{1,{fraction}}})?", digits(whole)),
            (_, true) => format!(
                r"(?:{}|{}\x{{2E}}[0-9]{{1,{fraction}}})",
                digits(whole),
                digits(whole.min(EXACT_DIGITS as usize))
            ),
        });
        let zero = Decimal::zero();
        let from_zero = matches!(&least, Some((bound, false)) if bound.is_zero());
        if places.is_none() && most.is_none() && (least.is_none() || from_zero) {
            let sign = if from_zero { "" } else { "-?" };
            return Ok(Written::Lex(Lex::Seq(vec![
                Lex::Regex(sign.into()),
                Lex::Or(vec![base, Lex::Regex(SCIENTIFIC.into())]),
            ])));
        }
        let mut ways = Vec::new();
        let rises = match &most {
            None => true,
            Some((most, out)) => *most > zero || most.is_zero() && !out,
        };
        if rises {
            let least = least.as_ref().filter(|(least, out)| *least > zero || least.is_zero() && *out);
            let parts = [
                Some(base.clone()),
                least.map(|(least, out)| Lex::Regex(above(least, *out))),
                most.as_ref().map(|(most, out)| Lex::Regex(below(most, *out))),
            ];
            ways.push(Lex::and(parts.into_iter().flatten().collect()));
        }
        if least.as_ref().is_none_or(|(least, _)| least.is_negative()) {
            let most = most.as_ref().filter(|(most, out)| *most < zero || most.is_zero() && *out);
            let parts = [
                Some(base),
                most.map(|(most, out)| Lex::Regex(above(&most.negated(), *out))),
                least.as_ref().map(|(least, out)| Lex::Regex(below(&least.negated(), *out))),
            ];
            ways.push(Lex::Seq(vec![Lex::Regex(r"\x{2D}".into()), Lex::and(parts.into_iter().flatten().collect())]));
        }
        let lex = Lex::or(ways);
        // Between two bounds there may be none with so few digits.
        Ok(if (places.is_some() || is_rounded) && !lex.is_possible(fuel)? { Written::Never } else { Written::Lex(lex) })
    }

    fn multiples(self, count: i128, behind: u32) -> Result<Written, String> {
        let served = (count <= MAX_STEPS && behind <= 6).then_some(()).and_then(|()| u32::try_from(count).ok());
        let Some(count) = served else {
            return Err(format!(
                "a `multipleOf` with more than {MAX_STEPS} steps before its digits repeat is not served"
            ));
        };
        // What llguidance reads must be what we mean: it goes through floats.
        let step = f64::from(count) / 10_f64.powi(behind as i32);
        let (mut read, mut places) = (step, 0);
        while read.fract() != 0.0 && places <= 6 {
            read *= 10.0;
            places += 1;
        }
        if read != f64::from(count) || places != behind {
            return Err("this `multipleOf` is not served".into());
        }
        let far = Decimal::of(10_i128.pow(EXACT_DIGITS as u32 - behind) - 1);
        let (mut least, mut most) = (self.least, self.most);
        if least.as_ref().is_none_or(|(bound, _)| *bound < far.negated()) {
            least = Some((far.negated(), false));
        }
        if most.as_ref().is_none_or(|(bound, _)| *bound > far) {
            most = Some((far, false));
        }
        // Both are there now: the bounds as multiples, so that they are short.
        let scale = 10_i128.pow(behind);
        let multiple = |bound: &Option<(Decimal, bool)>, up: bool| {
            let (bound, out) = bound.as_ref()?;
            let scaled = Decimal::read(&format!("{}e{behind}", bound.text()))?;
            let (floor, count) = (scaled.floor()?, i128::from(count));
            let exact = scaled.is_integer() && floor.rem_euclid(count) == 0;
            let below = floor.div_euclid(count) * count;
            Some(match (up, exact) {
                (true, true) => below + if *out { count } else { 0 },
                (true, false) => below + count,
                (false, true) => below - if *out { count } else { 0 },
                (false, false) => below,
            })
        };
        let (Some(least), Some(most)) = (multiple(&least, true), multiple(&most, false)) else {
            return Err("a bound of so many digits is not served".into());
        };
        if least > most {
            return Ok(Written::Never);
        }
        let number = |scaled: i128| match behind {
            0 => json!(scaled as i64),
            _ => json!(scaled as f64 / scale as f64),
        };
        let kind = if behind == 0 { "integer" } else { "number" };
        Ok(Written::Multiples(json!({"type": kind, "multipleOf": if behind == 0 { json!(count) } else { json!(step) },
                "minimum": number(least), "maximum": number(most)})))
    }
}

/// Larger than anything that is written.
const HUGE: i128 = 10_i128.pow(FAR as u32) - 1;
/// As Python and JavaScript write what is very large or small; no float of 64 bits is exceeded.
const SCIENTIFIC: &str = r"[0-9](?:\x{2E}[0-9]{1,17})?[eE][\x{2B}\x{2D}]?(?:[0-9]{1,2}|[12][0-9]{2}|30[0-7])";

fn gcd(one: i128, other: i128) -> i128 {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// The same with as few digits behind the point as there can be.
fn lowest((mut count, mut behind): (i128, u32)) -> (i128, u32) {
    while behind > 0 && count % 10 == 0 {
        (count, behind) = (count / 10, behind - 1);
    }
    (count, behind)
}
