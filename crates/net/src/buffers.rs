//! A worker's spare buffers: a connection holds memory only while bytes are in it (L5).

use std::cell::RefCell;

/// Buffers kept for reuse on one worker, at most.
const KEPT: usize = 128;
/// Larger ones are given back to the allocator.
const KEPT_BYTES: usize = 256 << 10;
/// Size of a new one.
const FRESH_BYTES: usize = 4 << 10;
/// Bytes asked of a socket at once.
const SCRATCH_BYTES: usize = 64 << 10;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// An empty buffer with some room.
#[inline]
pub fn take() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(FRESH_BYTES))
}

/// Takes a buffer back; its content is forgotten.
#[inline]
pub fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > KEPT_BYTES {
        return;
    }
    buffer.clear();
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < KEPT {
            spare.push(buffer);
        }
    });
}

/// Lends the worker's read buffer for the length of one poll. Reading into a buffer that belongs
/// to no connection is what lets an idle connection own none.
#[inline]
pub(crate) fn with_scratch<R>(use_it: impl FnOnce(&mut [u8]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| use_it(scratch))
}
