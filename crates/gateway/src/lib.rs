//! gateway.

pub mod observe;
