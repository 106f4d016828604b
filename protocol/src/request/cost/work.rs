//! What a request may use at most, by which it is reserved.

use crate::request::drawing::Drawing;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a request may use at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Tokens of the prompt: a guess, or what the origin counted.
    pub prompt_tokens: u32,
    /// Tokens that may be generated.
    pub max_tokens: u32,
    /// Whether the model may think: unless the caller says that it is not to.
    pub thinking: bool,
    /// Pictures that may be drawn.
    #[serde(serialize_with = "write_drawing", deserialize_with = "read_drawing")]
    pub drawing: Drawing,
}

/// Two numbers, which rows have always had here; of requests for texts both are 0.
fn write_drawing<S: Serializer>(drawing: &Drawing, serializer: S) -> Result<S::Ok, S::Error> {
    let Drawing { n, steps, pixels } = *drawing;
    [u32::from(n) << 16 | u32::from(steps), pixels].serialize(serializer)
}

fn read_drawing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Drawing, D::Error> {
    let [all, pixels] = <[u32; 2]>::deserialize(deserializer)?;
    // The upper half of it, and the lower.
    Ok(Drawing { n: (all >> 16) as u16, steps: all as u16, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_lies_in_rows_as_it_always_has() {
        let text = Work { prompt_tokens: 1, max_tokens: 2, thinking: true, ..Work::default() };
        assert_eq!(postcard::to_extend(&text, Vec::new()).unwrap(), [1, 2, 1, 0, 0]);
        for drawing in [
            Drawing { n: 1, steps: 8, pixels: 1_048_576 },
            Drawing { n: u16::MAX, steps: 0, pixels: 7 },
            Drawing { n: 0, steps: u16::MAX, pixels: u32::MAX },
        ] {
            let work = Work { drawing, ..text };
            let packed = postcard::to_extend(&work, Vec::new()).unwrap();
            assert_eq!(postcard::from_bytes::<Work>(&packed), Ok(work));
        }
    }
}
