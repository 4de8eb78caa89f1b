//! Who has guessed passwords too often: ten wrong ones in a quarter of an hour, for a user from an address (L34, T17).
//!
//! A table of fixed size without locks, as for messages that come once: each word is some of a hash, a count and a time. Users
//! who are not there are counted as those who are, so that the answer does not tell them apart.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

/// Wrong passwords after which no more are looked at.
const FAILURES_MOST: u64 = 10;
/// Seconds from the first of them in which they count, and after which all is forgotten.
const WINDOW_S: u64 = 15 * 60;

/// Places: 512 KiB. When eight users and addresses that share a hash have failed, the newest takes the place of the oldest.
const PLACES: usize = 1 << 16;
const WAYS: usize = 8;
const TIME_BITS: u32 = 24;
const COUNT_BITS: u32 = 8;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// Failures, by user and address.
#[derive(Debug)]
pub(crate) struct Guesses {
    words: Box<[AtomicU64]>,
    /// Nobody outside knows who shares a place with whom.
    hasher: RandomState,
}

impl Default for Guesses {
    fn default() -> Self {
        let words = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { words, hasher: RandomState::new() }
    }
}

impl Guesses {
    /// For how many seconds no password of this user is looked at any more from this address. `now` is in seconds.
    pub(crate) fn wait(&self, user: &str, from: IpAddr, now: u64) -> Option<u64> {
        let (mark, places) = self.places(user, from);
        let word = places.iter().map(|place| place.load(SeqCst)).find(|word| is_of(*word, mark))?;
        let age = age(word, now)?;
        (count(word) >= FAILURES_MOST).then_some(WINDOW_S - age)
    }

    /// A password of this user was wrong.
    pub(crate) fn failed(&self, user: &str, from: IpAddr, now: u64) {
        let (mark, places) = self.places(user, from);
        let first = mark << (TIME_BITS + COUNT_BITS) | 1 << TIME_BITS | now & TIME_MASK;
        let mine = places.iter().find(|place| is_of(place.load(SeqCst), mark));
        // Nobody's place is older than any.
        let oldest = |place: &&AtomicU64| age(place.load(SeqCst), now).unwrap_or(u64::MAX);
        let Some(place) = mine.or_else(|| places.iter().max_by_key(oldest)) else { return };
        let next = |word: u64| match is_of(word, mark) && age(word, now).is_some() {
            true if count(word) == COUNT_MASK => word,
            true => word + (1 << TIME_BITS),
            false => first,
        };
        let _ = place.fetch_update(SeqCst, SeqCst, |word| Some(next(word)));
    }

    fn places(&self, user: &str, from: IpAddr) -> (u64, &[AtomicU64]) {
        // A /64 is one subscriber's (T31).
        let network = match from.to_canonical() {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => u64::try_from(ip.to_bits() >> 64).unwrap_or_default(),
        };
        let hash = self.hasher.hash_one((user, from.is_ipv4(), network));
        let bucket = usize::try_from(hash % (PLACES / WAYS) as u64).unwrap_or_default() * WAYS;
        // Never nothing, so that no place that was never used is taken for it.
        let mark = hash >> 32 | 1;
        (mark, self.words.get(bucket..bucket + WAYS).unwrap_or_default())
    }
}

fn is_of(word: u64, mark: u64) -> bool {
    word >> (TIME_BITS + COUNT_BITS) == mark
}

fn count(word: u64) -> u64 {
    word >> TIME_BITS & COUNT_MASK
}

/// Seconds since the first failure, while they count.
fn age(word: u64, now: u64) -> Option<u64> {
    let age = now.wrapping_sub(word & TIME_MASK) & TIME_MASK;
    (word != 0 && age < WINDOW_S).then_some(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_594_500;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn t17_l34_ten_wrong_passwords_are_enough_for_a_quarter_of_an_hour() {
        let guesses = Guesses::default();
        let here = ip("192.0.2.1");
        for at in 0..10 {
            assert_eq!(guesses.wait("alice", here, NOW + at), None, "{at}");
            guesses.failed("alice", here, NOW + at);
        }
        assert_eq!(guesses.wait("alice", here, NOW + 10), Some(890));
        assert_eq!(guesses.wait("bob", here, NOW + 10), None);
        assert_eq!(guesses.wait("alice", ip("192.0.2.2"), NOW + 10), None);
        // What comes while nobody looks changes nothing.
        (0..300).for_each(|_| guesses.failed("alice", here, NOW + 11));
        assert_eq!(guesses.wait("alice", here, NOW + 899), Some(1));
        assert_eq!(guesses.wait("alice", here, NOW + 900), None);
        guesses.failed("alice", here, NOW + 900);
        assert_eq!(guesses.wait("alice", here, NOW + 901), None);
    }

    #[test]
    fn t17_a_network_of_ipv6_is_one_address_and_a_mapped_one_is_itself() {
        let guesses = Guesses::default();
        (0..5).for_each(|_| guesses.failed("alice", ip("2001:db8::1"), NOW));
        (0..5).for_each(|_| guesses.failed("alice", ip("2001:db8::ffff:2"), NOW));
        assert!(guesses.wait("alice", ip("2001:db8::3"), NOW).is_some());
        assert!(guesses.wait("alice", ip("2001:db8:0:1::3"), NOW).is_none());
    }

    #[test]
    fn t17_many_others_who_fail_do_not_make_a_guesser_forgotten() {
        let guesses = Guesses::default();
        let here = ip("192.0.2.1");
        (0..10).for_each(|_| guesses.failed("alice", here, NOW));
        (0..5_000).for_each(|n| guesses.failed(&format!("user {n}"), here, NOW));
        assert!(guesses.wait("alice", here, NOW).is_some());
    }
}
