//! The frame of a message: `Envelope`, `Header`, `Body`, and nothing that may not be there.
//!
//! An [`Opener`] is given the events of a reader one by one, so that a message that streams is opened while it arrives.

use std::ops::Range;

use super::{
    Addressing, Code, Refusal,
    addressing::{WSA, WSA2004},
};
use crate::{
    ExpandedName, FaultKind,
    name::{SOAP11, SOAP12},
    wsdl::catalog::SoapVersion,
    xml::{Event, Reader},
};

/// The role of SOAP 1.1 for whoever comes next.
const NEXT11: &str = "http://schemas.xmlsoap.org/soap/actor/next";
/// The roles of SOAP 1.2 that are ours: whoever comes next, and the last.
const NEXT12: &str = "http://www.w3.org/2003/05/soap-envelope/role/next";
const LAST12: &str = "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver";

/// How many header blocks a message may have.
const BLOCKS_MAX: usize = 100;

/// What was read of a message when its body begins.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Which SOAP.
    pub version: SoapVersion,
    /// The header blocks, in order.
    pub headers: Vec<HeaderBlock>,
    /// What WS-Addressing says.
    pub addressing: Addressing,
    /// Where the body starts, in bytes of the message as UTF-8.
    pub body_at: u64,
    /// The name of the body's child; none when the body is empty.
    pub body: Option<ExpandedName>,
    /// Whether the body's child is a fault.
    pub is_fault: bool,
}

/// A header block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderBlock {
    /// Its name.
    pub name: ExpandedName,
    /// Whether its receiver has to understand it or refuse the message.
    pub must_understand: bool,
    /// Whom it is for; empty for the last receiver.
    pub role: String,
    /// Where it lies in the message, in bytes of it as UTF-8.
    pub span: Range<u64>,
}

impl HeaderBlock {
    /// Whether it is for us: for the next one, or for the last one, which we stand for.
    pub fn is_ours(&self) -> bool {
        matches!(self.role.as_str(), "" | NEXT11 | NEXT12 | LAST12)
    }
}

impl Envelope {
    /// Header blocks that are for us, have to be understood, and are not.
    pub fn not_understood(&self, understood: impl Fn(&ExpandedName) -> bool) -> Vec<&HeaderBlock> {
        let required = self.headers.iter().filter(|block| block.must_understand && block.is_ours());
        required.filter(|block| !understood(&block.name)).collect()
    }
}

/// How far opening is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The next event is needed.
    More,
    /// The reader stands at the start of the body's child, or at the end of an empty body.
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Begin,
    Envelope,
    Header,
    /// In a header block.
    Block,
    AfterHeader,
    Body,
}

/// Goes over the frame of a message up to the body's child.
#[derive(Debug)]
pub struct Opener {
    at: At,
    envelope: Envelope,
    /// The text of a header block, or of a child of one.
    text: String,
}

impl Default for Opener {
    fn default() -> Self {
        Self::new()
    }
}

impl Opener {
    /// For the beginning of a message.
    pub fn new() -> Self {
        let envelope = Envelope {
            version: SoapVersion::V11,
            headers: Vec::new(),
            addressing: Addressing::default(),
            body_at: 0,
            body: None,
            is_fault: false,
        };
        Self { at: At::Begin, envelope, text: String::new() }
    }

