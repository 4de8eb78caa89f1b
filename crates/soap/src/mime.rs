//! `multipart/related` (RFC 2387): messages whose bytes travel beside the envelope, by XOP (MTOM) or as SOAP with Attachments.
//!
//! A [`Reader`] is fed pieces cut anywhere and tells of parts as they come; a [`Writer`] writes the lines between parts. What
//! a part is for, this module does not know. No part is ever held as a whole here.

mod head;
mod reader;
mod transfer;
mod whole;
mod writer;

pub use head::PartHead;
pub use reader::{Event, Reader};
pub use transfer::{Encoding, base64_append, decode};
pub use whole::Whole;
pub use writer::{Boundary, Writer};

use crate::envelope::ContentType;

/// What a message in parts may cost us (L27).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Parts of a message.
    pub parts: u32,
    /// Bytes of all parts together, decoded.
    pub bytes: u64,
    /// Bytes of the head of a part, and of what stands before the first part.
    pub head_bytes: usize,
    /// Fields in the head of a part.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { parts: 100, bytes: 50 << 20, head_bytes: 8 << 10, fields: 32 }
    }
}

/// What `Content-Type` says of a message in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// What stands between the parts.
    pub boundary: String,
    /// The identifier of the root part, without angle brackets; without one it is the first part.
    pub start: Option<String>,
    /// The media type of the root part, in small letters and without parameters.
    pub root_type: Option<String>,
    /// What the root's media type is when the root is a package itself (XOP §4.1).
    pub start_info: Option<String>,
}

impl Related {
    /// Reads it; `None` when the message is not in parts.
    ///
    /// # Errors
    /// In words, when it is and its parts cannot be told apart.
    pub fn read(media: &ContentType) -> Result<Option<Self>, String> {
        Self::of_type("multipart/related", media)
    }

    /// The same for `multipart/mixed`, in which parts have nothing to do with each other.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn mixed(media: &ContentType) -> Result<Option<Self>, String> {
        Self::of_type("multipart/mixed", media)
    }

    fn of_type(wanted: &str, media: &ContentType) -> Result<Option<Self>, String> {
        if media.media_type != wanted {
            return Ok(None);
        }
        let missing = || format!("{wanted} without a boundary");
        let boundary = media.parameter("boundary").ok_or_else(missing)?;
        if !is_boundary(boundary) {
            return Err(format!("{boundary:?} is no boundary of a multipart message"));
        }
        let root_type = media.parameter("type").map(|root| {
            let (bare, _) = root.split_once(';').unwrap_or((root, ""));
            bare.trim().to_ascii_lowercase()
        });
        Ok(Some(Self {
            boundary: boundary.to_owned(),
            start: media.parameter("start").map(|start| head::bare_id(start).to_owned()),
            root_type,
            start_info: media.parameter("start-info").map(str::to_owned),
        }))
    }
}

/// RFC 2046, section 5.1.1: 1 to 70 characters of a small set, the last of them no space.
fn is_boundary(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=70).contains(&text.len()) && text.bytes().all(known) && !text.ends_with(' ')
}

/// The identifier in a `cid:` URL (RFC 2392): percent-decoded.
#[must_use]
pub fn cid_of(url: &str) -> Option<String> {
    let scheme = url.get(..4)?;
    if !scheme.eq_ignore_ascii_case("cid:") {
        return None;
    }
    let mut id = Vec::with_capacity(url.len());
    let mut bytes = url.get(4..)?.bytes();
    while let Some(byte) = bytes.next() {
        let decoded = match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| (b as char).to_digit(16));
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            other => other,
        };
        id.push(decoded);
    }
    String::from_utf8(id).ok().filter(|id| !id.is_empty())
}

/// The `cid:` URL of an identifier.
#[must_use]
pub fn cid_url(id: &str) -> String {
    let mut url = String::from("cid:");
    for byte in id.bytes() {
        // What RFC 3986 lets stand in a path, and what an address is made of.
        if byte.is_ascii_alphanumeric() || b"-._~@!$'()*+,;=:".contains(&byte) {
            url.push(byte as char);
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn related(value: &str) -> Result<Option<Related>, String> {
        Related::read(&ContentType::read(value)?)
    }

    #[test]
    fn what_a_content_type_says_of_the_parts() {
        let said = related(
            "Multipart/Related; boundary=\"=_ a:b\"; type=\"Application/XOP+XML; x=1\"; \
             start=\"<root@x>\"; start-info=\"application/soap+xml; action=\\\"urn:a\\\"\"",
        );
        let expected = Related {
            boundary: "=_ a:b".to_owned(),
            start: Some("root@x".to_owned()),
            root_type: Some("application/xop+xml".to_owned()),
            start_info: Some("application/soap+xml; action=\"urn:a\"".to_owned()),
        };
        assert_eq!(said, Ok(Some(expected)));
        assert_eq!(related("text/xml"), Ok(None));
        let bare = related("multipart/related; boundary=----=_Part_1_2.3; type=text/xml");
        assert_eq!(bare.unwrap().unwrap().boundary, "----=_Part_1_2.3");
    }

    #[test]
    fn a_boundary_that_is_none_is_refused() {
        for boundary in ["", "a ", "a\"b", "a\u{e9}", &"x".repeat(71)] {
            let value =
                format!("multipart/related; boundary=\"{}\"", boundary.replace('"', "\\\""));
            assert!(related(&value).is_err(), "{boundary:?}");
        }
        assert!(related("multipart/related; type=text/xml").is_err());
        assert!(related("multipart/related; boundary=a; boundary=b").is_err());
    }

    #[test]
    fn an_identifier_and_its_url_are_the_same_thing() {
        for id in ["root@x", "a b%c@d", "<ñ>", "http://tempuri.org/1/2"] {
            assert_eq!(cid_of(&cid_url(id)).as_deref(), Some(id));
        }
        assert_eq!(cid_of("CID:a%2fb").as_deref(), Some("a/b"));
        for url in ["cid:", "http://x/", "cid:%4", "cid:%zz", "cid:%ff", "ñ"] {
            assert_eq!(cid_of(url), None, "{url}");
        }
    }
}
