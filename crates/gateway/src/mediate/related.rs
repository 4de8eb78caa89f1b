//! The root part of a `multipart/related` message (RFC 2387), where a SOAP message with attachments
//! has its envelope (SOAP Messages with Attachments §3, XOP §4.1). It need not be the first.

use pasarela_soap::{
    Fault, FaultKind,
    mime::{Event, Limits, Reader, Related},
};

/// Finds the root part.
#[derive(Debug)]
pub(super) struct Root {
    reader: Reader,
    /// Its identifier; without one it is the first part.
    start: Option<String>,
    /// That of the root part, once it came.
    id: Option<String>,
    at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Before,
    Inside,
    Behind,
}

impl Root {
    /// Of a message whose `Content-Type` said this.
    pub(super) fn new(related: &Related) -> Self {
        // Of what follows the root only the heads are looked at, so that the bound on the body is the one that counts.
        let limits = Limits { bytes: u64::MAX, parts: u32::MAX, ..Limits::default() };
        let reader = Reader::new(related, limits);
        Self { reader, start: related.start.clone(), id: None, at: At::Before }
    }

    /// Takes the next bytes and appends those of the root part to `out`, decoded.
    ///
    /// # Errors
    /// Why it cannot be found, or that there is a second one: which of the two is the message would be the service's choice (T49).
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Box<Fault>> {
        self.reader.feed(bytes);
        self.run(out)
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// When the root part is not there, or not as a whole.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Box<Fault>> {
        self.reader.finish();
        self.run(out)
    }

    /// Whether all of it was there.
    pub(super) fn is_behind(&self) -> bool {
        self.at == At::Behind
    }

    fn run(&mut self, out: &mut Vec<u8>) -> Result<(), Box<Fault>> {
        loop {
            match self.reader.pull()? {
                Event::Part if self.at == At::Behind => {
                    let id = self.reader.part().id.as_ref();
                    if id.is_some() && (id == self.id.as_ref() || id == self.start.as_ref()) {
                        let why = "two parts of the message have the identifier of its root";
                        return Err(Box::new(Fault::new(FaultKind::Message, why)));
                    }
                }
                Event::Part if self.is_root() => {
                    self.id.clone_from(&self.reader.part().id);
                    self.at = At::Inside;
                }
                Event::Data if self.at == At::Inside => out.extend_from_slice(self.reader.data()),
                Event::End if self.at == At::Inside => self.at = At::Behind,
                Event::NeedMore | Event::Eof => return Ok(()),
                Event::Part | Event::Data | Event::End => {}
            }
        }
    }

    fn is_root(&self) -> bool {
        match &self.start {
            Some(start) => self.reader.part().id.as_ref() == Some(start),
            None => self.reader.parts() == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use pasarela_soap::envelope::ContentType;

    use super::*;

    const ROOT: &str =
        "--b\r\nContent-Type: application/xop+xml\r\nContent-ID: <root@x>\r\n\r\n<x/>\r\n-- ";
    const OTHER: &str = "--b\r\nContent-ID: <other@x>\r\n\r\n\u{0}";

    /// What is found, cut anywhere; nothing when the message is refused or has no root.
    fn found(start: Option<&str>, text: &str) -> Option<String> {
        let media = "multipart/related; boundary=b";
        let media = start.map_or(media.to_owned(), |start| format!("{media}; start=\"{start}\""));
        let related = Related::read(&ContentType::read(&media).unwrap()).unwrap().unwrap();
        let read = |size: usize| {
            let (mut root, mut out) = (Root::new(&related), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                root.take(piece, &mut out).ok()?;
            }
            root.end(&mut out).ok()?;
            root.is_behind().then(|| String::from_utf8(out).unwrap())
        };
        let whole = read(text.len().max(1));
        assert_eq!(read(1), whole, "{text:?}");
        whole
    }

    #[test]
    fn the_root_is_the_first_part_or_the_one_that_start_names() {
        let first = format!("{ROOT}\r\n{OTHER}\r\n--b--");
        let second = format!("{OTHER}\r\n{ROOT}\r\n--b--");
        for (start, text) in [
            (None, &first),
            (Some("<root@x>"), &first),
            (Some("root@x"), &first),
            (Some("<root@x>"), &second),
        ] {
            assert_eq!(found(start, text).as_deref(), Some("<x/>\r\n-- "), "{start:?}");
        }
    }

    #[test]
    fn t49_a_second_root_is_none() {
        let twice = format!("{ROOT}\r\n{OTHER}\r\n{ROOT}\r\n--b--");
        assert_eq!(found(None, &twice), None);
        assert_eq!(found(Some("<root@x>"), &twice), None);
        // Others may be whatever they are.
        let others = format!("{ROOT}\r\n{OTHER}\r\n{OTHER}\r\n--b--");
        assert!(found(None, &others).is_some());
    }

    #[test]
    fn the_root_may_be_encoded() {
        let text = "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nPHgv\r\nPg==\r\n--b--";
        assert_eq!(found(None, text).as_deref(), Some("<x/>"));
    }

    #[test]
    fn t49_a_root_that_is_not_there_is_not_guessed() {
        let text = format!("{ROOT}\r\n{OTHER}\r\n--b--");
        assert_eq!(found(Some("<third@x>"), &text), None);
        assert_eq!(found(None, "--c\r\n\r\n<x/>\r\n--c--"), None);
        assert_eq!(found(None, ROOT), None);
    }
}
