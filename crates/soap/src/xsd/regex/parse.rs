//! Reads a pattern by the grammar of XML Schema Part 2, Appendix F, and nothing beyond it.
//!
//! `^` and `$` are ordinary characters, there are no lazy quantifiers, groups do not capture, and a brace, bracket or
//! dash stands only where the grammar puts it.

use super::RegexFault;
use super::blocks::block;

/// A pattern, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Matches the empty text.
    Empty,
    Char(char),
    Class(Class),
    Concat(Vec<Self>),
    Alternate(Vec<Self>),
    Repeat {
        node: Box<Self>,
        least: u32,
        most: Option<u32>,
    },
}

/// A set of characters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Class {
    pub(super) negated: bool,
    pub(super) items: Vec<Item>,
    /// What a `-[…]` at the end takes away.
    pub(super) minus: Option<Box<Self>>,
}

/// A member of a character class.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    Range(char, char),
    Escape(Escape),
}

/// A class escape, with whether it is the complement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Escape {
    /// `.`
    Any,
    /// `\s \S`
    Space(bool),
    /// `\i \I`
    NameStart(bool),
    /// `\c \C`
    NameChar(bool),
    /// `\d \D`
    Digit(bool),
    /// `\w \W`
    Word(bool),
    /// `\p{Lu}`
    Category(bool, &'static str),
    /// `\p{IsBasicLatin}`
    Block(bool, u32, u32),
}

/// Groups and class subtractions inside each other; deeper patterns are refused.
const DEPTH: usize = 100;
/// A larger count can never be met by a text that passes the limits on messages.
const COUNT: u32 = 1_000_000;

/// The categories of Unicode that may be named; there is no Cs, since no character has it.
const CATEGORIES: [&str; 36] = [
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc",
    "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Z", "Zs", "Zl", "Zp", "S", "Sm", "Sc", "Sk", "So", "C",
    "Cc", "Cf", "Co", "Cn",
];

