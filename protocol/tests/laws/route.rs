//! route: which origin serves a request, by properties.

mod board;
mod breaker;
mod budget;
mod health;
