//! HPACK (RFC 7541): an encoder without cleverness and a decoder that is complete for ASCII.

/// A decoded name and value.
pub type Field = (String, String);

/// A whole number with an `prefix`-bit prefix (RFC 7541 §5.1).
fn integer(first: u8, prefix: u32, value: usize, into: &mut Vec<u8>) {
    let most = (1usize << prefix) - 1;
    if value < most {
        into.push(first | u8::try_from(value).expect("less than the prefix holds"));
        return;
    }
    into.push(first | u8::try_from(most).expect("a prefix has at most seven bits"));
    let mut rest = value - most;
    while rest >= 128 {
        into.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    into.push(u8::try_from(rest).expect("seven bits"));
}

/// A literal field without indexing, new name, no Huffman coding: exactly the bytes given.
pub fn literal(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut block = vec![0x00];
    for text in [name.as_ref(), value.as_ref()] {
        integer(0, 7, text.len(), &mut block);
        block.extend_from_slice(text);
    }
    block
}

/// A literal field that also enters the dynamic table, at index 62.
pub fn literal_indexed(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut block = literal(name, value);
    block[0] = 0x40;
    block
}

/// A field from a table.
pub fn indexed(index: usize) -> Vec<u8> {
    let mut block = Vec::new();
    integer(0x80, 7, index, &mut block);
    block
}

/// The static table (RFC 7541 Appendix A).
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Reads header blocks of one connection, in order.
#[derive(Default)]
pub struct Decoder {
    /// Newest first. Never evicted: a test does not live long enough for that to differ, because
    /// our client allows the table no bytes.
    dynamic: Vec<Field>,
}

impl Decoder {
    /// The fields of a block; `None` when it is not HPACK.
    pub fn decode(&mut self, mut block: &[u8]) -> Option<Vec<Field>> {
        let mut fields = Vec::new();
        while let Some(first) = block.first().copied() {
            if first & 0x80 != 0 {
                let index = take_integer(&mut block, 7)?;
                fields.push(self.entry(index)?);
            } else if first & 0xe0 == 0x20 {
                take_integer(&mut block, 5)?;
            } else {
                let indexing = first & 0x40 != 0;
                let index = take_integer(&mut block, if indexing { 6 } else { 4 })?;
                let name = if index == 0 { take_text(&mut block)? } else { self.entry(index)?.0 };
                let field = (name, take_text(&mut block)?);
                if indexing {
                    self.dynamic.insert(0, field.clone());
                }
                fields.push(field);
            }
        }
        Some(fields)
    }

    fn entry(&self, index: usize) -> Option<Field> {
        let index = index.checked_sub(1)?;
        match STATIC.get(index) {
            Some((name, value)) => Some(((*name).to_owned(), (*value).to_owned())),
            None => self.dynamic.get(index - STATIC.len()).cloned(),
        }
    }
}

fn take_integer(block: &mut &[u8], prefix: u32) -> Option<usize> {
    let (first, rest) = block.split_first()?;
    *block = rest;
    let most = (1usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value < most {
        return Some(value);
    }
    for shift in (0..28).step_by(7) {
        let (next, rest) = block.split_first()?;
        *block = rest;
        value += usize::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take_text(block: &mut &[u8]) -> Option<String> {
    let huffman = block.first()? & 0x80 != 0;
    let length = take_integer(block, 7)?;
    let (text, rest) = block.split_at_checked(length)?;
    *block = rest;
    if huffman { unhuffman(text) } else { Some(text.iter().map(|b| char::from(*b)).collect()) }
}

/// How many bits the code of a character has (RFC 7541 Appendix B). The code is canonical, so
/// lengths alone give it; characters beyond ASCII have longer codes and do not matter here.
fn code_bits(character: u8) -> Option<u32> {
    Some(match character {
        b'0' | b'1' | b'2' | b'a' | b'c' | b'e' | b'i' | b'o' | b's' | b't' => 5,
        b' ' | b'%' | b'-' | b'.' | b'/' | b'3'..=b'9' | b'=' | b'A' | b'_' => 6,
        b'b' | b'd' | b'f' | b'g' | b'h' | b'l' | b'm' | b'n' | b'p' | b'r' | b'u' => 6,
        b'X' | b'Z' | b'&' | b'*' | b',' | b';' => 8,
        b':' | b'B'..=b'Y' | b'j' | b'k' | b'q' | b'v'..=b'z' => 7,
        b'!' | b'"' | b'(' | b')' | b'?' => 10,
        b'\'' | b'+' | b'|' => 11,
        b'#' | b'>' => 12,
        0 | b'$' | b'@' | b'[' | b']' | b'~' => 13,
        b'^' | b'}' => 14,
        b'<' | b'`' | b'{' => 15,
        b'\\' => 19,
        _ => return None,
    })
}

fn unhuffman(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    let (mut code, mut length) = (0u32, 0u32);
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        if let Some(character) = character_of(code, length) {
            text.push(char::from(character));
            (code, length) = (0, 0);
        }
        if length > 19 {
            return None;
        }
    }
    // What is left is padding: the first bits of a code of ones.
    (length < 8 && code == (1 << length) - 1).then_some(text)
}

/// Walks the canonical code: characters in order of length, then of value.
fn character_of(code: u32, length: u32) -> Option<u8> {
    let mut next = 0u32;
    for bits in 5..=length {
        next <<= 1;
        for character in 0..=127 {
            if code_bits(character) == Some(bits) {
                if bits == length && next == code {
                    return Some(character);
                }
                next += 1;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_examples_of_the_rfc() {
        // RFC 7541 C.4.1 and C.4.2: Huffman-coded requests on one connection.
        let mut decoder = Decoder::default();
        let first = [
            0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab,
            0x90, 0xf4, 0xff,
        ];
        let fields = decoder.decode(&first).unwrap();
        assert_eq!(fields[3], (":authority".to_owned(), "www.example.com".to_owned()));
        let second = [0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        let fields = decoder.decode(&second).unwrap();
        assert_eq!(fields[3].1, "www.example.com");
        assert_eq!(fields[4], ("cache-control".to_owned(), "no-cache".to_owned()));
    }

    #[test]
    fn reads_what_it_writes() {
        let long = "v".repeat(5000);
        let mut block = literal("x-long", &long);
        block.extend(literal_indexed("a", "b"));
        block.extend(indexed(62));
        block.extend(indexed(2));
        let fields = Decoder::default().decode(&block).unwrap();
        assert_eq!(fields[0], ("x-long".to_owned(), long));
        assert_eq!(fields[1], fields[2]);
        assert_eq!(fields[3], (":method".to_owned(), "GET".to_owned()));
    }
}
