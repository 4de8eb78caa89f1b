//! Touching the network: listeners, TLS, the HTTP/1.1 codec, connections and time-outs.

pub mod http1;
