//! Secrets that people are given: a prefix by which scanners know them, 256 bits, and a checksum.
//!
//! `psk_` and 49 letters and digits: 43 for the bits, 6 for the CRC-32 of all before. A scanner of
//! source code can tell a real one from a text that looks like one without asking us. We keep an HMAC of the
//! whole's SHA-256 under the store's pepper: with 256 random bits there is nothing to guess, so nothing to slow down.

use pasarela_model::KeyDigest;
use sha2::{Digest as _, Sha256};

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An application's key.
    ApiKey,
    /// A client's secret, for the token endpoint.
    ClientSecret,
    /// A member's token for the administration API.
    Token,
    /// An invitation, of use once.
    Invitation,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "psk_",
            Self::ClientSecret => "pss_",
            Self::Token => "pst_",
            Self::Invitation => "psi_",
        }
    }
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62⁴³ > 2²⁵⁶.
const BODY: usize = 43;
/// 62⁶ > 2³².
const CHECK: usize = 6;

/// A secret of these bits.
pub(crate) fn secret(kind: Kind, bits: [u8; 32]) -> String {
    let mut text = format!("{}{}", kind.prefix(), base62(&bits, BODY));
    text += &base62(&crc32(text.as_bytes()).to_be_bytes(), CHECK);
    text
}

/// How a secret begins: enough to tell one's own apart, too little to be of use.
pub(crate) fn hint(secret: &str) -> String {
    secret.chars().take(8).collect()
}

/// The SHA-256 of a secret, of which the store makes what it is known by (`Tx::peppered`).
pub fn digest(secret: &str) -> KeyDigest {
    KeyDigest(Sha256::digest(secret.as_bytes()).into())
}

/// Whether a text can be a secret of this kind: its form and its checksum. A typing mistake shows here,
/// before anybody is asked.
pub fn well_formed(kind: Kind, text: &str) -> bool {
    let length = kind.prefix().len() + BODY + CHECK;
    let Some((all, check)) = text.split_at_checked(length - CHECK) else { return false };
    text.len() == length
        && text.starts_with(kind.prefix())
        && base62(&crc32(all.as_bytes()).to_be_bytes(), CHECK) == check
}

/// A number of big-endian bytes in so many digits.
fn base62(bytes: &[u8], digits: usize) -> String {
    let mut number = bytes.to_vec();
    let mut text = Vec::with_capacity(digits);
    for _ in 0..digits {
        let mut rest = 0_u32;
        for byte in &mut number {
            let part = rest << 8 | u32::from(*byte);
            // Less than 256, since what was left over is less than 62.
            *byte = u8::try_from(part / 62).unwrap_or(u8::MAX);
            rest = part % 62;
        }
        text.push(DIGITS.get(rest as usize).copied().unwrap_or(b'0'));
    }
    text.iter().rev().map(|digit| char::from(*digit)).collect()
}

/// CRC-32 as in gzip and PNG (ISO 3309), bit by bit: secrets are short.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_everybody_has() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn l31_a_key_has_its_prefix_all_its_bits_and_a_checksum() {
        let key = secret(Kind::ApiKey, [255; 32]);
        assert_eq!(key.len(), 4 + BODY + CHECK);
        assert!(well_formed(Kind::ApiKey, &key));
        assert!(!well_formed(Kind::Token, &key));
        // One bit more or less is another key.
        let mut near = [255; 32];
        near[31] = 254;
        assert_ne!(secret(Kind::ApiKey, near)[..47], key[..47]);
        for place in 0..key.len() {
            let mut typo = key.clone().into_bytes();
            typo[place] = if typo[place] == b'x' { b'y' } else { b'x' };
            assert!(!well_formed(Kind::ApiKey, &String::from_utf8(typo).unwrap()));
        }
        for wrong in ["", "psk_", "psk_é", &key[1..], &format!("{key}0")] {
            assert!(!well_formed(Kind::ApiKey, wrong));
        }
    }

    #[test]
    fn digits_are_those_of_the_number() {
        assert_eq!(base62(&[0, 61], 3), "00z");
        assert_eq!(base62(&[1, 0], 3), "048");
    }
}
