//! A client that says any byte it likes, and a relay that keeps what it is given.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use pasarela_testkit::{Gateway, eventually, seconds};

/// A client's connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects, and reads the greeting.
    #[track_caller]
    pub(crate) fn connect(gateway: &Gateway) -> Self {
        let mut client = Self::raw(gateway.address_of("smtp")).expect("connecting");
        assert!(client.reply().starts_with("220 "));
        client
    }

    /// The same, and says who it is.
    #[track_caller]
    pub(crate) fn greeted(gateway: &Gateway) -> Self {
        let mut client = Self::connect(gateway);
        assert!(client.ask("EHLO client.example\r\n").contains("PIPELINING"));
        client
    }

    pub(crate) fn raw(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(seconds(20)))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends bytes, in one piece.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.get_mut().write_all(bytes.as_ref());
    }

    /// One reply, all its lines; empty when the connection is at its end.
    pub(crate) fn reply(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return text;
            }
            text += &line;
            if line.as_bytes().get(3) != Some(&b'-') {
                return text;
            }
        }
    }

    pub(crate) fn ask(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.send(bytes);
        self.reply()
    }

    /// Everything until the gateway closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = self.0.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[track_caller]
    pub(crate) fn log_in(&mut self, user: &str, password: &str) {
        let words = crate::mail::base64(format!("\0{user}\0{password}").as_bytes());
        assert!(self.ask(format!("AUTH PLAIN {words}\r\n")).starts_with("235 "));
    }

    /// Sends a letter; the reply to its last dot, or to what was refused before.
    pub(crate) fn letter(&mut self, from: &str, to: &str, letter: &str) -> String {
        for line in [format!("MAIL FROM:<{from}>\r\n"), format!("RCPT TO:<{to}>\r\n")] {
            let reply = self.ask(line);
            if !reply.starts_with("250 ") {
                self.ask("RSET\r\n");
                return reply;
            }
        }
        assert!(self.ask("DATA\r\n").starts_with("354 "));
        self.ask(format!("{letter}\r\n.\r\n"))
    }
}

/// A letter as a relay got it.
#[derive(Debug, Clone)]
pub(crate) struct Mailed {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) text: String,
}

impl Mailed {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let mut lines = head.lines();
        let found = lines.find(|line| line.split(':').next().is_some_and(|n| n == name))?;
        Some(found[name.len() + 1..].trim())
    }

    /// The message in it.
    pub(crate) fn message(&self) -> String {
        let letter = pasarela_soap::mail::Letter::read(self.text.as_bytes()).unwrap();
        let message = letter.message(self.text.as_bytes(), 1).unwrap();
        String::from_utf8(message.body).unwrap()
    }
}

/// A server that takes mail. What it says to RCPT can be set.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    letters: Arc<Mutex<Vec<Mailed>>>,
    says: Arc<Mutex<&'static str>>,
}

impl Relay {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (letters, says) = (Arc::default(), Arc::new(Mutex::new("250 ok")));
        let relay = Self { address, letters: Arc::clone(&letters), says: Arc::clone(&says) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (letters, says) = (Arc::clone(&letters), Arc::clone(&says));
                thread::spawn(move || {
                    let _ = serve(stream, &letters, &says);
                });
            }
        });
        relay
    }

    pub(crate) fn say(&self, reply: &'static str) {
        *self.says.lock().unwrap() = reply;
    }

    pub(crate) fn letters(&self) -> Vec<Mailed> {
        self.letters.lock().unwrap().clone()
    }

    /// Waits until so many letters are there.
    #[track_caller]
    pub(crate) fn await_letters(&self, count: usize) -> Vec<Mailed> {
        eventually(Duration::from_secs(30), || self.letters.lock().unwrap().len() >= count);
        let letters = self.letters();
        assert!(letters.len() >= count, "{} letters, not {count}: {letters:?}", letters.len());
        letters
    }
}

fn serve(
    stream: TcpStream,
    letters: &Mutex<Vec<Mailed>>,
    says: &Mutex<&'static str>,
) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    let (mut from, mut to) = (String::new(), String::new());
    out.write_all(b"220 relay\r\n")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let address = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        match line.get(..4).unwrap_or_default() {
            "EHLO" => out.write_all(b"250-relay\r\n250 8BITMIME\r\n")?,
            "MAIL" => {
                from = address();
                out.write_all(b"250 ok\r\n")?;
            }
            "RCPT" => {
                to = address();
                let says = *says.lock().unwrap();
                out.write_all(format!("{says}\r\n").as_bytes())?;
            }
            "DATA" => {
                out.write_all(b"354 go on\r\n")?;
                let mut text = String::new();
                loop {
                    let mut line = String::new();
                    if lines.read_line(&mut line)? == 0 {
                        return Ok(());
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    text += line.strip_prefix('.').unwrap_or(&line);
                }
                let (from, to) = (from.clone(), to.clone());
                letters.lock().unwrap().push(Mailed { from, to, text });
                out.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => return out.write_all(b"221 bye\r\n"),
            _ => out.write_all(b"500 what?\r\n")?,
        }
    }
}
