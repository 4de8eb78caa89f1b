//! dateTime, date, time and the Gregorian fragments: lexical checks by position, and the partial order over timezones.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::builtin::Primitive;

/// A point in time, or a recurring one, on a timeline of seconds.
#[derive(Clone, Debug)]
pub struct Moment {
    kind: Primitive,
    /// Seconds from the first of March of the year 0, by the clock on the spot.
    seconds: i128,
    /// Digits of the fractional second, without trailing zeros.
    fraction: Box<str>,
    /// Minutes ahead of UTC, if it says.
    timezone: Option<i16>,
}

/// Fourteen hours: the furthest that a timezone can be from UTC.
const FURTHEST: i128 = 14 * 3600;

impl Moment {
    /// Reads a lexeme of the given kind.
    #[must_use]
    pub fn parse(kind: Primitive, text: &str) -> Option<Self> {
        let fields = Fields::scan(kind, text)?;
        // A year of so many digits that it does not fit is as far away as can be.
        let year = match fields.year {
            Some(digits) => digits.parse::<i64>().unwrap_or(if fields.before_christ {
                i64::MIN
            } else {
                i64::MAX
            }),
            None => 2000,
        };
        let year = i128::from(year);
        let year = if fields.before_christ { 1 - year.abs() } else { year };
        let days = civil_days(year, fields.month.unwrap_or(1), fields.day.unwrap_or(1))?;
        let [hour, minute, second] = fields.clock.map(i128::from);
        let seconds = days.checked_mul(86_400)?.checked_add(hour * 3600 + minute * 60 + second)?;
        // 24:00:00 of a time without a date is the same as 00:00:00.
        let seconds =
            if kind == Primitive::Time && hour == 24 { seconds - 86_400 } else { seconds };
        let fraction = fields.fraction.trim_end_matches('0').into();
        Some(Self { kind, seconds, fraction, timezone: fields.timezone })
    }

    /// The order, if it is the same in every timezone that a side may have left out (XSD Part 2, 3.2.7.4).
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.kind != other.kind {
            return None;
        }
        let (a, b) = (self.utc(), other.utc());
        match (self.timezone, other.timezone) {
            (Some(_), Some(_)) | (None, None) => Some(self.order(a, other, b)),
            (Some(_), None) => {
                self.settled(self.order(a, other, b - FURTHEST), self.order(a, other, b + FURTHEST))
            }
            (None, Some(_)) => {
                self.settled(self.order(a + FURTHEST, other, b), self.order(a - FURTHEST, other, b))
            }
        }
    }

    /// `earliest` is the answer if the open side is as early as can be, `latest` if as late.
    fn settled(&self, earliest: Ordering, latest: Ordering) -> Option<Ordering> {
        (earliest == latest && earliest != Ordering::Equal).then_some(earliest)
    }

    fn order(&self, a: i128, other: &Self, b: i128) -> Ordering {
        a.cmp(&b).then_with(|| self.fraction.cmp(&other.fraction))
    }

    fn utc(&self) -> i128 {
        self.seconds - i128::from(self.timezone.unwrap_or(0)) * 60
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other) == Some(Ordering::Equal)
    }
}

impl Eq for Moment {}

impl Hash for Moment {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.kind, self.utc(), &self.fraction, self.timezone.is_some()).hash(state);
    }
}

/// What a lexeme of any of the eight kinds says.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    year: Option<&'a str>,
    before_christ: bool,
    month: Option<u8>,
    day: Option<u8>,
    clock: [u8; 3],
    fraction: &'a str,
    /// Minutes ahead of UTC.
    pub(super) timezone: Option<i16>,
}