    /// Opens a message that is there as a whole, or fails at [`Event::NeedMore`] of one that is not.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn open(reader: &mut Reader<'_>) -> Result<Envelope, Refusal> {
        let mut opener = Self::new();
        loop {
            let event = reader.pull()?;
            if event == Event::NeedMore {
                return Err(reader
                    .fault(FaultKind::Message, "the message is not there as a whole")
                    .into());
            }
            if opener.step(reader, event)? == Progress::Body {
                return Ok(opener.into_envelope());
            }
        }
    }

    /// Takes an event. [`Event::NeedMore`] changes nothing.
    ///
    /// # Errors
    /// Why the message is not taken.
    pub fn step(&mut self, reader: &Reader<'_>, event: Event) -> Result<Progress, Refusal> {
        match event {
            Event::Start => self.start(reader),
            Event::End => self.end(reader),
            Event::Text => self.text(reader).map(|()| Progress::More),
            Event::Instruction => {
                // SOAP 1.1, section 3; SOAP 1.2 Part 1, section 5.
                Err(refuse(reader, "a processing instruction in a message"))
            }
            Event::Comment | Event::NeedMore => Ok(Progress::More),
            Event::Eof => Err(refuse(reader, "the message has no body")),
        }
    }

    /// The header block that started last.
    pub fn block(&self) -> Option<&HeaderBlock> {
        self.envelope.headers.last()
    }

    /// What was read.
    pub fn into_envelope(self) -> Envelope {
        self.envelope
    }

    fn start(&mut self, reader: &Reader<'_>) -> Result<Progress, Refusal> {
        let name = reader.name();
        let namespace = reader.uri(name.namespace);
        let ours = namespace == self.envelope.version.namespace();
        match (self.at, name.local) {
            (At::Begin, "Envelope") => {
                let Some(version) = SoapVersion::of_namespace(namespace) else {
                    let message =
                        format!("{namespace:?} is no namespace of a SOAP that is spoken here");
                    let fault = reader.fault(FaultKind::Message, message);
                    return Err(Refusal { code: Code::VersionMismatch, fault });
                };
                self.envelope.version = version;
                self.at = At::Envelope;
            }
            (At::Begin, local) => {
                return Err(refuse(reader, format!("the root element is {local}, not Envelope")));
            }
            (At::Envelope, "Header") if ours => self.at = At::Header,
            (At::Envelope | At::AfterHeader, "Body") if ours => {
                self.at = At::Body;
                self.envelope.body_at = reader.span().start;
            }
            (At::Envelope | At::AfterHeader, local) => {
                return Err(refuse(reader, format!("{local} stands where Header or Body has to")));
            }
            (At::Header, _) => {
                self.begin_block(reader)?;
                self.at = At::Block;
            }
            (At::Block, _) => self.text.clear(),
            (At::Body, local) => {
                self.envelope.is_fault = ours && local == "Fault";
                self.envelope.body = Some(ExpandedName::new(namespace, local));
                return Ok(Progress::Body);
            }
        }
        Ok(Progress::More)
    }

    fn end(&mut self, reader: &Reader<'_>) -> Result<Progress, Refusal> {
        match (self.at, reader.depth()) {
            (At::Header, _) => self.at = At::AfterHeader,
            (At::Block, 3) => {
                let name = reader.name();
                let namespace = reader.uri(name.namespace);
                let fine = self.envelope.addressing.block(namespace, name.local, self.text.trim());
                fine.map_err(|message| refuse(reader, message))?;
                if let Some(block) = self.envelope.headers.last_mut() {
                    block.span.end = reader.span().end;
                }
                self.text.clear();
                self.at = At::Header;
            }
            (At::Block, 4) => {
                let name = reader.name();
                let namespace = reader.uri(name.namespace);
                let Some(around) = self.envelope.headers.last().map(|block| &block.name) else {
                    return Ok(Progress::More);
                };
                let address = [WSA, WSA2004].contains(&namespace) && name.local == "Address";
                if address && *around.namespace == *namespace {
                    self.envelope.addressing.address(&around.local, self.text.trim());
                }
                self.text.clear();
            }
            (At::Body, _) => return Ok(Progress::Body),
            (At::Envelope | At::AfterHeader, _) => {
                return Err(refuse(reader, "the message has no body"));
            }
            _ => (),
        }
        Ok(Progress::More)
    }

    fn text(&mut self, reader: &Reader<'_>) -> Result<(), Refusal> {
        if self.at == At::Block {
            // What WS-Addressing needs is short; the reader bounds nothing here.
            if reader.depth() <= 4 && self.text.len() < 8 << 10 {
                self.text.push_str(reader.text());
            }
            return Ok(());
        }
        if reader.text().trim_matches([' ', '\t', '\r', '\n']).is_empty() {
            return Ok(());
        }
        Err(refuse(reader, "text between the elements of a message"))
    }

    fn begin_block(&mut self, reader: &Reader<'_>) -> Result<(), Refusal> {
        if self.envelope.headers.len() >= BLOCKS_MAX {
            let fault =
                reader.fault(FaultKind::Limit, format!("header blocks: more than {BLOCKS_MAX}"));
            return Err(fault.into());
        }
        let name = reader.name();
        let namespace = reader.uri(name.namespace);
        if namespace.is_empty() {
            return Err(refuse(
                reader,
                format!("the header block {} has no namespace", name.local),
            ));
        }
        let version = self.envelope.version;
        let soap = version.namespace();
        let must_understand = match (version, reader.attribute_named(soap, "mustUnderstand")) {
            (_, None | Some("0")) | (SoapVersion::V12, Some("false")) => false,
            (_, Some("1")) | (SoapVersion::V12, Some("true")) => true,
            (_, Some(value)) => {
                return Err(refuse(reader, format!("mustUnderstand is {value:?}")));
            }
        };
        let role = if version == SoapVersion::V11 { "actor" } else { "role" };
        self.text.clear();
        self.envelope.headers.push(HeaderBlock {
            name: ExpandedName::new(namespace, name.local),
            must_understand,
            role: reader.attribute_named(soap, role).unwrap_or_default().to_owned(),
            span: reader.span(),
        });
        Ok(())
    }
}

