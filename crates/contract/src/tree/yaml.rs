//! YAML 1.2 with the core schema (YAML 1.2.2 §10.3), into the JSON data model.

use std::{collections::HashMap, rc::Rc};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::{Member, Node, TreeLimits, Value, object, too_deep, too_many};
use crate::{Faults, Position};

/// `None` after a fault that leaves nothing to go on with.
pub(super) fn parse(text: &str, limits: TreeLimits, faults: &mut Faults) -> Option<Node> {
    let mut builder = Builder {
        limits,
        faults,
        frames: Vec::new(),
        anchors: HashMap::new(),
        values: 0,
        root: None,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok((event, span)) => (event, span),
            Err(error) => {
                let message = format!("this is not YAML: {}", error.info());
                builder.faults.push(position(*error.marker()), message, "correct the YAML here");
                return None;
            }
        };
        builder.take(event, position(span.start))?;
        if builder.faults.is_full() {
            return None;
        }
    }
    builder.root
}

struct Builder<'a> {
    limits: TreeLimits,
    faults: &'a mut Faults,
    /// What is open, outermost first.
    frames: Vec<Frame>,
    anchors: HashMap<usize, Rc<Anchored>>,
    values: usize,
    root: Option<Node>,
}

struct Frame {
    at: Position,
    /// 0: none.
    anchor: usize,
    kind: FrameKind,
}

enum FrameKind {
    Sequence(Vec<Node>),
    /// The members so far, and the key whose value comes next.
    Mapping(Vec<Member>, Option<(String, Position)>),
}

/// A value that aliases may repeat, and what each copy costs.
struct Anchored {
    node: Node,
    values: usize,
    depth: usize,
}

