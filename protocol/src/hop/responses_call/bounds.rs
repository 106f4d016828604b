//! How much of an account's is kept, and what goes where that is more than may be.
//!
//! A conversation is one thing: an answer goes on from the one before it, and is worth little without. So it is kept, and
//! goes, as a whole, and its time begins anew with each answer. The one that nobody has gone on with for longest goes first.
//! A refusal instead would come too late: an answer is kept when it has been made and paid for.

/// How many responses an account has at most. A busy agent has some hundred turns in a day; a list of a thousand is looked
/// through in a millisecond.
pub const MAX_RESPONSES: u64 = 1_000;
/// How large they are together at most, in bytes: a thousand of 64 KiB, and all of them fit into an isolate's memory.
pub const MAX_BYTES: u64 = 64 << 20;

/// A conversation that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation<T> {
    /// Which.
    pub id: T,
    /// How many responses it has, those among them that were deleted.
    pub responses: u64,
    /// How large it is, in bytes.
    pub bytes: u64,
}

/// Which of these conversations go, the one that was gone on with longest ago first, so that there is room for one more
/// response of so many bytes. Those go that are first, and no more of them than must.
pub fn leaving<T: Clone>(conversations: &[Conversation<T>], bytes: u64) -> Vec<T> {
    let mut responses_left: u64 = conversations.iter().map(|one| one.responses).sum();
    let mut bytes_left: u64 = conversations.iter().map(|one| one.bytes).sum();
    let mut leaving = Vec::new();
    for one in conversations {
        if responses_left < MAX_RESPONSES && bytes_left.saturating_add(bytes) <= MAX_BYTES {
            break;
        }
        responses_left -= one.responses;
        bytes_left -= one.bytes;
        leaving.push(one.id.clone());
    }
    leaving
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(id: u64, responses: u64, bytes: u64) -> Conversation<u64> {
        Conversation { id, responses, bytes }
    }

    #[test]
    fn the_oldest_go_and_no_more_than_must() {
        let many: Vec<_> = (0..1_000).map(|id| conversation(id, 1, 10)).collect();
        assert_eq!(leaving(&many, 10), [0]);
        assert_eq!(leaving(&many[1..], 10), [] as [u64; 0]);
        let large: Vec<_> = (0..4).map(|id| conversation(id, 1, 16 << 20)).collect();
        assert_eq!(leaving(&large, 1), [0]);
        assert_eq!(leaving(&large, (16 << 20) + 1), [0, 1]);
        assert_eq!(leaving(&large[1..], 16 << 20), [] as [u64; 0]);
        // One that has all of the room goes, too, even if it is the one that is gone on with.
        assert_eq!(leaving(&[conversation(7, 1_000, 10)], 10), [7]);
        assert!(leaving::<u64>(&[], MAX_BYTES).is_empty());
    }
}
