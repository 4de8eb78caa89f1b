//! One line of a client, read strictly.
//!
//! Our own and not a crate's: what is refused here (`\n` alone, a space before the colon, source routes, quoted local parts,
//! parameters that were not offered) is what parsers made for whole mail servers have to let through.

use pasarela_model::MailAddress;

use super::reply::Reply;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Hello {
        extended: bool,
    },
    /// The sender; `None` is `<>`. The size that was announced.
    Mail {
        sender: Option<MailAddress>,
        size: Option<u64>,
    },
    Recipient(MailAddress),
    Data,
    Reset,
    Nothing,
    Quit,
    StartTls,
    /// The mechanism in capital letters, and what was said at once.
    Login {
        mechanism: String,
        initial: Option<String>,
    },
    Help,
}

/// Reads a line without its end. What cannot be done is a reply.
pub(super) fn read(line: &[u8]) -> Result<Command, Reply> {
    let syntax = |why: &'static str| Reply::new(501, "5.5.4", why);
    let line = std::str::from_utf8(line).ok().filter(|line| line.bytes().all(is_visible));
    let Some(line) = line else {
        return Err(Reply::new(500, "5.5.2", "A command is visible ASCII"));
    };
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let alone = |command| match rest.trim_matches(' ').is_empty() {
        true => Ok(command),
        false => Err(syntax("This command stands alone")),
    };
    match verb.to_ascii_uppercase().as_str() {
        verb @ ("EHLO" | "HELO") => match rest.trim_matches(' ') {
            "" => Err(syntax("Say who you are")),
            _ => Ok(Command::Hello { extended: verb == "EHLO" }),
        },
        "MAIL" => mail(path(rest, "FROM:").ok_or_else(|| syntax("Write MAIL FROM:<address>"))?),
        "RCPT" => recipient(path(rest, "TO:").ok_or_else(|| syntax("Write RCPT TO:<address>"))?),
        "DATA" => alone(Command::Data),
        "RSET" => alone(Command::Reset),
        "QUIT" => alone(Command::Quit),
        "STARTTLS" => alone(Command::StartTls),
        "NOOP" => Ok(Command::Nothing),
        "HELP" => Ok(Command::Help),
        "AUTH" => {
            let mut words = rest.split(' ').filter(|word| !word.is_empty());
            match (words.next(), words.next(), words.next()) {
                (Some(mechanism), initial, None) => Ok(Command::Login {
                    mechanism: mechanism.to_ascii_uppercase(),
                    initial: initial.map(str::to_owned),
                }),
                _ => Err(syntax("Write AUTH and a mechanism")),
            }
        }
        // T53: who is there is not told.
        "VRFY" | "EXPN" => Err(Reply::new(502, "5.5.1", "Nobody's address is told")),
        "BDAT" | "ETRN" | "TURN" | "SEND" | "SOML" | "SAML" => {
            Err(Reply::new(502, "5.5.1", "That is not offered"))
        }
        _ => Err(Reply::new(500, "5.5.2", "That is no command")),
    }
}

fn is_visible(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// What stands between the brackets behind a keyword, and the parameters behind them. Spaces before the bracket are against
/// RFC 5321, 3.3, are sent by many, and mean nothing else.
fn path<'l>(rest: &'l str, keyword: &str) -> Option<(&'l str, &'l str)> {
    let head = rest.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (address, parameters) =
        rest.get(keyword.len()..)?.trim_start_matches(' ').strip_prefix('<')?.split_once('>')?;
    (parameters.is_empty() || parameters.starts_with(' ')).then_some((address, parameters))
}

fn address(text: &str) -> Result<MailAddress, Reply> {
    let none = || Reply::new(553, "5.1.3", "That is no address that is served here");
    MailAddress::read(text).ok_or_else(none)
}

fn mail((text, parameters): (&str, &str)) -> Result<Command, Reply> {
    let sender = match text {
        "" => None,
        text => Some(address(text)?),
    };
    let mut size = None;
    for parameter in parameters.split(' ').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name.to_ascii_uppercase().as_str(), value.to_ascii_uppercase().as_str()) {
            ("SIZE", digits) if size.is_none() && is_number(digits) => {
                // More than any number is more than we take.
                size = Some(digits.parse().unwrap_or(u64::MAX));
            }
            ("BODY", "7BIT" | "8BITMIME") => {}
            // RFC 4954, 5: who submitted it first is nothing that we trust.
            ("AUTH", _) => {}
            _ => return Err(unknown_parameter()),
        }
    }
    Ok(Command::Mail { sender, size })
}

fn is_number(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn recipient((text, parameters): (&str, &str)) -> Result<Command, Reply> {
    match parameters.trim_matches(' ').is_empty() {
        true => address(text).map(Command::Recipient),
        false => Err(unknown_parameter()),
    }
}

fn unknown_parameter() -> Reply {
    Reply::new(555, "5.5.4", "A parameter is not known here")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> u16 {
        read(line.as_bytes()).map_or_else(|reply| reply.code, |_| 250)
    }

    #[test]
    fn commands_are_read_whatever_their_case() {
        let address = |text| MailAddress::read(text).unwrap();
        let mail = |sender, size| Ok(Command::Mail { sender, size });
        assert_eq!(read(b"ehlo x"), Ok(Command::Hello { extended: true }));
        assert_eq!(read(b"HELO x y"), Ok(Command::Hello { extended: false }));
        assert_eq!(read(b"MAIL FROM:<>"), mail(None, None));
        assert_eq!(
            read(b"mail from: <a@b> size=12 body=8bitmime AUTH=<>"),
            mail(Some(address("a@b")), Some(12))
        );
        assert_eq!(read(b"Rcpt To:<a+b@c>"), Ok(Command::Recipient(address("a+b@c"))));
        let login = Command::Login { mechanism: "PLAIN".into(), initial: Some("AGEAYg==".into()) };
        assert_eq!(read(b"AUTH plain AGEAYg=="), Ok(login));
    }

    #[test]
    fn t53_what_could_be_meant_in_two_ways_is_no_command() {
        for (line, expected) in [
            ("EHLO", 501),
            ("MAIL FROM:a@b", 501),
            ("MAIL FROM <a@b>", 501),
            ("MAIL FROM :<a@b>", 501),
            ("MAIL TO:<a@b>", 501),
            ("MAIL FROM:<a@b>SIZE=1", 501),
            ("MAIL FROM:<a@b> SIZE=1 SIZE=2", 555),
            ("MAIL FROM:<a@b> SIZE=-1", 555),
            ("MAIL FROM:<a@b> SMTPUTF8", 555),
            ("MAIL FROM:<a@b> BODY=BINARYMIME", 555),
            ("RCPT TO:<>", 553),
            ("RCPT TO:<@relay:a@b>", 553),
            ("RCPT TO:<\"a\"@b>", 553),
            ("RCPT TO:<a@[127.0.0.1]>", 553),
            ("RCPT TO:<a@b> NOTIFY=NEVER", 555),
            ("DATA x", 501),
            ("VRFY a", 502),
            ("EXPN a", 502),
            ("BDAT 10 LAST", 502),
            ("GET / HTTP/1.1", 500),
            ("", 500),
            ("RCPT TO:<a@b>\t", 500),
            ("AUTH", 501),
            ("AUTH PLAIN a b", 501),
        ] {
            assert_eq!(code(line), expected, "{line}");
        }
        assert_eq!(read(b"MAIL FROM:<\xc3\xb1@b>").unwrap_err().code, 500);
        assert_eq!(read(b"NOOP \0").unwrap_err().code, 500);
    }
}
