//! Messages in parts: however one is cut, the same parts are read; what is written again is read as the same parts.

use pasarela_soap::mime::{Boundary, Event, Limits, PartHead, Reader, Related, Writer};

use super::{Cuts, seeded};

/// Small bounds, so that small inputs meet them.
fn limits() -> Limits {
    Limits { parts: 6, bytes: 400, head_bytes: 200, fields: 5 }
}

/// The first byte decides how the message is cut; its boundary is `b`.
pub(super) fn parts(bytes: &[u8]) {
    let (cuts, message) = seeded(bytes);
    let whole = told("b", message, None);
    let pieces = told("b", message, Some(cuts));
    assert_eq!(whole, pieces);
    let Some(whole) = whole else { return };
    let mut writer = Writer::new(Boundary::new(5));
    let mut out = Vec::new();
    for (head, content) in &whole {
        writer.part(head, &mut out);
        out.extend_from_slice(content);
    }
    writer.end(&mut out);
    let again = told(Boundary::new(5).text(), &out, None);
    let contents =
        |parts: &[Part]| parts.iter().map(|(_, content)| content.clone()).collect::<Vec<_>>();
    // A head may have become longer than the bound, and whoever knows the boundary can write it.
    if let Some(again) = again.filter(|_| !bytes.windows(4).any(|four| four == b"--=_")) {
        assert_eq!(contents(&again), contents(&whole));
    }
}

type Part = (PartHead, Vec<u8>);

fn told(boundary: &str, message: &[u8], mut cuts: Option<Cuts>) -> Option<Vec<Part>> {
    let related =
        Related { boundary: boundary.to_owned(), start: None, root_type: None, start_info: None };
    let mut reader = Reader::new(&related, limits());
    let mut rest = message;
    let mut parts: Vec<Part> = Vec::new();
    loop {
        match reader.pull().ok()? {
            Event::Part => parts.push((reader.part().clone(), Vec::new())),
            Event::Data => {
                let (_, content) = parts.last_mut().expect("data is a part's");
                content.extend_from_slice(reader.data());
            }
            Event::End => {}
            Event::Eof => return Some(parts),
            Event::NeedMore if rest.is_empty() => reader.finish(),
            Event::NeedMore => {
                let size = cuts.as_mut().map_or(rest.len(), Cuts::next).min(rest.len());
                let (piece, later) = rest.split_at(size);
                reader.feed(piece);
                rest = later;
            }
        }
    }
}
