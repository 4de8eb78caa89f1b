//! The built-in simple types: the ur-type, 19 primitives and the 25 derived from them.

use super::space::WhiteSpace;

/// A primitive type: decides the value space, and which facets may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum Primitive {
    AnySimpleType,
    String,
    Boolean,
    Decimal,
    Float,
    Double,
    Duration,
    DateTime,
    Time,
    Date,
    GYearMonth,
    GYear,
    GMonthDay,
    GDay,
    GMonth,
    HexBinary,
    Base64Binary,
    AnyUri,
    QName,
    Notation,
}

macro_rules! builtins {
    ($($variant:ident $name:literal $base:ident $primitive:ident $space:ident;)*) => {
        /// A built-in simple type, by index.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names are those of the specification")]
        #[repr(u8)]
        pub enum Builtin { $($variant,)* }

        impl Builtin {
            /// Every built-in simple type, bases before what is derived from them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The local name in [`XSD`](crate::name::XSD).
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The built-in type with this local name.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// The type it is derived from; for a list (`NMTOKENS`…) the item type. The ur-type is its own base.
            #[must_use]
            pub const fn base(self) -> Self {
                match self { $(Self::$variant => Self::$base,)* }
            }

            /// The primitive type at the root of its derivation; for lists the ur-type.
            #[must_use]
            pub const fn primitive(self) -> Primitive {
                match self { $(Self::$variant => Primitive::$primitive,)* }
            }

            /// Its whiteSpace facet.
            #[must_use]
            pub const fn white_space(self) -> WhiteSpace {
                match self { $(Self::$variant => WhiteSpace::$space,)* }
            }
        }
    };
}

builtins! {
    AnySimpleType "anySimpleType" AnySimpleType AnySimpleType Preserve;
    String "string" AnySimpleType String Preserve;
    Boolean "boolean" AnySimpleType Boolean Collapse;
    Decimal "decimal" AnySimpleType Decimal Collapse;
    Float "float" AnySimpleType Float Collapse;
    Double "double" AnySimpleType Double Collapse;
    Duration "duration" AnySimpleType Duration Collapse;
    DateTime "dateTime" AnySimpleType DateTime Collapse;
    Time "time" AnySimpleType Time Collapse;
    Date "date" AnySimpleType Date Collapse;
    GYearMonth "gYearMonth" AnySimpleType GYearMonth Collapse;
    GYear "gYear" AnySimpleType GYear Collapse;
    GMonthDay "gMonthDay" AnySimpleType GMonthDay Collapse;
    GDay "gDay" AnySimpleType GDay Collapse;
    GMonth "gMonth" AnySimpleType GMonth Collapse;
    HexBinary "hexBinary" AnySimpleType HexBinary Collapse;
    Base64Binary "base64Binary" AnySimpleType Base64Binary Collapse;
    AnyUri "anyURI" AnySimpleType AnyUri Collapse;
    QName "QName" AnySimpleType QName Collapse;
    Notation "NOTATION" AnySimpleType Notation Collapse;
    NormalizedString "normalizedString" String String Replace;
    Token "token" NormalizedString String Collapse;
    Language "language" Token String Collapse;
    NmToken "NMTOKEN" Token String Collapse;
    NmTokens "NMTOKENS" NmToken AnySimpleType Collapse;
    Name "Name" Token String Collapse;
    NcName "NCName" Name String Collapse;
    Id "ID" NcName String Collapse;
    IdRef "IDREF" NcName String Collapse;
    IdRefs "IDREFS" IdRef AnySimpleType Collapse;
    Entity "ENTITY" NcName String Collapse;
    Entities "ENTITIES" Entity AnySimpleType Collapse;
    Integer "integer" Decimal Decimal Collapse;
    NonPositiveInteger "nonPositiveInteger" Integer Decimal Collapse;
    NegativeInteger "negativeInteger" NonPositiveInteger Decimal Collapse;
    Long "long" Integer Decimal Collapse;
    Int "int" Long Decimal Collapse;
    Short "short" Int Decimal Collapse;
    Byte "byte" Short Decimal Collapse;
    NonNegativeInteger "nonNegativeInteger" Integer Decimal Collapse;
    UnsignedLong "unsignedLong" NonNegativeInteger Decimal Collapse;
    UnsignedInt "unsignedInt" UnsignedLong Decimal Collapse;
    UnsignedShort "unsignedShort" UnsignedInt Decimal Collapse;
    UnsignedByte "unsignedByte" UnsignedShort Decimal Collapse;
    PositiveInteger "positiveInteger" NonNegativeInteger Decimal Collapse;
}

impl Builtin {
    /// The item type of the three built-in lists.
    #[must_use]
    pub const fn list_item(self) -> Option<Self> {
        match self {
            Self::NmTokens | Self::IdRefs | Self::Entities => Some(self.base()),
            _ => None,
        }
    }

    /// Whether it is `integer` or derived from it.
    #[must_use]
    pub const fn is_integer(self) -> bool {
        matches!(self.primitive(), Primitive::Decimal) && !matches!(self, Self::Decimal)
    }

    /// The bounds of an integer type, as digits; `None` where there is none.
    #[must_use]
    pub const fn integer_bounds(self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Self::NonPositiveInteger => (None, Some("0")),
            Self::NegativeInteger => (None, Some("-1")),
            Self::Long => (Some("-9223372036854775808"), Some("9223372036854775807")),
            Self::Int => (Some("-2147483648"), Some("2147483647")),
            Self::Short => (Some("-32768"), Some("32767")),
            Self::Byte => (Some("-128"), Some("127")),
            Self::NonNegativeInteger => (Some("0"), None),
            Self::UnsignedLong => (Some("0"), Some("18446744073709551615")),
            Self::UnsignedInt => (Some("0"), Some("4294967295")),
            Self::UnsignedShort => (Some("0"), Some("65535")),
            Self::UnsignedByte => (Some("0"), Some("255")),
            Self::PositiveInteger => (Some("1"), None),
            _ => (None, None),
        }
    }

    /// Whether `self` is `other` or derived from it by restriction.
    #[must_use]
    pub fn derives_from(self, other: Self) -> bool {
        let mut at = self;
        loop {
            if at == other || other == Self::AnySimpleType {
                return true;
            }
            if at == Self::AnySimpleType || at.list_item().is_some() {
                return false;
            }
            at = at.base();
        }
    }
}

impl Primitive {
    /// Whether values have an order, so that minInclusive and its kin may be used.
    #[must_use]
    pub const fn is_ordered(self) -> bool {
        matches!(self, Self::Decimal | Self::Float | Self::Double | Self::Duration)
            || self.is_moment()
    }

    /// Whether it is a point or a recurring point in time.
    #[must_use]
    pub const fn is_moment(self) -> bool {
        matches!(
            self,
            Self::DateTime
                | Self::Time
                | Self::Date
                | Self::GYearMonth
                | Self::GYear
                | Self::GMonthDay
                | Self::GDay
                | Self::GMonth
        )
    }
}
