//! Counting what costs a peer nothing and us something (L19, L20).

/// Limits on frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floods {
    resets_most: u32,
    control_most: u32,
    window: u64,
    resets: u32,
    control: u32,
    empties: u32,
}

const WINDOW_MS: u64 = 10_000;

/// L20: CONTINUATION frames in one header block.
pub(super) const CONTINUATIONS: u32 = 16;

/// More of something than is put up with: what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flood(pub(super) &'static str);

impl Floods {
    pub(super) fn new(resets_most: u32, control_most: u32, now: u64) -> Self {
        Self { resets_most, control_most, window: now, resets: 0, control: 0, empties: 0 }
    }

    /// Time goes on.
    #[inline]
    pub(super) fn at(&mut self, now: u64) {
        if now >= self.window + WINDOW_MS {
            (self.window, self.resets, self.control, self.empties) = (now, 0, 0, 0);
        }
    }

    /// L19: a stream was reset, by either side.
    pub(super) fn reset(&mut self) -> Result<(), Flood> {
        self.resets += 1;
        over(self.resets, self.resets_most, "stream resets")
    }

    /// L20: a frame that asks for an answer, or for nothing.
    pub(super) fn control(&mut self) -> Result<(), Flood> {
        self.control += 1;
        over(self.control, self.control_most, "control frames")
    }

    /// L20: DATA without data that does not end its stream.
    pub(super) fn empty(&mut self) -> Result<(), Flood> {
        self.empties += 1;
        over(self.empties, self.control_most, "empty data frames")
    }
}

pub(super) fn over(count: u32, most: u32, what: &'static str) -> Result<(), Flood> {
    if count > most { Err(Flood(what)) } else { Ok(()) }
}
