//! A dialogue with a client, as a machine.
//!
//! ```text
//!  greeting ─EHLO─▶ ready ─MAIL─▶ sender ─RCPT─▶ recipients ─DATA─▶ text ─.─▶ asked ─250─▶ ready
//!                     └─STARTTLS─▶ (handshake) ─▶ greeting        └─ smuggled ─▶ closed
//! ```
//!
//! Whatever has to be decided (may this recipient be written to, whose password is this, is the message kept) leaves as an
//! [`Event`], and nothing more is read until [`Server::settle`] says what is answered: replies are in the order of commands.

use std::mem;

use pasarela_model::{MailAddress, Secret};

use super::{
    command::{self, Command},
    reply::Reply,
    text::{Smuggled, Text},
};

/// Bytes of a line of commands with its end; passwords travel in one (RFC 5321, 4.5.3.1.4: at least 512).
const LINE_BYTES: usize = 2048;

/// What a server offers one client.
#[derive(Debug, Clone)]
pub struct Offers {
    /// What we call ourselves.
    pub name: String,
    /// STARTTLS.
    pub tls: bool,
    /// A password may come without TLS from here.
    pub open_login: bool,
    /// L30: bytes of a message.
    pub bytes: usize,
    /// L30: recipients of a message.
    pub recipients: usize,
    /// L30: refusals after which the connection is closed.
    pub errors: u32,
}

/// A message that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Who sends it, as the envelope says; `None`: `<>`.
    pub sender: Option<MailAddress>,
    /// For whom it is; at least one.
    pub recipients: Vec<MailAddress>,
    /// Its text, lines ending with CR LF.
    pub bytes: Vec<u8>,
}

/// What happened that somebody has to see to.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// May the message go to this address? [`Server::settle`] says.
    Recipient(MailAddress),
    /// Is this the user's password? [`Server::settle`] says.
    Login {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// Keep this; [`Server::settle`] says whether it is.
    Letter(Letter),
    /// Send what is written, make a handshake, and call [`Server::secured`].
    StartTls,
    /// Send what is written, and close.
    Close,
}

/// What is read next.
#[derive(Debug)]
enum Next {
    Line,
    /// `AUTH PLAIN` without its words.
    Plain,
    /// `AUTH LOGIN`: the user's name.
    User,
    /// The user's password.
    Password(String),
    Text(Text),
    /// Nothing, before somebody has decided.
    Settle(Asked),
    Handshake,
    End,
    Ended,
}

#[derive(Debug)]
enum Asked {
    Recipient(MailAddress),
    Login,
    Letter,
}

/// One client's dialogue.
#[derive(Debug)]
pub struct Server {
    offers: Offers,
    input: Vec<u8>,
    output: Vec<u8>,
    next: Next,
    greeted: bool,
    secured: bool,
    logged_in: bool,
    /// A message that has begun: its sender.
    sender: Option<Option<MailAddress>>,
    recipients: Vec<MailAddress>,
    errors: u32,
    smuggled: bool,
}

impl Server {
    /// Begins with our greeting.
    pub fn new(offers: Offers) -> Self {
        let mut server = Self {
            output: Vec::new(),
            input: Vec::new(),
            next: Next::Line,
            greeted: false,
            secured: false,
            logged_in: false,
            sender: None,
            recipients: Vec::new(),
            errors: 0,
            smuggled: false,
            offers,
        };
        let greeting = format!("220 {} ESMTP\r\n", server.offers.name);
        server.output.extend_from_slice(greeting.as_bytes());
        server
    }

    /// Gives it what came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Replies that are to be sent.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether a message is on its way in.
    pub fn is_in_text(&self) -> bool {
        matches!(self.next, Next::Text(_))
    }

    /// The sender of the message that has begun; `None` for `<>`.
    pub fn sender(&self) -> Option<&MailAddress> {
        self.sender.as_ref()?.as_ref()
    }

    /// Whether the dialogue ended because of how a line does.
    pub fn was_smuggled(&self) -> bool {
        self.smuggled
    }

    /// Refuses everything from now on; the next event is [`Event::Close`].
    pub fn give_up(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
        self.next = Next::End;
    }

