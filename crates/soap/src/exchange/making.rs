//! A request whose body comes in pieces, as an envelope in pieces: for those that are too large to be held.
//!
//! What is written stays here, where its members can still be put in order, until its owner takes it. What has to be seen
//! as a whole (bytes beside it, header blocks, an encoding, types that the message names itself) is made by
//! [`Messages::request`].

use super::{
    Form, Given, Messages,
    request::{close, merge, open},
    verbatim::Verbatim,
};
use crate::{
    Fault, FaultKind, Limits, json,
    transcode::{Body, Decoder, Encoder, Plan},
    xml,
};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// An envelope that is being made.
#[derive(Debug)]
pub struct Making<'p> {
    messages: &'p Messages,
    maker: Maker<'p>,
    /// Whether its beginning was taken.
    begun: bool,
}

#[derive(Debug)]
enum Maker<'p> {
    Json {
        reader: Box<json::Reader<'static>>,
        encoder: Box<Encoder<'p>>,
    },
    Xml {
        reader: Box<xml::Reader<'p>>,
        decoder: Box<Decoder<'p>>,
        verbatim: Verbatim,
        out: Vec<u8>,
    },
}

impl Messages {
    /// For a request whose body begins so; `None`: it has to be there as a whole.
    ///
    /// # Errors
    /// When what there is is not what the contract says.
    pub fn making<'p>(
        &'p self,
        plan: &'p Plan,
        form: Form,
        given: &[Given<'_>],
        first: &[u8],
        limits: &Limits,
    ) -> Result<Option<Making<'p>>> {
        let request = &self.request;
        let whole = request.is_encoded()
            || request.attachments().next().is_some()
            || !self.request_headers.is_empty()
            || form == Form::Json && request.looks_ahead()
            || form == Form::Xml && matches!(request.body(), Body::Empty);
        if whole {
            return Ok(None);
        }
        // What streams is bounded by its depth; how long it may be is its reader's affair.
        let limits = Limits {
            document_bytes: u64::MAX,
            nodes: u64::MAX,
            json_values: u64::MAX,
            ..limits.clone()
        };
        let maker = match form {
            Form::Json => Maker::Json {
                reader: Box::new(json::Reader::streaming(&limits)),
                encoder: Box::new(Encoder::new(plan, request)),
            },
            Form::Xml => Maker::Xml {
                reader: Box::new(xml::Reader::streaming(None, &plan.schemas().symbols, &limits)?),
                decoder: Box::new(Decoder::new(plan, request)),
                verbatim: Verbatim::new(1),
                out: Vec::new(),
            },
        };
        let mut making = Making { messages: self, maker, begun: false };
        let merged = merge(given, first);
        making.feed(merged.as_deref().unwrap_or(first))?;
        Ok(Some(making))
    }
}

impl Making<'_> {
    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// When they are not what the contract says.
    pub fn feed(&mut self, bytes: &[u8]) -> Result {
        match &mut self.maker {
            Maker::Json { reader, .. } => reader.feed(bytes)?,
            Maker::Xml { reader, .. } => reader.feed(bytes)?,
        }
        self.run()
    }

    /// Says that no more bytes come, and appends what is left of the envelope.
    ///
    /// # Errors
    /// When the body is not whole, or not what the contract says.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result {
        match &mut self.maker {
            Maker::Json { reader, .. } => reader.finish()?,
            Maker::Xml { reader, .. } => reader.finish()?,
        }
        self.run()?;
        if let Maker::Xml { reader, decoder, .. } = &mut self.maker {
            decoder.end_body(reader)?;
        }
        self.take(out);
        close(out);
        Ok(())
    }

    /// How much of the envelope waits to be taken, in bytes.
    #[must_use]
    pub fn pending(&self) -> usize {
        match &self.maker {
            Maker::Json { encoder, .. } => encoder.pending(),
            Maker::Xml { out, .. } => out.len(),
        }
    }

    /// Appends what there is of the envelope. Members that would have to stand before it are refused from now on.
    pub fn take(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            open(self.messages.version, &[], out);
        }
        match &mut self.maker {
            Maker::Json { encoder, .. } => encoder.drain(out),
            Maker::Xml { out: made, .. } => out.append(made),
        }
    }

    fn run(&mut self) -> Result {
        match &mut self.maker {
            Maker::Json { reader, encoder } => loop {
                match reader.pull()? {
                    json::Event::Eof | json::Event::NeedMore => return Ok(()),
                    event => encoder.event(reader, event)?,
                }
            },
            Maker::Xml { reader, decoder, verbatim, out } => {
                let mut json = Vec::new();
                loop {
                    let event = reader.pull()?;
                    match event {
                        xml::Event::Eof | xml::Event::NeedMore => return Ok(()),
                        xml::Event::Instruction => {
                            let why = "a processing instruction, which no message may hold";
                            return Err(reader.fault(FaultKind::Message, why));
                        }
                        _ => {
                            decoder.event(reader, event)?;
                            decoder.drain(&mut json);
                            json.clear();
                            verbatim.event(reader, event, out);
                        }
                    }
                }
            }
        }
    }
}
