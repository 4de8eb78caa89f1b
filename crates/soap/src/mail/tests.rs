//! Letters as programs write them.

use super::*;

const ENVELOPE: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"/>";
const ENVELOPE12: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"/>";

fn read(letter: &str) -> Result<Message> {
    let bytes = letter.replace('\n', "\r\n").into_bytes();
    Letter::read(&bytes)?.message(&bytes, 7)
}

fn taken(letter: &str) -> (String, Option<String>, String) {
    let message = read(letter).unwrap_or_else(|fault| panic!("{fault}: {letter}"));
    let body = String::from_utf8(message.body).unwrap();
    (message.media, message.action, body.trim().to_owned())
}

fn is(media: &str, action: Option<&str>, body: &str) -> (String, Option<String>, String) {
    (media.to_owned(), action.map(str::to_owned), body.to_owned())
}

#[test]
fn the_body_is_the_envelope_in_any_transfer_encoding() {
    // As SOAP::Lite's MAILTO writes it.
    let base64 = base64_simd::STANDARD.encode_to_string(ENVELOPE.as_bytes());
    let lite = format!(
        "MIME-Version: 1.0\nFrom: a@b\nContent-Transfer-Encoding: base64\nContent-Type: text/xml\n\
         Soapaction: \"urn:X#op\"\nSubject: hello\n\n{base64}\n"
    );
    assert_eq!(taken(&lite), is("text/xml", Some("urn:X#op"), ENVELOPE));
    // As Axis2 does, in its Text form.
    let quoted = ENVELOPE.replace('=', "=3D").replace("soap/", "soap=\n/");
    let axis2 = format!(
        "Subject: SOAPAction: urn:op\nContent-Transfer-Encoding: QUOTED-PRINTABLE\n\
         Content-Type: text/xml; charset=UTF-8\n\n{quoted}"
    );
    assert_eq!(taken(&axis2), is("text/xml; charset=\"UTF-8\"", Some("urn:op"), ENVELOPE));
    // As the W3C's note has it.
    let note = format!(
        "Content-Type: application/soap+xml;\n action=\"urn:op\"; charset=utf-8\n\n{ENVELOPE12}\n"
    );
    let media = "application/soap+xml; charset=\"utf-8\"; action=\"urn:op\"";
    assert_eq!(taken(&note), is(media, None, ENVELOPE12));
}

#[test]
fn nobody_has_to_say_that_it_is_xml() {
    let plain = format!("Subject: x\n\n{ENVELOPE}\n");
    assert_eq!(taken(&plain), is("text/xml", None, ENVELOPE));
    let plain = format!(
        "SOAPAction: \"urn:a\"\nContent-Type: text/plain; charset=iso-8859-1\n\n{ENVELOPE12}"
    );
    let media = "application/soap+xml; charset=\"iso-8859-1\"; action=\"urn:a\"";
    assert_eq!(taken(&plain), is(media, None, ENVELOPE12));
}

fn mixed(parts: &[&str]) -> String {
    let mut letter =
        "Content-Type: multipart/mixed; boundary=\"=_x\"\n\nFor old programs.\n".to_owned();
    for part in parts {
        letter += &format!("--=_x\n{part}\n");
    }
    letter + "--=_x--\n"
}

#[test]
fn of_mixed_parts_the_first_that_is_a_message_is_it() {
    let text = "Content-Type: text/plain\n\nSee the attachment.";
    let attached = format!(
        "Content-Type: text/xml; charset=UTF-8\nContent-Transfer-Encoding: base64\nSOAPAction: urn:op\n\n{}",
        base64_simd::STANDARD.encode_to_string(ENVELOPE.as_bytes())
    );
    let expected = is("text/xml; charset=\"UTF-8\"", Some("urn:op"), ENVELOPE);
    assert_eq!(taken(&mixed(&[text, &attached])), expected);
    let file = format!(
        "Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"order.XML\"\n\n{ENVELOPE}"
    );
    assert_eq!(taken(&mixed(&[text, &file])), is("text/xml", None, ENVELOPE));
    let named = format!("Content-Type: application/octet-stream; name=a.xml\n\n{ENVELOPE12}");
    assert_eq!(taken(&mixed(&[text, &named])), is("application/soap+xml", None, ENVELOPE12));
    assert_eq!(taken(&mixed(&[text, &file, &attached])), expected);
    let only = format!("Content-Type: text/plain\n\n{ENVELOPE}");
    assert_eq!(taken(&mixed(&[&only])), is("text/xml", None, ENVELOPE));
    let picture = "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA";
    assert!(read(&mixed(&[picture])).is_err());
}

