//! What a security header says: a time, a user, certificates and a signature. Nothing here is believed yet.

use super::{
    Refused, Why,
    algorithms::{Digest, Method},
    certificate::CERTIFICATE_BYTES_MAX,
    scan::WSSE,
    tree::{Element, WSU},
};

/// The namespace of XML Signature.
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Exclusive canonical form without comments; its own namespace too.
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// Where the names of the token profiles begin.
const PROFILE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-";
const PROFILE11: &str = "http://docs.oasis-open.org/wss/oasis-wss-";

/// Parts that a signature covers.
const REFERENCES_MAX: usize = 32;
/// Prefixes in a list of them.
const PREFIXES_MAX: usize = 32;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) timestamp: Option<Timestamp>,
    pub(super) user: Option<UserToken>,
    /// Certificates in DER, each with the place of the token it stands in.
    pub(super) certificates: Vec<(u64, Vec<u8>)>,
    pub(super) signature: Option<Signature>,
    /// Where it lies in the message.
    pub(super) span: std::ops::Range<u64>,
}

/// When a message was made and until when it holds.
#[derive(Debug)]
pub(super) struct Timestamp {
    pub(super) created: Option<String>,
    pub(super) expires: Option<String>,
    pub(super) at: u64,
}

/// A user with what proves him.
#[derive(Debug)]
pub(super) struct UserToken {
    pub(super) name: String,
    pub(super) password: Password,
    pub(super) created: Option<String>,
}

/// What was sent as the password.
pub(super) enum Password {
    /// The password.
    Text(String),
    /// A digest of it and of this nonce.
    Digest { digest: Vec<u8>, nonce: Vec<u8> },
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A signature.
#[derive(Debug)]
pub(super) struct Signature {
    /// Where its `SignedInfo` starts.
    pub(super) info_at: u64,
    pub(super) prefixes: Vec<String>,
    pub(super) method: Method,
    pub(super) references: Vec<Reference>,
    pub(super) value: Vec<u8>,
    pub(super) key: Clue,
}

/// A part that is signed.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) id: String,
    pub(super) prefixes: Vec<String>,
    pub(super) digest: Digest,
    pub(super) value: Vec<u8>,
}

/// By what the certificate is named that the signature was made with.
#[derive(Debug)]
pub(super) enum Clue {
    /// The id of a token in the header.
    Token(String),
    /// Itself.
    Certificate(Vec<u8>),
    /// The identifier of its key.
    KeyIdentifier(Vec<u8>),
    /// Its SHA-1.
    Thumbprint(Vec<u8>),
    /// Its issuer and number.
    Issued { issuer: String, number: String },
}

impl Header {
    /// Whether its signature refers to this id.
    pub(super) fn refers(&self, id: &str) -> bool {
        self.signature.as_ref().is_some_and(|signature| {
            signature.references.iter().any(|reference| reference.id == id)
                || matches!(&signature.key, Clue::Token(token) if token == id)
        })
    }
}

/// Reads the header.
///
/// # Errors
/// When something in it cannot be taken, whatever it would say: what is not understood is not stepped over.
pub(super) fn read(tree: &Element) -> Result<Header, Refused> {
    let mut header = Header { span: tree.span.clone(), ..Header::default() };
    for child in &tree.children {
        match (child.namespace.as_str(), child.local.as_str()) {
            (WSU, "Timestamp") if header.timestamp.is_none() => {
                header.timestamp = Some(timestamp(child)?);
            }
            (WSSE, "UsernameToken") if header.user.is_none() => header.user = Some(user(child)?),
            (WSSE, "BinarySecurityToken") => header.certificates.push(certificate(child)?),
            (DSIG, "Signature") if header.signature.is_none() => {
                header.signature = Some(signature(child)?);
            }
            (WSU | WSSE | DSIG, local @ ("Timestamp" | "UsernameToken" | "Signature")) => {
                return Err(Refused::new(Why::Invalid, format!("{local} is there twice")));
            }
            (_, local) => {
                let why = format!("a token of the kind {local} is not taken here");
                return Err(Refused::new(Why::TokenUnsupported, why));
            }
        }
    }
    Ok(header)
}

fn timestamp(element: &Element) -> Result<Timestamp, Refused> {
    let text = |local| -> Result<Option<String>, Refused> {
        Ok(element.only(WSU, local)?.map(|child| child.text.clone()))
    };
    Ok(Timestamp { created: text("Created")?, expires: text("Expires")?, at: element.span.start })
}

