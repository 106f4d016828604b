//! Names of files and batches: random, and never used twice.

use crate::wire::base62;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A file: `file-` and 22 base62 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub [u8; 16]);

/// A batch: `batch_` and 22 base62 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchId(pub [u8; 16]);

impl FileId {
    /// Reads the form that `Display` writes; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        base62::decode(text.strip_prefix("file-")?).map(Self)
    }
}

impl BatchId {
    /// Reads the form that `Display` writes; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        base62::decode(text.strip_prefix("batch_")?).map(Self)
    }

    /// The file with the results of its lines, which has a name before it is there: whoever makes it twice makes one.
    pub const fn output(self) -> FileId {
        self.file(0x55)
    }

    /// The file with the lines that have none.
    pub const fn errors(self) -> FileId {
        self.file(0xaa)
    }

    const fn file(self, mark: u8) -> FileId {
        let mut bytes = self.0;
        bytes[0] ^= mark;
        FileId(bytes)
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file-{}", base62::encode(&self.0))
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch_{}", base62::encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written_and_nothing_else_is_one() {
        let (file, batch) = (FileId([7; 16]), BatchId([9; 16]));
        assert_eq!(FileId::parse(&file.to_string()), Some(file));
        assert_eq!(BatchId::parse(&batch.to_string()), Some(batch));
        for wrong in ["", "file-", "file_x", "batch-x", &batch.to_string(), &format!("{file}0"), "file-../x"] {
            assert_eq!(FileId::parse(wrong), None, "{wrong}");
        }
        assert!(batch.output() != batch.errors() && batch.output().0 != batch.0);
    }
}
