//! Messages in parts: however one is cut, the same parts are read; what is written again is read as the same parts.

use std::sync::OnceLock;

use pasarela_soap::{
    exchange::{Answer, Form, Messages, Outcome, Wanted, json_of_parts},
    json,
    mime::{Boundary, Event, Limits, PartHead, Reader, Related, Writer},
    transcode::{Message, Options, Plan},
    wsdl,
    xsd::{Document, NoDocuments},
};

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

/// The first byte chooses the operation and how the answer is cut: read as a whole and read in pieces it is the same JSON.
pub(super) fn answers(bytes: &[u8]) {
    let service = service();
    let which = usize::from(bytes.first().copied().unwrap_or(0)) % service.messages.len();
    let (mut cuts, mut rest) = seeded(bytes);
    let (messages, message) = &service.messages[which];
    let related =
        Related { boundary: "b".to_owned(), start: None, root_type: None, start_info: None };
    let mut whole = Vec::new();
    let limits = pasarela_soap::Limits::default();
    let read = json_of_parts(&service.plan, message, &related, rest, &limits, &mut whole);
    let answer = Answer::new(&service.plan, messages, Form::Json, None, &limits);
    let mut answer =
        answer.expect("there is no charset").in_parts(&related, Wanted::Inline(u64::MAX));
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(cuts.next().min(rest.len()));
        rest = later;
        if answer.feed(piece, &mut out).is_err() {
            return;
        }
    }
    let Ok(Outcome::Content) = answer.finish(&mut out) else { return };
    let mut reader = json::Reader::new(&out, &limits).expect("it is UTF-8");
    while !matches!(reader.pull().expect("it is JSON"), json::Event::Eof | json::Event::NeedMore) {}
    if read.is_ok() {
        assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(&out));
    }
}

struct Service {
    plan: Plan,
    messages: Vec<(Messages, Message)>,
}

/// A service whose answers have parts of each kind.
fn service() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let bytes = include_bytes!("parts.wsdl").to_vec();
        let root = Document { url: "parts.wsdl".into(), bytes };
        let (catalog, _) = wsdl::import(root, &mut NoDocuments, &Default::default());
        let plan = Plan::new(catalog.schemas.clone(), Options::default());
        let binding = &catalog.bindings[0];
        let messages = binding.operations.iter().map(|operation| {
            let body = pasarela_soap::transcode::Body::of_response(operation).expect("it answers");
            let beside = operation.output.as_ref().map_or(&[][..], |output| &output.attachments);
            let messages = Messages::new(&plan, binding, operation).expect("it is literal");
            (messages, plan.message(body).beside(beside))
        });
        let messages = messages.collect();
        Service { plan, messages }
    })
}
