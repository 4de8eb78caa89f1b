//! The HTTP/2 frame guard: what it counts does not depend on how the bytes arrive.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use pasarela_net::h2guard::{FrameLimits, Guarded};
use tokio::io::{AsyncRead, ReadBuf};

use super::{Cuts, seeded};

const LIMITS: FrameLimits = FrameLimits { resets: 3, control: 5, continuations: 2 };
const PREFACE: usize = 24;

/// Gives its bytes in pieces, then ends.
struct Pieces<'a> {
    left: &'a [u8],
    cuts: Cuts,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = self.cuts.next().min(self.left.len()).min(buf.remaining());
        let (piece, left) = self.left.split_at(most);
        buf.put_slice(piece);
        self.left = left;
        Poll::Ready(Ok(()))
    }
}

/// Frames behind a preface.
pub(super) fn h2_guard(bytes: &[u8]) {
    let (cuts, frames) = seeded(bytes);
    let mut wire = vec![b'-'; PREFACE];
    wire.extend_from_slice(frames);
    let (mut guarded, counts) = Guarded::new(Pieces { left: &wire, cuts }, LIMITS);
    let mut cx = Context::from_waker(Waker::noop());
    let mut room = [0u8; 512];
    let mut through = Vec::new();
    loop {
        let mut buf = ReadBuf::new(&mut room);
        let Poll::Ready(Ok(())) = Pin::new(&mut guarded).poll_read(&mut cx, &mut buf) else {
            panic!("the pieces are always ready");
        };
        if buf.filled().is_empty() {
            break;
        }
        through.extend_from_slice(buf.filled());
    }
    assert_eq!(through, wire, "the guard looks and does not touch");
    assert_eq!(counts.borrow().passed().is_some(), flooded(frames));
}

/// The limits once more, read from the frames as a whole.
fn flooded(mut frames: &[u8]) -> bool {
    let (mut resets, mut control, mut empties, mut continuations) = (0, 0, 0, 0);
    while let Some((header, rest)) = frames.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let (kind, flags) = (header[3], header[4]);
        if kind == 9 {
            continuations += 1;
        } else {
            continuations = 0;
        }
        match kind {
            0 if length == 0 && flags & 1 == 0 => empties += 1,
            2 => control += 1,
            3 => resets += 1,
            4 | 6 if flags & 1 == 0 => control += 1,
            _ => {}
        }
        if resets > LIMITS.resets
            || control > LIMITS.control
            || empties > LIMITS.control
            || continuations > LIMITS.continuations
        {
            return true;
        }
        frames = rest.get(length..).unwrap_or(&[]);
    }
    false
}
