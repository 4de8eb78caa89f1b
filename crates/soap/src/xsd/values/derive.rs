//! Deriving by restriction: the facets of a step, checked against each other and against the base, and merged.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::builtin::Primitive;
use super::check::atomic_value;
use super::facets::{
    Bound, Enumeration, ExplicitTimezone, FacetKind, FacetSet, Facets, PatternStep,
};
use super::simple::{SimpleType, Variety};
use super::space::{WhiteSpace, trim};
use super::value::Value;
use crate::name::PrefixScope;
use crate::xsd::regex::Regex;

/// One facet element of a schema document.
#[derive(Clone, Copy)]
pub struct RawFacet<'a> {
    /// Which facet.
    pub kind: FacetKind,
    /// Its `value` attribute, as written.
    pub value: &'a str,
    /// Its `fixed` attribute.
    pub fixed: bool,
    /// The namespaces in scope at the element: an enumeration of QNames needs them.
    pub scope: &'a dyn PrefixScope,
}

/// Why a step of restriction is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("facet {}: {reason}", .kind.name())]
pub struct FacetFault {
    /// The facet at fault.
    pub kind: FacetKind,
    /// Its position in the list that was given, if one of them alone is at fault.
    pub index: Option<usize>,
    /// What is wrong with it.
    pub reason: String,
}

impl SimpleType {
    /// Restricts a type by the facets of one step. Every fault is reported, and what is at fault is left out.
    #[must_use]
    pub fn restrict(base: &Arc<Self>, raw: &[RawFacet<'_>]) -> (Self, Vec<FacetFault>) {
        let mut step = Step {
            base,
            facets: base.facets.clone(),
            white_space: base.white_space,
            seen: FacetSet::default(),
            faults: Vec::new(),
        };
        step.gather(raw);
        step.check_lengths();
        step.check_bounds();
        step.check_digits();
        let Step { facets, white_space, faults, .. } = step;
        (Self::assemble(base.variety.clone(), base.builtin, white_space, facets), faults)
    }

    /// Whether a facet may be used on this type at all (XSD Part 2, 4.1.5).
    #[must_use]
    pub fn allows(&self, kind: FacetKind) -> bool {
        use FacetKind::{
            Enumeration, ExplicitTimezone, FractionDigits, Length, MaxExclusive, MaxInclusive,
            MaxLength, MinExclusive, MinInclusive, MinLength, Pattern, TotalDigits, WhiteSpace,
        };
        match self.variety {
            Variety::List(_) => {
                matches!(kind, Length | MinLength | MaxLength | Pattern | Enumeration | WhiteSpace)
            }
            Variety::Union(_) => matches!(kind, Pattern | Enumeration),
            Variety::Atomic => {
                let primitive = self.primitive();
                match kind {
                    Pattern | WhiteSpace => primitive != Primitive::AnySimpleType,
                    Enumeration => {
                        !matches!(primitive, Primitive::AnySimpleType | Primitive::Boolean)
                    }
                    Length | MinLength | MaxLength => matches!(
                        primitive,
                        Primitive::String
                            | Primitive::HexBinary
                            | Primitive::Base64Binary
                            | Primitive::AnyUri
                            | Primitive::QName
                            | Primitive::Notation
                    ),
                    MaxInclusive | MaxExclusive | MinInclusive | MinExclusive => {
                        primitive.is_ordered()
                    }
                    TotalDigits | FractionDigits => primitive == Primitive::Decimal,
                    ExplicitTimezone => primitive.is_moment(),
                }
            }
        }
    }
}

struct Step<'b> {
    base: &'b Arc<SimpleType>,
    facets: Facets,
    white_space: WhiteSpace,
    seen: FacetSet,
    faults: Vec<FacetFault>,
}

