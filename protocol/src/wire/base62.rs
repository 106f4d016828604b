//! Fixed-length base62 (digits, upper case, lower case): double-click selects it whole, URLs and shells leave it alone.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many characters hold `bytes` bytes: ceil(8 * bytes / log2(62)), in integers (log2(62) = 5.954196...).
pub(crate) const fn encoded_len(bytes: usize) -> usize {
    (bytes * 8 * 1_000_000).div_ceil(5_954_196)
}

/// Big-endian, left-padded with `0` to the fixed length.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut number = words(bytes);
    let mut digits = vec![b'0'; encoded_len(bytes.len())];
    for group in digits.rchunks_mut(GROUP) {
        let mut remainder = 0u64;
        for word in &mut number {
            let value = (remainder << 32) | u64::from(*word);
            *word = (value / GROUP_VALUES) as u32;
            remainder = value % GROUP_VALUES;
        }
        let mut rest = remainder as u32;
        for digit in group.iter_mut().rev() {
            *digit = ALPHABET[(rest % 62) as usize];
            rest /= 62;
        }
    }
    String::from_utf8(digits).expect("the alphabet is ASCII")
}

/// The exact inverse of [`encode`]: `None` for another length, another character, or a number that does not fit.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != encoded_len(N) {
        return None;
    }
    // One word more than N bytes need: what does not fit shows there, and the last group may be a short one.
    let mut number = vec![0u32; N.div_ceil(4) + 1];
    for group in text.as_bytes().chunks(GROUP) {
        let mut carry = 0u64;
        let mut factor = 1u64;
        for character in group {
            let digit = match character {
                b'0'..=b'9' => character - b'0',
                b'A'..=b'Z' => character - b'A' + 10,
                b'a'..=b'z' => character - b'a' + 36,
                _ => return None,
            };
            carry = carry * 62 + u64::from(digit);
            factor *= 62;
        }
        for word in number.iter_mut().rev() {
            let value = u64::from(*word) * factor + carry;
            *word = value as u32;
            carry = value >> 32;
        }
    }
    let mut all = number.iter().flat_map(|word| word.to_be_bytes());
    let fits = all.by_ref().take(number.len() * 4 - N).all(|byte| byte == 0);
    let mut bytes = [0; N];
    bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    fits.then_some(bytes)
}

/// A big-endian number in words, the first of which may be partly filled.
fn words(bytes: &[u8]) -> Vec<u32> {
    let (first, rest) = bytes.split_at(bytes.len() % 4);
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| (word << 8) | u32::from(*byte));
    std::iter::once(word(first)).chain(rest.chunks(4).map(word)).collect()
}

/// How many digits are taken at once: a power of 62 that a word holds. Digit by digit a key costs a tenth of its refusal.
const GROUP: usize = 5;
const GROUP_VALUES: u64 = 62u64.pow(GROUP as u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_round_trip_and_overflow_is_refused() {
        for bytes in [[0u8; 16], [0xff; 16], [1; 16]] {
            assert_eq!(decode::<16>(&encode(&bytes)), Some(bytes));
        }
        assert_eq!(decode::<16>(&"z".repeat(encoded_len(16))), None);
        assert_eq!(decode::<16>("short"), None);
        assert_eq!(decode::<1>("é"), None);
    }

    #[test]
    fn every_length_is_what_arithmetic_on_single_digits_makes_of_it() {
        fn check<const N: usize>() {
            for seed in 0..50u8 {
                let bytes: [u8; N] =
                    std::array::from_fn(|i| (i as u8).wrapping_mul(97).wrapping_add(seed.wrapping_mul(53)));
                let (mut number, mut digits) = (bytes, vec![b'0'; encoded_len(N)]);
                for digit in digits.iter_mut().rev() {
                    let mut remainder = 0u32;
                    for byte in &mut number {
                        let value = (remainder << 8) | u32::from(*byte);
                        *byte = (value / 62) as u8;
                        remainder = value % 62;
                    }
                    *digit = ALPHABET[remainder as usize];
                }
                let text = String::from_utf8(digits).unwrap();
                assert_eq!(encode(&bytes), text);
                assert_eq!(decode::<N>(&text), Some(bytes));
            }
            // The first number that does not fit has the form of one that does.
            let mut last = encode(&[0xff; N]).into_bytes();
            for digit in last.iter_mut().rev() {
                match ALPHABET.iter().position(|other| other == digit) {
                    Some(61) | None => *digit = b'0',
                    Some(index) => {
                        *digit = ALPHABET[index + 1];
                        break;
                    }
                }
            }
            assert_eq!(decode::<N>(std::str::from_utf8(&last).unwrap()), None, "{N}");
        }
        check::<1>();
        check::<4>();
        check::<5>();
        check::<16>();
        check::<37>();
    }
}
