//! Doors whose answers are more than one chat's.

pub(super) mod background;
mod images;
mod responses;