impl Builder<'_> {
    /// `None` when reading cannot go on.
    fn take(&mut self, event: Event<'_>, at: Position) -> Option<()> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                self.faults.push(
                    at,
                    "a second YAML document begins here",
                    "keep one document in the file",
                );
                return None;
            }
            Event::Scalar(text, style, anchor, tag) => {
                if self.expects_key() && tag.is_none() {
                    self.remember(anchor, &Node { at, value: Value::String(text.to_string()) });
                    return self.key(text.into_owned(), at);
                }
                let value = self.scalar(&text, style, tag.as_deref(), at);
                self.place(Node { at, value }, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", at);
                self.open(at, anchor, FrameKind::Sequence(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", at);
                self.open(at, anchor, FrameKind::Mapping(Vec::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(id) => self.alias(id, at)?,
            _ => {}
        }
        Some(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { kind: FrameKind::Mapping(_, None), .. }))
    }

    fn open(&mut self, at: Position, anchor: usize, kind: FrameKind) -> Option<()> {
        if self.frames.len() >= self.limits.depth {
            let (message, cure) = too_deep(self.limits);
            self.faults.push(at, message, cure);
            return None;
        }
        self.frames.push(Frame { at, anchor, kind });
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let Frame { at, anchor, kind } = self.frames.pop()?;
        let value = match kind {
            FrameKind::Sequence(items) => Value::Array(items),
            FrameKind::Mapping(members, _) => object(members, self.faults),
        };
        self.place(Node { at, value }, anchor)
    }

    fn alias(&mut self, id: usize, at: Position) -> Option<()> {
        let Some(anchored) = self.anchors.get(&id).cloned() else {
            self.faults.push(
                at,
                "this alias stands inside the value that it names",
                "write the value out; JSON cannot hold a circle",
            );
            return None;
        };
        if self.frames.len() + anchored.depth > self.limits.depth {
            let (message, cure) = too_deep(self.limits);
            self.faults.push(at, message, cure);
            return None;
        }
        // Counted before it is copied: this is what keeps a "billion laughs" small.
        self.count(anchored.values.saturating_sub(1), at)?;
        self.place(anchored.node.clone(), 0)
    }

    fn count(&mut self, values: usize, at: Position) -> Option<()> {
        self.values = self.values.saturating_add(values);
        if self.values > self.limits.values {
            let (message, cure) = too_many(self.limits);
            self.faults.push(at, message, cure);
            return None;
        }
        Some(())
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            let (values, depth) = extent(node);
            self.anchors.insert(anchor, Rc::new(Anchored { node: node.clone(), values, depth }));
        }
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, node: Node, anchor: usize) -> Option<()> {
        self.count(1, node.at)?;
        self.remember(anchor, &node);
        match self.frames.last_mut().map(|frame| &mut frame.kind) {
            None => self.root = Some(node),
            Some(FrameKind::Sequence(items)) => items.push(node),
            Some(FrameKind::Mapping(members, key)) => match key.take() {
                Some((key, key_at)) => members.push(Member { key, key_at, value: node }),
                None => return self.complex_key(node),
            },
        }
        Some(())
    }

    /// `200:` is the key "200": a key is its text, whatever the text would be as a value.
    fn key(&mut self, text: String, at: Position) -> Option<()> {
        if text == "<<" {
            self.faults.push(
                at,
                "the merge key `<<` is YAML 1.1",
                "write the members out, or refer to a shared part with `$ref`",
            );
        }
        if let Some(Frame { kind: FrameKind::Mapping(_, key), .. }) = self.frames.last_mut() {
            *key = Some((text, at));
        }
        Some(())
    }

    /// A key that had a tag, was an alias, or is no scalar at all.
    fn complex_key(&mut self, node: Node) -> Option<()> {
        let text = match node.value {
            Value::String(text) | Value::Number(text) => text,
            Value::Bool(value) => value.to_string(),
            _ => {
                self.faults.push(
                    node.at,
                    format!("a key cannot be {}", node.kind()),
                    "use a string as the key",
                );
                String::new()
            }
        };
        self.key(text, node.at)
    }

    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, at: Position) {
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && tag.suffix == expected)
        {
            self.bad_tag(tag, at);
        }
    }

    fn bad_tag(&mut self, tag: &Tag, at: Position) {
        let message = format!("the tag `{tag}` does not belong here");
        self.faults.push(
            at,
            message,
            "take it out; only the tags of the core schema have a meaning",
        );
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Value {
        let Some(tag) = tag else {
            return match style {
                ScalarStyle::Plain => self.plain(text, at),
                _ => Value::String(text.to_owned()),
            };
        };
        // `!` alone makes a string of anything.
        if (tag.is_yaml_core_schema() && tag.suffix == "str") || is_non_specific(tag) {
            return Value::String(text.to_owned());
        }
        let value = self.plain(text, at);
        let wanted = match &value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(lexeme) if lexeme.contains(['.', 'e', 'E']) => "float",
            Value::Number(_) if tag.suffix == "float" => "float",
            Value::Number(_) => "int",
            _ => "",
        };
        if !(tag.is_yaml_core_schema() && tag.suffix == wanted) {
            self.bad_tag(tag, at);
        }
        value
    }

    /// A scalar without quotes: what it looks like is what it is.
    fn plain(&mut self, text: &str, at: Position) -> Value {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
            "true" | "True" | "TRUE" => return Value::Bool(true),
            "false" | "False" | "FALSE" => return Value::Bool(false),
            _ => {}
        }
        if is_infinite_or_nan(text) {
            let message = format!("`{text}` has no JSON form");
            self.faults.push(at, message, "leave the bound out, or quote it if it is text");
        }
        match number(text) {
            Some(lexeme) => Value::Number(lexeme),
            None => Value::String(text.to_owned()),
        }
    }
}

