//! What a service answers, in pieces, as JSON or XML for the caller; or as the fault that it is.

use super::{
    Form, Messages, Thrown, Wanted, headers,
    parts::{Incoming, Next, mark_xml},
    request::string,
    verbatim::Verbatim,
};
use crate::{
    Fault, FaultKind, Limits, encoding,
    envelope::{Closer, Opener, Progress as Opening},
    mime::{Related, cid_of},
    transcode::{Body, Decoder, Message, Plan, Reference, XOP},
    xml::{Event, Reader},
};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// Bytes of a message before its body, and of a message that is a fault: these are kept as they came.
const KEPT_BYTES: usize = 1 << 20;
/// Bytes that are taken at a time, so that what is written is passed on before more is.
const PIECE_BYTES: usize = 16 << 10;

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It is not told yet what it is.
    Opening,
    /// It is an answer that went well, so far.
    Content,
    /// It is a fault; what it says is told at its end.
    Fault,
}

/// What an answer was.
#[derive(Debug)]
pub enum Outcome {
    /// An answer; all of it was written.
    Content,
    /// A fault; nothing was written.
    Thrown(Box<Thrown>),
    /// Nothing at all, where the operation has no answer.
    Nothing,
}

/// An answer that is being read.
#[derive(Debug)]
pub struct Answer<'p> {
    plan: &'p Plan,
    messages: &'p Messages,
    charset: Option<String>,
    limits: Limits,
    reader: Reader<'p>,
    state: State<'p>,
    /// What came before the body, and all of a fault.
    kept: Vec<u8>,
    form: Form,
    received: bool,
    /// What travels beside it, if it is in parts.
    parts: Option<Box<Incoming>>,
    in_parts: bool,
    references: Vec<Reference>,
    /// The header blocks that the JSON begins with, and what there is of it, which they wait for.
    headers: Option<Vec<u8>>,
    begun: Vec<u8>,
}

#[derive(Debug)]
enum State<'p> {
    Opening(Box<Opener>),
    Body(Box<Content<'p>>),
    Closing(Closer),
    /// A body that refers to itself: it is looked at when it is there as a whole.
    Encoded,
    Fault,
}

#[derive(Debug)]
struct Content<'p> {
    decoder: Decoder<'p>,
    verbatim: Verbatim,
    scratch: Vec<u8>,
    /// How many of the body's children have to be read.
    left: usize,
    /// The attachments that the JSON has to name.
    attachments: Vec<String>,
    /// Whether it is in parts, and its reader in an `xop:Include`.
    in_parts: bool,
    in_include: bool,
    /// The last two bytes that were passed on.
    tail: [u8; 2],
}

impl<'p> Answer<'p> {
    /// For the answer of one request.
    ///
    /// # Errors
    /// When the charset is not one we read.
    pub fn new(
        plan: &'p Plan,
        messages: &'p Messages,
        form: Form,
        charset: Option<&str>,
        limits: &Limits,
    ) -> Result<Self> {
        // What streams is bounded by its depth; how long it may be is its reader's affair.
        let streaming = Limits { document_bytes: u64::MAX, nodes: u64::MAX, ..limits.clone() };
        Ok(Self {
            plan,
            messages,
            charset: charset.map(str::to_owned),
            limits: limits.clone(),
            reader: Reader::streaming(charset, &plan.schemas().symbols, &streaming)?,
            state: State::Opening(Box::default()),
            kept: Vec::new(),
            form,
            received: false,
            parts: None,
            in_parts: false,
            references: Vec::new(),
            headers: None,
            begun: Vec::new(),
        })
    }

    /// Says that it is in parts, and how the caller gets them.
    #[must_use]
    pub fn in_parts(mut self, related: &Related, wanted: Wanted) -> Self {
        let names = self.messages.response.as_ref().into_iter().flat_map(|m| m.attachments());
        let names = names.map(str::to_owned).collect();
        self.parts = Some(Box::new(Incoming::new(related, wanted, self.form, names)));
        self.in_parts = true;
        self
    }

