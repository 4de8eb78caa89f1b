//! Names: qualified, expanded, and as the small numbers that readers and schemas compare.
//!
//! A schema interns all its names into [`Symbols`] when it is compiled; from then on the table only answers. A reader is
//! given the table, so that a name it meets is a [`Sym`] at once. Names that the table does not know are
//! [`Sym::UNKNOWN`] and still have their text.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

/// The namespace of `xml:lang` and its like.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of declarations of namespaces.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// The namespace of `xsi:type` and `xsi:nil`.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The namespace of XML Schema.
pub const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of SOAP 1.1 envelopes.
pub const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The namespace of SOAP 1.2 envelopes.
pub const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";

/// A namespace. Those of a [`Symbols`] keep their number for its life; others, that only a message declares, while
/// their declaration is in scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct NsId(u32);

impl NsId {
    /// No namespace.
    pub const NONE: Self = Self(0);
    /// [`XML`]
    pub const XML: Self = Self(1);
    /// [`XMLNS`]
    pub const XMLNS: Self = Self(2);
    /// [`XSI`]
    pub const XSI: Self = Self(3);
    /// [`XSD`]
    pub const XSD: Self = Self(4);
    /// [`SOAP11`]
    pub const SOAP11: Self = Self(5);
    /// [`SOAP12`]
    pub const SOAP12: Self = Self(6);

    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The inverse of [`Self::index`].
    pub(crate) fn from_index(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// A name that a [`Symbols`] knows: a namespace and a local name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sym(u32);

impl Sym {
    /// Every name that the table does not know.
    pub const UNKNOWN: Self = Self(u32::MAX);

    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The inverse of [`Self::index`].
    pub fn from_index(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// A namespace and a local name, as owned text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ExpandedName {
    /// Empty for no namespace.
    pub namespace: Box<str>,
    /// The local name.
    pub local: Box<str>,
}

impl ExpandedName {
    /// From a namespace, empty for none, and a local name.
    pub fn new(namespace: impl Into<Box<str>>, local: impl Into<Box<str>>) -> Self {
        Self { namespace: namespace.into(), local: local.into() }
    }

    /// Whether it is this one.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        *self.namespace == *namespace && *self.local == *local
    }
}

/// `{namespace}local`, or the local name alone.
impl fmt::Display for ExpandedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => f.write_str(&self.local),
            namespace => write!(f, "{{{namespace}}}{}", self.local),
        }
    }
}

/// Whoever knows which namespaces prefixes stand for at a point of a document: what a QName value needs.
pub trait PrefixScope {
    /// The namespace of a prefix; of the default one for the empty prefix, which is `""` when there is none.
    /// `None` when the prefix is not declared.
    fn namespace_of(&self, prefix: &str) -> Option<&str>;
}

/// No prefix but `xml` is declared.
impl PrefixScope for () {
    fn namespace_of(&self, prefix: &str) -> Option<&str> {
        match prefix {
            "" => Some(""),
            "xml" => Some(XML),
            _ => None,
        }
    }
}

/// Parts a qualified name at its colon; the prefix is empty where there is none.
pub fn split(qname: &str) -> (&str, &str) {
    qname.split_once(':').unwrap_or(("", qname))
}

/// Expands a QName value: whitespace around it is dropped, and the default namespace applies.
///
/// # Errors
/// In words, when it is no QName or its prefix is not declared.
pub fn expand(value: &str, scope: &dyn PrefixScope) -> Result<ExpandedName, String> {
    let value = value.trim_matches([' ', '\t', '\n', '\r']);
    let (prefix, local) = split(value);
    if !crate::xml::is_ncname(local)
        || !(prefix.is_empty() || crate::xml::is_ncname(prefix))
        || value.starts_with(':')
    {
        return Err(format!("{value:?} is not a qualified name"));
    }
    match scope.namespace_of(prefix) {
        Some(namespace) => Ok(ExpandedName::new(namespace, local)),
        None => Err(format!("the prefix {prefix:?} is not declared")),
    }
}

/// The names that somebody is interested in, as numbers.
///
/// Only its owner adds names, so that no message can make it grow. Answering takes a bounded number of looks, whatever
/// names were chosen to be in it.
#[derive(Debug, Clone)]
pub struct Symbols {
    /// Namespaces, as names without a namespace.
    namespaces: Names,
    names: Names,
}

impl Default for Symbols {
    fn default() -> Self {
        Self::new()
    }
}

impl Symbols {
    /// A table with the namespaces of the constants of [`NsId`] and no name.
    pub fn new() -> Self {
        let mut symbols = Self { namespaces: Names::new(), names: Names::new() };
        for namespace in ["", XML, XMLNS, XSI, XSD, SOAP11, SOAP12] {
            symbols.add_namespace(namespace);
        }
        symbols
    }

