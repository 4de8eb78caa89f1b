//! Starts a whole Pasarela on port 0 and plays both of its neighbours, byte by byte.
//!
//! Nothing here shares code with the product: the parsers are our own second opinion, strict
//! where the product promises strictness. Everything blocks, on plain threads and sockets, so
//! that a test decides what is sent when, and a time-out is an answer too.
//!
//! - [`Gateway`] spawns the real binary and watches it: addresses, logs, memory, signals.
//! - [`RawClient`] (TCP or TLS) and [`H2Client`] (frames) stand in front of it.
//! - [`Upstream`] stands behind it and keeps what it was sent.
//! - [`postgres_database`] is a database for one test.
//!
//! A helper that meets something impossible panics: it is a test that is failing.

mod client;
mod gateway;
mod h2;
mod hpack;
mod load;
mod message;
mod postgres;
mod process;
mod tls;
mod upstream;
mod wire;

pub use client::RawClient;
pub use gateway::{Builder, Gateway, Outcome};
pub use h2::{Frame, H2Client, H2Outcome, error, flag, frame, setting};
pub use hpack::{Decoder, Field, indexed, literal, literal_indexed};
pub use load::{Load, LoadReport};
pub use message::{Fields, Request, Response};
pub use postgres::postgres_database;
pub use process::Process;
pub use tls::{Authority, ClientTls, Identity};
pub use upstream::{Conn, Upstream};
pub use wire::Fault;

use std::time::{Duration, Instant};

/// Waits until `check` is true, asking every few milliseconds; `false` when `limit` has passed.
pub fn eventually(limit: Duration, mut check: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if check() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A whole number of seconds.
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Bytes as a person can read them in a failing test: escapes for what is not printable, cut
/// after 2,000 characters.
pub fn show(bytes: &[u8]) -> String {
    let mut text = bytes.escape_ascii().to_string();
    if text.len() > 2000 {
        text.truncate(2000);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_and_upstream_understand_each_other() {
        let upstream = Upstream::echo();
        let mut client = RawClient::connect(upstream.address());
        let response = client.ask(
            "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
        );
        assert_eq!(response.status, 200);
        assert!(response.text().starts_with("POST /a HTTP/1.1\nHost: test\n"));
        let seen = upstream.only_request();
        assert_eq!((seen.body.as_slice(), seen.length), (b"abcde".as_slice(), 5));
        assert_eq!(seen.trailers.get("x-t"), Some("1"));
        drop(upstream);
        client.assert_closed();
    }

    #[test]
    fn an_upstream_notices_what_is_not_well_formed() {
        for bad in [
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / x HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\n\r\n",
        ] {
            let upstream = Upstream::echo();
            let mut client = RawClient::connect(upstream.address());
            client.send(bad);
            client.assert_closed();
            assert!(eventually(seconds(2), || upstream.violations().len() == 1), "{bad:?}");
            assert!(upstream.requests().is_empty());
        }
    }

    #[test]
    fn a_cut_answer_is_told_from_a_whole_one() {
        let upstream = Upstream::script(|conn| {
            conn.request()?;
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")?;
            conn.reset_at_end();
            Ok(())
        });
        let mut client = RawClient::connect(upstream.address());
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        assert!(matches!(client.try_response("GET"), Err(Fault::Cut(_))));
    }
}
