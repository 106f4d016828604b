//! Every promise that needs both gates, kept on the real runtime. The modules are the steps of the walk, and then what
//! goes beside it; `cargo test -p e2e limit::` runs one of them.

mod request;

mod cors;

mod models;

mod head;

mod patience;

mod auth;

mod limit;

mod kinds;

mod forward;

mod queue;

mod generate;

mod stream;

mod sections;

mod tiny;

mod settle;

mod endings;

mod tokens;

mod admin;

mod audit_log;

mod keys;

mod accounts;

mod hostile;

mod once;

mod outbox;

mod permissions;

mod epochs;

mod deployment;

mod described;

mod contract;

mod cost;

mod plans;

mod principals;

mod issuers;

mod jwks;

mod rfc8725;

mod signatures;

mod flood;

mod denials;

mod access;

mod short_tokens;

mod leaks;

mod secrecy;

mod completions;
mod failure;

mod unreachable;

mod group;

mod leaving;

mod bodies;

mod versions;

mod lost;

mod remembered;

mod elsewhere;

mod audit;
