//! Several gates over one database: the real core, and a model of its rules.

mod history;
mod model;
mod rules;
mod simulation;
mod tickets;
mod world;
