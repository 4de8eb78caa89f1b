//! Message heads, line by line (RFC 9112 §2–§5), resumable at any byte.
//!
//! A parser is shown everything received so far and remembers where it stopped, so each byte is
//! looked at once however slowly it arrives. It refuses, at the line where it stands: a line that
//! does not end in CRLF, NUL or other control bytes, a bare CR, obs-fold, white space before the
//! colon, an empty or illegal name, and whatever passes a limit.

use memchr::memchr;

use super::{
    Head, Name, Version,
    head::{Field, Span},
};

/// How large a head may be.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of the first line, without its CRLF (L6).
    pub line: usize,
    /// Bytes of all field lines, CRLFs included (L7, L23).
    pub bytes: usize,
    /// Number of field lines (L7). Each `;`-separated crumb of a `Cookie` counts.
    pub fields: usize,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// RFC 9112 §2.2: lines end in CRLF, and CR stands nowhere else.
    #[error("a line does not end in CRLF")]
    BareLineEnd,
    /// A request line that is not `method SP target SP version`.
    #[error("the request line is malformed")]
    RequestLine,
    /// A status line that is not `version SP status SP reason`.
    #[error("the status line is malformed")]
    StatusLine,
    /// The version is well-formed but not 1.0 or 1.1.
    #[error("the HTTP version is not supported")]
    Version,
    /// White space around the name, an empty name, or bytes that no name may hold.
    #[error("a field name is malformed")]
    FieldName,
    /// RFC 9112 §5.2: a field value on several lines.
    #[error("a field value is folded over several lines")]
    ObsFold,
    /// A control byte in a value.
    #[error("a field value holds a control byte")]
    FieldValue,
    /// [`HeadLimits::line`].
    #[error("the first line is too long")]
    LineTooLong,
    /// [`HeadLimits::bytes`] or [`HeadLimits::fields`].
    #[error("the header section is too large")]
    TooLarge,
}

