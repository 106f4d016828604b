//! Ranges of numbers as regular expressions over their digits: from one to another, above one, below one.

use super::decimal::Decimal;

/// One of these.
pub(super) fn either(mut ways: Vec<String>) -> String {
    if ways.len() == 1 { ways.remove(0) } else { format!("(?:{})", ways.join("|")) }
}

/// All integers from one to another, neither negative.
pub(super) fn between(from: i128, to: i128) -> String {
    let (from, to) = (from.to_string(), to.to_string());
    let nines = |digits: usize| "9".repeat(digits);
    let least = |digits: usize| if digits == 1 { "0".to_owned() } else { format!("1{}", "0".repeat(digits - 1)) };
    if from.len() == to.len() {
        return same_length(&from, &to);
    }
    let mut ways = Vec::new();
    let mut shortest = from.len();
    if from != least(from.len()) || from == "0" {
        ways.push(same_length(&from, &nines(from.len())));
        shortest += 1;
    }
    let longest = if to == nines(to.len()) { to.len() } else { to.len() - 1 };
    if shortest <= longest {
        ways.push(format!("[1-9][0-9]{{{},{}}}", shortest - 1, longest - 1));
    }
    if longest < to.len() {
        ways.push(same_length(&least(to.len()), &to));
    }
    either(ways)
}

/// Digits of one length, from one to another.
fn same_length(from: &str, to: &str) -> String {
    let (Some(first), Some(last)) = (from.bytes().next(), to.bytes().next()) else { return String::new() };
    let (after, before) = (&from[1..], &to[1..]);
    if first == last {
        return format!("{}{}", char::from(first), same_length(after, before));
    }
    let (zeros, nines) = ("0".repeat(after.len()), "9".repeat(after.len()));
    let (mut low, mut high) = (first, last);
    let mut ways = Vec::new();
    if after != zeros {
        ways.push(format!("{}{}", char::from(first), same_length(after, &nines)));
        low += 1;
    }
    if before != nines {
        ways.push(format!("{}{}", char::from(last), same_length(&zeros, before)));
        high -= 1;
    }
    if low <= high {
        ways.push(format!("{}{}", class(low, high), digits(after.len())));
    }
    either(ways)
}

fn class(from: u8, to: u8) -> String {
    if from == to { char::from(from).to_string() } else { format!("[{}-{}]", char::from(from), char::from(to)) }
}

fn digits(count: usize) -> String {
    if count == 0 { String::new() } else { format!("[0-9]{{{count}}}") }
}

/// Numbers without a sign from this one on. `excluded`: without this one itself.
pub(super) fn above(bound: &Decimal, excluded: bool) -> String {
    let (whole, fraction) = (bound.whole(), bound.fraction());
    let mut ways = vec![format!(r"{}(?:\x{{2E}}[0-9]+)?", more(&whole))];
    if fraction.is_empty() && !excluded {
        ways.push(format!(r"{whole}(?:\x{{2E}}[0-9]+)?"));
    } else {
        for (at, digit) in fraction.bytes().enumerate().filter(|(_, digit)| *digit < b'9') {
            ways.push(format!(r"{whole}\x{{2E}}{}{}[0-9]*", &fraction[..at], class(digit + 1, b'9')));
        }
        let rest = if excluded { "[0-9]*[1-9][0-9]*" } else { "[0-9]*" };
        ways.push(format!(r"{whole}\x{{2E}}{fraction}{rest}"));
    }
    either(ways)
}

/// Numbers without a sign up to this one. `excluded`: without this one itself, which is then not zero.
pub(super) fn below(bound: &Decimal, excluded: bool) -> String {
    let (whole, fraction) = (bound.whole(), bound.fraction());
    let mut ways = Vec::new();
    if whole != "0" {
        ways.push(format!(r"{}(?:\x{{2E}}[0-9]+)?", less(&whole)));
    }
    for (at, digit) in fraction.bytes().enumerate() {
        // What ends here is less, since the bound goes on.
        ways.push(match at {
            0 => format!(r"{whole}(?:\x{{2E}}0+)?"),
            _ => format!(r"{whole}\x{{2E}}{}0*", &fraction[..at]),
        });
        if digit > b'0' {
            ways.push(format!(r"{whole}\x{{2E}}{}{}[0-9]*", &fraction[..at], class(b'0', digit - 1)));
        }
    }
    if !excluded {
        ways.push(match fraction.is_empty() {
            true => format!(r"{whole}(?:\x{{2E}}0+)?"),
            false => format!(r"{whole}\x{{2E}}{fraction}0*"),
        });
    }
    either(ways)
}

/// Integers that are more.
fn more(than: &str) -> String {
    let mut ways = vec![format!("[1-9][0-9]{{{},}}", than.len())];
    for (at, digit) in than.bytes().enumerate().filter(|(_, digit)| *digit < b'9') {
        ways.push(format!("{}{}{}", &than[..at], class(digit + 1, b'9'), digits(than.len() - at - 1)));
    }
    either(ways)
}

/// Integers that are less than one that is not zero.
fn less(than: &str) -> String {
    let mut ways = Vec::new();
    if than.len() > 1 {
        ways.push("0".to_owned());
        ways.push(format!("[1-9][0-9]{{0,{}}}", than.len() - 2));
    }
    for (at, digit) in than.bytes().enumerate() {
        let least = if at == 0 && than.len() > 1 { b'1' } else { b'0' };
        if digit > least {
            ways.push(format!("{}{}{}", &than[..at], class(least, digit - 1), digits(than.len() - at - 1)));
        }
    }
    either(ways)
}
