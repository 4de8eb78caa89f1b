//! Addresses of every kind: listeners, URLs, hosts, paths, header fields, networks.
//!
//! Strict on purpose: what is written here ends up in a request or in a comparison that decides
//! who may call what, so there is one way to write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use pasarela_model::{HostPattern, IpNet, Secret};

use super::{fault::Code, units::whole, walk::Shape};

pub(crate) const LISTEN: Shape = Shape {
    code: Code::Address,
    noun: "an address to listen on",
    cure: "Write an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or \"[::]:8080\".",
};
pub(crate) const UPSTREAM_URL: Shape = Shape {
    code: Code::Url,
    noun: "the URL of an upstream",
    cure: "Write http:// or https://, a host, a port and a base path if you want: http://10.1.0.9:7000/base.",
};
pub(crate) const OTLP_URL: Shape = Shape {
    code: Code::Url,
    noun: "the URL of a trace collector",
    cure: "Write where OTLP over HTTP is taken, such as http://127.0.0.1:4318.",
};
pub(crate) const STORAGE_URL: Shape = Shape {
    code: Code::Url,
    noun: "a storage",
    cure: "Write sqlite: and a folder, as in sqlite:./pasarela-data, or postgres://user@host/database.",
};
pub(crate) const REDIS_URL: Shape = Shape {
    code: Code::Url,
    noun: "the URL of a Redis or Valkey server",
    cure: "Write redis://host:6379, or rediss://host:6379 for TLS.",
};
pub(crate) const HOST: Shape = Shape {
    code: Code::Host,
    noun: "a host",
    cure: "Write a name such as api.example.com, or *.example.com for all below it.",
};
pub(crate) const PATH: Shape = Shape {
    code: Code::Path,
    noun: "a path that can be used here",
    cure: "Write it as it travels, such as /rates or /rates/v2.",
};
pub(crate) const HEADER_NAME: Shape = Shape {
    code: Code::Header,
    noun: "a header field to match",
    cure: "Write letters, digits and `-`, such as Accept-Version.",
};
pub(crate) const HEADER_VALUE: Shape = Shape {
    code: Code::Header,
    noun: "a value that a header field can have",
    cure: "Write visible ASCII characters.",
};
pub(crate) const NETWORK: Shape = Shape {
    code: Code::Network,
    noun: "a network",
    cure: "Write an address and a prefix length, such as 10.0.0.0/8 or 2001:db8::/32.",
};

/// A URL in its parts. `Debug` shows no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Lower case.
    pub scheme: String,
    /// User name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Host name in lower case, or address; IPv6 without brackets.
    pub host: String,
    /// Port, where one is written.
    pub port: Option<u16>,
    /// Path without a trailing slash; empty for the root.
    pub path: String,
    /// What follows `?`.
    pub query: Option<String>,
}

impl Url {
    /// As it was written, password and all.
    pub fn text(&self) -> Secret {
        let mut text = format!("{}://", self.scheme);
        if let Some(user) = &self.user {
            text += user;
        }
        let mut text = text.into_bytes();
        if let Some(password) = &self.password {
            text.push(b':');
            text.extend(password.expose());
        }
        if self.user.is_some() || self.password.is_some() {
            text.push(b'@');
        }
        match self.host.contains(':') {
            true => text.extend(format!("[{}]", self.host).bytes()),
            false => text.extend(self.host.bytes()),
        }
        text.extend(self.port.map(|port| format!(":{port}")).unwrap_or_default().bytes());
        text.extend(self.path.bytes());
        text.extend(
            self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default().bytes(),
        );
        Secret::new(text)
    }
}

/// Reads a URL with one of the given schemes.
pub(crate) fn url(text: &str, schemes: &[&str]) -> Result<Url, String> {
    if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(match c {
            ' ' => "there is a space in it".into(),
            c if c.is_ascii() => "there is a control character in it".into(),
            _ => "there is a character in it that has to be percent-encoded".into(),
        });
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| {
        format!("it does not begin with {}", list_of(schemes.iter().map(|s| format!("{s}://"))))
    })?;
    let scheme = scheme.to_ascii_lowercase();
    if !schemes.contains(&scheme.as_str()) {
        return Err(format!(
            "its scheme is not {}",
            list_of(schemes.iter().map(|s| s.to_string()))
        ));
    }
    if rest.contains('#') {
        return Err("a URL here has no `#…` part".into());
    }
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query.to_owned())),
        None => (rest, None),
    };
    let slash = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(slash);
    let (user_info, authority) = match authority.rsplit_once('@') {
        Some((user_info, authority)) => (Some(user_info), authority),
        None => (None, authority),
    };
    let (user, password) = match user_info.map(|info| info.split_once(':').unwrap_or((info, ""))) {
        Some((user, password)) => (
            Some(user.to_owned()).filter(|user| !user.is_empty()),
            Some(Secret::new(password)).filter(|password| !password.expose().is_empty()),
        ),
        None => (None, None),
    };
    let (host, port) = host_and_port(authority)?;
    let path = path.trim_end_matches('/').to_owned();
    Ok(Url { scheme, user, password, host, port, path, query })
}