fn is_infinite_or_nan(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// The tag `!` (YAML 1.2.2 §6.9.1), which the parser hands out as a suffix without a handle.
fn is_non_specific(tag: &Tag) -> bool {
    tag.handle.is_empty() && tag.suffix == "!"
}

/// The JSON lexeme of a number of the core schema; digits and exponent stay as written.
fn number(text: &str) -> Option<String> {
    if let Some(octal) = text.strip_prefix("0o") {
        return from_radix(octal, 8);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return from_radix(hex, 16);
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let exponent_digits = exponent.map(|e| e.strip_prefix(['-', '+']).unwrap_or(e));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let is_number = digits(whole)
        && fraction.is_none_or(digits)
        && !(whole.is_empty() && fraction.is_none_or(str::is_empty))
        && exponent_digits.is_none_or(|e| !e.is_empty() && digits(e));
    if !is_number {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let mut lexeme = format!("{sign}{whole}");
    if let Some(fraction) = fraction {
        lexeme.push('.');
        lexeme.push_str(if fraction.is_empty() { "0" } else { fraction });
    }
    if let Some(exponent) = exponent {
        lexeme.push('e');
        lexeme.push_str(exponent);
    }
    Some(lexeme)
}

/// `None` beyond 128 bits too: nobody writes such a number, and a string says what was there.
fn from_radix(digits: &str, radix: u32) -> Option<String> {
    let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    let value = if valid { u128::from_str_radix(digits, radix).ok() } else { None };
    value.map(|value| value.to_string())
}

/// How many values a node holds, itself included, and how many levels it nests.
fn extent(node: &Node) -> (usize, usize) {
    let add = |(values, depth): (usize, usize), inner: &Node| {
        let (v, d) = extent(inner);
        (values + v, depth.max(d + 1))
    };
    match &node.value {
        Value::Array(items) => items.iter().fold((1, 1), add),
        Value::Object(object) => object.iter().map(|member| &member.value).fold((1, 1), add),
        _ => (1, 0),
    }
}

/// The parser counts lines from 1 and columns from 0.
fn position(marker: Marker) -> Position {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (line, column) = (count(marker.line()).max(1), count(marker.col()).saturating_add(1));
    Position { line, column, document: 0 }
}

#[cfg(test)]
mod tests {
    use crate::tree::{Syntax, TreeLimits, parse};

    fn json(text: &str) -> String {
        match parse(text, Syntax::Yaml, TreeLimits::default()) {
            Ok(node) => node.to_json(),
            Err(faults) => {
                let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
                lines.join("\n")
            }
        }
    }

    #[test]
    fn plain_scalars_are_what_the_core_schema_says() {
        for (yaml, expected) in [
            ("~", "null"),
            ("null", "null"),
            ("True", "true"),
            ("yes", "\"yes\""),
            ("on", "\"on\""),
            ("0o14", "12"),
            ("0xfF", "255"),
            ("014", "14"),
            ("+1", "1"),
            ("-0", "-0"),
            ("1.10", "1.10"),
            ("12345678901234567890123", "12345678901234567890123"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("1E+3", "1e+3"),
            ("1_000", "\"1_000\""),
            ("1e", "\"1e\""),
            (".", "\".\""),
            ("3.0.3", "\"3.0.3\""),
            ("2026-11-23", "\"2026-11-23\""),
            ("'12'", "\"12\""),
            ("!!str 12", "\"12\""),
            ("! 12", "\"12\""),
            ("!!float 1", "1"),
            ("|\n  a\n  b\n", "\"a\\nb\\n\""),
            ("\"\\u00e9\\x41\"", "\"éA\""),
        ] {
            assert_eq!(json(yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn keys_are_text_and_come_once() {
        assert_eq!(json("200: a\ntrue: b\n'x': c\n"), r#"{"200":"a","true":"b","x":"c"}"#);
        let twice = json("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n");
        assert_eq!(
            twice,
            "4:3: the key `c` stands here a second time; keep one of the two\n\
             5:1: the key `a` stands here a second time; keep one of the two"
        );
        assert!(json("? [a]\n: b\n").starts_with("1:3: a key cannot be an array"));
        assert!(json("a: &x {b: 1}\nc:\n  <<: *x\n").starts_with("3:3: the merge key"));
    }

    #[test]
    fn aliases_repeat_values_within_bounds() {
        assert_eq!(json("a: &x [1, {b: 2}]\nc: *x\n"), r#"{"a":[1,{"b":2}],"c":[1,{"b":2}]}"#);
        assert_eq!(json("a: &k key\nb: {*k : 1}\n"), r#"{"a":"key","b":{"key":1}}"#);
        assert!(json("a: &x [*x]\n").contains("inside the value that it names"));

        let mut laughs = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let aliases = vec![format!("*l{}", n - 1); 10].join(", ");
            laughs.push_str(&format!("l{n}: &l{n} [{aliases}]\n"));
        }
        assert!(json(&laughs).contains("more than 2000000 values"));

        let mut deep = "d0: &d0 [x]\n".to_owned();
        for n in 1..120 {
            deep.push_str(&format!("d{n}: &d{n} [*d{}]\n", n - 1));
        }
        assert!(json(&deep).contains("levels deep"));
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        assert!(json("a: .inf").starts_with("1:4: `.inf` has no JSON form"));
        assert!(json("a: !mine b").contains("the tag `!mine` does not belong here"));
        assert!(json("a: !!int b").contains("does not belong here"));
        assert!(json("a: 1\n---\nb: 2\n").starts_with("2:1: a second YAML document"));
        assert!(json("a: [1\nb: 2").contains("this is not YAML"));
        // The parser stops this itself, before the builder would.
        assert!(json(&"[".repeat(10_000)).contains("this is not YAML"));
        let dashes = "- ".repeat(10_000);
        assert!(json(&dashes).contains("levels deep"));
    }
}
