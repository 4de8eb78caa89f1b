//! A simple type, compiled: variety, base, white space, facets, and a fast path for the common ones.

use std::sync::{Arc, OnceLock};

use super::builtin::{Builtin, Primitive};
use super::check::Fast;
use super::decimal::Decimal;
use super::facets::{Bound, ExplicitTimezone, FacetKind, Facets};
use super::space::WhiteSpace;
use super::value::Value;

/// A simple type as validators and transcoders use it.
#[derive(Clone, Debug)]
pub struct SimpleType {
    /// Atomic, list or union.
    pub variety: Variety,
    /// The nearest built-in type it is derived from. For a list or union of one's own making: the ur-type.
    pub builtin: Builtin,
    /// The whiteSpace facet; for a union that of its members counts.
    pub white_space: WhiteSpace,
    /// All facets in force.
    pub facets: Facets,
    pub(super) fast: Fast,
}

/// How values are made up.
#[derive(Clone, Debug)]
pub enum Variety {
    /// One value.
    Atomic,
    /// Items of one type between white space.
    List(Arc<SimpleType>),
    /// A value of the first of several types that fits.
    Union(Vec<Arc<SimpleType>>),
}

/// Why a text is not a value of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueFault {
    /// It is not written as the built-in type demands.
    #[error("is not a valid xs:{}", .0.name())]
    Lexical(Builtin),
    /// It breaks a facet.
    #[error("is not allowed by the {} facet", .0.name())]
    Facet(FacetKind),
    /// A QName's prefix is not bound here.
    #[error("has a prefix that is not bound to a namespace")]
    Prefix,
    /// None of a union's members takes it.
    #[error("fits no member of the union")]
    Union,
    /// It is a value, and RFC 3339, which was asked for, cannot say it.
    #[error(
        "cannot be written by RFC 3339, which needs a time zone with a time, none with a date, and a year of four digits"
    )]
    Rfc3339,
}

/// How a number type appears in JSON under `numbers: auto` (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberKind {
    /// An integer that every JSON consumer holds exactly.
    SafeInteger,
    /// An integer that may pass 2^53.
    WideInteger,
    /// A decimal of at most 15 digits.
    SafeDecimal,
    /// A decimal of any size.
    WideDecimal,
    /// `float` or `double`.
    Binary,
}

impl SimpleType {
    /// The compiled form of a built-in type. Asking twice gives the same one.
    #[must_use]
    pub fn builtin(builtin: Builtin) -> Arc<Self> {
        static ALL: OnceLock<Vec<Arc<SimpleType>>> = OnceLock::new();
        let all = ALL.get_or_init(|| {
            let mut made: Vec<Arc<Self>> = Vec::with_capacity(Builtin::ALL.len());
            for &b in Builtin::ALL {
                let item = b.list_item().and_then(|item| made.get(item as usize).cloned());
                made.push(Arc::new(Self::make_builtin(b, item)));
            }
            made
        });
        all.get(builtin as usize)
            .cloned()
            .unwrap_or_else(|| Arc::new(Self::make_builtin(builtin, None)))
    }

    /// A list of items of one type, before any restriction.
    #[must_use]
    pub fn list(item: &Arc<Self>) -> Self {
        Self::assemble(
            Variety::List(Arc::clone(item)),
            Builtin::AnySimpleType,
            WhiteSpace::Collapse,
            Facets::default(),
        )
    }

    /// A union of several types, before any restriction.
    #[must_use]
    pub fn union(members: Vec<Arc<Self>>) -> Self {
        let facets = Facets::default();
        Self::assemble(
            Variety::Union(members),
            Builtin::AnySimpleType,
            WhiteSpace::Collapse,
            facets,
        )
    }

    /// The primitive type of an atomic type; the ur-type for lists and unions.
    #[must_use]
    pub const fn primitive(&self) -> Primitive {
        self.builtin.primitive()
    }

    /// The item type of a list.
    #[must_use]
    pub const fn item(&self) -> Option<&Arc<Self>> {
        match &self.variety {
            Variety::List(item) => Some(item),
            _ => None,
        }
    }

    /// The members of a union.
    #[must_use]
    pub fn members(&self) -> &[Arc<Self>] {
        match &self.variety {
            Variety::Union(members) => members,
            _ => &[],
        }
    }

    /// How values of this type appear as JSON numbers; `None` for what is no number.
    #[must_use]
    pub fn number_kind(&self) -> Option<NumberKind> {
        if !matches!(self.variety, Variety::Atomic) {
            return None;
        }
        match self.primitive() {
            Primitive::Float | Primitive::Double => Some(NumberKind::Binary),
            Primitive::Decimal => Some(self.decimal_kind()),
            _ => None,
        }
    }

    fn decimal_kind(&self) -> NumberKind {
        let digits = self.facets.total_digits.unwrap_or(u64::MAX);
        if self.builtin.is_integer() || self.facets.fraction_digits == Some(0) {
            let limit = Decimal::parse("9007199254740991");
            let within = |bound: &Option<Bound>| match (bound, &limit) {
                (Some(Bound { value: Value::Decimal(d), .. }), Some(limit)) => {
                    d.magnitude_at_most(limit)
                }
                _ => false,
            };
            let safe = digits <= 15 || (within(&self.facets.min) && within(&self.facets.max));
            return if safe { NumberKind::SafeInteger } else { NumberKind::WideInteger };
        }
        if digits <= 15 { NumberKind::SafeDecimal } else { NumberKind::WideDecimal }
    }

    fn make_builtin(builtin: Builtin, item: Option<Arc<Self>>) -> Self {
        let mut facets = Facets::default();
        let bound = |digits: &str| {
            let value = Value::Decimal(Decimal::parse(digits)?);
            Some(Bound { value, inclusive: true, lexical: digits.to_owned() })
        };
        let (min, max) = builtin.integer_bounds();
        facets.min = min.and_then(bound);
        facets.max = max.and_then(bound);
        if builtin.is_integer() {
            facets.fraction_digits = Some(0);
            facets.fixed.insert(FacetKind::FractionDigits);
        }
        if builtin.white_space() == WhiteSpace::Collapse && builtin.primitive() != Primitive::String
        {
            facets.fixed.insert(FacetKind::WhiteSpace);
        }
        let variety = match item {
            // NMTOKENS and its kin hold at least one item.
            Some(item) => {
                facets.min_length = Some(1);
                Variety::List(item)
            }
            None => Variety::Atomic,
        };
        Self::assemble(variety, builtin, builtin.white_space(), facets)
    }

    /// The last step of every way to make a type.
    pub(super) fn assemble(
        variety: Variety,
        builtin: Builtin,
        white_space: WhiteSpace,
        facets: Facets,
    ) -> Self {
        let fast = Fast::choose(&variety, builtin, &facets);
        Self { variety, builtin, white_space, facets, fast }
    }

    /// Whether a timezone must be given, so that RFC 3339 can say every value.
    #[must_use]
    pub fn needs_timezone(&self) -> bool {
        self.facets.explicit_timezone == Some(ExplicitTimezone::Required)
    }
}
