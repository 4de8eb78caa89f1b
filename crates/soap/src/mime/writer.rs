//! Writes a message in parts: the lines before, between and behind them. What is in a part, the caller appends.

use super::PartHead;

/// What stands between the parts of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(String);

impl Boundary {
    /// From 128 random bits, which nobody who chose the content of a part can have known.
    #[must_use]
    pub fn new(random: u128) -> Self {
        // `=_` is in no encoded part: neither base64 nor quoted-printable has it (RFC 2045, section 6.7).
        Self(format!("=_{random:032x}"))
    }

    /// The boundary itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Writes one message.
#[derive(Debug, Clone)]
pub struct Writer {
    boundary: Boundary,
    begun: bool,
}

impl Writer {
    /// With this between the parts.
    #[must_use]
    pub const fn new(boundary: Boundary) -> Self {
        Self { boundary, begun: false }
    }

    /// The `Content-Type` of the message, whose root part has this identifier and this media type (RFC 2387, section 3).
    /// `more`: parameters besides, such as `start-info`, in order.
    #[must_use]
    pub fn content_type(&self, root_type: &str, root_id: &str, more: &[(&str, &str)]) -> String {
        let mut out = String::from("multipart/related");
        let root = format!("<{root_id}>");
        let own = [("type", root_type), ("boundary", self.boundary.text()), ("start", &root)];
        for (name, value) in own.iter().chain(more) {
            out.push_str("; ");
            out.push_str(name);
            out.push('=');
            quote(value, &mut out);
        }
        out
    }

    /// Begins a part. Its bytes are to be written as they are.
    pub fn part(&mut self, head: &PartHead, out: &mut Vec<u8>) {
        self.encoded("binary", head, out);
    }

    /// Begins a part whose bytes are to be written in this encoding.
    pub fn encoded(&mut self, encoding: &str, head: &PartHead, out: &mut Vec<u8>) {
        let before = if std::mem::replace(&mut self.begun, true) { "\r\n--" } else { "--" };
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(self.boundary.text().as_bytes());
        let mut field = |name: &str, value: &str| {
            let line = format!("\r\n{name}: {value}");
            // What came from outside is one line, whatever it holds.
            out.extend(
                line.bytes()
                    .enumerate()
                    .filter(|(at, b)| *at < 2 || !b.is_ascii_control())
                    .map(|(_, b)| b),
            );
        };
        if let Some(media) = &head.media {
            field("Content-Type", media);
        }
        field("Content-Transfer-Encoding", encoding);
        if let Some(id) = &head.id {
            field("Content-ID", &format!("<{id}>"));
        }
        if let Some(location) = &head.location {
            field("Content-Location", location);
        }
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// Ends the message.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("\r\n--{}--\r\n", self.boundary.text()).as_bytes());
    }
}

/// A quoted string (RFC 2045, section 5.1; RFC 9110, section 5.6.4).
fn quote(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        envelope::ContentType,
        mime::{Event, Limits, Reader, Related},
    };

    #[test]
    fn what_is_written_is_read_again() {
        let mut writer = Writer::new(Boundary::new(7));
        let info = [("start-info", "application/soap+xml; action=\"urn:a\"")];
        let media = writer.content_type("application/xop+xml", "root@x", &info);
        let contents: [(&str, &[u8]); 3] =
            [("root@x", b"<a/>"), ("b", b"\r\n--=_\r\n--"), ("c\r\nX: y", b"")];
        let mut out = Vec::new();
        for (id, bytes) in contents {
            let head = PartHead { id: Some(id.to_owned()), ..PartHead::default() };
            writer.part(&head, &mut out);
            out.extend_from_slice(bytes);
        }
        writer.end(&mut out);

        let related = Related::read(&ContentType::read(&media).unwrap()).unwrap().unwrap();
        assert_eq!(related.start.as_deref(), Some("root@x"));
        assert_eq!(related.start_info.as_deref(), Some(info[0].1));
        let mut reader = Reader::new(&related, Limits::default());
        reader.feed(&out);
        reader.finish();
        let (mut ids, mut read) = (Vec::new(), Vec::new());
        loop {
            match reader.pull().unwrap() {
                Event::Part => {
                    ids.push(reader.part().id.clone().unwrap());
                    read.push(Vec::new());
                }
                Event::Data => read.last_mut().unwrap().extend_from_slice(reader.data()),
                Event::Eof => break,
                Event::End | Event::NeedMore => {}
            }
        }
        assert_eq!(ids, ["root@x", "b", "cX: y"]);
        assert_eq!(read, contents.map(|(_, bytes)| bytes.to_vec()));
    }
}
