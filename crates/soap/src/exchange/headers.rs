//! `$headers`: the header blocks that an operation declares, as a member of its JSON.
//!
//! Those of security and of addressing are the affair of whoever stands in between, and are not among them. A block may
//! always be left out: a binding says what may be there, not what has to.

use crate::{
    Fault, FaultKind, Limits,
    json::{self, Event},
    transcode::{Body, Decoder, Encoder, Message, Part, PartType, Plan},
    wsdl::catalog::{self, PartContent},
    xml,
};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// The name of the member.
const HEADERS: &str = "$headers";

/// A header block that is declared.
#[derive(Debug)]
pub(crate) struct Block {
    key: String,
    namespace: String,
    local: String,
    message: Message,
}

/// The blocks of a message that callers see. One by type has no name of its own on the wire, and is left out.
pub(super) fn blocks(plan: &Plan, headers: Vec<(String, &catalog::Header)>) -> Vec<Block> {
    let block = |(key, header): (String, &catalog::Header)| match &header.part.content {
        PartContent::Element(element, name) => {
            let part = Part { name: key.clone(), ty: PartType::Element(*element) };
            Some(Block {
                message: plan.message(Body::Parts(vec![part])),
                namespace: name.namespace.to_string(),
                local: name.local.to_string(),
                key,
            })
        }
        PartContent::Type(..) => None,
    };
    headers.into_iter().filter_map(block).collect()
}

/// Takes `$headers` out of a JSON object: the rest, and the blocks as XML. None where there is no such member.
///
/// # Errors
/// When it is no object, names a block that is not declared, or one is not what the contract says.
pub(super) fn taken(
    plan: &Plan,
    blocks: &[Block],
    body: &[u8],
    limits: &Limits,
) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    if blocks.is_empty() || memchr::memmem::find(body, HEADERS.as_bytes()).is_none() {
        return Ok(None);
    }
    let mut reader = json::Reader::new(body, limits)?;
    let Some((member, value)) = member(&mut reader, body.len())? else { return Ok(None) };
    let text = body.get(value.clone()).unwrap_or_default();
    let xml = written(plan, blocks, text, limits).map_err(|mut fault| {
        fault.path = format!("/{HEADERS}{}", fault.path);
        fault
    })?;
    let mut rest = body.get(..member.start).unwrap_or_default().to_vec();
    let behind = body.get(value.end..).unwrap_or_default();
    // One of the two commas around the member goes with it.
    let after = behind.trim_ascii_start();
    match (after.strip_prefix(b","), rest.trim_ascii_end().strip_suffix(b",")) {
        (Some(after), _) => rest.extend_from_slice(after),
        (None, Some(before)) => {
            rest.truncate(before.len());
            rest.extend_from_slice(after);
        }
        (None, None) => rest.extend_from_slice(after),
    }
    Ok(Some((rest, xml)))
}

type Range = std::ops::Range<usize>;

/// Where the member stands, its name included, and where its value does.
fn member(reader: &mut json::Reader<'_>, length: usize) -> Result<Option<(Range, Range)>> {
    let place = |at: u64| usize::try_from(at).unwrap_or(length).min(length);
    if reader.pull()? != Event::ObjectStart {
        return Ok(None);
    }
    loop {
        match reader.pull()? {
            Event::Name if reader.text() == HEADERS => {
                let name = place(reader.span().start);
                let begun = reader.pull()?;
                let start = place(reader.span().start);
                if begun != Event::ObjectStart {
                    return Err(reader.fault(FaultKind::Invalid, "$headers is an object"));
                }
                reader.skip(begun)?;
                return Ok(Some((name..start, start..place(reader.span().end))));
            }
            Event::Name => reader.skip(Event::Name)?,
            _ => return Ok(None),
        }
    }
}

