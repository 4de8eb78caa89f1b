//! What HTTP says about a message: its media type, and its action in the place of either version.

use crate::wsdl::catalog::SoapVersion;

/// A media type with its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentType {
    /// `type/subtype`, in small letters.
    pub media_type: String,
    /// Parameters: names in small letters, values without quotes.
    pub parameters: Vec<(String, String)>,
}

impl ContentType {
    /// Reads a `Content-Type` (RFC 9110, section 8.3.1).
    ///
    /// # Errors
    /// In words, when it is none, or a parameter stands there twice.
    pub fn read(value: &str) -> Result<Self, String> {
        let (media_type, mut rest) = value.split_once(';').unwrap_or((value, ""));
        let media_type = media_type.trim().to_ascii_lowercase();
        let token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
        let whole = media_type.split_once('/');
        if !whole.is_some_and(|(kind, subtype)| token(kind) && token(subtype)) {
            return Err(format!("{value:?} is no media type"));
        }
        let mut read = Self { media_type, parameters: Vec::new() };
        loop {
            rest = rest.trim_start_matches([' ', '\t', ';']);
            if rest.is_empty() {
                return Ok(read);
            }
            let Some((name, after)) = rest.split_once('=') else {
                return Err(format!("{rest:?} is no parameter of a media type"));
            };
            let name = name.trim().to_ascii_lowercase();
            let Some((value, after)) = parameter_value(after) else {
                return Err(format!("the parameter {name} has no value"));
            };
            if !token(&name) || read.parameter(&name).is_some() {
                return Err(format!("the parameter {name:?} is no name, or stands there twice"));
            }
            read.parameters.push((name, value));
            rest = after;
        }
    }

    /// A parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The SOAP that it is the media type of.
    pub fn version(&self) -> Option<SoapVersion> {
        match self.media_type.as_str() {
            "text/xml" => Some(SoapVersion::V11),
            "application/soap+xml" => Some(SoapVersion::V12),
            _ => None,
        }
    }
}

/// A token or a quoted string, and what follows it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        let fine = !value.is_empty() && value.bytes().all(is_value);
        return fine.then(|| (value.to_owned(), after));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            c if c.is_control() && c != '\t' => return None,
            c => value.push(c),
        }
    }
    None
}

/// RFC 9110, section 5.6.2; `/` and `:` are let through, because unquoted actions and boundaries hold them.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/:".contains(&byte)
}

/// What an unquoted value may hold: a token; `=`, with which many boundaries begin; what identifiers of parts are made of.
fn is_value(byte: u8) -> bool {
    is_token(byte) || b"=@<>".contains(&byte)
}

/// The value of a `SOAPAction` field: what is between the quotes. Without them it is taken as it is, as many senders write it.
///
/// # Errors
/// In words, when the quotes do not match.
pub fn soap_action(value: &str) -> Result<&str, String> {
    let value = value.trim_matches([' ', '\t']);
    let inside = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(value),
    };
    inside
        .filter(|inside| !inside.contains('"'))
        .ok_or_else(|| format!("the quotes of the SOAPAction {value} do not match"))
}
