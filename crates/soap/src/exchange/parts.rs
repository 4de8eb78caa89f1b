//! An answer in parts: its root goes to whoever reads the envelope, the others to where the JSON refers to them.
//!
//! The root comes first, as a rule, and in it the references in the order of the parts. Then nothing is held but the JSON
//! behind the reference that waits for its part; what comes out of turn is held up to a bound.

use super::Form;
use crate::{
    Fault, FaultKind,
    json::writer::escape,
    mime::{self, Event, PartHead, Related, Writer, base64_append},
    transcode::{Plan, Reference, names_part},
};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// What begins a reference in the JSON of a decoder. In no string of JSON can it stand: its quotes would be escaped.
const MARK: &[u8] = b"{\"$cid\":\"";
/// The same in XML, where no name begins so.
const XML_MARK: &[u8] = b"<$cid \"";
/// What is broken by too many bytes for an answer in one piece.
pub const INLINE_RULE: &str = "parts.inline";
/// Bytes that are held until it is their turn.
const HELD_BYTES: usize = 10 << 20;

/// How a caller gets the bytes beside an answer.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// As base64 in the JSON or the XML, so many of them in all.
    Inline(u64),
    /// In parts beside the JSON, which is the root.
    Beside(Writer),
}

/// The identifier of the JSON beside which parts are sent.
pub const ROOT_ID: &str = "root@pasarela";

/// An answer in parts that is being read.
#[derive(Debug)]
pub(super) struct Incoming {
    mime: mime::Reader,
    related: Related,
    wanted: Wanted,
    form: Form,
    at: At,
    /// Whether the root is behind us.
    known: bool,
    early: Vec<(PartHead, Vec<u8>)>,
    references: Vec<Reference>,
    /// The attachments that the WSDL names and that did not come yet.
    names: Vec<String>,
    /// Identifiers that were met.
    met: Vec<String>,
    /// JSON that was not passed on yet.
    json: Vec<u8>,
    /// The reference that it waits for, as JSON writes it.
    waits: Option<Vec<u8>>,
    begun: bool,
    /// Bytes of the part at hand, and of all.
    length: u64,
    total: u64,
    base64: Vec<u8>,
}

/// What the part at hand is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Outside,
    Root,
    /// One whose turn has not come; it is the last of those.
    Early,
    /// One that is passed on as it comes.
    Turn(String),
    /// One that nothing refers to.
    Nobodys,
}

/// What the owner of the envelope has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Read [`Incoming::root`], and give what becomes of it to [`Incoming::write`].
    Root,
    /// End the envelope, and call [`Incoming::root_ended`].
    RootEnd,
    /// Feed it more.
    More,
    /// All was read.
    End,
}