    /// The handshake is made: everything before it is forgotten (RFC 3207, 4.2).
    pub fn secured(&mut self) {
        self.input.clear();
        (self.greeted, self.secured, self.logged_in) = (false, true, false);
        self.next = Next::Line;
        self.reset();
    }

    /// Goes on; `None` when more has to come first.
    pub fn advance(&mut self) -> Option<Event> {
        loop {
            match &mut self.next {
                Next::Settle(_) | Next::Handshake | Next::Ended => return None,
                Next::End => {
                    self.next = Next::Ended;
                    return Some(Event::Close);
                }
                Next::Text(text) => {
                    let took = text.take(&self.input);
                    let endless = text.is_endless();
                    match took {
                        Err(why) => self.smuggled(why),
                        Ok((used, true)) => {
                            self.input.drain(..used);
                            if let Some(letter) = self.whole() {
                                return Some(letter);
                            }
                        }
                        Ok((_, false)) if endless => {
                            let large = Reply::new(552, "5.3.4", "The message is far too large");
                            self.give_up(&large);
                        }
                        Ok(_) => {
                            self.input.clear();
                            return None;
                        }
                    }
                }
                _ => {
                    let line = self.line()?;
                    if let Some(event) = self.said(&line) {
                        return Some(event);
                    }
                }
            }
        }
    }

    /// What was decided about the last event.
    pub fn settle(&mut self, reply: Reply) {
        let Next::Settle(asked) = mem::replace(&mut self.next, Next::Line) else { return };
        match asked {
            Asked::Recipient(address) if reply.is_positive() => self.recipients.push(address),
            Asked::Recipient(_) => {}
            Asked::Login => self.logged_in |= reply.is_positive(),
            Asked::Letter => self.reset(),
        }
        self.reply(&reply);
    }

    fn reset(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    /// Answers; whoever is refused too often is sent away (L30).
    fn reply(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
        if !reply.is_positive() {
            self.errors += 1;
            if self.errors >= self.offers.errors && !matches!(self.next, Next::End) {
                self.give_up(&Reply::new(421, "4.7.0", "Too many errors"));
            }
        }
    }

    /// The next line without its end; `None` while it is not there, or when it is none.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = memchr::memchr(b'\n', &self.input);
        let line = self.input.get(..end.map_or(self.input.len(), |end| end + 1))?;
        let (body, ended) = match line.strip_suffix(b"\r\n") {
            Some(body) => (body, true),
            None if end.is_some() => (line, false),
            // The last byte that came may be the first of a line's end.
            None => (line.strip_suffix(b"\r").unwrap_or(line), false),
        };
        let broken = memchr::memchr3(b'\r', b'\n', 0, body).map(|at| match body.get(at) {
            Some(b'\r') => Smuggled::BareCr,
            Some(0) => Smuggled::Nul,
            _ => Smuggled::BareLf,
        });
        if let Some(why) = broken {
            self.smuggled(why);
            return Some(Vec::new());
        }
        if line.len() > LINE_BYTES {
            self.give_up(&Reply::new(500, "5.5.2", "The line is too long"));
            return Some(Vec::new());
        }
        let line = ended.then(|| body.to_vec())?;
        self.input.drain(..line.len() + 2);
        Some(line)
    }

    /// T52: two servers could disagree about where this message ends. Nothing of it is taken, and nothing that follows.
    fn smuggled(&mut self, why: Smuggled) {
        self.smuggled = true;
        let text = format!("Lines end with CR LF and nothing else; there is {why}");
        self.give_up(&Reply::new(550, "5.6.0", text));
    }

    fn said(&mut self, line: &[u8]) -> Option<Event> {
        match mem::replace(&mut self.next, Next::Line) {
            Next::Line => match command::read(line) {
                Ok(command) => self.command(command),
                Err(reply) => {
                    self.reply(&reply);
                    None
                }
            },
            Next::Plain => self.plain(line),
            Next::User => self.user(line),
            Next::Password(user) => match decoded(line) {
                Some(password) => Some(self.login(user, password)),
                None => self.not_base64(),
            },
            other => {
                self.next = other;
                None
            }
        }
    }

