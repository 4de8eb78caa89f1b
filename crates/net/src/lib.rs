//! Touching the network: listeners, TLS, the HTTP/1.1 codec, connections and time-outs.
//!
//! This room knows bytes, messages and time; it does not know APIs, plans or callers. The gateway
//! builds on it. Where to start: [`conn`] for a connection, [`transfer`] for how a body moves,
//! [`http1`] for the codec.

pub mod buffers;
pub mod conn;
pub mod h2io;
pub mod http1;
pub mod stream;
pub mod timer;
pub mod transfer;