impl<'a> Fields<'a> {
    /// Checks and splits a lexeme.
    pub(super) fn scan(kind: Primitive, text: &'a str) -> Option<Self> {
        use Primitive::{Date, DateTime, GDay, GMonth, GMonthDay, GYear, GYearMonth, Time};
        let mut fields = Self::default();
        let mut at = Cursor { text, bytes: text.as_bytes(), at: 0 };
        if matches!(kind, DateTime | Date | GYearMonth | GYear) {
            fields.year(&mut at)?;
        } else if matches!(kind, GMonth | GMonthDay) {
            at.expect(b'-')?;
        } else if kind == GDay {
            at.expect(b'-')?;
            at.expect(b'-')?;
        }
        if matches!(kind, DateTime | Date | GYearMonth | GMonth | GMonthDay) {
            at.expect(b'-')?;
            fields.month = Some(at.two_digits(1, 12)?);
        }
        if matches!(kind, DateTime | Date | GMonthDay | GDay) {
            at.expect(b'-')?;
            fields.day = Some(at.two_digits(1, 31)?);
        }
        if kind == DateTime {
            at.expect(b'T')?;
        }
        if matches!(kind, DateTime | Time) {
            fields.clock(&mut at)?;
        }
        fields.timezone(&mut at)?;
        (at.at == text.len() && fields.day_exists()).then_some(fields)
    }

    fn year(&mut self, at: &mut Cursor<'a>) -> Option<()> {
        self.before_christ = at.accept(b'-');
        let start = at.at;
        while at.peek().is_some_and(|b| b.is_ascii_digit()) {
            at.at += 1;
        }
        let digits = at.text.get(start..at.at)?;
        // Four digits or more; no leading zero beyond four; there is no year 0.
        let leading = digits.len() > 4 && digits.starts_with('0');
        if digits.len() < 4 || leading || digits == "0000" {
            return None;
        }
        self.year = Some(digits);
        Some(())
    }

    fn clock(&mut self, at: &mut Cursor<'a>) -> Option<()> {
        let hour = at.two_digits(0, 24)?;
        at.expect(b':')?;
        let minute = at.two_digits(0, 59)?;
        at.expect(b':')?;
        let second = at.two_digits(0, 59)?;
        if at.accept(b'.') {
            let start = at.at;
            while at.peek().is_some_and(|b| b.is_ascii_digit()) {
                at.at += 1;
            }
            self.fraction = at.text.get(start..at.at)?;
            if self.fraction.is_empty() {
                return None;
            }
        }
        self.clock = [hour, minute, second];
        // Midnight may be written 24:00:00, and nothing after it.
        let midnight = minute == 0 && second == 0 && self.fraction.bytes().all(|b| b == b'0');
        (hour < 24 || midnight).then_some(())
    }

    fn timezone(&mut self, at: &mut Cursor<'a>) -> Option<()> {
        let sign = match at.peek() {
            None => return Some(()),
            Some(b'Z') => {
                at.at += 1;
                self.timezone = Some(0);
                return Some(());
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return None,
        };
        at.at += 1;
        let hours = i16::from(at.two_digits(0, 14)?);
        at.expect(b':')?;
        let minutes = i16::from(at.two_digits(0, 59)?);
        self.timezone = Some(sign * (hours * 60 + minutes));
        (hours < 14 || minutes == 0).then_some(())
    }

    fn day_exists(&self) -> bool {
        let (Some(month), Some(day)) = (self.month, self.day) else { return true };
        if day <= 28 {
            return true;
        }
        // A month and day without a year exist if they do in a leap year.
        let year = match self.year {
            // 10000 is a multiple of 400: the last four digits decide.
            Some(digits) => {
                let last = digits
                    .get(digits.len().saturating_sub(4)..)
                    .and_then(|d| d.parse().ok())
                    .unwrap_or(0);
                if self.before_christ { 1 - last } else { last }
            }
            None => 2000,
        };
        day <= days_in_month(year, month)
    }
}

struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.accept(byte).then_some(())
    }

    fn two_digits(&mut self, least: u8, most: u8) -> Option<u8> {
        let &[tens, units] = self.bytes.get(self.at..self.at + 2)? else { return None };
        if !tens.is_ascii_digit() || !units.is_ascii_digit() {
            return None;
        }
        self.at += 2;
        let number = (tens - b'0') * 10 + (units - b'0');
        (least..=most).contains(&number).then_some(number)
    }
}

pub(super) const fn days_in_month(year: i128, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the first of March of the year 0, in the proleptic Gregorian calendar.
pub(super) fn civil_days(year: i128, month: u8, day: u8) -> Option<i128> {
    // Years begin in March, so that the leap day is the last.
    let shifted = i128::from((i16::from(month) + 9) % 12);
    let year = year.checked_sub(i128::from(month <= 2))?;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year.checked_mul(365)?.checked_add(leap_days + (shifted * 153 + 2) / 5 + i128::from(day) - 1)
}
