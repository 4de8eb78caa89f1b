//! Whose is a signature over a request (RFC 9421), and whether it is good.
//!
//! Everything that can be read in two ways is refused: names that are there twice, components and parameters that are not known,
//! forms that no serializer writes. What a signature has to cover is not the sender's choice: method, authority, the whole target, and
//! of a body its digest (RFC 9530), which [`Digests`] compares once the body is there.

mod fields;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::{
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey},
};
use pasarela_model::{Application, Code, Credential, Pages, SignatureKey};
use pasarela_net::http1::{Head, Name};
use pasarela_soap::security::{Replays, Seen};
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256, Sha512};

use self::fields::{Input, inputs, lines, sequences};
use crate::respond::Refusal;

/// Seconds that a signature may be old, or young.
const SKEW_S: u64 = 60;
/// Bytes of a nonce.
const NONCE_BYTES: usize = 256;

/// Why a signature is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The fields are not well formed.
    Malformed,
    /// Something is there twice.
    Ambiguous,
    /// A component that is not known here, or that the request does not have.
    Component,
    /// A parameter that is not known here.
    Parameter,
    /// It says nothing of when it was made, or whose it is.
    Unsaid,
    /// It leaves out what it has to cover.
    Uncovered,
    /// Nobody here has such a key, or it did not make this signature.
    Wrong,
    /// It is not of now.
    Time,
    /// It came before.
    Repeated,
    /// More came than can be told apart.
    Full,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "Signature-Input, Signature or Content-Digest is not well formed",
            Self::Ambiguous => "Signature-Input, Signature or Content-Digest names something twice",
            Self::Component => "it covers a component that is not known here or not there, or one with parameters",
            Self::Parameter => "it has a parameter other than created, expires, nonce, alg and keyid",
            Self::Unsaid => "it lacks created or keyid, or there is no signature of its label",
            Self::Uncovered => {
                "it has to cover @method, @authority, @path and @query (or @target-uri), content-digest where there is a body, and what the \
                 application agreed to"
            }
            Self::Wrong => "no application has such a key, or what was signed is something else",
            Self::Time => "it was made more than a minute ago or from now, or is over",
            Self::Repeated => "it came before; each is taken once, so a nonce helps where two are alike",
            Self::Full => "more came than can be told apart from repeated ones",
        })
    }
}

impl Refused {
    /// What is answered.
    pub(crate) fn refusal(self) -> Refusal {
        let code = match self {
            Self::Malformed
            | Self::Ambiguous
            | Self::Component
            | Self::Parameter
            | Self::Unsaid
            | Self::Uncovered => Code::SignatureInvalid,
            Self::Wrong => Code::SignatureUnknown,
            Self::Time | Self::Repeated => Code::SignatureStale,
            Self::Full => return Refusal::new(Code::Overloaded, self.to_string()).retry_after(60),
        };
        Refusal::new(code, format!("the signature is refused: {self}"))
    }
}

/// The keys that make signatures, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Signatures(FxHashMap<String, Signer>);

#[derive(Debug)]
struct Signer {
    application: usize,
    key: Verifying,
    /// What its signatures have to cover beside the rest.
    covers: Vec<String>,
}

enum Verifying {
    Hmac(Box<hmac::Key>),
    Public(&'static str, ParsedPublicKey),
}

impl fmt::Debug for Verifying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm())
    }
}

impl Verifying {
    fn new(key: &SignatureKey) -> Option<Self> {
        Some(match key {
            SignatureKey::Hmac(secret) => {
                Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose())))
            }
            SignatureKey::Ed25519(point) => {
                Self::Public("ed25519", ParsedPublicKey::new(&ED25519, point).ok()?)
            }
            SignatureKey::P256(point) => {
                let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
                Self::Public("ecdsa-p256-sha256", key)
            }
        })
    }

    /// Its name in the registry (RFC 9421 §6.2).
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Hmac(_) => "hmac-sha256",
            Self::Public(name, _) => name,
        }
    }

    fn made(&self, signature: &[u8], of: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, of, signature).is_ok(),
            Self::Public(_, key) => key.verify_sig(of, signature).is_ok(),
        }
    }
}

/// A request as its signer saw it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'h> {
    pub(crate) head: &'h Head,
    /// Whether it came over TLS, to us or to a proxy that is trusted.
    pub(crate) tls: bool,
    /// Seconds since 1970.
    pub(crate) now: u64,
}

/// Whose a signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Made {
    /// Index into the snapshot's applications.
    pub(crate) by: usize,
    /// It covers the body, by way of its digest.
    pub(crate) body: bool,
}

