//! A value in the value space: equality, order and hashing, whatever the spelling.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::builtin::Primitive;
use super::decimal::Decimal;
use super::duration::Duration;
use super::moment::Moment;

/// A value of a simple type. Values of different primitive types are never equal.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string, or an anyURI.
    Text(Primitive, Box<str>),
    /// A boolean.
    Boolean(bool),
    /// A decimal or an integer.
    Decimal(Decimal),
    /// A float.
    Float(f32),
    /// A double.
    Double(f64),
    /// A duration.
    Duration(Duration),
    /// A dateTime, date, time or one of the Gregorian fragments.
    Moment(Moment),
    /// hexBinary or base64Binary: octets.
    Binary(Primitive, Box<[u8]>),
    /// A QName or NOTATION: namespace and local name.
    Name(Primitive, Box<str>, Box<str>),
    /// The items of a list.
    List(Vec<Self>),
}

impl Value {
    /// The order of two values where there is one.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Decimal(a), Self::Decimal(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Duration(a), Self::Duration(b)) => a.compare(b),
            (Self::Moment(a), Self::Moment(b)) => a.compare(b),
            _ if self == other => Some(Ordering::Equal),
            _ => None,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(p, a), Self::Text(q, b)) => p == q && a == b,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            // NaN equals itself here, unlike in IEEE 754; the zeros are equal.
            (Self::Float(a), Self::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::Double(a), Self::Double(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Moment(a), Self::Moment(b)) => a.compare(b) == Some(Ordering::Equal),
            (Self::Binary(p, a), Self::Binary(q, b)) => p == q && a == b,
            (Self::Name(p, n, a), Self::Name(q, m, b)) => p == q && n == m && a == b,
            (Self::List(a), Self::List(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Text(p, text) => (p, text).hash(state),
            Self::Boolean(b) => b.hash(state),
            Self::Decimal(d) => d.hash(state),
            // Adding zero turns -0 into 0; one bit pattern stands for every NaN.
            Self::Float(f) => (if f.is_nan() { f32::NAN } else { f + 0.0 }).to_bits().hash(state),
            Self::Double(f) => (if f.is_nan() { f64::NAN } else { f + 0.0 }).to_bits().hash(state),
            Self::Duration(d) => d.hash(state),
            Self::Moment(m) => m.hash(state),
            Self::Binary(p, bytes) => (p, bytes).hash(state),
            Self::Name(p, namespace, local) => (p, namespace, local).hash(state),
            Self::List(items) => items.hash(state),
        }
    }
}
