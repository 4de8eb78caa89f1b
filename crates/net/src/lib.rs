//! Touching the network: listeners, TLS, names, HTTP/1.1, HTTP/2, connections and time-outs.
//!
//! This room knows bytes, messages and time; it does not know APIs, plans or callers. The gateway
//! builds on it. Where to start: [`conn`] for a connection, [`transfer`] for how a body moves,
//! [`http1`] and [`http2`] for what is spoken, [`listen`] for how connections come in.

pub mod buffers;
pub mod conn;
pub mod dns;
pub mod h2io;
pub mod h2pool;
pub mod handover;
pub mod http1;
pub mod http2;
pub mod listen;
pub mod pool;
pub mod smtp;
pub mod stream;
pub mod timer;
pub mod tls;
pub mod transfer;
pub mod watch;
pub mod websocket;