impl Signatures {
    /// `Err`: this application has a key that is none.
    pub(crate) fn build(applications: &Pages<Application>) -> Result<Self, usize> {
        let mut all = FxHashMap::default();
        for (application, one) in applications.iter().enumerate() {
            for credential in &one.credentials {
                if let Credential::Signature { keyid, key, covers } = credential {
                    let key = Verifying::new(key).ok_or(application)?;
                    let signer = Signer { application, key, covers: covers.clone() };
                    all.insert(keyid.clone(), signer);
                }
            }
        }
        Ok(Self(all))
    }

    /// Whether a request shows a signature that is looked at.
    pub(crate) fn are_shown(&self, head: &Head) -> bool {
        !self.0.is_empty() && head.find("signature-input").is_some()
    }

    /// Whose the signature of a request is.
    pub(crate) fn find(&self, signed: Signed<'_>, replays: &Replays) -> Result<Made, Refused> {
        let (stated, signatures) =
            (lines(signed.head, "signature-input")?, lines(signed.head, "signature")?);
        let (stated, signatures) = (inputs(&stated)?, sequences(&signatures)?);
        let (input, signer) = self.ours(&stated)?;
        let label = |(label, _): &&(&str, Vec<u8>)| *label == input.label;
        let Some((_, signature)) = signatures.iter().find(label) else {
            return Err(Refused::Unsaid);
        };
        let created = input.created.ok_or(Refused::Unsaid)?;
        if created.abs_diff(signed.now) > SKEW_S
            || input.expires.is_some_and(|end| end <= signed.now)
        {
            return Err(Refused::Time);
        }
        let base = base(signed, input)?;
        let Some(signer) = signer else {
            // As long as it takes for a key that is known (T16).
            let nobody = hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]);
            std::hint::black_box(hmac::verify(&nobody, &base, signature).is_ok());
            return Err(Refused::Wrong);
        };
        let named = input.algorithm.is_none_or(|name| name == signer.key.algorithm());
        if !signer.key.made(signature, &base) || !named {
            return Err(Refused::Wrong);
        }
        if !covers_enough(signed.head, &input.covers, &signer.covers) {
            return Err(Refused::Uncovered);
        }
        once(signed, input, signature, replays)?;
        Ok(Made { by: signer.application, body: input.covers.contains(&"content-digest") })
    }

    /// The one signature that is for us: proxies and services have theirs.
    fn ours<'i, 'f>(
        &self,
        all: &'i [Input<'f>],
    ) -> Result<(&'i Input<'f>, Option<&Signer>), Refused> {
        let known = |input: &&Input<'_>| input.keyid.is_some_and(|id| self.0.contains_key(id));
        let mut known = all.iter().filter(known);
        let input = known.next().or(all.first()).ok_or(Refused::Malformed)?;
        if known.next().is_some() {
            return Err(Refused::Ambiguous);
        }
        Ok((input, self.0.get(input.keyid.ok_or(Refused::Unsaid)?)))
    }
}

/// Whether what decides about a request is signed.
fn covers_enough(head: &Head, covers: &[&str], agreed: &[String]) -> bool {
    let has = |name: &str| covers.contains(&name);
    let query = head.target().contains(&b'?');
    has("@method")
        && (has("@authority") || has("@target-uri"))
        && (has("@target-uri")
            || has("@request-target")
            || (has("@path") && (has("@query") || !query)))
        && agreed.iter().all(|name| has(name))
}

/// Takes a signature once: by its nonce, or where it may change something by itself.
fn once(
    signed: Signed<'_>,
    input: &Input<'_>,
    signature: &[u8],
    replays: &Replays,
) -> Result<(), Refused> {
    let safe = matches!(signed.head.method(), "GET" | "HEAD" | "OPTIONS");
    let mark = match input.nonce {
        Some(nonce) if nonce.len() > NONCE_BYTES => return Err(Refused::Malformed),
        Some(nonce) => nonce.as_bytes(),
        None if safe => return Ok(()),
        None => signature,
    };
    let mut hash = Sha256::new();
    hash.update(b"http message signature\0");
    hash.update([u8::from(input.nonce.is_some())]);
    hash.update(input.keyid.unwrap_or_default());
    hash.update([0]);
    hash.update(mark);
    match replays.see(&hash.finalize().into(), signed.now) {
        Seen::Never => Ok(()),
        Seen::Before => Err(Refused::Repeated),
        Seen::Full => Err(Refused::Full),
    }
}

