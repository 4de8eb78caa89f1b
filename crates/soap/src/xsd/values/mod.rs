//! Simple types of XML Schema 1.0: what a text means, whether it is allowed, and how two of them compare.
//!
//! [`SimpleType`] is the compiled form that the schema compiler fills through [`SimpleType::builtin`],
//! [`SimpleType::restrict`], [`SimpleType::list`] and [`SimpleType::union`]; validators and transcoders only ask it
//! [`check`](SimpleType::check), and for identity constraints and fixed values [`parse`](SimpleType::parse).
//! Nothing here goes through a binary float except `float` and `double` themselves.

mod binary;
mod builtin;
mod canonical;
mod check;
mod decimal;
mod derive;
mod duration;
mod facets;
mod float;
mod moment;
mod names;
mod simple;
mod space;
#[cfg(test)]
mod tests;
mod value;

pub use binary::{base64_length, base64_strip, hex_length};
pub use builtin::{Builtin, Primitive};
pub use canonical::{write_decimal, write_double, write_float, write_integer};
pub use decimal::{Decimal, DecimalParts};
pub use derive::{FacetFault, RawFacet};
pub use duration::Duration;
pub use facets::{Bound, Enumeration, ExplicitTimezone, FacetKind, FacetSet, Facets, PatternStep};
pub use moment::Moment;
pub use names::{is_name_char, is_name_start, is_nmtoken};
pub use simple::{NumberKind, SimpleType, ValueFault, Variety};
pub use space::WhiteSpace;
pub use value::Value;
