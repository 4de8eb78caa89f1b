//! Points in time, as messages and certificates write them: seconds since 1970.

/// Reads `2026-11-25T08:15:00.123Z`; without a zone it is UTC (WS-Security 1.1, 10). `None`: it is none, or is not between
/// 1970 and 9999.
pub(super) fn of_message(text: &str) -> Option<u64> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix('T')?.split_at_checked(8)?;
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fields(time, ':', [2, 2, 2])?;
    let rest = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            (zone.len() < fraction.len()).then_some(zone)?
        }
    };
    let east = match rest.split_at_checked(1) {
        None => 0,
        Some(("Z", "")) => 0,
        Some((sign @ ("+" | "-"), zone)) => {
            let [hours, minutes] = fields(zone, ':', [2, 2])?;
            let east = i64::try_from(hours * 3600 + minutes * 60).ok()?;
            (hours <= 14 && minutes < 60).then_some(if sign == "+" { east } else { -east })?
        }
        Some(_) => return None,
    };
    let local = i64::try_from(seconds(year, [month, day], [hour, minute, second])?).ok()?;
    u64::try_from(local - east).ok()
}

/// Reads the UTCTime (17) or GeneralizedTime (18) of a certificate (RFC 5280, 4.1.2.5).
pub(super) fn of_certificate(tag: u8, content: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let digits = match tag {
        0x17 if text.starts_with(['5', '6', '7', '8', '9']) => format!("19{text}"),
        0x17 => format!("20{text}"),
        0x18 => text.to_owned(),
        _ => return None,
    };
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<u64>().ok();
    // What was valid before 1970 was valid in 1970.
    let (year, month, day) = (number(0..4)?.max(1970), number(4..6)?, number(6..8)?);
    seconds(year, [month, day], [number(8..10)?, number(10..12)?, number(12..14)?])
}

/// Numbers of so many digits each.
fn fields<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut out = [0; N];
    let mut parts = text.split(between);
    for (number, digits) in out.iter_mut().zip(digits) {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = plain.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(out)
}

fn seconds(year: u64, [month, day]: [u64; 2], [hour, minute, second]: [u64; 3]) -> Option<u64> {
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    let length = *lengths.get(before)?;
    // A leap second is the end of its minute.
    let fine = (1..=length).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !fine || !(1970..=9999).contains(&year) {
        return None;
    }
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let days = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    let days = days + lengths.iter().take(before).sum::<u64>() + day - 1;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second.min(59))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_in_any_zone() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-25T08:15:00Z", 1_795_594_500),
            ("2026-11-25T08:15:00", 1_795_594_500),
            (" 2026-11-25T08:15:00.999Z\n", 1_795_594_500),
            ("2026-11-25T10:15:00+02:00", 1_795_594_500),
            ("2026-11-25T02:45:00.5-05:30", 1_795_594_500),
            ("2024-02-29T23:59:60Z", 1_709_251_199),
            ("2000-03-01T00:00:00Z", 951_868_800),
        ] {
            assert_eq!(of_message(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "2026-11-25",
            "2026-11-25T08:15Z",
            "2026-11-25 08:15:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00ZZ",
            "2026-01-01T00:00:00+15:00",
            "2026-01-01T00:00:00+1:00",
            "12026-01-01T00:00:00Z",
            "-2026-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "２026-01-01T00:00:00Z",
        ] {
            assert_eq!(of_message(text), None, "{text}");
        }
    }

    #[test]
    fn a_certificate_s_years_are_of_two_digits_or_four() {
        assert_eq!(of_certificate(0x17, b"261125081500Z"), Some(1_795_594_500));
        assert_eq!(of_certificate(0x18, b"20261125081500Z"), Some(1_795_594_500));
        assert_eq!(of_certificate(0x17, b"500101000000Z"), Some(0));
        assert_eq!(of_certificate(0x18, b"99991231235959Z"), Some(253_402_300_799));
        assert_eq!(of_certificate(0x17, b"261125081500+0100"), None);
        assert_eq!(of_certificate(0x17, b"20261125081500Z"), None);
        assert_eq!(of_certificate(0x04, b"261125081500Z"), None);
    }
}
