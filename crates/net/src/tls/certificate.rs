//! Reading certificates: PEM in, names, digests and dates out.
//!
//! Trust is never decided here: chains are verified by rustls. This only tells what a
//! certificate says, to choose one by name, to identify a verified peer, to warn before it ends.

use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use sha2::{Digest, Sha256};
use webpki::{BorrowedCertRevocationList, EndEntityCert};

use super::{CertificateProblem, provider};

/// What one of our own certificates says, for warnings and the console (L49).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateFacts {
    /// DNS names it is for, lower case; wildcards as `*.example.com`.
    pub names: Vec<String>,
    /// End of its time; `None` if it could not be read.
    pub not_after: Option<SystemTime>,
    /// SHA-256 of the whole certificate.
    pub sha256: [u8; 32],
}

/// A client's certificate after it was verified. Identity is an exact subject alternative name or
/// a digest, never the common name (T22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// SHA-256 of the whole leaf certificate.
    pub sha256: [u8; 32],
    /// SHA-256 of its public key (SubjectPublicKeyInfo): stays when a certificate is renewed.
    pub key_sha256: [u8; 32],
    /// DNS names, lower case.
    pub dns_names: Vec<String>,
    /// URI names, such as SPIFFE ids, as they are.
    pub uri_names: Vec<String>,
    /// End of its time, seconds since 1970; `None` if it could not be read.
    pub not_after: Option<u64>,
}

impl PeerCertificate {
    /// Reads a leaf that was verified. `None` if it cannot be read: then it identifies nobody.
    pub(super) fn read(leaf: &CertificateDer<'_>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(leaf).ok()?;
        Some(Self {
            sha256: Sha256::digest(leaf).into(),
            key_sha256: Sha256::digest(certificate.subject_public_key_info()).into(),
            dns_names: certificate.valid_dns_names().map(str::to_ascii_lowercase).collect(),
            uri_names: certificate.valid_uri_names().map(str::to_owned).collect(),
            not_after: not_after(leaf)
                .and_then(|end| end.duration_since(SystemTime::UNIX_EPOCH).ok())
                .map(|end| end.as_secs()),
        })
    }
}

impl CertificateFacts {
    pub(super) fn read(leaf: &CertificateDer<'_>) -> Self {
        let names = EndEntityCert::try_from(leaf)
            .map(|certificate| certificate.valid_dns_names().map(str::to_ascii_lowercase).collect())
            .unwrap_or_default();
        Self { names, not_after: not_after(leaf), sha256: Sha256::digest(leaf).into() }
    }
}

/// Reads a chain and its key, and checks that they belong together.
pub(super) fn certified_key(
    cert_pem: &[u8],
    key_pem: &[u8],
) -> Result<CertifiedKey, CertificateProblem> {
    let chain = certificates(cert_pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| match error {
        pem::Error::NoItemsFound if has_section(key_pem, "ENCRYPTED PRIVATE KEY") => {
            CertificateProblem::EncryptedKey
        }
        pem::Error::NoItemsFound => CertificateProblem::NoKey,
        // The text of a PEM error never has the section's contents, but say less of a key anyway.
        _ => CertificateProblem::Pem("the key's section is broken".to_owned()),
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            CertificateProblem::Mismatch
        }
        other => CertificateProblem::Unusable(other.to_string()),
    })
}

/// Reads authorities to trust. Each must be usable: a typing error must not shrink the list.
pub(super) fn authorities(pem: &[u8]) -> Result<RootCertStore, CertificateProblem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| CertificateProblem::Unusable(error.to_string()))?;
    }
    Ok(roots)
}

/// Reads revocation lists.
pub(super) fn revocation_lists(
    pem: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, CertificateProblem> {
    let lists = CertificateRevocationListDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CertificateProblem::Pem(error.to_string()))?;
    if lists.is_empty() { Err(CertificateProblem::NoRevocationList) } else { Ok(lists) }
}

/// Whether a PEM file holds lists of revoked certificates that can be used, and no broken one.
pub fn are_revocation_lists(pem: &[u8]) -> bool {
    revocation_lists(pem).is_ok_and(|lists| {
        lists.iter().all(|list| BorrowedCertRevocationList::from_der(list).is_ok())
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateProblem> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CertificateProblem::Pem(error.to_string()))?;
    if chain.is_empty() { Err(CertificateProblem::NoCertificate) } else { Ok(chain) }
}

fn has_section(pem: &[u8], name: &str) -> bool {
    memchr::memmem::find(pem, format!("-----BEGIN {name}-----").as_bytes()).is_some()
}

/// The `notAfter` of a certificate (RFC 5280 section 4.1), or `None` if it is not where it should
/// be. Nothing is decided by it but when to look again.
fn not_after(leaf: &[u8]) -> Option<SystemTime> {
    let (tag, certificate, _) = element(leaf)?;
    let (_, to_be_signed, _) = element((tag == SEQUENCE).then_some(certificate)?)?;
    // version [0], serialNumber, signature, issuer, validity
    let (tag, _, mut rest) = element(to_be_signed)?;
    if tag == EXPLICIT_0 {
        rest = element(rest)?.2;
    }
    for _ in ["signature", "issuer"] {
        rest = element(rest)?.2;
    }
    let (tag, validity, _) = element(rest)?;
    let (_, _, end) = element((tag == SEQUENCE).then_some(validity)?)?;
    let (tag, text, _) = element(end)?;
    time(tag, text)
}

const SEQUENCE: u8 = 0x30;
const EXPLICIT_0: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Splits the first DER element off: its tag, its content, what follows (X.690 section 8.1).
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ` (RFC 5280 section 4.1.2.5).
fn time(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: i64 = text[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<i64>().ok();
    let days = days_since_1970(year, part(0)?, part(2)?);
    let seconds = days * 86_400 + part(4)? * 3600 + part(6)? * 60 + part(8)?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Days from 1970-01-01 in the Gregorian calendar, counting years from March so that the leap day
/// is the last of the year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let before_month = (153 * month_from_march + 2) / 5;
    let before_year = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    before_year + before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(tag: u8, text: &str) -> Option<u64> {
        time(tag, text.as_bytes())
            .map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn dates_of_certificates_are_read() {
        // `date -u -d … +%s` says the same.
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(seconds(UTC_TIME, "000229235959Z"), Some(951_868_799));
        assert_eq!(seconds(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(seconds(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        assert_eq!(seconds(GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        for bad in ["", "Z", "7001010000Z", "70010100000aZ", "700101000000+0100", "é0101000000Z"] {
            assert_eq!(seconds(UTC_TIME, bad), None, "{bad}");
        }
    }

    #[test]
    fn facts_come_from_the_certificate_and_cut_ones_say_nothing() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![
            "API.example.com".to_owned(),
            "*.example.org".to_owned(),
        ])
        .unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 5, 6);
        let made = params.self_signed(&key).unwrap();
        let facts = CertificateFacts::read(made.der());
        assert_eq!(facts.names, ["api.example.com", "*.example.org"]);
        let end = facts.not_after.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(end.as_secs(), 1_935_792_000);

        for cut in 0..made.der().len() {
            // Must not panic; what it says does not matter.
            let _ = not_after(&made.der()[..cut]);
        }
    }
}
