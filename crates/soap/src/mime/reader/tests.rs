//! Messages in parts, whole and cut at every byte.

use super::*;
use crate::mime::Encoding;

/// The parts, as identifier and bytes; or what is wrong, in words.
fn read_in(
    size: usize,
    boundary: &str,
    text: &[u8],
    limits: &Limits,
) -> std::result::Result<Vec<(String, Vec<u8>)>, String> {
    let related =
        Related { boundary: boundary.to_owned(), start: None, root_type: None, start_info: None };
    let mut reader = Reader::new(&related, limits.clone());
    let mut pieces = text.chunks(size);
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        match reader.pull().map_err(|fault| fault.message)? {
            Event::Part => parts.push((reader.part().id.clone().unwrap_or_default(), Vec::new())),
            Event::Data => parts.last_mut().unwrap().1.extend_from_slice(reader.data()),
            Event::End => {}
            Event::Eof => return Ok(parts),
            Event::NeedMore => match pieces.next() {
                Some(piece) => reader.feed(piece),
                None => reader.finish(),
            },
        }
    }
}

fn read(text: &str) -> std::result::Result<Vec<(String, String)>, String> {
    let whole = read_in(text.len().max(1), "b", text.as_bytes(), &Limits::default());
    for size in [1, 2, 3, 7] {
        let pieces = read_in(size, "b", text.as_bytes(), &Limits::default());
        assert_eq!(pieces, whole, "in pieces of {size}: {text:?}");
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    whole.map(|parts| parts.into_iter().map(|(id, bytes)| (id, text(bytes))).collect())
}

fn parts<'t>(parts: &[(&'t str, &'t str)]) -> std::result::Result<Vec<(String, String)>, String> {
    Ok(parts.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect())
}

#[test]
fn parts_are_what_stands_between_boundaries() {
    let text = "--b\r\nContent-ID: <1>\r\n\r\none\r\n--b\r\n\r\ntwo\r\n\r\n--b--\r\n";
    assert_eq!(read(text), parts(&[("1", "one"), ("", "two\r\n")]));
}

#[test]
fn what_stands_before_the_first_and_behind_the_last_boundary_is_passed_over() {
    let text = "This is a message in parts.\r\n--b\r\n\r\none\r\n--b--\r\nbye\r\n--b\r\n\r\nfalse";
    assert_eq!(read(text), parts(&[("", "one")]));
    assert_eq!(read("\r\n--b\r\n\r\none\r\n--b--"), parts(&[("", "one")]));
}

#[test]
fn white_space_may_stand_behind_a_boundary() {
    let text = "--b \t \r\n\r\none\r\n--b\t\r\n\r\ntwo\r\n--b-- \t";
    assert_eq!(read(text), parts(&[("", "one"), ("", "two")]));
    assert!(read(&format!("--b{}\r\n\r\none\r\n--b--", " ".repeat(300))).is_err());
}

#[test]
fn what_only_looks_like_a_boundary_is_content() {
    let content = "\n--b\r\n--\r\n --b\r\n-b\r\r\n\n--b--";
    let text = format!("--b\r\n\r\n{content}\r\n--b--");
    assert_eq!(read(&text), parts(&[("", content)]));
}

#[test]
fn t01_a_line_that_begins_with_the_boundary_and_goes_on_has_two_readings_and_is_refused() {
    for text in [
        "--b\r\n\r\none\r\n--bc\r\n\r\ntwo\r\n--b--",
        "--b\r\n\r\none\r\n--b--x\r\n",
        "--b\r\n\r\none\r\n--b x\r\n\r\n--b--",
        "--b\r\n\r\none\r\n--b-\r\n\r\n--b--",
        "--b\n\r\none\r\n--b--",
        "--bb\r\n\r\none\r\n--bb--",
    ] {
        assert_eq!(
            read(text).unwrap_err(),
            "a line of the message begins with its boundary and goes on",
            "{text:?}"
        );
    }
}

#[test]
fn empty_parts_are_parts() {
    let text = "--b\r\nContent-ID: 1\r\n\r\n--b\r\nContent-ID: 2\r\n\r\n\r\n--b\r\n\r\n--b--";
    assert_eq!(read(text), parts(&[("1", ""), ("2", ""), ("", "")]));
}

