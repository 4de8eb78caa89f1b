//! The first part of a `multipart/related` message (RFC 2387), where a SOAP message with attachments
//! has its envelope (SOAP Messages with Attachments §3, XOP §4.1).

/// Bytes that the head of a part may have, the preamble before it included.
const HEAD_BYTES: usize = 8 << 10;

/// Finds the first part.
#[derive(Debug)]
pub(super) struct Related {
    /// `--` and the boundary.
    delimiter: String,
    start: Option<String>,
    /// What came and was not given on: before the part its head, in it what may be a delimiter.
    held: Vec<u8>,
    at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Head,
    Part,
    Behind,
}

impl Related {
    /// For a body with this boundary, whose `start` parameter names the envelope's part.
    pub(super) fn new(boundary: &str, start: Option<&str>) -> Self {
        Self {
            delimiter: format!("--{boundary}"),
            start: start.map(str::to_owned),
            held: Vec::new(),
            at: At::Head,
        }
    }

    /// Takes the next bytes and appends those of the first part to `out`.
    ///
    /// # Errors
    /// Why the envelope cannot be found.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        if self.at == At::Behind {
            return Ok(());
        }
        self.held.extend_from_slice(bytes);
        if self.at == At::Head {
            let Some(end) = memchr::memmem::find(&self.held, b"\r\n\r\n") else {
                return match self.held.len() > HEAD_BYTES {
                    true => Err("the first part of the message has no end of its head"),
                    false => Ok(()),
                };
            };
            self.check(self.held.get(..end).unwrap_or_default())?;
            self.held.drain(..end + 4);
            self.at = At::Part;
        }
        let delimiter = [b"\r\n", self.delimiter.as_bytes()].concat();
        let (give, drop) = match memchr::memmem::find(&self.held, &delimiter) {
            Some(end) => {
                self.at = At::Behind;
                (end, self.held.len())
            }
            None => {
                let safe = self.held.len().saturating_sub(delimiter.len());
                (safe, safe)
            }
        };
        out.extend_from_slice(self.held.get(..give).unwrap_or_default());
        self.held.drain(..drop);
        Ok(())
    }

    fn check(&self, head: &[u8]) -> Result<(), &'static str> {
        let text = std::str::from_utf8(head).map_err(|_| "the first part's head is not text")?;
        let mut lines = text.split("\r\n").skip_while(|line| line.trim_end() != self.delimiter);
        if lines.next().is_none() {
            return Err("the message does not begin with its boundary");
        }
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-transfer-encoding")
                && !["binary", "8bit", "7bit"].iter().any(|plain| value.eq_ignore_ascii_case(plain))
            {
                return Err("the envelope's part is encoded; send it as binary");
            }
            if name.eq_ignore_ascii_case("content-id")
                && let Some(start) = &self.start
                && value.trim_matches(['<', '>']) != start.trim_matches(['<', '>'])
            {
                return Err("the envelope has to be the first part of the message");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "\r\n--b\r\nContent-Type: application/xop+xml\r\nContent-ID: <root@x>\r\n\r\n";

    fn all(start: Option<&str>, text: &str) -> Result<String, &'static str> {
        let mut related = Related::new("b", start);
        let mut out = Vec::new();
        for byte in text.as_bytes() {
            related.take(&[*byte], &mut out)?;
        }
        let mut at_once = Vec::new();
        Related::new("b", start).take(text.as_bytes(), &mut at_once)?;
        assert_eq!(out, at_once);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_first_part_is_found_wherever_the_bytes_are_cut() {
        let text = format!("{HEAD}<x/>\r\n-- \r\n--b\r\n\r\n\u{0}\r\n--b--");
        for (start, text) in
            [(None, &text[..]), (Some("<root@x>"), &text), (Some("root@x"), &text[2..])]
        {
            assert_eq!(all(start, text).unwrap(), "<x/>\r\n-- ");
        }
    }

    #[test]
    fn t49_an_envelope_that_is_not_first_or_not_plain_is_refused() {
        assert!(all(Some("<other>"), HEAD).is_err());
        assert!(all(None, "--c\r\n\r\n<x/>").is_err());
        assert!(all(None, "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nPHgvPg==").is_err());
        assert!(all(None, &"x".repeat(HEAD_BYTES + 1)).is_err());
    }
}