/// Goes from the end of the body's child to the end of the message.
#[derive(Debug)]
pub struct Closer {
    /// Whether more elements may stand in the body: the independent ones of an encoding.
    more: bool,
    /// Whether the body has ended.
    after_body: bool,
}

impl Closer {
    /// `more`: whether elements may follow the body's first child, as those of SOAP encoding do. `empty`: whether
    /// the body had no child, so that its end was read already.
    pub fn new(more: bool, empty: bool) -> Self {
        Self { more, after_body: empty }
    }

    /// Takes an event; true at the end of the message.
    ///
    /// # Errors
    /// What stands there and may not.
    pub fn step(&mut self, reader: &Reader<'_>, event: Event) -> Result<bool, Refusal> {
        match event {
            Event::Eof => return Ok(true),
            Event::End if reader.depth() == 2 => self.after_body = true,
            Event::Start if self.after_body => {
                // BP 1.1, R1011; SOAP 1.2 Part 1, section 5.1.
                return Err(refuse(reader, "an element after the body"));
            }
            Event::Start if reader.depth() == 3 && !self.more => {
                // BP 1.1, R9981.
                return Err(refuse(reader, "a second element in the body"));
            }
            Event::Text if reader.depth() <= 2 && !reader.text().trim().is_empty() => {
                return Err(refuse(reader, "text between the elements of a message"));
            }
            Event::Instruction => {
                return Err(refuse(reader, "a processing instruction in a message"));
            }
            _ => (),
        }
        Ok(false)
    }

    /// Goes to the end of a message that is there as a whole.
    ///
    /// # Errors
    /// What stands there and may not.
    pub fn close(mut self, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        loop {
            let event = reader.pull()?;
            if event == Event::NeedMore {
                return Err(reader
                    .fault(FaultKind::Message, "the message is not there as a whole")
                    .into());
            }
            if self.step(reader, event)? {
                return Ok(());
            }
        }
    }
}

fn refuse(reader: &Reader<'_>, message: impl Into<String>) -> Refusal {
    Refusal::sender(reader.fault(FaultKind::Message, message))
}

/// The header block by which a fault names the versions that are spoken (SOAP 1.2 Part 1, 5.4.7).
pub fn upgrade() -> String {
    format!(
        "<s:Upgrade xmlns:s=\"{SOAP12}\"><s:SupportedEnvelope qname=\"e:Envelope\" xmlns:e=\"{SOAP12}\"/>\
         <s:SupportedEnvelope qname=\"e:Envelope\" xmlns:e=\"{SOAP11}\"/></s:Upgrade>"
    )
}
