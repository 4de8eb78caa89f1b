//! The parsed form of a message head: one arena of bytes and spans into it.
//!
//! A [`Head`] is reused from message to message, so that a connection in its steady state
//! allocates nothing. Messages that did not arrive as HTTP/1.1 (HTTP/2 has its own wire form) are
//! brought into the same shape with [`Head::push`], so that every later step reads one type.

use super::Name;

/// A range of bytes in a head's arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        // Heads are bounded far below 4 GiB by the limits that guard every parser.
        Self { start: start as u32, end: end as u32 }
    }

    /// The bytes it covers; empty if the span does not belong to this arena.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }
}

/// One field line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// What the name means to us.
    pub id: Name,
    /// The name as it was written.
    pub name: Span,
    /// The value without surrounding white space.
    pub value: Span,
}

/// HTTP version of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, closed after the answer.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2, translated into this form.
    Http2,
}

/// A request's or a response's head.
#[derive(Debug, Default)]
pub struct Head {
    pub(super) bytes: Vec<u8>,
    pub(super) fields: Vec<Field>,
    pub(super) method: Span,
    pub(super) target: Span,
    pub(super) reason: Span,
    pub(super) status: u16,
    /// Version of the message.
    pub version: Version,
}

impl Head {
    /// Empties the head for the next message; memory is kept up to a few KiB.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        if self.bytes.capacity() > 8 << 10 {
            self.bytes.shrink_to(2 << 10);
        }
        if self.fields.capacity() > 64 {
            self.fields.shrink_to(32);
        }
        (self.method, self.target, self.reason) = Default::default();
        self.status = 0;
        self.version = Version::Http11;
    }

    /// Gives the memory back, for a connection that goes idle.
    pub fn release(&mut self) {
        *self = Self::default();
    }

    /// Method of a request.
    #[inline]
    pub fn method(&self) -> &str {
        // Asked for often, and nearly always one of these.
        match self.method.of(&self.bytes) {
            b"GET" => "GET",
            b"POST" => "POST",
            other => std::str::from_utf8(other).unwrap_or(""),
        }
    }

    /// Request-target as received.
    #[inline]
    pub fn target(&self) -> &[u8] {
        self.target.of(&self.bytes)
    }

    /// Status of a response.
    #[inline]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Reason phrase of a response.
    pub fn reason(&self) -> &[u8] {
        self.reason.of(&self.bytes)
    }

    /// The field lines, in order.
    #[inline]
    pub fn fields(&self) -> Fields<'_> {
        Fields { bytes: &self.bytes, fields: self.fields.iter() }
    }

    /// Number of field lines.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field line.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// First value of a known field.
    #[inline]
    pub fn get(&self, id: Name) -> Option<&[u8]> {
        self.fields.iter().find(|field| field.id == id).map(|field| field.value.of(&self.bytes))
    }

    /// How often a known field occurs.
    #[inline]
    pub fn count(&self, id: Name) -> usize {
        self.fields.iter().filter(|field| field.id == id).count()
    }

    /// First value of a field by its lower-case name.
    pub fn find(&self, lower_name: &str) -> Option<&[u8]> {
        self.find_all(lower_name).next()
    }

    /// All values of a field by its lower-case name.
    pub fn find_all<'a, 'n>(
        &'a self,
        lower_name: &'n str,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields
            .iter()
            .filter(move |field| {
                field.name.of(&self.bytes).eq_ignore_ascii_case(lower_name.as_bytes())
            })
            .map(|field| field.value.of(&self.bytes))
    }

    /// Starts a request that did not arrive as HTTP/1.1.
    pub fn start_request(&mut self, method: &str, target: &[u8], version: Version) {
        self.clear();
        self.method = self.store(method.as_bytes());
        self.target = self.store(target);
        self.version = version;
    }

    /// Starts a message that did not arrive as HTTP/1.1, of which nothing is known yet.
    pub(crate) fn begin(&mut self, version: Version) {
        self.clear();
        self.version = version;
    }

    pub(crate) fn set_method(&mut self, method: &[u8]) {
        self.method = self.store(method);
    }

    pub(crate) fn set_target(&mut self, target: &[u8]) {
        self.target = self.store(target);
    }

    /// Starts a response that did not arrive as HTTP/1.1.
    pub fn start_response(&mut self, status: u16, version: Version) {
        self.clear();
        self.status = status;
        self.version = version;
    }

    /// Adds a field line. The caller vouches for legal bytes.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_known(Name::of(name), name, value);
    }

    /// As [`Head::push`], where the name was recognised already.
    #[inline]
    pub(crate) fn push_known(&mut self, id: Name, name: &[u8], value: &[u8]) {
        let name = self.store(name);
        let value = self.store(value);
        self.fields.push(Field { id, name, value });
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Span::new(start, self.bytes.len())
    }
}

/// The field lines of a head.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    fields: std::slice::Iter<'a, Field>,
}

impl<'a> Iterator for Fields<'a> {
    /// What the name means, the name as written, the value.
    type Item = (Name, &'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let field = self.fields.next()?;
        Some((field.id, field.name.of(self.bytes), field.value.of(self.bytes)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}
