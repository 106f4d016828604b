//! What an answer says, piece by piece and in its order, whatever protocol it is told in.

use sluice_protocol::request::bodies::chat::AnswerCall;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Thinking to append; never empty.
    Thought(String),
    /// Text to append; never empty.
    Text(String),
    /// A call, or more of one.
    Call(CallPiece),
}

/// A piece of a call. A call's pieces come one after the other, with nothing between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallPiece {
    /// Which call of the answer, from 0.
    pub(crate) index: u32,
    /// What is called: on the first piece. Its arguments are what this piece has of them.
    pub(crate) begun: Option<Box<AnswerCall>>,
    /// More of its arguments, of a piece that is not the first.
    pub(crate) more: String,
    /// Whether the call is whole with it. A call of which no piece says so was cut off.
    pub(crate) is_whole: bool,
}

/// Appends a piece, to the last one if both are of one kind.
pub(crate) fn append(said: &mut Vec<Said>, piece: Said) {
    match (said.last_mut(), piece) {
        (Some(Said::Thought(text)), Said::Thought(more)) | (Some(Said::Text(text)), Said::Text(more)) => {
            text.push_str(&more);
        }
        (Some(Said::Call(call)), Said::Call(more)) if call.index == more.index => {
            match &mut call.begun {
                Some(begun) => begun.function.arguments.push_str(&more.more),
                None => call.more.push_str(&more.more),
            }
            call.is_whole |= more.is_whole;
        }
        (_, piece) => said.push(piece),
    }
}
