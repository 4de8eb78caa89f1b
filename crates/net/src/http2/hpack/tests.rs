//! The vectors of RFC 7541 appendix C, and what no block may say.

use proptest::prelude::*;

use super::{Decoder, HpackError, encode, huffman, integer};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

type Fields = Vec<(String, String)>;

fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, &mut |name, value| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        fields.push((text(name), text(value)));
    })?;
    Ok(fields)
}

/// Blocks of one connection: each one's bytes, its fields as `name: value` lines, and the size of
/// the table behind it.
fn check(most: usize, blocks: &[(&str, &str, usize)]) {
    let mut decoder = Decoder::new(most);
    for (hex, lines, size) in blocks {
        let fields = read(&mut decoder, &bytes(hex)).unwrap();
        let told: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(told, lines.lines().map(str::trim).collect::<Vec<_>>(), "{hex}");
        assert_eq!(decoder.table_size(), *size, "{hex}");
    }
}

#[test]
fn c_1_numbers() {
    for (prefix, value, hex) in [(5, 10, "0a"), (5, 1337, "1f9a0a"), (8, 42, "2a")] {
        let mut out = Vec::new();
        integer::put(&mut out, 0, prefix, value);
        assert_eq!(out, bytes(hex));
        let mut at = 0;
        assert_eq!(integer::read(&out, &mut at, prefix), Ok(value));
        assert_eq!(at, out.len());
    }
    for hex in ["1f80808080808001", "1fffffffffffffff7f", "1f8080808000"] {
        assert_eq!(integer::read(&bytes(hex), &mut 0, 5), Err(HpackError::Number), "{hex}");
    }
    for hex in ["", "1f", "1f80", "1fffff"] {
        assert_eq!(integer::read(&bytes(hex), &mut 0, 5), Err(HpackError::CutShort), "{hex}");
    }
}

#[test]
fn c_2_fields() {
    check(
        4096,
        &[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            "custom-key: custom-header",
            55,
        )],
    );
    check(4096, &[("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", 0)]);
    check(4096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", 0)]);
    check(4096, &[("82", ":method: GET", 0)]);
}

const REQUESTS: [(&str, usize); 3] = [
    (":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com", 57),
    (
        ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache",
        110,
    ),
    (
        ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n\
         custom-key: custom-value",
        164,
    ),
];

#[test]
fn c_3_and_c_4_requests_plain_and_coded() {
    for blocks in [
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ] {
        let all: Vec<_> = blocks.iter().zip(REQUESTS).map(|(b, (f, s))| (*b, f, s)).collect();
        check(4096, &all);
    }
}

#[test]
fn c_5_and_c_6_answers_with_a_table_that_is_too_small() {
    let private = "cache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com";
    let first = format!(":status: 302\n{private}");
    let second = format!(":status: 307\n{private}");
    let third = ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n\
                 location: https://www.example.com\ncontent-encoding: gzip\n\
                 set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    for blocks in [
        [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032
             303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63
             6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0
             5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851
             5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        ],
        [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b
             ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad
             94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160
             65c0 03ed 4ee5 b106 3d50 07",
        ],
    ] {
        check(256, &[(blocks[0], &first, 222), (blocks[1], &second, 222), (blocks[2], third, 215)]);
    }
}

