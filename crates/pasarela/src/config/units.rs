//! The small languages of the file: numbers, durations, sizes, rates, quotas, percentages, names.
//!
//! All of them are exact: there is no floating point here. Each reader says on failure why it
//! could not read, in words that continue "… is not a duration: ".

use std::time::Duration;

use pasarela_model::{QuotaWindow, Rate};

use super::{fault::Code, walk::Shape};

pub(crate) const DURATION: Shape = Shape {
    code: Code::Duration,
    noun: "a duration",
    cure: "Write a number with ms, s, m or h, such as 250ms, 10s, 5m or 1h.",
};
pub(crate) const SIZE: Shape = Shape {
    code: Code::Size,
    noun: "a size",
    cure: "Write a number of bytes, or one with KiB, MiB or GiB, such as 64KiB or 100MiB.",
};
pub(crate) const RATE: Shape = Shape {
    code: Code::Rate,
    noun: "a rate",
    cure: "Write calls per s, min, h or day, with a burst if you want: 5/s, 1_000/min, 100/s burst 200.",
};
pub(crate) const QUOTA: Shape = Shape {
    code: Code::Quota,
    noun: "a quota",
    cure: "Write calls per hour, day, week or month: 1_000/month.",
};
pub(crate) const PERCENT: Shape = Shape {
    code: Code::Percent,
    noun: "a percentage",
    cure: "Write a number from 0 to 100 with a percent sign, such as 30%.",
};

/// Longest duration a setting may have: a week. Longer ones are slips of the unit.
const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// A whole number; `_` may stand between digits.
pub(crate) fn whole(text: &str) -> Result<u64, String> {
    let digits = digits(text)?;
    digits.parse().map_err(|_| "it is too large".into())
}

/// Digits without their `_`.
pub(crate) fn digits(text: &str) -> Result<String, String> {
    let misplaced = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    if text.is_empty() {
        Err("the number is missing".into())
    } else if text.starts_with('-') {
        Err("it is negative".into())
    } else if text.contains(['.', ','])
        && text.chars().all(|c| c.is_ascii_digit() || ".,_".contains(c))
    {
        Err("a whole number has no point or comma; `_` may group digits".into())
    } else if let Some(c) = text.chars().find(|c| !c.is_ascii_digit() && *c != '_') {
        Err(format!("`{}` is not a digit", c.escape_default()))
    } else if misplaced {
        Err("`_` may only stand between two digits".into())
    } else {
        Ok(text.replace('_', ""))
    }
}

/// `12_500`: numbers as messages write them, so that they can be copied into the file.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, c) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && digits.len() > 4 {
            out.push('_');
        }
        out.push(c);
    }
    out
}

/// A number and what follows it.
fn number_and_unit(text: &str) -> Result<(u64, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(if text.starts_with('-') {
            "it is negative".into()
        } else {
            "it does not begin with a number".into()
        });
    }
    if unit.starts_with(['.', ',']) {
        return Err("the number has to be whole; take a smaller unit".into());
    }
    Ok((whole(number)?, unit.trim()))
}

/// `250ms`, `10s`, `5m`, `1h`; more than nothing, at most a week.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = number_and_unit(text)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "" => return Err("the unit is missing".into()),
        _ => return Err("the unit is not one of ms, s, m, h".into()),
    };
    let duration = number.checked_mul(milliseconds).map(Duration::from_millis);
    match duration {
        Some(Duration::ZERO) => Err("it has to be longer than nothing".into()),
        Some(duration) if duration <= DURATION_MAX => Ok(duration),
        _ => Err("it is longer than a week".into()),
    }
}

/// `65536`, `64KiB`, `100MiB`, `2GiB`. `kB` and `MB` are not read: half of their readers mean 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = number_and_unit(text)?;
    let bytes = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" | "kB" | "K" | "k" | "MB" | "M" | "GB" | "G" | "TB" | "T" => {
            return Err("that unit means 1000 to some and 1024 to others".into());
        }
        _ => return Err("the unit is not one of KiB, MiB, GiB".into()),
    };
    number.checked_mul(bytes).ok_or_else(|| "it is too large".into())
}

/// `5/s`, `1_000/min`, `100/s burst 200`. Without a burst: one second's worth, at least one.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    const COUNT_MAX: u64 = 1_000_000_000;
    let mut words = text.split_whitespace();
    let pace = words.next().ok_or("it is empty")?;
    let (count, unit) = pace.split_once('/').ok_or("it has no `/`, as in 5/s")?;
    let count = whole(count)?;
    let seconds = match unit {
        "s" | "sec" | "second" => 1,
        "min" | "minute" => 60,
        "h" | "hour" => 3_600,
        "d" | "day" => 86_400,
        "m" => return Err("`m` could be a minute or a month; write min".into()),
        "month" | "week" => return Err("that is a quota, not a rate; use `quota`".into()),
        "" => return Err("the time after `/` is missing".into()),
        _ => return Err("the time after `/` is not one of s, min, h, day".into()),
    };
    if count == 0 {
        return Err("it lets nothing through".into());
    }
    let burst = match (words.next(), words.next(), words.next()) {
        (None, _, _) => (count / seconds).max(1),
        (Some("burst"), Some(burst), None) => {
            whole(burst).map_err(|why| format!("in the burst, {why}"))?
        }
        (Some("burst"), None, _) => return Err("the number after `burst` is missing".into()),
        _ => return Err("after the rate only `burst` and a number may follow".into()),
    };
    if burst == 0 {
        return Err("a burst of 0 lets nothing through".into());
    }
    if count > COUNT_MAX || burst > COUNT_MAX {
        return Err(format!("more than {} cannot be counted", grouped(COUNT_MAX)));
    }
    Ok(Rate { count, per: Duration::from_secs(seconds), burst })
}

