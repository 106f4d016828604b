//! grant: what an edge signed, and what it allows.

mod allowances;
mod grants;
