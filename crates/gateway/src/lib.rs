//! gateway.

pub mod cluster;
pub mod credentials;
pub mod limiter;