#[test]
fn a_message_that_is_cut_off_is_refused_wherever_it_is() {
    let text = "--b\r\nContent-ID: 1\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--";
    assert!(read(text).is_ok());
    for end in 0..text.len() {
        assert!(read(&text[..end]).is_err(), "{:?}", &text[..end]);
    }
}

#[test]
fn t01_no_parts_and_no_boundary_are_refused() {
    assert_eq!(read("--b--").unwrap_err(), "the message has no parts");
    assert!(read("--c\r\n\r\none\r\n--c--").is_err());
    assert!(read(&"x".repeat(9 << 10)).unwrap_err().contains("does not begin"));
    assert!(read("").is_err());
}

#[test]
fn parts_are_decoded_as_their_heads_say() {
    let text = "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVs\r\nbG8=\r\n\r\n--b\r\n\
                Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\n\r\n--b--";
    assert_eq!(read(text), parts(&[("", "Hello"), ("", "a=b")]));
    assert!(read("--b\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG\r\n--b--").is_err());
}

#[test]
fn a_boundary_may_hold_whatever_the_standard_lets_it_hold() {
    let boundary = "----=_Part'()+_,-./:=? 1";
    let text = format!("--{boundary}\r\n\r\n\0\u{ff}\r\n--{boundary}--");
    for size in [1, 5, 100] {
        let read = read_in(size, boundary, text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(read, [(String::new(), "\0\u{ff}".as_bytes().to_vec())]);
    }
}

#[test]
fn l27_parts_bytes_and_heads_are_bounded() {
    let limits = Limits { parts: 2, bytes: 8, head_bytes: 40, fields: 2 };
    let read = |text: &str| read_in(3, "b", text.as_bytes(), &limits).map(|parts| parts.len());
    assert_eq!(read("--b\r\n\r\n1234\r\n--b\r\n\r\n5678\r\n--b--"), Ok(2));
    let error = |text| read(text).unwrap_err();
    assert!(error("--b\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b\r\n\r\n3\r\n--b--").contains("2 parts"));
    assert!(error("--b\r\n\r\n1234\r\n--b\r\n\r\n56789\r\n--b--").contains("8 bytes"));
    let long = format!("--b\r\nX: {}\r\n\r\n1\r\n--b--", "x".repeat(40));
    assert!(error(&long).contains("40 bytes"));
    assert!(error("--b\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n1\r\n--b--").contains("2 fields"));
    // Bytes are counted as they come, not when a part ends.
    let endless = format!("--b\r\n\r\n{}", "x".repeat(100));
    assert!(error(&endless).contains("8 bytes"));
}

#[test]
fn the_reader_holds_a_piece_and_never_a_part() {
    let related =
        Related { boundary: "b".to_owned(), start: None, root_type: None, start_info: None };
    let mut reader = Reader::new(&related, Limits { bytes: u64::MAX, ..Limits::default() });
    reader.feed(b"--b\r\n\r\n");
    let piece = [b'x'; 4096];
    for _ in 0..1000 {
        while reader.pull().unwrap() != Event::NeedMore {}
        reader.feed(&piece);
    }
    assert!(reader.held.capacity() < 4 * piece.len(), "{}", reader.held.capacity());
    assert_eq!(reader.part().encoding, Encoding::Unsaid);
}

/// What is too long is too long however much of it has come when it is looked at.
#[test]
fn the_bounds_are_the_same_however_a_message_is_cut() {
    let limits = Limits { head_bytes: 40, ..Limits::default() };
    let mut verdicts = [0; 2];
    for length in 20..50 {
        let long = "x".repeat(length);
        for text in [
            format!("{long}\r\n--b\r\n\r\none\r\n--b--"),
            format!("--b\r\nX: {long}\r\n\r\none\r\n--b--"),
        ] {
            let whole = read_in(text.len(), "b", text.as_bytes(), &limits);
            verdicts[usize::from(whole.is_ok())] += 1;
            for size in 1..text.len() {
                let pieces = read_in(size, "b", text.as_bytes(), &limits);
                assert_eq!(pieces.is_ok(), whole.is_ok(), "in pieces of {size}: {text:?}");
            }
        }
    }
    assert!(verdicts.iter().all(|count| *count > 10), "{verdicts:?}");
}
