//! Commands for the origin alone: another build of it, another program that it must agree with, and its built-in model.

pub(crate) mod cuda;
pub(crate) mod parity;
pub(crate) mod train_tiny;
