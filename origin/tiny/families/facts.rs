//! What is so: countries and their capitals, the calendar, Sluice.

pub(crate) mod calendar;
pub(crate) mod countries;
pub(crate) mod sluice;
