//! Jobs: what a line and a batch come to, whatever ends when and comes twice; and what files of lines are read as.

mod background;
mod files;
mod ways;
