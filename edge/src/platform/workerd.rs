//! The platform in production: workerd, here and at Cloudflare. `js/` has what takes several of its calls at once.

mod cache;
mod calls;
pub mod entry;
mod env;
mod fault;
mod feed;
mod http;
mod objects;
mod signature;
mod storage;
mod time;
mod wait;

pub use cache::{cache_match, cache_put};
pub(crate) use entry::entries;
pub use env::{Context, Env, Limiter};
pub use fault::Fault;
pub use feed::Feed;
pub use http::body::Body;
pub use http::pipe::Pipe;
pub use http::{Abort, Request, Response, Signal, Stream, fetch, fetch_from_origin};
pub use objects::call_object;
pub use signature::{SigningKey, Verifier};
pub use storage::{Sql, State, Storage};
pub use time::calendar::period;
pub use time::{log, random, sleep};
pub use wait::bell::Bell;
pub use wait::turn::now;

/// Memory of one isolate, which is one thread.
pub type IsolateKey<T> = std::thread::LocalKey<T>;

/// Declares memory of one isolate.
macro_rules! isolate_local {
    ($($declared:tt)*) => {
        ::std::thread_local! { $($declared)* }
    };
}
pub(crate) use isolate_local;
