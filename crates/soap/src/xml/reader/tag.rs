//! Tags: names, attributes, and what namespaces make of them.

use std::{cmp::Ordering, ops::Range};

use super::{
    Event,
    core::{Core, Owed, Phase},
};
use crate::{
    FaultKind,
    name::{NsId, Sym, same},
    xml::{
        chars::{InName, NAMES, is_name_char, is_whitespace},
        scope::Mark,
        trouble::{Result, Trouble},
    },
};

/// An element that is open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    /// Where its qualified name begins in [`Core::names`]; it ends where the next one begins.
    pub(super) name: usize,
    /// The length of its prefix with the colon; 0 for none.
    pub(super) local: usize,
    pub(super) namespace: NsId,
    pub(super) sym: Sym,
    /// The declarations before its own.
    pub(super) scope: Mark,
}

impl Open {
    /// The qualified name of the innermost element.
    pub(super) fn qname(self, names: &str) -> &str {
        names.get(self.name..).unwrap_or_default()
    }
}

/// An attribute, as places in the input.
#[derive(Debug, Clone)]
pub(super) struct RawAttribute {
    pub(super) name: Range<usize>,
    /// Where its local name begins.
    pub(super) local: usize,
    /// Where its value is, in the input or in [`Core::values`].
    pub(super) value: Range<usize>,
    pub(super) copied: bool,
    pub(super) namespace: NsId,
    pub(super) sym: Sym,
}

/// A qualified name in the input.
struct QName {
    range: Range<usize>,
    local: usize,
}

/// Up to so many attributes are compared each with each; more are sorted.
const FEW: usize = 8;

/// Bytes at which the value of an attribute is no longer plain.
const VALUE_STOPS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'<' as usize] = true;
    table[b'&' as usize] = true;
    table[b'"' as usize] = true;
    table[b'\'' as usize] = true;
    table
};

