//! The compact form of a signed object, and its header (RFC 7515 §3.1, §4).

use base64_simd::URL_SAFE_NO_PAD;
use pasarela_model::TokenAlgorithm as Algorithm;
use pasarela_soap::{
    Limits,
    json::{Event, Reader},
};

use super::Refused;

/// Longest `kid`, in bytes (L32).
const KID_BYTES_MAX: usize = 256;

/// A signed object taken apart; nothing of it is proved.
#[derive(Debug)]
pub(super) struct Parts<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    /// What was signed.
    pub(super) signed: &'t [u8],
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl<'t> Parts<'t> {
    pub(super) fn read(token: &'t [u8]) -> Result<Self, Refused> {
        let mut dots =
            token.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Refused::Malformed);
        };
        let part =
            |text: &[u8]| URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|_| Refused::Malformed);
        let (signed, signature) = (&token[..second], &token[second + 1..]);
        let (algorithm, kid) = header(&part(&token[..first])?)?;
        let payload = part(&token[first + 1..second])?;
        Ok(Self { algorithm, kid, signed, payload, signature: part(signature)? })
    }
}

/// The bounds of what is read of a token: it is small, so few of them can be reached.
pub(super) fn limits() -> Limits {
    Limits { json_depth: 16, json_members: 256, ..Limits::default() }
}

/// The algorithm and the key's name. Members that are not known are passed over (RFC 7515 §4), but for what
/// would change how the rest is read.
fn header(json: &[u8]) -> Result<(Algorithm, Option<String>), Refused> {
    let malformed = |_| Refused::Malformed;
    let mut reader = Reader::new(json, &limits()).map_err(malformed)?;
    let (mut algorithm, mut kid, mut critical) = (None, None, false);
    if reader.pull().map_err(malformed)? != Event::ObjectStart {
        return Err(Refused::Malformed);
    }
    loop {
        match reader.pull().map_err(malformed)? {
            Event::ObjectEnd => break,
            Event::Name => {}
            _ => return Err(Refused::Malformed),
        }
        let name = reader.text().to_owned();
        let value = reader.pull().map_err(malformed)?;
        match (name.as_str(), value) {
            ("alg", Event::String) => algorithm = Some(reader.text().to_owned()),
            ("kid", Event::String) if reader.text().len() <= KID_BYTES_MAX => {
                kid = Some(reader.text().to_owned());
            }
            // `at+jwt` is RFC 9068's; media types are compared without regard to case.
            ("typ", Event::String)
                if ["jwt", "at+jwt", "application/jwt", "application/at+jwt"]
                    .iter()
                    .any(|known| reader.text().eq_ignore_ascii_case(known)) => {}
            ("alg" | "kid" | "typ", _) => return Err(Refused::Malformed),
            // Extensions (RFC 7515 §4.1.11, RFC 7797), and a token in a token (RFC 7519 §5.2).
            ("crit" | "b64" | "cty" | "zip" | "enc", value) => {
                critical = true;
                reader.skip(value).map_err(malformed)?;
            }
            (_, value) => reader.skip(value).map_err(malformed)?,
        }
    }
    if reader.pull().map_err(malformed)? != Event::Eof {
        return Err(Refused::Malformed);
    }
    if critical {
        return Err(Refused::Critical);
    }
    let algorithm = algorithm.ok_or(Refused::Malformed)?;
    Ok((Algorithm::named(&algorithm).ok_or(Refused::Algorithm)?, kid))
}