fn user(element: &Element) -> Result<UserToken, Refused> {
    let name = element.need(WSSE, "Username")?.text.clone();
    let Some(password) = element.only(WSSE, "Password")? else {
        return Err(Refused::new(Why::TokenUnsupported, "a user without a password is nobody"));
    };
    let created = element.only(WSU, "Created")?.map(|created| created.text.clone());
    let kind = password.attribute("", "Type").unwrap_or_default();
    let password = match kind.strip_prefix(PROFILE).unwrap_or(kind) {
        "" | "username-token-profile-1.0#PasswordText" => Password::Text(password.text.clone()),
        "username-token-profile-1.0#PasswordDigest" => {
            let nonce = element.need(WSSE, "Nonce")?;
            encoding(nonce)?;
            Password::Digest { digest: password.bytes()?, nonce: nonce.bytes()? }
        }
        _ => {
            let why = "a password is sent as PasswordText or PasswordDigest";
            return Err(Refused::new(Why::TokenUnsupported, why));
        }
    };
    Ok(UserToken { name, password, created })
}

fn certificate(element: &Element) -> Result<(u64, Vec<u8>), Refused> {
    encoding(element)?;
    let kind = element.attribute("", "ValueType").unwrap_or_default();
    // Its version 1.0 had a name of its own for the same.
    let kinds = ["x509-token-profile-1.0#X509v3", "x509-token-profile-1.0#X509"];
    if !kind.strip_prefix(PROFILE).is_some_and(|kind| kinds.contains(&kind)) {
        let why = "a binary token is a certificate, X509v3, here";
        return Err(Refused::new(Why::TokenUnsupported, why));
    }
    Ok((element.span.start, der(element)?))
}

/// What is not said to be Base64 is.
fn encoding(element: &Element) -> Result<(), Refused> {
    let encoding = element.attribute("", "EncodingType").unwrap_or_default();
    if encoding.is_empty() || encoding.ends_with("#Base64Binary") {
        return Ok(());
    }
    Err(Refused::new(Why::TokenUnsupported, "what is binary is sent in Base64 here"))
}

fn der(element: &Element) -> Result<Vec<u8>, Refused> {
    let der = element.bytes()?;
    match der.len() <= CERTIFICATE_BYTES_MAX {
        true => Ok(der),
        false => Err(Refused::new(Why::Invalid, "a certificate is too large")),
    }
}

fn signature(element: &Element) -> Result<Signature, Refused> {
    let info = element.need(DSIG, "SignedInfo")?;
    // What else a signature may hold is more that is signed, or refers to it.
    let known = |child: &&Element| {
        let known = ["SignedInfo", "SignatureValue", "KeyInfo"];
        child.namespace == DSIG && known.contains(&child.local.as_str())
    };
    if let Some(other) = element.children.iter().find(|child| !known(child)) {
        return Err(unsupported(&other.local));
    }
    let form = info.need(DSIG, "CanonicalizationMethod")?;
    let references: Vec<_> = info.all(DSIG, "Reference").collect();
    if references.is_empty() || references.len() > REFERENCES_MAX {
        let why = format!("a signature covers from 1 to {REFERENCES_MAX} parts");
        return Err(Refused::new(Why::Invalid, why));
    }
    let references: Result<Vec<_>, _> = references.into_iter().map(reference).collect();
    Ok(Signature {
        info_at: info.span.start,
        prefixes: exclusive(form)?,
        method: Method::named(algorithm(info.need(DSIG, "SignatureMethod")?))?,
        references: references?,
        value: element.need(DSIG, "SignatureValue")?.bytes()?,
        key: key(element.need(DSIG, "KeyInfo")?)?,
    })
}

fn algorithm(element: &Element) -> &str {
    element.attribute("", "Algorithm").unwrap_or_default()
}

