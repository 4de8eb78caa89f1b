//! What sending a parcel costs, in the demo's little world. Both sample services reckon with it.

/// Heaviest parcel, grams.
pub(super) const GRAMS_MAX: u32 = 30_000;

/// The price in euro cents; `None` where nothing is sent, or nothing so light or heavy.
pub(super) fn cents(to: &str, grams: u32) -> Option<u32> {
    let (base, per_100_grams) = match to {
        "ES" => (390, 15),
        "FR" => (790, 32),
        "CO" | "MX" => (1290, 85),
        _ => return None,
    };
    (1..=GRAMS_MAX).contains(&grams).then(|| base + per_100_grams * grams.div_ceil(100))
}

/// `1290` as `12.90`.
pub(super) fn euros(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begun_hundreds_of_grams_count_and_what_is_not_sent_has_no_price() {
        assert_eq!(cents("MX", 701).map(euros).as_deref(), Some("19.70"));
        assert_eq!(cents("ES", 1).map(euros).as_deref(), Some("4.05"));
        assert_eq!(cents("ES", 0), None);
        assert_eq!(cents("ES", GRAMS_MAX + 1), None);
        assert_eq!(cents("AQ", 100), None);
    }
}
