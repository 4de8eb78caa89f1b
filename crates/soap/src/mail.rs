//! A SOAP message that came by mail: what the letter says about itself, and the envelope in it.
//!
//! Letters come from many programs, and what they do differs more than over HTTP (Axis2's mail transport, SOAP::Lite's `MAILTO`, the
//! W3C's note, a person with an attachment). All of that is taken. What has two readings is not: a field that may stand once and
//! stands twice, two actions, a body that is encoded by something else. The message that is given on is written afresh.

mod address;
mod answer;
mod fields;

pub use address::mailbox;
pub use answer::enclose;
use fields::Fields;

use crate::{
    Fault, FaultKind,
    envelope::{ContentType, action::soap_action},
    mime::{self, Boundary, Encoding, PartHead, Related, Whole, Writer, decode},
    name::SOAP12,
};

type Result<T> = std::result::Result<T, Box<Fault>>;

/// What a letter says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Letter {
    /// `From`, as it is written.
    pub from: Option<String>,
    /// `To`, as it is written.
    pub to: Option<String>,
    /// `Reply-To`, as it is written.
    pub reply_to: Option<String>,
    /// `Subject`, as it is written.
    pub subject: Option<String>,
    /// `Date`, as it is written.
    pub date: Option<String>,
    /// `Message-ID` with its brackets.
    pub message_id: Option<String>,
    /// `X-Message-ID` with its brackets: what the sender's program calls the message, where a relay has put another name.
    pub own_id: Option<String>,
    /// `Auto-Submitted` (RFC 3834), in small letters and without parameters.
    pub auto_submitted: Option<String>,
    /// It came by a list or in bulk.
    pub is_bulk: bool,
    /// How many servers have handed it on.
    pub hops: usize,
    media: Option<String>,
    encoding: Encoding,
    action: Option<String>,
    /// Where the body begins.
    body: usize,
}

/// A message as it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `Content-Type`.
    pub media: String,
    /// `SOAPAction`, without quotes; `None` where nothing was said, or the media type says it.
    pub action: Option<String>,
    /// The envelope, or the parts one of which it is.
    pub body: Vec<u8>,
}