/// The prefixes of an exclusive canonical form, the one that is done here.
fn exclusive(element: &Element) -> Result<Vec<String>, Refused> {
    if algorithm(element) != EXCLUSIVE {
        return Err(unsupported(algorithm(element)));
    }
    if let Some(other) = element.children.iter().find(|c| !c.is(EXCLUSIVE, "InclusiveNamespaces")) {
        return Err(unsupported(&other.local));
    }
    let list = element.only(EXCLUSIVE, "InclusiveNamespaces")?;
    let list = list.and_then(|list| list.attribute("", "PrefixList")).unwrap_or_default();
    let prefixes: Vec<_> = list.split_ascii_whitespace().map(str::to_owned).collect();
    match prefixes.len() <= PREFIXES_MAX {
        true => Ok(prefixes),
        false => Err(Refused::new(Why::Invalid, "PrefixList has too many prefixes")),
    }
}

fn reference(element: &Element) -> Result<Reference, Refused> {
    let uri = element.attribute("", "URI").unwrap_or_default();
    let Some(id) = uri.strip_prefix('#').filter(|id| crate::xml::is_ncname(id)) else {
        let why = "a signature covers parts of its own message, by their ids";
        return Err(Refused::new(Why::AlgorithmUnsupported, why));
    };
    let transforms: Vec<_> = element.need(DSIG, "Transforms")?.all(DSIG, "Transform").collect();
    // What may be signed here never holds the signature, so that taking it out is nothing.
    let form = match transforms.as_slice() {
        [form] => form,
        [enveloped, form] if algorithm(enveloped) == ENVELOPED => form,
        _ => return Err(unsupported("other transforms than one exclusive canonical form")),
    };
    Ok(Reference {
        id: id.to_owned(),
        prefixes: exclusive(form)?,
        digest: Digest::named(algorithm(element.need(DSIG, "DigestMethod")?))?,
        value: element.need(DSIG, "DigestValue")?.bytes()?,
    })
}

fn key(info: &Element) -> Result<Clue, Refused> {
    let inner = match info.children.as_slice() {
        [only] if only.is(WSSE, "SecurityTokenReference") => only,
        // A certificate may stand without what WS-Security puts around it.
        [only] if only.is(DSIG, "X509Data") => info,
        _ => return Err(no_key()),
    };
    let [clue] = inner.children.as_slice() else { return Err(no_key()) };
    match (clue.namespace.as_str(), clue.local.as_str()) {
        (WSSE, "Reference") => {
            let uri = clue.attribute("", "URI").unwrap_or_default();
            uri.strip_prefix('#').map(|id| Clue::Token(id.to_owned())).ok_or_else(no_key)
        }
        (WSSE, "KeyIdentifier") => key_identifier(clue),
        (DSIG, "X509Data") => x509_data(clue),
        _ => Err(no_key()),
    }
}

fn key_identifier(element: &Element) -> Result<Clue, Refused> {
    encoding(element)?;
    let kind = element.attribute("", "ValueType").unwrap_or_default();
    let own = kind.strip_prefix(PROFILE).or_else(|| kind.strip_prefix(PROFILE11));
    match own.unwrap_or_default() {
        "x509-token-profile-1.0#X509SubjectKeyIdentifier" => {
            Ok(Clue::KeyIdentifier(element.bytes()?))
        }
        "x509-token-profile-1.0#X509v3" => Ok(Clue::Certificate(der(element)?)),
        "soap-message-security-1.1#ThumbprintSHA1" => Ok(Clue::Thumbprint(element.bytes()?)),
        _ => Err(no_key()),
    }
}

fn x509_data(element: &Element) -> Result<Clue, Refused> {
    if let Some(certificate) = element.only(DSIG, "X509Certificate")? {
        return Ok(Clue::Certificate(der(certificate)?));
    }
    if let Some(identifier) = element.only(DSIG, "X509SKI")? {
        return Ok(Clue::KeyIdentifier(identifier.bytes()?));
    }
    let Some(issued) = element.only(DSIG, "X509IssuerSerial")? else { return Err(no_key()) };
    Ok(Clue::Issued {
        issuer: issued.need(DSIG, "X509IssuerName")?.text.clone(),
        number: issued.need(DSIG, "X509SerialNumber")?.trimmed().to_owned(),
    })
}

fn no_key() -> Refused {
    let why = "the key of a signature is named by a certificate, by its issuer and number, by \
               its thumbprint or by its key identifier";
    Refused::new(Why::TokenUnsupported, why)
}

fn unsupported(what: &str) -> Refused {
    let shown: String = what.chars().take(80).collect();
    Refused::new(Why::AlgorithmUnsupported, format!("a signature may not use {shown}"))
}
