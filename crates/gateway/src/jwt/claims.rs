//! What a token says (RFC 7519 §4), as far as it is looked at.

use pasarela_soap::json::{Event, Reader};

use super::{Refused, SKEW_SECONDS, jws::limits};

/// Longest text of a claim that may name a client, in bytes.
const CLIENT_BYTES_MAX: usize = 256;

/// The claims. Times are seconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) issuer: String,
    pub(super) expires: u64,
    not_before: Option<u64>,
    issued: Option<u64>,
    audiences: Vec<String>,
    pub(super) scopes: Vec<String>,
    /// Every other claim that is a text.
    texts: Vec<(String, String)>,
}

impl Claims {
    pub(super) fn read(json: &[u8]) -> Result<Self, Refused> {
        let malformed = |_| Refused::Malformed;
        let mut reader = Reader::new(json, &limits()).map_err(malformed)?;
        if reader.pull().map_err(malformed)? != Event::ObjectStart {
            return Err(Refused::Malformed);
        }
        let (mut claims, mut issuer, mut expires) = (Self::default(), None, None);
        loop {
            match reader.pull().map_err(malformed)? {
                Event::ObjectEnd => break,
                Event::Name => {}
                _ => return Err(Refused::Malformed),
            }
            let name = reader.text().to_owned();
            let value = reader.pull().map_err(malformed)?;
            match (name.as_str(), value) {
                ("iss", Event::String) => issuer = Some(reader.text().to_owned()),
                ("exp", Event::Number) => expires = Some(seconds(reader.text())?),
                ("nbf", Event::Number) => claims.not_before = Some(seconds(reader.text())?),
                ("iat", Event::Number) => claims.issued = Some(seconds(reader.text())?),
                ("aud", Event::String) => claims.audiences.push(reader.text().to_owned()),
                ("aud", Event::ArrayStart) => claims.audiences = texts(&mut reader)?,
                // One text with a space between two, or a list: issuers differ.
                ("scope" | "scp", Event::String) => {
                    let scopes = reader.text().split(' ').filter(|scope| !scope.is_empty());
                    claims.scopes.extend(scopes.map(str::to_owned));
                }
                ("scope" | "scp", Event::ArrayStart) => claims.scopes.extend(texts(&mut reader)?),
                ("iss" | "exp" | "nbf" | "iat" | "aud" | "scope" | "scp", _) => {
                    return Err(Refused::Claims);
                }
                (_, Event::String) if reader.text().len() <= CLIENT_BYTES_MAX => {
                    claims.texts.push((name, reader.text().to_owned()));
                }
                (_, value) => reader.skip(value).map_err(malformed)?,
            }
        }
        if reader.pull().map_err(malformed)? != Event::Eof {
            return Err(Refused::Malformed);
        }
        claims.issuer = issuer.ok_or(Refused::Claims)?;
        claims.expires = expires.ok_or(Refused::Claims)?;
        Ok(claims)
    }

    /// Whether it is meant for one of these, now.
    pub(super) fn hold(&self, audiences: &[String], now: u64) -> Result<(), Refused> {
        if !self.audiences.iter().any(|named| audiences.contains(named)) {
            return Err(Refused::Audience);
        }
        if now >= self.expires.saturating_add(SKEW_SECONDS) {
            return Err(Refused::Expired);
        }
        let soonest = now.saturating_add(SKEW_SECONDS);
        // A token from the future is one of a clock that nobody should go by.
        if [self.not_before, self.issued].into_iter().flatten().any(|time| time > soonest) {
            return Err(Refused::NotYet);
        }
        Ok(())
    }

    /// The first of these claims that there is and that is not empty.
    pub(super) fn client(&self, claims: &[String]) -> Option<&str> {
        claims.iter().find_map(|wanted| {
            let (_, text) = self.texts.iter().find(|(name, _)| name == wanted)?;
            (!text.is_empty()).then_some(text.as_str())
        })
    }
}

/// A `NumericDate` (RFC 7519 §2): whole seconds; a fraction is cut off, an exponent or a sign refused.
fn seconds(number: &str) -> Result<u64, Refused> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    match fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        true => whole.parse().map_err(|_| Refused::Claims),
        false => Err(Refused::Claims),
    }
}

/// The rest of an array of texts.
fn texts(reader: &mut Reader<'_>) -> Result<Vec<String>, Refused> {
    let mut texts = Vec::new();
    loop {
        match reader.pull().map_err(|_| Refused::Malformed)? {
            Event::String => texts.push(reader.text().to_owned()),
            Event::ArrayEnd => return Ok(texts),
            _ => return Err(Refused::Claims),
        }
    }
}