/// `1_000/month`.
pub(crate) fn quota(text: &str) -> Result<(u64, QuotaWindow), String> {
    let (calls, window) = text.split_once('/').ok_or("it has no `/`, as in 1_000/month")?;
    let calls = whole(calls.trim())?;
    let window = match window.trim() {
        "h" | "hour" => QuotaWindow::Hour,
        "d" | "day" => QuotaWindow::Day,
        "week" => QuotaWindow::Week,
        "month" => QuotaWindow::Month,
        "s" | "min" | "minute" | "second" => {
            return Err("that is a rate, not a quota; use `rate`".into());
        }
        _ => return Err("the time after `/` is not one of hour, day, week, month".into()),
    };
    if calls == 0 {
        return Err("it lets nothing through".into());
    }
    Ok((calls, window))
}

/// A percentage in hundredths of a percent: `12.5%` is 1250.
pub(crate) fn percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').ok_or("the percent sign is missing")?.trim_end();
    let (units, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.len() > 2 {
        return Err("more than two decimals are not counted".into());
    }
    let hundredths = whole(fraction).map_err(|_| "the decimals cannot be read")?;
    let hundredths = if fraction.len() == 1 { hundredths * 10 } else { hundredths };
    let value = whole(units)?.checked_mul(100).and_then(|value| value.checked_add(hundredths));
    match value.and_then(|value| u32::try_from(value).ok()) {
        Some(value) if value <= 10_000 => Ok(value),
        _ => Err("it is more than 100%".into()),
    }
}

/// `10%` without decimals.
pub(crate) fn whole_percent(text: &str) -> Result<u8, String> {
    let value = percent(text)?;
    if value % 100 > 0 {
        return Err("it has to be a whole number of percent".into());
    }
    Ok(u8::try_from(value / 100).unwrap_or(100))
}

/// A share from `0` to `1` with up to six decimals, in millionths.
pub(crate) fn fraction(text: &str) -> Result<u32, String> {
    let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if decimals.len() > 6 {
        return Err("more than six decimals are not counted".into());
    }
    let millionths = whole(&format!("{decimals:0<6}"))?;
    let value =
        whole(units)?.checked_mul(1_000_000).and_then(|value| value.checked_add(millionths));
    match value.and_then(|value| u32::try_from(value).ok()) {
        Some(value) if value <= 1_000_000 => Ok(value),
        _ => Err("it is more than 1".into()),
    }
}

/// Why a word cannot be a name; `None`: it can.
pub(crate) fn name_fault(name: &str) -> Option<String> {
    let may = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match name.chars().next() {
        None => Some("it is empty".into()),
        Some(c) if !c.is_ascii_lowercase() => {
            Some(format!("it begins with `{}`", c.escape_default()))
        }
        Some(_) => match name.chars().find(|c| !may(*c)) {
            Some(c) => Some(format!("`{}` may not be in it", c.escape_default())),
            None if name.len() > 63 => Some("it is too long".into()),
            None => None,
        },
    }
}

/// A name near a word: `Acme Corp` becomes `acme-corp`.
pub(crate) fn name_from(word: &str) -> Option<String> {
    let mapped: String = word
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .skip_while(|c| !c.is_ascii_lowercase())
        .take(63)
        .collect();
    let name: Vec<&str> = mapped.split('-').filter(|part| !part.is_empty()).collect();
    Some(name.join("-")).filter(|name| name_fault(name).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit_only() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1_000s"), Ok(Duration::from_secs(1000)));
        for bad in
            ["", "10", "0s", "-1s", "1.5s", "s", "10 days", "200h", "99999999999999999999s", "1_s"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_binary_and_say_so() {
        assert_eq!(size("65_536"), Ok(65536));
        assert_eq!(size("64KiB"), Ok(65536));
        assert_eq!(size("100 MiB"), Ok(100 << 20));
        for bad in ["", "KiB", "1MB", "1k", "1.5MiB", "99999999999TiB", "-1"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_burst_is_a_second_s_worth_unless_said() {
        let of = |text| rate(text).map(|rate| (rate.count, rate.per.as_secs(), rate.burst));
        assert_eq!(of("5/s"), Ok((5, 1, 5)));
        assert_eq!(of("100/s burst 200"), Ok((100, 1, 200)));
        assert_eq!(of("1_000/min"), Ok((1000, 60, 16)));
        assert_eq!(of("10/h"), Ok((10, 3600, 1)));
        for bad in [
            "",
            "5",
            "5/",
            "/s",
            "0/s",
            "5/m",
            "5/month",
            "5/s burst",
            "5/s burst 0",
            "5/s 10",
            "x/s",
        ] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percentages_are_exact() {
        assert_eq!(percent("30%"), Ok(3000));
        assert_eq!(percent("12.5%"), Ok(1250));
        assert_eq!(percent("0.05 %"), Ok(5));
        assert_eq!(percent("100%"), Ok(10_000));
        for bad in ["30", "100.01%", "-1%", "1.234%", "%", "1.%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
        assert_eq!(fraction("0.25"), Ok(250_000));
        assert_eq!(fraction("1.0"), Ok(1_000_000));
        assert!(fraction("1.1").is_err());
    }

    #[test]
    fn a_name_is_suggested_where_one_can_be_made() {
        assert_eq!(name_from("Acme Corp").as_deref(), Some("acme-corp"));
        assert_eq!(name_from("Ünlü"), Some("nl".into()));
        assert_eq!(name_from("123"), None);
    }
}