fn list_of(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" or ")
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("the `[` of its host is never closed")?;
        host.parse::<Ipv6Addr>().map_err(|_| "between its [ ] there is no IPv6 address")?;
        let port = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(':').ok_or("after `]` only a port may follow")?),
        };
        (host.to_ascii_lowercase(), port)
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        if port.is_some_and(|port| port.contains(':')) {
            return Err("an IPv6 address needs brackets: [::1]".into());
        }
        let host = host.to_ascii_lowercase();
        host_name(&host)?;
        (host, port)
    };
    let port = match port {
        None => None,
        Some(port) => match whole(port).ok().and_then(|port| u16::try_from(port).ok()) {
            Some(port) if port > 0 => Some(port),
            _ => return Err("its port is not a number from 1 to 65535".into()),
        },
    };
    Ok((host, port))
}

/// Checks a lower-case DNS name or IPv4 address.
fn host_name(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("the host is missing".into());
    }
    if !host.is_ascii() {
        return Err("a host name outside ASCII is written in its xn-- form".into());
    }
    if host.len() > 253 {
        return Err("its host name is longer than 253 characters".into());
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) {
        // What ends in a number is an IPv4 address or a slip.
        return match host.parse::<Ipv4Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err("its host ends in a number but is not an IPv4 address".into()),
        };
    }
    for label in host.split('.') {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if label.is_empty() {
            return Err("there is an empty part between dots in its host name".into());
        }
        if label.len() > 63 {
            return Err("a part of its host name is longer than 63 characters".into());
        }
        if let Some(bad) = label.bytes().find(|byte| !fine(*byte)) {
            return Err(format!("`{}` may not be in a host name", bad.escape_ascii()));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a part of its host name begins or ends with `-`".into());
        }
    }
    Ok(())
}

/// `127.0.0.1:8080`; port 0 lets the system choose.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if whole(text).is_ok() || text.starts_with(':') {
        return Err("the IP address is missing".into());
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err("the port is missing".into());
    }
    match text.rsplit_once(':') {
        None => Err("the port is missing".into()),
        Some((_, port)) if port.parse::<u16>().is_err() => {
            Err("its port is not a number from 0 to 65535".into())
        }
        Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
            Err("an IPv6 address needs brackets".into())
        }
        Some(_) => Err("what stands before the port is not an IP address".into()),
    }
}

/// `api.example.com` or `*.example.com`.
pub(crate) fn host(text: &str) -> Result<HostPattern, String> {
    let host = text.to_ascii_lowercase();
    if host.contains("://") {
        return Err("it is a URL; take the scheme away".into());
    }
    if host.contains('/') {
        return Err("a path belongs under `path`".into());
    }
    if host.contains(':') {
        return Err(
            "a port does not belong here: an API answers on every port of the gateway".into()
        );
    }
    match host.strip_prefix("*.") {
        Some(suffix) => {
            host_name(suffix)?;
            Ok(HostPattern::Wildcard(suffix.to_owned()))
        }
        None if host.contains('*') => {
            Err("`*` may only stand for the first part, as in *.example.com".into())
        }
        None => {
            host_name(&host)?;
            Ok(HostPattern::Exact(host))
        }
    }
}

