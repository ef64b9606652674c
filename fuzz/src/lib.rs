//! A fuzzer for the parsers of untrusted bytes, which needs neither a nightly compiler nor a tool.
//!
//! `seeds` holds the inputs that a target starts with, `mutate` makes new ones of them, `targets`
//! says what must hold for any input, `run` repeats that until the time is up. The compiler of the
//! stable toolchain tells no coverage to a program that forbids `unsafe`; instead each target names
//! the class of an input's outcome, and an input of a new class is kept to be mutated further.
//!
//! Each module uses only those above it in this list.

pub mod seeds;

pub mod mutate;

pub mod targets;

pub mod shrink;

pub mod run;