#[test]
fn l16_blocks_that_are_none_are_refused() {
    for (name, hex, fault) in [
        ("index 0", "80", HpackError::Index),
        ("index past the tables", "be", HpackError::Index),
        ("a name past the tables", "7f00 01 61", HpackError::Index),
        ("no name", "40", HpackError::CutShort),
        ("a name cut short", "4005 6162", HpackError::CutShort),
        ("no value", "4001 61", HpackError::CutShort),
        ("a value cut short", "4001 6105 61", HpackError::CutShort),
        ("a number cut short", "ff", HpackError::CutShort),
        ("a number without end", "ffff ffff ffff", HpackError::Number),
        ("a table past the limit", "3fe2 1f", HpackError::TableSize),
        ("a size behind a field", "82 20", HpackError::TableSize),
        ("the end symbol", "0084 ffff fffc 0161", HpackError::Huffman),
        ("eight ones of padding", "0082 1fff 0161", HpackError::Huffman),
        ("padding with zeros", "0081 18 0161", HpackError::Huffman),
    ] {
        assert_eq!(read(&mut Decoder::new(4096), &bytes(hex)), Err(fault), "{name}");
    }
    // At the limit, twice, and down to nothing.
    let mut decoder = Decoder::new(4096);
    assert_eq!(read(&mut decoder, &bytes("3fe1 1f 4001 6101 62")).unwrap().len(), 1);
    assert_eq!(decoder.table_size(), 34);
    assert_eq!(read(&mut decoder, &bytes("20 3f01 82")).unwrap().len(), 1);
    assert_eq!(decoder.table_size(), 0);
    assert_eq!(read(&mut decoder, &bytes("be")), Err(HpackError::Index));
}

#[test]
fn every_byte_has_its_code() {
    let all: Vec<u8> = (0..=255).collect();
    for text in all.iter().map(std::slice::from_ref).chain([all.as_slice()]) {
        let (mut coded, mut out) = (Vec::new(), Vec::new());
        huffman::encode(text, &mut coded);
        huffman::decode(&coded, &mut out).unwrap();
        assert_eq!(out, text);
    }
}

#[test]
fn statuses_and_names_have_their_numbers() {
    for status in 100..=999u16 {
        let mut out = Vec::new();
        encode::put_status(&mut out, status);
        let fields = read(&mut Decoder::new(0), &out).unwrap();
        assert_eq!(fields, [(":status".to_owned(), status.to_string())]);
    }
    for (name, first) in
        [("Content-Type", 0x0f), ("Via", 0x0f), ("x-other", 0), ("Set-Cookie", 0x1f)]
    {
        let mut out = Vec::new();
        encode::put_field(&mut out, name.as_bytes(), b"v");
        assert_eq!(out[0], first, "{name}");
        let fields = read(&mut Decoder::new(0), &out).unwrap();
        assert_eq!(fields, [(name.to_ascii_lowercase(), "v".to_owned())]);
    }
}

proptest! {
    #[test]
    fn what_is_coded_is_decoded(text: Vec<u8>) {
        let (mut coded, mut out) = (Vec::new(), Vec::new());
        huffman::encode(&text, &mut coded);
        huffman::decode(&coded, &mut out).unwrap();
        prop_assert_eq!(out, text);
    }

    #[test]
    fn what_is_written_is_read(fields in prop::collection::vec(("[a-z-]{1,40}", "[ -~]{0,300}"), 0..20)) {
        let mut out = Vec::new();
        for (name, value) in &fields {
            encode::put_field(&mut out, name.to_ascii_uppercase().as_bytes(), value.as_bytes());
        }
        prop_assert_eq!(read(&mut Decoder::new(0), &out).unwrap(), fields);
    }

    /// A table that is always full stays within its size and keeps what is newest.
    #[test]
    fn a_full_table_keeps_what_is_newest(values in prop::collection::vec("[a-z]{0,90}", 1..200), most in 40usize..400) {
        let mut decoder = Decoder::new(most);
        for value in values {
            let mut block = b"\x40\x01x".to_vec();
            integer::put(&mut block, 0, 7, value.len());
            block.extend_from_slice(value.as_bytes());
            let fits = value.len() + 33 <= most;
            read(&mut decoder, &block).unwrap();
            prop_assert!(decoder.table_size() <= most);
            match fits {
                true => prop_assert_eq!(read(&mut decoder, &[0xbe]).unwrap(), [("x".to_owned(), value)]),
                false => prop_assert_eq!(decoder.table_size(), 0),
            }
        }
    }

    #[test]
    fn no_block_panics(block: Vec<u8>) {
        let _ = read(&mut Decoder::new(256), &block);
    }
}
