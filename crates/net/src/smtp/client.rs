//! Hands a letter to a relay.
//!
//! One letter a connection: answers are few, and nothing has to be known about the one before. What is not known to have been
//! taken is sent again later; its Message-ID stays the same, so that a receiver can tell.

use std::{io, sync::Arc, time::Duration};

use pasarela_model::{MailAddress, Secret};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{stream::Stream, tls::ClientTls};

/// How long the whole of it may take.
const TIME: Duration = Duration::from_secs(120);
/// Bytes of one answer.
const ANSWER_BYTES: usize = 16 << 10;

/// Who we are to a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// How a relay is reached.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS from the first byte on (port 465).
    pub tls_at_once: bool,
    /// TLS; `None`: nothing is encrypted.
    pub tls: Option<Arc<ClientTls>>,
    /// Who we are to it.
    pub login: Option<Login>,
    /// What we call ourselves.
    pub name: String,
}

/// What goes to whom.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// Where what cannot be delivered is sent back to; `None`: nowhere.
    pub sender: Option<&'a MailAddress>,
    /// For whom it is.
    pub recipient: &'a MailAddress,
    /// Its text, lines ending with CR LF.
    pub bytes: &'a [u8],
}

/// Why a letter was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It may be taken another time.
    #[error("not now: {0}")]
    Later(String),
    /// It never will be.
    #[error("refused: {0}")]
    Never(String),
}

impl From<io::Error> for NotTaken {
    fn from(error: io::Error) -> Self {
        Self::Later(error.to_string())
    }
}

/// Hands a letter over; when this returns well, the relay has it.
///
/// # Errors
/// [`NotTaken`], with the relay's words.
pub async fn send(route: &Route, delivery: &Delivery<'_>) -> Result<(), NotTaken> {
    match timeout(TIME, talk(route, delivery)).await {
        Ok(done) => done,
        Err(_) => Err(NotTaken::Later("the relay takes too long".to_owned())),
    }
}

async fn talk(route: &Route, delivery: &Delivery<'_>) -> Result<(), NotTaken> {
    let tcp = TcpStream::connect((route.host.as_str(), route.port)).await?;
    let stream = match &route.tls {
        Some(tls) if route.tls_at_once => secured(tls, &route.host, tcp).await?,
        _ => Stream::Tcp(tcp),
    };
    let mut talk = Talk { stream, held: Vec::new() };
    talk.answer("greeting", 220).await?;
    let hello = format!("EHLO {}\r\n", route.name);
    let mut offered = talk.ask(&hello, "EHLO", 250).await?;
    if let Some(tls) = route.tls.as_ref().filter(|_| !route.tls_at_once) {
        talk.ask("STARTTLS\r\n", "STARTTLS", 220).await?;
        // What came behind the answer came from somebody in between (RFC 3207, 6).
        let Talk { stream: Stream::Tcp(tcp), held } = talk else {
            return Err(NotTaken::Later("TLS within TLS".to_owned()));
        };
        if !held.is_empty() {
            return Err(NotTaken::Later("the relay spoke on before TLS".to_owned()));
        }
        let stream = secured(tls, &route.host, tcp).await?;
        talk = Talk { stream, held: Vec::new() };
        offered = talk.ask(&hello, "EHLO", 250).await?;
    }
    if let Some(login) = &route.login {
        talk.log_in(login).await?;
    }
    let sender = delivery.sender.map_or("", MailAddress::as_str);
    let offers_8bit = offered.to_ascii_uppercase().contains("8BITMIME");
    let body = if offers_8bit { " BODY=8BITMIME" } else { "" };
    talk.ask(&format!("MAIL FROM:<{sender}>{body}\r\n"), "MAIL", 250).await?;
    talk.ask(&format!("RCPT TO:<{}>\r\n", delivery.recipient), "RCPT", 250).await?;
    talk.ask("DATA\r\n", "DATA", 354).await?;
    talk.stream.write_all(&stuffed(delivery.bytes)).await?;
    talk.stream.flush().await?;
    talk.answer("the message", 250).await?;
    // It is taken, whatever happens from here on.
    let _ = timeout(Duration::from_secs(2), talk.ask("QUIT\r\n", "QUIT", 221)).await;
    Ok(())
}

async fn secured(tls: &ClientTls, host: &str, tcp: TcpStream) -> io::Result<Stream> {
    Ok(Stream::Tls(Box::new(tls.connect(host, tcp).await?.into())))
}

/// A line that begins with a dot gets another one, and the last line is one (RFC 5321, 4.5.2).
fn stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    let mut starts = true;
    for byte in bytes {
        if starts && *byte == b'.' {
            out.push(b'.');
        }
        out.push(*byte);
        starts = *byte == b'\n';
    }
    if !starts {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

struct Talk {
    stream: Stream,
    held: Vec<u8>,
}

impl Talk {
    async fn ask(&mut self, line: &str, what: &str, wanted: u16) -> Result<String, NotTaken> {
        self.stream.write_all(line.as_bytes()).await?;
        self.stream.flush().await?;
        self.answer(what, wanted).await
    }

    /// Reads one answer to its end; its text.
    async fn answer(&mut self, what: &str, wanted: u16) -> Result<String, NotTaken> {
        let mut text = String::new();
        loop {
            let line = self.line().await?;
            let (code, rest) = line.split_at_checked(3).unwrap_or((&line, ""));
            text.push_str(rest.get(1..).unwrap_or_default());
            text.push('\n');
            if text.len() > ANSWER_BYTES {
                return Err(NotTaken::Later(format!("the answer to {what} has no end")));
            }
            if rest.starts_with('-') {
                continue;
            }
            let words = format!("{what}: {code} {}", text.trim_end().replace('\n', " / "));
            return match code.parse::<u16>() {
                Ok(code) if code == wanted || wanted == 250 && code == 251 => Ok(text),
                Ok(500..=599) => Err(NotTaken::Never(words)),
                _ => Err(NotTaken::Later(words)),
            };
        }
    }

    async fn line(&mut self) -> Result<String, NotTaken> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.held) {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            if self.held.len() > ANSWER_BYTES {
                return Err(NotTaken::Later("the relay's line has no end".to_owned()));
            }
            if self.stream.read_buf(&mut self.held).await? == 0 {
                return Err(NotTaken::Later("the relay closed the connection".to_owned()));
            }
        }
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), NotTaken> {
        let mut words = vec![0];
        words.extend_from_slice(login.user.as_bytes());
        words.push(0);
        words.extend_from_slice(login.password.expose());
        let line = format!("AUTH PLAIN {}\r\n", base64(&words));
        // A wrong password is the operator's to mend: what waits is kept.
        let said = self.ask(&line, "AUTH", 235).await;
        said.map(drop).map_err(|error| match error {
            NotTaken::Never(why) => NotTaken::Later(why),
            later => later,
        })
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= three.len() { digit as char } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled_and_the_last_line_is_one() {
        assert_eq!(stuffed(b".a\r\nb.\r\n..\r\n"), b"..a\r\nb.\r\n...\r\n.\r\n");
        assert_eq!(stuffed(b"a"), b"a\r\n.\r\n");
        assert_eq!(stuffed(b""), b".\r\n");
    }

    #[test]
    fn base64_is_written() {
        for (bytes, text) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("\0a\0b", "AGEAYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
