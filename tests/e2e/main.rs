//! Every promise that needs both gates, kept on the real runtime. The modules are the steps of the walk, and then what
//! goes beside it; `cargo test -p e2e limit::` runs one of them.

mod admin;
mod auth;
mod cache;
mod forward;
mod generate;
mod limit;
mod operate;
mod queue;
mod request;
mod route;
mod settle;
mod stream;
