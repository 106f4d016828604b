//! What becomes of answers besides handing them over: they are told with what was made of their request, they are given
//! again to whoever asks the same, and they are kept for the caller that goes on from them.

pub mod bent;
pub mod cache;
pub mod stored;
