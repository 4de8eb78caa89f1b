//! The parts of the binary: configuration, the pure commands, and what runs.

pub mod admin;
mod client;
pub mod commands;
pub mod config;
pub mod console;
pub mod demo;
pub mod finding;
pub mod import;
mod jwks;
pub mod logging;
mod mail;
mod mapping;
pub mod memory;
pub mod otlp;
mod quotas;
pub mod serve;
mod signing;
pub mod sockets;
mod timed;
