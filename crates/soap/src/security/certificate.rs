//! What a certificate says, and whether it may sign for somebody.

use std::fmt;

use aws_lc_rs::digest;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert,
};

use super::{
    der::{self, Values},
    distinguished::DistinguishedName,
    instant,
};

/// Bytes of a certificate.
pub const CERTIFICATE_BYTES_MAX: usize = 16 << 10;

/// A certificate that was read. Nothing was found out about whose it is.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    /// The SHA-1 of it, by which messages name one they know we have.
    thumbprint: Vec<u8>,
    /// Without leading zeros.
    serial: Vec<u8>,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    /// Seconds since 1970 from which and up to which it holds.
    holds: (u64, u64),
    /// The key, with what kind it is.
    key: Vec<u8>,
    key_identifier: Option<Vec<u8>>,
    /// Whether its key is for signatures, as far as it says.
    signs: bool,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?})", self.subject)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Certificate {
    /// Reads one in DER. `None`: it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let mut outer = Values(der);
        let mut certificate = outer.expect(der::SEQUENCE)?.values();
        if !outer.0.is_empty() || der.len() > CERTIFICATE_BYTES_MAX {
            return None;
        }
        // RFC 5280, 4.1
        let mut fields = certificate.expect(der::SEQUENCE)?.values();
        let _version = fields.next_if(0xa0);
        let serial = without_zeros(fields.expect(der::INTEGER)?.content).to_vec();
        let _algorithm = fields.expect(der::SEQUENCE)?;
        let issuer = DistinguishedName::of_der(fields.expect(der::SEQUENCE)?.values())?;
        let mut validity = fields.expect(der::SEQUENCE)?.values();
        let (from, to) = (validity.next()?, validity.next()?);
        let holds = (
            instant::of_certificate(from.tag, from.content)?,
            instant::of_certificate(to.tag, to.content)?,
        );
        let subject = DistinguishedName::of_der(fields.expect(der::SEQUENCE)?.values())?;
        let key = fields.expect(der::SEQUENCE)?.whole.to_vec();
        let mut read = Self {
            der: der.to_vec(),
            thumbprint: digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref().to_vec(),
            serial,
            issuer,
            subject,
            holds,
            key,
            key_identifier: None,
            signs: true,
        };
        let _unique = (fields.next_if(0x81), fields.next_if(0x82));
        if let Some(extensions) = fields.next_if(0xa3) {
            read.extensions(extensions.values().expect(der::SEQUENCE)?.values())?;
        }
        Some(read)
    }

    fn extensions(&mut self, mut extensions: Values<'_>) -> Option<()> {
        while !extensions.0.is_empty() {
            let mut extension = extensions.expect(der::SEQUENCE)?.values();
            let object = extension.expect(der::OBJECT)?.content;
            let _critical = extension.next_if(der::BOOLEAN);
            let mut inner = Values(extension.expect(der::OCTET_STRING)?.content);
            match object {
                // subjectKeyIdentifier
                [0x55, 0x1d, 0x0e] => {
                    self.key_identifier = Some(inner.expect(der::OCTET_STRING)?.content.to_vec());
                }
                // keyUsage: the first two bits are digitalSignature and nonRepudiation.
                [0x55, 0x1d, 0x0f] => {
                    let bits = inner.expect(der::BIT_STRING)?.content.get(1);
                    self.signs = bits.is_some_and(|bits| bits & 0xc0 != 0);
                }
                _ => (),
            }
        }
        Some(())
    }

    /// Its bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its subject.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// Its public key with the kind of it, as signatures are checked with.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Whether it holds now and its key is for signatures.
    pub(super) fn may_sign(&self, now: u64) -> bool {
        self.signs && (self.holds.0..=self.holds.1).contains(&now)
    }

    /// Whether this is the identifier of its key (RFC 5280, 4.2.1.2).
    pub(super) fn has_key_identifier(&self, identifier: &[u8]) -> bool {
        self.key_identifier.as_deref() == Some(identifier)
    }

    /// Whether this is its thumbprint.
    pub(super) fn has_thumbprint(&self, thumbprint: &[u8]) -> bool {
        self.thumbprint == thumbprint
    }

    /// Whether it has this number of this issuer. The number is in decimal digits.
    pub(super) fn is_issued(&self, issuer: &str, number: &str) -> bool {
        bytes_of_decimal(number.trim()).is_some_and(|number| number == self.serial)
            && DistinguishedName::read(issuer).is_some_and(|issuer| issuer == self.issuer)
    }

    /// Whether a chain leads from it to one of these.
    pub(super) fn is_trusted(&self, anchors: &[TrustAnchor<'_>], now: u64) -> bool {
        let der = CertificateDer::from(self.der.as_slice());
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
        EndEntityCert::try_from(&der).is_ok_and(|certificate| {
            let algorithms = webpki::ALL_VERIFICATION_ALGS;
            certificate
                .verify_for_usage(algorithms, anchors, &[], now, ForMessages, None, None)
                .is_ok()
        })
    }
}

/// A certificate as an authority that is trusted. `None`: it is none.
pub fn authority(der: &[u8]) -> Option<TrustAnchor<'static>> {
    let der = CertificateDer::from(der);
    anchor_from_trusted_cert(&der).ok().map(|anchor| anchor.to_owned())
}

/// A certificate that says what it is for has to be for clients, for mail or for anything.
struct ForMessages;

impl ExtendedKeyUsageValidator for ForMessages {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        const GOOD: [&[usize]; 3] =
            [&[1, 3, 6, 1, 5, 5, 7, 3, 2], &[1, 3, 6, 1, 5, 5, 7, 3, 4], &[2, 5, 29, 37, 0]];
        let (mut any, mut good) = (false, false);
        for purpose in purposes {
            any = true;
            good |= GOOD.contains(&purpose?.to_decoded_oid().as_slice());
        }
        match !any || good {
            true => Ok(()),
            false => Err(webpki::Error::UnsupportedCriticalExtension),
        }
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// A number in decimal digits, big end first, without leading zeros.
fn bytes_of_decimal(digits: &str) -> Option<Vec<u8>> {
    // RFC 5280, 4.1.2.2: at most 20 bytes, which are 49 digits.
    if digits.is_empty() || digits.len() > 60 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let mut number = vec![0_u8; 32];
    for digit in digits.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in number.iter_mut().rev() {
            let sum = u32::from(*byte) * 10 + carry;
            *byte = u8::try_from(sum & 0xff).unwrap_or_default();
            carry = sum >> 8;
        }
    }
    Some(without_zeros(&number).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_written_in_decimal() {
        assert_eq!(bytes_of_decimal("0"), Some(vec![]));
        assert_eq!(bytes_of_decimal("0256"), Some(vec![1, 0]));
        let twenty = "1461501637330902918203684832716283019655932542975";
        assert_eq!(bytes_of_decimal(twenty), Some(vec![0xff; 20]));
        assert_eq!(bytes_of_decimal("0x10"), None);
        assert_eq!(bytes_of_decimal("-1"), None);
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        assert!(Certificate::read(b"").is_none());
        assert!(Certificate::read(&[0x30, 0x03, 0x30, 0x01, 0x02]).is_none());
        assert!(Certificate::read(&vec![0x30; CERTIFICATE_BYTES_MAX + 1]).is_none());
        assert!(authority(b"no").is_none());
    }
}
