//! The program and its connections.

pub(crate) mod program;
mod silent;
pub(crate) mod tls;