impl Letter {
    /// Reads the head of a letter.
    ///
    /// # Errors
    /// When it has none, or one with two readings.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let fields = Fields::read(bytes)?;
        let encoding = match fields.ascii("content-transfer-encoding")? {
            None => Encoding::default(),
            Some(value) => Encoding::read(&value)
                .ok_or_else(|| wrong(format!("the letter is encoded by {value:?}")))?,
        };
        let id = |name| -> Result<Option<String>> {
            let value = fields.ascii(name)?;
            Ok(value.filter(|id| is_message_id(id)))
        };
        let auto = fields.ascii("auto-submitted")?.map(|value| {
            let word = value.split(';').next().unwrap_or_default();
            word.trim().to_ascii_lowercase()
        });
        let precedence = fields.ascii("precedence")?.unwrap_or_default().to_ascii_lowercase();
        Ok(Self {
            from: fields.text("from")?,
            to: fields.text("to")?,
            reply_to: fields.text("reply-to")?,
            subject: fields.text("subject")?,
            date: fields.text("date")?,
            message_id: id("message-id")?,
            own_id: id("x-message-id")?,
            auto_submitted: auto,
            is_bulk: matches!(precedence.as_str(), "bulk" | "list" | "junk")
                || fields.count("list-id") > 0,
            hops: fields.count("received"),
            media: fields.ascii("content-type")?,
            encoding,
            action: fields.ascii("soapaction")?,
            body: fields.body,
        })
    }

    /// What answers refer to (as Axis2 does it): the sender's own name for the message, before the one that a relay may have given it.
    #[must_use]
    pub fn answered_id(&self) -> Option<&str> {
        self.own_id.as_deref().or(self.message_id.as_deref())
    }

    /// What the letter holds behind its head.
    #[must_use]
    pub fn body<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(self.body..).unwrap_or_default()
    }

    /// The message in it. `chance`: 128 random bits, for what stands between parts.
    ///
    /// # Errors
    /// When there is none, or it could be another one.
    pub fn message(&self, bytes: &[u8], chance: u128) -> Result<Message> {
        let found = self.find(bytes)?;
        let action = self.action_of(&found)?;
        found.message(action, chance)
    }

    /// Where the envelope is: all of the body, unless that is `multipart/mixed`; then the first part of a type that is a message's,
    /// else a file that is called XML, else the first text.
    fn find(&self, bytes: &[u8]) -> Result<Found> {
        let body = self.body(bytes);
        let media = read_media(self.media.as_deref())?;
        let Some(mixed) = Related::mixed(&media).map_err(wrong)? else {
            let body = match media.media_type.starts_with("multipart/") {
                true => self.whole(body)?,
                false => decode(self.encoding, body)?,
            };
            return Ok(Found { media, action: None, body });
        };
        let whole = Whole::read(&mixed, mime::Limits::default(), &self.whole(body)?)?;
        let mut best: Option<(u8, Found)> = None;
        for (head, body) in std::iter::once((whole.head, whole.root)).chain(whole.parts) {
            let media = read_media(head.media.as_deref())?;
            let Some(rank) = rank(&media, &head) else { continue };
            if best.as_ref().is_none_or(|(other, _)| rank < *other) {
                best = Some((rank, Found { media, action: head.action, body }));
            }
        }
        best.map(|(_, found)| found).ok_or_else(|| wrong("no part of the letter is a message"))
    }

    /// Parts are encoded one by one, never all together (RFC 2045, section 6.4).
    fn whole(&self, body: &[u8]) -> Result<Vec<u8>> {
        match self.encoding {
            Encoding::Unsaid | Encoding::Identity => Ok(body.to_vec()),
            _ => Err(wrong("a letter in parts is encoded as a whole")),
        }
    }

    /// The field, of the letter or of the part; else the subject.
    fn action_of(&self, found: &Found) -> Result<Option<String>> {
        let said = |field| Option::map(field, soap_action).transpose();
        let (ours, theirs) = (
            said(self.action.as_deref()).map_err(wrong)?,
            said(found.action.as_deref()).map_err(wrong)?,
        );
        if let (Some(one), Some(other)) = (ours, theirs)
            && one != other
        {
            return Err(wrong("the letter and the part in it have two SOAPActions"));
        }
        let named = ours.or(theirs).filter(|action| !action.is_empty());
        Ok(named.or_else(|| self.action_in_subject()).map(str::to_owned))
    }

    /// `SOAPAction: urn:a`, with or without the colon and quotes.
    fn action_in_subject(&self) -> Option<&str> {
        let subject = self.subject.as_deref()?.trim();
        let (word, rest) = subject.split_at_checked("SOAPAction".len())?;
        if !word.eq_ignore_ascii_case("SOAPAction") || !rest.starts_with([':', ' ']) {
            return None;
        }
        let action = soap_action(rest.trim_start_matches([':', ' '])).ok()?;
        let one_word = !action.is_empty() && action.bytes().all(|byte| byte.is_ascii_graphic());
        one_word.then_some(action)
    }
}

/// What was found in a letter.
struct Found {
    media: ContentType,
    action: Option<String>,
    body: Vec<u8>,
}