    /// The table of those who want no name to be known.
    pub fn none() -> &'static Self {
        static NONE: LazyLock<Symbols> = LazyLock::new(Symbols::new);
        &NONE
    }

    /// The number of a namespace, a new one if need be.
    pub fn add_namespace(&mut self, namespace: &str) -> NsId {
        NsId::from_index(self.namespaces.add(NsId::NONE, namespace))
    }

    /// The number of a name, a new one if need be.
    pub fn add(&mut self, namespace: NsId, local: &str) -> Sym {
        Sym::from_index(self.names.add(namespace, local))
    }

    /// The number of a name given as text.
    pub fn add_name(&mut self, namespace: &str, local: &str) -> Sym {
        let namespace = self.add_namespace(namespace);
        self.add(namespace, local)
    }

    /// The number of a namespace, if it has one.
    pub fn namespace(&self, namespace: &str) -> Option<NsId> {
        self.namespaces.get(NsId::NONE, namespace).map(NsId::from_index)
    }

    /// The number of a name, if it has one.
    pub fn get(&self, namespace: NsId, local: &str) -> Option<Sym> {
        self.names.get(namespace, local).map(Sym::from_index)
    }

    /// The number of a name, or [`Sym::UNKNOWN`].
    pub fn sym(&self, namespace: NsId, local: &str) -> Sym {
        self.get(namespace, local).unwrap_or(Sym::UNKNOWN)
    }

    /// A namespace as text; `""` for none and for a number that is not of this table.
    pub fn uri(&self, namespace: NsId) -> &str {
        self.namespaces.list.get(namespace.index()).map_or("", |(_, uri)| uri)
    }

    /// A name's namespace and local name; empty for a number that is not of this table.
    pub fn name(&self, sym: Sym) -> (NsId, &str) {
        self.names
            .list
            .get(sym.index())
            .map_or((NsId::NONE, ""), |(namespace, local)| (*namespace, local))
    }

    /// A name as owned text.
    pub fn expanded(&self, sym: Sym) -> ExpandedName {
        let (namespace, local) = self.name(sym);
        ExpandedName::new(self.uri(namespace), local)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.list.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.names.list.is_empty()
    }

    /// How many namespaces there are.
    pub fn namespaces(&self) -> usize {
        self.namespaces.list.len()
    }
}

/// Looks for a name end after so many slots, and the ordered map answers.
const PROBES: usize = 12;

/// Names by number and numbers by name.
#[derive(Debug, Clone)]
struct Names {
    list: Vec<(NsId, Box<str>)>,
    ordered: BTreeMap<(NsId, Box<str>), usize>,
    /// An open-addressed table, a power of two long: a name's index plus one, or 0 where the slot is empty.
    slots: Vec<u32>,
    /// Whether a name found no slot, so that only the ordered map can say that one is not there.
    overflowed: bool,
}

impl Names {
    fn new() -> Self {
        Self { list: Vec::new(), ordered: BTreeMap::new(), slots: vec![0; 32], overflowed: false }
    }

    #[inline]
    fn get(&self, namespace: NsId, local: &str) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let first = hash(namespace, local.as_bytes());
        for probe in 0..PROBES {
            let held = self.slots.get(first.wrapping_add(probe) & mask).copied().unwrap_or_default()
                as usize;
            match self.list.get(held.wrapping_sub(1)) {
                None => return None,
                Some((ns, name)) if *ns == namespace && same(name.as_bytes(), local.as_bytes()) => {
                    return Some(held - 1);
                }
                Some(_) => (),
            }
        }
        if self.overflowed { self.ordered.get(&(namespace, local.into())).copied() } else { None }
    }

    fn add(&mut self, namespace: NsId, local: &str) -> usize {
        if let Some(index) = self.get(namespace, local) {
            return index;
        }
        let index = self.list.len();
        self.list.push((namespace, local.into()));
        self.ordered.insert((namespace, local.into()), index);
        if self.list.len() * 4 > self.slots.len() || !self.place(index) {
            self.grow();
        }
        index
    }

    /// Grows the table while it is crowded, but not beyond a size that honest names need.
    fn grow(&mut self) {
        while self.slots.len() < self.list.len() * 32 {
            self.slots = vec![0; self.slots.len() * 2];
            if (0..self.list.len()).all(|index| self.place(index)) {
                return;
            }
        }
        self.slots.fill(0);
        for index in 0..self.list.len() {
            self.overflowed |= !self.place(index);
        }
    }

    fn place(&mut self, index: usize) -> bool {
        let Some((namespace, local)) = self.list.get(index) else { return false };
        let mask = self.slots.len() - 1;
        let first = hash(*namespace, local.as_bytes());
        for probe in 0..PROBES {
            if let Some(held) = self.slots.get_mut(first.wrapping_add(probe) & mask)
                && *held == 0
            {
                *held = u32::try_from(index + 1).unwrap_or_default();
                return true;
            }
        }
        false
    }
}

