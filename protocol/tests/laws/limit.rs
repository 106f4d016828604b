//! What is admitted: plans, windows, counts and the state that keeps them, against oracles and over every reachable world.

mod budget;
mod clock;
mod count;
mod degrade;
mod gate;
mod model;
mod plan;
mod remembered;
mod state;
mod window;
