//! Buffers that go round between one worker and one reader: filled here, emptied there, sent home.
//!
//! A worker owns a fixed number of buffers. It fills one, hands it over whole and takes the next;
//! the reader's [`Parcel`] sends the buffer home when it is dropped. Nothing is allocated once all
//! buffers exist, nothing ever waits, and what may pile up is `quota × size` however slow the
//! reader is: when every buffer is under way there is none to fill, and the caller counts a drop.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

/// What can be filled, emptied and filled again.
pub(super) trait Buffer: Sized {
    /// Makes it as good as new. Memory is kept unless it grew out of all proportion.
    fn reset(&mut self);
}

/// What a reader receives.
pub(super) enum Delivery<T> {
    /// A buffer to empty.
    Parcel(Parcel<T>),
    /// Something was asked for by other means: look.
    Wake,
    /// Everything before this was delivered: say so.
    Flush(SyncSender<()>),
}

/// A full buffer under way; goes home when dropped.
#[derive(Debug)]
pub struct Parcel<T> {
    content: Option<T>,
    home: SyncSender<T>,
}

impl<T> Parcel<T> {
    /// What is inside.
    pub fn content(&self) -> Option<&T> {
        self.content.as_ref()
    }
}

impl<T> Drop for Parcel<T> {
    fn drop(&mut self) {
        if let Some(content) = self.content.take() {
            // The way home has room for every buffer there is; the worker may be gone, though.
            let _ = self.home.try_send(content);
        }
    }
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Outbox<T> {
    filling: Option<T>,
    spare: Vec<T>,
    /// Buffers that do not exist yet.
    unmade: usize,
    /// Buffers under way.
    out: usize,
    fresh: fn(usize) -> T,
    size: usize,
    home: Receiver<T>,
    address: SyncSender<T>,
    to: SyncSender<Delivery<T>>,
}

impl<T: Buffer> Outbox<T> {
    /// At most `quota` buffers, each made by `fresh(size)`.
    pub(super) fn new(
        to: SyncSender<Delivery<T>>,
        quota: usize,
        fresh: fn(usize) -> T,
        size: usize,
    ) -> Self {
        let (address, home) = sync_channel(quota);
        Self {
            filling: None,
            spare: Vec::with_capacity(quota),
            unmade: quota,
            out: 0,
            fresh,
            size,
            home,
            address,
            to,
        }
    }

    /// The buffer being filled; `None` when all are under way.
    pub(super) fn filling(&mut self) -> Option<&mut T> {
        if self.filling.is_none() {
            self.filling = self.next_buffer();
        }
        self.filling.as_mut()
    }

    fn next_buffer(&mut self) -> Option<T> {
        self.welcome();
        if let Some(buffer) = self.spare.pop() {
            return Some(buffer);
        }
        self.unmade = self.unmade.checked_sub(1)?;
        Some((self.fresh)(self.size))
    }

    /// Takes back what has come home.
    fn welcome(&mut self) {
        loop {
            match self.home.try_recv() {
                Ok(mut buffer) => {
                    buffer.reset();
                    self.out = self.out.saturating_sub(1);
                    self.spare.push(buffer);
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    /// Whether the reader has emptied everything it was given.
    pub(super) fn reader_is_idle(&mut self) -> bool {
        self.welcome();
        self.out == 0
    }

    /// Hands the filling buffer over. Gives it back when the reader is gone: its content is lost.
    pub(super) fn send(&mut self) -> Result<(), T> {
        let Some(content) = self.filling.take() else { return Ok(()) };
        let parcel = Parcel { content: Some(content), home: self.address.clone() };
        match self.to.try_send(Delivery::Parcel(parcel)) {
            Ok(()) => {
                self.out += 1;
                Ok(())
            }
            Err(TrySendError::Full(delivery) | TrySendError::Disconnected(delivery)) => {
                let Delivery::Parcel(mut parcel) = delivery else { return Ok(()) };
                match parcel.content.take() {
                    Some(content) => Err(content),
                    None => Ok(()),
                }
            }
        }
    }

    /// Buffers that do not exist yet.
    #[cfg(test)]
    pub(super) fn unmade(&self) -> usize {
        self.unmade
    }

    /// Puts a buffer that could not be sent back among the spare ones.
    pub(super) fn keep(&mut self, mut buffer: T) {
        buffer.reset();
        self.spare.push(buffer);
    }
}
