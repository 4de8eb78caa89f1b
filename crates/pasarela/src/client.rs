//! A client of the administration API: plain blocking HTTP on a connection of its own, for the command line.
//!
//! Where the API is and who asks comes from options, the environment, or the file that `pasarela login` wrote. A token
//! is sent in the clear on this machine only (T27).

mod login;

use std::{
    io::{self, Read, Write},
    net::{IpAddr, TcpStream, ToSocketAddrs as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use pasarela_model::{Secret, UpstreamTls};
use pasarela_net::tls::ClientTls;
use rustls::StreamOwned;
use serde_json::Value;

pub(crate) use login::Login;

use crate::{commands::explain, config::read_file, import::Url, timed::Timed};

/// Time for a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Time for a whole exchange: a contract may have to be fetched and compiled.
const EXCHANGE_TIME: Duration = Duration::from_secs(120);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a file that holds a token.
const TOKEN_BYTES_MAX: u64 = 4 << 10;
/// Where the console of a gateway on this machine is, unless it says otherwise.
const USUAL_PLACE: &str = "http://127.0.0.1:8081";

/// Where the administration API is, and who asks.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Reaching {
    /// The console's address, such as http://127.0.0.1:8081; by default what `pasarela login` wrote.
    #[arg(long, value_name = "URL", env = "PASARELA_ADMIN", global = true)]
    pub admin: Option<String>,
    /// A file with your token; by default PASARELA_TOKEN, or what `pasarela login` wrote.
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
}

impl Reaching {
    /// The console's address.
    pub(crate) fn place(&self, known: Option<&Login>) -> String {
        let said = self.admin.clone().or_else(|| known.map(|login| login.admin.clone()));
        said.unwrap_or_else(|| USUAL_PLACE.to_owned())
    }

    /// A client; `None` where nothing says who asks.
    ///
    /// # Errors
    /// What is said and cannot be used, in words.
    pub(crate) fn client(&self) -> Result<Option<Client>, String> {
        let known = Login::read()?;
        let token = match (&self.token_file, std::env::var("PASARELA_TOKEN")) {
            (Some(file), _) => {
                let bytes = read_file(file, TOKEN_BYTES_MAX)
                    .map_err(|why| format!("{} cannot be read: {why}", file.display()))?;
                Some(String::from_utf8_lossy(&bytes).trim().to_owned())
            }
            (None, Ok(token)) if !token.is_empty() => Some(token),
            (None, _) => known.as_ref().map(|login| login.token.clone()),
        };
        let Some(token) = token else { return Ok(None) };
        Client::new(&self.place(known.as_ref()), &token).map(Some)
    }

    /// A client; where nothing says who asks, what to do about it.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn needed(&self) -> Result<Client, String> {
        let none = "nothing says who asks: `pasarela login INVITATION`, or set PASARELA_TOKEN";
        self.client()?.ok_or_else(|| none.to_owned())
    }
}

/// Asks the API as somebody.
#[derive(Debug)]
pub(crate) struct Client {
    root: Url,
    token: Secret,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) body: Value,
}

impl Client {
    /// Of the console at an address.
    pub(crate) fn new(admin: &str, token: &str) -> Result<Self, String> {
        let root = Url::parse(admin).map_err(|error| format!("{admin}: {error}"))?;
        let loopback = match root.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => root.host == "localhost",
        };
        if !root.secure && !loopback {
            return Err(format!(
                "{admin}: a token would travel in the clear; use https://, or a tunnel that begins on this machine"
            ));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) || token.is_empty() {
            return Err("the token is not one".to_owned());
        }
        Ok(Self { root, token: Secret::new(token) })
    }

    /// Asks; `path` is below `/admin/v1`, `etag` what was read.
    ///
    /// # Errors
    /// In words, where there is no answer.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        etag: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let body = body.map(Value::to_string);
        let done = self.exchange(method, path, etag, body.as_deref());
        let place = format!("{}:{}", self.root.host, self.root.port);
        done.map_err(|error| format!("the administration API at {place} does not answer: {error}"))
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        etag: Option<&str>,
        body: Option<&str>,
    ) -> io::Result<Answer> {
        let deadline = Instant::now() + EXCHANGE_TIME;
        let socket = Timed { stream: self.connect()?, deadline };
        let request = self.request(method, path, etag, body);
        if !self.root.secure {
            return carry(socket, &request);
        }
        let tls = ClientTls::new(&UpstreamTls::default(), false).map_err(io::Error::other)?;
        carry(StreamOwned::new(tls.session(&self.root.host)?, socket), &request)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        #[expect(clippy::disallowed_methods, reason = "a command that waits for nothing else")]
        let addresses = (self.root.host.as_str(), self.root.port).to_socket_addrs()?;
        for address in addresses {
            match TcpStream::connect_timeout(&address, CONNECT_TIME) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn request(&self, method: &str, path: &str, etag: Option<&str>, body: Option<&str>) -> Secret {
        let host = match self.root.host.contains(':') {
            true => format!("[{}]", self.root.host),
            false => self.root.host.clone(),
        };
        let base = self.root.target.trim_end_matches('/');
        let mut text = format!(
            "{method} {base}/admin/v1{path} HTTP/1.1\r\nHost: {host}:{}\r\nAuthorization: Bearer {}\r\n\
             User-Agent: pasarela/{}\r\nAccept: application/json\r\nConnection: close\r\n",
            self.root.port,
            String::from_utf8_lossy(self.token.expose()),
            env!("CARGO_PKG_VERSION"),
        );
        if let Some(etag) = etag {
            text += &format!("If-Match: {etag}\r\n");
        }
        if body.is_some() {
            text += "Content-Type: application/json\r\n";
        }
        let body = body.unwrap_or_default();
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        Secret::new(text)
    }
}

fn carry(mut stream: impl Read + Write, request: &Secret) -> io::Result<Answer> {
    stream.write_all(request.expose())?;
    stream.flush()?;
    let mut bytes = Vec::new();
    match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes) {
        // A server may close without TLS's goodbye; what came is judged by its length below.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        done => drop(done?),
    }
    read(&bytes)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "what came is no answer of it"))
}

