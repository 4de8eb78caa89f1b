//! Chance as an argument: one seed a call, from which its ids and secrets are drawn.

use std::sync::atomic::{AtomicU32, Ordering};

use pasarela_model::{Id, Timestamp};
use sha2::{Digest as _, Sha256};

/// 256 bits of the system's randomness.
pub type Seed = [u8; 32];

/// Draws from a seed, never the same twice. Without the seed nobody can tell one draw from another.
#[derive(Debug)]
pub(crate) struct Dice {
    seed: Seed,
    drawn: AtomicU32,
}

impl Dice {
    pub(crate) const fn new(seed: Seed) -> Self {
        Self { seed, drawn: AtomicU32::new(0) }
    }

    /// 256 bits.
    pub(crate) fn bits(&self) -> [u8; 32] {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(number.to_be_bytes());
        hash.finalize().into()
    }

    /// A new id.
    pub(crate) fn id<I: Id>(&self, at: Timestamp) -> I {
        let mut random = [0; 10];
        for (place, byte) in random.iter_mut().zip(self.bits()) {
            *place = byte;
        }
        I::new(at, random)
    }
}
