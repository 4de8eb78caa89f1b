//! Whole messages: finds the body in an envelope, or takes the document as the body, and runs a transcoder through it.

use super::{Decoder, Encoder};
use crate::fault::{Fault, FaultKind};
use crate::json;
use crate::name::NsId;
use crate::xml::{Event, Reader};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// Where in a document a [`Decoder`] is: whoever pulls from a reader in pieces gives it every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk {
    /// How many elements are open around the body's content.
    around: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Place {
    /// Before the root.
    #[default]
    Begin,
    /// In an envelope, outside of its body; so many elements deep.
    Envelope,
    /// In the body of a message whose content is the detail of a fault.
    Fault,
    /// In the content of the body, or of the detail.
    Body,
    /// Behind the body.
    Behind,
}

impl Walk {
    /// Takes an event of the document, and hands on what belongs to the body.
    ///
    /// # Errors
    /// When the body is not what the schema says, or an envelope has none.
    #[inline]
    pub fn event(
        &mut self,
        decoder: &mut Decoder<'_>,
        reader: &Reader<'_>,
        event: Event,
    ) -> Result {
        match self.place {
            Place::Body => {
                if event == Event::End && reader.depth() == self.around && self.around > 0 {
                    self.place = Place::Behind;
                    return Ok(());
                }
                decoder.event(reader, event)
            }
            Place::Begin => self.root(decoder, reader, event),
            Place::Envelope => {
                if event == Event::Start && reader.depth() == 2 && is_envelope(reader, "Body") {
                    (self.place, self.around) = (Place::Body, 2);
                    if decoder.is_for_faults() {
                        self.place = Place::Fault;
                    }
                }
                Ok(())
            }
            Place::Fault => {
                // SOAP 1.1 writes `detail` without a namespace, SOAP 1.2 `Detail` with its own.
                let is_detail = matches!(reader.name().local, "detail" | "Detail");
                if event == Event::Start && reader.depth() == 4 && is_detail {
                    (self.place, self.around) = (Place::Body, 4);
                }
                Ok(())
            }
            Place::Behind => Ok(()),
        }
    }

    fn root(&mut self, decoder: &mut Decoder<'_>, reader: &Reader<'_>, event: Event) -> Result {
        if event != Event::Start {
            return Ok(());
        }
        if is_envelope(reader, "Envelope") {
            self.place = Place::Envelope;
            return Ok(());
        }
        self.place = Place::Body;
        decoder.event(reader, event)
    }

    /// Whether the body was found.
    #[must_use]
    pub fn found_body(&self) -> bool {
        matches!(self.place, Place::Body | Place::Behind)
    }
}

fn is_envelope(reader: &Reader<'_>, local: &str) -> bool {
    let name = reader.name();
    matches!(name.namespace, NsId::SOAP11 | NsId::SOAP12) && name.local == local
}

impl Decoder<'_> {
    /// Turns a whole document into JSON: an envelope, or the body's element alone.
    ///
    /// # Errors
    /// When it is not well-formed, or not what the schema says.
    pub fn document(&mut self, reader: &mut Reader<'_>) -> Result<&[u8]> {
        self.begin_body();
        let mut walk = Walk::default();
        loop {
            match reader.pull()? {
                Event::Eof | Event::NeedMore => break,
                event => walk.event(self, reader, event)?,
            }
        }
        if !walk.found_body() {
            let missing = if self.is_for_faults() { "fault with a detail" } else { "body" };
            return Err(reader.fault(FaultKind::Message, format!("the envelope has no {missing}")));
        }
        self.end_body(reader)
    }
}

impl Encoder<'_> {
    /// Turns a whole JSON text into the content of a body.
    ///
    /// # Errors
    /// When it is no JSON, or not what the schema says.
    pub fn document(&mut self, reader: &mut json::Reader<'_>) -> Result<&[u8]> {
        self.begin_body();
        loop {
            match reader.pull()? {
                json::Event::Eof | json::Event::NeedMore => break,
                event => self.event(reader, event)?,
            }
        }
        Ok(self.written())
    }
}
