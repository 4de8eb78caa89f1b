//! Calendar windows in UTC, in whole hours since 1970, and how one of them fits into a word with a count.

use pasarela_model::QuotaWindow;

const HOUR: u64 = 3_600;
/// 1970 began on a Thursday: the first Monday is four days on.
const MONDAY: u64 = 4;

/// A window of a quota: from one full hour to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    start: u64,
    hours: u64,
}

impl Window {
    /// The one that a second is in.
    pub fn of(every: QuotaWindow, now: u64) -> Self {
        let days = now / (24 * HOUR);
        let of_days = |start: u64, count: u64| Self { start: start * 24, hours: count * 24 };
        match every {
            QuotaWindow::Hour => Self { start: now / HOUR, hours: 1 },
            QuotaWindow::Day => of_days(days, 1),
            // What there is before the first Monday is a window of four days.
            QuotaWindow::Week if days < MONDAY => of_days(0, MONDAY),
            QuotaWindow::Week => of_days(days - (days - MONDAY) % 7, 7),
            QuotaWindow::Month => {
                let (day, length) = month(days);
                of_days(days - day, length)
            }
        }
    }

    /// Whether a second is in it.
    #[inline]
    pub fn contains(self, now: u64) -> bool {
        (self.start..self.start + self.hours).contains(&(now / HOUR))
    }

    /// Its first hour, counted from 1970.
    pub fn start(self) -> u64 {
        self.start
    }

    /// The second at which the next one begins.
    pub fn end(self) -> u64 {
        (self.start + self.hours) * HOUR
    }

    /// How long it is.
    pub fn seconds(self) -> u64 {
        self.hours * HOUR
    }
}

/// Which day of its month a day since 1970 is, from 0, and how many that month has.
fn month(days: u64) -> (u64, u64) {
    // Counted from 1 March 2000 backwards or onwards by eras of 400 years, as in `worker::http_date`.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5;
    let month = (shifted_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (day, length)
}

pub(super) const fn word(every: QuotaWindow) -> &'static str {
    match every {
        QuotaWindow::Hour => "hour",
        QuotaWindow::Day => "day",
        QuotaWindow::Week => "week",
        QuotaWindow::Month => "month",
    }
}

/// A window and a count: 24 bits for its first hour (until the year 3883), 10 for its length, 30
/// for the count, which are the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

const COUNT: u64 = (1 << 30) - 1;

impl Word {
    pub(super) fn new(window: Window, count: u64) -> Self {
        let window = (window.start & 0xff_ffff) << 40 | (window.hours & 0x3ff) << 30;
        Self(window | count.min(COUNT))
    }

    #[inline]
    pub(super) fn window(self) -> Window {
        Window { start: self.0 >> 40, hours: self.0 >> 30 & 0x3ff }
    }

    #[inline]
    pub(super) fn left(self) -> u64 {
        self.0 & COUNT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * HOUR;

    fn span(every: QuotaWindow, now: u64) -> (u64, u64) {
        let window = Window::of(every, now);
        assert!(window.contains(now) && !window.contains(window.end()));
        assert_eq!(Word::new(window, 7).window(), window);
        (window.start() * HOUR, window.end())
    }

    #[test]
    fn t35_windows_are_the_calendar_s() {
        // Sunday, 29 February 2032, 23:59:59.
        let last = 1_961_711_999;
        assert_eq!(span(QuotaWindow::Hour, last), (last + 1 - HOUR, last + 1));
        assert_eq!(span(QuotaWindow::Day, last), (last + 1 - DAY, last + 1));
        assert_eq!(span(QuotaWindow::Week, last), (last + 1 - 7 * DAY, last + 1));
        assert_eq!(span(QuotaWindow::Month, last), (last + 1 - 29 * DAY, last + 1));
        assert_eq!(span(QuotaWindow::Month, last + 1), (last + 1, last + 1 + 31 * DAY));
        assert_eq!(span(QuotaWindow::Week, last + 1), (last + 1, last + 1 + 7 * DAY));
        assert_eq!(span(QuotaWindow::Week, 0), (0, 4 * DAY));
    }

    #[test]
    fn every_second_is_in_one_window_and_windows_follow_each_other() {
        for every in [QuotaWindow::Hour, QuotaWindow::Day, QuotaWindow::Week, QuotaWindow::Month] {
            let mut window = Window::of(every, 0);
            assert_eq!(window.start(), 0);
            for _ in 0..2_000 {
                let next = Window::of(every, window.end());
                assert_eq!(next.start() * HOUR, window.end());
                assert_eq!(Window::of(every, next.end() - 1), next);
                window = next;
            }
        }
        let years = (0..1_200).fold(0, |end, _| Window::of(QuotaWindow::Month, end).end());
        assert_eq!(years, 3_155_760_000 - DAY + DAY, "a hundred years from 1970: 36,525 days");
    }
}
