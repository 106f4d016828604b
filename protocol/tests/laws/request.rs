//! What may be asked: bodies of both doors, their members, forms of answers, and tools.

mod chat;
mod completion;
mod format;
mod members;
mod tools;
