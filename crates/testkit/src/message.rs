//! Requests and responses as a strict reader sees them.

use serde_json::Value;

use crate::{
    show,
    wire::{Fault, Wire, is_token},
};

/// Header or trailer fields, in order, as they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The only value of a field. Panics where it is repeated; `None` where it is absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is there {} times: {self:?}", all.len());
        all.first().copied()
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let mine = self.0.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        mine.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }
}

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// `Ok(None)`: neither field. Both, repeated or odd ones are faults.
fn declared_framing(fields: &Fields) -> Result<Option<Framing>, Fault> {
    let bad = |what: &str| Err(Fault::Invalid(format!("{what}: {fields:?}")));
    let lengths = fields.all("content-length");
    let codings = fields.all("transfer-encoding");
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(None),
        ([], ["chunked"]) => Ok(Some(Framing::Chunked)),
        ([], _) => bad("an odd Transfer-Encoding"),
        ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            match length.parse() {
                Ok(length) => Ok(Some(Framing::Length(length))),
                Err(_) => bad("a huge Content-Length"),
            }
        }
        (_, []) => bad("an odd Content-Length"),
        _ => bad("Content-Length beside Transfer-Encoding"),
    }
}

/// A request that came in whole and well formed.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Which connection to this upstream it came on, from 0.
    pub connection: usize,
    /// Method.
    pub method: String,
    /// Request target.
    pub target: String,
    /// `HTTP/1.1`
    pub version: String,
    /// Header fields.
    pub fields: Fields,
    /// The body, at most its first MiB.
    pub body: Vec<u8>,
    /// Bytes of the body.
    pub length: u64,
    /// Trailer fields.
    pub trailers: Fields,
    /// `true`: the body came in chunks.
    pub chunked: bool,
}

impl Request {
    /// The only value of a header field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// Method, target and fields as text, for searching.
    pub fn text(&self) -> String {
        let mut text = format!("{} {} {}\n", self.method, self.target, self.version);
        for (name, value) in &self.fields.0 {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text
    }

    pub(crate) fn read_head(wire: &mut Wire) -> Result<(Self, Framing), Fault> {
        wire.begin()?;
        let line = wire.line("a request line")?;
        let text: String = line.iter().map(|byte| char::from(*byte)).collect();
        let parts: Vec<&str> = text.split(' ').collect();
        let [method, target, version] = parts.as_slice() else {
            return Err(Fault::Invalid(format!("request line {text:?}")));
        };
        let good = !method.is_empty()
            && method.bytes().all(is_token)
            && !target.is_empty()
            && target.bytes().all(|byte| byte.is_ascii_graphic())
            && *version == "HTTP/1.1";
        if !good {
            return Err(Fault::Invalid(format!("request line {text:?}")));
        }
        let fields = wire.fields("a request")?;
        if fields.all("host").len() != 1 {
            return Err(Fault::Invalid(format!("not one Host: {fields:?}")));
        }
        let framing = declared_framing(&fields)?.unwrap_or(Framing::None);
        let request = Self {
            method: (*method).to_owned(),
            target: (*target).to_owned(),
            version: (*version).to_owned(),
            fields,
            chunked: framing == Framing::Chunked,
            ..Self::default()
        };
        Ok((request, framing))
    }
}

/// A response, interim ones apart.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// `HTTP/1.1`
    pub version: String,
    /// Reason phrase.
    pub reason: String,
    /// Header fields.
    pub fields: Fields,
    /// The body.
    pub body: Vec<u8>,
    /// Bytes of the body.
    pub length: u64,
    /// Trailer fields.
    pub trailers: Fields,
    /// `true`: the body came in chunks.
    pub chunked: bool,
    /// The 1xx responses before it.
    pub interim: Vec<Self>,
}

impl Response {
    /// The only value of a header field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Whether the sender closes after it.
    pub fn closes(&self) -> bool {
        let named = |value: &&str| value.split(',').any(|v| v.trim().eq_ignore_ascii_case("close"));
        self.fields.all("connection").iter().any(named)
    }

    /// Asserts a complete problem document (RFC 9457) with this status and code.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.brief());
        let problem = self.problem();
        assert_eq!(problem["code"], code, "{}", self.brief());
        problem
    }

    /// Asserts a complete problem document, whatever it is about.
    #[track_caller]
    pub fn problem(&self) -> Value {
        let media = self.get("content-type").unwrap_or_default();
        assert!(media.starts_with("application/problem+json"), "{}", self.brief());
        let problem = self.json();
        for member in ["type", "title", "code", "detail", "instance"] {
            let value = problem[member].as_str().unwrap_or_default();
            assert!(!value.is_empty(), "no {member}: {}", self.brief());
        }
        assert_eq!(problem["status"], self.status, "{}", self.brief());
        problem
    }

    /// Status, fields and the beginning of the body, for a failing test.
    pub fn brief(&self) -> String {
        format!("{} {:?} {}", self.status, self.fields.0, show(&self.body))
    }

    /// `to`: the method it answers, which decides whether there is a body.
    pub(crate) fn read_head(wire: &mut Wire, to: &str) -> Result<(Self, Framing), Fault> {
        wire.begin()?;
        let line = wire.line("a status line")?;
        let text: String = line.iter().map(|byte| char::from(*byte)).collect();
        let bad = || Fault::Invalid(format!("status line {text:?}"));
        let (version, rest) = text.split_once(' ').ok_or_else(bad)?;
        let (code, reason) = rest.split_once(' ').ok_or_else(bad)?;
        if !["HTTP/1.1", "HTTP/1.0"].contains(&version) || code.len() != 3 {
            return Err(bad());
        }
        let status: u16 = code.parse().map_err(|_| bad())?;
        let fields = wire.fields("a response")?;
        let declared = declared_framing(&fields)?;
        let bodiless = to == "HEAD" || status < 200 || status == 204 || status == 304;
        if (status < 200 || status == 204) && declared.is_some() {
            return Err(Fault::Invalid(format!("framing fields in a {status}: {fields:?}")));
        }
        let framing = match declared {
            _ if bodiless || (to == "CONNECT" && status < 300) => Framing::None,
            Some(framing) => framing,
            None => Framing::UntilClose,
        };
        let response = Self {
            status,
            version: version.to_owned(),
            reason: reason.to_owned(),
            fields,
            chunked: framing == Framing::Chunked,
            ..Self::default()
        };
        Ok((response, framing))
    }
}
