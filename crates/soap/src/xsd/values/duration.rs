//! Durations: months and seconds apart, ordered only where every calendar agrees.

use std::cmp::Ordering;

use super::moment::{civil_days, days_in_month};

/// A duration. Fields too large for 128 bits are refused as lexical errors would be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Duration {
    /// Years and months, signed.
    pub months: i128,
    /// Days, hours, minutes and seconds, signed.
    pub seconds: i128,
    /// Digits of the fractional second without trailing zeros; it has the sign of the whole.
    pub fraction: Box<str>,
    negative: bool,
}

/// Whether the text is a duration, without making one.
pub(super) fn is_duration(text: &str) -> bool {
    scan(text).is_some()
}

impl Duration {
    /// Reads `-?PnYnMnDTnHnMnS`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Scan { negative, fields, fraction } = scan(text)?;
        let [years, months, days, hours, minutes, seconds] = fields;
        let number =
            |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
        let months = number(years)?.checked_mul(12)?.checked_add(number(months)?)?;
        let hours = number(days)?.checked_mul(24)?.checked_add(number(hours)?)?;
        let minutes = hours.checked_mul(60)?.checked_add(number(minutes)?)?;
        let seconds = minutes.checked_mul(60)?.checked_add(number(seconds)?)?;
        let fraction: Box<str> = fraction.trim_end_matches('0').into();
        let negative = negative && (months != 0 || seconds != 0 || !fraction.is_empty());
        let sign = if negative { -1 } else { 1 };
        Some(Self {
            months: months.checked_mul(sign)?,
            seconds: seconds.checked_mul(sign)?,
            fraction,
            negative,
        })
    }

    /// Ordered if adding both to each of four dates gives the same answer (XSD Part 2, 3.2.6.2).
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.months == other.months {
            return Some(self.compare_seconds(self.seconds, other, other.seconds));
        }
        let mut answer = None;
        for (year, month) in [(1696, 9), (1697, 2), (1903, 3), (1903, 7)] {
            let (a, b) = (self.end_from(year, month)?, other.end_from(year, month)?);
            let here = self.compare_seconds(a, other, b);
            if *answer.get_or_insert(here) != here {
                return None;
            }
        }
        answer
    }

    fn compare_seconds(&self, mine: i128, other: &Self, theirs: i128) -> Ordering {
        let fraction = || match (self.negative, other.negative) {
            (false, false) => self.fraction.cmp(&other.fraction),
            (true, true) => other.fraction.cmp(&self.fraction),
            (true, false) if self.fraction.is_empty() && other.fraction.is_empty() => {
                Ordering::Equal
            }
            (false, true) if self.fraction.is_empty() && other.fraction.is_empty() => {
                Ordering::Equal
            }
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        };
        mine.cmp(&theirs).then_with(fraction)
    }

    /// Seconds on the timeline of the first day of a month plus this duration.
    fn end_from(&self, year: i128, month: i128) -> Option<i128> {
        let months = year.checked_mul(12)?.checked_add(month - 1)?.checked_add(self.months)?;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        debug_assert!(days_in_month(year, month as u8) >= 28, "every month has a first day");
        civil_days(year, month as u8, 1)?.checked_mul(86_400)?.checked_add(self.seconds)
    }
}

/// The digits of each field, empty where it is absent.
struct Scan<'a> {
    negative: bool,
    fields: [&'a str; 6],
    fraction: &'a str,
}

fn scan(text: &str) -> Option<Scan<'_>> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut rest = rest.strip_prefix('P')?;
    let mut found = Scan { negative, fields: [""; 6], fraction: "" };
    // Designators in order; those after T are the last three.
    const DESIGNATORS: [u8; 6] = *b"YMDHMS";
    let mut next = 0;
    let mut any = false;
    loop {
        if let Some(after) = rest.strip_prefix('T') {
            if next > 3 || after.is_empty() {
                return None;
            }
            (rest, next, any) = (after, 3, false);
            // A T must be followed by a field; `any` says so at the end.
            while !rest.is_empty() {
                rest = field(rest, &mut found, &mut next, &DESIGNATORS, 6)?;
                any = true;
            }
            return any.then_some(found);
        }
        if rest.is_empty() {
            return any.then_some(found);
        }
        rest = field(rest, &mut found, &mut next, &DESIGNATORS, 3)?;
        any = true;
    }
}

fn field<'a>(
    text: &'a str,
    found: &mut Scan<'a>,
    next: &mut usize,
    designators: &[u8; 6],
    end: usize,
) -> Option<&'a str> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, mut rest) = text.split_at_checked(length)?;
    let mut fraction = None;
    if let Some(after) = rest.strip_prefix('.') {
        let length = after.bytes().take_while(u8::is_ascii_digit).count();
        let (some, tail) = after.split_at_checked(length)?;
        (fraction, rest) = (Some(some), tail);
    }
    let designator = *rest.as_bytes().first()?;
    let at = (*next..end).find(|&i| designators.get(i) == Some(&designator))?;
    // Only seconds may have a fraction, and then with digits on both sides of the point.
    if digits.is_empty() || fraction.is_some_and(|f| at != 5 || f.is_empty()) {
        return None;
    }
    *found.fields.get_mut(at)? = digits;
    found.fraction = fraction.unwrap_or(found.fraction);
    *next = at + 1;
    rest.get(1..)
}