/// Whether two names are the same. Most are shorter than what a call of the C library's comparison pays for.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let words =
        (a.first_chunk::<8>(), b.first_chunk::<8>(), a.last_chunk::<8>(), b.last_chunk::<8>());
    if let (Some(a_first), Some(b_first), Some(a_last), Some(b_last)) = words {
        let ends = a_first == b_first && a_last == b_last;
        return ends && (a.len() <= 16 || a == b);
    }
    let halves =
        (a.first_chunk::<4>(), b.first_chunk::<4>(), a.last_chunk::<4>(), b.last_chunk::<4>());
    if let (Some(a_first), Some(b_first), Some(a_last), Some(b_last)) = halves {
        return a_first == b_first && a_last == b_last;
    }
    // Up to three bytes.
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Quick rather than strong; [`PROBES`] bounds what a bad choice of names can cost.
#[inline]
pub(crate) fn hash(namespace: NsId, local: &[u8]) -> usize {
    const K: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = (u64::from(namespace.0) << 32 | local.len() as u64) ^ K;
    let mut mix = |word: u64| {
        let product = u128::from(state ^ word) * u128::from(K);
        state = (product as u64) ^ ((product >> 64) as u64);
    };
    let mut rest = local;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        mix(u64::from_le_bytes(*word));
        rest = after;
    }
    if let Some(last) = local.last_chunk::<8>() {
        if !rest.is_empty() {
            mix(u64::from_le_bytes(*last));
        }
    } else if let (Some(first), Some(last)) = (local.first_chunk::<4>(), local.last_chunk::<4>()) {
        mix(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)));
    } else if let [first, .., last] = *local {
        let middle = local.get(local.len() / 2).copied().unwrap_or_default();
        mix(u64::from(first) << 16 | u64::from(middle) << 8 | u64::from(last));
    } else {
        mix(local.first().copied().unwrap_or_default().into());
    }
    (state ^ state >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_however_many_come() {
        let mut symbols = Symbols::new();
        let namespace = symbols.add_namespace("urn:a");
        let numbers: Vec<_> =
            (0..5_000).map(|n| symbols.add(namespace, &format!("element-{n}"))).collect();
        for (n, sym) in numbers.iter().enumerate() {
            assert_eq!(symbols.get(namespace, &format!("element-{n}")), Some(*sym));
            assert_eq!(symbols.get(NsId::NONE, &format!("element-{n}")), None);
        }
        assert_eq!(symbols.len(), 5_000);
        assert_eq!(symbols.get(namespace, "element-5000"), None);
        assert_eq!(symbols.expanded(numbers[7]).to_string(), "{urn:a}element-7");
    }

    #[test]
    fn t48_names_chosen_to_collide_are_found_all_the_same() {
        // Too crowded for the table, whatever its size: many names in the slots of one.
        let mut symbols = Symbols::new();
        let mut crowd = Vec::new();
        for n in 0..200_000 {
            let name = format!("n{n}");
            if hash(NsId::NONE, name.as_bytes()) & 0xFFF == 5 {
                crowd.push(name);
            }
        }
        let numbers: Vec<_> = crowd.iter().map(|name| symbols.add(NsId::NONE, name)).collect();
        assert!(crowd.len() > PROBES);
        for (name, sym) in crowd.iter().zip(numbers) {
            assert_eq!(symbols.get(NsId::NONE, name), Some(sym));
        }
    }

    #[test]
    fn names_of_every_length_are_the_same_as_themselves_and_as_nothing_else() {
        let text: Vec<u8> = (0..40).collect();
        for length in 0..text.len() {
            let name = &text[..length];
            let copy = name.to_vec();
            assert!(same(name, &copy), "{length}");
            assert!(!same(name, &text[..length + 1]), "{length}");
            for changed in 0..length {
                let mut other = name.to_vec();
                other[changed] ^= 0x80;
                assert!(!same(name, &other), "{length}, {changed}");
            }
        }
    }

    #[test]
    fn the_constants_are_the_first_numbers() {
        let symbols = Symbols::new();
        for (id, uri) in
            [(NsId::NONE, ""), (NsId::XSI, XSI), (NsId::XSD, XSD), (NsId::SOAP12, SOAP12)]
        {
            assert_eq!(symbols.namespace(uri), Some(id));
            assert_eq!(symbols.uri(id), uri);
        }
    }
}
