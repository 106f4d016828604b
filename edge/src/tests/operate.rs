//! What operators see: measures, traces, alerts.

mod alerts;
mod measures;
mod traces;
