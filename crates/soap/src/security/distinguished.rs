//! Distinguished names: as certificates hold them and as people and messages write them (RFC 4514, and what is common beside it).

use super::der::{self, Value, Values};

/// Names and values of the attributes, in the order of the certificate or in the opposite one.
#[derive(Debug, Clone, Default)]
pub struct DistinguishedName(Vec<(String, String)>);

/// The attributes that have short names.
const SHORT: [(&str, &str); 15] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "TITLE"),
    ("2.5.4.42", "GIVENNAME"),
    ("2.5.4.97", "ORGANIZATIONIDENTIFIER"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
];

/// Other names of theirs.
const ALIASES: [(&str, &str); 6] = [
    ("E", "EMAILADDRESS"),
    ("EMAIL", "EMAILADDRESS"),
    ("S", "ST"),
    ("G", "GIVENNAME"),
    ("GN", "GIVENNAME"),
    ("T", "TITLE"),
];

impl DistinguishedName {
    /// Reads one as it is written: `CN=tracker,O=ACME`. `None`: it cannot be read, or is empty.
    pub fn read(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut pairs = Vec::new();
        loop {
            let (kind, after) = rest.split_once('=')?;
            let (value, after) = value(after.trim_start())?;
            pairs.push((attribute(kind.trim())?, folded(&value)));
            match after {
                None => return Some(Self(pairs)),
                Some(after) => rest = after,
            }
        }
    }

    /// Reads a certificate's.
    pub(super) fn of_der(names: Values<'_>) -> Option<Self> {
        let mut names = names;
        let mut pairs = Vec::new();
        while !names.0.is_empty() {
            let mut set = names.expect(der::SET)?.values();
            while !set.0.is_empty() {
                let mut pair = set.expect(der::SEQUENCE)?.values();
                let kind = der::dotted(pair.expect(der::OBJECT)?.content)?;
                let value = pair.next()?;
                pairs.push((attribute(&kind)?, folded(&text(value))));
            }
        }
        Some(Self(pairs))
    }
}

/// RFC 4514 turns the order of a certificate round, and not everybody does so.
impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        !self.0.is_empty() && (self.0 == other.0 || self.0.iter().rev().eq(&other.0))
    }
}

/// An attribute's one name.
fn attribute(name: &str) -> Option<String> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("OID.").unwrap_or(&name);
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if name.is_empty() || !name.chars().all(legal) {
        return None;
    }
    let short = SHORT.iter().find(|(dotted, _)| *dotted == name);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    Some(short.or(alias).map_or(name, |(_, name)| name).to_owned())
}

/// A value up to the next comma that is none of it, without its escapes; then what follows the comma.
fn value(text: &str) -> Option<(String, Option<&str>)> {
    let mut out = Vec::new();
    let mut quoted = false;
    // Blanks at the end count only where they were escaped.
    let mut kept = 0;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => quoted = !quoted,
            b'\\' => {
                let hex = bytes.get(at..at + 2).and_then(|two| std::str::from_utf8(two).ok());
                match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
                    Some(byte) => {
                        out.push(byte);
                        at += 2;
                    }
                    None => {
                        out.push(*bytes.get(at)?);
                        at += 1;
                    }
                }
                kept = out.len();
                continue;
            }
            b',' | b';' | b'+' if !quoted => {
                out.truncate(kept);
                return Some((String::from_utf8(out).ok()?, Some(text.get(at..)?)));
            }
            _ => out.push(*byte),
        }
        if !byte.is_ascii_whitespace() || quoted {
            kept = out.len();
        }
    }
    out.truncate(kept);
    (!quoted).then_some(())?;
    Some((String::from_utf8(out).ok()?, None))
}

/// A directory's string as text. What is of another type is told apart from every text by what no text has.
fn text(value: Value<'_>) -> String {
    let read = match value.tag {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString
        0x0c | 0x12 | 0x13 | 0x16 | 0x1a => String::from_utf8(value.content.to_vec()).ok(),
        // TeletexString, which everybody writes as Latin-1.
        0x14 => Some(value.content.iter().map(|byte| char::from(*byte)).collect()),
        // BMPString
        0x1e => {
            let units = value
                .content
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |unit: u16, byte| unit << 8 | u16::from(*byte)));
            String::from_utf16(&units.collect::<Vec<_>>()).ok()
        }
        _ => None,
    };
    let unread = || value.whole.iter().fold("\u{0}".into(), |hex, byte| format!("{hex}{byte:02x}"));
    read.filter(|text| !text.contains('\u{0}')).unwrap_or_else(unread)
}

/// Case and runs of blanks do not tell names apart (RFC 4518).
fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        DistinguishedName::read(one).unwrap() == DistinguishedName::read(other).unwrap()
    }

    #[test]
    fn one_name_is_written_in_many_ways() {
        assert!(same("CN=tracker,O=ACME", "cn = Tracker ,  o=acme"));
        assert!(same("CN=tracker,O=ACME", "O=ACME, CN=tracker"));
        assert!(same("CN=a\\, b,O=c", "CN=\"a, b\";O=c"));
        assert!(same("CN=a\\2C b", "2.5.4.3=a\\, b"));
        assert!(same("CN=M\\C3\\BCller", "OID.2.5.4.3=Müller"));
        assert!(same("E=a@b.c,S=x", "emailAddress=a@b.c,ST=x"));
        assert!(same("CN=a+OU=b,O=c", "CN=a,OU=b,O=c"));
        assert!(same("CN=a,O=", "CN=a,O=\"\""));
    }

    #[test]
    fn other_names_stay_apart() {
        assert!(!same("CN=tracker,O=ACME", "CN=tracker"));
        assert!(!same("CN=tracker,O=ACME", "CN=tracker,OU=ACME"));
        assert!(!same("CN=a,OU=b,O=c", "OU=b,CN=a,O=c"));
        assert!(!same("CN=a\\,O=b", "CN=a,O=b"));
        assert!(DistinguishedName::default() != DistinguishedName::default());
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in ["", "tracker", "CN", "=x", "CN=a,", "CN=a,,O=b", "CN=\"a", "CN=a\\", "C N=a"] {
            assert!(DistinguishedName::read(text).is_none(), "{text}");
        }
    }
}
