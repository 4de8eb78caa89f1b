//! JSON, read strictly (RFC 8259) and written compactly.

use super::{Member, Node, TreeLimits, Value, object, too_deep, too_many};
use crate::{Faults, Position};

/// `None` after a syntax fault: the first one ends the reading.
pub(super) fn parse(text: &str, limits: TreeLimits, faults: &mut Faults) -> Option<Node> {
    let mut parser =
        Parser { text, at: 0, known: (0, Position::START), limits, depth: 0, values: 0, faults };
    let node = parser.value()?;
    parser.white_space();
    if parser.at < text.len() {
        return parser.fault("text follows the end of the document", "take it out");
    }
    Some(node)
}

struct Parser<'a> {
    text: &'a str,
    /// Byte offset of what comes next; always on a character boundary.
    at: usize,
    /// An offset at or before `at` and its position, so that positions cost one pass in all.
    known: (usize, Position),
    limits: TreeLimits,
    depth: usize,
    values: usize,
    faults: &'a mut Faults,
}

impl<'a> Parser<'a> {
    fn here(&mut self) -> Position {
        let (offset, mut position) = self.known;
        position.advance(self.text.get(offset..self.at).unwrap_or_default());
        self.known = (self.at, position);
        position
    }

    fn fault<T>(&mut self, message: impl Into<String>, cure: &str) -> Option<T> {
        let here = self.here();
        self.faults.push(here, message, cure);
        None
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Option<Node> {
        self.white_space();
        let at = self.here();
        self.values += 1;
        if self.values > self.limits.values {
            let (message, cure) = too_many(self.limits);
            return self.fault(message, cure);
        }
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::members)?,
            Some(b'[') => self.nested(Self::items)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z') => self.word()?,
            _ => return self.unexpected("a value"),
        };
        Some(Node { at, value })
    }

    /// Recursion happens only here, and it is counted.
    fn nested(&mut self, inside: fn(&mut Self) -> Option<Value>) -> Option<Value> {
        if self.depth == self.limits.depth {
            let (message, cure) = too_deep(self.limits);
            return self.fault(message, cure);
        }
        self.depth += 1;
        self.at += 1;
        let value = inside(self)?;
        self.depth -= 1;
        Some(value)
    }

    fn items(&mut self) -> Option<Value> {
        let mut items = Vec::new();
        self.white_space();
        if self.takes(b']') {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.white_space();
            if self.takes(b']') {
                return Some(Value::Array(items));
            }
            if !self.takes(b',') {
                return self.unexpected("`,` or `]`");
            }
        }
    }

    fn members(&mut self) -> Option<Value> {
        let mut members = Vec::new();
        self.white_space();
        if self.takes(b'}') {
            return Some(object(members, self.faults));
        }
        loop {
            self.white_space();
            let key_at = self.here();
            if self.peek() != Some(b'"') {
                return self.unexpected("a key in double quotes");
            }
            let key = self.string()?;
            self.white_space();
            if !self.takes(b':') {
                return self.unexpected("`:`");
            }
            members.push(Member { key, key_at, value: self.value()? });
            self.white_space();
            if self.takes(b'}') {
                return Some(object(members, self.faults));
            }
            if !self.takes(b',') {
                return self.unexpected("`,` or `}`");
            }
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn unexpected<T>(&mut self, wanted: &str) -> Option<T> {
        let found = match self.rest().chars().next() {
            Some(c) if c.is_control() => format!("`{}`", c.escape_default()),
            Some(c) => format!("`{c}`"),
            None => "the end of the document".to_owned(),
        };
        self.fault(format!("expected {wanted}, found {found}"), "correct the JSON here")
    }

    fn word(&mut self) -> Option<Value> {
        let words =
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
        let rest = self.rest();
        let Some((word, value)) = words.into_iter().find(|(word, _)| rest.starts_with(word)) else {
            return self.unexpected("a value");
        };
        self.at += word.len();
        Some(value)
    }

    /// RFC 8259 §6.
    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        self.takes(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        let mut good = whole == 1 || (whole > 1 && !leading_zero);
        if self.takes(b'.') {
            good &= self.digits() > 0;
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _sign = self.takes(b'+') || self.takes(b'-');
            good &= self.digits() > 0;
        }
        if !good {
            self.at = start;
            return self.fault("this is not a JSON number", "write it like `-1.5e3`");
        }
        self.text.get(start..self.at).map(|lexeme| Value::Number(lexeme.to_owned()))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    /// RFC 8259 §7; `at` is on the opening quote.
    fn string(&mut self) -> Option<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.find(|c| matches!(c, '"' | '\\' | '\0'..='\x1f'));
            let Some((text, _)) = plain.and_then(|end| rest.split_at_checked(end)) else {
                return self.fault("a string is not closed", "close it with `\"`");
            };
            out.push_str(text);
            self.at += text.len();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Some(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => {
                    return self.fault(
                        "a string contains a control character",
                        "write it as an escape such as `\\n`",
                    );
                }
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        const CURE: &str = "use one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX";
        let (plain, length) = match self.text.as_bytes().get(self.at + 1) {
            Some(b'"') => ('"', 2),
            Some(b'\\') => ('\\', 2),
            Some(b'/') => ('/', 2),
            Some(b'b') => ('\x08', 2),
            Some(b'f') => ('\x0c', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'u') => match self.unicode_escape() {
                Some(found) => found,
                None => return self.fault("this escape names no character", CURE),
            },
            _ => return self.fault("this escape does not exist in JSON", CURE),
        };
        self.at += length;
        Some(plain)
    }

    /// The character that `\uXXXX`, or a pair of them, stands for, and the length of it all.
    fn unicode_escape(&self) -> Option<(char, usize)> {
        let unit = |at: usize| {
            let escape = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
            // from_str_radix alone would take a sign.
            let hex = escape.bytes().all(|b| b.is_ascii_hexdigit());
            if hex { u16::from_str_radix(escape, 16).ok() } else { None }
        };
        let first = unit(self.at)?;
        if let Some(c) = char::from_u32(u32::from(first)) {
            return Some((c, 6));
        }
        let pair = [first, unit(self.at + 6)?];
        let c = char::decode_utf16(pair).next()?.ok()?;
        Some((c, 12))
    }
}

/// Writes the JSON form. Recursion is bounded by the depth the readers allow.
pub(super) fn write(node: &Node, out: &mut String) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(lexeme) => out.push_str(lexeme),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (i, member) in object.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(&member.key, out);
                out.push(':');
                write(&member.value, out);
            }
            out.push('}');
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::tree::{Syntax, TreeLimits, parse};

    fn round(text: &str) -> Result<String, String> {
        let node = parse(text, Syntax::Json, TreeLimits::default());
        node.map(|node| node.to_json()).map_err(|faults| faults[0].to_string())
    }

    #[test]
    fn numbers_and_order_survive_as_they_were_written() {
        for text in [
            r#"{"b":1.10,"a":12345678901234567890123,"c":[-0,1E+2,0.5e-3],"":null}"#,
            r#"["ünï","\"\\\n","\u0001",true,false]"#,
        ] {
            assert_eq!(round(text).as_deref(), Ok(text));
        }
        assert_eq!(round(r#" "\/\u00e9\ud83d\ude00" "#).as_deref(), Ok("\"/é😀\""));
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_stands() {
        for (text, start) in [
            ("{\"a\": 1,\n  \"b\" 2}", "2:7: expected `:`, found `2`"),
            ("[1,]", "1:4: expected a value, found `]`"),
            ("{'a':1}", "1:2: expected a key in double quotes, found `'`"),
            ("[01]", "1:2: this is not a JSON number"),
            ("[1.]", "1:2: this is not a JSON number"),
            ("[-]", "1:2: this is not a JSON number"),
            ("\"é\n\"", "1:3: a string contains a control character"),
            ("\"\\x\"", "1:2: this escape does not exist"),
            ("\"\\ud83d\"", "1:2: this escape names no character"),
            ("\"\\u+123\"", "1:2: this escape names no character"),
            ("\"open", "1:2: a string is not closed"),
            ("{} x", "1:4: text follows the end"),
            ("nul", "1:1: expected a value, found `n`"),
            ("", "1:1: expected a value, found the end"),
        ] {
            let fault = round(text).unwrap_err();
            assert!(fault.starts_with(start), "{text}: {fault}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(round(&"[".repeat(1_000_000)).unwrap_err().contains("levels deep"));
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(round(&deep).as_deref(), Ok(&*deep));
    }

    proptest! {
        #[test]
        fn what_the_standard_reader_takes_we_take_with_the_same_meaning(
            text in "[\\[\\]{}:, 0-9eE.\\-\"a\\\\ntrufls]{0,24}",
        ) {
            // With `preserve_order` serde_json compares objects without regard to order.
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match (round(&text), theirs) {
                (Ok(ours), Ok(theirs)) => {
                    prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&ours).unwrap(), theirs);
                }
                (Err(_), Err(_)) => {}
                // Two refusals of ours or theirs that are no difference in grammar.
                (Err(fault), Ok(_)) => prop_assert!(fault.contains("second time"), "{}", fault),
                (Ok(_), Err(error)) => {
                    prop_assert!(error.to_string().contains("out of range"), "{}", error);
                }
            }
        }
    }
}
