//! YAML as a tree of places: every scalar keeps its text and where it stands.
//!
//! Only the plain part of YAML is read: maps with text keys, lists, scalars. Anchors, aliases,
//! tags and merge keys are refused, so a short file cannot stand for a long one. Size, depth and
//! number of nodes are bounded.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::fault::{Code, Span};

/// Bytes of a configuration file.
pub(crate) const BYTES_MAX: usize = 16 << 20;
/// Lists and maps inside each other.
const DEPTH_MAX: usize = 32;
/// Scalars, lists and maps in a file.
const NODES_MAX: usize = 1_000_000;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// A key without a value, `~` or `null`.
    Nothing,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

/// What the reader has to say about the text as YAML: code, place, message, cure.
pub(crate) type Remark = (Code, Span, String, String);

/// What came of a text.
pub(crate) struct Reading {
    /// The document; `None` where the text could not be followed to its end.
    pub(crate) root: Option<Node>,
    pub(crate) remarks: Vec<Remark>,
    /// Second values of keys that are there twice: not used, but shown when that is said.
    pub(crate) dropped: Vec<Entry>,
}

/// Reads a text to its end, or to where it stops making sense.
pub(crate) fn read(text: &str) -> Reading {
    let mut builder = Builder::default();
    let complete = builder.run(text);
    let root = if complete { builder.finish() } else { None };
    Reading { root, remarks: builder.remarks, dropped: builder.dropped }
}

enum Frame {
    List { span: Span, items: Vec<Node> },
    Map { span: Span, entries: Vec<Entry>, key: Option<(String, Span)>, seen: HashMap<String, u32> },
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    root: Option<Node>,
    documents: u32,
    nodes: usize,
    remarks: Vec<Remark>,
    dropped: Vec<Entry>,
}

