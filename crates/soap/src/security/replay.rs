//! What may come only once, remembered for as long as it could come again.
//!
//! A table of fixed size that any number of threads use without waiting for each other: a place in it is one word, which
//! holds when it may be forgotten and enough of a hash to tell what it is.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Seconds after which nothing that was accepted can be accepted again: it may be as old as this when it comes, or as far ahead.
pub const REMEMBERED_S: u64 = 2 * super::FRESH_S;

/// Places in which one hash may be.
const WAYS: usize = 8;
/// Bits of a word that say when it may be forgotten, in seconds; more than half a year, and then they begin again.
const TIME_BITS: u32 = 24;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// What came.
#[derive(Debug)]
pub struct Replays {
    words: Box<[AtomicU64]>,
}

/// What is known of something that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It had not come, and is remembered now.
    Never,
    /// It came before.
    Before,
    /// There is no room to remember it, so nobody can tell.
    Full,
}

impl Replays {
    /// With at least so many places, 8 bytes each. It is full for something when eight others that share its hash are
    /// remembered, which begins to happen when half the places are taken.
    pub fn new(places: usize) -> Self {
        let places = places.next_multiple_of(WAYS).max(WAYS);
        Self { words: (0..places).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Whether something came before, by its hash; remembers it. `now` is in seconds since 1970.
    pub fn see(&self, hash: &[u8; 32], now: u64) -> Seen {
        let [a, b, c, d, e, f, g, h, rest @ ..] = hash;
        let bucket = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
        let mark = rest.iter().take(5).fold(0, |mark, byte| mark << 8 | u64::from(*byte));
        let buckets = self.words.len() / WAYS;
        let first = usize::try_from(bucket % buckets as u64).unwrap_or_default() * WAYS;
        let bucket = self.words.get(first..first + WAYS).unwrap_or_default();
        let word = mark << TIME_BITS | (now + REMEMBERED_S) & TIME_MASK;
        let is_same = |other: u64| other >> TIME_BITS == mark && is_kept(other, now);
        loop {
            if bucket.iter().any(|place| is_same(place.load(SeqCst))) {
                return Seen::Before;
            }
            let free = bucket.iter().find(|place| !is_kept(place.load(SeqCst), now));
            let Some(free) = free else { return Seen::Full };
            let old = free.load(SeqCst);
            if is_kept(old, now) || free.compare_exchange(old, word, SeqCst, SeqCst).is_err() {
                continue;
            }
            // Two threads may have found two places for the same; then neither lets it through.
            let same = bucket.iter().filter(|place| is_same(place.load(SeqCst))).count();
            return if same > 1 { Seen::Before } else { Seen::Never };
        }
    }
}

/// Whether a word still has to be remembered.
fn is_kept(word: u64, now: u64) -> bool {
    let left = (word & TIME_MASK).wrapping_sub(now) & TIME_MASK;
    // Zero is a place that was never used; what is left of a time that has passed is a very large number.
    word != 0 && left > 0 && left <= REMEMBERED_S
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;

    const NOW: u64 = 1_795_594_500;

    fn hash(number: u64) -> [u8; 32] {
        digest(&SHA256, &number.to_be_bytes()).as_ref().try_into().unwrap()
    }

    #[test]
    fn what_came_is_known_until_it_could_not_come_again() {
        let replays = Replays::new(1 << 10);
        assert_eq!(replays.see(&hash(1), NOW), Seen::Never);
        assert_eq!(replays.see(&hash(1), NOW), Seen::Before);
        assert_eq!(replays.see(&hash(2), NOW), Seen::Never);
        assert_eq!(replays.see(&hash(1), NOW + REMEMBERED_S - 1), Seen::Before);
        assert_eq!(replays.see(&hash(1), NOW + REMEMBERED_S), Seen::Never);
        let wraps = (1 << TIME_BITS) * 107 - 10;
        assert_eq!(replays.see(&hash(3), wraps), Seen::Never);
        assert_eq!(replays.see(&hash(3), wraps + 20), Seen::Before, "across the end of its clock");
        assert_eq!(replays.see(&hash(3), wraps + 5_000), Seen::Never);
    }

    #[test]
    fn when_there_is_no_room_nothing_is_forgotten() {
        let replays = Replays::new(64);
        let all: Vec<_> = (0..200).map(|number| replays.see(&hash(number), NOW)).collect();
        assert!(all.contains(&Seen::Full) && !all.contains(&Seen::Before), "{all:?}");
        for (number, first) in (0..).zip(&all) {
            let again = replays.see(&hash(number), NOW + 1);
            let expected = if *first == Seen::Never { Seen::Before } else { Seen::Full };
            assert_eq!(again, expected);
        }
        let kept = all.iter().filter(|seen| **seen == Seen::Never).count();
        assert!((48..=64).contains(&kept), "{kept}");
        assert_eq!(replays.see(&hash(0), NOW + REMEMBERED_S), Seen::Never);
    }

    #[test]
    fn half_of_it_can_be_filled_before_anything_is_refused_but_by_bad_luck() {
        let replays = Replays::new(1 << 16);
        let full = (0..1 << 15).filter(|n| replays.see(&hash(*n), NOW) == Seen::Full).count();
        assert!(full < 1 << 10, "{full} of 32,768 found no place");
    }

    #[test]
    fn of_threads_that_see_the_same_at_once_at_most_one_sees_it_first() {
        let replays = Arc::new(Replays::new(1 << 12));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let replays = Arc::clone(&replays);
                thread::spawn(move || {
                    (0..1_000).map(|n| replays.see(&hash(n), NOW) == Seen::Never).collect()
                })
            })
            .collect();
        let seen: Vec<Vec<bool>> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        for number in 0..1_000 {
            assert!(seen.iter().filter(|firsts| firsts[number]).count() <= 1, "{number}");
        }
    }
}
