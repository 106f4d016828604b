//! What lies in a directory of the hub's layout: its configs, the tensors that they promise, and the files that hold
//! them.

pub(crate) mod files;
pub mod made_up;
pub(crate) mod manifest;
pub mod shape;
