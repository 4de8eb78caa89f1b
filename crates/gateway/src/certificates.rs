//! Who is known by the certificate of a TLS connection.
//!
//! By an exact name or a digest, never by the common name, never by part of a name (T22). That the certificate is good was
//! verified by the handshake and is looked after by [`pasarela_net::tls::Peer`]; this only tells whose it is.

use pasarela_model::{Application, CertificateName, Credential, Pages};
use pasarela_net::tls::PeerCertificate;
use rustc_hash::FxHashMap;

/// Applications (their indices) by what their certificates are called.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    dns: FxHashMap<String, usize>,
    uri: FxHashMap<String, usize>,
    key: FxHashMap<[u8; 32], usize>,
    whole: FxHashMap<[u8; 32], usize>,
}

/// A certificate has the names of two applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OfTwo;

impl Certificates {
    pub(crate) fn new(applications: &Pages<Application>) -> Self {
        let mut known = Self::default();
        for (index, application) in applications.iter().enumerate() {
            for credential in &application.credentials {
                let Credential::TlsCertificate(name) = credential else { continue };
                match name {
                    CertificateName::Dns(name) => known.dns.insert(name.clone(), index),
                    CertificateName::Uri(name) => known.uri.insert(name.clone(), index),
                    CertificateName::Key(digest) => known.key.insert(*digest, index),
                    CertificateName::Whole(digest) => known.whole.insert(*digest, index),
                };
            }
        }
        known
    }

    /// Whose a certificate is; `Ok(None)`: it is good, and nobody's here.
    pub(crate) fn find(&self, it: &PeerCertificate) -> Result<Option<usize>, OfTwo> {
        let dns = it.dns_names.iter().filter_map(|name| self.dns.get(name));
        let uri = it.uri_names.iter().filter_map(|name| self.uri.get(name));
        let digests = self.key.get(&it.key_sha256).into_iter().chain(self.whole.get(&it.sha256));
        let mut found = digests.chain(dns).chain(uri).copied();
        let Some(first) = found.next() else { return Ok(None) };
        match found.all(|other| other == first) {
            true => Ok(Some(first)),
            false => Err(OfTwo),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known_by(names: &[(usize, CertificateName)]) -> Certificates {
        let applications = (0..3).map(|index| Application {
            name: format!("a{index}"),
            credentials: names
                .iter()
                .filter(|(whose, _)| *whose == index)
                .map(|(_, name)| Credential::TlsCertificate(name.clone()))
                .collect(),
            ..Application::default()
        });
        Certificates::new(&applications.collect())
    }

    fn certificate(dns: &[&str], uri: &[&str]) -> PeerCertificate {
        PeerCertificate {
            sha256: [1; 32],
            key_sha256: [2; 32],
            dns_names: dns.iter().map(|name| (*name).to_owned()).collect(),
            uri_names: uri.iter().map(|name| (*name).to_owned()).collect(),
            not_after: None,
        }
    }

    #[test]
    fn t22_a_name_is_meant_to_the_letter() {
        let dns = |name: &str| CertificateName::Dns(name.into());
        let known = known_by(&[
            (0, dns("tracker.acme.com")),
            (1, CertificateName::Uri("spiffe://acme/tracker".into())),
            (2, dns("acme.com")),
        ]);
        let whose = |dns: &[&str], uri: &[&str]| known.find(&certificate(dns, uri));
        assert_eq!(whose(&["tracker.acme.com"], &[]), Ok(Some(0)));
        assert_eq!(whose(&["else.com", "tracker.acme.com"], &[]), Ok(Some(0)));
        assert_eq!(whose(&[], &["spiffe://acme/tracker"]), Ok(Some(1)));
        for strange in [
            "*.acme.com",
            "a.tracker.acme.com",
            "racker.acme.com",
            "tracker.acme.com.",
            "acme",
            "tracker.acme.co",
            "com",
            "",
        ] {
            assert_eq!(whose(&[strange], &[]), Ok(None), "{strange}");
        }
        for strange in ["spiffe://acme/", "spiffe://acme/tracker/", "SPIFFE://acme/tracker"] {
            assert_eq!(whose(&[], &[strange]), Ok(None), "{strange}");
        }
        // A name of one kind is none of the other.
        assert_eq!(whose(&["spiffe://acme/tracker"], &["tracker.acme.com"]), Ok(None));
        assert_eq!(whose(&[], &[]), Ok(None));
    }

    #[test]
    fn t22_a_certificate_of_two_applications_is_nobody_s() {
        let known = known_by(&[
            (0, CertificateName::Dns("a.example".into())),
            (1, CertificateName::Dns("b.example".into())),
            (0, CertificateName::Key([2; 32])),
        ]);
        assert_eq!(known.find(&certificate(&["a.example"], &[])), Ok(Some(0)));
        assert_eq!(known.find(&certificate(&["b.example"], &[])), Err(OfTwo));
        let unpinned = known_by(&[
            (0, CertificateName::Dns("a.example".into())),
            (1, CertificateName::Dns("b.example".into())),
        ]);
        assert_eq!(unpinned.find(&certificate(&["b.example", "a.example"], &[])), Err(OfTwo));
    }

    #[test]
    fn t22_a_pin_is_of_the_key_or_of_the_whole() {
        let known =
            known_by(&[(1, CertificateName::Key([2; 32])), (2, CertificateName::Whole([9; 32]))]);
        assert_eq!(known.find(&certificate(&["anything"], &[])), Ok(Some(1)));
        let other = PeerCertificate { key_sha256: [3; 32], ..certificate(&[], &[]) };
        assert_eq!(known.find(&other), Ok(None));
        let whole = PeerCertificate { sha256: [9; 32], ..other };
        assert_eq!(known.find(&whole), Ok(Some(2)));
    }
}