    /// How far it is.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        match self.state {
            State::Opening(_) => Progress::Opening,
            State::Body(_) | State::Closing(_) | State::Encoded => Progress::Content,
            State::Fault => Progress::Fault,
        }
    }

    /// Takes the next bytes, and appends what is ready for the caller.
    ///
    /// # Errors
    /// When they are not an answer that the contract allows.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress> {
        let Some(mut parts) = self.parts.take() else { return self.feed_root(bytes, out) };
        parts.feed(bytes);
        self.run_parts(&mut parts, out)?;
        self.parts = Some(parts);
        Ok(self.progress())
    }

    /// Goes on in a message in parts as far as the bytes reach.
    fn run_parts(&mut self, parts: &mut Incoming, out: &mut Vec<u8>) -> Result {
        let mut json = Vec::new();
        loop {
            match parts.next(self.plan, out)? {
                Next::Root => {
                    self.feed_root(parts.root(), &mut json)?;
                }
                Next::RootEnd => {
                    self.end_root(&mut json)?;
                    parts.write(&json, self.plan, out)?;
                    json.clear();
                    parts.root_ended(std::mem::take(&mut self.references), self.plan, out)?;
                }
                Next::More | Next::End => return Ok(()),
            }
            parts.write(&json, self.plan, out)?;
            json.clear();
        }
    }

    fn feed_root(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress> {
        let from = out.len();
        let progress = self.take_root(bytes, out)?;
        self.put_headers(from, out);
        Ok(progress)
    }

    /// Puts the header blocks before the members of the body, once its object has begun.
    fn put_headers(&mut self, from: usize, out: &mut Vec<u8>) {
        if self.headers.is_none() {
            return;
        }
        self.begun.extend(out.drain(from..));
        if self.begun.len() >= 2
            && let Some(headers) = self.headers.take()
        {
            headers::put(&headers, &std::mem::take(&mut self.begun), out);
        }
    }

    fn take_root(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress> {
        self.received |= !bytes.is_empty();
        for piece in bytes.chunks(PIECE_BYTES) {
            if matches!(self.state, State::Encoded) {
                let most = self.limits.document_bytes;
                if self.kept.len() as u64 + piece.len() as u64 > most {
                    let why = format!("an encoded message is larger than {most} bytes");
                    return Err(self.reader.fault(FaultKind::Limit, why));
                }
                self.kept.extend_from_slice(piece);
                continue;
            }
            if matches!(self.state, State::Opening(_) | State::Fault) {
                if self.kept.len() + piece.len() > KEPT_BYTES {
                    let why =
                        format!("the header, or the fault, is larger than {KEPT_BYTES} bytes");
                    return Err(self.reader.fault(FaultKind::Limit, why));
                }
                self.kept.extend_from_slice(piece);
            }
            if !matches!(self.state, State::Fault) {
                self.reader.feed(piece)?;
                self.run(out)?;
            }
        }
        Ok(self.progress())
    }

    /// Says that no more bytes come, and tells what it was.
    ///
    /// # Errors
    /// When the answer is not whole, or is none.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<Outcome> {
        if let Some(mut parts) = self.parts.take() {
            parts.finish();
            self.run_parts(&mut parts, out)?;
            if matches!(self.state, State::Closing(_)) && !self.messages.one_way {
                parts.end(out)?;
            }
        } else if !self.received && self.messages.one_way {
            return Ok(Outcome::Nothing);
        } else {
            self.end_root(out)?;
        }
        match self.state {
            State::Fault => {
                let charset = self.charset.as_deref();
                Thrown::read(self.plan, self.messages, &self.kept, charset, &self.limits)
                    .map(|thrown| Outcome::Thrown(Box::new(thrown)))
            }
            _ if self.messages.one_way => Ok(Outcome::Nothing),
            _ => Ok(Outcome::Content),
        }
    }

    /// No more bytes of the envelope come.
    fn end_root(&mut self, out: &mut Vec<u8>) -> Result {
        let from = out.len();
        self.finish_root(out)?;
        self.put_headers(from, out);
        Ok(())
    }

    fn finish_root(&mut self, out: &mut Vec<u8>) -> Result {
        if matches!(self.state, State::Fault) {
            return Ok(());
        }
        if matches!(self.state, State::Encoded) {
            return self.decode(out);
        }
        self.reader.finish()?;
        let whole = self.run(out)?;
        if matches!(self.state, State::Encoded) {
            return self.decode(out);
        }
        if !whole && !matches!(self.state, State::Fault) {
            return Err(self.reader.fault(FaultKind::Message, "the message is not whole"));
        }
        Ok(())
    }

    /// All of an encoded body is there.
    fn decode(&mut self, out: &mut Vec<u8>) -> Result {
        let Some(response) = &self.messages.response else { return Ok(()) };
        let charset = self.charset.as_deref();
        let literal =
            encoding::literal(self.plan.schemas(), &self.kept, charset, response, &self.limits)?;
        let symbols = &self.plan.schemas().symbols;
        let mut reader = Reader::with(&literal, None, symbols, &self.limits)?;
        out.extend_from_slice(Decoder::new(self.plan, response).document(&mut reader)?);
        self.kept = Vec::new();
        self.state = State::Closing(Closer::new(true, false));
        Ok(())
    }

    /// Goes on as far as the bytes reach. True at the end of the message.
    fn run(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        loop {
            let event = self.reader.pull()?;
            if event == Event::NeedMore {
                return Ok(false);
            }
            match &mut self.state {
                State::Opening(opener) => {
                    if opener.step(&self.reader, event).map_err(|why| why.fault)? == Opening::Body {
                        let opener = std::mem::take(opener);
                        if self.begin(*opener, event, out)? {
                            return Ok(false);
                        }
                    }
                }
                State::Body(content) => {
                    if content.event(&self.reader, event, self.form, out)? {
                        self.references = content.decoder.take_references();
                        self.state = State::Closing(Closer::new(false, false));
                    }
                }
                State::Closing(closer) => {
                    if closer.step(&self.reader, event).map_err(|why| why.fault)? {
                        return Ok(true);
                    }
                }
                State::Encoded | State::Fault => return Ok(false),
            }
        }
    }

    /// The body begins. True when it is a fault.
    fn begin(&mut self, opener: Opener, event: Event, out: &mut Vec<u8>) -> Result<bool> {
        let envelope = opener.into_envelope();
        if envelope.version != self.messages.version {
            let why = "the answer is of another SOAP than the request";
            return Err(self.reader.fault(FaultKind::Message, why));
        }
        if envelope.is_fault {
            self.state = State::Fault;
            return Ok(true);
        }
        if self.form == Form::Json && !self.messages.one_way {
            let blocks = &self.messages.response_headers;
            let charset = self.charset.as_deref();
            let read = headers::read(self.plan, blocks, &self.kept, charset, &self.limits)?;
            self.headers = read.map(|(headers, _)| headers);
        }
        if self.messages.response.as_ref().is_some_and(Message::is_encoded) {
            self.state = State::Encoded;
            return Ok(true);
        }
        self.kept = Vec::new();
        let Some(response) = &self.messages.response else {
            // Some services answer what asks for no answer; what they say is nobody's affair.
            self.state = State::Closing(Closer::new(true, event == Event::End));
            return Ok(false);
        };
        let left = match response.body() {
            Body::Parts(parts) => parts.len(),
            Body::Empty => 0,
            _ => 1,
        };
        let mut content = Box::new(Content {
            decoder: Decoder::new(self.plan, response),
            verbatim: Verbatim::new(3),
            scratch: Vec::new(),
            left,
            attachments: match self.in_parts {
                true => response.attachments().map(str::to_owned).collect(),
                false => Vec::new(),
            },
            in_parts: self.in_parts,
            in_include: false,
            tail: [0; 2],
        });
        if self.in_parts {
            content.decoder.set_parts();
        }
        let closes = event == Event::End;
        let done = match closes {
            true => {
                content.end(&self.reader, self.form, out)?;
                true
            }
            false => content.event(&self.reader, event, self.form, out)?,
        };
        self.references = content.decoder.take_references();
        self.state = match done {
            true => State::Closing(Closer::new(false, closes)),
            false => State::Body(content),
        };
        Ok(false)
    }
}

