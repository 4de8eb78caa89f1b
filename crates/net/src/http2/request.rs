//! What a header block says: a request, or trailers (RFC 9113 §8.1–§8.3).
//!
//! Fields go straight into the arena that every later step reads. What HTTP/1.1 could not carry, or would carry as
//! something else, is malformed here (T5).

use super::connection::Settings;
use crate::http1::{Head, Name, Version, is_value};

/// Why a request that is well-formed is not to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its scheme is neither `http` nor `https`.
    Scheme,
    /// L6.
    PathTooLong,
    /// L7.
    TooLarge,
}

/// A block being read.
pub(super) struct Reading<'a> {
    head: &'a mut Head,
    /// The crumbs of the cookie put together (§8.2.3).
    cookie: &'a mut Vec<u8>,
    limits: &'a Settings,
    trailers: bool,
    malformed: bool,
    trouble: Option<Trouble>,
    /// Pseudo-header fields seen.
    seen: u8,
    /// An ordinary field was seen: no pseudo-header field may follow (§8.3).
    ordinary: bool,
    length: Option<u64>,
    count: usize,
    bytes: usize,
}

/// What was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) malformed: bool,
    pub(super) trouble: Option<Trouble>,
    pub(super) length: Option<u64>,
}

const METHOD: u8 = 1;
const SCHEME: u8 = 2;
const AUTHORITY: u8 = 4;
const PATH: u8 = 8;

