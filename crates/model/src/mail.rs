//! Addresses of mail, and what an API and an application have to do with them.

use std::fmt;

/// Octets of an address (RFC 5321, 4.5.3.1.3: a path has 256 with its brackets).
const ADDRESS_BYTES: usize = 254;
/// Octets of what stands before the `@` (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES: usize = 64;

/// One address, `local@domain`, as it was written. Two that differ in capital letters only are the same: what is before the `@`
/// could tell them apart (RFC 5321, 2.4), but nobody relies on that, and a partner's address would have two owners.
///
/// Quoted local parts, source routes, address literals and letters outside ASCII are no address here: what can be written in two
/// ways can be meant in two ways.
#[derive(Clone, Eq)]
pub struct MailAddress {
    text: Box<str>,
    at: usize,
}

impl MailAddress {
    /// Reads one.
    pub fn read(text: &str) -> Option<Self> {
        let at = text.rfind('@')?;
        let (local, domain) = (text.get(..at)?, text.get(at + 1..)?);
        // RFC 5322, 3.2.3: a dot-atom.
        let atom =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        let of_atoms = local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom));
        (text.len() <= ADDRESS_BYTES && local.len() <= LOCAL_BYTES && of_atoms && is_domain(domain))
            .then(|| Self { text: text.into(), at })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is before the `@`.
    pub fn local(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// What is behind it.
    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    /// The address without what follows the first `+` before the `@`, and that: `orders+track@x` is `orders@x` and `track`.
    pub fn without_detail(&self) -> Option<(Self, &str)> {
        let (local, detail) = self.local().split_once('+')?;
        Some((Self::read(&format!("{local}@{}", self.domain()))?, detail))
    }

    /// One form for all that are the same.
    pub fn key(&self) -> String {
        self.text.to_ascii_lowercase()
    }
}

/// Whether this is the name of a host, as far as an address can tell.
pub fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

impl PartialEq for MailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_reading() {
        for good in ["a@b", "orders+track@gw.example.com", "o'neil.x@a-b.example", "A@B", "%a@b"] {
            assert!(MailAddress::read(good).is_some(), "{good}");
        }
        let long = format!("{}@b", "a".repeat(65));
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "\"a\"@b",
            "a..b@c",
            ".a@b",
            "a.@b",
            "a@b..c",
            "a@-b",
            "a@b-",
            "a@[127.0.0.1]",
            "ñ@b",
            "a@ñ",
            "<a@b>",
            "a@b\r\n",
            "a\0@b",
            "@x:a@b",
            "a@b.",
            &long,
        ] {
            assert!(MailAddress::read(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn capital_letters_make_no_other_address() {
        let read = |text| MailAddress::read(text).unwrap();
        assert_eq!(read("Orders@Example.com"), read("orders@example.COM"));
        assert_eq!(read("Orders@Example.com").key(), "orders@example.com");
        assert_ne!(read("orders@example.com"), read("orders@example.org"));
    }

    #[test]
    fn a_detail_stands_behind_the_first_plus() {
        let address = MailAddress::read("orders+Track+x@example.com").unwrap();
        let (base, detail) = address.without_detail().unwrap();
        assert_eq!((base.as_str(), detail), ("orders@example.com", "Track+x"));
        assert!(base.without_detail().is_none());
        assert!(MailAddress::read("+x@example.com").unwrap().without_detail().is_none());
    }
}