    fn command(&mut self, command: Command) -> Option<Event> {
        let reply = match command {
            Command::Hello { extended } => return self.hello(extended),
            Command::Nothing => Reply::new(250, "2.0.0", "Yes"),
            Command::Help => Reply::new(214, "2.0.0", "SOAP messages by mail; RFC 5321"),
            Command::Reset => {
                self.reset();
                Reply::new(250, "2.0.0", "Forgotten")
            }
            Command::Quit => {
                self.give_up(&Reply::new(221, "2.0.0", "Until next time"));
                return None;
            }
            _ if !self.greeted => Reply::new(503, "5.5.1", "Say EHLO first"),
            Command::StartTls => return self.start_tls(),
            Command::Login { mechanism, initial } => return self.auth(&mechanism, initial),
            Command::Mail { .. } if self.sender.is_some() => {
                Reply::new(503, "5.5.1", "One message at a time")
            }
            Command::Mail { size: Some(size), .. } if size > self.offers.bytes as u64 => {
                too_large()
            }
            Command::Mail { sender, .. } => {
                self.sender = Some(sender);
                Reply::new(250, "2.1.0", "Sender taken")
            }
            Command::Recipient(_) if self.sender.is_none() => {
                Reply::new(503, "5.5.1", "Say MAIL first")
            }
            Command::Recipient(_) if self.recipients.len() >= self.offers.recipients => {
                Reply::new(452, "4.5.3", "Too many recipients")
            }
            Command::Recipient(address) => {
                self.next = Next::Settle(Asked::Recipient(address.clone()));
                return Some(Event::Recipient(address));
            }
            Command::Data if self.sender.is_none() => Reply::new(503, "5.5.1", "Say MAIL first"),
            Command::Data if self.recipients.is_empty() => {
                Reply::new(554, "5.5.1", "There is no recipient")
            }
            Command::Data => {
                if self.is_turn_kept() {
                    self.next = Next::Text(Text::new(self.offers.bytes));
                    Reply::new(354, "", "End with CR LF . CR LF").write(&mut self.output);
                }
                return None;
            }
        };
        self.reply(&reply);
        None
    }

    /// After some commands a client has to hear the answer before it says more (RFC 2920, 3.1); one that does not, or somebody who
    /// put words into its mouth, is sent away.
    fn is_turn_kept(&mut self) -> bool {
        if self.input.is_empty() {
            return true;
        }
        self.give_up(&Reply::new(554, "5.5.0", "Something was said before it was its turn"));
        false
    }

    fn hello(&mut self, extended: bool) -> Option<Event> {
        if !self.is_turn_kept() {
            return None;
        }
        self.greeted = true;
        self.reset();
        let Offers { name, bytes, .. } = &self.offers;
        if !extended {
            self.output.extend_from_slice(format!("250 {name}\r\n").as_bytes());
            return None;
        }
        let mut lines = vec![
            name.clone(),
            "PIPELINING".to_owned(),
            format!("SIZE {bytes}"),
            "8BITMIME".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
        ];
        if self.offers.tls && !self.secured {
            lines.push("STARTTLS".to_owned());
        }
        if self.may_log_in() {
            lines.push("AUTH PLAIN LOGIN".to_owned());
        }
        for (place, line) in lines.iter().enumerate() {
            let dash = if place + 1 < lines.len() { '-' } else { ' ' };
            self.output.extend_from_slice(format!("250{dash}{line}\r\n").as_bytes());
        }
        None
    }

    const fn may_log_in(&self) -> bool {
        self.secured || self.offers.open_login
    }

    fn start_tls(&mut self) -> Option<Event> {
        if !self.offers.tls || self.secured {
            self.reply(&Reply::new(502, "5.5.1", "That is not offered"));
            return None;
        }
        if !self.is_turn_kept() {
            return None;
        }
        Reply::new(220, "2.0.0", "Go on").write(&mut self.output);
        self.next = Next::Handshake;
        Some(Event::StartTls)
    }

