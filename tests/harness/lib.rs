//! The e2e harness: both gates as they are deployed, on free ports, for one test.
//!
//! ```no_run
//! use harness::{Stack, caller::hello};
//! let stack = Stack::new().limit("37 per 1h").start();
//! let key = stack.key();
//! stack.script().allow_all();
//! stack.edge.chat(Some(&key.key), &hello(8)).ok();
//! ```
//!
//! The edge is always workerd, running what `cargo xtask build-edge` built. The origin is the real router around a
//! scripted model, the real program, or a socket that misbehaves. Nothing here sleeps so that things settle, and nothing
//! is skipped: what is missing fails with the command to run.
//!
//! A stack that ends searches all that it leaves behind for every secret of its run, and fails its test if it finds one:
//! see [`watch`].

pub mod answer;
pub mod caller;
pub mod edge;
pub mod issuers;
pub mod origin;
pub mod process;
pub mod secrets;
pub mod stack;
pub mod tls;
pub mod tools;
pub mod wait;
pub mod watch;

pub use answer::Answer;
pub use stack::Stack;
pub use stack::running::{PLAN, RunningStack};
