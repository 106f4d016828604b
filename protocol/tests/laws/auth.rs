//! Who asks, and what they may: keys, tokens, permissions, and comparisons that tell nothing by the time they take.

mod key;
mod permission;
mod timing;
mod token;
