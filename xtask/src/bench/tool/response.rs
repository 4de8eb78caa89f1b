//! The least that has to be read of an HTTP/1.1 response: its status and where it ends.
//!
//! The origin is ours and always says `Content-Length`, so a chunked answer means that a proxy
//! changed the message; it is reported as a failure rather than understood.

use anyhow::{Result, bail};

/// Follows one response after another on a connection.
#[derive(Default)]
pub(crate) struct Follower {
    /// A header section that came in pieces.
    head: Vec<u8>,
    /// Bytes of the body still to come; `None` while the header section is awaited.
    body: Option<u64>,
    status: u16,
}

impl Follower {
    /// Takes bytes of the connection. `Some(status)` once the response is complete.
    ///
    /// # Errors
    /// When the bytes are no response, or one without a length.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<Option<u16>> {
        if self.body.is_none() {
            let Some(rest) = self.take_head(bytes)? else { return Ok(None) };
            bytes = &bytes[rest..];
        }
        let left = self.body.unwrap_or(0).saturating_sub(bytes.len() as u64);
        self.body = Some(left);
        if left > 0 {
            return Ok(None);
        }
        self.body = None;
        Ok(Some(self.status))
    }

    /// Where the body starts in `bytes`, if the header section ends there.
    fn take_head(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        let earlier = self.head.len();
        let head = if earlier == 0 {
            bytes
        } else {
            self.head.extend_from_slice(bytes);
            &self.head
        };
        let Some(end) = end_of_head(head) else {
            if earlier == 0 {
                self.head.extend_from_slice(bytes);
            }
            return Ok(None);
        };
        let (status, length) = understand(&head[..end])?;
        self.status = status;
        self.body = Some(length);
        self.head.clear();
        Ok(Some(end - earlier))
    }
}

/// The offset behind the empty line.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == b'\n') {
        let line_end = from + at;
        match bytes.get(line_end + 1..line_end + 3) {
            Some(b"\r\n") => return Some(line_end + 3),
            Some(_) => from = line_end + 1,
            None => return None,
        }
    }
    None
}

fn understand(head: &[u8]) -> Result<(u16, u64)> {
    let text = String::from_utf8_lossy(head);
    let Some(status) = text.get(9..12).and_then(|digits| digits.parse().ok()) else {
        bail!("not a response: {text}");
    };
    match header(&text, "content-length") {
        Some(length) => Ok((status, length.parse()?)),
        None => bail!("a response without Content-Length: {text}"),
    }
}

/// The value of a header field in the text of a header section.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_cut_at_every_byte_is_the_same_response() {
        let bytes = b"HTTP/1.1 429 No\r\ncontent-LENGTH: 5\r\n\r\nhello";
        for cut in 1..bytes.len() {
            let mut follower = Follower::default();
            assert_eq!(follower.take(&bytes[..cut]).unwrap(), None, "{cut}");
            assert_eq!(follower.take(&bytes[cut..]).unwrap(), Some(429), "{cut}");
            assert_eq!(follower.take(bytes).unwrap(), Some(429), "{cut}, the next one");
        }
    }
}