impl Core<'_> {
    /// Reads a start tag or an empty-element tag (productions 40 and 44).
    pub(super) fn start_tag(&mut self, text: &str) -> Result<Event> {
        if matches!(self.phase, Phase::Epilog | Phase::Done) {
            return Trouble::syntax(self.at, "a second root element");
        }
        if self.open.len() >= self.limits.depth as usize {
            return Trouble::limit(self.at, "elements inside each other", self.limits.depth);
        }
        let name = self.qname(text, self.at + 1)?;
        let (after, empty) = self.rest_of_start_tag(text, name.range.end)?;
        if after - self.at > self.limits.markup_bytes as usize {
            return Trouble::limit(self.at, "bytes of a tag", self.limits.markup_bytes);
        }
        self.count_nodes(1 + self.attributes.len())?;
        let scope = self.scope.mark();
        if !self.declarations.is_empty() {
            self.declare_namespaces(text)?;
        }
        let prefix = text.get(name.range.start..name.local).unwrap_or_default();
        let namespace = self.resolve(prefix, self.at + 1)?;
        let local = text.get(name.local..name.range.end).unwrap_or_default();
        let sym = self.scope.symbols().sym(namespace, local);
        if !self.attributes.is_empty() {
            self.expand_attributes(text)?;
        }
        self.open.push(Open {
            name: self.names.len(),
            local: name.local - name.range.start,
            namespace,
            sym,
            scope,
        });
        self.names.push_str(text.get(name.range).unwrap_or_default());
        self.span = self.at..after;
        self.at = after;
        self.phase = Phase::Content;
        self.owed = if empty { Owed::End } else { Owed::Nothing };
        Ok(Event::Start)
    }

    /// Reads an end tag (production 42). Its name need not be checked when it is the one that is open.
    #[inline]
    pub(super) fn end_tag(&mut self, text: &str) -> Result<Event> {
        let Some(open) = self.open.last() else {
            return Trouble::syntax(self.at, "an end tag where no element is open");
        };
        let wanted = open.qname(&self.names);
        let rest = text.as_bytes().get(self.at + 2..).unwrap_or_default();
        let mut after = self.at + 2 + wanted.len();
        let found = rest.get(..wanted.len()).unwrap_or_default();
        if !same(found, wanted.as_bytes()) {
            return self.wrong_end_tag(text);
        }
        loop {
            match text.as_bytes().get(after) {
                Some(b'>') => break,
                Some(&byte) if is_whitespace(byte) => after += 1,
                _ => return self.wrong_end_tag(text),
            }
        }
        self.span = self.at..after + 1;
        self.at = after + 1;
        self.owed = Owed::Close;
        Ok(Event::End)
    }

    #[cold]
    fn wrong_end_tag(&self, text: &str) -> Result<Event> {
        let name = self.qname(text, self.at + 2)?;
        let found = text.get(name.range).unwrap_or_default();
        let wanted = self.open.last().map_or("", |open| open.qname(&self.names));
        if found == wanted {
            return Trouble::syntax(self.at, "an end tag is a name and a >");
        }
        Trouble::syntax(self.at, format!("{wanted} is open, and {found} is closed"))
    }

    /// Attributes up to the end of the tag: where it ends, and whether it is an empty-element tag.
    fn rest_of_start_tag(&mut self, text: &str, mut at: usize) -> Result<(usize, bool)> {
        let bytes = text.as_bytes();
        self.attributes.clear();
        self.declarations.clear();
        self.values.clear();
        loop {
            let spaced = at;
            while bytes.get(at).is_some_and(|&byte| is_whitespace(byte)) {
                at += 1;
            }
            match bytes.get(at) {
                Some(b'>') => return Ok((at + 1, false)),
                Some(b'/') if bytes.get(at + 1) == Some(&b'>') => return Ok((at + 2, true)),
                None => return Trouble::syntax(at, "the document ends inside a tag"),
                Some(_) if spaced == at => {
                    return Trouble::syntax(at, "white space has to stand before an attribute");
                }
                Some(_) => at = self.attribute_at(text, at)?,
            }
        }
    }

    /// One attribute (production 41), whose end is given back.
    fn attribute_at(&mut self, text: &str, at: usize) -> Result<usize> {
        let bytes = text.as_bytes();
        let name = self.qname(text, at)?;
        let mut at = name.range.end;
        let mut expect = |wanted: &[u8], message: &str| {
            while bytes.get(at).is_some_and(|&byte| is_whitespace(byte)) {
                at += 1;
            }
            match bytes.get(at) {
                Some(byte) if wanted.contains(byte) => {
                    at += 1;
                    Ok((*byte, at))
                }
                _ => Trouble::syntax(at, message),
            }
        };
        expect(b"=", "an attribute has a value: = is missing")?;
        let (quote, start) = expect(b"\"'", "the value of an attribute stands in quotes")?;
        let (value, copied, after) = self.value(text, start, quote)?;
        let written = text.get(name.range.clone()).unwrap_or_default();
        let declares = written == "xmlns" || (written.len() > 6 && written.starts_with("xmlns:"));
        let (list, limit, what) = if declares {
            (&mut self.declarations, self.limits.declarations, "namespaces of an element")
        } else {
            (&mut self.attributes, self.limits.attributes, "attributes of an element")
        };
        if list.len() >= limit as usize {
            return Trouble::limit(name.range.start, what, limit);
        }
        list.push(RawAttribute {
            name: name.range,
            local: name.local,
            value,
            copied,
            namespace: NsId::NONE,
            sym: Sym::UNKNOWN,
        });
        Ok(after)
    }

    /// The value of an attribute up to its closing quote (productions 10, 3.3.3): where it is, whether it was copied
    /// into `values`, and what follows the quote.
    fn value(
        &mut self,
        text: &str,
        start: usize,
        quote: u8,
    ) -> Result<(Range<usize>, bool, usize)> {
        let bytes = text.as_bytes();
        let mut at = start;
        while let Some(&byte) = bytes.get(at) {
            if !VALUE_STOPS.get(usize::from(byte)).copied().unwrap_or_default() {
                at += 1;
            } else if byte == quote {
                self.check_value_size(start, at - start)?;
                return Ok((start..at, false, at + 1));
            } else if matches!(byte, b'"' | b'\'') {
                at += 1;
            } else {
                break;
            }
        }
        let begin = self.values.len();
        let after = self.copy_value(text, start, at, quote)?;
        Ok((begin..self.values.len(), true, after))
    }

    fn copy_value(&mut self, text: &str, start: usize, mut at: usize, quote: u8) -> Result<usize> {
        let bytes = text.as_bytes();
        let begin = self.values.len();
        let mut run = start;
        loop {
            let Some(&byte) = bytes.get(at) else {
                return Trouble::syntax(start, "the value of an attribute has no end");
            };
            let plain = !VALUE_STOPS.get(usize::from(byte)).copied().unwrap_or_default();
            if plain || (byte != quote && matches!(byte, b'"' | b'\'')) {
                at += 1;
                continue;
            }
            self.check_value_size(start, self.values.len() - begin + (at - run))?;
            self.values.push_str(text.get(run..at).unwrap_or_default());
            match byte {
                b'<' => return Trouble::syntax(at, "< in the value of an attribute"),
                b'&' => {
                    let Some((c, after)) = self.reference(text, at, true)? else {
                        return Trouble::syntax(at, "& begins no reference");
                    };
                    self.values.push(c);
                    at = after;
                }
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => {
                    self.values.push(' ');
                    at += 2;
                }
                byte if byte == quote => return Ok(at + 1),
                _ => {
                    self.values.push(' ');
                    at += 1;
                }
            }
            run = at;
        }
    }

    #[inline]
    fn check_value_size(&self, at: usize, size: usize) -> Result<()> {
        if size > self.limits.value_bytes as usize {
            return Trouble::limit(at, "bytes of an attribute's value", self.limits.value_bytes);
        }
        Ok(())
    }

    /// Reads a qualified name (Namespaces, productions 7 to 11).
    #[inline]
    fn qname(&self, text: &str, start: usize) -> Result<QName> {
        let bytes = text.as_bytes();
        let kind = |at: usize| {
            bytes.get(at).map_or(InName::No, |byte| {
                NAMES.get(usize::from(*byte)).copied().unwrap_or(InName::No)
            })
        };
        let (mut at, mut local) = (start, start);
        loop {
            // A part begins here; most are plain ASCII.
            if kind(at) != InName::Start {
                return self.unusual_name(text, start);
            }
            at += 1;
            while matches!(kind(at), InName::Start | InName::Later) {
                at += 1;
            }
            match kind(at) {
                InName::Colon if local == start => {
                    at += 1;
                    local = at;
                }
                InName::No => break,
                _ => return self.unusual_name(text, start),
            }
        }
        if at - start > self.limits.name_bytes as usize {
            return Trouble::limit(start, "bytes of a name", self.limits.name_bytes);
        }
        Ok(QName { range: start..at, local })
    }

    /// Reads a name that is not plain ASCII, or is none.
    #[cold]
    fn unusual_name(&self, text: &str, start: usize) -> Result<QName> {
        let rest = text.get(start..).unwrap_or_default();
        let length = rest.find(|c| !is_name_char(c) && c != ':').unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let fine =
            crate::xml::is_ncname(local) && (prefix.is_empty() || crate::xml::is_ncname(prefix));
        if !fine || name.starts_with(':') {
            return self.bad_name(text, start);
        }
        if length > self.limits.name_bytes as usize {
            return Trouble::limit(start, "bytes of a name", self.limits.name_bytes);
        }
        let end = start + length;
        Ok(QName { range: start..end, local: end - local.len() })
    }

    /// Says what is wrong with a name: it may be one of XML and none of Namespaces.
    #[cold]
    fn bad_name(&self, text: &str, start: usize) -> Result<QName> {
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.find(|c| !is_name_char(c) && c != ':').unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        if name.is_empty() || !crate::xml::is_name(name) {
            return Trouble::syntax(start, "a name has to stand here");
        }
        let shown: String = name.chars().take(64).collect();
        Trouble::namespace(start, format!("{shown:?} is not a prefix, a colon and a local name"))
    }

    /// The namespace of a name's prefix, given with its colon.
    #[inline]
    fn resolve(&self, prefix: &str, at: usize) -> Result<NsId> {
        let prefix = prefix.strip_suffix(':').unwrap_or_default();
        match self.scope.resolve(prefix) {
            Some(namespace) => Ok(namespace),
            None => Trouble::namespace(at, format!("the prefix {prefix:?} is not declared")),
        }
    }

    fn declare_namespaces(&mut self, text: &str) -> Result<()> {
        let mut order = std::mem::take(&mut self.order);
        let written = |raw: &RawAttribute| text.get(raw.name.clone());
        let twice = first_twice(&self.declarations, &mut order, |a, b| written(a).cmp(&written(b)));
        self.order = order;
        if let Some(raw) = twice {
            let name = written(raw).unwrap_or_default();
            return Trouble::syntax(raw.name.start, format!("{name} stands here twice"));
        }
        for raw in &self.declarations {
            let prefix = text.get(raw.name.clone()).unwrap_or_default();
            let prefix = prefix.strip_prefix("xmlns:").unwrap_or_default();
            let held = if raw.copied { self.values.as_str() } else { text };
            let uri = held.get(raw.value.clone()).unwrap_or_default();
            self.scope.declare(prefix, uri, &self.limits, raw.name.start)?;
        }
        Ok(())
    }

    /// Finds the namespaces of attributes; no two may be the same then (Namespaces, section 6.3).
    fn expand_attributes(&mut self, text: &str) -> Result<()> {
        let symbols = self.scope.symbols();
        for index in 0..self.attributes.len() {
            let Some(raw) = self.attributes.get(index) else { break };
            let local = text.get(raw.local..raw.name.end).unwrap_or_default();
            let namespace = if raw.local == raw.name.start {
                NsId::NONE
            } else {
                let prefix = text.get(raw.name.start..raw.local).unwrap_or_default();
                self.resolve(prefix, raw.name.start)?
            };
            let sym = symbols.sym(namespace, local);
            if let Some(raw) = self.attributes.get_mut(index) {
                (raw.namespace, raw.sym) = (namespace, sym);
            }
        }
        let mut order = std::mem::take(&mut self.order);
        let key = |raw: &RawAttribute| (raw.namespace, text.get(raw.local..raw.name.end));
        let twice = first_twice(&self.attributes, &mut order, |a, b| key(a).cmp(&key(b)));
        self.order = order;
        if let Some(raw) = twice {
            let local = key(raw).1.unwrap_or_default();
            let message = format!("the attribute {local} stands here twice");
            return Err(Trouble::new(FaultKind::Syntax, raw.name.start, message));
        }
        Ok(())
    }
}

/// One that another of the list equals. `order` is room to sort in.
#[inline]
fn first_twice<'l>(
    list: &'l [RawAttribute],
    order: &mut Vec<usize>,
    compare: impl Fn(&RawAttribute, &RawAttribute) -> Ordering,
) -> Option<&'l RawAttribute> {
    if list.len() <= FEW {
        let mut seen = list.iter().enumerate();
        return seen.find_map(|(index, raw)| {
            let before = list.get(..index).unwrap_or_default();
            before.iter().any(|other| compare(other, raw) == Ordering::Equal).then_some(raw)
        });
    }
    order.clear();
    order.extend(0..list.len());
    let by = |a: &usize, b: &usize| match (list.get(*a), list.get(*b)) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    };
    order.sort_unstable_by(by);
    let pairs = order.iter().zip(order.iter().skip(1));
    let twice = pairs.filter(|(a, b)| by(a, b) == Ordering::Equal);
    twice.map(|(a, b)| *a.max(b)).min().and_then(|index| list.get(index))
}