    fn auth(&mut self, mechanism: &str, initial: Option<String>) -> Option<Event> {
        let refused = match mechanism {
            _ if !self.may_log_in() => Some(Reply::new(538, "5.7.11", "Say STARTTLS first")),
            _ if self.logged_in || self.sender.is_some() => {
                Some(Reply::new(503, "5.5.1", "Not now"))
            }
            "PLAIN" | "LOGIN" => None,
            _ => Some(Reply::new(504, "5.5.4", "PLAIN and LOGIN are there")),
        };
        if let Some(reply) = refused {
            self.reply(&reply);
            return None;
        }
        match (mechanism, initial) {
            ("PLAIN", Some(initial)) => self.plain(initial.as_bytes()),
            ("PLAIN", None) => {
                self.next = Next::Plain;
                self.output.extend_from_slice(b"334 \r\n");
                None
            }
            (_, Some(initial)) => self.user(initial.as_bytes()),
            (_, None) => {
                self.next = Next::User;
                self.output.extend_from_slice(b"334 VXNlcm5hbWU6\r\n");
                None
            }
        }
    }

    /// RFC 4616: for whom one acts, who one is, and the password, a NUL between two. Nobody acts for somebody else here.
    fn plain(&mut self, line: &[u8]) -> Option<Event> {
        let Some(words) = decoded(line) else { return self.not_base64() };
        let mut words = words.split(|byte| *byte == 0);
        let (acts, user, password) = (words.next(), words.next(), words.next());
        let (Some(acts), Some(user), Some(password), None) = (acts, user, password, words.next())
        else {
            return self.not_base64();
        };
        match std::str::from_utf8(user) {
            Ok(name) if acts.is_empty() || acts == user => {
                Some(self.login(name.to_owned(), password.to_vec()))
            }
            _ => {
                self.reply(&Reply::new(535, "5.7.8", "Nobody acts for somebody else"));
                None
            }
        }
    }

    fn user(&mut self, line: &[u8]) -> Option<Event> {
        match decoded(line).and_then(|user| String::from_utf8(user).ok()) {
            Some(user) => {
                self.next = Next::Password(user);
                self.output.extend_from_slice(b"334 UGFzc3dvcmQ6\r\n");
                None
            }
            None => self.not_base64(),
        }
    }

    fn login(&mut self, user: String, password: Vec<u8>) -> Event {
        self.next = Next::Settle(Asked::Login);
        Event::Login { user, password: Secret::new(password) }
    }

    /// Also for `*`, which ends what was begun (RFC 4954, 4).
    fn not_base64(&mut self) -> Option<Event> {
        self.reply(&Reply::new(501, "5.5.2", "That is no answer in base64"));
        None
    }

    fn whole(&mut self) -> Option<Event> {
        let Next::Text(text) = mem::replace(&mut self.next, Next::Line) else { return None };
        if text.is_too_large() {
            self.reset();
            self.reply(&too_large());
            return None;
        }
        self.next = Next::Settle(Asked::Letter);
        Some(Event::Letter(Letter {
            sender: self.sender.take().flatten(),
            recipients: mem::take(&mut self.recipients),
            bytes: text.into_bytes(),
        }))
    }
}

fn too_large() -> Reply {
    Reply::new(552, "5.3.4", "The message is too large")
}

/// Base64 of RFC 4648, with its padding and nothing else; `=` alone is nothing (RFC 4954, 4).
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    if text == b"=" {
        return Some(Vec::new());
    }
    let digit = |byte: &u8| {
        Some(u32::from(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        }))
    };
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let bare = text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for four in bare.chunks(4) {
        let mut bits = 0;
        for byte in four {
            bits = bits << 6 | digit(byte)?;
        }
        bits <<= 6 * (4 - four.len());
        let [_, first, second, third] = bits.to_be_bytes();
        let (bytes, left): (&[u8], &[u8]) = match four.len() {
            4 => (&[first, second, third], &[]),
            3 => (&[first, second], &[third]),
            2 => (&[first], &[second, third]),
            _ => return None,
        };
        if left.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(bytes);
    }
    Some(out)
}

#[cfg(test)]
mod tests;
