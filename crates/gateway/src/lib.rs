//! The data plane: carries one message from a listener to an upstream and back.

pub mod path;
pub mod route;