impl Builder {
    /// `false` when the rest of the text cannot be trusted.
    fn run(&mut self, text: &str) -> bool {
        let mut parser = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok((event, span)) => (event, place(span)),
                Err(error) => {
                    let at = error.marker();
                    let span = Span::point(number(at.line()), number(at.col()) + 1);
                    self.syntax(text, span, error.info());
                    return false;
                }
            };
            if !self.take(event, span) {
                return false;
            }
        }
        true
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.remark(
                        Code::Document,
                        span,
                        "A second document begins here; one file is one configuration.",
                        "Take the `---` away, or move what follows it to a file of its own.",
                    );
                    return false;
                }
                true
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_yaml(anchor, tag.is_some(), span);
                let nothing = style == ScalarStyle::Plain && is_null(&text);
                let kind = if nothing { Kind::Nothing } else { Kind::Scalar(text.into_owned()) };
                self.node(Node { span, kind })
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_yaml(anchor, tag.is_some(), span);
                self.open(Frame::List { span, items: Vec::new() }, span)
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_yaml(anchor, tag.is_some(), span);
                let seen = HashMap::new();
                self.open(Frame::Map { span, entries: Vec::new(), key: None, seen }, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(_) => {
                self.remark(
                    Code::Feature,
                    span,
                    "This is a YAML alias (`*name`); aliases are not read here.",
                    "Write the value out in this place.",
                );
                self.node(Node { span, kind: Kind::Nothing })
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => true,
        }
    }

    /// Remarks on an anchor or a tag; the value itself is kept so that reading goes on.
    fn plain_yaml(&mut self, anchor: usize, tag: bool, span: Span) {
        if anchor > 0 {
            self.remark(
                Code::Feature,
                span,
                "This value has a YAML anchor (`&name`); anchors are not read here.",
                "Take the anchor away and write the value out wherever it is needed.",
            );
        }
        if tag {
            self.remark(
                Code::Feature,
                span,
                "This value has a YAML tag (`!name`); tags are not read here.",
                "Take the tag away; put the value in quotes if it begins with `!`.",
            );
        }
    }

    fn open(&mut self, frame: Frame, span: Span) -> bool {
        // A list or a map as a key: nothing here is called that.
        if let Some(Frame::Map { key: None, .. }) = self.stack.last() {
            self.remark(
                Code::Feature,
                span,
                "This key is a list or a group; keys are plain words here.",
                "Write `key: value`. If this was meant as `${NAME}`, put it in quotes.",
            );
            return false;
        }
        if self.stack.len() >= DEPTH_MAX {
            self.too_deep(span);
            return false;
        }
        self.stack.push(frame);
        true
    }

    fn close(&mut self) -> bool {
        let node = match self.stack.pop() {
            Some(Frame::List { span, items }) => Node { span, kind: Kind::List(items) },
            Some(Frame::Map { span, entries, .. }) => {
                // A block map is announced where its first value stands: its first key is better.
                let place = |span: Span| (span.line, span.column);
                let first = entries.first().map(|entry| entry.key_span);
                let span = first.filter(|key| place(*key) <= place(span)).unwrap_or(span);
                Node { span, kind: Kind::Map(entries) }
            }
            None => return true,
        };
        self.node(node)
    }

    fn node(&mut self, mut node: Node) -> bool {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            self.remark(
                Code::TooLarge,
                node.span,
                &format!("The file has more than {NODES_MAX} values."),
                "Split the configuration over several gateways.",
            );
            return false;
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { entries, key, seen, .. }) => match key.take() {
                None => {
                    let text = match node.kind {
                        Kind::Scalar(text) => text,
                        Kind::Nothing | Kind::List(_) | Kind::Map(_) => String::new(),
                    };
                    *key = Some((text, node.span));
                }
                Some((name, key_span)) => {
                    if matches!(node.kind, Kind::Nothing) {
                        node.span = key_span;
                    }
                    if name == "<<" {
                        if !matches!(node.kind, Kind::Nothing) {
                            self.remark(
                                Code::Feature,
                                key_span,
                                "This is a YAML merge key (`<<`); merge keys are not read here.",
                                "Write the keys out in this place.",
                            );
                        }
                        // An alias was remarked on where it stands.
                        return true;
                    }
                    let first = *seen.entry(name.clone()).or_insert(key_span.line);
                    let entry = Entry { key: name, key_span, value: node };
                    if entries.len() + 1 == seen.len() {
                        entries.push(entry);
                    } else {
                        let shown = super::walk::shown_word(&entry.key);
                        self.dropped.push(entry);
                        self.remark(
                            Code::DuplicateKey,
                            key_span,
                            &format!("The key {shown} is here twice; line {first} has the first."),
                            "Keep one of the two.",
                        );
                    }
                }
            },
        }
        true
    }

    fn finish(&mut self) -> Option<Node> {
        match self.root.take() {
            Some(Node { kind: Kind::Nothing, .. }) | None => {
                self.remark(
                    Code::Document,
                    Span::default(),
                    "The file says nothing: it is empty or holds comments only.",
                    "Begin with `version: 1`, then `apis:` and what you want to put on the air.",
                );
                None
            }
            root => root,
        }
    }

    /// What the parser says is exact but terse; the usual reasons are added.
    fn syntax(&mut self, text: &str, span: Span, info: &str) {
        if info.contains("recursion limit") {
            self.too_deep(span);
            return;
        }
        let (line, span) = said_line(text, span);
        let flow = line.contains(['[', '{']);
        let cure = if line.contains("${") && flow {
            "Inside [ ] and { } a `${NAME}` needs quotes: \"${NAME}\"."
        } else if line.trim_start_matches(' ').starts_with('\t') {
            "The line begins with a tab: indent with spaces."
        } else if info.contains("quoted scalar") {
            "Look for a quotation mark that is opened and never closed."
        } else if info.contains("flow") || info.contains("',' or ']'") || info.contains("'}'") {
            "Look for a bracket or a comma that is missing, here or in the lines above."
        } else {
            "Look at the indentation, at missing colons (`key: value` needs the space) and at \
             values that need quotes, here and in the line above."
        };
        self.remark(Code::Syntax, span, &format!("This is not YAML: {info}."), cure);
    }

    fn too_deep(&mut self, span: Span) {
        self.remark(
            Code::TooLarge,
            span,
            &format!("More than {DEPTH_MAX} lists and groups are inside each other."),
            "No setting needs that depth; look for brackets that are never closed.",
        );
    }

    fn remark(&mut self, code: Code, span: Span, message: &str, cure: &str) {
        if self.remarks.len() <= super::fault::Faults::KEPT_MAX {
            self.remarks.push((code, span, message.to_owned(), cure.to_owned()));
        }
    }
}

