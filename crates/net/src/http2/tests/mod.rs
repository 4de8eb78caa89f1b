//! The machine, without a socket: what each frame does, storms by seed, and a foreign peer.

mod cases;
mod peer;
mod sending;
mod storm;

use super::{
    connection::{Connection, Settings},
    frame::{FrameHead, HEADER, flag, kind, put_header},
    streams::Key,
};
use crate::http1::Head;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END: u8 = flag::END_STREAM | flag::END_HEADERS;

const SETTINGS: Settings = Settings {
    streams: 10,
    stream_window: 65_536,
    connection_window: 1 << 20,
    line_bytes: 100,
    header_bytes: 1000,
    header_fields: 20,
    resets: 20,
    control: 30,
    empties: 10,
};

/// A frame that a caller sends.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_header(&mut out, payload.len(), kind, flags, stream);
    out.extend_from_slice(payload);
    out
}

fn field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let (name, value) = (name.as_ref(), value.as_ref());
    let mut out = vec![0];
    for text in [name, value] {
        // Two bytes of length, for texts of 127 to 254 bytes as well.
        match text.len() {
            length @ 0..127 => out.push(length as u8),
            length => {
                out.extend([127, ((length - 127) % 128) as u8 | 128, ((length - 127) / 128) as u8])
            }
        }
        out.extend_from_slice(text);
    }
    out
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")];

fn get() -> Vec<u8> {
    block(&GET)
}

/// HEADERS of a whole request without a body.
fn request(stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, END, stream, &get())
}

/// HEADERS of a request whose body follows.
fn opening(stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS, stream, &get())
}

fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let pairs = values
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    frame(kind::SETTINGS, 0, 0, &pairs.collect::<Vec<u8>>())
}

fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

/// A connection and what has come of it.
struct World {
    connection: Connection,
    requests: Vec<Key>,
    /// What was received and not used.
    held: Vec<u8>,
    /// Frames that were sent.
    sent: Vec<(FrameHead, Vec<u8>)>,
}

impl World {
    /// A caller that has said nothing.
    fn silent(settings: Settings) -> Self {
        let connection = Connection::new(settings, 0);
        Self { connection, requests: Vec::new(), held: Vec::new(), sent: Vec::new() }
    }

    /// One that has introduced itself.
    fn new() -> Self {
        let mut world = Self::silent(SETTINGS);
        world.hear(&[PREFACE, &settings(&[])].concat());
        world.take();
        world
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        loop {
            let received = self.connection.receive(&self.held, 0);
            self.held.drain(..received.used);
            match received.request {
                Some(key) => self.requests.push(key),
                None => return,
            }
        }
    }

    /// Takes what was sent.
    fn take(&mut self) -> Vec<(FrameHead, Vec<u8>)> {
        let mut out = Vec::new();
        self.connection.take_out(&mut out);
        let mut rest = out.as_slice();
        let mut frames = Vec::new();
        while let Some(head) = FrameHead::read(rest) {
            frames.push((head, rest[HEADER..HEADER + head.length].to_vec()));
            rest = &rest[HEADER + head.length..];
        }
        assert!(rest.is_empty(), "what is sent are whole frames");
        self.sent.extend(frames.clone());
        frames
    }

    fn head(&mut self) -> Head {
        let mut head = Head::default();
        self.connection.take_head(&mut head);
        head
    }
}
