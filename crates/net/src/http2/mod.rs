//! HTTP/2 towards callers (RFC 9113): bytes in, requests out; answers in, bytes out.
//!
//! [`Connection`] is a machine without a socket and without a clock: whoever drives it shows it what was
//! received and sends what it has written. It is strict, as the HTTP/1.1 codec is: what HTTP/1.1
//! could not say does not become a request (T5). Upstreams are spoken to by the crate `h2`
//! (`h2io.rs`), which shares nothing with this.
//!
//! - frames (`frame.rs`), header blocks (`hpack/`), streams (`streams.rs`)
//! - [`Connection`]: what is received (`connection.rs`, `receive.rs`), what a block says (`request.rs`), what is sent (`send.rs`),
//!   what is counted (`floods.rs`)
//! - [`Http2Source`] and [`Http2Sink`]: a stream's two directions (`body.rs`)
//! - [`Ready`]: which of a connection's streams have something to do (`ready.rs`)

mod body;
mod connection;
mod floods;
mod frame;
mod hpack;
mod ready;
mod receive;
mod request;
mod send;
mod streams;
#[cfg(test)]
mod tests;

pub use body::{Http2Sink, Http2Source};
pub use connection::{Connection, Settings};
pub use frame::Reason;
pub use hpack::{Decoder, HpackError, put_field};
pub use ready::Ready;
pub use request::Trouble;
pub use send::Block;
pub use streams::Key;