/// A base path in its one normal form, without a trailing slash; the root is empty. The gateway
/// compares normalised paths (T8), so a base path that is not normal would never match.
pub(crate) fn base_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("it does not begin with `/`".into());
    }
    if text.contains(['?', '#']) {
        return Err("a query or fragment does not belong to a path".into());
    }
    if text.contains("//") {
        return Err("`//` is merged to `/` before paths are compared".into());
    }
    if text.len() > 1024 {
        return Err("it is longer than 1024 characters".into());
    }
    let path = text.trim_end_matches('/');
    for segment in path.split('/').skip(1) {
        if segment == "." || segment == ".." {
            return Err("`.` and `..` are resolved before paths are compared".into());
        }
        if segment.contains(['{', '}']) {
            return Err("a base path has no parameters; those come from the contract".into());
        }
    }
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|d| d.map(char::from));
                let value = match digits {
                    [Some(high), Some(low)] => high.to_digit(16).zip(low.to_digit(16)),
                    _ => None,
                };
                let (high, low) = value.ok_or("after `%` two hexadecimal digits are missing")?;
                let decoded = u8::try_from(high * 16 + low).unwrap_or_default();
                if is_unreserved(decoded) {
                    return Err(format!("write `{}` instead of its % form", char::from(decoded)));
                }
                if matches!(decoded, b'/' | b'\\' | 0) {
                    return Err(
                        "an encoded slash, backslash or NUL is refused in every request".into()
                    );
                }
            }
            byte if is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte) => (),
            byte if byte.is_ascii_graphic() => {
                return Err(format!("`{}` has to be percent-encoded", byte.escape_ascii()));
            }
            _ => {
                return Err("spaces and characters outside ASCII have to be percent-encoded".into());
            }
        }
    }
    Ok(path.to_owned())
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// A field name, lower case.
pub(crate) fn header_name(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(&byte);
    if name.is_empty() {
        Err("it is empty".into())
    } else if name.contains('_') {
        Err("fields with `_` are refused, because some servers read it as `-`".into())
    } else if !name.bytes().all(token) {
        Err("there is a character in it that field names do not have".into())
    } else if name == "host" {
        Err("the host is matched by the key `host`".into())
    } else if matches!(
        name.as_str(),
        "connection"
            | "content-length"
            | "transfer-encoding"
            | "te"
            | "upgrade"
            | "keep-alive"
            | "trailer"
    ) {
        Err("that field belongs to the connection and not to the request".into())
    } else {
        Ok(name)
    }
}

/// A field value, trimmed.
pub(crate) fn header_value(text: &str) -> Result<String, String> {
    let value = text.trim_matches([' ', '\t']);
    if value.is_empty() {
        Err("it is empty".into())
    } else if !value.bytes().all(|byte| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic()) {
        Err("there is a character in it that is not visible ASCII".into())
    } else {
        Ok(value.to_owned())
    }
}

/// `10.0.0.0/8`; an address alone means just that address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| "its address cannot be read")?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => most,
        Some(prefix) => prefix.parse().map_err(|_| "its prefix length is not a number")?,
    };
    IpNet::new(address, prefix).ok_or_else(|| format!("its prefix is longer than {most} bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        let read = url("HTTP://me:hush@Inner.Example:8080/base/?a=b", &["http"]).unwrap();
        assert_eq!((read.host.as_str(), read.port), ("inner.example", Some(8080)));
        assert_eq!((read.path.as_str(), read.query.as_deref()), ("/base", Some("a=b")));
        assert!(!format!("{read:?}").contains("hush"));
        let six = url("http://[2001:DB8::1]", &["http"]).unwrap();
        assert_eq!((six.host.as_str(), six.port, six.path.as_str()), ("2001:db8::1", None, ""));
    }

    #[test]
    fn urls_that_could_be_misread_are_refused() {
        for bad in [
            "",
            "host:80",
            "ftp://host",
            "http://",
            "http://:80",
            "http://host:0",
            "http://host:70000",
            "http://ho st",
            "http://host/#x",
            "http://::1/",
            "http://[::1",
            "http://[zz]/",
            "http://a..b",
            "http://-a",
            "http://1.2.3",
            "http://1.2.3.999",
            "http://é.example",
            "http://host:80:80",
            "http://a/\u{7}",
        ] {
            assert!(url(bad, &["http"]).is_err(), "{bad}");
        }
    }

    #[test]
    fn t08_a_base_path_has_one_form() {
        assert_eq!(base_path("/").as_deref(), Ok(""));
        assert_eq!(base_path("/rates/").as_deref(), Ok("/rates"));
        assert_eq!(base_path("/a%20b;c/@v1").as_deref(), Ok("/a%20b;c/@v1"));
        for bad in [
            "", "rates", "/a//b", "/a/../b", "/a/.", "/a%2fb", "/a%41", "/a%4", "/a%", "/a b",
            "/é", "/a?b", "/{id}", "/a%00", "/a\\b",
        ] {
            assert!(base_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_are_names_and_nothing_else() {
        assert_eq!(host("API.example.com"), Ok(HostPattern::Exact("api.example.com".into())));
        assert_eq!(host("*.example.com"), Ok(HostPattern::Wildcard("example.com".into())));
        for bad in ["", "*", "*.", "a.*.b", "api.example.com:80", "http://a", "a/b", "a b"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_listened_on_is_an_address() {
        assert!(listen("[::]:0").is_ok());
        for bad in ["8080", ":8080", "localhost:8080", "127.0.0.1", "127.0.0.1:99999", "::1:80"] {
            assert!(listen(bad).is_err(), "{bad}");
        }
        assert!(network("10.0.0.0/8").is_ok() && network("::1").is_ok());
        assert!(network("10.0.0.0/33").is_err() && network("ten/8").is_err());
        assert!(header_name("Host").is_err() && header_name("X_A").is_err());
    }
}
