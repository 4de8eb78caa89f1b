//! XML, JSON, SOAP frames and WSDL: however a text is cut, the same is read of it; what is written again says the same.

use pasarela_soap::{
    Fault, Limits, Symbols,
    envelope::{Closer, Envelope, Opener, Progress, Refusal, SoapFault},
    json, wsdl,
    xml::{Canonical, Event, Reader},
    xsd::{Document, NoDocuments, Options},
};

use super::{Cuts, seeded};

/// Small bounds, so that small inputs meet them.
fn limits() -> Limits {
    Limits {
        depth: 16,
        attributes: 16,
        declarations: 8,
        declarations_in_scope: 12,
        name_bytes: 64,
        value_bytes: 256,
        markup_bytes: 1 << 10,
        json_depth: 16,
        json_number_bytes: 64,
        json_name_bytes: 64,
        json_members: 40,
        ..Limits::default()
    }
}

/// The first byte decides how the document is cut.
pub(super) fn xml(bytes: &[u8]) {
    let (cuts, document) = seeded(bytes);
    let whole = Reader::new(document, &limits()).and_then(|reader| told(reader, document, None));
    let stream = Reader::streaming(None, Symbols::none(), &limits()).expect("there is no charset");
    let pieces = told(stream, document, Some(cuts));
    // An ASCII document that says so is only known as one when it is there as a whole.
    let ascii = document.get(..200.min(document.len())).unwrap_or_default().to_ascii_lowercase();
    if !ascii.windows(5).any(|label| label == b"ascii") {
        assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok(), "{whole:?} {pieces:?}");
    }
    let Ok(whole) = whole else { return };
    // In canonical form no tag is empty, and a document may be larger than it was.
    let larger = Limits { markup_bytes: 1 << 20, value_bytes: 1 << 20, ..limits() };
    for how in [
        Canonical { comments: true, ..Canonical::default() },
        Canonical { comments: true, ..Canonical::exclusive() },
    ] {
        let once = canonical(document, &how, &limits());
        assert_eq!(canonical(&once, &how, &larger), once, "canonical form is a fixed point");
        if !how.exclusive {
            let again = Reader::new(&once, &larger).and_then(|reader| told(reader, &once, None));
            // Attributes may have changed their order, and what stands outside the root element its distance.
            assert_eq!(again.map(|again| again.len()).ok(), Some(whole.len()));
        }
    }
}

fn canonical(document: &[u8], how: &Canonical, limits: &Limits) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = Reader::new(document, limits).expect("it was read before");
    how.write(&mut reader, &mut out).expect("it was read before");
    out
}

/// What a reader tells of a document; texts that follow each other are one.
fn told(
    mut reader: Reader<'_>,
    document: &[u8],
    cuts: Option<Cuts>,
) -> Result<Vec<String>, Box<Fault>> {
    let mut pieces = Pieces { rest: document, cuts };
    let mut told: Vec<String> = Vec::new();
    let mut in_text = false;
    loop {
        let event = reader.pull()?;
        if event == Event::NeedMore {
            match pieces.next() {
                Some(piece) => reader.feed(piece)?,
                None => reader.finish()?,
            }
            continue;
        }
        let name = reader.name();
        let line = match event {
            Event::Text => {
                match told.last_mut().filter(|_| in_text) {
                    Some(text) => text.push_str(reader.text()),
                    None if reader.text().is_empty() => (),
                    None => {
                        told.push(reader.text().to_owned());
                        in_text = true;
                    }
                }
                continue;
            }
            Event::Start => {
                let attributes = reader
                    .attributes()
                    .map(|a| (reader.uri(a.name.namespace), a.name.local, a.value));
                format!(
                    "<{}|{} {:?}",
                    reader.uri(name.namespace),
                    name.local,
                    attributes.collect::<Vec<_>>()
                )
            }
            Event::End => format!(">{}", name.local),
            Event::Comment => format!("!{}", reader.text()),
            Event::Instruction => format!("?{} {}", reader.target(), reader.text()),
            Event::Eof | Event::NeedMore => return Ok(told),
        };
        in_text = false;
        told.push(line);
    }
}

struct Pieces<'d> {
    rest: &'d [u8],
    cuts: Option<Cuts>,
}

impl<'d> Pieces<'d> {
    fn next(&mut self) -> Option<&'d [u8]> {
        let size = self.cuts.as_mut()?.next().min(self.rest.len());
        let (piece, rest) = self.rest.split_at(size);
        self.rest = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

/// The first byte decides how the text is cut.
pub(super) fn json(bytes: &[u8]) {
    let (cuts, text) = seeded(bytes);
    let whole = json::Reader::new(text, &limits()).and_then(|reader| copied(reader, text, None));
    let pieces = copied(json::Reader::streaming(&limits()), text, Some(cuts));
    assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok(), "{whole:?} {pieces:?}");
    if let Ok(once) = whole {
        let reader = json::Reader::new(&once, &limits()).expect("what is written is UTF-8");
        let twice = copied(reader, &once, None).expect("what is written can be read");
        assert_eq!(once, twice);
    }
}

