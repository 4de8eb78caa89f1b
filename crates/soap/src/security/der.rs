//! DER, as far as certificates need it: a value after the other, each with its tag.
//!
//! Nothing here decides whether a certificate is good: it is found out what it says.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Values that follow each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'d>(pub(super) &'d [u8]);

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'d> {
    pub(super) tag: u8,
    pub(super) content: &'d [u8],
    /// Tag, length and content.
    pub(super) whole: &'d [u8],
}

impl<'d> Values<'d> {
    /// The next one; `None` at the end, and where it is no DER.
    pub(super) fn next(&mut self) -> Option<Value<'d>> {
        let (&[tag, first], _) = self.0.split_first_chunk::<2>()?;
        // Tags of more than one byte stand in no certificate.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (head, length) = match first {
            0..=0x7f => (2, usize::from(first)),
            0x81..=0x83 => {
                let count = usize::from(first & 0x7f);
                let bytes = self.0.get(2..2 + count)?;
                (2 + count, bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
            }
            _ => return None,
        };
        let (whole, rest) = self.0.split_at_checked(head + length)?;
        self.0 = rest;
        Some(Value { tag, content: whole.get(head..)?, whole })
    }

    /// The next one, if it has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<Value<'d>> {
        self.next_if(tag)
    }

    /// The next one if it has this tag; otherwise it stays.
    pub(super) fn next_if(&mut self, tag: u8) -> Option<Value<'d>> {
        if self.0.first() != Some(&tag) {
            return None;
        }
        self.next()
    }
}

impl<'d> Value<'d> {
    /// What it is made of.
    pub(super) fn values(self) -> Values<'d> {
        Values(self.content)
    }
}

/// An object identifier in digits and dots.
pub(super) fn dotted(object: &[u8]) -> Option<String> {
    let mut numbers = Vec::new();
    let mut number: u64 = 0;
    for byte in object {
        number = number.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    let (first, rest) = numbers.split_first()?;
    let root = (*first / 40).min(2);
    let mut text = format!("{root}.{}", first - root * 40);
    rest.iter().for_each(|number| text.push_str(&format!(".{number}")));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_tag_and_its_end() {
        let mut values = Values(&[0x02, 0x01, 0x05, 0x30, 0x81, 0x02, 0x05, 0x00, 0x04]);
        let number = values.next().unwrap();
        assert_eq!((number.tag, number.content), (INTEGER, &[5][..]));
        let list = values.expect(SEQUENCE).unwrap();
        assert_eq!((list.content, list.whole.len()), (&[5, 0][..], 5));
        assert!(values.next().is_none(), "a tag without a length");
        assert!(Values(&[0x30, 0x05, 0x00]).next().is_none(), "longer than what is there");
        assert!(Values(&[0x30, 0x80, 0x00, 0x00]).next().is_none(), "BER's indefinite length");
        assert!(Values(&[0x1f, 0x01, 0x00]).next().is_none());
    }

    #[test]
    fn an_object_identifier_is_read() {
        assert_eq!(dotted(&[0x55, 0x04, 0x03]).as_deref(), Some("2.5.4.3"));
        let mail = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];
        assert_eq!(dotted(&mail).as_deref(), Some("1.2.840.113549.1.9.1"));
        assert_eq!(dotted(&[]), None);
        assert_eq!(dotted(&[0xff; 12]), None, "no end, or too large");
    }
}
