//! An instant of the wall clock, in milliseconds; as text it is RFC 3339, in UTC.

use std::{fmt, str::FromStr};

/// Milliseconds since 1970, UTC. Rooms that decide are given it; they never ask a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// So many milliseconds after 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds after 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Later by so many milliseconds; the last instant there is when that does not exist.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

const DAY_MS: i64 = 86_400_000;

/// `2026-11-25T09:30:00.250Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(DAY_MS));
        let ms = self.0.rem_euclid(DAY_MS);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        let rest = ms % 1_000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
    }
}

/// A text that is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time: write it as 2026-11-25T09:30:00Z")
    }
}

impl std::error::Error for NotATime {}

/// RFC 3339 §5.6, with `Z` or an offset; the year has four digits, so the result fits.
impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let mut rest = text;
        let mut number = |digits: usize, then: Option<char>, most: i64| -> Result<i64, NotATime> {
            let (head, tail) = rest.split_at_checked(digits).ok_or(NotATime)?;
            let value = plain(head)?;
            rest = match then {
                None => tail,
                Some(then) => tail
                    .strip_prefix(then)
                    .or_else(|| tail.strip_prefix(then.to_ascii_lowercase()))
                    .ok_or(NotATime)?,
            };
            if value <= most { Ok(value) } else { Err(NotATime) }
        };
        let year = number(4, Some('-'), 9999)?;
        let (month, day) = (number(2, Some('-'), 12)?, number(2, Some('T'), 31)?);
        let (hour, minute) = (number(2, Some(':'), 23)?, number(2, Some(':'), 59)?);
        let second = number(2, None, 59)?;
        let days = days_since_1970(year, month, day).ok_or(NotATime)?;
        let (fraction, rest) = match rest.strip_prefix('.') {
            None => (0, rest),
            Some(rest) => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or(NotATime)?;
                let (digits, rest) = rest.split_at(end);
                let first: String = digits.chars().chain("00".chars()).take(3).collect();
                if digits.is_empty() {
                    return Err(NotATime);
                }
                (plain(&first)?, rest)
            }
        };
        let local = ((hour * 60 + minute) * 60 + second) * 1_000 + fraction;
        Ok(Self(days * DAY_MS + local - offset(rest)? * 60_000))
    }
}

fn plain(digits: &str) -> Result<i64, NotATime> {
    match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse().map_err(|_| NotATime),
        false => Err(NotATime),
    }
}

/// Minutes east of UTC.
fn offset(text: &str) -> Result<i64, NotATime> {
    if text.eq_ignore_ascii_case("z") {
        return Ok(0);
    }
    let east = match text.chars().next() {
        Some('+') => 1,
        Some('-') => -1,
        _ => return Err(NotATime),
    };
    let (hours, minutes) = text.get(1..).and_then(|rest| rest.split_once(':')).ok_or(NotATime)?;
    if hours.len() != 2 || minutes.len() != 2 {
        return Err(NotATime);
    }
    match (plain(hours)?, plain(minutes)?) {
        (hours @ 0..=23, minutes @ 0..=59) => Ok(east * (hours * 60 + minutes)),
        _ => Err(NotATime),
    }
}

/// Year, month and day of a day counted from 1970. Years are taken to begin in March, so that the
/// odd day comes last, and in groups of 400, after which everything repeats.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (shown, carried) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carried, shown, of_year - (153 * month + 2) / 5 + 1)
}

/// The other way; `None` for a day that its month does not have.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_back_as_they_are_written() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T12:00:00.001Z", 951_825_600_001),
            ("2026-11-25T09:30:00.250Z", 1_795_599_000_250),
            ("1969-12-31T23:59:59.999Z", -1),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp::from_millis(millis)));
        }
        let noon = "2026-11-25T12:00:00Z".parse::<Timestamp>().unwrap();
        assert_eq!("2026-11-25t13:00:00.0009+01:00".parse(), Ok(noon));
        assert_eq!("2026-11-25T07:30:00-04:30".parse(), Ok(noon));
    }

    #[test]
    fn days_that_there_are_not_are_no_instants() {
        for wrong in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01",
            "",
            "é",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00+1:00",
            "2026-01-01T00:00:00ZZ",
        ] {
            assert_eq!(wrong.parse::<Timestamp>(), Err(NotATime), "{wrong}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_is_the_one_after_the_day_before() {
        let mut before = civil(-150_000);
        for day in -149_999..150_000 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days_since_1970(year, month, of_month), Some(day));
            let next = (before.0, before.1, before.2 + 1) == (year, month, of_month)
                || (before.0, before.1 + 1, 1) == (year, month, of_month)
                || (before.0 + 1, 1, 1) == (year, month, of_month) && before.1 == 12;
            assert!(next, "{before:?} is not followed by {:?}", (year, month, of_month));
            before = (year, month, of_month);
        }
    }
}
