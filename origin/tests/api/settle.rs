//! settle: how a request ends, what it is told to have used, and what a collector of traces is told of it.

mod cancelling;
mod endings;
mod failures;
mod leaving;
mod traces;
