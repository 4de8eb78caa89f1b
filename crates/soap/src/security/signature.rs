//! Signatures: by whose key, over which parts, and whether the parts are still what was signed.
//!
//! What is verified are places in the message. Nothing is looked for by its id a second time.

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};

use super::{
    Holders, Refused, Why, X509,
    certificate::Certificate,
    header::{Clue, Signature},
    scan::{Place, Scan},
};
use crate::{
    Limits, Symbols,
    envelope::addressing::{WSA, WSA2004},
    xml::{Canonical, Event, Reader},
};

/// Bytes of canonical form: so many times the message's, and so many more.
const GROWTH: (usize, usize) = (16, 1 << 20);

/// The message, to be read as often as it takes.
#[derive(Clone, Copy)]
pub(super) struct Source<'m> {
    pub(super) message: &'m [u8],
    pub(super) charset: Option<&'m str>,
    pub(super) limits: &'m Limits,
}

/// What a signature proved.
pub(super) struct Proof {
    pub(super) holder: usize,
    /// Where the parts start that it covers.
    parts: Vec<u64>,
    /// What of it may come only once.
    pub(super) once: [u8; 32],
}

impl Proof {
    /// Whether it covers what starts there.
    pub(super) fn covers(&self, at: u64) -> bool {
        self.parts.contains(&at)
    }
}

/// Verifies a signature.
///
/// # Errors
/// When it is not good, or covers what it may not.
pub(super) fn verify(
    source: Source<'_>,
    scan: &Scan,
    signature: &Signature,
    (policy, legacy): (&X509, bool),
    holders: &Holders,
    now: u64,
) -> Result<Proof, Refused> {
    let broken = signature.method.is_broken()
        || signature.references.iter().any(|reference| reference.digest.is_broken());
    if broken && !legacy {
        return Err(Refused::new(Why::AlgorithmUnsupported, "a signature may not use SHA-1"));
    }
    let wanted = wanted(scan, signature)?;
    let (certificate, holder) = signer(scan, &signature.key, policy, holders, now)?;
    let info = source.canonical(signature.info_at, &signature.prefixes)?;
    if !signature.method.verifies(certificate.key(), &info, &signature.value) {
        return Err(wrong());
    }
    source.compare(&wanted, signature)?;
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"signature\0");
    context.update(certificate.der());
    context.update(&info);
    let mut once = [0; 32];
    once.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    Ok(Proof { holder, parts: wanted.into_iter().map(|(at, _)| at).collect(), once })
}

/// Where what is signed lies, in the order of the message, each with the number of its reference.
fn wanted(scan: &Scan, signature: &Signature) -> Result<Vec<(u64, usize)>, Refused> {
    let mut wanted = Vec::with_capacity(signature.references.len());
    for (number, reference) in signature.references.iter().enumerate() {
        let (at, _) = scan.target(&reference.id)?;
        if at == scan.header.span.start {
            let why = "a signature cannot cover the header that it stands in";
            return Err(Refused::new(Why::Check, why));
        }
        wanted.push((at, number));
    }
    wanted.sort_unstable();
    match wanted.windows(2).any(|pair| pair.first().map(|p| p.0) == pair.last().map(|p| p.0)) {
        true => Err(Refused::new(Why::Check, "a part is signed twice by one signature")),
        false => Ok(wanted),
    }
}

