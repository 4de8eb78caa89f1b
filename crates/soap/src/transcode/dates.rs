//! Dates by RFC 3339 (`dates: rfc3339`): the same point in time, written as its section 5.6 does.
//!
//! All but three things are the same there and in XML Schema: midnight at the end of a day (24:00:00) is that of the next one, a time
//! zone is a must for a dateTime and impossible for a date, and a year has four digits.

use std::borrow::Cow;

/// A valid xs:dateTime as `date-time`, digits and time zone kept; nothing where it cannot be one.
pub(crate) fn date_time(text: &str) -> Option<Cow<'_, str>> {
    if !has_plain_year(text) || !has_zone(text) {
        return None;
    }
    if text.get(11..13) != Some("24") {
        return Some(Cow::Borrowed(text));
    }
    let date = next_day(text.get(..10)?)?;
    Some(Cow::Owned(format!("{date}T00{}", text.get(13..)?)))
}

/// Whether what a caller sent, its letters capital, is a `date-time`, if it is an xs:dateTime.
pub(super) fn is_date_time(text: &str) -> bool {
    has_plain_year(text) && has_zone(text) && text.get(11..13) != Some("24")
}

/// Whether a valid xs:date is a `full-date`.
pub(super) fn is_full_date(text: &str) -> bool {
    has_plain_year(text) && text.len() == 10
}

fn has_plain_year(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().take(4).all(u8::is_ascii_digit) && bytes.get(4) == Some(&b'-')
}

fn has_zone(text: &str) -> bool {
    let sign = text.len().checked_sub(6).and_then(|at| text.as_bytes().get(at));
    text.ends_with('Z') || sign.is_some_and(|sign| matches!(sign, b'+' | b'-'))
}

/// The day after `YYYY-MM-DD`, unless that is in the year 10000.
fn next_day(date: &str) -> Option<String> {
    let mut parts = date.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let (year, month, day) = match (month, day) {
        (12, 31) => (year + 1, 1, 1),
        (_, day) if day == last => (year, month + 1, 1),
        _ => (year, month, day + 1),
    };
    (year < 10_000).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_day_is_the_beginning_of_the_next() {
        for (xml, json) in [
            ("2024-02-28T24:00:00Z", Some("2024-02-29T00:00:00Z")),
            ("2023-02-28T24:00:00.000+14:00", Some("2023-03-01T00:00:00.000+14:00")),
            ("1900-02-28T24:00:00-00:00", Some("1900-03-01T00:00:00-00:00")),
            ("2000-12-31T24:00:00Z", Some("2001-01-01T00:00:00Z")),
            ("2024-04-30T24:00:00Z", Some("2024-05-01T00:00:00Z")),
            ("9999-12-31T24:00:00Z", None),
            ("2024-01-01T23:59:59.120000Z", Some("2024-01-01T23:59:59.120000Z")),
            ("2024-01-01T00:00:00", None),
            ("12024-01-01T00:00:00Z", None),
            ("-0044-03-15T00:00:00Z", None),
        ] {
            assert_eq!(date_time(xml).as_deref(), json, "{xml}");
        }
        assert!(is_full_date("2024-02-29"));
        assert!(!is_full_date("2024-02-29Z") && !is_full_date("-0044-03-15"));
    }
}
