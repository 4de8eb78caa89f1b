//! Regular expressions of XML Schema (Part 2, Appendix F): read strictly, run in linear time, carried over to JSON Schema.
//!
//! [`parse`](parse::parse) knows the grammar, [`sets`] what the classes contain; the engine is `regex-automata`, which
//! never backtracks and whose size is limited, so that no pattern and no value can make it run away.

use std::fmt;
use std::sync::Arc;

use regex_automata::meta;
use regex_syntax::hir::{Class, Hir, Look, Repetition};

mod blocks;
mod ecma;
mod parse;
mod sample;
mod sets;
#[cfg(test)]
mod tests;

/// The memory, in bytes, that one compiled pattern may take.
const SIZE: usize = 4 << 20;

/// A compiled pattern, or several of which one has to match. It matches whole values only.
#[derive(Clone)]
pub struct Regex {
    engine: meta::Regex,
    node: Arc<parse::Node>,
    ecma: Option<String>,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at character {at} of '{pattern}')")]
pub struct RegexFault {
    /// The pattern as written.
    pub pattern: String,
    /// Position in it, in characters from 1.
    pub at: usize,
    /// What is wrong.
    pub reason: String,
}

impl Regex {
    /// Compiles one pattern.
    pub fn new(pattern: &str) -> Result<Self, RegexFault> {
        Self::any_of(&[pattern.to_owned()])
    }

    /// Compiles the patterns of one derivation step: a value matches if one of them does.
    pub fn any_of(patterns: &[String]) -> Result<Self, RegexFault> {
        let mut nodes =
            patterns.iter().map(|pattern| parse::parse(pattern)).collect::<Result<Vec<_>, _>>()?;
        let node = if nodes.len() == 1 { nodes.remove(0) } else { parse::Node::Alternate(nodes) };
        let whole = Hir::concat(vec![Hir::look(Look::Start), hir(&node), Hir::look(Look::End)]);
        // A value is looked at from its first byte to its last: there is nothing to search for, so no prefilter.
        let config = meta::Config::new()
            .nfa_size_limit(Some(SIZE))
            .hybrid_cache_capacity(SIZE / 4)
            .auto_prefilter(false);
        let engine =
            meta::Regex::builder().configure(config).build_from_hir(&whole).map_err(|fault| {
                RegexFault {
                    pattern: patterns.join("|"),
                    at: 1,
                    reason: fault.size_limit().map_or_else(
                        || fault.to_string(),
                        |limit| format!("takes more than {limit} bytes once compiled"),
                    ),
                }
            })?;
        let ecma = ecma::translate(&node).map(|body| format!("^(?:{body})$"));
        Ok(Self { engine, node: Arc::new(node), ecma })
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.engine.is_match(text)
    }

    /// A text that matches, by a source of numbers below a limit: usually short, and of characters that can be read.
    #[must_use]
    pub fn sample(&self, pick: &mut dyn FnMut(usize) -> usize) -> String {
        let mut out = String::new();
        sample::write(&self.node, pick, &mut out);
        out
    }

    /// The same in ECMA-262 syntax (with the `u` flag), anchored; `None` where that cannot say it.
    #[must_use]
    pub fn ecma(&self) -> Option<&str> {
        self.ecma.as_deref()
    }
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Regex({})", self.ecma().unwrap_or("…"))
    }
}

fn hir(node: &parse::Node) -> Hir {
    match node {
        parse::Node::Empty => Hir::empty(),
        parse::Node::Char(c) => Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes()),
        parse::Node::Class(class) => Hir::class(Class::Unicode(sets::class_set(class))),
        parse::Node::Concat(pieces) => Hir::concat(pieces.iter().map(hir).collect()),
        parse::Node::Alternate(branches) => Hir::alternation(branches.iter().map(hir).collect()),
        parse::Node::Repeat { node, least, most } => Hir::repetition(Repetition {
            min: *least,
            max: *most,
            greedy: true,
            sub: Box::new(hir(node)),
        }),
    }
}