/// The certificate that the signature names, if somebody is known by it.
fn signer(
    scan: &Scan,
    clue: &Clue,
    policy: &X509,
    holders: &Holders,
    now: u64,
) -> Result<(Certificate, usize), Refused> {
    let read = |der: &[u8]| {
        Certificate::read(der)
            .ok_or_else(|| Refused::new(Why::TokenInvalid, "the token is no certificate"))
    };
    let known = |found: Option<&(Certificate, usize)>| found.map(|(known, _)| known.clone());
    let certificate = match clue {
        Clue::Token(id) => {
            let (at, place) = scan.target(id)?;
            let token = scan.header.certificates.iter().find(|(token, _)| *token == at);
            let token = token.filter(|_| place == Place::Token).ok_or_else(untrusted)?;
            Some(read(&token.1)?)
        }
        Clue::Certificate(der) => Some(read(der)?),
        Clue::KeyIdentifier(identifier) => {
            known(holders.certificate(|known| known.has_key_identifier(identifier)))
        }
        Clue::Thumbprint(thumbprint) => {
            known(holders.certificate(|known| known.has_thumbprint(thumbprint)))
        }
        Clue::Issued { issuer, number } => {
            known(holders.certificate(|known| known.is_issued(issuer, number)))
        }
    };
    let certificate = certificate.ok_or_else(untrusted)?;
    if !certificate.may_sign(now) {
        return Err(untrusted());
    }
    if let Some((_, holder)) = holders.certificate(|known| *known == certificate) {
        return Ok((certificate, *holder));
    }
    // Who is named by it is asked first: the chain takes longer.
    match holders.subject(certificate.subject()) {
        Some(holder) if certificate.is_trusted(&policy.anchors, now) => Ok((certificate, holder)),
        _ => Err(untrusted()),
    }
}

impl Source<'_> {
    fn reader(&self) -> Result<Reader<'_>, Refused> {
        Reader::with(self.message, self.charset, Symbols::none(), self.limits)
            .map_err(Refused::message)
    }

    fn form(&self, prefixes: &[String]) -> Canonical {
        let (times, more) = GROWTH;
        Canonical {
            inclusive_prefixes: prefixes.to_vec(),
            bytes_max: Some(self.message.len().saturating_mul(times).saturating_add(more)),
            ..Canonical::exclusive()
        }
    }

    /// The canonical form of the element that starts there.
    fn canonical(&self, at: u64, prefixes: &[String]) -> Result<Vec<u8>, Refused> {
        let mut reader = self.reader()?;
        go_to(&mut reader, at)?;
        let mut out = Vec::new();
        self.form(prefixes).write(&mut reader, &mut out).map_err(Refused::message)?;
        Ok(out)
    }

    /// Holds every part against its digest, going over the message once.
    fn compare(&self, wanted: &[(u64, usize)], signature: &Signature) -> Result<(), Refused> {
        let mut reader = self.reader()?;
        let mut out = Vec::new();
        for (at, number) in wanted {
            let Some(reference) = signature.references.get(*number) else { continue };
            go_to(&mut reader, *at)?;
            out.clear();
            let form = self.form(&reference.prefixes);
            form.write(&mut reader, &mut out).map_err(Refused::message)?;
            let digest = reference.digest.of(&out);
            verify_slices_are_equal(digest.as_ref(), &reference.value).map_err(|_| wrong())?;
        }
        Ok(())
    }
}

/// Goes to the start of the element that starts there.
fn go_to(reader: &mut Reader<'_>, at: u64) -> Result<(), Refused> {
    loop {
        match reader.pull().map_err(Refused::message)? {
            Event::Start if reader.span().start == at => return Ok(()),
            Event::Eof | Event::NeedMore => return Err(wrong()),
            _ => (),
        }
    }
}

/// Sees to it that a proof covers what it has to.
///
/// # Errors
/// When it does not.
pub(super) fn demand(proof: &Proof, scan: &Scan, policy: &X509) -> Result<(), Refused> {
    let check = |why: String| Err(Refused::new(Why::Check, why));
    if policy.body && !proof.covers(scan.envelope.body_at) {
        return check("the Body is not signed".into());
    }
    if policy.timestamp {
        let timestamp = scan.header.timestamp.as_ref();
        if !timestamp.is_some_and(|timestamp| proof.covers(timestamp.at)) {
            return check("there is no Timestamp, or it is not signed".into());
        }
    }
    if policy.addressing {
        let unsigned = scan.envelope.headers.iter().find(|block| {
            let known = matches!(&*block.name.namespace, WSA | WSA2004)
                && matches!(&*block.name.local, "To" | "Action");
            known && !proof.covers(block.span.start)
        });
        if let Some(block) = unsigned {
            return check(format!("the header block {} is not signed", block.name.local));
        }
    }
    Ok(())
}

fn wrong() -> Refused {
    Refused::new(Why::Check, "the signature is not good")
}

fn untrusted() -> Refused {
    Refused::new(Why::TokenInvalid, "the certificate is not one that is accepted here")
}
