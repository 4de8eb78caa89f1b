//! A request for a token, read strictly (RFC 6749 §2.3.1, §3.2, §4.4.2): each parameter once, and a client that shows itself in one way.

use base64_simd::STANDARD;
use pasarela_model::Secret;

use super::{Asking, Denied};

/// Longest name of a client, in bytes; a token holds it twice.
const CLIENT_BYTES_MAX: usize = 256;

/// What is asked for, and by whom.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) grant: String,
    pub(super) client: String,
    pub(super) secret: Secret,
    /// As it was written; `None`: nothing in particular.
    pub(super) scope: Option<String>,
    /// The client showed itself in `Authorization`.
    pub(super) basic: bool,
}

impl Form {
    pub(super) fn read(asking: &Asking<'_>) -> Result<Self, Denied> {
        let media = asking.media.split(|byte| *byte == b';').next().unwrap_or_default();
        if !media.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Err(Denied::Request("the body has to be application/x-www-form-urlencoded"));
        }
        let [mut grant, mut scope, mut client, mut secret] = [const { None }; 4];
        let pairs = asking.body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        for pair in pairs {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decoded(halves.next().unwrap_or_default());
            let value = decoded(halves.next().unwrap_or_default());
            let place = match name.as_deref() {
                Some("grant_type") => &mut grant,
                Some("scope") => &mut scope,
                Some("client_id") => &mut client,
                Some("client_secret") => &mut secret,
                // RFC 6749 §3.2: parameters that are not known are passed over.
                _ => continue,
            };
            let value = value.ok_or(Denied::Request("a parameter is not UTF-8 text"))?;
            if place.replace(value).is_some() {
                return Err(Denied::Request("a parameter is repeated"));
            }
        }
        // One without a value counts as left out.
        let filled = |value: Option<String>| value.filter(|value| !value.is_empty());
        let grant = filled(grant).ok_or(Denied::Request("grant_type is missing"))?;
        let (client, secret) = (filled(client), filled(secret));
        let (client, secret, basic) = match asking.authorization {
            None => (client, secret, false),
            Some(_) if secret.is_some() => {
                return Err(Denied::Request("the client shows itself in two ways"));
            }
            Some(value) => {
                let nobody = Denied::Client { basic: true, wait: None };
                let (named, secret) = basic_of(value).ok_or(nobody)?;
                if client.is_some_and(|client| client != named) {
                    return Err(Denied::Request("client_id is not the client in Authorization"));
                }
                (Some(named), Some(secret), true)
            }
        };
        let known = client.filter(|client| client.len() <= CLIENT_BYTES_MAX).zip(secret);
        let (client, secret) = known.ok_or(Denied::Client { basic, wait: None })?;
        Ok(Self { grant, client, secret: Secret::new(secret), scope: filled(scope), basic })
    }
}

/// The client of `Basic`, whose two halves are written as in a form.
fn basic_of(value: &[u8]) -> Option<(String, String)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let pair = STANDARD.decode_to_vec(rest.trim_ascii()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let (client, secret) = (decoded(pair.get(..colon)?)?, decoded(pair.get(colon + 1..)?)?);
    (!client.is_empty() && !secret.is_empty()).then_some((client, secret))
}

/// A text as a form writes it. `None`: it is not UTF-8, or a `%` has no two digits.
fn decoded(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
            byte => *byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded_as_it_is_written() {
        for (text, plain) in [
            ("a+b%20c%2b", Some("a b c+")),
            ("caf%C3%A9", Some("café")),
            ("", Some("")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(decoded(text.as_bytes()).as_deref(), plain, "{text}");
        }
    }

    #[test]
    fn a_client_of_basic_has_both_halves_written_as_in_a_form() {
        let basic = |pair: &str| format!("bAsic {}", STANDARD.encode_to_string(pair));
        let pair = |client: &str, secret: &str| Some((client.to_owned(), secret.to_owned()));
        for (pair_text, expected) in [
            ("a%3Ab:c%2Fd", pair("a:b", "c/d")),
            ("a:b:c", pair("a", "b:c")),
            ("a:", None),
            (":a", None),
            ("a", None),
        ] {
            assert_eq!(basic_of(basic(pair_text).as_bytes()), expected, "{pair_text}");
        }
        assert_eq!(basic_of(b"Bearer YTpi"), None);
        assert_eq!(basic_of(b"Basic !"), None);
    }
}
