//! An instant of the wall clock, in milliseconds.

/// Milliseconds since 1970, UTC. Rooms that decide are given it; they never ask a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// So many milliseconds after 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds after 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Later by so many milliseconds; the last instant there is when that does not exist.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}
