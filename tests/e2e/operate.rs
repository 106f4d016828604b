//! What those see who run a deployment: its secrets, its console, its measures, and the tool that tells what its limits are
//! worth.

mod alerts;
mod audit;
mod console;
mod deployment;
mod measures;
mod traces;
