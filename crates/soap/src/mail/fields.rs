//! The head of a letter: its fields (RFC 5322, section 2.2), read once.

use super::{Result, wrong};
use crate::{Fault, FaultKind};

/// Bytes of a head; servers on the way add to it.
const HEAD_BYTES: usize = 64 << 10;
/// Fields of a head.
const FIELDS: usize = 300;

/// The fields, in order: names in small letters, values unfolded.
pub(super) struct Fields {
    list: Vec<(String, Vec<u8>)>,
    /// Where the body begins.
    pub(super) body: usize,
}

impl Fields {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let (head, body) = match bytes.starts_with(b"\r\n") {
            true => (&[][..], 2),
            false => match memchr::memmem::find(bytes, b"\r\n\r\n") {
                Some(end) => (bytes.get(..end).unwrap_or_default(), end + 4),
                None => (bytes, bytes.len()),
            },
        };
        let limit = |what: &str, most: usize| {
            let message = format!("the head of the letter has more than {most} {what}");
            Err(Box::new(Fault::new(FaultKind::Limit, message)))
        };
        if head.len() > HEAD_BYTES {
            return limit("bytes", HEAD_BYTES);
        }
        let mut list: Vec<(String, Vec<u8>)> = Vec::new();
        let lines = head.split(|byte| *byte == b'\n');
        for line in lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
            if line.is_empty() {
                continue;
            }
            if matches!(line, [b' ' | b'\t', ..]) {
                let Some((_, value)) = list.last_mut() else {
                    return Err(wrong("the head of the letter begins with white space"));
                };
                value.extend_from_slice(line);
                continue;
            }
            let colon = memchr::memchr(b':', line);
            let (name, value) =
                colon
                    .and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?)))
                    .ok_or_else(|| wrong("a line in the head of the letter is no field"))?;
            let name = std::str::from_utf8(name).unwrap_or_default().to_ascii_lowercase();
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(wrong("a field of the letter has no name"));
            }
            if list.len() == FIELDS {
                return limit("fields", FIELDS);
            }
            list.push((name, value.to_vec()));
        }
        Ok(Self { list, body })
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.list.iter().filter(|(known, _)| known == name).count()
    }

    /// A field that may stand once.
    fn one(&self, name: &str) -> Result<Option<&[u8]>> {
        let mut all = self.list.iter().filter(|(known, _)| known == name);
        let first = all.next();
        if all.next().is_some() {
            return Err(wrong(format!("the field {name} stands twice in the letter")));
        }
        Ok(first.map(|(_, value)| value.trim_ascii()))
    }

    /// Its text, for people; what is no text is marked.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        let value = self.one(name)?;
        Ok(value.map(|value| {
            let text = String::from_utf8_lossy(value);
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
        }))
    }

    /// The value of a field that decides something: visible ASCII and white space.
    pub(super) fn ascii(&self, name: &str) -> Result<Option<String>> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        let fine = value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        match String::from_utf8(value.to_vec()) {
            Ok(text) if fine => Ok(Some(text)),
            _ => Err(wrong(format!("the field {name} of the letter is not ASCII"))),
        }
    }
}
