//! What the edge says to its objects, and what they answer: an account's Gate, and its kept responses. [`fresh`] says when
//! an isolate asks the Registry anew.

pub mod fresh;
pub mod gate_call;
pub mod responses_call;
