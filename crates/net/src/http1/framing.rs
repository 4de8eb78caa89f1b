//! How long a body is (RFC 9112 §6), or why that cannot be told for certain.

use super::{Decoder, Head, Name, Version};

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// `Content-Length`.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// The connection's end is the body's end; responses only.
    UntilClose,
}

impl Framing {
    /// A decoder for such a body.
    pub fn decoder(self) -> Decoder {
        match self {
            Self::None | Self::Length(0) => Decoder::Done,
            Self::Length(length) => Decoder::Length(length),
            Self::Chunked => Decoder::chunked(),
            Self::UntilClose => Decoder::UntilClose,
        }
    }

    /// Whether the message certainly carries no byte of body.
    pub fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}

/// Why a message's length is in doubt (T1, T9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// RFC 9112 §6.1: both together are how requests are smuggled.
    #[error("both Content-Length and Transfer-Encoding are present")]
    Both,
    /// Repeated, empty, signed, listed or past 2^63.
    #[error("Content-Length is not one decimal number")]
    Length,
    /// Anything but exactly `chunked`, once.
    #[error("Transfer-Encoding is not exactly chunked")]
    Coding,
    /// RFC 9112 §6.1: HTTP/1.0 does not know transfer codings.
    #[error("HTTP/1.0 with Transfer-Encoding")]
    OldVersion,
}

/// The body of a request.
///
/// # Errors
/// Whenever two readers could disagree about the length.
pub fn request_framing(head: &Head) -> Result<Framing, FramingError> {
    Ok(declared(head)?.unwrap_or(Framing::None))
}

/// The body of a response to a request with this method (RFC 9112 §6.3).
///
/// # Errors
/// Whenever two readers could disagree about the length.
pub fn response_framing(head: &Head, request_method: &str) -> Result<Framing, FramingError> {
    let declared = declared(head)?;
    if request_method == "HEAD" || matches!(head.status(), 100..=199 | 204 | 304) {
        return Ok(Framing::None);
    }
    Ok(declared.unwrap_or(Framing::UntilClose))
}

#[inline]
fn declared(head: &Head) -> Result<Option<Framing>, FramingError> {
    let (mut length, mut coding) = (None, None);
    for (id, _, value) in head.fields() {
        match id {
            Name::ContentLength if length.is_some() => return Err(FramingError::Length),
            Name::ContentLength => length = Some(value),
            Name::TransferEncoding if coding.is_some() => return Err(FramingError::Coding),
            Name::TransferEncoding => coding = Some(value),
            _ => {}
        }
    }
    match (length, coding) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(FramingError::Both),
        (Some(value), None) => Ok(Some(Framing::Length(decimal(value)?))),
        (None, Some(_)) if head.version == Version::Http10 => Err(FramingError::OldVersion),
        (None, Some(b"chunked")) => Ok(Some(Framing::Chunked)),
        (None, Some(_)) => Err(FramingError::Coding),
    }
}

fn decimal(value: &[u8]) -> Result<u64, FramingError> {
    // Nineteen digits stay below 2^63, and leading zeros are no reason to trust a number.
    if value.is_empty() || value.len() > 19 || (value.len() > 1 && value[0] == b'0') {
        return Err(FramingError::Length);
    }
    value.iter().try_fold(0u64, |sum, byte| {
        if !byte.is_ascii_digit() {
            return Err(FramingError::Length);
        }
        sum.checked_mul(10)
            .and_then(|sum| sum.checked_add(u64::from(byte - b'0')))
            .filter(|sum| *sum < 1 << 63)
            .ok_or(FramingError::Length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: Version, fields: &[(&str, &str)]) -> Head {
        let mut head = Head::default();
        head.start_request("POST", b"/", version);
        for (name, value) in fields {
            head.push(name.as_bytes(), value.as_bytes());
        }
        head
    }

    #[test]
    fn t01_a_length_is_told_one_way_or_not_at_all() {
        use FramingError::*;
        let (cl, te) = ("Content-Length", "Transfer-Encoding");
        for (fields, expected) in [
            (&[][..], Ok(Framing::None)),
            (&[(cl, "0")], Ok(Framing::Length(0))),
            (&[(cl, "42")], Ok(Framing::Length(42))),
            (&[(te, "chunked")], Ok(Framing::Chunked)),
            (&[(cl, "1"), (te, "chunked")], Err(Both)),
            (&[(te, "chunked"), (cl, "1")], Err(Both)),
            (&[(cl, "1"), (cl, "1")], Err(Length)),
            (&[(cl, "1, 1")], Err(Length)),
            (&[(cl, "+1")], Err(Length)),
            (&[(cl, "-1")], Err(Length)),
            (&[(cl, "0x1")], Err(Length)),
            (&[(cl, "01")], Err(Length)),
            (&[(cl, "")], Err(Length)),
            (&[(cl, "9223372036854775808")], Err(Length)),
            (&[(cl, "18446744073709551617")], Err(Length)),
            (&[(te, "Chunked")], Err(Coding)),
            (&[(te, "chunked, chunked")], Err(Coding)),
            (&[(te, "gzip, chunked")], Err(Coding)),
            (&[(te, "identity")], Err(Coding)),
            (&[(te, "chunked"), (te, "chunked")], Err(Coding)),
            (&[(te, "")], Err(Coding)),
            (&[(te, "\u{b}chunked")], Err(Coding)),
        ] {
            let found = request_framing(&head(Version::Http11, fields));
            assert_eq!(found, expected, "{fields:?}");
        }
        let old = head(Version::Http10, &[(te, "chunked")]);
        assert_eq!(request_framing(&old), Err(OldVersion));
    }

    #[test]
    fn some_responses_have_no_body_whatever_they_say() {
        let mut head = Head::default();
        for (status, method, expected) in [
            (200, "HEAD", Framing::None),
            (204, "GET", Framing::None),
            (304, "GET", Framing::None),
            (200, "GET", Framing::Length(5)),
        ] {
            head.start_response(status, Version::Http11);
            head.push(b"content-length", b"5");
            assert_eq!(response_framing(&head, method), Ok(expected));
        }
        head.start_response(200, Version::Http11);
        assert_eq!(response_framing(&head, "GET"), Ok(Framing::UntilClose));
    }
}