/// What was signed (RFC 9421 §2.5).
fn base(signed: Signed<'_>, input: &Input<'_>) -> Result<Vec<u8>, Refused> {
    let mut base = Vec::with_capacity(512);
    for name in &input.covers {
        base.extend_from_slice(b"\"");
        base.extend_from_slice(name.as_bytes());
        base.extend_from_slice(b"\": ");
        match name.starts_with('@') {
            true => derived(signed, name, &mut base)?,
            false => field(signed.head, name, &mut base)?,
        }
        base.push(b'\n');
    }
    base.extend_from_slice(b"\"@signature-params\": ");
    base.extend_from_slice(input.text.as_bytes());
    Ok(base)
}

/// A component that is no field (RFC 9421 §2.2).
fn derived(signed: Signed<'_>, name: &str, out: &mut Vec<u8>) -> Result<(), Refused> {
    let (authority, target) = target(signed.head)?;
    let mut halves = target.splitn(2, |byte| *byte == b'?');
    let path = match halves.next() {
        None | Some(b"") => &b"/"[..],
        Some(path) => path,
    };
    let query = halves.next();
    let scheme = if signed.tls { "https" } else { "http" };
    match name {
        "@method" => out.extend_from_slice(signed.head.method().as_bytes()),
        "@authority" => out.extend(own(authority, signed.tls)),
        "@scheme" => out.extend_from_slice(scheme.as_bytes()),
        "@request-target" => out.extend_from_slice(signed.head.target()),
        "@path" => out.extend_from_slice(path),
        "@query" => {
            out.push(b'?');
            out.extend_from_slice(query.unwrap_or_default());
        }
        "@target-uri" => {
            out.extend_from_slice(scheme.as_bytes());
            out.extend_from_slice(b"://");
            out.extend(own(authority, signed.tls));
            out.extend_from_slice(path);
            if let Some(query) = query {
                out.push(b'?');
                out.extend_from_slice(query);
            }
        }
        _ => return Err(Refused::Component),
    }
    Ok(())
}

/// Authority and what follows it. Routing has made sure that a target in absolute form and `Host` agree.
fn target(head: &Head) -> Result<(&[u8], &[u8]), Refused> {
    let host = head.get(Name::Host).ok_or(Refused::Component)?;
    let target = head.target();
    let rest = match memchr::memmem::find(target, b"://") {
        Some(at) if target.first() != Some(&b'/') => target.get(at + 3..).unwrap_or_default(),
        _ => return Ok((host, target)),
    };
    let end = rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len());
    Ok((host, rest.get(end..).unwrap_or_default()))
}

/// An authority in lower case, without the port that its scheme has anyway (RFC 9421 §2.2.3).
fn own(authority: &[u8], tls: bool) -> Vec<u8> {
    let port: &[u8] = if tls { b":443" } else { b":80" };
    authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase()
}

/// All lines of a field as one (RFC 9421 §2.1).
fn field(head: &Head, name: &str, out: &mut Vec<u8>) -> Result<(), Refused> {
    if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Refused::Component);
    }
    let mut values = head.find_all(name);
    let first = values.next().ok_or(Refused::Component)?;
    out.extend_from_slice(first.trim_ascii());
    for more in values {
        out.extend_from_slice(b", ");
        out.extend_from_slice(more.trim_ascii());
    }
    Ok(())
}

/// What a body has to be (RFC 9530).
#[derive(Debug)]
pub(crate) struct Digests {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
}

impl Digests {
    /// Reads `Content-Digest`: one of the two that are kept has to be there.
    pub(crate) fn read(head: &Head) -> Result<Self, Refused> {
        let text = lines(head, "content-digest")?;
        let all = sequences(&text)?;
        let of =
            |name: &str| all.iter().find(|(is, _)| *is == name).map(|(_, value)| value.clone());
        let digests = Self { sha256: of("sha-256"), sha512: of("sha-512") };
        match digests.sha256.is_some() || digests.sha512.is_some() {
            true => Ok(digests),
            false => Err(Refused::Uncovered),
        }
    }

    /// Whether it is this body.
    pub(crate) fn are_of(&self, body: &[u8]) -> bool {
        let is = |said: &Option<Vec<u8>>, made: &dyn Fn() -> Vec<u8>| {
            said.as_ref().is_none_or(|said| *said == made())
        };
        is(&self.sha256, &|| Sha256::digest(body).to_vec())
            && is(&self.sha512, &|| Sha512::digest(body).to_vec())
    }
}
