//! Decimals of any size, kept and compared as digits: no float, no fixed width.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// The parts of a decimal lexeme, borrowed and normalised: no leading or trailing zeros, no sign on zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecimalParts<'a> {
    /// Below zero.
    pub negative: bool,
    /// Digits before the point, without leading zeros; empty for none.
    pub integer: &'a str,
    /// Digits after the point, without trailing zeros; empty for none.
    pub fraction: &'a str,
}

/// An owned decimal.
#[derive(Clone, Debug)]
pub struct Decimal {
    negative: bool,
    digits: Box<str>,
    /// How many of the digits stand before the point.
    integer_digits: usize,
}

impl<'a> DecimalParts<'a> {
    /// Reads `(+|-)? (digits (. digits*)? | . digits)`.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (integer, fraction) = match memchr::memchr(b'.', rest.as_bytes()) {
            Some(point) => (rest.get(..point)?, rest.get(point + 1..)?),
            None => (rest, ""),
        };
        let digits = integer.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if !digits || (integer.is_empty() && fraction.is_empty()) {
            return None;
        }
        let integer = integer.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let zero = integer.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !zero, integer, fraction })
    }

    /// How many digits the value needs: what `totalDigits` counts.
    #[must_use]
    pub fn total_digits(&self) -> u64 {
        // 0.05 is 5 × 10^-2 but needs a scale of 2: totalDigits counts at least the fraction digits' significant part.
        let significant = if self.integer.is_empty() {
            self.fraction.trim_start_matches('0').len()
        } else {
            self.integer.len() + self.fraction.len()
        };
        significant as u64
    }

    /// The order of two decimals.
    #[must_use]
    pub fn compare(&self, other: &DecimalParts<'_>) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
        }
    }

    fn compare_magnitude(&self, other: &DecimalParts<'_>) -> Ordering {
        let (a, b) = (self.integer, other.integer);
        a.len().cmp(&b.len()).then_with(|| a.cmp(b)).then_with(|| self.fraction.cmp(other.fraction))
    }
}

impl Decimal {
    /// Reads a decimal lexeme.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        DecimalParts::parse(text).map(Self::from)
    }

    /// The digits, borrowed.
    #[must_use]
    pub fn parts(&self) -> DecimalParts<'_> {
        let (integer, fraction) =
            self.digits.split_at_checked(self.integer_digits).unwrap_or(("", ""));
        DecimalParts { negative: self.negative, integer, fraction }
    }

    /// Whether |self| ≤ |limit|.
    #[must_use]
    pub fn magnitude_at_most(&self, limit: &Self) -> bool {
        self.parts().compare_magnitude(&limit.parts()) != Ordering::Greater
    }

    /// The value as a machine integer, if it is one.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        let parts = self.parts();
        if !parts.fraction.is_empty() {
            return None;
        }
        let mut value: i64 = 0;
        for digit in parts.integer.bytes() {
            let digit = i64::from(digit - b'0');
            value = value.checked_mul(10)?;
            value = if parts.negative {
                value.checked_sub(digit)?
            } else {
                value.checked_add(digit)?
            };
        }
        Some(value)
    }
}

impl From<DecimalParts<'_>> for Decimal {
    fn from(parts: DecimalParts<'_>) -> Self {
        let digits = format!("{}{}", parts.integer, parts.fraction).into_boxed_str();
        Self { negative: parts.negative, digits, integer_digits: parts.integer.len() }
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().compare(&other.parts())
    }
}