fn read(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = bytes.split_at_checked(end + 4)?;
    let head = std::str::from_utf8(head).ok()?;
    let field = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let whole = match (field("transfer-encoding"), field("content-length")) {
        (Some(_), _) => dechunked(body)?,
        (None, Some(length)) => body.get(..length.parse().ok()?)?.to_vec(),
        (None, None) => body.to_vec(),
    };
    Some(Answer { status, etag: field("etag"), body: serde_json::from_slice(&whole).ok()? })
}

/// A proxy on the way may have cut it into pieces (RFC 9112, section 7.1).
fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        rest = rest.get(end + 2..)?;
        whole.extend(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// A problem as a person reads it: code, cause and cure, and each thing that is wrong.
pub(crate) fn problem(body: &Value) -> String {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let code = text(body, "code");
    if code.is_empty() {
        return "error: what came is no answer of the administration API\n".to_owned();
    }
    let errors = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut out = format!("error[{code}]: {}: {}\n", text(body, "title"), text(body, "detail"));
    for error in errors {
        let place = match error["document"].as_str() {
            Some(document) => format!("{document}:{}:{}", error["line"], error["column"]),
            None => text(error, "pointer"),
        };
        let (code, message) = (text(error, "code"), text(error, "message"));
        out += &format!("error[{code}]: {message}\n  --> {place}\n  = {}\n", text(error, "cure"));
    }
    if errors.is_empty() {
        out += &cure(&code);
    }
    out + &format!("More: pasarela explain {code}\n")
}

/// What its page says to whoever asked.
fn cure(code: &str) -> String {
    let page = explain::page(code).map_or("", |(_, page)| page);
    let section = page.split("## What to do").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| format!("  = {}\n", line.trim_start_matches("- ").replace("**", ""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t27_a_token_is_sent_in_the_clear_on_this_machine_only() {
        for fine in [
            "http://127.0.0.1:8081",
            "http://[::1]:8081/",
            "http://localhost",
            "https://admin.example",
        ] {
            Client::new(fine, "pst_x").unwrap();
        }
        for wrong in ["http://10.0.0.1:8081", "http://admin.example", "ftp://127.0.0.1", "nowhere"]
        {
            Client::new(wrong, "pst_x").unwrap_err();
        }
        Client::new("http://127.0.0.1", "a b").unwrap_err();
        Client::new("http://127.0.0.1", "").unwrap_err();
    }

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let head = "HTTP/1.1 200 OK\r\nETag: \"3\"\r\n";
        let whole = read(format!("{head}Content-Length: 7\r\n\r\n{{\"a\":1}}").as_bytes()).unwrap();
        assert_eq!(
            (whole.status, whole.etag.as_deref(), &whole.body["a"]),
            (200, Some("\"3\""), &1.into())
        );
        let pieces = format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n3\r\n{{\"a\r\n4;x\r\n\":1}}\r\n0\r\n\r\n"
        );
        assert_eq!(read(pieces.as_bytes()).unwrap().body["a"], 1);
        for cut in [
            format!("{head}Content-Length: 8\r\n\r\n{{\"a\":1}}"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\n{{\"a\r\n"),
            "HTTP/1.1 200".to_owned(),
            format!("{head}\r\n<html>"),
        ] {
            assert!(read(cut.as_bytes()).is_none(), "{cut}");
        }
    }
}
