//! Mail: however a dialogue is cut, the same is answered and the same letters are taken, none of which holds what could end it early;
//! what is read from a letter is the same message when it is written and read again.

use pasarela_net::smtp::{Event, Letter, Offers, Reply, Server};
use pasarela_soap::mail;

use super::seeded;

/// The first byte decides how the dialogue is cut.
pub(super) fn dialogue(bytes: &[u8]) {
    let (mut cuts, said) = seeded(bytes);
    let mut rest = said;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cuts.next().clamp(1, rest.len()));
        pieces.push(piece);
        rest = after;
    }
    let by_bytes: Vec<&[u8]> = said.chunks(1).collect();
    let (answers, letters) = talk(&pieces);
    let (slowly, one_by_one) = talk(&by_bytes);
    for letter in letters.iter().chain(&one_by_one) {
        assert!(!letter.recipients.is_empty());
        let text = &letter.bytes;
        assert!(text.is_empty() || text.ends_with(b"\r\n"), "a letter ends with a line");
        let bare = text.iter().enumerate().any(|(at, byte)| match byte {
            b'\n' => at == 0 || text.get(at - 1) != Some(&b'\r'),
            b'\r' => text.get(at + 1) != Some(&b'\n'),
            byte => *byte == 0,
        });
        assert!(!bare, "a line ends in another way");
    }
    // What comes too early is seen only where it came with what it should have waited for.
    if !answers.contains("554 5.5.0") {
        assert_eq!(answers, slowly);
        assert_eq!(letters, one_by_one);
    }
}

fn talk(pieces: &[&[u8]]) -> (String, Vec<Letter>) {
    let mut server = Server::new(Offers {
        name: "gw.example".to_owned(),
        tls: true,
        open_login: true,
        bytes: 200,
        recipients: 2,
        errors: 5,
    });
    let mut letters = Vec::new();
    for piece in pieces {
        server.feed(piece);
        while let Some(event) = server.advance() {
            match event {
                Event::Recipient(address) if address.local() == "x" => {
                    server.settle(Reply::new(550, "5.1.1", "Nobody"));
                }
                Event::Recipient(_) => server.settle(Reply::new(250, "2.1.5", "Taken")),
                Event::Login { user, .. } => server.settle(match user.as_str() {
                    "a" => Reply::new(235, "2.7.0", "Welcome"),
                    _ => Reply::new(535, "5.7.8", "No"),
                }),
                Event::Letter(letter) => {
                    letters.push(letter);
                    server.settle(Reply::new(250, "2.6.0", "Kept"));
                }
                Event::StartTls => server.secured(),
                Event::Close => {}
            }
        }
    }
    (String::from_utf8(std::mem::take(server.output())).expect("ASCII"), letters)
}

/// A letter, with lines that end as they like.
pub(super) fn letter(bytes: &[u8]) {
    let Ok(letter) = mail::Letter::read(bytes) else { return };
    for field in [&letter.from, &letter.reply_to].into_iter().flatten() {
        if let Some(address) = mail::mailbox(field) {
            assert!(field.contains(address));
        }
    }
    let Ok(message) = letter.message(bytes, 7) else { return };
    assert!(message.media.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{:?}", message.media);
    if let Some(action) = &message.action {
        assert!(!action.contains(['"', '\r', '\n']), "{action:?}");
    }
    let (fields, body) = mail::enclose(&message.media, &message.body, 9).expect("it was read");
    let again = [fields.as_bytes(), b"\r\n", &body].concat();
    assert!(again.iter().all(|byte| byte.is_ascii() && *byte != 0));
    let letter = mail::Letter::read(&again).expect("it was written");
    let read = letter.message(&again, 7).expect("it was written");
    assert_eq!(read.body, message.body);
}
