//! What secrets in a store are mixed with, so that whoever has the store alone cannot even try one (L31).
//!
//! A secret is known by HMAC-SHA-256, under the pepper, of its SHA-256. So what stands in a store that had no pepper yet can be mixed
//! with one without knowing any secret, and what a file declares as `sha256` is looked up in the same way.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::KeyDigest;

/// A block of SHA-256.
const BLOCK: usize = 64;

/// The key of an HMAC, with the two first blocks hashed already: a secret costs two more.
#[derive(Clone)]
pub struct Pepper {
    inner: Sha256,
    outer: Sha256,
}

impl Pepper {
    /// Of 256 random bits.
    pub fn new(bits: &[u8; 32]) -> Self {
        let pad = |with: u8| {
            let mut block = [with; BLOCK];
            block.iter_mut().zip(bits).for_each(|(byte, bit)| *byte ^= bit);
            Sha256::new_with_prefix(block)
        };
        // RFC 2104 §2.
        Self { inner: pad(0x36), outer: pad(0x5c) }
    }

    /// What is known of a secret, of its SHA-256.
    pub fn of(&self, digest: &KeyDigest) -> KeyDigest {
        let inner = self.inner.clone().chain_update(digest.0).finalize();
        KeyDigest(self.outer.clone().chain_update(inner).finalize().into())
    }

    /// By this two peppers are told apart; it helps nobody to find one.
    pub fn proof(&self) -> KeyDigest {
        self.of(&KeyDigest(*b"pasarela: which pepper is this? "))
    }
}

impl PartialEq for Pepper {
    fn eq(&self, other: &Self) -> bool {
        self.proof() == other.proof()
    }
}

impl Eq for Pepper {}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l31_a_secret_is_known_by_an_hmac() {
        // What Python says: hmac.new(bytes(range(32)), hashlib.sha256(b"psk_secret").digest(), "sha256").
        let bits = std::array::from_fn(|place| place as u8);
        let digest = KeyDigest(Sha256::digest(b"psk_secret").into());
        let mixed = Pepper::new(&bits).of(&digest);
        let hex: String = mixed.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "f82be97b6ca6b1dcf4fad8e71a578f9a06782caa251582ca037d0575a821c0e9");
        assert_ne!(Pepper::new(&[1; 32]).of(&digest), mixed);
        assert_ne!(Pepper::new(&[1; 32]), Pepper::new(&[2; 32]));
        assert!(!format!("{:?}", Pepper::new(&[77; 32])).contains("77"));
    }
}
