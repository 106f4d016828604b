//! The program and its connections.

mod gpu;
pub(crate) mod program;
mod silent;
pub(crate) mod tls;
