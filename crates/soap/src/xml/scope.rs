//! Which namespaces prefixes stand for, element by element (Namespaces in XML 1.0).

use super::trouble::{Result, Trouble};
use crate::{
    Limits,
    name::{NsId, Symbols, XML, XMLNS, hash, same},
};

/// The declarations in scope. Their number is bounded, so looking through all of them is, too.
#[derive(Debug)]
pub(super) struct Scope<'s> {
    symbols: &'s Symbols,
    bindings: Vec<Binding>,
    /// The prefixes of the bindings, one after the other.
    prefixes: String,
    /// The namespaces that `symbols` does not know: where each ends in `uris`, and its hash.
    foreign: Vec<(usize, usize)>,
    uris: String,
    default: NsId,
}

#[derive(Debug)]
struct Binding {
    /// Where its prefix begins; it ends where the next one's begins.
    prefix: usize,
    /// Its prefix's hash: most comparisons end with it.
    hash: usize,
    namespace: NsId,
    /// The default namespace that it hides, when it declares one.
    hidden: NsId,
    /// How many foreign namespaces there were before it.
    foreign: usize,
}

/// A number of declarations to go back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(usize);

impl<'s> Scope<'s> {
    pub(super) fn new(symbols: &'s Symbols) -> Self {
        Self {
            symbols,
            bindings: Vec::with_capacity(8),
            prefixes: String::with_capacity(32),
            foreign: Vec::new(),
            uris: String::new(),
            default: NsId::NONE,
        }
    }

    pub(super) fn symbols(&self) -> &'s Symbols {
        self.symbols
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.bindings.len())
    }

    /// Forgets what was declared since.
    #[inline]
    pub(super) fn reset(&mut self, mark: Mark) {
        while self.bindings.len() > mark.0 {
            let Some(binding) = self.bindings.pop() else { return };
            if binding.prefix == self.prefixes.len() {
                self.default = binding.hidden;
            }
            self.prefixes.truncate(binding.prefix);
            self.foreign.truncate(binding.foreign);
            self.uris.truncate(self.foreign.last().map_or(0, |(end, _)| *end));
        }
    }

    /// Takes up a declaration; the empty prefix is the default namespace's. One that changes nothing is not kept.
    pub(super) fn declare(
        &mut self,
        prefix: &str,
        uri: &str,
        limits: &Limits,
        at: usize,
    ) -> Result<()> {
        allowed(prefix, uri, at)?;
        if prefix == "xml" || self.resolve(prefix).is_some_and(|id| self.uri(id) == uri) {
            return Ok(());
        }
        if self.bindings.len() >= limits.declarations_in_scope as usize {
            return Trouble::limit(at, "namespaces in scope", limits.declarations_in_scope);
        }
        let foreign = self.foreign.len();
        let namespace = self.id(uri);
        let hidden = self.default;
        if prefix.is_empty() {
            self.default = namespace;
        }
        let hash = hash(NsId::NONE, prefix.as_bytes());
        let begin = self.prefixes.len();
        self.bindings.push(Binding { prefix: begin, hash, namespace, hidden, foreign });
        self.prefixes.push_str(prefix);
        Ok(())
    }

    /// The namespace that a prefix stands for; the default one for the empty prefix.
    #[inline]
    pub(super) fn resolve(&self, prefix: &str) -> Option<NsId> {
        if prefix.is_empty() {
            return Some(self.default);
        }
        let wanted = hash(NsId::NONE, prefix.as_bytes());
        for (index, binding) in self.bindings.iter().enumerate().rev() {
            if binding.hash == wanted && same(self.prefix(index).as_bytes(), prefix.as_bytes()) {
                return Some(binding.namespace);
            }
        }
        (prefix == "xml").then_some(NsId::XML)
    }

    pub(super) fn uri(&self, namespace: NsId) -> &str {
        let known = self.symbols.namespaces();
        if namespace.index() < known {
            return self.symbols.uri(namespace);
        }
        self.foreign_uri(namespace.index() - known)
    }

    /// What was declared since, as prefix and namespace.
    pub(super) fn declared_since(&self, mark: Mark) -> impl Iterator<Item = (&str, &str)> {
        let all = self.bindings.iter().enumerate().skip(mark.0);
        all.map(|(index, binding)| (self.prefix(index), self.uri(binding.namespace)))
    }

    /// Everything in scope, innermost first, each prefix once.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.bindings.iter().enumerate().rev();
        let current = all.filter(|(index, _)| {
            let prefix = self.prefix(*index);
            !(index + 1..self.bindings.len()).any(|later| self.prefix(later) == prefix)
        });
        current
            .map(|(index, binding)| (self.prefix(index), self.uri(binding.namespace)))
            .filter(|(_, uri)| !uri.is_empty())
    }

    fn prefix(&self, index: usize) -> &str {
        let end = self.bindings.get(index + 1).map_or(self.prefixes.len(), |next| next.prefix);
        let start = self.bindings.get(index).map_or(end, |binding| binding.prefix);
        self.prefixes.get(start..end).unwrap_or_default()
    }

    fn foreign_uri(&self, index: usize) -> &str {
        let start = index.checked_sub(1).and_then(|before| self.foreign.get(before)).copied();
        let end = self.foreign.get(index).copied().unwrap_or_default();
        self.uris.get(start.unwrap_or_default().0..end.0).unwrap_or_default()
    }

    /// The number of a namespace: two that are spelled the same have the same.
    fn id(&mut self, uri: &str) -> NsId {
        if let Some(id) = self.symbols.namespace(uri) {
            return id;
        }
        let known = self.symbols.namespaces();
        let hash = hash(NsId::NONE, uri.as_bytes());
        let mut same = self.foreign.iter().enumerate().filter(|(_, (_, other))| *other == hash);
        if let Some((index, _)) = same.find(|(index, _)| self.foreign_uri(*index) == uri) {
            return NsId::from_index(known + index);
        }
        self.uris.push_str(uri);
        self.foreign.push((self.uris.len(), hash));
        NsId::from_index(known + self.foreign.len() - 1)
    }
}

/// What Namespaces 1.0 forbids to declare (section 3, and 2.2 for the empty name).
fn allowed(prefix: &str, uri: &str, at: usize) -> Result<()> {
    let reserved = match (prefix, uri) {
        ("xmlns", _) => Some("the prefix xmlns may not be declared"),
        ("xml", uri) if uri != XML => Some("the prefix xml has a namespace of its own"),
        ("xml", _) => None,
        (_, XML) => Some("the namespace of xml has no other prefix"),
        (_, XMLNS) => Some("the namespace of xmlns may not be declared"),
        ("", _) => None,
        (_, "") => Some("a prefix may not be undeclared"),
        _ => None,
    };
    reserved.map_or(Ok(()), |message| Trouble::namespace(at, message))
}
