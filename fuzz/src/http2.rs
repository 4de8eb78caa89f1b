//! HTTP/2 towards callers: a connection means the same however its bytes are cut, keeps its bounds, and
//! sends whole frames; a header block means what it says when it is written again.

use pasarela_net::{
    http1::Head,
    http2::{Connection, Decoder, HpackError, Settings, put_field},
};

use super::{Cuts, seeded};

/// Small, so that they are met.
const SETTINGS: Settings = Settings {
    streams: 4,
    stream_window: 70_000,
    connection_window: 80_000,
    line_bytes: 60,
    header_bytes: 300,
    header_fields: 10,
    resets: 6,
    control: 12,
    empties: 4,
};
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER: usize = 9;
const WINDOW_UPDATE: u8 = 8;

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    heads: Vec<String>,
    failed: Option<&'static str>,
    /// Frames sent, but for windows: when those open depends on when data is here.
    sent: Vec<Vec<u8>>,
}

/// Frames behind a preface; each request is answered at once.
pub(super) fn connection(bytes: &[u8]) {
    let (mut cuts, frames) = seeded(bytes);
    let wire = [PREFACE, frames].concat();
    let whole = serve(&wire, || usize::MAX / 2);
    let pieces = serve(&wire, || cuts.next());
    assert_eq!(whole, pieces, "the cuts changed the connection");
}

fn serve(wire: &[u8], mut piece: impl FnMut() -> usize) -> Seen {
    let mut connection = Connection::new(SETTINGS, 0);
    let (mut used, mut shown, mut heads, mut sent) = (0, 0, Vec::new(), Vec::new());
    while shown < wire.len() {
        shown = (shown + piece()).min(wire.len());
        loop {
            let received = connection.receive(&wire[used..shown], 0);
            used += received.used;
            assert!(used <= shown);
            let Some(key) = received.request else { break };
            let mut head = Head::default();
            let trouble = connection.take_head(&mut head);
            heads.push(format!("{trouble:?} {head:?}"));
            bounded(&head);
            let (body, _) = connection.body(key);
            let answered = connection.answer(key, 200, None, false, |block| {
                for (_, name, value) in head.fields() {
                    block.field(name, value);
                }
            });
            assert!(answered.is_ok());
            // Requests with a body stay open, as far as there is room.
            if !body || heads.len() % 2 == 0 {
                connection.finish(key, None);
                connection.release(key);
            }
        }
        assert!(connection.exchanges() <= SETTINGS.streams as usize);
        take(&mut connection, &mut sent);
    }
    Seen { heads, failed: connection.failed(), sent }
}

fn bounded(head: &Head) {
    assert!(head.len() <= SETTINGS.header_fields && head.target().len() <= 2 * SETTINGS.line_bytes);
    let bytes: usize = head.fields().map(|(_, name, value)| name.len() + value.len()).sum();
    assert!(bytes <= SETTINGS.header_bytes);
    for (_, name, value) in head.fields() {
        assert!(!name.is_empty() && !name.iter().any(u8::is_ascii_uppercase));
        assert!(!value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
    }
}

fn take(connection: &mut Connection, sent: &mut Vec<Vec<u8>>) {
    let mut out = Vec::new();
    connection.take_out(&mut out);
    let mut rest = out.as_slice();
    while !rest.is_empty() {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        let (frame, more) = rest.split_at(HEADER + length);
        if frame[3] != WINDOW_UPDATE {
            sent.push(frame.to_vec());
        }
        rest = more;
    }
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, &mut |name, value| fields.push((name.to_vec(), value.to_vec())))?;
    Ok(fields)
}

/// Blocks of one connection, cut from the input.
pub(super) fn hpack(bytes: &[u8]) {
    let (mut cuts, mut rest): (Cuts, _) = seeded(bytes);
    let (mut decoder, mut twin) = (Decoder::new(200), Decoder::new(200));
    while !rest.is_empty() {
        let (block, more) = rest.split_at((4 * cuts.next()).min(rest.len()));
        let fields = decode(&mut decoder, block);
        assert_eq!(fields, decode(&mut twin, block), "the same blocks, another meaning");
        let Ok(fields) = fields else { return };
        let mut again = Vec::new();
        for (name, value) in &fields {
            put_field(&mut again, name, value);
        }
        let lower: Fields =
            fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        assert_eq!(
            decode(&mut Decoder::new(0), &again),
            Ok(lower),
            "what we write is not what we read"
        );
        rest = more;
    }
}