// Byte classes of names (§8.2.1): a tchar that is no capital letter. Servers that hand fields on as variables cannot
// tell `_` from `-` (T8), so it may stand in trailers alone.
const NAME: u8 = 1;
const UNDERSCORE: u8 = 2;
const VISIBLE: u8 = 4;
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let c = byte as u8;
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            table[byte] |= NAME;
        }
        if c.is_ascii_graphic() {
            table[byte] |= VISIBLE;
        }
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^`|~";
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] |= NAME;
        i += 1;
    }
    table[b'_' as usize] |= UNDERSCORE;
    table
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        head: &'a mut Head,
        cookie: &'a mut Vec<u8>,
        limits: &'a Settings,
        trailers: bool,
    ) -> Self {
        head.begin(Version::Http2);
        cookie.clear();
        Self {
            head,
            cookie,
            limits,
            trailers,
            malformed: false,
            trouble: None,
            seen: 0,
            ordinary: false,
            length: None,
            count: 0,
            bytes: 0,
        }
    }

    /// Takes a field.
    #[inline]
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) {
        if name.first() == Some(&b':') {
            self.malformed |= self.ordinary || self.trailers || !self.pseudo(name, value);
            return;
        }
        self.ordinary = true;
        if self.malformed || !self.counts(name, value) {
            return;
        }
        let mask = if self.trailers { NAME | UNDERSCORE } else { NAME };
        let named = !name.is_empty() && name.iter().all(|b| CLASS[usize::from(*b)] & mask != 0);
        if !named || !is_trimmed(value) || !is_value(value) {
            self.malformed = true;
            return;
        }
        let id = Name::of(name);
        match id {
            // §8.2.2.
            Name::Connection
            | Name::KeepAlive
            | Name::ProxyConnection
            | Name::TransferEncoding
            | Name::Upgrade => self.malformed = true,
            Name::Te if !value.eq_ignore_ascii_case(b"trailers") => self.malformed = true,
            Name::ContentLength if !self.trailers => {
                let length = decimal(value);
                self.malformed |= length.is_none() || self.length.is_some();
                self.length = length;
                self.head.push_known(id, name, value);
            }
            Name::Cookie if !self.trailers => {
                if !self.cookie.is_empty() {
                    self.cookie.extend_from_slice(b"; ");
                }
                self.cookie.extend_from_slice(value);
            }
            // §8.3.1: the same as the authority, or there are two.
            Name::Host
                if self.seen & AUTHORITY != 0
                    && self.head.get(Name::Host).is_some_and(|h| h.eq_ignore_ascii_case(value)) => {
            }
            _ => self.head.push_known(id, name, value),
        }
    }

    /// Whether there is room for one more field (L7); each crumb of a cookie counts.
    #[inline]
    fn counts(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.count += 1;
        self.bytes += name.len() + value.len() + 4;
        if name == b"cookie" {
            self.count += memchr::memchr_iter(b';', value).count();
        }
        if self.count > self.limits.header_fields || self.bytes > self.limits.header_bytes {
            self.trouble.get_or_insert(Trouble::TooLarge);
        }
        self.trouble.is_none()
    }

    /// §8.3.1. `false`: malformed.
    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> bool {
        let (which, good) = match name {
            b":method" => {
                let token = value.iter().all(|byte| is_tchar(*byte));
                // No method is long, and all that is kept of a request is bounded.
                let good = token && !value.is_empty() && value.len() <= 64;
                if good {
                    self.head.set_method(value);
                }
                (METHOD, good)
            }
            b":scheme" => {
                if !value.eq_ignore_ascii_case(b"http") && !value.eq_ignore_ascii_case(b"https") {
                    self.trouble.get_or_insert(Trouble::Scheme);
                }
                (SCHEME, is_scheme(value))
            }
            b":authority" => {
                if self.counts(b"host", value) && self.seen & AUTHORITY == 0 {
                    self.head.push_known(Name::Host, b"host", value);
                }
                // RFC 9110 §4.2.1: no host is no host.
                (AUTHORITY, !value.is_empty() && is_trimmed(value) && is_value(value))
            }
            b":path" => {
                if value.len() > self.limits.line_bytes {
                    self.trouble.get_or_insert(Trouble::PathTooLong);
                } else if self.seen & PATH == 0 {
                    self.head.set_target(value);
                }
                let visible = value.iter().all(|byte| CLASS[usize::from(*byte)] & VISIBLE != 0);
                (PATH, visible && matches!(value.first(), Some(b'/' | b'*')))
            }
            _ => return false,
        };
        let twice = self.seen & which != 0;
        self.seen |= which;
        good && !twice
    }

    /// The block is over.
    pub(super) fn finish(mut self) -> Read {
        if !self.trailers {
            self.malformed |= !self.is_whole();
        }
        if !self.cookie.is_empty() {
            self.head.push_known(Name::Cookie, b"cookie", self.cookie);
            self.cookie.clear();
        }
        Read { malformed: self.malformed, trouble: self.trouble, length: self.length }
    }

    /// Whether all that a request needs is there, and nothing that it may not have.
    fn is_whole(&mut self) -> bool {
        let needed = METHOD | SCHEME | PATH;
        if self.head.method() == "CONNECT" {
            // §8.5. It is refused as HTTP/1.1's is, which has the authority for its target.
            let authority = self.head.get(Name::Host).unwrap_or_default().to_vec();
            self.head.set_target(&authority);
            return self.seen == METHOD | AUTHORITY;
        }
        let target = self.head.target();
        let asterisk = target.first() == Some(&b'*');
        let lawful = !asterisk || (target.len() == 1 && self.head.method() == "OPTIONS");
        self.seen & needed == needed && lawful
    }
}

fn is_tchar(byte: u8) -> bool {
    CLASS[usize::from(byte)] & (NAME | UNDERSCORE) != 0 || byte.is_ascii_uppercase()
}

/// RFC 3986 §3.1.
fn is_scheme(value: &[u8]) -> bool {
    let mark = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    value.first().is_some_and(u8::is_ascii_alphabetic) && value.iter().all(mark)
}

/// §8.2.1: no white space at either end.
#[inline]
fn is_trimmed(value: &[u8]) -> bool {
    let space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !space(value.first()) && !space(value.last())
}

/// Digits and nothing else (RFC 9110 §8.6).
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0u64, |sum, byte| {
        byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0'))
    })
}
