//! OpenAI's protocols: chats and text completions.

pub(crate) mod head;
pub(crate) mod request;
pub(crate) mod stream;
pub(crate) mod whole;
