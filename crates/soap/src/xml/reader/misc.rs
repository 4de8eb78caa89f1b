//! Comments, processing instructions, the XML declaration, and stepping over a document type.

use super::{
    Event,
    core::{Core, Phase},
    text::normalise_lines,
};
use crate::{
    FaultKind, Limits,
    xml::{
        chars::{is_name_char, is_ncname, is_whitespace},
        trouble::{Result, Trouble},
    },
};

const SPACES: [char; 4] = [' ', '\t', '\n', '\r'];

impl Core<'_> {
    /// Reads a comment (production 15): no `--` in it.
    pub(super) fn comment(&mut self, text: &str) -> Result<Event> {
        let start = self.at + 4;
        let rest = text.as_bytes().get(start..).unwrap_or_default();
        let Some(length) = memchr::memmem::find(rest, b"--") else {
            return Trouble::syntax(self.at, "a comment has no end");
        };
        if rest.get(length + 2) != Some(&b'>') {
            return Trouble::syntax(start + length, "-- in a comment");
        }
        let end = start + length;
        self.hold(text, start, end, end + 3)?;
        Ok(Event::Comment)
    }

    /// Reads a processing instruction (production 16), or the XML declaration, which stands first.
    pub(super) fn instruction(&mut self, text: &str) -> Result<Event> {
        let start = self.at + 2;
        let rest = text.get(start..).unwrap_or_default();
        let Some(length) = memchr::memmem::find(rest.as_bytes(), b"?>") else {
            return Trouble::syntax(self.at, "a processing instruction has no end");
        };
        let inside = rest.get(..length).unwrap_or_default();
        let end = inside.find(|c| !is_name_char(c) && c != ':').unwrap_or(inside.len());
        let (target, data) = inside.split_at(end);
        if !crate::xml::is_name(target) {
            return Trouble::syntax(start, "a processing instruction has a name");
        }
        if !data.is_empty() && !data.starts_with(SPACES) {
            return Trouble::syntax(start + end, "white space has to stand after the name");
        }
        if target == "xml" && self.phase == Phase::Begin {
            self.declaration(data, start + end)?;
            self.at = start + length + 2;
            self.phase = Phase::Prolog;
            return Ok(Event::Text);
        }
        if target.eq_ignore_ascii_case("xml") {
            return Trouble::syntax(self.at, "an XML declaration stands first, in small letters");
        }
        if !is_ncname(target) {
            return Trouble::namespace(start, "a colon in the name of an instruction");
        }
        if target.len() > self.limits.name_bytes as usize {
            return Trouble::limit(start, "bytes of a name", self.limits.name_bytes);
        }
        self.target = start..start + target.len();
        let data_start = start + end + (data.len() - data.trim_start_matches(SPACES).len());
        self.hold(text, data_start, start + length, start + length + 2)?;
        Ok(Event::Instruction)
    }

    /// Takes the text from `start` to `end` as the event's; the event ends at `after`.
    fn hold(&mut self, text: &str, start: usize, end: usize, after: usize) -> Result<()> {
        if after - self.at > self.limits.markup_bytes as usize {
            let limit = self.limits.markup_bytes;
            return Trouble::limit(self.at, "bytes of a comment or instruction", limit);
        }
        self.count_nodes(1)?;
        self.text = start..end;
        self.text_in_scratch = false;
        let data = text.get(start..end).unwrap_or_default();
        if data.contains('\r') {
            self.scratch.clear();
            normalise_lines(data, &mut self.scratch);
            self.text = 0..self.scratch.len();
            self.text_in_scratch = true;
        }
        self.span = self.at..after;
        self.at = after;
        Ok(())
    }

    /// Reads what stands in an XML declaration after its name (productions 23 to 32).
    fn declaration(&self, data: &str, at: usize) -> Result<()> {
        let mut rest = data;
        let Some(version) = pseudo_attribute(&mut rest, "version", at)? else {
            return Trouble::syntax(at, "the XML declaration has no version");
        };
        let minor = version.strip_prefix("1.").unwrap_or_default();
        if minor.is_empty() || !minor.bytes().all(|byte| byte.is_ascii_digit()) {
            return Trouble::syntax(at, format!("{version:?} is no version of XML that we read"));
        }
        if let Some(label) = pseudo_attribute(&mut rest, "encoding", at)? {
            self.check_encoding(label, at)?;
        }
        if let Some(standalone) = pseudo_attribute(&mut rest, "standalone", at)?
            && !matches!(standalone, "yes" | "no")
        {
            return Trouble::syntax(at, "standalone is yes or no");
        }
        if rest.trim_start_matches(SPACES).is_empty() {
            return Ok(());
        }
        Trouble::syntax(
            at,
            "an XML declaration has version, encoding and standalone, in this order",
        )
    }

    fn check_encoding(&self, label: &str, at: usize) -> Result<()> {
        let mut bytes = label.bytes();
        let named = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !named {
            return Trouble::syntax(at, format!("{label:?} is no name of an encoding"));
        }
        if self.encoding.agrees_with(label) {
            return Ok(());
        }
        let used = self.encoding.name();
        let message = format!("the document declares the encoding {label}, and is read as {used}");
        Err(Trouble::new(FaultKind::Encoding, at, message))
    }
}

