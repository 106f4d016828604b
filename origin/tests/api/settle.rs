//! settle: how a request ends, and what it is told to have used.

mod cancelling;
mod endings;
mod failures;
mod leaving;
