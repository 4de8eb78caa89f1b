//! Character classes as sets of code points.

use std::sync::OnceLock;

use regex_syntax::hir::{Class as HirClass, ClassUnicode, ClassUnicodeRange, HirKind};

use super::parse::{Class, Escape, Item};
use crate::xsd::values::{is_name_char, is_name_start};

/// The set that a class stands for.
pub(super) fn class_set(class: &Class) -> ClassUnicode {
    let mut set = ClassUnicode::empty();
    for item in &class.items {
        match item {
            Item::Range(low, high) => set.push(ClassUnicodeRange::new(*low, *high)),
            Item::Escape(escape) => set.union(&escape_set(escape)),
        }
    }
    if class.negated {
        set.negate();
    }
    if let Some(minus) = &class.minus {
        set.difference(&class_set(minus));
    }
    set
}

fn escape_set(escape: &Escape) -> ClassUnicode {
    let (negated, mut set) = match escape {
        Escape::Any => (true, ranges(&[('\n', '\n'), ('\r', '\r')])),
        Escape::Space(negated) => (*negated, ranges(&[('\t', '\n'), ('\r', '\r'), (' ', ' ')])),
        Escape::NameStart(negated) => (*negated, name_start().clone()),
        Escape::NameChar(negated) => (*negated, name_char().clone()),
        Escape::Digit(negated) => (*negated, unicode("\\p{Nd}")),
        Escape::Word(negated) => (*negated, unicode("[^\\p{P}\\p{Z}\\p{C}]")),
        Escape::Category(negated, name) => (*negated, unicode(&format!("\\p{{{name}}}"))),
        Escape::Block(negated, first, last) => (*negated, block_set(*first, *last)),
    };
    if negated {
        set.negate();
    }
    set
}

/// A block; what of it are surrogates is no character.
pub(super) fn block_set(first: u32, last: u32) -> ClassUnicode {
    let mut set = ClassUnicode::empty();
    if let (Some(first), Some(last)) = (char::from_u32(first), char::from_u32(last)) {
        set.push(ClassUnicodeRange::new(first, last));
    }
    set
}

fn ranges(pairs: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(pairs.iter().map(|&(low, high)| ClassUnicodeRange::new(low, high)))
}

/// A class in the syntax of the engine.
fn unicode(source: &str) -> ClassUnicode {
    let parsed = regex_syntax::parse(source);
    match parsed.as_ref().map(|hir| hir.kind()) {
        Ok(HirKind::Class(HirClass::Unicode(set))) => set.clone(),
        // The categories that have one member come back as that character.
        Ok(HirKind::Literal(literal)) => {
            let text = str::from_utf8(&literal.0).unwrap_or("");
            ClassUnicode::new(text.chars().map(|c| ClassUnicodeRange::new(c, c)))
        }
        _ => {
            debug_assert!(false, "the engine knows {source}");
            ClassUnicode::empty()
        }
    }
}

fn name_start() -> &'static ClassUnicode {
    static SET: OnceLock<ClassUnicode> = OnceLock::new();
    SET.get_or_init(|| predicate(is_name_start))
}

fn name_char() -> &'static ClassUnicode {
    static SET: OnceLock<ClassUnicode> = OnceLock::new();
    SET.get_or_init(|| predicate(is_name_char))
}

fn predicate(holds: fn(char) -> bool) -> ClassUnicode {
    let mut set = Vec::new();
    let mut open: Option<(char, char)> = None;
    for c in '\0'..=char::MAX {
        match (holds(c), open) {
            (true, None) => open = Some((c, c)),
            (true, Some((first, _))) => open = Some((first, c)),
            (false, Some((first, last))) => {
                set.push(ClassUnicodeRange::new(first, last));
                open = None;
            }
            (false, None) => {}
        }
    }
    set.extend(open.map(|(first, last)| ClassUnicodeRange::new(first, last)));
    ClassUnicode::new(set)
}
