//! Several gates over one database: the real core, and a model of its rules.

mod anew;
mod chance;
mod clock;
mod history;
mod loss;
mod model;
mod rows;
mod rules;
mod scripts;
mod shared;
mod shared_history;
mod simulation;
mod tickets;
mod two;
mod world;