impl Incoming {
    pub(super) fn new(related: &Related, wanted: Wanted, form: Form, names: Vec<String>) -> Self {
        Self {
            mime: mime::Reader::new(related, mime::Limits::default()),
            related: related.clone(),
            wanted,
            form,
            at: At::Outside,
            known: false,
            early: Vec::new(),
            references: Vec::new(),
            names,
            met: Vec::new(),
            json: Vec::new(),
            waits: None,
            begun: false,
            length: 0,
            total: 0,
            base64: Vec::new(),
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.mime.feed(bytes);
    }

    pub(super) const fn finish(&mut self) {
        self.mime.finish();
    }

    /// The bytes of the root that came last.
    pub(super) fn root(&self) -> &[u8] {
        self.mime.data()
    }

    /// Goes on until its owner has something to do.
    pub(super) fn next(&mut self, plan: &Plan, out: &mut Vec<u8>) -> Result<Next> {
        loop {
            match self.mime.pull()? {
                Event::NeedMore => return Ok(Next::More),
                Event::Eof => return Ok(Next::End),
                Event::Part => self.part(out)?,
                Event::Data => match &self.at {
                    At::Root => return Ok(Next::Root),
                    At::Early => self.hold()?,
                    At::Turn(_) => self.pass(out)?,
                    At::Outside | At::Nobodys => {}
                },
                Event::End => match std::mem::replace(&mut self.at, At::Outside) {
                    At::Root => return Ok(Next::RootEnd),
                    At::Turn(id) => {
                        self.check(plan, &id, self.length)?;
                        self.end_part(id, plan, out)?;
                    }
                    _ => {}
                },
            }
        }
    }

    fn part(&mut self, out: &mut Vec<u8>) -> Result {
        let head = self.mime.part().clone();
        self.length = 0;
        let number = usize::try_from(self.mime.parts()).unwrap_or(usize::MAX) - 1;
        if self.related.is_root(&head, number) {
            if self.known {
                return Err(wrong("two parts of the answer have the identifier that start names"));
            }
            self.at = At::Root;
            return Ok(());
        }
        if !self.known {
            self.early.push((head, Vec::new()));
            self.at = At::Early;
            return Ok(());
        }
        let Some(id) = self.whose(&head)? else {
            self.at = At::Nobodys;
            return Ok(());
        };
        self.at = match &mut self.wanted {
            Wanted::Beside(writer) => {
                let head =
                    PartHead { id: Some(id.clone()), media: head.media, ..PartHead::default() };
                writer.part(&head, out);
                At::Turn(id)
            }
            Wanted::Inline(_) if self.waits.as_deref() == Some(&escaped(&id)) => {
                out.extend_from_slice(self.quote());
                At::Turn(id)
            }
            Wanted::Inline(_) => {
                self.early.push((PartHead { id: Some(id), ..head }, Vec::new()));
                At::Early
            }
        };
        Ok(())
    }

    /// What the JSON calls a part: its identifier, or the name of the attachment that it is.
    fn whose(&mut self, head: &PartHead) -> Result<Option<String>> {
        let id = head.id.as_deref().unwrap_or_default();
        if self.met.iter().any(|met| met == id) {
            return Err(wrong(format!("two parts of the answer have the identifier {id:?}")));
        }
        if self.references.iter().any(|reference| reference.id == id) {
            self.met.push(id.to_owned());
            return Ok(Some(id.to_owned()));
        }
        // Not everybody names parts as the profile wants; then their order tells.
        let named = self.names.iter().position(|name| names_part(id, name));
        let found = named.or((!self.names.is_empty()).then_some(0));
        Ok(found.map(|at| {
            self.met.push(id.to_owned());
            self.names.remove(at)
        }))
    }

    fn hold(&mut self) -> Result {
        let data = self.mime.data();
        let held: usize = self.early.iter().map(|(_, bytes)| bytes.len()).sum();
        bounded(held + data.len())?;
        if let Some((_, bytes)) = self.early.last_mut() {
            bytes.extend_from_slice(data);
        }
        Ok(())
    }

    fn pass(&mut self, out: &mut Vec<u8>) -> Result {
        let data = self.mime.data();
        self.length += data.len() as u64;
        self.total += data.len() as u64;
        match self.wanted {
            Wanted::Beside(_) => out.extend_from_slice(data),
            Wanted::Inline(most) => {
                inline(self.total, most)?;
                base64_append(&mut self.base64, data, false, out);
            }
        }
        Ok(())
    }

    /// Whether the type of the value lets it be of this length.
    fn check(&self, plan: &Plan, id: &str, length: u64) -> Result {
        let Some(reference) = self.references.iter().find(|reference| reference.id == id) else {
            return Ok(());
        };
        plan.check_part(reference, length).map_err(|fault| {
            Box::new(Fault::new(FaultKind::Invalid, format!("the part {id:?} {fault}")))
        })
    }

    fn end_part(&mut self, id: String, plan: &Plan, out: &mut Vec<u8>) -> Result {
        self.references.retain(|reference| reference.id != id);
        if matches!(self.wanted, Wanted::Inline(_)) {
            base64_append(&mut self.base64, &[], true, out);
            out.extend_from_slice(self.quote());
            self.waits = None;
            return self.settle(plan, out);
        }
        Ok(())
    }

    /// Takes JSON of the root.
    pub(super) fn write(&mut self, json: &[u8], plan: &Plan, out: &mut Vec<u8>) -> Result {
        if json.is_empty() {
            return Ok(());
        }
        if let Wanted::Beside(writer) = &mut self.wanted {
            if !std::mem::replace(&mut self.begun, true) {
                let head = PartHead {
                    id: Some(ROOT_ID.to_owned()),
                    media: Some("application/json".to_owned()),
                    ..PartHead::default()
                };
                writer.part(&head, out);
            }
            out.extend_from_slice(json);
            return Ok(());
        }
        bounded(self.json.len() + json.len())?;
        self.json.extend_from_slice(json);
        self.settle(plan, out)
    }

    /// The root is over; it refers to these.
    pub(super) fn root_ended(
        &mut self,
        references: Vec<Reference>,
        plan: &Plan,
        out: &mut Vec<u8>,
    ) -> Result {
        self.references = references;
        self.known = true;
        let mut early = Vec::new();
        for (head, bytes) in std::mem::take(&mut self.early) {
            if let Some(id) = self.whose(&head)? {
                early.push((PartHead { id: Some(id), ..head }, bytes));
            }
        }
        if let Wanted::Beside(writer) = &mut self.wanted {
            let mut ids = Vec::new();
            for (head, bytes) in &early {
                writer.part(head, out);
                out.extend_from_slice(bytes);
                ids.push((head.id.clone().unwrap_or_default(), bytes.len() as u64));
            }
            for (id, length) in ids {
                self.check(plan, &id, length)?;
                self.references.retain(|reference| reference.id != id);
            }
            return Ok(());
        }
        self.early = early;
        self.settle(plan, out)
    }

    /// Passes on JSON up to the next reference whose part is not there yet.
    fn settle(&mut self, plan: &Plan, out: &mut Vec<u8>) -> Result {
        loop {
            if self.waits.is_none() && !self.advance(out) {
                return Ok(());
            }
            let Some(waits) = &self.waits else { return Ok(()) };
            let is_it = |(head, _): &(PartHead, Vec<u8>)| {
                head.id.as_ref().is_some_and(|id| escaped(id) == *waits)
            };
            if !self.known {
                return Ok(());
            }
            let Some(found) = self.early.iter().position(is_it) else { return Ok(()) };
            let (head, bytes) = self.early.remove(found);
            self.total += bytes.len() as u64;
            if let Wanted::Inline(most) = self.wanted {
                inline(self.total, most)?;
            }
            let id = head.id.unwrap_or_default();
            self.check(plan, &id, bytes.len() as u64)?;
            self.references.retain(|reference| reference.id != id);
            out.extend_from_slice(self.quote());
            base64_append(&mut self.base64, &bytes, true, out);
            out.extend_from_slice(self.quote());
            self.waits = None;
        }
    }

    /// What stands around base64.
    const fn quote(&self) -> &'static [u8] {
        match self.form {
            Form::Json => b"\"",
            Form::Xml => b"",
        }
    }

