//! HTTP/1.1 on the wire (RFC 9112), for both sides of the gateway: bytes in, messages out.
//!
//! This is a sans-I/O codec. It owns no socket, waits for nothing and reads no clock: whoever
//! reads from a connection shows it the bytes received so far. It is strict, because a gateway
//! that repairs what it receives can be made to disagree with the server behind it (reliability
//! reference, P2 and T1): a message that could be read in two ways is refused, and what goes on
//! is always written afresh from the parsed form, never copied from the received bytes.
//!
//! - [`Head`] and its fields: the parsed form (`head.rs`, names known to us in `names.rs`)
//! - [`RequestParser`], [`ResponseParser`]: heads, line by line, resumable (`parse.rs`)
//! - [`request_framing`], [`response_framing`]: how long is the body (`framing.rs`)
//! - [`Decoder`]: the body itself (`body.rs`)
//! - the writing side: [`begin_chunk`], [`end_chunk`], [`last_chunk`] (`write.rs`)

mod body;
mod framing;
mod head;
mod names;
mod parse;
mod write;

pub use body::{BodyError, Decoded, Decoder};
pub use framing::{Framing, FramingError, request_framing, response_framing};
pub use head::{Field, Fields, Head, Span, Version};
pub use names::{Name, is_vouched, may_trail};
pub(crate) use parse::is_value;
pub use parse::{HeadLimits, ParseError, RequestParser, ResponseParser, is_token};
pub use write::{CHUNK_MOST, begin_chunk, end_chunk, last_chunk, put_field, put_number};