impl Found {
    fn message(self, action: Option<String>, chance: u128) -> Result<Message> {
        if let Some(related) = Related::read(&self.media).map_err(wrong)? {
            return rewritten(&related, &self.body, action, chance);
        }
        let soap12 = match self.media.media_type.as_str() {
            "application/soap+xml" => true,
            "text/xml" | "application/xml" => false,
            // Said by nobody: the envelope's own namespace tells.
            "text/plain" if self.media.parameter("format").is_some() => {
                return Err(wrong("the text was broken into lines for people (format=flowed)"));
            }
            "text/plain" | "application/octet-stream" => {
                memchr::memmem::find(&self.body, SOAP12.as_bytes()).is_some()
            }
            other => return Err(wrong(format!("{other} is no media type of a message"))),
        };
        let mut media = String::from(if soap12 { "application/soap+xml" } else { "text/xml" });
        if let Some(charset) = self.media.parameter("charset") {
            parameter("charset", charset, &mut media)?;
        }
        let own = self.media.parameter("action").filter(|_| soap12);
        match (own, &action) {
            (Some(own), Some(other)) if own != other => {
                return Err(wrong("the media type and SOAPAction name two actions"));
            }
            (Some(action), _) => parameter("action", action, &mut media)?,
            (None, Some(action)) if soap12 => parameter("action", action, &mut media)?,
            (None, _) => {}
        }
        let action = action.filter(|_| !soap12);
        Ok(Message { media, action, body: self.body })
    }
}

/// Parts, none of them encoded any more, between lines of our own.
fn rewritten(
    related: &Related,
    body: &[u8],
    action: Option<String>,
    chance: u128,
) -> Result<Message> {
    let Whole { mut head, root, parts } = Whole::read(related, mime::Limits::default(), body)?;
    let root_id = head.id.get_or_insert_with(|| "root@letter".to_owned()).clone();
    let root_media = read_media(head.media.as_deref())?.media_type;
    let root_type = related.root_type.as_deref().unwrap_or(&root_media);
    let mut writer = Writer::new(Boundary::new(chance));
    let info = related.start_info.as_deref().map(|info| ("start-info", info));
    let media = writer.content_type(root_type, &root_id, info.as_slice());
    let mut out = Vec::with_capacity(body.len());
    for (head, bytes) in std::iter::once((head, root)).chain(parts) {
        writer.part(&head, &mut out);
        out.extend_from_slice(&bytes);
    }
    writer.end(&mut out);
    Ok(Message { media, action, body: out })
}

/// How likely a part of `multipart/mixed` is the message; `None`: it is not.
fn rank(media: &ContentType, head: &PartHead) -> Option<u8> {
    match media.media_type.as_str() {
        "text/xml" | "application/soap+xml" | "application/xml" | "multipart/related" => Some(0),
        "application/octet-stream" if is_called_xml(media, head) => Some(1),
        "text/plain" => Some(2),
        _ => None,
    }
}

fn is_called_xml(media: &ContentType, head: &PartHead) -> bool {
    let is_xml = |name: &str| name.to_ascii_lowercase().ends_with(".xml");
    // The grammar of `Content-Disposition` is that of a media type but for the slash (RFC 2183).
    let disposition = head.disposition.as_deref().and_then(|value| value.split_once(';'));
    let named = disposition
        .and_then(|(_, rest)| ContentType::read(&format!("x/x;{rest}")).ok())
        .and_then(|read| read.parameter("filename").map(str::to_owned));
    named.is_some_and(|name| is_xml(&name)) || media.parameter("name").is_some_and(is_xml)
}

/// RFC 2045, section 5.2: without a word it is text.
fn read_media(value: Option<&str>) -> Result<ContentType> {
    ContentType::read(value.unwrap_or("text/plain")).map_err(wrong)
}

fn parameter(name: &str, value: &str, out: &mut String) -> Result<()> {
    if value.bytes().any(|byte| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\')) {
        return Err(wrong(format!("{name} has a character that it may not have")));
    }
    out.push_str(&format!("; {name}=\"{value}\""));
    Ok(())
}

/// `<visible characters>`, of a length that a line of ours can hold.
fn is_message_id(text: &str) -> bool {
    let inside = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    inside.is_some_and(|id| {
        (1..=500).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>')
    })
}

fn wrong(message: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(FaultKind::Message, message))
}

#[cfg(test)]
mod tests;
