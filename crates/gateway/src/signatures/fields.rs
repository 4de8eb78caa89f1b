//! The structured fields of signatures (RFC 9651), read strictly: in the one spelling that a serializer gives, and no name twice.
//!
//! What is signed of `Signature-Input` is its text as a serializer writes it (RFC 9421 §2.5). Whoever writes it otherwise is refused, so
//! that the text that came is the text that was signed.

use std::borrow::Cow;

use pasarela_net::http1::Head;
use smallvec::SmallVec;

use super::Refused;

/// Members of a dictionary and components of a signature that are looked at.
const MOST: usize = 32;

/// One member of `Signature-Input`.
#[derive(Debug, Default)]
pub(super) struct Input<'f> {
    pub(super) label: &'f str,
    /// The components, by name.
    pub(super) covers: SmallVec<[&'f str; 8]>,
    pub(super) created: Option<u64>,
    pub(super) expires: Option<u64>,
    pub(super) nonce: Option<&'f str>,
    pub(super) algorithm: Option<&'f str>,
    pub(super) keyid: Option<&'f str>,
    /// As it came.
    pub(super) text: &'f str,
}

/// The lines of a field as one (RFC 9110 §5.3); empty where there are none.
pub(super) fn lines<'h>(head: &'h Head, name: &str) -> Result<Cow<'h, str>, Refused> {
    let mut all = head.find_all(name);
    let text = |value: &'h [u8]| std::str::from_utf8(value).map_err(|_| Refused::Malformed);
    let Some(first) = all.next() else { return Ok(Cow::Borrowed("")) };
    let mut whole = Cow::Borrowed(text(first)?);
    for more in all {
        whole = Cow::Owned(format!("{whole}, {}", text(more)?));
    }
    Ok(whole)
}

/// Reads `Signature-Input`.
pub(super) fn inputs(text: &str) -> Result<SmallVec<[Input<'_>; 2]>, Refused> {
    let mut inputs: SmallVec<[Input<'_>; 2]> = SmallVec::new();
    members(text, |label, scan| {
        let begin = scan.at;
        let mut input = Input { label, ..Input::default() };
        input.covers = scan.names()?;
        scan.parameters(&mut input)?;
        input.text = scan.text.get(begin..scan.at).unwrap_or_default();
        inputs.push(input);
        Ok(())
    })?;
    Ok(inputs)
}

/// Byte sequences by their labels.
pub(super) type Sequences<'f> = SmallVec<[(&'f str, Vec<u8>); 2]>;

/// Reads a dictionary of byte sequences: `Signature` and `Content-Digest`.
pub(super) fn sequences(text: &str) -> Result<Sequences<'_>, Refused> {
    let mut all = Sequences::new();
    members(text, |label, scan| {
        all.push((label, scan.bytes()?));
        Ok(())
    })?;
    Ok(all)
}

/// Goes through the members of a dictionary, each of which has a value.
fn members<'f>(
    text: &'f str,
    mut member: impl FnMut(&'f str, &mut Scan<'f>) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let mut scan = Scan { text: text.trim_matches([' ', '\t']), at: 0 };
    let mut seen: SmallVec<[&str; 4]> = SmallVec::new();
    loop {
        let label = scan.key()?;
        // RFC 9651 would have the last one win: two readers may then see two signatures.
        if seen.contains(&label) || seen.len() == MOST {
            return Err(Refused::Ambiguous);
        }
        seen.push(label);
        scan.expect(b'=')?;
        member(label, &mut scan)?;
        scan.spaces();
        if scan.is_over() {
            return Ok(());
        }
        scan.expect(b',')?;
        scan.spaces();
    }
}

struct Scan<'f> {
    text: &'f str,
    at: usize,
}

impl<'f> Scan<'f> {
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_over(&self) -> bool {
        self.at >= self.text.len()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is = self.next() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, byte: u8) -> Result<(), Refused> {
        self.eat(byte).then_some(()).ok_or(Refused::Malformed)
    }

    fn spaces(&mut self) {
        while self.eat(b' ') || self.eat(b'\t') {}
    }

