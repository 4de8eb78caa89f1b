//! SMTP (RFC 5321): the receiving side as a machine, and the sending side over a stream.
//!
//! [`Server`] owns no socket, waits for nothing and reads no clock: it is fed bytes, gives back events that somebody has to
//! decide, and writes replies in the order of what was asked. It is strict where a lenient reader and the sender's own server
//! could disagree about where a message ends (T52): a line ends with CR LF, a message with CR LF `.` CR LF, and nothing else
//! does. What else could be meant is refused, and the connection closed.
//!
//! - [`Server`]: the dialogue (`server.rs`), line by line (`command.rs`), and what is between DATA and the dot (`text.rs`)
//! - [`Reply`]: what is answered (`reply.rs`)
//! - [`send`]: hands letters to a relay (`client.rs`)

mod client;
mod command;
mod reply;
mod server;
mod text;

pub use client::{Delivery, Login, NotTaken, Route, send};
pub use reply::Reply;
pub use server::{Event, Letter, Offers, Server};
