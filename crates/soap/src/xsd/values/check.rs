//! Is this text a value of this type? By bytes, with a shortcut for each of the common types.

use super::binary::{base64_decode, base64_length, hex_decode, hex_length};
use super::builtin::{Builtin, Primitive};
use super::decimal::{Decimal, DecimalParts};
use super::duration::{Duration, is_duration};
use super::facets::{Bound, ExplicitTimezone, FacetKind, Facets};
use super::float::{is_float, parse_double, parse_float};
use super::moment::{Fields, Moment};
use super::names::{is_any_uri, is_language, is_nmtoken, split_qname};
use super::simple::{SimpleType, ValueFault, Variety};
use super::space::{trim, words};
use super::value::Value;
use crate::name::PrefixScope;
use crate::xml::{is_name, is_ncname};

/// What a type can be checked by, without looking at its facets one by one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fast {
    /// Every text is a value.
    Anything,
    /// An integer between two machine integers.
    Integer(i64, i64),
    /// The lexical form of the built-in type is all there is to check.
    Lexical,
    /// No shortcut.
    Facets,
}

impl Fast {
    pub(super) fn choose(variety: &Variety, builtin: Builtin, facets: &Facets) -> Self {
        if !matches!(variety, Variety::Atomic) {
            return Self::Facets;
        }
        let plain = facets.length.is_none()
            && facets.min_length.is_none()
            && facets.max_length.is_none()
            && facets.patterns.is_empty()
            && facets.enumeration.is_none()
            && facets.total_digits.is_none()
            && facets.explicit_timezone.is_none_or(|e| e == ExplicitTimezone::Optional);
        if !plain {
            return Self::Facets;
        }
        if builtin.is_integer() {
            return Self::integer_range(facets).unwrap_or(Self::Facets);
        }
        let bounded =
            facets.min.is_some() || facets.max.is_some() || facets.fraction_digits.is_some();
        match builtin {
            _ if bounded => Self::Facets,
            Builtin::AnySimpleType
            | Builtin::String
            | Builtin::NormalizedString
            | Builtin::Token => Self::Anything,
            _ => Self::Lexical,
        }
    }

    fn integer_range(facets: &Facets) -> Option<Self> {
        // One further out than 18 digits can reach stands for "no bound".
        let end = |bound: &Option<Bound>, none: i64, step: i64| match bound {
            None => Some(none),
            Some(Bound { value: Value::Decimal(d), inclusive, .. }) => {
                let inward = if *inclusive { 0 } else { step };
                d.to_i64().and_then(|i| i.checked_add(inward))
            }
            Some(_) => None,
        };
        Some(Self::Integer(end(&facets.min, i64::MIN, 1)?, end(&facets.max, i64::MAX, -1)?))
    }
}