impl Content<'_> {
    /// Takes an event of the body's content. True when that was the last one that has to be there.
    fn event(
        &mut self,
        reader: &Reader<'_>,
        event: Event,
        form: Form,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        match event {
            Event::Instruction => {
                return Err(
                    reader.fault(FaultKind::Message, "a processing instruction in a message")
                );
            }
            Event::Eof => return Err(reader.fault(FaultKind::Message, "the message is not whole")),
            // The body itself ends, and lacks something, which the decoder names.
            Event::End if reader.depth() == 2 => {
                self.end(reader, form, out)?;
                return Ok(true);
            }
            Event::Text if reader.depth() == 2 => {
                return match reader.text().trim().is_empty() {
                    true => Ok(false),
                    false => {
                        Err(reader.fault(FaultKind::Message, "text between the body's elements"))
                    }
                };
            }
            _ => {}
        }
        self.decoder.event(reader, event)?;
        match form {
            Form::Json => self.drain(out),
            Form::Xml => {
                self.scratch.clear();
                self.decoder.drain(&mut self.scratch);
                self.put_xml(reader, event, out)?;
            }
        }
        if event == Event::End && reader.depth() == 3 {
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                self.end(reader, form, out)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The event as XML; bytes beside the message stand where they are referred to.
    fn put_xml(&mut self, reader: &Reader<'_>, event: Event, out: &mut Vec<u8>) -> Result {
        let name = reader.name();
        let is_include =
            self.in_parts && name.local == "Include" && reader.uri(name.namespace) == XOP;
        match event {
            // The decoder saw to it that it may stand here and names a part.
            Event::Start if is_include => {
                let href = reader.attribute_named("", "href").unwrap_or_default();
                mark_xml(&cid_of(href).unwrap_or_default(), out);
                self.in_include = true;
            }
            Event::End if self.in_include => self.in_include = false,
            _ if self.in_include => {}
            _ => self.verbatim.event(reader, event, out),
        }
        Ok(())
    }

    fn end(&mut self, reader: &Reader<'_>, form: Form, out: &mut Vec<u8>) -> Result {
        self.decoder.end_body(reader)?;
        if form == Form::Json {
            self.drain(out);
            append_attachments(&self.attachments, self.tail[0], out);
        }
        Ok(())
    }

    fn drain(&mut self, out: &mut Vec<u8>) {
        let before = out.len();
        self.decoder.drain(out);
        let new = out.get(before..).unwrap_or_default();
        for &byte in new.iter().skip(new.len().saturating_sub(2)) {
            self.tail = [self.tail[1], byte];
        }
    }
}

/// Attachments are members behind those of a whole JSON object; their parts bear their names.
pub(super) fn name_attachments(names: &[String], json: &mut Vec<u8>) {
    let before = json.len().checked_sub(2).and_then(|at| json.get(at).copied());
    append_attachments(names, before.unwrap_or(0), json);
}

/// The same where `before` is the byte before the last.
fn append_attachments(names: &[String], before: u8, out: &mut Vec<u8>) {
    if names.is_empty() || out.last() != Some(&b'}') {
        return;
    }
    out.pop();
    for (number, name) in names.iter().enumerate() {
        if number > 0 || before != b'{' {
            out.push(b',');
        }
        string(name, out);
        out.extend_from_slice(b":{\"$cid\":");
        string(name, out);
        out.push(b'}');
    }
    out.push(b'}');
}