fn copied(
    mut reader: json::Reader<'_>,
    text: &[u8],
    cuts: Option<Cuts>,
) -> Result<Vec<u8>, Box<Fault>> {
    let mut pieces = Pieces { rest: text, cuts };
    let mut w = json::Writer::default();
    loop {
        match reader.pull()? {
            json::Event::ObjectStart => w.begin_object(),
            json::Event::ObjectEnd => w.end_object(),
            json::Event::ArrayStart => w.begin_array(),
            json::Event::ArrayEnd => w.end_array(),
            json::Event::Name => w.name(reader.text()),
            json::Event::String => w.string(reader.text()),
            json::Event::Number => w.number(reader.text()),
            json::Event::Bool(value) => w.bool(value),
            json::Event::Null => w.null(),
            json::Event::Eof => return Ok(w.finish()),
            json::Event::NeedMore => match pieces.next() {
                Some(piece) => reader.feed(piece)?,
                None => reader.finish()?,
            },
        }
        assert!(reader.pointer().is_empty() || reader.pointer().starts_with('/'));
    }
}

/// The first byte decides how the message is cut.
pub(super) fn envelope(bytes: &[u8]) {
    let (cuts, message) = seeded(bytes);
    let whole = Reader::new(message, &limits())
        .map_err(Refusal::from)
        .and_then(|reader| framed(reader, message, None));
    let stream = Reader::streaming(None, Symbols::none(), &limits()).expect("there is no charset");
    let pieces = framed(stream, message, Some(cuts));
    let ascii = message.get(..200.min(message.len())).unwrap_or_default().to_ascii_lowercase();
    if !ascii.windows(5).any(|label| label == b"ascii") {
        let shown = |result: &Result<Envelope, Refusal>| {
            result
                .as_ref()
                .ok()
                .map(|e| (e.version, e.body.clone(), e.headers.clone(), e.addressing.clone()))
        };
        assert_eq!(shown(&whole), shown(&pieces), "{whole:?} {pieces:?}");
    }
    let Ok(envelope) = whole else { return };
    for block in &envelope.headers {
        assert!(block.span.start < block.span.end);
    }
    if envelope.is_fault {
        let mut reader = Reader::new(message, &limits()).expect("it was read before");
        let _ = Opener::open(&mut reader).expect("it was read before");
        let fault = SoapFault::read(&mut reader).expect("it was read before");
        for entry in &fault.detail {
            let mut reader =
                Reader::new(entry.as_bytes(), &Limits::default()).expect("it is UTF-8");
            while reader.pull().expect("an entry needs nothing around it") != Event::Eof {}
        }
    }
}

fn framed(mut reader: Reader<'_>, message: &[u8], cuts: Option<Cuts>) -> Result<Envelope, Refusal> {
    let mut pieces = Pieces { rest: message, cuts };
    let mut opener = Opener::new();
    let mut opened: Option<(Envelope, Closer)> = None;
    loop {
        let event = reader.pull()?;
        if event == Event::NeedMore {
            match pieces.next() {
                Some(piece) => reader.feed(piece)?,
                None => reader.finish()?,
            }
            continue;
        }
        if let Some((envelope, closer)) = &mut opened {
            if closer.step(&reader, event)? {
                return Ok(envelope.clone());
            }
        } else if opener.step(&reader, event)? == Progress::Body {
            let envelope = std::mem::take(&mut opener).into_envelope();
            let closer = Closer::new(false, envelope.body.is_none());
            opened = Some((envelope, closer));
        }
    }
}

/// A WSDL that names nothing outside itself, or names it in vain.
pub(super) fn wsdl(document: &[u8]) {
    let root = Document { url: "a.wsdl".into(), bytes: document.to_vec() };
    let (catalog, faults) = wsdl::import(root, &mut NoDocuments, &Options::default());
    for fault in &faults {
        assert!(!fault.message.is_empty() && fault.place.document.is_some(), "{fault:?}");
    }
    assert!(!catalog.is_empty() || !faults.is_empty(), "nothing to call, and no reason");
    for (_, port, binding) in catalog.ports() {
        assert!(port.binding < catalog.bindings.len());
        let known: usize = binding.signatures.values().map(Vec::len).sum();
        assert_eq!(known, binding.operations.len());
    }
}
