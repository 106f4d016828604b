//! Fixed-length base62 (digits, upper case, lower case): double-click selects it whole, URLs and shells leave it alone.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many characters hold `bytes` bytes: ceil(8 * bytes / log2(62)), in integers (log2(62) = 5.954196...).
pub(crate) const fn encoded_len(bytes: usize) -> usize {
    (bytes * 8 * 1_000_000).div_ceil(5_954_196)
}

/// Big-endian, left-padded with `0` to the fixed length.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut number = bytes.to_vec();
    let mut digits = vec![b'0'; encoded_len(bytes.len())];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0u32;
        for byte in &mut number {
            let value = (remainder << 8) | u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = ALPHABET[remainder as usize];
    }
    String::from_utf8(digits).expect("the alphabet is ASCII")
}

/// The exact inverse of [`encode`]: `None` for another length, another character, or a number that does not fit.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != encoded_len(N) {
        return None;
    }
    let mut bytes = [0u8; N];
    for character in text.bytes() {
        let mut carry = match character {
            b'0'..=b'9' => u32::from(character - b'0'),
            b'A'..=b'Z' => u32::from(character - b'A') + 10,
            b'a'..=b'z' => u32::from(character - b'a') + 36,
            _ => return None,
        };
        for byte in bytes.iter_mut().rev() {
            let value = u32::from(*byte) * 62 + carry;
            *byte = (value & 0xff) as u8;
            carry = value >> 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(bytes)
}

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
}
