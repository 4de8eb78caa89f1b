//! The binary.
#![allow(dead_code, reason = "serve is about to wire these")]

mod console;
mod logging;
mod otlp;

fn main() {}