// Byte classes. A name byte is a tchar (RFC 9110 §5.6.2); `_` is one, but requests refuse it:
// CGI-style servers cannot tell it from `-` (T8).
const TOKEN: u8 = 1;
const UNDERSCORE: u8 = 2;
const TARGET: u8 = 4;
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let c = byte as u8;
        if c.is_ascii_alphanumeric() {
            table[byte] |= TOKEN;
        }
        if c > 0x20 && c < 0x7f {
            table[byte] |= TARGET;
        }
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^`|~";
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] |= TOKEN;
        i += 1;
    }
    table[b'_' as usize] |= UNDERSCORE;
    table
}

/// Whether all bytes are tchar (RFC 9110 §5.6.2) and there is at least one.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| CLASS[*b as usize] & (TOKEN | UNDERSCORE) != 0)
}

/// Whether a field value may be written: visible bytes, space, tab, obs-text.
#[inline]
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    // Eight bytes at a time: a byte is illegal when it is below 0x20 (tab aside) or 0x7f.
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_ne_bytes(*word);
        let below = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
        let delete = word ^ (LOW * 0x7f);
        let deleted = delete.wrapping_sub(LOW) & !delete & HIGH;
        if (below | deleted) != 0 && !word.to_ne_bytes().iter().all(|b| legal(*b)) {
            return false;
        }
    }
    rest.iter().all(|b| legal(*b))
}

#[inline]
const fn legal(byte: u8) -> bool {
    (byte >= 0x20 && byte != 0x7f) || byte == b'\t'
}

/// The part that requests, responses and trailers share: finding lines, reading fields.
#[derive(Debug, Default, Clone, Copy)]
struct Lines {
    /// Where the current line begins.
    line: usize,
    /// Bytes already searched for its end.
    searched: usize,
    /// Where the field lines begin; 0 while the first line is awaited.
    fields_at: usize,
    /// Fields counted, cookie crumbs included.
    counted: usize,
}

impl Lines {
    /// The next whole line, without CRLF, as a span of `bytes`.
    #[inline]
    fn next(&mut self, bytes: &[u8]) -> Result<Option<(usize, usize)>, ParseError> {
        let from = self.searched.max(self.line);
        let Some(found) = bytes.get(from..).and_then(|rest| memchr(b'\n', rest)) else {
            self.searched = bytes.len();
            return Ok(None);
        };
        let end = from + found;
        let start = self.line;
        if end == start || bytes[end - 1] != b'\r' {
            return Err(ParseError::BareLineEnd);
        }
        self.line = end + 1;
        self.searched = self.line;
        Ok(Some((start, end - 1)))
    }

    /// Whether the line begun is too long already, whatever follows. Its CR does not count.
    fn is_over(&self, bytes: &[u8], most: usize) -> bool {
        let begun = bytes.get(self.line..).unwrap_or(&[]);
        begun.strip_suffix(b"\r").unwrap_or(begun).len() > most
    }

    /// Reads field lines until the empty one; `Some(length of the head)` when it is there.
    #[inline]
    fn fields(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        underscore: bool,
        fields: &mut Vec<Field>,
    ) -> Result<Option<usize>, ParseError> {
        while let Some((start, end)) = self.next(bytes)? {
            if self.line - self.fields_at > limits.bytes + 2 {
                return Err(ParseError::TooLarge);
            }
            if start == end {
                return Ok(Some(self.line));
            }
            let field = read_field(bytes, start, end, underscore)?;
            self.counted += 1;
            if field.id == Name::Cookie {
                self.counted += memchr::memchr_iter(b';', field.value.of(bytes)).count();
            }
            if self.counted > limits.fields {
                return Err(ParseError::TooLarge);
            }
            fields.push(field);
        }
        if bytes.len().saturating_sub(self.fields_at) > limits.bytes + 2 {
            return Err(ParseError::TooLarge);
        }
        Ok(None)
    }
}

#[inline]
fn read_field(
    bytes: &[u8],
    start: usize,
    end: usize,
    underscore: bool,
) -> Result<Field, ParseError> {
    let line = &bytes[start..end];
    let name_len = line.iter().position(|b| CLASS[*b as usize] & TOKEN == 0).unwrap_or(line.len());
    let name_len = if underscore && line.get(name_len) == Some(&b'_') {
        line.iter()
            .position(|b| CLASS[*b as usize] & (TOKEN | UNDERSCORE) == 0)
            .unwrap_or(line.len())
    } else {
        name_len
    };
    if name_len == 0 && matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(ParseError::ObsFold);
    }
    if name_len == 0 || line.get(name_len) != Some(&b':') {
        return Err(ParseError::FieldName);
    }
    let mut from = name_len + 1;
    let mut to = line.len();
    while from < to && matches!(line[from], b' ' | b'\t') {
        from += 1;
    }
    while to > from && matches!(line[to - 1], b' ' | b'\t') {
        to -= 1;
    }
    if !is_value(&line[from..to]) {
        return Err(ParseError::FieldValue);
    }
    Ok(Field {
        id: Name::of(&line[..name_len]),
        name: Span::new(start, start + name_len),
        value: Span::new(start + from, start + to),
    })
}

/// Reads one request head.
#[derive(Debug, Default)]
pub struct RequestParser {
    lines: Lines,
    fields: Vec<Field>,
    method: Span,
    target: Span,
    version: Version,
    empty_lines: u8,
}

impl RequestParser {
    /// Whether nothing of a request was seen yet.
    pub fn is_fresh(&self) -> bool {
        self.lines.searched == 0
    }

    /// Looks at everything received so far. When the head is whole, moves it into `head`, forgets
    /// it, and returns its length in bytes: what follows in `bytes` is the body.
    ///
    /// # Errors
    /// The first fault found. The connection cannot be used further.
    pub fn advance(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut Head,
    ) -> Result<Option<usize>, ParseError> {
        if self.lines.fields_at == 0 && !self.first_line(bytes, limits)? {
            return Ok(None);
        }
        let Some(length) = self.lines.fields(bytes, limits, false, &mut self.fields)? else {
            return Ok(None);
        };
        head.clear();
        head.bytes.extend_from_slice(&bytes[..length]);
        std::mem::swap(&mut head.fields, &mut self.fields);
        (head.method, head.target, head.version) = (self.method, self.target, self.version);
        self.lines = Lines::default();
        self.fields.clear();
        self.empty_lines = 0;
        Ok(Some(length))
    }

    /// Gives memory back, for a connection that goes idle.
    pub fn release(&mut self) {
        self.fields = Vec::new();
    }

    fn first_line(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<bool, ParseError> {
        loop {
            let Some((start, end)) = self.lines.next(bytes)? else {
                return if self.lines.is_over(bytes, limits.line) {
                    Err(ParseError::LineTooLong)
                } else {
                    Ok(false)
                };
            };
            // RFC 9112 §2.2: an empty line before the request line is ignored; one is enough.
            if start == end && self.empty_lines == 0 {
                self.empty_lines = 1;
                continue;
            }
            if end - start > limits.line {
                return Err(ParseError::LineTooLong);
            }
            self.request_line(bytes, start, end)?;
            self.lines.fields_at = self.lines.line;
            return Ok(true);
        }
    }

    fn request_line(&mut self, bytes: &[u8], start: usize, end: usize) -> Result<(), ParseError> {
        let line = &bytes[start..end];
        let method = memchr(b' ', line).ok_or(ParseError::RequestLine)?;
        if method > 32 || !is_token(&line[..method]) {
            return Err(ParseError::RequestLine);
        }
        let rest = &line[method + 1..];
        let target = memchr(b' ', rest).ok_or(ParseError::RequestLine)?;
        if target == 0 || !rest[..target].iter().all(|b| CLASS[*b as usize] & TARGET != 0) {
            // Bytes above 0x7e reach the caller as a malformed request line as well: no
            // request-target holds them (RFC 3986 §2).
            return Err(ParseError::RequestLine);
        }
        self.version = match &rest[target + 1..] {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(ParseError::Version);
            }
            _ => return Err(ParseError::RequestLine),
        };
        self.method = Span::new(start, start + method);
        self.target = Span::new(start + method + 1, start + method + 1 + target);
        Ok(())
    }
}

/// Reads one response head.
#[derive(Debug, Default)]
pub struct ResponseParser {
    lines: Lines,
    fields: Vec<Field>,
    status: u16,
    reason: Span,
    version: Version,
}

impl ResponseParser {
    /// Forgets what was seen; memory is kept.
    pub fn reset(&mut self) {
        self.lines = Lines::default();
        self.fields.clear();
    }

    /// As [`RequestParser::advance`].
    ///
    /// # Errors
    /// The first fault found. The connection cannot be used further.
    pub fn advance(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut Head,
    ) -> Result<Option<usize>, ParseError> {
        if self.lines.fields_at == 0 {
            let Some((start, end)) = self.lines.next(bytes)? else {
                return if self.lines.is_over(bytes, limits.line) {
                    Err(ParseError::LineTooLong)
                } else {
                    Ok(None)
                };
            };
            if end - start > limits.line {
                return Err(ParseError::LineTooLong);
            }
            self.status_line(bytes, start, end)?;
            self.lines.fields_at = self.lines.line;
        }
        let Some(length) = self.lines.fields(bytes, limits, true, &mut self.fields)? else {
            return Ok(None);
        };
        head.clear();
        head.bytes.extend_from_slice(&bytes[..length]);
        std::mem::swap(&mut head.fields, &mut self.fields);
        (head.status, head.reason, head.version) = (self.status, self.reason, self.version);
        self.lines = Lines::default();
        self.fields.clear();
        Ok(Some(length))
    }

    fn status_line(&mut self, bytes: &[u8], start: usize, end: usize) -> Result<(), ParseError> {
        let line = &bytes[start..end];
        self.version = match line.get(..9) {
            Some(b"HTTP/1.1 ") => Version::Http11,
            Some(b"HTTP/1.0 ") => Version::Http10,
            Some([b'H', b'T', b'T', b'P', b'/', _, b'.', _, b' ']) => {
                return Err(ParseError::Version);
            }
            _ => return Err(ParseError::StatusLine),
        };
        // RFC 9112 §4 wants a space before the reason even when that is empty; several servers
        // leave it out, and nothing can be misread, so both are taken.
        let (code, reason) = match line.get(9..) {
            Some([a, b, c]) => ([*a, *b, *c], end),
            Some([a, b, c, b' ', ..]) => ([*a, *b, *c], start + 13),
            _ => return Err(ParseError::StatusLine),
        };
        if !code.iter().all(u8::is_ascii_digit) || !is_value(&bytes[reason..end]) {
            return Err(ParseError::StatusLine);
        }
        self.status = code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        if !(100..=999).contains(&self.status) {
            return Err(ParseError::StatusLine);
        }
        self.reason = Span::new(reason, end);
        Ok(())
    }
}

/// Reads the trailer section that ends a chunked body (RFC 9112 §7.1.2).
#[derive(Debug, Default, Clone)]
pub(super) struct TrailerParser {
    lines: Lines,
    fields: Vec<Field>,
}

impl TrailerParser {
    /// As [`RequestParser::advance`]; the fields are appended to `into`.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        into: &mut Head,
    ) -> Result<Option<usize>, ParseError> {
        let Some(length) = self.lines.fields(bytes, limits, true, &mut self.fields)? else {
            return Ok(None);
        };
        for field in self.fields.drain(..) {
            into.push(field.name.of(bytes), field.value.of(bytes));
        }
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: HeadLimits = HeadLimits { line: 8192, bytes: 32 << 10, fields: 100 };

    fn request(bytes: &[u8]) -> Result<Option<Head>, ParseError> {
        let mut head = Head::default();
        let whole = RequestParser::default().advance(bytes, &LIMITS, &mut head)?;
        Ok(whole.map(|_| head))
    }

    #[test]
    fn a_request_head_is_read() {
        let head = request(
            b"GET /a?b=c HTTP/1.1\r\nHost: x.example\r\nX-Empty:\r\nX-Pad:  \t v w \t\r\n\r\nrest",
        )
        .unwrap()
        .unwrap();
        assert_eq!((head.method(), head.target()), ("GET", &b"/a?b=c"[..]));
        assert_eq!(head.get(Name::Host), Some(&b"x.example"[..]));
        assert_eq!(head.find("x-empty"), Some(&b""[..]));
        assert_eq!(head.find("x-pad"), Some(&b"v w"[..]));
    }

    #[test]
    fn it_can_stop_at_any_byte_and_go_on() {
        let bytes = b"\r\nPOST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
        let (mut parser, mut head) = (RequestParser::default(), Head::default());
        let mut done = None;
        for end in 0..=bytes.len() - 3 {
            assert_eq!(done, None, "whole too early");
            done = parser.advance(&bytes[..end], &LIMITS, &mut head).unwrap();
        }
        assert_eq!(done, Some(bytes.len() - 3));
        assert_eq!(head.get(Name::ContentLength), Some(&b"3"[..]));
    }

    #[test]
    fn t01_what_can_be_read_in_two_ways_is_refused() {
        use ParseError::*;
        for (bytes, error) in [
            (&b"GET / HTTP/1.1\nHost: h\n\n"[..], BareLineEnd),
            (b"GET / HTTP/1.1\r\nHost: h\n\r\n", BareLineEnd),
            (b"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", FieldValue),
            (b"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", FieldValue),
            (b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n", FieldValue),
            (b"GET / HTTP/1.1\r\nA: 01234567\x7f\r\n\r\n", FieldValue),
            (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", FieldName),
            (b"GET / HTTP/1.1\r\n: b\r\n\r\n", FieldName),
            (b"GET / HTTP/1.1\r\nA\r\n\r\n", FieldName),
            (b"GET / HTTP/1.1\r\nA_B: c\r\n\r\n", FieldName),
            (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", ObsFold),
            (b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", ObsFold),
            (b"GET  / HTTP/1.1\r\n\r\n", RequestLine),
            (b"GET / HTTP/1.1 \r\n\r\n", RequestLine),
            (b"GET /\t HTTP/1.1\r\n\r\n", RequestLine),
            (b"GET /\xff HTTP/1.1\r\n\r\n", RequestLine),
            (b"GET / http/1.1\r\n\r\n", RequestLine),
            (b"GET /\r\n\r\n", RequestLine),
            (b"G(T / HTTP/1.1\r\n\r\n", RequestLine),
            (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", RequestLine),
            (b"GET / HTTP/1.2\r\n\r\n", Version),
            (b"GET / HTTP/2.0\r\n\r\n", Version),
        ] {
            assert_eq!(request(bytes).err(), Some(error), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn l06_l07_limits_hold_to_the_byte() {
        let line = |n: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(n - 14));
        assert!(request(line(8192).as_bytes()).unwrap().is_some());
        assert_eq!(request(line(8193).as_bytes()).err(), Some(ParseError::LineTooLong));
        assert_eq!(request("a".repeat(8193).as_bytes()).err(), Some(ParseError::LineTooLong));

        // The CR of a line of exactly the limit may arrive before its LF.
        let (mut parser, mut head) = (RequestParser::default(), Head::default());
        let whole = line(8192);
        for end in [8192, 8193, 8194, whole.len()] {
            let seen = parser.advance(&whole.as_bytes()[..end], &LIMITS, &mut head);
            assert_eq!(seen, Ok((end == whole.len()).then_some(end)), "{end} bytes");
        }

        let many = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(n));
        assert!(request(many(100).as_bytes()).unwrap().is_some());
        assert_eq!(request(many(101).as_bytes()).err(), Some(ParseError::TooLarge));

        let size = |n: usize| format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(n - 5));
        assert!(request(size(32 << 10).as_bytes()).unwrap().is_some());
        assert_eq!(request(size((32 << 10) + 1).as_bytes()).err(), Some(ParseError::TooLarge));

        let crumbs =
            |n: usize| format!("GET / HTTP/1.1\r\nCookie: a{}\r\n\r\n", ";a".repeat(n - 1));
        assert!(request(crumbs(100).as_bytes()).unwrap().is_some());
        assert_eq!(request(crumbs(101).as_bytes()).err(), Some(ParseError::TooLarge));
    }

    #[test]
    fn a_response_head_is_read() {
        let (mut parser, mut head) = (ResponseParser::default(), Head::default());
        let bytes = b"HTTP/1.1 404 Not Found\r\nX_y: 1\r\n\r\n";
        let length = parser.advance(bytes, &LIMITS, &mut head).unwrap();
        assert_eq!((length, head.status()), (Some(bytes.len()), 404));
        assert_eq!(head.reason(), b"Not Found");
        assert_eq!(head.find("x_y"), Some(&b"1"[..]));
        parser.advance(b"HTTP/1.0 200\r\n\r\n", &LIMITS, &mut head).unwrap().unwrap();
        assert_eq!((head.status(), head.version), (200, crate::http1::Version::Http10));
        for bad in [
            &b"HTTP/1.1 20 OK\r\n\r\n"[..],
            b"HTTP/1.1 099 X\r\n\r\n",
            b"HTTP/1.1  200 OK\r\n\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"ICY 200 OK\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 200\tOK\r\n\r\n",
        ] {
            let error = ResponseParser::default().advance(bad, &LIMITS, &mut head);
            assert_eq!(error, Err(ParseError::StatusLine), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn values_are_checked_as_bytes_one_by_one_would_be() {
        for byte in 0..=255u8 {
            for at in 0..20 {
                let mut value = *b"abcdefghijklmnopqrst";
                value[at] = byte;
                assert_eq!(is_value(&value), legal(byte), "{byte:#x} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn anything_at_all_is_survived_and_cutting_changes_nothing(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b' '), Just(b':'), any::<u8>()], 0..200),
            cut in 0usize..200,
        ) {
            let whole = request(&bytes).map(|head| head.map(|head| head.bytes));
            let (mut parser, mut head) = (RequestParser::default(), Head::default());
            let first = parser.advance(&bytes[..cut.min(bytes.len())], &LIMITS, &mut head);
            let resumed = match first {
                Ok(None) => parser.advance(&bytes, &LIMITS, &mut head),
                other => other,
            };
            prop_assert_eq!(whole, resumed.map(|length| length.map(|_| head.bytes.clone())));
        }
    }
}
