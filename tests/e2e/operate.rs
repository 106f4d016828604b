//! What those see who run a deployment: its secrets, its console, and the tool that tells what its limits are worth.

mod audit;
mod console;
mod deployment;