    /// Passes on JSON up to the next reference. False where there is none yet.
    fn advance(&mut self, out: &mut Vec<u8>) -> bool {
        let mark = match self.form {
            Form::Json => MARK,
            Form::Xml => XML_MARK,
        };
        let found = memchr::memmem::find(&self.json, mark);
        let whole = found.and_then(|at| {
            let id = at + mark.len();
            let rest = self.json.get(id..)?;
            let length = string_end(rest)?;
            // The quote, and the bracket behind it.
            (rest.len() > length + 1).then_some((at, id..id + length))
        });
        let Some((at, id)) = whole else {
            let tail = if self.known { 0 } else { mark.len() - 1 };
            let safe = found.unwrap_or_else(|| self.json.len().saturating_sub(tail));
            out.extend(self.json.drain(..safe));
            return false;
        };
        out.extend_from_slice(self.json.get(..at).unwrap_or_default());
        self.waits = self.json.get(id.clone()).map(<[u8]>::to_vec);
        self.json.drain(..id.end + 2);
        true
    }

    /// All was read: nothing may wait any more.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result {
        let missing = self.references.first().map(|reference| reference.id.clone());
        let early = |id: &String| self.early.iter().any(|(head, _)| head.id.as_ref() == Some(id));
        if self.form == Form::Xml && missing.as_ref().is_some_and(early) {
            // It is named by an attribute or a text (swaRef), which cannot be its bytes.
            let why = "the answer names bytes beside it that have no place in XML of its own";
            let fault = Fault::new(FaultKind::Message, why).rule(INLINE_RULE);
            return Err(Box::new(fault.cure("ask for application/json")));
        }
        if let Some(id) = missing.or_else(|| self.names.first().cloned()) {
            return Err(wrong(format!("the answer refers to the part {id:?}, which it has not")));
        }
        match &mut self.wanted {
            Wanted::Beside(writer) if self.begun => writer.end(out),
            _ => out.append(&mut self.json),
        }
        Ok(())
    }
}

/// Where bytes belong in XML of its own.
pub(super) fn mark_xml(id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(XML_MARK);
    escape(id, out);
    out.extend_from_slice(b"\">");
}

/// How an identifier stands in JSON.
fn escaped(id: &str) -> Vec<u8> {
    let mut out = Vec::new();
    escape(id, &mut out);
    out
}

/// Where a string of JSON ends, its first quote left out.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn bounded(held: usize) -> Result {
    if held <= HELD_BYTES {
        return Ok(());
    }
    let why = format!(
        "the parts of the answer are in an order that needs more than {HELD_BYTES} bytes to be held"
    );
    let cure = "the service has to send its envelope first, and its parts in the order in which that refers to them";
    Err(Box::new(Fault::new(FaultKind::Limit, why).cure(cure)))
}

fn inline(total: u64, most: u64) -> Result {
    if total <= most {
        return Ok(());
    }
    let why = format!("the answer has more than {most} bytes beside it, too many to stand in JSON");
    let cure = "ask for them with Accept: multipart/related; type=\"application/json\"";
    Err(Box::new(Fault::new(FaultKind::Limit, why).rule(INLINE_RULE).cure(cure)))
}

fn wrong(message: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(FaultKind::Message, message))
}
