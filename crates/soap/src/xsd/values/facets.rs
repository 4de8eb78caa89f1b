//! The constraining facets of one type, gathered over its whole derivation.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::value::Value;
use crate::xsd::regex::Regex;

/// The kinds of facet, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum FacetKind {
    Length,
    MinLength,
    MaxLength,
    Pattern,
    Enumeration,
    WhiteSpace,
    MaxInclusive,
    MaxExclusive,
    MinInclusive,
    MinExclusive,
    TotalDigits,
    FractionDigits,
    ExplicitTimezone,
}

impl FacetKind {
    const NAMES: [(&'static str, Self); 13] = [
        ("length", Self::Length),
        ("minLength", Self::MinLength),
        ("maxLength", Self::MaxLength),
        ("pattern", Self::Pattern),
        ("enumeration", Self::Enumeration),
        ("whiteSpace", Self::WhiteSpace),
        ("maxInclusive", Self::MaxInclusive),
        ("maxExclusive", Self::MaxExclusive),
        ("minInclusive", Self::MinInclusive),
        ("minExclusive", Self::MinExclusive),
        ("totalDigits", Self::TotalDigits),
        ("fractionDigits", Self::FractionDigits),
        ("explicitTimezone", Self::ExplicitTimezone),
    ];

    /// The facet whose element has this local name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, kind)| *kind)
    }

    /// The local name of its element.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// A set of facet kinds: those with `fixed="true"`, or those present in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FacetSet(u16);

impl FacetSet {
    /// Adds one.
    pub const fn insert(&mut self, kind: FacetKind) {
        self.0 |= 1 << kind as u16;
    }

    /// Whether it is in.
    #[must_use]
    pub const fn contains(self, kind: FacetKind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }
}

/// Every facet in force for a type.
#[derive(Clone, Debug, Default)]
pub struct Facets {
    /// `length`, in characters, octets or items.
    pub length: Option<u64>,
    /// `minLength`.
    pub min_length: Option<u64>,
    /// `maxLength`.
    pub max_length: Option<u64>,
    /// One entry a derivation step: a value has to match all of them.
    pub patterns: Vec<Arc<PatternStep>>,
    /// The enumeration of the last step that had one; it is a subset of those before.
    pub enumeration: Option<Arc<Enumeration>>,
    /// `minInclusive` or `minExclusive`.
    pub min: Option<Bound>,
    /// `maxInclusive` or `maxExclusive`.
    pub max: Option<Bound>,
    /// `totalDigits`.
    pub total_digits: Option<u64>,
    /// `fractionDigits`.
    pub fraction_digits: Option<u64>,
    /// `explicitTimezone`, from XSD 1.1.
    pub explicit_timezone: Option<ExplicitTimezone>,
    /// Those that a derived type may not change.
    pub fixed: FacetSet,
}

impl Facets {
    /// Whether nothing but white space is constrained.
    #[must_use]
    pub fn is_unrestricted(&self) -> bool {
        self.length.is_none()
            && self.min_length.is_none()
            && self.max_length.is_none()
            && self.patterns.is_empty()
            && self.enumeration.is_none()
            && self.min.is_none()
            && self.max.is_none()
            && self.total_digits.is_none()
            && self.fraction_digits.is_none()
            && self.explicit_timezone.is_none_or(|wanted| wanted == ExplicitTimezone::Optional)
    }
}

/// The patterns of one derivation step: a value has to match one of them.
#[derive(Clone, Debug)]
pub struct PatternStep {
    /// As written in the schema.
    pub sources: Vec<String>,
    /// The same, compiled into one.
    pub regex: Regex,
}

/// The values that an enumeration allows.
#[derive(Clone, Debug)]
pub struct Enumeration {
    /// As written in the schema after white space processing, in document order.
    pub lexicals: Vec<String>,
    /// Their values, in the same order.
    pub values: Vec<Value>,
    /// For strings and names, where text is the value: looked up by hash.
    pub(super) texts: Option<FxHashSet<Box<str>>>,
}

/// One end of an interval.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The bound.
    pub value: Value,
    /// Whether the bound itself is inside.
    pub inclusive: bool,
    /// As written in the schema after white space processing.
    pub lexical: String,
}

/// Whether a moment must, may or must not say its timezone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum ExplicitTimezone {
    Required,
    Prohibited,
    Optional,
}