/// The line a syntax fault is about. The end of a file is a poor place to point at: the last line
/// that says something is better.
fn said_line(text: &str, span: Span) -> (&str, Span) {
    let lines: Vec<&str> = text.lines().take(span.line as usize).collect();
    let at = (span.line as usize).wrapping_sub(1);
    if let Some(line) = lines.get(at).filter(|line| !line.trim().is_empty()) {
        return (line, span);
    }
    let last = lines.iter().rposition(|line| !line.trim().is_empty());
    match last.and_then(|index| lines.get(index).map(|line| (index, line))) {
        Some((index, line)) => {
            let column = number(line.trim_end().chars().count());
            (line, Span::point(number(index) + 1, column.max(1)))
        }
        None => ("", Span::point(1, 1)),
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn place(span: saphyr_parser::Span) -> Span {
    Span {
        line: number(span.start.line()),
        column: number(span.start.col()) + 1,
        end_line: number(span.end.line()),
        end_column: number(span.end.col()) + 1,
    }
}

/// A file of at most 16 MiB has fewer lines than a `u32` holds.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<Code> {
        read(text).remarks.iter().map(|remark| remark.0).collect()
    }

    #[test]
    fn a_scalar_knows_where_it_stands() {
        let root = read("a:\n  - b: { c: déjà, d: 'e' }\n").root.unwrap();
        let Kind::Map(entries) = root.kind else { panic!() };
        let Kind::List(items) = &entries[0].value.kind else { panic!() };
        let Kind::Map(item) = &items[0].kind else { panic!() };
        assert_eq!((items[0].span.line, items[0].span.column), (2, 5));
        let Kind::Map(inner) = &item[0].value.kind else { panic!() };
        let Kind::Scalar(text) = &inner[0].value.kind else { panic!() };
        assert_eq!(text, "déjà");
        let span = inner[0].value.span;
        assert_eq!((span.line, span.column, span.end_line, span.end_column), (2, 13, 2, 17));
        assert_eq!(inner[1].key_span.column, 19);
    }

    #[test]
    fn f18_a_bomb_of_aliases_is_refused_and_not_expanded() {
        let mut text = String::from("a0: &a0 [x]\n");
        for n in 1..20 {
            text += &format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1);
        }
        assert!(codes(&text).iter().all(|code| *code == Code::Feature));
        assert!(!codes(&text).is_empty());
    }

    #[test]
    fn f18_depth_is_bounded() {
        let deep = |n: usize| format!("a: {}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(codes(&deep(DEPTH_MAX - 1)), []);
        assert_eq!(codes(&deep(DEPTH_MAX)), [Code::TooLarge]);
        assert_eq!(codes(&"[".repeat(100_000)), [Code::TooLarge]);
    }

    #[test]
    fn one_document_and_each_key_once() {
        assert_eq!(codes("a: 1\n---\nb: 2\n"), [Code::Document]);
        assert_eq!(codes("a: 1\nb: 2\na: 3\n"), [Code::DuplicateKey]);
        assert_eq!(codes("# nothing\n"), [Code::Document]);
        assert_eq!(codes(""), [Code::Document]);
        assert_eq!(codes("---\na: 1\n...\n"), []);
    }
}