/// ` name = "value"` at the beginning of `rest`, which goes past it; none when another name stands there.
fn pseudo_attribute<'t>(rest: &mut &'t str, name: &str, at: usize) -> Result<Option<&'t str>> {
    let trimmed = rest.trim_start_matches(SPACES);
    let Some(after) = trimmed.strip_prefix(name) else { return Ok(None) };
    if trimmed.len() == rest.len() {
        return Trouble::syntax(at, format!("white space has to stand before {name}"));
    }
    let value = after.trim_start_matches(SPACES).strip_prefix('=');
    let value = value.map(|value| value.trim_start_matches(SPACES));
    let quoted = value.and_then(|value| {
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        value.get(1..)?.split_once(quote)
    });
    let Some((value, after)) = quoted else {
        return Trouble::syntax(at, format!("{name} has no value in quotes"));
    };
    *rest = after;
    Ok(Some(value))
}

/// What follows the document type declaration at `at` (production 28). It is not read, only its end is found.
pub(super) fn after_doctype(text: &str, at: usize, limits: &Limits) -> Result<usize> {
    let start = at;
    let all = text.as_bytes();
    let bytes = all.get(..all.len().min(start + limits.markup_bytes as usize)).unwrap_or_default();
    let trouble = || Trouble::syntax(start, "the DOCTYPE has no end");
    let past = |from: usize, end: &[u8]| {
        let rest = bytes.get(from..)?;
        memchr::memmem::find(rest, end).map(|length| from + length + end.len())
    };
    if !bytes.get(at + 9).is_some_and(|&byte| is_whitespace(byte)) {
        return Trouble::syntax(at, "a DOCTYPE has a name");
    }
    let (mut at, mut subset, mut inside) = (at + 9, false, 0_u32);
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let next = match byte {
            b'"' | b'\'' => past(at + 1, &[byte]),
            b'<' if rest.starts_with(b"<!--") => past(at + 4, b"-->"),
            b'<' if rest.starts_with(b"<?") => past(at + 2, b"?>"),
            b'<' => {
                inside += 1;
                Some(at + 1)
            }
            b'>' if inside > 0 => {
                inside -= 1;
                Some(at + 1)
            }
            b'>' if !subset => return Ok(at + 1),
            b'[' | b']' if inside == 0 => {
                subset = byte == b'[';
                Some(at + 1)
            }
            _ => Some(at + 1),
        };
        match next {
            Some(next) => at = next,
            None => return trouble(),
        }
    }
    trouble()
}