/// The blocks of an object, one after the other.
fn written(plan: &Plan, blocks: &[Block], text: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut reader = json::Reader::new(text, limits)?;
    reader.pull()?;
    while reader.pull()? == Event::Name {
        let key = reader.text().to_owned();
        let Some(block) = blocks.iter().find(|block| block.key == key) else {
            let known: Vec<&str> = blocks.iter().map(|block| block.key.as_str()).collect();
            let fault = reader
                .fault(FaultKind::Invalid, format!("the operation declares no header {key:?}"));
            return Err(Box::new(fault.cure(format!("known here: {}", known.join(", ")))));
        };
        let begun = reader.pull()?;
        let start = reader.span().start;
        reader.skip(begun)?;
        let value =
            usize::try_from(start).unwrap_or(0)..usize::try_from(reader.span().end).unwrap_or(0);
        let mut alone = b"{\"".to_vec();
        crate::json::writer::escape(&key, &mut alone);
        alone.extend_from_slice(b"\":");
        alone.extend_from_slice(text.get(value).unwrap_or_default());
        alone.push(b'}');
        let mut inner = json::Reader::new(&alone, limits)?;
        out.extend_from_slice(Encoder::new(plan, &block.message).document(&mut inner)?);
    }
    Ok(out)
}

/// The declared blocks in what came of a message up to its body, as the value of the member, and the key of the first; none
/// where there is none.
///
/// # Errors
/// When one is not what the contract says.
pub(super) fn read<'b>(
    plan: &Plan,
    blocks: &'b [Block],
    head: &[u8],
    charset: Option<&str>,
    limits: &Limits,
) -> Result<Option<(Vec<u8>, &'b str)>> {
    if blocks.is_empty() {
        return Ok(None);
    }
    let mut reader = xml::Reader::streaming(charset, &plan.schemas().symbols, limits)?;
    reader.feed(head)?;
    let (mut members, mut came, mut first) = (Vec::new(), vec![false; blocks.len()], "");
    let (mut open, mut in_header): (Option<(usize, Decoder<'_>)>, bool) = (None, false);
    loop {
        let event = reader.pull()?;
        if let Some((_, decoder)) = &mut open {
            decoder.event(&reader, event)?;
        }
        match event {
            xml::Event::Start if reader.depth() == 2 => {
                in_header = reader.name().local == "Header";
                if !in_header {
                    break;
                }
            }
            xml::Event::Start if in_header && reader.depth() == 3 => {
                let name = reader.name();
                let uri = reader.uri(name.namespace);
                let is = |block: &&Block| block.local == name.local && block.namespace == uri;
                if let Some(at) = blocks.iter().position(|block| is(&block)) {
                    let mut decoder = Decoder::new(plan, &blocks[at].message);
                    decoder.event(&reader, event)?;
                    open = Some((at, decoder));
                }
            }
            xml::Event::End if reader.depth() == 3 => {
                if let Some((at, mut decoder)) = open.take() {
                    let object = decoder.end_body(&reader)?;
                    let inside = object.strip_prefix(b"{").and_then(|o| o.strip_suffix(b"}"));
                    // A block that comes twice is told once: the first one.
                    if !std::mem::replace(&mut came[at], true) {
                        match members.is_empty() {
                            true => first = &blocks[at].key,
                            false => members.push(b','),
                        }
                        members.extend_from_slice(inside.unwrap_or_default());
                    }
                }
            }
            xml::Event::Eof | xml::Event::NeedMore => break,
            _ => {}
        }
    }
    if members.is_empty() {
        return Ok(None);
    }
    Ok(Some(([b"{", members.as_slice(), b"}"].concat(), first)))
}

/// Puts the member into an object of which at least two bytes are there.
pub(super) fn put(headers: &[u8], object: &[u8], out: &mut Vec<u8>) {
    let Some(rest) = object.strip_prefix(b"{") else { return out.extend_from_slice(object) };
    out.extend_from_slice(b"{\"$headers\":");
    out.extend_from_slice(headers);
    if rest.first() != Some(&b'}') {
        out.push(b',');
    }
    out.extend_from_slice(rest);
}
