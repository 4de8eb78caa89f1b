//! Request ids: 26 characters, sortable by time, unique across workers, nodes and boots.
//!
//! The layout is a ULID's: 48 bits of milliseconds, then 80 bits that no other generator gives.
//! Those are 16 bits of the worker and 64 of a counter sent through a mixing function that never
//! maps two counts to one value, keyed by what the process drew at its start. So one worker cannot
//! repeat itself, two would have to draw the same key, and a caller cannot read our traffic off
//! two ids.

use std::{cell::Cell, fmt};

use super::mix;

/// A request's id: ours, or one that a trusted proxy gave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    bytes: [u8; MOST],
    len: u8,
}

/// Characters of an id from outside, at most.
const MOST: usize = 64;
/// Characters of an id of ours.
const OURS: usize = 26;

impl RequestId {
    /// An id from a trusted proxy: 1 to 64 characters of `A–Z a–z 0–9 . _ -`; else `None`.
    pub fn accept(incoming: &[u8]) -> Option<Self> {
        let fits = (1..=MOST).contains(&incoming.len());
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !fits || !incoming.iter().all(plain) {
            return None;
        }
        let mut bytes = [0; MOST];
        bytes.get_mut(..incoming.len())?.copy_from_slice(incoming);
        Some(Self { bytes, len: u8::try_from(incoming.len()).ok()? })
    }

    /// The id as a header field carries it.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // ASCII by construction.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes one worker's ids.
#[derive(Debug)]
pub struct RequestIds {
    key: u64,
    tag: u16,
    count: Cell<u64>,
}

impl RequestIds {
    /// `boot` is what this process drew at its start, `worker` counts its workers.
    pub fn new(boot: u128, worker: usize) -> Self {
        let low = boot as u64;
        let high = (boot >> 64) as u64;
        let worker = worker as u64;
        Self {
            key: mix(low ^ mix(high ^ worker)),
            tag: (mix(high.wrapping_add(1)) as u16) ^ (worker as u16),
            count: Cell::new(0),
        }
    }

    /// The id of a request: the incoming one where the peer is a trusted proxy and it has the
    /// right form, else a new one. A repeated field is no field: pass `None`.
    pub fn choose(&self, incoming: Option<&[u8]>, trusted: bool, unix_ms: u64) -> RequestId {
        let accepted = match incoming {
            Some(incoming) if trusted => RequestId::accept(incoming),
            _ => None,
        };
        accepted.unwrap_or_else(|| self.next(unix_ms))
    }

    /// A new id. `unix_ms` is the time in milliseconds since 1970.
    pub fn next(&self, unix_ms: u64) -> RequestId {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let unique = mix(self.key.wrapping_add(count));
        let mut bytes = [0; MOST];
        base32::<10>(&mut bytes, 0, unix_ms & ((1 << 48) - 1));
        base32::<8>(&mut bytes, 10, (u64::from(self.tag) << 24) | (unique >> 40));
        base32::<8>(&mut bytes, 18, unique & ((1 << 40) - 1));
        RequestId { bytes, len: OURS as u8 }
    }
}

/// Writes the low `5 × N` bits as `N` characters of Crockford's base 32.
fn base32<const N: usize>(out: &mut [u8; MOST], at: usize, value: u64) {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    for (index, byte) in out.iter_mut().skip(at).take(N).enumerate() {
        *byte = ALPHABET[(value >> (5 * (N - 1 - index))) as usize & 31];
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_over_workers_and_boots_and_sort_by_time() {
        let mut seen = HashSet::new();
        for boot in [1u128, 2, 1 << 64] {
            for worker in 0..4 {
                let ids = RequestIds::new(boot, worker);
                for _ in 0..5_000 {
                    let id = ids.next(1_770_000_000_000);
                    assert_eq!(id.as_str().len(), 26);
                    assert!(RequestId::accept(id.as_bytes()).is_some(), "{id:?}");
                    assert!(seen.insert(id.as_str().to_owned()), "{id:?} twice");
                }
            }
        }
        let ids = RequestIds::new(7, 0);
        let (early, late) = (ids.next(1_770_000_000_000), ids.next(1_770_000_000_001));
        assert!(early.as_str() < late.as_str());
        // The time part is what any ULID reader expects.
        assert_eq!(&ids.next(1_469_918_176_385).as_str()[..10], "01ARYZ6S41");
    }

    #[test]
    fn t14_an_id_from_outside_counts_only_from_a_trusted_proxy_and_in_form() {
        let ids = RequestIds::new(7, 0);
        let chosen = |incoming: &[u8], trusted| {
            ids.choose(Some(incoming), trusted, 1).as_bytes() == incoming
        };
        assert!(chosen(b"a.B_c-9", true));
        assert!(chosen(&[b'x'; 64], true));
        assert!(!chosen(b"a.B_c-9", false));
        for bad in [&b""[..], &[b'x'; 65], b"a b", b"a\r\nb", b"a\"b", b"\xc3\xb1", b"a\x1b[31m"] {
            assert!(!chosen(bad, true), "{bad:?}");
        }
    }
}
