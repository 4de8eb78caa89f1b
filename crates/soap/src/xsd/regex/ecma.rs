//! A pattern in the syntax of ECMA-262 with the `u` flag, as JSON Schema wants it.

use std::fmt::Write as _;

use regex_syntax::hir::ClassUnicode;

use super::parse::{Class, Escape, Item, Node};
use super::sets::{block_set, class_set};
use crate::xsd::values::{is_name_char, is_name_start};

/// Sets with more ranges than this make no pattern that anybody wants to read.
const RANGES: usize = 200;

/// `None` where it cannot be said, or only at unreasonable length.
pub(super) fn translate(node: &Node) -> Option<String> {
    let mut out = String::new();
    write_node(node, &mut out)?;
    Some(out)
}

fn write_node(node: &Node, out: &mut String) -> Option<()> {
    match node {
        Node::Empty => {}
        Node::Char(c) => write_char(*c, out),
        Node::Class(class) => write_class(class, out)?,
        Node::Concat(pieces) => {
            for piece in pieces {
                match piece {
                    Node::Alternate(_) => group(piece, out)?,
                    _ => write_node(piece, out)?,
                }
            }
        }
        Node::Alternate(branches) => {
            for (at, branch) in branches.iter().enumerate() {
                if at > 0 {
                    out.push('|');
                }
                write_node(branch, out)?;
            }
        }
        Node::Repeat { node, least, most } => {
            match **node {
                Node::Char(_) | Node::Class(_) => write_node(node, out)?,
                _ => group(node, out)?,
            }
            match (*least, *most) {
                (0, Some(1)) => out.push('?'),
                (0, None) => out.push('*'),
                (1, None) => out.push('+'),
                (least, None) => write!(out, "{{{least},}}").ok()?,
                (least, Some(most)) if least == most => write!(out, "{{{least}}}").ok()?,
                (least, Some(most)) => write!(out, "{{{least},{most}}}").ok()?,
            }
        }
    }
    Some(())
}

fn group(node: &Node, out: &mut String) -> Option<()> {
    out.push_str("(?:");
    write_node(node, out)?;
    out.push(')');
    Some(())
}

fn write_class(class: &Class, out: &mut String) -> Option<()> {
    if class.minus.is_some() {
        return write_set(&class_set(class), out);
    }
    // A lone escape reads better without brackets.
    if let ([Item::Escape(escape)], false) = (class.items.as_slice(), class.negated) {
        match escape {
            Escape::Digit(negated) => return property(*negated, "Nd", out),
            Escape::Category(negated, name) => return property(*negated, name, out),
            Escape::Any => {
                out.push_str("[^\\n\\r]");
                return Some(());
            }
            Escape::Word(negated) => {
                out.push_str(if *negated {
                    "[\\p{P}\\p{Z}\\p{C}]"
                } else {
                    "[^\\p{P}\\p{Z}\\p{C}]"
                });
                return Some(());
            }
            _ => {}
        }
    }
    // A complement inside a larger class has to be spelled out, except where ECMA has an escape for it.
    let said = class.items.iter().all(|item| {
        matches!(
            item,
            Item::Range(..)
                | Item::Escape(
                    Escape::Digit(_)
                        | Escape::Category(..)
                        | Escape::Space(false)
                        | Escape::NameStart(false)
                        | Escape::NameChar(false)
                        | Escape::Block(false, ..)
                )
        )
    });
    if !said {
        return write_set(&class_set(class), out);
    }
    out.push_str(if class.negated { "[^" } else { "[" });
    for item in &class.items {
        match item {
            Item::Range(low, high) => write_range(*low, *high, out),
            Item::Escape(escape) => write_item(escape, out)?,
        }
    }
    out.push(']');
    Some(())
}

fn write_item(escape: &Escape, out: &mut String) -> Option<()> {
    match escape {
        Escape::Digit(negated) => property(*negated, "Nd", out)?,
        Escape::Category(negated, name) => property(*negated, name, out)?,
        Escape::Space(_) => out.push_str(" \\t\\n\\r"),
        Escape::NameStart(_) => out.push_str(&spelled(is_name_start)),
        Escape::NameChar(_) => out.push_str(&spelled(is_name_char)),
        Escape::Block(_, first, last) => write_ranges(&block_set(*first, *last), out)?,
        Escape::Any | Escape::Word(_) => return None,
    }
    Some(())
}

fn spelled(holds: fn(char) -> bool) -> String {
    let escape = if holds('-') { Escape::NameChar(false) } else { Escape::NameStart(false) };
    let class = Class { negated: false, items: vec![Item::Escape(escape)], minus: None };
    let mut out = String::new();
    for range in class_set(&class).ranges() {
        write_range(range.start(), range.end(), &mut out);
    }
    out
}

fn property(negated: bool, name: &str, out: &mut String) -> Option<()> {
    let letter = if negated { 'P' } else { 'p' };
    write!(out, "\\{letter}{{{name}}}").ok()
}

fn write_set(set: &ClassUnicode, out: &mut String) -> Option<()> {
    let mut turned = set.clone();
    turned.negate();
    let negated = turned.ranges().len() < set.ranges().len();
    out.push_str(if negated { "[^" } else { "[" });
    write_ranges(if negated { &turned } else { set }, out)?;
    out.push(']');
    Some(())
}

fn write_ranges(set: &ClassUnicode, out: &mut String) -> Option<()> {
    if set.ranges().len() > RANGES {
        return None;
    }
    for range in set.ranges() {
        write_range(range.start(), range.end(), out);
    }
    Some(())
}

fn write_range(low: char, high: char, out: &mut String) {
    write_char_in_class(low, out);
    if low != high {
        if u32::from(high) > u32::from(low) + 1 {
            out.push('-');
        }
        write_char_in_class(high, out);
    }
}

fn write_char(c: char, out: &mut String) {
    if matches!(
        c,
        '\\' | '^' | '$' | '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '/'
    ) {
        out.push('\\');
    }
    write_plain(c, out);
}

fn write_char_in_class(c: char, out: &mut String) {
    if matches!(c, '\\' | '^' | '-' | '[' | ']') {
        out.push('\\');
    }
    write_plain(c, out);
}

fn write_plain(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        ' '..='~' => out.push(c),
        // Printable letters stay as they are; what nobody could see or tell apart is escaped.
        _ if c.is_alphanumeric() && u32::from(c) <= 0xFFFF => out.push(c),
        _ if u32::from(c) <= 0xFFFF => {
            let _ = write!(out, "\\u{:04X}", u32::from(c));
        }
        _ => {
            let _ = write!(out, "\\u{{{:X}}}", u32::from(c));
        }
    }
}
