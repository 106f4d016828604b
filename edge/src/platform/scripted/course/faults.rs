//! What goes wrong.

/// What goes wrong, and how often: in so many of a thousand cases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// How long a message takes at most, in milliseconds.
    pub delay_ms: u32,
    /// A message does not reach its object.
    pub lost: u32,
    /// A message reaches its object, and its answer is lost.
    pub answer_lost: u32,
    /// A message reaches its object twice.
    pub repeated: u32,
    /// A message reaches its object, and no answer ever comes, nor a word that it is lost.
    pub silent: u32,
    /// An object has too much to do.
    pub overloaded: u32,
    /// A server is not reached.
    pub unreachable: u32,
    /// A server has the request, and its answer is lost.
    pub reply_lost: u32,
    /// An isolate ends, at any await of a task in it.
    pub isolate_ends: u32,
    /// An object ends, at any await, with what it wrote kept.
    pub object_ends: u32,
    /// An object ends before what it wrote is kept.
    pub write_lost: u32,
}
