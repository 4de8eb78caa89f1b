//! Touching the network: listeners, TLS, the HTTP/1.1 codec, connections and time-outs.
//!
//! Nothing here knows what an API is. The gateway gives addresses, certificates and limits; it
//! gets sockets, streams and facts about who is at the other end.

pub mod listen;
pub mod tls;

pub mod http1;

pub mod dns;

pub mod handover;
pub mod watch;