    /// As long as the bytes are of a kind.
    fn run(&mut self, is: impl Fn(u8) -> bool) -> &'f str {
        let begin = self.at;
        while self.next().is_some_and(&is) {
            self.at += 1;
        }
        self.text.get(begin..self.at).unwrap_or_default()
    }

    fn key(&mut self) -> Result<&'f str, Refused> {
        let first = |byte: u8| byte.is_ascii_lowercase() || byte == b'*';
        if !self.next().is_some_and(first) {
            return Err(Refused::Malformed);
        }
        Ok(self.run(|byte| first(byte) || byte.is_ascii_digit() || b"_-.".contains(&byte)))
    }

    /// A string. Escapes are refused: nothing that is looked at here needs them.
    fn string(&mut self) -> Result<&'f str, Refused> {
        self.expect(b'"')?;
        let text = self.run(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\');
        self.expect(b'"')?;
        Ok(text)
    }

    fn integer(&mut self) -> Result<u64, Refused> {
        let digits = self.run(|byte| byte.is_ascii_digit());
        let canonical = digits.len() <= 15 && (digits == "0" || !digits.starts_with('0'));
        digits.parse().ok().filter(|_| canonical).ok_or(Refused::Malformed)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Refused> {
        self.expect(b':')?;
        let text = self.run(|byte| byte != b':');
        self.expect(b':')?;
        base64_simd::STANDARD.decode_to_vec(text).map_err(|_| Refused::Malformed)
    }

    /// An inner list of names, each once.
    fn names(&mut self) -> Result<SmallVec<[&'f str; 8]>, Refused> {
        let mut names = SmallVec::new();
        self.expect(b'(')?;
        while !self.eat(b')') {
            if !names.is_empty() {
                self.expect(b' ')?;
            }
            let name = self.string()?;
            if self.next() == Some(b';') {
                return Err(Refused::Component);
            }
            if names.contains(&name) || names.len() == MOST {
                return Err(Refused::Ambiguous);
            }
            names.push(name);
        }
        Ok(names)
    }

    /// The parameters of a signature (RFC 9421 §2.3), each once.
    fn parameters(&mut self, input: &mut Input<'f>) -> Result<(), Refused> {
        let mut seen: SmallVec<[&str; 8]> = SmallVec::new();
        while self.eat(b';') {
            let key = self.key()?;
            if seen.contains(&key) {
                return Err(Refused::Ambiguous);
            }
            seen.push(key);
            self.expect(b'=')?;
            match key {
                "created" => input.created = Some(self.integer()?),
                "expires" => input.expires = Some(self.integer()?),
                "nonce" => input.nonce = Some(self.string()?),
                "alg" => input.algorithm = Some(self.string()?),
                "keyid" => input.keyid = Some(self.string()?),
                // A signature for another purpose, or one that means what is not known here.
                _ => return Err(Refused::Parameter),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_serializer_writes_is_read_and_nothing_else() {
        let text = "a=(\"@method\" \"date\");created=1;keyid=\"k\";nonce=\"n\", b=();created=2";
        let read = inputs(text).unwrap();
        assert_eq!((read[0].label, read[1].label), ("a", "b"));
        assert_eq!(read[0].covers.as_slice(), ["@method", "date"]);
        assert_eq!(read[0].text, "(\"@method\" \"date\");created=1;keyid=\"k\";nonce=\"n\"");
        assert_eq!(
            (read[0].created, read[0].keyid, read[0].nonce),
            (Some(1), Some("k"), Some("n"))
        );
        assert_eq!(read[1].text, "();created=2");
        for (text, why) in [
            ("", Refused::Malformed),
            ("a", Refused::Malformed),
            ("a=1", Refused::Malformed),
            ("A=()", Refused::Malformed),
            ("a=(),", Refused::Malformed),
            ("a=() b=()", Refused::Malformed),
            ("a=( \"x\")", Refused::Malformed),
            ("a=(\"x\"  \"y\")", Refused::Malformed),
            ("a=(\"x\" )", Refused::Malformed),
            ("a=(\"x\"", Refused::Malformed),
            ("a=(x)", Refused::Malformed),
            ("a=(\"x\\\"\")", Refused::Malformed),
            ("a=() ;created=1", Refused::Malformed),
            ("a=(); created=1", Refused::Malformed),
            ("a=();created=01", Refused::Malformed),
            ("a=();created=-1", Refused::Malformed),
            ("a=();created=1.0", Refused::Malformed),
            ("a=();created=1234567890123456", Refused::Malformed),
            ("a=();created", Refused::Malformed),
            ("a=();keyid=k", Refused::Malformed),
            ("a=();created=1;created=1", Refused::Ambiguous),
            ("a=(), a=()", Refused::Ambiguous),
            ("a=(\"x\" \"x\")", Refused::Ambiguous),
            ("a=(\"x\";sf)", Refused::Component),
            ("a=(\"@query-param\";name=\"x\")", Refused::Component),
            ("a=();tag=\"x\"", Refused::Parameter),
            ("a=();other=1", Refused::Parameter),
        ] {
            assert_eq!(inputs(text).map(|_| ()).unwrap_err(), why, "{text}");
        }
        assert_eq!(
            sequences("a=:AQI=:,b=::").unwrap().as_slice(),
            [("a", vec![1, 2]), ("b", vec![])]
        );
        for text in ["a=:AQI:", "a=:A Q=:", "a=\"AQI=\"", "a=:AQI=:;p=1", "a=:AQI=", "a=:AQJ=:"] {
            assert_eq!(sequences(text).unwrap_err(), Refused::Malformed, "{text}");
        }
        assert_eq!(sequences("a=:AQI=:, a=:AQI=:").unwrap_err(), Refused::Ambiguous);
    }
}