impl SimpleType {
    /// Checks a text as it stands in the document, and gives it back after white space processing.
    /// For a union the text comes back as the member that took it sees it.
    pub fn check<'a>(
        &self,
        text: &'a str,
        scope: &dyn PrefixScope,
        scratch: &'a mut String,
    ) -> Result<&'a str, ValueFault> {
        if let Variety::Union(_) = &self.variety {
            let member = self.member(text, scope)?;
            return Ok(member.white_space.apply(text, scratch));
        }
        let text = self.normalise(text, scratch);
        self.check_normalised(text, scope)?;
        Ok(text)
    }

    /// Applies the whiteSpace facet.
    pub fn normalise<'a>(&self, text: &'a str, scratch: &'a mut String) -> &'a str {
        // In what is no string, space inside is a fault anyway, and trimming is all there is to do.
        let may_have_space = match self.variety {
            Variety::Atomic => matches!(
                self.primitive(),
                Primitive::String
                    | Primitive::AnySimpleType
                    | Primitive::AnyUri
                    | Primitive::Base64Binary
            ),
            _ => true,
        };
        if may_have_space { self.white_space.apply(text, scratch) } else { trim(text) }
    }

    /// Checks a text that has its white space processed already.
    pub fn check_normalised(&self, text: &str, scope: &dyn PrefixScope) -> Result<(), ValueFault> {
        match self.fast {
            Fast::Anything => Ok(()),
            Fast::Integer(least, most) => self.check_integer(text, least, most),
            Fast::Lexical => self.check_lexical(text, scope),
            Fast::Facets => match &self.variety {
                Variety::Atomic => self.check_atomic(text, scope),
                Variety::List(item) => self.check_list(item, text, scope),
                Variety::Union(_) => self.member(text, scope).map(|_| ()),
            },
        }
    }

    /// The atomic or list type, among the members of a union (unions inside unions opened), that takes a text first.
    /// Any other type is its own answer once it is checked.
    pub fn member(&self, text: &str, scope: &dyn PrefixScope) -> Result<&Self, ValueFault> {
        let mut scratch = String::new();
        let Variety::Union(members) = &self.variety else {
            return self.check(text, scope, &mut scratch).map(|_| self);
        };
        for candidate in members {
            let Ok(member) = candidate.member(text, scope) else { continue };
            let text = member.white_space.apply(text, &mut scratch);
            self.check_patterns(text)?;
            if let Some(enumeration) = &self.facets.enumeration {
                let value = member.value(text, scope)?;
                if !enumeration.contains(&value, text) {
                    return Err(ValueFault::Facet(FacetKind::Enumeration));
                }
            }
            return Ok(member);
        }
        Err(ValueFault::Union)
    }

    /// Checks a text as it stands in the document and gives its value.
    pub fn parse(&self, text: &str, scope: &dyn PrefixScope) -> Result<Value, ValueFault> {
        let mut scratch = String::new();
        let member = self.member(text, scope)?;
        let text = member.white_space.apply(text, &mut scratch);
        member.value(text, scope)
    }

    /// The value of a text that is known to be valid after white space processing.
    pub(super) fn value(&self, text: &str, scope: &dyn PrefixScope) -> Result<Value, ValueFault> {
        match &self.variety {
            Variety::Atomic => atomic_value(self.builtin, text, scope),
            Variety::List(item) => words(text)
                .map(|word| item.parse(word, scope))
                .collect::<Result<_, _>>()
                .map(Value::List),
            Variety::Union(_) => self.parse(text, scope),
        }
    }

    fn check_integer(&self, text: &str, least: i64, most: i64) -> Result<(), ValueFault> {
        let bytes = text.as_bytes();
        let (negative, digits) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, bytes),
        };
        if digits.is_empty() || digits.len() > 18 {
            // Long ones are compared as digits.
            return self.check_atomic(text, &());
        }
        let mut value = 0i64;
        for &byte in digits {
            if !byte.is_ascii_digit() {
                return Err(ValueFault::Lexical(self.builtin));
            }
            value = value * 10 + i64::from(byte - b'0');
        }
        let value = if negative { -value } else { value };
        if value < least {
            return Err(ValueFault::Facet(
                self.facets.min.as_ref().map_or(FacetKind::MinInclusive, Bound::min_kind),
            ));
        }
        if value > most {
            return Err(ValueFault::Facet(
                self.facets.max.as_ref().map_or(FacetKind::MaxInclusive, Bound::max_kind),
            ));
        }
        Ok(())
    }

    fn check_lexical(&self, text: &str, scope: &dyn PrefixScope) -> Result<(), ValueFault> {
        let fault = Err(ValueFault::Lexical(self.builtin));
        let valid = match self.primitive() {
            Primitive::AnySimpleType => true,
            Primitive::String => is_string_kind(self.builtin, text),
            Primitive::Boolean => matches!(text, "true" | "false" | "1" | "0"),
            Primitive::Decimal if self.builtin.is_integer() => is_integer(text),
            Primitive::Decimal => DecimalParts::parse(text).is_some(),
            Primitive::Float | Primitive::Double => is_float(text),
            Primitive::Duration => is_duration(text),
            Primitive::HexBinary => hex_length(text).is_some(),
            Primitive::Base64Binary => base64_length(text).is_some(),
            Primitive::AnyUri => is_any_uri(text),
            Primitive::QName | Primitive::Notation => {
                let Some((prefix, _)) = split_qname(text) else { return fault };
                return if prefix.is_empty() || scope.namespace_of(prefix).is_some() {
                    Ok(())
                } else {
                    Err(ValueFault::Prefix)
                };
            }
            kind => Fields::scan(kind, text).is_some(),
        };
        if valid { Ok(()) } else { fault }
    }

    fn check_atomic(&self, text: &str, scope: &dyn PrefixScope) -> Result<(), ValueFault> {
        // Facets of decimals are checked on their digits, which are found out there.
        if self.primitive() != Primitive::Decimal || self.builtin.is_integer() {
            self.check_lexical(text, scope)?;
        }
        self.check_patterns(text)?;
        let facets = &self.facets;
        let sized =
            facets.length.is_some() || facets.min_length.is_some() || facets.max_length.is_some();
        if let Some(length) = sized.then(|| self.length(text)).flatten() {
            self.check_length(length)?;
        }
        if self.primitive() == Primitive::Decimal {
            self.check_decimal(text)?;
        } else if self.primitive().is_ordered() && (facets.min.is_some() || facets.max.is_some()) {
            self.check_bounds(&atomic_value(self.builtin, text, scope)?)?;
        }
        if let Some(wanted) = facets.explicit_timezone {
            self.check_timezone(wanted, text)?;
        }
        if let Some(enumeration) = &facets.enumeration {
            let held = match &enumeration.texts {
                Some(texts) => texts.contains(text),
                None => enumeration.contains(&atomic_value(self.builtin, text, scope)?, text),
            };
            if !held {
                return Err(ValueFault::Facet(FacetKind::Enumeration));
            }
        }
        Ok(())
    }

    fn check_list(
        &self,
        item: &Self,
        text: &str,
        scope: &dyn PrefixScope,
    ) -> Result<(), ValueFault> {
        let mut length = 0;
        for word in words(text) {
            item.check_normalised(word, scope)?;
            length += 1;
        }
        self.check_patterns(text)?;
        self.check_length(length)?;
        if let Some(enumeration) = &self.facets.enumeration
            && !enumeration.contains(&self.value(text, scope)?, text)
        {
            return Err(ValueFault::Facet(FacetKind::Enumeration));
        }
        Ok(())
    }

    fn check_patterns(&self, text: &str) -> Result<(), ValueFault> {
        if self.facets.patterns.iter().all(|step| step.regex.is_match(text)) {
            Ok(())
        } else {
            Err(ValueFault::Facet(FacetKind::Pattern))
        }
    }

    /// What the length facets count; `None` where they are without effect (QName, NOTATION).
    fn length(&self, text: &str) -> Option<u64> {
        match self.primitive() {
            Primitive::HexBinary => hex_length(text),
            Primitive::Base64Binary => base64_length(text),
            Primitive::QName | Primitive::Notation => None,
            _ if text.is_ascii() => Some(text.len() as u64),
            _ => Some(text.chars().count() as u64),
        }
    }

    /// Whether a value of so many octets, which is not at hand, may be one of this type.
    ///
    /// # Errors
    /// The facet that is not met, or that would have to see the value.
    pub fn check_octets(&self, length: u64) -> Result<(), ValueFault> {
        if !self.facets.patterns.is_empty() {
            return Err(ValueFault::Facet(FacetKind::Pattern));
        }
        if self.facets.enumeration.is_some() {
            return Err(ValueFault::Facet(FacetKind::Enumeration));
        }
        self.check_length(length)
    }

    /// Whether no facet needs to see more of a value than its length.
    #[must_use]
    pub fn is_judged_by_length(&self) -> bool {
        self.facets.patterns.is_empty() && self.facets.enumeration.is_none()
    }

    fn check_length(&self, length: u64) -> Result<(), ValueFault> {
        let facets = &self.facets;
        if facets.length.is_some_and(|wanted| length != wanted) {
            return Err(ValueFault::Facet(FacetKind::Length));
        }
        if facets.min_length.is_some_and(|least| length < least) {
            return Err(ValueFault::Facet(FacetKind::MinLength));
        }
        if facets.max_length.is_some_and(|most| length > most) {
            return Err(ValueFault::Facet(FacetKind::MaxLength));
        }
        Ok(())
    }

    fn check_decimal(&self, text: &str) -> Result<(), ValueFault> {
        let facets = &self.facets;
        let Some(parts) = DecimalParts::parse(text) else {
            return Err(ValueFault::Lexical(self.builtin));
        };
        if facets.total_digits.is_some_and(|most| parts.total_digits() > most) {
            return Err(ValueFault::Facet(FacetKind::TotalDigits));
        }
        if facets.fraction_digits.is_some_and(|most| parts.fraction.len() as u64 > most) {
            return Err(ValueFault::Facet(FacetKind::FractionDigits));
        }
        if let Some(Bound { value: Value::Decimal(min), inclusive, .. }) = &facets.min {
            let order = parts.compare(&min.parts());
            if order.is_lt() || (order.is_eq() && !inclusive) {
                return Err(ValueFault::Facet(
                    facets.min.as_ref().map_or(FacetKind::MinInclusive, Bound::min_kind),
                ));
            }
        }
        if let Some(Bound { value: Value::Decimal(max), inclusive, .. }) = &facets.max {
            let order = parts.compare(&max.parts());
            if order.is_gt() || (order.is_eq() && !inclusive) {
                return Err(ValueFault::Facet(
                    facets.max.as_ref().map_or(FacetKind::MaxInclusive, Bound::max_kind),
                ));
            }
        }
        Ok(())
    }

    fn check_bounds(&self, value: &Value) -> Result<(), ValueFault> {
        if let Some(min) = &self.facets.min {
            let order = value.compare(&min.value);
            if !order.is_some_and(|o| o.is_gt() || (o.is_eq() && min.inclusive)) {
                return Err(ValueFault::Facet(min.min_kind()));
            }
        }
        if let Some(max) = &self.facets.max {
            let order = value.compare(&max.value);
            if !order.is_some_and(|o| o.is_lt() || (o.is_eq() && max.inclusive)) {
                return Err(ValueFault::Facet(max.max_kind()));
            }
        }
        Ok(())
    }

    fn check_timezone(&self, wanted: ExplicitTimezone, text: &str) -> Result<(), ValueFault> {
        let given =
            Fields::scan(self.primitive(), text).is_some_and(|fields| fields.timezone.is_some());
        match (wanted, given) {
            (ExplicitTimezone::Required, false) | (ExplicitTimezone::Prohibited, true) => {
                Err(ValueFault::Facet(FacetKind::ExplicitTimezone))
            }
            _ => Ok(()),
        }
    }
}