impl Step<'_> {
    fn fault(&mut self, kind: FacetKind, index: Option<usize>, reason: impl Into<String>) {
        self.faults.push(FacetFault { kind, index, reason: reason.into() });
    }

    fn gather(&mut self, raw: &[RawFacet<'_>]) {
        // White space first: it decides how the values of the others are read.
        let (spaces, others): (Vec<_>, Vec<_>) =
            raw.iter().enumerate().partition(|(_, facet)| facet.kind == FacetKind::WhiteSpace);
        let (mut patterns, mut enumeration) = (Vec::new(), Vec::new());
        for (index, facet) in spaces.into_iter().chain(others) {
            let kind = facet.kind;
            if !self.base.allows(kind) {
                self.fault(
                    kind,
                    Some(index),
                    format!("is not allowed on {}", self.describe_base()),
                );
                continue;
            }
            let repeatable = matches!(kind, FacetKind::Pattern | FacetKind::Enumeration);
            if self.seen.contains(kind) && !repeatable {
                self.fault(kind, Some(index), "is given twice");
                continue;
            }
            self.seen.insert(kind);
            match kind {
                FacetKind::Pattern => patterns.push(facet.value),
                FacetKind::Enumeration => enumeration.push((index, facet)),
                _ => self.take(index, facet),
            }
            if facet.fixed && !repeatable {
                self.facets.fixed.insert(kind);
            }
        }
        self.take_patterns(&patterns);
        self.take_enumeration(&enumeration);
    }

    fn describe_base(&self) -> String {
        match self.base.variety {
            Variety::Atomic => {
                format!("xs:{} and what is derived from it", self.base.builtin.name())
            }
            Variety::List(_) => "a list".to_owned(),
            Variety::Union(_) => "a union".to_owned(),
        }
    }

    fn take(&mut self, index: usize, facet: &RawFacet<'_>) {
        let kind = facet.kind;
        let value = trim(facet.value);
        let taken = match kind {
            FacetKind::Length => self.number(kind, value).map(|n| self.facets.length = Some(n)),
            FacetKind::MinLength => {
                self.number(kind, value).map(|n| self.facets.min_length = Some(n))
            }
            FacetKind::MaxLength => {
                self.number(kind, value).map(|n| self.facets.max_length = Some(n))
            }
            FacetKind::TotalDigits => {
                self.number(kind, value).map(|n| self.facets.total_digits = Some(n))
            }
            FacetKind::FractionDigits => {
                self.number(kind, value).map(|n| self.facets.fraction_digits = Some(n))
            }
            FacetKind::WhiteSpace => self.space(value),
            FacetKind::ExplicitTimezone => self.timezone(value),
            FacetKind::MinInclusive | FacetKind::MinExclusive => {
                self.bound(facet).map(|bound| self.facets.min = Some(bound))
            }
            FacetKind::MaxInclusive | FacetKind::MaxExclusive => {
                self.bound(facet).map(|bound| self.facets.max = Some(bound))
            }
            FacetKind::Pattern | FacetKind::Enumeration => Ok(()),
        };
        if let Err(reason) = taken {
            self.fault(kind, Some(index), reason);
        }
    }

    /// A count: checked against the base, which it may only narrow.
    fn number(&self, kind: FacetKind, text: &str) -> Result<u64, String> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("'{text}' is not a whole number"));
        }
        // What does not fit is larger than anything it could be compared with.
        let number = digits.parse().unwrap_or(u64::MAX);
        if kind == FacetKind::TotalDigits && number == 0 {
            return Err("has to be at least 1".to_owned());
        }
        let base = &self.base.facets;
        let (before, fits) = match kind {
            FacetKind::Length => (base.length, base.length.is_none_or(|b| number == b)),
            FacetKind::MinLength => (base.min_length, base.min_length.is_none_or(|b| number >= b)),
            FacetKind::MaxLength => (base.max_length, base.max_length.is_none_or(|b| number <= b)),
            FacetKind::TotalDigits => {
                (base.total_digits, base.total_digits.is_none_or(|b| number <= b))
            }
            _ => (base.fraction_digits, base.fraction_digits.is_none_or(|b| number <= b)),
        };
        if !fits {
            return Err(format!(
                "{number} would widen the base, which has {}",
                before.unwrap_or(0)
            ));
        }
        if base.fixed.contains(kind) && before.is_some_and(|b| b != number) {
            return Err("is fixed in the base".to_owned());
        }
        Ok(number)
    }

    fn space(&mut self, value: &str) -> Result<(), String> {
        let space = WhiteSpace::by_name(value).ok_or("has to be preserve, replace or collapse")?;
        let before = self.base.white_space;
        if space < before {
            return Err("would loosen the base".to_owned());
        }
        if self.base.facets.fixed.contains(FacetKind::WhiteSpace) && space != before {
            return Err("is fixed in the base".to_owned());
        }
        self.white_space = space;
        Ok(())
    }

    fn timezone(&mut self, value: &str) -> Result<(), String> {
        let wanted = match value {
            "required" => ExplicitTimezone::Required,
            "prohibited" => ExplicitTimezone::Prohibited,
            "optional" => ExplicitTimezone::Optional,
            _ => return Err("has to be required, prohibited or optional".to_owned()),
        };
        match self.base.facets.explicit_timezone {
            Some(before) if before != wanted && before != ExplicitTimezone::Optional => {
                Err("contradicts the base".to_owned())
            }
            _ => {
                self.facets.explicit_timezone = Some(wanted);
                Ok(())
            }
        }
    }

    fn bound(&self, facet: &RawFacet<'_>) -> Result<Bound, String> {
        let mut scratch = String::new();
        let lexical = self.base.normalise(facet.value, &mut scratch).to_owned();
        // Against the base without its bounds: a bound that repeats an exclusive one of the base is allowed.
        let wide = SimpleType::builtin(self.base.builtin);
        let fits = match self.base.builtin.is_integer() {
            true => wide.check_normalised(&lexical, facet.scope),
            false => Ok(()),
        };
        let value = fits.and_then(|()| atomic_value(self.base.builtin, &lexical, facet.scope));
        let value = value.map_err(|fault| format!("'{lexical}' {fault}"))?;
        let inclusive = matches!(facet.kind, FacetKind::MinInclusive | FacetKind::MaxInclusive);
        let bound = Bound { value, inclusive, lexical };
        self.narrows(facet.kind, &bound)?;
        Ok(bound)
    }

    /// XSD Part 2, 4.3.7.4 to 4.3.10.4: a bound may only narrow what the base allows.
    fn narrows(&self, kind: FacetKind, bound: &Bound) -> Result<(), String> {
        let is_max = matches!(kind, FacetKind::MaxInclusive | FacetKind::MaxExclusive);
        for (theirs, theirs_is_max) in
            [(&self.base.facets.max, true), (&self.base.facets.min, false)]
        {
            let Some(theirs) = theirs else { continue };
            let Some(order) = bound.value.compare(&theirs.value) else { continue };
            let inside = if theirs_is_max { order.is_lt() } else { order.is_gt() };
            let at_the_edge = if theirs_is_max == is_max {
                // The same side: equal is fine unless it would let in what was shut out.
                theirs.inclusive || !bound.inclusive
            } else {
                theirs.inclusive && bound.inclusive
            };
            if !(inside || (order.is_eq() && at_the_edge)) {
                let side = if theirs_is_max { theirs.max_kind() } else { theirs.min_kind() };
                return Err(format!(
                    "{} is outside the base's {} {}",
                    bound.lexical,
                    side.name(),
                    theirs.lexical
                ));
            }
        }
        let before = if is_max { &self.base.facets.max } else { &self.base.facets.min };
        if let Some(before) = before {
            let theirs = if is_max { before.max_kind() } else { before.min_kind() };
            if self.base.facets.fixed.contains(theirs)
                && (theirs != kind || before.value != bound.value)
            {
                return Err(format!("{} is fixed in the base", theirs.name()));
            }
        }
        Ok(())
    }

    fn take_patterns(&mut self, sources: &[&str]) {
        if sources.is_empty() {
            return;
        }
        let sources: Vec<String> = sources.iter().map(|&s| s.to_owned()).collect();
        match Regex::any_of(&sources) {
            Ok(regex) => self.facets.patterns.push(Arc::new(PatternStep { sources, regex })),
            Err(fault) => self.fault(FacetKind::Pattern, None, fault.to_string()),
        }
    }

    fn take_enumeration(&mut self, raw: &[(usize, &RawFacet<'_>)]) {
        if raw.is_empty() {
            return;
        }
        let (mut lexicals, mut values) =
            (Vec::with_capacity(raw.len()), Vec::with_capacity(raw.len()));
        for (index, facet) in raw {
            let mut scratch = String::new();
            let parsed = self.base.parse(facet.value, facet.scope);
            match parsed {
                Ok(value) => {
                    lexicals.push(self.normalise_member(facet, &mut scratch));
                    values.push(value);
                }
                Err(fault) => {
                    self.fault(
                        FacetKind::Enumeration,
                        Some(*index),
                        format!("'{}' {fault}", facet.value),
                    );
                }
            }
        }
        self.facets.enumeration = Some(Arc::new(Enumeration::new(self.base, lexicals, values)));
    }

    fn normalise_member(&self, facet: &RawFacet<'_>, scratch: &mut String) -> String {
        match self.base.member(facet.value, facet.scope) {
            Ok(member) => member.normalise(facet.value, scratch).to_owned(),
            Err(_) => facet.value.to_owned(),
        }
    }

    /// XSD Part 2, 4.3.1.4 and 4.3.2.4 (with the erratum that lets length stand beside an inherited minLength).
    fn check_lengths(&mut self) {
        let facets = &self.facets;
        let (length, least, most) = (facets.length, facets.min_length, facets.max_length);
        let base = &self.base.facets;
        if let (Some(least), Some(most)) = (least, most)
            && least > most
        {
            self.fault(
                FacetKind::MinLength,
                None,
                format!("{least} is more than maxLength {most}"),
            );
        }
        let Some(length) = length else { return };
        let inherited = base.length.is_none();
        if let Some(least) = least {
            let own = self.seen.contains(FacetKind::MinLength) && base.min_length != Some(least);
            let both = own || (self.seen.contains(FacetKind::MinLength) && !inherited);
            if least > length || both {
                self.fault(
                    FacetKind::Length,
                    None,
                    format!("{length} does not go with minLength {least}"),
                );
            }
        }
        if let Some(most) = most {
            let own = self.seen.contains(FacetKind::MaxLength) && base.max_length != Some(most);
            let both = own || (self.seen.contains(FacetKind::MaxLength) && !inherited);
            if most < length || both {
                self.fault(
                    FacetKind::Length,
                    None,
                    format!("{length} does not go with maxLength {most}"),
                );
            }
        }
    }

    fn check_bounds(&mut self) {
        for (a, b) in [
            (FacetKind::MinInclusive, FacetKind::MinExclusive),
            (FacetKind::MaxInclusive, FacetKind::MaxExclusive),
        ] {
            if self.seen.contains(a) && self.seen.contains(b) {
                self.fault(b, None, format!("stands beside {}", a.name()));
            }
        }
        let (Some(min), Some(max)) = (&self.facets.min, &self.facets.max) else { return };
        let empty = match min.value.compare(&max.value) {
            Some(order) => order.is_gt() || (order.is_eq() && min.inclusive != max.inclusive),
            None => false,
        };
        if empty {
            let reason =
                format!("{} is beyond {} {}", min.lexical, max.max_kind().name(), max.lexical);
            self.fault(min.min_kind(), None, reason);
        }
    }

    fn check_digits(&mut self) {
        if let (Some(total), Some(fraction)) =
            (self.facets.total_digits, self.facets.fraction_digits)
            && fraction > total
        {
            self.fault(
                FacetKind::FractionDigits,
                None,
                format!("{fraction} is more than totalDigits {total}"),
            );
        }
    }
}

impl Bound {
    /// Which facet it is, as a lower bound.
    #[must_use]
    pub const fn min_kind(&self) -> FacetKind {
        if self.inclusive { FacetKind::MinInclusive } else { FacetKind::MinExclusive }
    }

    /// Which facet it is, as an upper bound.
    #[must_use]
    pub const fn max_kind(&self) -> FacetKind {
        if self.inclusive { FacetKind::MaxInclusive } else { FacetKind::MaxExclusive }
    }
}

impl Enumeration {
    fn new(base: &SimpleType, lexicals: Vec<String>, values: Vec<Value>) -> Self {
        let kinds = [Primitive::String, Primitive::AnyUri, Primitive::AnySimpleType];
        let textual = matches!(base.variety, Variety::Atomic) && kinds.contains(&base.primitive());
        let texts = textual
            .then(|| lexicals.iter().map(|text| text.as_str().into()).collect::<FxHashSet<_>>());
        Self { lexicals, values, texts }
    }

    /// Whether a value is one of them.
    #[must_use]
    pub fn contains(&self, value: &Value, text: &str) -> bool {
        match &self.texts {
            Some(texts) => texts.contains(text),
            None => self.values.contains(value),
        }
    }
}
