//! How full memory is, and what that means for whoever wants something (L46).
//!
//! Somebody who may read `/proc` looks now and then and tells ([`Overload::observe`]); workers ask
//! [`Overload::level`], one load. Deciding is [`level`], and pure.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// What memory pressure asks for; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Level {
    /// Nothing.
    #[default]
    Calm = 0,
    /// Connections are closed after an answer, and when they idle: each holds buffers.
    Lean = 1,
    /// New requests are refused.
    Shedding = 2,
    /// New connections wait in the kernel.
    Closed = 3,
}

/// Per cent of the limit at which a level begins, and below which it ends. The distance keeps a
/// process that hovers at a threshold from changing its mind with every look.
const STEPS: [(Level, u64, u64); 3] =
    [(Level::Closed, 95, 92), (Level::Shedding, 90, 87), (Level::Lean, 85, 82)];

/// The level for so many bytes used of so many allowed, after `before`. Without a limit (0) there
/// is no pressure.
pub fn level(before: Level, used: u64, limit: u64) -> Level {
    if limit == 0 {
        return Level::Calm;
    }
    let share = |per_cent: u64| (u128::from(limit) * u128::from(per_cent) / 100) as u64;
    let holds = |&(level, begins, ends): &(Level, u64, u64)| {
        used >= share(begins) || (level <= before && used >= share(ends))
    };
    STEPS.iter().find(|step| holds(step)).map_or(Level::Calm, |(level, ..)| *level)
}

/// The process's level, as last observed. Shared by all workers.
#[derive(Debug, Default)]
pub struct Overload(AtomicU8);

impl Overload {
    /// The level now.
    #[inline]
    pub fn level(&self) -> Level {
        match self.0.load(Relaxed) {
            0 => Level::Calm,
            1 => Level::Lean,
            2 => Level::Shedding,
            _ => Level::Closed,
        }
    }

    /// Takes note of how much memory is used; the new level, if it is another.
    pub fn observe(&self, used: u64, limit: u64) -> Option<Level> {
        let before = self.level();
        let now = level(before, used, limit);
        self.0.store(now as u8, Relaxed);
        (now != before).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l46_memory_steps_up_at_once_and_down_with_a_distance() {
        let overload = Overload::default();
        let mut seen = Vec::new();
        for used in [50, 84, 85, 89, 90, 94, 95, 99, 120, 93, 92, 91, 88, 86, 83, 82, 81, 85, 40] {
            overload.observe(used, 100);
            seen.push(overload.level() as u8);
        }
        assert_eq!(seen, [0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 2, 2, 1, 1, 1, 0, 1, 0]);
    }

    #[test]
    fn l46_a_jump_skips_levels_and_only_changes_are_told() {
        let overload = Overload::default();
        assert_eq!(overload.observe(96, 100), Some(Level::Closed));
        assert_eq!(overload.observe(97, 100), None);
        assert_eq!(overload.observe(10, 100), Some(Level::Calm));
        assert_eq!(overload.observe(u64::MAX, 0), None, "no limit, no pressure");
        assert_eq!(overload.observe(u64::MAX, u64::MAX), Some(Level::Closed));
    }

    #[test]
    fn l46_hovering_at_a_threshold_changes_nothing() {
        let overload = Overload::default();
        let changes = (0..100).filter(|turn| overload.observe(899 + turn % 3, 1000).is_some());
        assert_eq!(changes.count(), 2, "lean, then shedding, and it stays so");
    }
}
