//! Dialogues, cut anywhere.

use super::*;

fn offers() -> Offers {
    Offers {
        name: "gw.example".into(),
        tls: true,
        open_login: true,
        bytes: 1000,
        recipients: 3,
        errors: 10,
    }
}

/// A client that says all this, in pieces of some size; recipients in `.example` are taken, the password is `right`.
struct Heard {
    codes: Vec<String>,
    letters: Vec<Letter>,
    closed: bool,
}

fn talk_as(offers: Offers, pieces: &[&[u8]], size: usize) -> Heard {
    let mut server = Server::new(offers);
    let (mut letters, mut closed) = (Vec::new(), false);
    for piece in pieces {
        for bytes in piece.chunks(size.max(1)) {
            server.feed(bytes);
            while let Some(event) = server.advance() {
                match event {
                    Event::Recipient(address) => server.settle(match address.domain() {
                        "gw.example" => Reply::new(250, "2.1.5", "Taken"),
                        _ => Reply::new(550, "5.1.1", "Nobody"),
                    }),
                    Event::Login { user, password } => {
                        let right = user == "acme" && password.expose() == b"right";
                        server.settle(match right {
                            true => Reply::new(235, "2.7.0", "Welcome"),
                            false => Reply::new(535, "5.7.8", "No"),
                        });
                    }
                    Event::Letter(letter) => {
                        letters.push(letter);
                        server.settle(Reply::new(250, "2.6.0", "Kept"));
                    }
                    Event::StartTls => server.secured(),
                    Event::Close => closed = true,
                }
            }
        }
    }
    let text = String::from_utf8(mem::take(server.output())).unwrap();
    let last = |line: &str| line.get(3..4) == Some(" ");
    let codes = text.lines().filter(|line| last(line)).map(|line| line[..3].to_owned()).collect();
    Heard { codes, letters, closed }
}

fn talk(pieces: &[&str]) -> Heard {
    let pieces: Vec<_> = pieces.iter().map(|piece| piece.as_bytes()).collect();
    talk_as(offers(), &pieces, usize::MAX)
}

fn codes(pieces: &[&str]) -> String {
    talk(pieces).codes.join(" ")
}

const HELLO: &str = "EHLO client\r\n";
const ENVELOPE: &str = "MAIL FROM:<a@b>\r\nRCPT TO:<orders@gw.example>\r\n";

#[test]
fn a_letter_is_taken() {
    let heard = talk(&[HELLO, ENVELOPE, "DATA\r\n", "Subject: x\r\n\r\n..\r\n.\r\n", "QUIT\r\n"]);
    assert_eq!(heard.codes.join(" "), "220 250 250 250 354 250 221");
    assert!(heard.closed);
    let [letter] = heard.letters.as_slice() else { panic!("{:?}", heard.letters) };
    assert_eq!(letter.bytes, b"Subject: x\r\n\r\n.\r\n");
    assert_eq!(letter.sender.as_ref().unwrap().as_str(), "a@b");
    assert_eq!(letter.recipients[0].as_str(), "orders@gw.example");
}

#[test]
fn pieces_may_be_cut_anywhere() {
    let pieces: [&[u8]; 4] =
        [HELLO.as_bytes(), ENVELOPE.as_bytes(), b"DATA\r\n", b"x\r\n.\r\nMAIL FROM:<>\r\nRSET\r\n"];
    for size in [1, 2, 3, 5, 1000] {
        let heard = talk_as(offers(), &pieces, size);
        assert_eq!(heard.codes.join(" "), "220 250 250 250 354 250 250 250", "{size}");
        assert_eq!(heard.letters.len(), 1);
    }
}

#[test]
fn replies_come_in_the_order_of_commands() {
    let group = "MAIL FROM:<a@b>\r\nRCPT TO:<x@other>\r\nRCPT TO:<o@gw.example>\r\nNOOP\r\nVRFY x\r\nDATA\r\n";
    assert_eq!(codes(&[HELLO, group, "x\r\n.\r\n"]), "220 250 250 550 250 250 502 354 250");
}

#[test]
fn commands_have_an_order() {
    assert_eq!(codes(&["MAIL FROM:<a@b>\r\n", HELLO]), "220 503 250");
    assert_eq!(codes(&[HELLO, "RCPT TO:<o@gw.example>\r\n", "DATA\r\n"]), "220 250 503 503");
    assert_eq!(
        codes(&[HELLO, "MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\nDATA\r\n"]),
        "220 250 250 503 554"
    );
    assert_eq!(codes(&[HELLO, ENVELOPE, HELLO, "DATA\r\n"]), "220 250 250 250 250 503");
}

#[test]
fn t52_what_comes_before_its_turn_ends_the_dialogue() {
    for pieces in [
        &["EHLO client\r\nMAIL FROM:<a@b>\r\n"][..],
        &[HELLO, "STARTTLS\r\nEHLO again\r\n"],
        &[HELLO, ENVELOPE, "DATA\r\nSubject: x\r\n\r\n.\r\n"],
    ] {
        let heard = talk(pieces);
        assert_eq!(heard.codes.last().unwrap(), "554", "{pieces:?}");
        assert!(heard.closed && heard.letters.is_empty());
    }
}

