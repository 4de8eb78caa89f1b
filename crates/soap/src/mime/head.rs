//! The head of a part: its fields, read strictly enough that nobody behind us reads another part.

use super::{Limits, transfer::Encoding};
use crate::{Fault, FaultKind};

type Result<T> = std::result::Result<T, Box<Fault>>;

/// What a part says about itself. To what is done with it, the name of a file means nothing (it is the sender's affair), but for one
/// thing: it may tell that what came by mail as nothing in particular is XML.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartHead {
    /// `Content-ID`, without angle brackets.
    pub id: Option<String>,
    /// `Content-Location`.
    pub location: Option<String>,
    /// `Content-Type`, as it is written.
    pub media: Option<String>,
    /// `Content-Transfer-Encoding`.
    pub encoding: Encoding,
    /// `SOAPAction`, as it is written: only parts of mail have one.
    pub action: Option<String>,
    /// `Content-Disposition`, as it is written; the first.
    pub disposition: Option<String>,
}

impl PartHead {
    /// Reads the lines between a boundary and the empty line, which is left out.
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| wrong("the head of a part is not text"))?;
        let mut head = Self::default();
        let mut lines = text.split("\r\n").filter(|line| !line.is_empty()).peekable();
        let mut count = 0;
        while let Some(line) = lines.next() {
            count += 1;
            if count > limits.fields {
                let message = format!("a part has more than {} fields", limits.fields);
                return Err(Box::new(Fault::new(FaultKind::Limit, message)));
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| wrong("a line in the head of a part is no field"))?;
            // A line that begins with white space goes on with the one before (RFC 5322, section 2.2.3).
            let mut whole = value.to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
                whole.push_str(more);
            }
            head.field(name, whole.trim_matches([' ', '\t']))?;
        }
        Ok(head)
    }

    /// The head of a message that begins with one, and what follows the empty line; `None` without such a line.
    ///
    /// # Errors
    /// When it is no head.
    pub fn split(bytes: &[u8]) -> Result<Option<(Self, &[u8])>> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let (head, body) = bytes.split_at(end + 4);
        Self::read(head, &Limits::default()).map(|head| Some((head, body)))
    }

    fn field(&mut self, name: &str, value: &str) -> Result<()> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong(format!("{name:?} is no name of a field of a part")));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(wrong(format!("the field {name} of a part holds a control character")));
        }
        let place = match name.to_ascii_lowercase().as_str() {
            "content-id" => &mut self.id,
            "content-location" => &mut self.location,
            "content-type" => &mut self.media,
            "soapaction" => &mut self.action,
            "content-disposition" => {
                self.disposition.get_or_insert_with(|| value.to_owned());
                return Ok(());
            }
            "content-transfer-encoding" => {
                if self.encoding != Encoding::default() {
                    return Err(twice(name));
                }
                self.encoding = Encoding::read(value).ok_or_else(|| {
                    wrong(format!("a part is encoded by {value:?}, which is not read"))
                })?;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let value = if name.eq_ignore_ascii_case("content-id") { bare_id(value) } else { value };
        match place.replace(value.to_owned()) {
            Some(_) => Err(twice(name)),
            None => Ok(()),
        }
    }
}

/// An identifier without its angle brackets.
pub(super) fn bare_id(text: &str) -> &str {
    let text = text.trim_matches([' ', '\t']);
    text.strip_prefix('<').and_then(|inside| inside.strip_suffix('>')).unwrap_or(text)
}

fn twice(name: &str) -> Box<Fault> {
    wrong(format!("the field {name} stands twice in the head of a part"))
}

pub(super) fn wrong(message: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(FaultKind::Message, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PartHead> {
        PartHead::read(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn fields_are_read_whatever_their_case_and_folding() {
        let head = read(
            "content-type: application/xop+xml;\r\n\tcharset=utf-8\r\nCONTENT-ID:<a@b> \r\n\
             Content-Transfer-Encoding: Binary\r\nContent-Disposition: attachment; filename=\"/etc/passwd\"",
        )
        .unwrap();
        assert_eq!(head.media.as_deref(), Some("application/xop+xml;\tcharset=utf-8"));
        assert_eq!(head.id.as_deref(), Some("a@b"));
        assert_eq!(head.encoding, Encoding::Identity);
        assert_eq!(read("").unwrap(), PartHead::default());
        assert_eq!(read("Content-ID: plain").unwrap().id.as_deref(), Some("plain"));
    }

    #[test]
    fn t01_a_head_with_two_readings_is_refused() {
        for text in [
            "Content-ID: a\r\nContent-Id: a",
            "Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: binary",
            "Content-Transfer-Encoding: uuencode",
            "no field",
            " : x",
            "Content-ID : a",
            "Content-ID: a\nb",
            "Content-Type: a\0b",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(PartHead::read(b"Content-ID: \xff", &Limits::default()).is_err());
        let many = "X: y\r\n".repeat(33);
        assert_eq!(read(&many).unwrap_err().kind, FaultKind::Limit);
    }
}
