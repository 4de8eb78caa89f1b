//! The caller's side of an exchange, whatever protocol it speaks.

use std::task::{Context, Poll};

use pasarela_net::{
    conn::{Conn, Pace},
    http1::Framing,
    transfer::{Sink, Source, TransferError},
};

/// Takes field lines for an answer.
pub(crate) trait Put {
    /// Adds a field. Name and value are legal bytes.
    fn put(&mut self, name: &[u8], value: &[u8]);
}

impl Put for Vec<u8> {
    #[inline]
    fn put(&mut self, name: &[u8], value: &[u8]) {
        pasarela_net::http1::put_field(self, name, value);
    }
}

/// Field lines that wait.
#[derive(Debug, Default)]
pub(crate) struct Kept(pub(crate) Vec<(Vec<u8>, Vec<u8>)>);

impl Put for Kept {
    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.0.push((name.to_vec(), value.to_vec()));
    }
}

impl Kept {
    /// All values of a field by its name.
    pub(crate) fn find_all(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
        let named = self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| value.as_slice())
    }
}

/// How long an answer's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is none, and none is announced (204, 304, answers to `HEAD` without a length).
    None,
    /// There is none, though it would have so many bytes (`HEAD`, 304).
    Announced(u64),
    /// So many bytes.
    Known(u64),
    /// It ends when it ends.
    Unknown,
}

/// A caller that awaits an answer.
pub(crate) trait Downstream {
    /// Its request's body.
    type Source<'a>: Body
    where
        Self: 'a;
    /// Where the answer goes.
    type Answer<'a>: Answer
    where
        Self: 'a;

    /// How long the request's body is; `Chunked` stands for "not known beforehand".
    fn framing(&self) -> Framing;

    /// Both sides, to be used at the same time.
    fn halves(&mut self, pace: Pace) -> (Self::Source<'_>, Self::Answer<'_>);

    /// Whether the head of a final answer was given.
    fn is_answered(&self) -> bool;

    /// The caller must learn that the answer is not whole.
    fn abort(&mut self);

    /// Nothing may follow this exchange, where one connection carries one after another.
    fn end_after(&mut self) {}

    /// The connection itself, where it can become a tunnel. Nothing else happens on it afterwards.
    fn take_tunnel(&mut self) -> Option<Conn>;
}

/// A request's body.
pub(crate) trait Body: Source {
    /// Ready when the caller has left without awaiting the answer.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// An answer on its way.
pub(crate) trait Answer: Sink {
    /// Gives the head. `fields` is called with the place to put them.
    ///
    /// # Errors
    /// When the caller is gone.
    fn start(
        &mut self,
        status: u16,
        length: Length,
        fields: &mut dyn FnMut(&mut dyn Put),
    ) -> Result<(), TransferError>;

    /// Gives an interim answer (1xx but 101), where the caller's protocol knows them.
    fn interim(&mut self, status: u16, fields: &mut dyn FnMut(&mut dyn Put));

    /// Nothing may follow this answer on the caller's connection.
    fn close_after(&mut self) {}

    /// Ready when the caller has said that it does not want the answer any more.
    fn poll_left(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