#[test]
fn related_parts_go_on_without_their_encodings() {
    let inner = |boundary: &str| {
        format!(
            "Content-Type: multipart/related; boundary={boundary}; type=\"application/xop+xml\"; start=\"<r@x>\";\n \
             start-info=\"application/soap+xml\"\n\n\
             --{boundary}\nContent-Type: image/png\nContent-ID: <p@x>\nContent-Transfer-Encoding: base64\n\naGk=\n\
             --{boundary}\nContent-Type: application/xop+xml; type=\"application/soap+xml\"\nContent-ID: <r@x>\n\n\
             {ENVELOPE12}\n--{boundary}--\n"
        )
    };
    for letter in [inner("b1"), mixed(&["Content-Type: text/plain\n\nx", &inner("b1")])] {
        let message = read(&letter).unwrap();
        let media = ContentType::read(&message.media).unwrap();
        let related = Related::read(&media).unwrap().unwrap();
        assert_eq!(related.start_info.as_deref(), Some("application/soap+xml"));
        let whole = Whole::read(&related, mime::Limits::default(), &message.body).unwrap();
        assert_eq!(whole.root, ENVELOPE12.as_bytes());
        assert_eq!(whole.parts[0].1, b"hi");
        assert_eq!(whole.parts[0].0.id.as_deref(), Some("p@x"));
    }
}

#[test]
fn the_action_stands_in_one_of_four_places() {
    let with =
        |fields: &str| read(&format!("{fields}\n\n{ENVELOPE}")).map(|message| message.action);
    let action = |fields: &str| with(fields).unwrap();
    assert_eq!(action("soapaction: urn:a").as_deref(), Some("urn:a"));
    assert_eq!(
        action("SOAPAction: \"urn:a\"\nSubject: SOAPAction: urn:b").as_deref(),
        Some("urn:a")
    );
    assert_eq!(action("Subject: SOAPAction urn:b").as_deref(), Some("urn:b"));
    assert_eq!(action("Subject: soapaction:\"urn:b\"").as_deref(), Some("urn:b"));
    assert_eq!(action("SOAPAction: \"\"\nSubject: SOAPAction: urn:b").as_deref(), Some("urn:b"));
    for subject in [
        "SOAPAction",
        "SOAPActions: x",
        "SOAPAction: two words",
        "Re: SOAPAction: x",
        "SOAPAction:",
    ] {
        assert_eq!(action(&format!("Subject: {subject}")), None, "{subject}");
    }
    assert!(with("SOAPAction: \"open").is_err());
}

#[test]
fn t49_what_has_two_readings_is_no_message() {
    let twice = |field: &str| format!("{field}\n{field}\n\n{ENVELOPE}");
    for letter in [
        twice("Content-Type: text/xml"),
        twice("SOAPAction: urn:a"),
        twice("From: a@b"),
        twice("Message-ID: <a@b>"),
        twice("Content-Transfer-Encoding: 7bit"),
        format!("Content-Type : text/xml\n\n{ENVELOPE}"),
        format!("From someone at noon\nSubject: x\n\n{ENVELOPE}"),
        format!(" folded: x\n\n{ENVELOPE}"),
        format!(": x\n\n{ENVELOPE}"),
        format!("Content-Transfer-Encoding: x-uuencode\n\n{ENVELOPE}"),
        format!("Content-Transfer-Encoding: base64\n\n{ENVELOPE}"),
        format!("Content-Type: text/html\n\n{ENVELOPE}"),
        format!("Content-Type: text/plain; format=flowed\n\n{ENVELOPE}"),
        format!("Content-Type: text/xml; charset=a; charset=b\n\n{ENVELOPE}"),
        format!(
            "Content-Type: application/soap+xml; action=urn:a\nSOAPAction: urn:b\n\n{ENVELOPE12}"
        ),
        format!("Content-Type: application/soap+xml\nSOAPAction: urn:\\b\n\n{ENVELOPE12}"),
        format!("Content-Type: multipart/mixed\n\n{ENVELOPE}"),
        format!("Content-Type: multipart/alternative; boundary=x\n\n--x\n\n{ENVELOPE}\n--x--\n"),
        mixed(&["Content-Type: text/xml\nSOAPAction: urn:a\n\n<a/>"]).replacen(
            "Content",
            "SOAPAction: urn:b\nContent",
            1,
        ),
        mixed(&["\n<a/>"]).replacen("Content", "Content-Transfer-Encoding: base64\nContent", 1),
        mixed(&["Content-Type: text/xml\n\n<a/>"]).replace("--=_x--\n", ""),
        format!("Content-Type: text/x\u{f1}\n\n{ENVELOPE}"),
    ] {
        assert!(read(&letter).is_err(), "{letter}");
    }
}