pub(super) fn parse(pattern: &str) -> Result<Node, RegexFault> {
    let mut parser = Parser { chars: pattern.chars().collect(), at: 0, depth: 0 };
    let parsed = parser.alternatives().and_then(|node| match parser.peek() {
        None => Ok(node),
        Some(c) => Err(format!("'{c}' has nothing to close")),
    });
    parsed.map_err(|reason| RegexFault { pattern: pattern.to_owned(), at: parser.at + 1, reason })
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, String>;

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn peek_after(&self, steps: usize) -> Option<char> {
        self.chars.get(self.at + steps).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            Err(format!("more than {DEPTH} groups inside each other"))
        } else {
            Ok(())
        }
    }

    fn alternatives(&mut self) -> Parsed<Node> {
        let mut branches = vec![self.branch()?];
        while self.accept('|') {
            branches.push(self.branch()?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Alternate(branches) })
    }

    fn branch(&mut self) -> Parsed<Node> {
        let mut pieces = Vec::new();
        while self.peek().is_some_and(|c| c != '|' && c != ')') {
            let atom = self.atom()?;
            pieces.push(self.quantified(atom)?);
        }
        Ok(match pieces.len() {
            0 => Node::Empty,
            1 => pieces.remove(0),
            _ => Node::Concat(pieces),
        })
    }

    fn atom(&mut self) -> Parsed<Node> {
        match self.take() {
            Some('(') => {
                self.deeper()?;
                let inner = self.alternatives()?;
                if !self.accept(')') {
                    return Err("a group is not closed".to_owned());
                }
                self.depth -= 1;
                Ok(inner)
            }
            Some('[') => self.class().map(Node::Class),
            Some('.') => Ok(escape_node(Escape::Any)),
            Some('\\') => Ok(match self.escape()? {
                Escaped::Char(c) => Node::Char(c),
                Escaped::Class(escape) => escape_node(escape),
            }),
            Some(c @ ('?' | '*' | '+')) => Err(format!("'{c}' has nothing to repeat")),
            Some(c @ ('{' | '}' | ']')) => Err(format!("'{c}' has to be escaped here")),
            Some(c) => Ok(Node::Char(c)),
            None => Err("the pattern ends too early".to_owned()),
        }
    }

    fn quantified(&mut self, atom: Node) -> Parsed<Node> {
        let (least, most) = match self.peek() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => {
                self.at += 1;
                let counts = self.counts()?;
                return Ok(Node::Repeat { node: Box::new(atom), least: counts.0, most: counts.1 });
            }
            _ => return Ok(atom),
        };
        self.at += 1;
        Ok(Node::Repeat { node: Box::new(atom), least, most })
    }

    /// `n}`, `n,}` or `n,m}`
    fn counts(&mut self) -> Parsed<(u32, Option<u32>)> {
        let least = self.count()?;
        let most = if !self.accept(',') {
            Some(least)
        } else if self.peek() == Some('}') {
            None
        } else {
            Some(self.count()?)
        };
        if !self.accept('}') {
            return Err("a count is not closed".to_owned());
        }
        if most.is_some_and(|most| most < least) {
            return Err("the counts are in the wrong order".to_owned());
        }
        Ok((least, most))
    }

    fn count(&mut self) -> Parsed<u32> {
        let mut number: Option<u32> = None;
        while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
            self.at += 1;
            let digit = digit.to_digit(10).unwrap_or(0);
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit).min(COUNT));
        }
        number.ok_or_else(|| "a count is missing".to_owned())
    }

    /// After `[`, up to and with its `]`.
    fn class(&mut self) -> Parsed<Class> {
        self.deeper()?;
        let negated = self.accept('^');
        let mut class = Class { negated, items: Vec::new(), minus: None };
        loop {
            match self.peek() {
                None => return Err("a character class is not closed".to_owned()),
                Some(']') if class.items.is_empty() => {
                    return Err("a character class is empty".to_owned());
                }
                Some(']') => {
                    self.at += 1;
                    break;
                }
                Some('-') if self.peek_after(1) == Some('[') && !class.items.is_empty() => {
                    self.at += 2;
                    class.minus = Some(Box::new(self.class()?));
                    if !self.accept(']') {
                        return Err("a subtraction has to end its class".to_owned());
                    }
                    break;
                }
                Some(_) => {
                    let item = self.class_item(class.items.is_empty())?;
                    class.items.push(item);
                }
            }
        }
        self.depth -= 1;
        Ok(class)
    }

    fn class_item(&mut self, first: bool) -> Parsed<Item> {
        let (low, escaped) = match self.take() {
            Some('[') => return Err("'[' has to be escaped in a class".to_owned()),
            Some('\\') => match self.escape()? {
                Escaped::Char(c) => (c, true),
                Escaped::Class(escape) => return Ok(Item::Escape(escape)),
            },
            Some(c) => (c, false),
            None => return Err("a character class is not closed".to_owned()),
        };
        if low == '-' && !escaped {
            // A dash stands for itself at either end of its class only.
            return if first || matches!(self.peek(), Some(']')) || self.subtraction_follows() {
                Ok(Item::Range('-', '-'))
            } else {
                Err("'-' has to be first or last in its class, or escaped".to_owned())
            };
        }
        if self.peek() != Some('-') || matches!(self.peek_after(1), Some(']' | '[') | None) {
            return Ok(Item::Range(low, low));
        }
        self.at += 1;
        let high = match self.take() {
            Some('\\') => match self.escape()? {
                Escaped::Char(c) => c,
                Escaped::Class(_) => return Err("a range has to end in a character".to_owned()),
            },
            // `[a--[b]]` takes b from a and the dash.
            Some('-') => return Err("a range cannot end in '-'".to_owned()),
            Some(c) => c,
            None => return Err("a range has no end".to_owned()),
        };
        if high < low {
            return Err(format!("the range {low}-{high} is in the wrong order"));
        }
        Ok(Item::Range(low, high))
    }

    fn subtraction_follows(&self) -> bool {
        self.peek() == Some('-') && self.peek_after(1) == Some('[')
    }

    /// After a backslash.
    fn escape(&mut self) -> Parsed<Escaped> {
        let c = self.take().ok_or("a backslash ends the pattern")?;
        Ok(match c {
            'n' => Escaped::Char('\n'),
            'r' => Escaped::Char('\r'),
            't' => Escaped::Char('\t'),
            '\\' | '|' | '.' | '?' | '*' | '+' | '(' | ')' | '{' | '}' | '-' | '[' | ']' | '^' => {
                Escaped::Char(c)
            }
            's' | 'S' => Escaped::Class(Escape::Space(c == 'S')),
            'i' | 'I' => Escaped::Class(Escape::NameStart(c == 'I')),
            'c' | 'C' => Escaped::Class(Escape::NameChar(c == 'C')),
            'd' | 'D' => Escaped::Class(Escape::Digit(c == 'D')),
            'w' | 'W' => Escaped::Class(Escape::Word(c == 'W')),
            'p' | 'P' => Escaped::Class(self.property(c == 'P')?),
            _ => return Err(format!("'\\{c}' is no escape of XML Schema")),
        })
    }

    /// After `\p` or `\P`.
    fn property(&mut self, negated: bool) -> Parsed<Escape> {
        if !self.accept('{') {
            return Err("\\p needs a name in braces".to_owned());
        }
        let mut name = String::new();
        loop {
            match self.take() {
                Some('}') => break,
                Some(c) => name.push(c),
                None => return Err("a property name is not closed".to_owned()),
            }
        }
        if let Some(category) = CATEGORIES.iter().find(|c| **c == name) {
            return Ok(Escape::Category(negated, category));
        }
        let found = name.strip_prefix("Is").and_then(block);
        found
            .map(|(first, last)| Escape::Block(negated, first, last))
            .ok_or_else(|| format!("'{name}' is neither a category nor a block of Unicode"))
    }
}

enum Escaped {
    Char(char),
    Class(Escape),
}

fn escape_node(escape: Escape) -> Node {
    Node::Class(Class { negated: false, items: vec![Item::Escape(escape)], minus: None })
}