/// The value of a text that is valid, or at least meant to be: what is not is a lexical fault.
pub(super) fn atomic_value(
    builtin: Builtin,
    text: &str,
    scope: &dyn PrefixScope,
) -> Result<Value, ValueFault> {
    let primitive = builtin.primitive();
    let value = match primitive {
        Primitive::AnySimpleType | Primitive::String | Primitive::AnyUri => {
            Some(Value::Text(primitive, text.into()))
        }
        Primitive::Boolean => match text {
            "true" | "1" => Some(Value::Boolean(true)),
            "false" | "0" => Some(Value::Boolean(false)),
            _ => None,
        },
        Primitive::Decimal => Decimal::parse(text).map(Value::Decimal),
        Primitive::Float => parse_float(text).map(Value::Float),
        Primitive::Double => parse_double(text).map(Value::Double),
        Primitive::Duration => Duration::parse(text).map(Value::Duration),
        Primitive::HexBinary => hex_decode(text).map(|octets| Value::Binary(primitive, octets)),
        Primitive::Base64Binary => {
            base64_decode(text).map(|octets| Value::Binary(primitive, octets))
        }
        Primitive::QName | Primitive::Notation => {
            let Some((prefix, local)) = split_qname(text) else {
                return Err(ValueFault::Lexical(builtin));
            };
            let namespace = match scope.namespace_of(prefix) {
                Some(namespace) => namespace,
                None if prefix.is_empty() => "",
                None => return Err(ValueFault::Prefix),
            };
            Some(Value::Name(primitive, namespace.into(), local.into()))
        }
        kind => Moment::parse(kind, text).map(Value::Moment),
    };
    value.ok_or(ValueFault::Lexical(builtin))
}

fn is_string_kind(builtin: Builtin, text: &str) -> bool {
    match builtin {
        Builtin::Language => is_language(text),
        Builtin::NmToken => is_nmtoken(text),
        Builtin::Name => is_name(text),
        Builtin::NcName | Builtin::Id | Builtin::IdRef | Builtin::Entity => is_ncname(text),
        _ => true,
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}