#[test]
fn l27_a_head_has_a_bound() {
    let many = format!("{}\n{ENVELOPE}", "X: y\n".repeat(301));
    assert_eq!(read(&many).unwrap_err().kind, FaultKind::Limit);
    let large = format!("X: {}\n\n{ENVELOPE}", "y".repeat(64 << 10));
    assert_eq!(read(&large).unwrap_err().kind, FaultKind::Limit);
}

#[test]
fn what_the_letter_says_about_itself() {
    let letter = "Received: by a\r\nReceived: by b\r\nFrom: Acme <a@b>\r\nReply-To: c@d\r\nSubject: \r\n two\r\n\
                  Message-ID: <1@x>\r\nX-Message-ID: <2@x>\r\nAuto-Submitted: Auto-Generated; owner-email=\"x\"\r\n\
                  Precedence: bulk\r\n\r\nbody";
    let read = Letter::read(letter.as_bytes()).unwrap();
    assert_eq!((read.hops, read.is_bulk), (2, true));
    assert_eq!(read.from.as_deref().and_then(mailbox), Some("a@b"));
    assert_eq!(read.subject.as_deref(), Some("two"));
    assert_eq!(read.answered_id(), Some("<2@x>"));
    assert_eq!(read.auto_submitted.as_deref(), Some("auto-generated"));
    assert_eq!(read.body(letter.as_bytes()), b"body");
    let odd = Letter::read(b"Message-ID: no brackets\r\n\r\n").unwrap();
    assert_eq!(odd.answered_id(), None);
    assert_eq!(Letter::read(b"\r\nbody").unwrap().body(b"\r\nbody"), b"body");
    assert_eq!(Letter::read(b"").unwrap(), Letter::default());
}

#[test]
fn an_answer_is_written_so_that_it_is_read_again() {
    let (fields, body) =
        enclose("text/xml; charset=utf-8", "<é/>".repeat(40).as_bytes(), 7).unwrap();
    let letter = format!("{fields}\r\n{}", String::from_utf8(body).unwrap());
    assert!(letter.lines().all(|line| line.len() <= 78 && line.is_ascii()), "{letter}");
    let read = Letter::read(letter.as_bytes()).unwrap();
    let message = read.message(letter.as_bytes(), 8).unwrap();
    assert_eq!(message.body, "<é/>".repeat(40).as_bytes());
    assert_eq!(message.media, "text/xml; charset=\"utf-8\"");

    let parts = "--x\r\nContent-Type: application/xop+xml\r\nContent-ID: <r>\r\n\r\n<e/>\r\n\
                 --x\r\nContent-ID: <p>\r\nContent-Transfer-Encoding: binary\r\n\r\n\r\n.\r\n\r\n--x--\r\n";
    let media = "multipart/related; boundary=x; type=\"application/xop+xml\"; start=\"<r>\"";
    let (fields, body) = enclose(media, parts.as_bytes(), 7).unwrap();
    let letter = format!("{fields}\r\n{}", String::from_utf8(body).unwrap());
    assert!(!letter.contains("\r\n.\r\n"), "{letter}");
    let message = Letter::read(letter.as_bytes()).unwrap().message(letter.as_bytes(), 8).unwrap();
    let related = Related::read(&ContentType::read(&message.media).unwrap()).unwrap().unwrap();
    let whole = Whole::read(&related, mime::Limits::default(), &message.body).unwrap();
    assert_eq!((&whole.root[..], &whole.parts[0].1[..]), (&b"<e/>"[..], &b"\r\n.\r\n"[..]));
    assert!(enclose("multipart/related; boundary=x", b"none", 7).is_err());
}
