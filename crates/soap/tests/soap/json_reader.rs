//! What the JSON reader shows, its bounds (L28), and what the writer writes.

use pasarela_soap::{
    Fault, FaultKind, Limits,
    json::{Event, Reader, Writer},
};
use proptest::prelude::*;

use crate::json_vectors::{read, read_in_pieces};

/// Writes again what is read.
fn copied(mut reader: Reader<'_>, pieces: &[&[u8]]) -> Result<String, Box<Fault>> {
    let mut pieces = pieces.iter();
    let mut w = Writer::default();
    loop {
        match reader.pull()? {
            Event::ObjectStart => w.begin_object(),
            Event::ObjectEnd => w.end_object(),
            Event::ArrayStart => w.begin_array(),
            Event::ArrayEnd => w.end_array(),
            Event::Name => w.name(reader.text()),
            Event::String => w.string(reader.text()),
            Event::Number => w.number(reader.text()),
            Event::Bool(value) => w.bool(value),
            Event::Null => w.null(),
            Event::Eof => return Ok(String::from_utf8(w.finish()).unwrap()),
            Event::NeedMore => match pieces.next() {
                Some(piece) => reader.feed(piece)?,
                None => reader.finish()?,
            },
        }
    }
}

#[test]
fn numbers_stay_what_was_written() {
    let text = r#"[10.10,1e400,-0,9223372036854775808,0.1e-7,"\u0001\"\\\/\n\ud83d\ude00",{"a":[{}],"b":null}]"#;
    let expected = "[10.10,1e400,-0,9223372036854775808,0.1e-7,\"\\u0001\\\"\\\\/\\n\u{1F600}\",{\"a\":[{}],\"b\":null}]";
    let limits = Limits::default();
    assert_eq!(copied(Reader::new(text.as_bytes(), &limits).unwrap(), &[]).unwrap(), expected);
    for size in 1..9 {
        let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
        assert_eq!(copied(Reader::streaming(&limits), &pieces).unwrap(), expected);
    }
}

#[test]
fn a_fault_names_line_column_and_pointer() {
    let fault = read(b"{\"a/b\": [1,\n 2, {\"c~\": x}]}").unwrap_err();
    assert_eq!(fault.to_string(), "2:12: a value has to stand here (in /a~1b/2/c~0)");
    let fault = read(b"{\"a\":{\"b\":1,\"c\":2},\n\"a\":3}").unwrap_err();
    assert_eq!(fault.to_string(), "2:1: the name \"a\" stands here twice (in /a)");
}

#[test]
fn l28_depth_is_bounded_and_nothing_overflows() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(read(nested(64).as_bytes()).is_ok());
    assert_eq!(read(nested(65).as_bytes()).unwrap_err().kind, FaultKind::Limit);
    assert_eq!(read(nested(100_000).as_bytes()).unwrap_err().kind, FaultKind::Limit);
    let objects = "{\"a\":".repeat(100_000);
    assert_eq!(read_in_pieces(objects.as_bytes(), 1 << 10).unwrap_err().kind, FaultKind::Limit);
    let deep = Limits { json_depth: u32::MAX, ..Limits::default() };
    let mut reader = Reader::new(objects.as_bytes(), &deep).unwrap();
    while reader.pull().is_ok() {}
    assert_eq!(reader.depth(), 100_000);
}

#[test]
fn l28_each_bound_is_met_exactly() {
    let limits = Limits {
        json_members: 50,
        json_values: 200,
        json_number_bytes: 40,
        json_name_bytes: 40,
        ..Limits::default()
    };
    let members = |n: usize| {
        let list: Vec<_> = (0..n).map(|i| format!("\"{i}\":1")).collect();
        format!("{{{}}}", list.join(","))
    };
    let values = |n: usize| format!("[{}]", vec!["1"; n - 1].join(","));
    let number = |n: usize| "1".repeat(n);
    let name = |n: usize| format!("{{\"{}\":1}}", "n".repeat(n));
    let cases: [(&dyn Fn(usize) -> String, usize); 4] =
        [(&members, 50), (&values, 200), (&number, 40), (&name, 40)];
    for (make, limit) in cases {
        let read = |text: &str| copied(Reader::new(text.as_bytes(), &limits).unwrap(), &[]);
        let pieces = |text: &str| {
            copied(Reader::streaming(&limits), &text.as_bytes().chunks(7).collect::<Vec<_>>())
        };
        read(&make(limit)).unwrap();
        pieces(&make(limit)).unwrap();
        assert_eq!(read(&make(limit + 1)).unwrap_err().kind, FaultKind::Limit);
        assert_eq!(pieces(&make(limit + 1)).unwrap_err().kind, FaultKind::Limit);
    }
}

#[test]
fn t51_a_second_name_is_found_among_thousands() {
    for twice in [0, 20, 23, 24, 25, 26, 3_000, 8_998] {
        let list: Vec<_> =
            (0..9_000).chain([twice]).map(|i| format!("\"name-{i}\":{{\"name-{i}\":1}}")).collect();
        let fault = read(format!("{{{}}}", list.join(",")).as_bytes()).unwrap_err();
        assert!(fault.message.contains(&format!("\"name-{twice}\" stands here twice")), "{fault}");
        assert_eq!(fault.path, format!("/name-{}", 8_999));
    }
}

#[test]
fn a_value_can_be_stepped_over() {
    let mut reader =
        Reader::new(br#"{"a":{"x":[1,{"y":2}]},"b":[[]],"c":3,"d":4}"#, &Limits::default())
            .unwrap();
    reader.pull().unwrap();
    let mut names = Vec::new();
    while reader.pull().unwrap() == Event::Name {
        names.push(reader.text().to_owned());
        reader.skip(Event::Name).unwrap();
    }
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert_eq!(reader.pull().unwrap(), Event::Eof);
}

proptest! {
    /// Any string survives, whole and in pieces.
    #[test]
    fn strings_survive(text in ".*", size in 1_usize..9) {
        let mut w = Writer::default();
        w.begin_array();
        w.string(&text);
        w.end_array();
        let written = w.finish();
        prop_assert_eq!(strings(&written), [text]);
        let pieces: Vec<_> = written.chunks(size).collect();
        let again = copied(Reader::streaming(&Limits::default()), &pieces).unwrap();
        prop_assert_eq!(again.as_bytes(), &written);
    }

    /// Any soup of tokens is read the same whole and in pieces.
    #[test]
    fn pieces_tell_what_the_whole_tells(
        parts in proptest::collection::vec(proptest::sample::select(&["{", "}", "[", "]", ":", ",", "\"a\"", "\"b\\u00e9\"", "1", "-1.5e3", "true", "null", " ", "\"", "\\", "é", "0"][..]), 1..14),
        size in 1_usize..5,
    ) {
        let text = parts.concat();
        prop_assert_eq!(read(text.as_bytes()).is_ok(), read_in_pieces(text.as_bytes(), size).is_ok(), "{}", text);
    }
}

/// The strings of a text.
fn strings(text: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(text, &Limits::default()).unwrap();
    let mut strings = Vec::new();
    loop {
        match reader.pull().unwrap() {
            Event::String => strings.push(reader.text().to_owned()),
            Event::Eof => return strings,
            _ => (),
        }
    }
}
