//! Going over a message once: its frame, the security header that is for us, and where everything lies that it points to.
//!
//! The frame is read by the same [`Opener`] that dispatches messages, so nothing is Body or header block here that is none there.

use std::ops::Range;

use super::{
    Refused, Why,
    header::{self, Header},
    tree::{Builder, Element, ids},
};
use crate::{
    Limits, Symbols,
    envelope::{Closer, Envelope, Opener, Progress},
    xml::{Event, Reader},
};

/// The namespace of the security header.
pub(super) const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";

/// Ids in the header of a message.
const IDS_MAX: usize = 256;

/// What was found.
pub(super) struct Scan {
    pub(super) envelope: Envelope,
    pub(super) header: Header,
    /// The bytes of the message that are the security header.
    pub(super) bytes: Range<usize>,
    /// The elements that have an id to which the header refers.
    marked: Vec<Marked>,
}

/// An element with an id.
#[derive(Debug, Clone)]
struct Marked {
    id: String,
    /// Whether a signature may refer to it.
    proper: bool,
    place: Place,
    at: u64,
}

/// What an element is, by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The child of the Envelope.
    Body,
    /// A child of the Header.
    Block,
    /// A child of the security header that is for us.
    Token,
    /// Anything else.
    Deeper,
}

impl Scan {
    /// Where the one element is that this id means, and what it is.
    ///
    /// # Errors
    /// When there is none or more than one, or it is nothing that may be signed alone.
    pub(super) fn target(&self, id: &str) -> Result<(u64, Place), Refused> {
        let check = |why: &'static str| Refused::new(Why::Check, why);
        let mut all = self.marked.iter().filter(|marked| marked.id == id);
        match (all.next(), all.next()) {
            (_, Some(_)) => Err(check("an id that is signed is there twice")),
            (None, _) => Err(check("what is signed is not in the message")),
            (Some(one), None) if !one.proper || one.place == Place::Deeper => {
                Err(check("something is signed that is no part of a message by itself"))
            }
            (Some(one), None) => Ok((one.at, one.place)),
        }
    }
}

/// Goes over a message.
///
/// # Errors
/// When it is no message, or has no security header that can be taken.
pub(super) fn scan(
    message: &[u8],
    charset: Option<&str>,
    limits: &Limits,
) -> Result<Scan, Refused> {
    let mut reader =
        Reader::with(message, charset, Symbols::none(), limits).map_err(Refused::message)?;
    let mut head = Head::default();
    let mut opener = Opener::new();
    loop {
        let event = reader.pull().map_err(Refused::message)?;
        let progress = opener.step(&reader, event).map_err(Refused::Message)?;
        if progress == Progress::Body {
            let empty = event == Event::End;
            let envelope = opener.into_envelope();
            let header = head.read()?;
            let mut marked = head.marked;
            marked.retain(|marked| header.refers(&marked.id));
            let bytes = bytes_of(message, reader.source(), &header.span)?;
            let mut scan = Scan { envelope, header, bytes, marked };
            scan.body(&mut reader, empty)?;
            return Ok(scan);
        }
        head.take(&reader, &opener, event)?;
    }
}

/// The bytes that are a place in the text, when the text is those bytes.
fn bytes_of(message: &[u8], text: &str, place: &Range<u64>) -> Result<Range<usize>, Refused> {
    let mark = message.len().saturating_sub(text.len());
    if mark <= 3 && message.get(mark..) == Some(text.as_bytes()) {
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).saturating_add(mark);
        return Ok(at(place.start)..at(place.end));
    }
    Err(Refused::new(Why::Invalid, "a message whose security header is taken off is sent in UTF-8"))
}

/// What is found up to the body's child.
#[derive(Default)]
struct Head {
    building: Option<Builder>,
    ours: Option<Element>,
    marked: Vec<Marked>,
}

impl Head {
    fn take(&mut self, reader: &Reader<'_>, opener: &Opener, event: Event) -> Result<(), Refused> {
        let depth = reader.depth();
        if event == Event::Start {
            if depth == 3 && is_security(opener) {
                if self.ours.is_some() {
                    // WS-Security 1.1, 5: one header for a role.
                    let why = "there are two security headers for the same receiver";
                    return Err(Refused::new(Why::Invalid, why));
                }
                self.building = Some(Builder::default());
            }
            let place = match depth {
                2 if reader.name().local == "Body" => Place::Body,
                3 => Place::Block,
                4 if self.building.is_some() => Place::Token,
                _ => Place::Deeper,
            };
            self.mark(reader, place)?;
        }
        if let Some(building) = &mut self.building
            && let Some(tree) = building.take(reader, event)?
        {
            self.ours = Some(tree);
            self.building = None;
        }
        Ok(())
    }

    fn mark(&mut self, reader: &Reader<'_>, place: Place) -> Result<(), Refused> {
        self.marked.extend(marks(reader, place));
        match self.marked.len() > IDS_MAX {
            true => Err(Refused::new(Why::Invalid, "the header of the message has too many ids")),
            false => Ok(()),
        }
    }

    fn read(&mut self) -> Result<Header, Refused> {
        let Some(tree) = self.ours.take() else {
            let why = "it has to have one that says who sends it";
            return Err(Refused::new(Why::Missing, why));
        };
        header::read(&tree)
    }
}

impl Scan {
    /// Goes over what is left. What the header refers to may be there a second time.
    fn body(&mut self, reader: &mut Reader<'_>, empty: bool) -> Result<(), Refused> {
        // How many elements a body may have is its contract's affair.
        let mut closer = Closer::new(true, empty);
        let mut event = if empty { Event::End } else { Event::Start };
        loop {
            if event == Event::Start {
                for marked in marks(reader, Place::Deeper) {
                    if self.header.refers(&marked.id) {
                        self.marked.push(marked);
                    }
                }
                if self.marked.len() > IDS_MAX {
                    return Err(Refused::new(Why::Check, "an id that is signed is there twice"));
                }
            }
            event = reader.pull().map_err(Refused::message)?;
            if closer.step(reader, event).map_err(Refused::Message)? {
                return Ok(());
            }
        }
    }
}

/// Whether the header block that starts here is about security and for us.
fn is_security(opener: &Opener) -> bool {
    opener.block().is_some_and(|block| {
        block.is_ours() && *block.name.namespace == *WSSE && *block.name.local == *"Security"
    })
}

/// The ids of the element that starts here, each once.
fn marks(reader: &Reader<'_>, place: Place) -> Vec<Marked> {
    let at = reader.span().start;
    let mut marks: Vec<Marked> = Vec::new();
    for (id, proper) in ids(reader) {
        match marks.iter_mut().find(|known| known.id == id) {
            Some(known) => known.proper |= proper,
            None => marks.push(Marked { id: id.to_owned(), proper, place, at }),
        }
    }
    marks
}
