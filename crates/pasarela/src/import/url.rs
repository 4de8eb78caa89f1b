//! URLs that documents are fetched from: read strictly, and joined with what a document names (RFC 3986).

use std::fmt;

use crate::config::address;

/// Characters of a URL; nobody's contract stands at a longer one.
const LENGTH_MAX: usize = 8 << 10;

/// A URL of `http` or `https`. Host names are in lower case, an address is in its one form, and there is no user,
/// no password and no fragment in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Url {
    /// Whether it is `https`.
    pub secure: bool,
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port, written or not.
    pub port: u16,
    /// Path and query, as a request carries them; begins with `/`.
    pub target: String,
}

/// Why a text is no URL that is fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, which may be fine for others.
    #[error("its scheme is `{0}`; only http and https are fetched")]
    Scheme(String),
    /// User and password in it would end up in a file.
    #[error("there is a user or a password in it")]
    User,
    /// It cannot be understood in one way only.
    #[error("{0}")]
    Malformed(String),
}

impl Url {
    /// Reads a whole URL. A fragment, which is never sent, is dropped.
    ///
    /// # Errors
    /// When it is anything but http or https, or has two readings.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.split('#').next().unwrap_or_default();
        if text.len() > LENGTH_MAX {
            return Err(UrlError::Malformed(format!("it has more than {LENGTH_MAX} characters")));
        }
        let secure = match scheme(text) {
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => false,
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => true,
            Some(scheme) => return Err(UrlError::Scheme(scheme.to_ascii_lowercase())),
            None => return Err(UrlError::Malformed("it has no scheme".to_owned())),
        };
        let read = address::url(text, &["http", "https"]).map_err(UrlError::Malformed)?;
        if read.user.is_some() || read.password.is_some() {
            return Err(UrlError::User);
        }
        // The reader of URLs knows no hexadecimal addresses; the system's resolver does.
        let last = read.host.rsplit('.').next().and_then(|last| last.strip_prefix("0x"));
        if last.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            let what = "its host ends in a number but is not an IPv4 address";
            return Err(UrlError::Malformed(what.to_owned()));
        }
        // The reader drops a slash at the end of a path, which is another document to some servers.
        let after = text.split_once("://").map_or("", |(_, after)| after);
        let target = after.find(['/', '?']).and_then(|at| after.get(at..)).unwrap_or("/");
        let target = if target.starts_with('?') { format!("/{target}") } else { target.to_owned() };
        let port = read.port.unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { secure, host: canonical(&read.host), port, target })
    }

    /// What `reference` means in the document at this URL (RFC 3986 section 5.2).
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, reference: &str) -> Result<Self, UrlError> {
        let reference = reference.trim().split('#').next().unwrap_or_default();
        if scheme(reference).is_some() {
            return Self::parse(reference);
        }
        if reference.contains('\\') {
            let what = "there is a `\\` in it, which some take for a `/`";
            return Err(UrlError::Malformed(what.to_owned()));
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("{}:{reference}", self.scheme()));
        }
        let (path, _) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let target = match reference.split('?').next().unwrap_or_default() {
            "" if reference.is_empty() => self.target.clone(),
            "" => format!("{path}{reference}"),
            named => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let whole = if named.starts_with('/') {
                    named.to_owned()
                } else {
                    format!("{folder}/{named}")
                };
                let query = reference.get(named.len()..).unwrap_or_default();
                format!("{}{query}", without_dots(&whole))
            }
        };
        Self::parse(&format!("{}://{}{target}", self.scheme(), self.authority()))
    }

    /// `http`, `https`
    pub const fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Host and, unless it goes without saying, port: as `Host` carries it.
    pub fn authority(&self) -> String {
        let host = bracketed(&self.host);
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority(), self.target)
    }
}

/// A host as it stands in a URL.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Addresses have one form, so that they can be compared.
fn canonical(host: &str) -> String {
    host.parse::<std::net::IpAddr>().map_or_else(|_| host.to_owned(), |ip| ip.to_string())
}

/// What stands before the first colon, if it can be a scheme (RFC 3986 section 3.1).
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(fits))
        .then_some(scheme)
}

/// A path without `.` and `..` (RFC 3986 section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        match *part {
            "." | ".." => {
                if *part == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            part => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str, reference: &str) -> String {
        match Url::parse(base).unwrap().join(reference) {
            Ok(url) => url.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn references_are_joined_as_the_rfc_says() {
        let base = "http://a/b/c/d;p?q";
        // RFC 3986 sections 5.4.1 and 5.4.2, as far as they have our schemes.
        for (reference, expected) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
        ] {
            assert_eq!(joined(base, reference), expected, "{reference:?}");
        }
    }

    #[test]
    fn other_schemes_are_not_taken_for_paths() {
        for reference in ["file:///etc/passwd", "FILE:/etc/passwd", "ftp://a/b", "jar:http://a!/b"]
        {
            assert!(joined("http://a/b", reference).contains("its scheme is"), "{reference}");
        }
        assert!(joined("http://a/b", "\\\\host\\share").contains("`\\`"));
    }

    #[test]
    fn a_host_has_one_form() {
        let shown = |text: &str| Url::parse(text).map(|url| url.to_string());
        assert_eq!(shown("HTTP://Example.COM:80/A").unwrap(), "http://example.com/A");
        assert_eq!(shown("https://[0:0::1]:8443?wsdl").unwrap(), "https://[::1]:8443/?wsdl");
        for odd in [
            "http://0x7f000001/",
            "http://127.1/",
            "http://2130706433/",
            "http://a./",
            "http://[::1%25lo]/",
        ] {
            assert!(shown(odd).is_err(), "{odd}");
        }
        assert_eq!(shown("http://user:word@host/"), Err(UrlError::User));
    }
}