#[test]
fn t52_a_line_ends_in_one_way() {
    for broken in ["NOOP\n", "NOOP\rNOOP\r\n", "NO\0OP\r\n", "\n", "\r\r\n", "NOOP\r\nNOOP\n\r\n"] {
        let heard = talk(&[HELLO, broken, "NOOP\r\n"]);
        assert_eq!(heard.codes.last().unwrap(), "550", "{broken:?}");
        assert!(heard.closed);
    }
    for broken in
        ["a\nb\r\n.\r\n", "a\r\n.\rMAIL FROM:<x@y>\r\n.\r\n", "a\r\n.\n.\r\n", "\0\r\n.\r\n"]
    {
        let heard = talk(&[HELLO, ENVELOPE, "DATA\r\n", broken, "NOOP\r\n"]);
        assert_eq!(heard.codes.last().unwrap(), "550", "{broken:?}");
        assert!(heard.closed && heard.letters.is_empty());
    }
}

#[test]
fn t52_what_came_before_tls_counts_for_nothing() {
    let heard = talk(&[HELLO, ENVELOPE, "STARTTLS\r\n", "MAIL FROM:<a@b>\r\n", HELLO, "DATA\r\n"]);
    assert_eq!(heard.codes.join(" "), "220 250 250 250 220 503 250 503");
    assert_eq!(codes(&[HELLO, "STARTTLS\r\n", HELLO, "STARTTLS\r\n"]), "220 250 220 250 502");
}

#[test]
fn l30_messages_recipients_and_errors_have_a_bound() {
    let large = format!("{}\r\n.\r\n", "x".repeat(1001));
    assert_eq!(
        codes(&[HELLO, ENVELOPE, "DATA\r\n", &large, "NOOP\r\n"]),
        "220 250 250 250 354 552 250"
    );
    assert_eq!(codes(&[HELLO, "MAIL FROM:<a@b> SIZE=1001\r\n"]), "220 250 552");
    let endless = "x".repeat(3000);
    let heard = talk(&[HELLO, ENVELOPE, "DATA\r\n", &endless]);
    assert!(heard.closed, "{:?}", heard.codes);
    let many = "RCPT TO:<o@gw.example>\r\n".repeat(4);
    assert_eq!(codes(&[HELLO, "MAIL FROM:<a@b>\r\n", &many]), "220 250 250 250 250 250 452");
    let heard = talk(&[HELLO, &"NONSENSE\r\n".repeat(11)]);
    assert_eq!(heard.codes.iter().filter(|code| *code == "500").count(), 10);
    assert_eq!(heard.codes.last().unwrap(), "421");
    assert!(heard.closed);
    let heard = talk(&[&"x".repeat(2100)]);
    assert!(heard.closed && heard.codes.last().unwrap() == "500");
}

#[test]
fn a_user_proves_a_password() {
    // \0acme\0right, acme, right, \0acme\0wrong, other\0acme\0right
    let plain = "AUTH PLAIN AGFjbWUAcmlnaHQ=\r\n";
    assert_eq!(codes(&[HELLO, plain, plain]), "220 250 235 503");
    assert_eq!(codes(&[HELLO, "AUTH PLAIN\r\n", "AGFjbWUAcmlnaHQ=\r\n"]), "220 250 334 235");
    assert_eq!(
        codes(&[HELLO, "AUTH LOGIN\r\n", "YWNtZQ==\r\n", "cmlnaHQ=\r\n"]),
        "220 250 334 334 235"
    );
    assert_eq!(codes(&[HELLO, "AUTH LOGIN YWNtZQ==\r\n", "cmlnaHQ=\r\n"]), "220 250 334 235");
    assert_eq!(codes(&[HELLO, "AUTH PLAIN AGFjbWUAd3Jvbmc=\r\n"]), "220 250 535");
    assert_eq!(codes(&[HELLO, "AUTH PLAIN b3RoZXIAYWNtZQByaWdodA==\r\n"]), "220 250 535");
    assert_eq!(codes(&[HELLO, "AUTH PLAIN\r\n", "*\r\n", "NOOP\r\n"]), "220 250 334 501 250");
    assert_eq!(codes(&[HELLO, "AUTH CRAM-MD5\r\n"]), "220 250 504");
    let closed = Offers { open_login: false, ..offers() };
    let pieces: [&[u8]; 5] =
        [b"EHLO x\r\n", plain.as_bytes(), b"STARTTLS\r\n", b"EHLO x\r\n", plain.as_bytes()];
    let heard = talk_as(closed, &pieces, 1000);
    assert_eq!(heard.codes.join(" "), "220 250 538 220 250 235");
}

#[test]
fn base64_has_one_reading() {
    assert_eq!(decoded(b"SGVsbA==").as_deref(), Some(&b"Hell"[..]));
    assert_eq!(decoded(b"SGVs").as_deref(), Some(&b"Hel"[..]));
    assert_eq!(decoded(b"=").as_deref(), Some(&b""[..]));
    for broken in ["SGVsbA", "SGVsbB==", "SGVsbA=", "SG=sbA==", "*", "SGVs\u{a0}=="] {
        assert_eq!(decoded(broken.as_bytes()), None, "{broken}");
    }
}
