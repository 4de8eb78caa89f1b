//! The spellings that JSON gets: integers and decimals as digits, floats as the shortest text that reads back.

use super::decimal::DecimalParts;
use super::float::{parse_double, parse_float};

/// Appends an integer lexeme without plus sign and leading zeros.
pub fn write_integer(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    match bytes.first() {
        // What needs no change: the usual case.
        Some(b'1'..=b'9') => out.extend_from_slice(bytes),
        _ => write_changed(text, out),
    }
}

/// Appends a decimal lexeme as a JSON number: fraction digits are kept as written, so 10.10 stays 10.10.
pub fn write_decimal(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(b'1'..=b'9'), Some(b'0'..=b'9')) => out.extend_from_slice(bytes),
        _ => write_changed(text, out),
    }
}

fn write_changed(text: &str, out: &mut Vec<u8>) {
    let Some(parts) = DecimalParts::parse(text) else { return };
    if parts.negative {
        out.push(b'-');
    }
    out.extend_from_slice(if parts.integer.is_empty() { b"0" } else { parts.integer.as_bytes() });
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// Appends a double as the shortest JSON number that reads back as the same; the special values as JSON strings.
pub fn write_double(text: &str, out: &mut Vec<u8>) {
    let Some(value) = parse_double(text) else { return };
    if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        trim_point_zero(out);
    } else {
        write_special(value, out);
    }
}

/// Appends a float as the shortest JSON number that reads back as the same; the special values as JSON strings.
pub fn write_float(text: &str, out: &mut Vec<u8>) {
    let Some(value) = parse_float(text) else { return };
    if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        trim_point_zero(out);
    } else {
        write_special(f64::from(value), out);
    }
}

/// `1.0` is one character shorter as `1`.
fn trim_point_zero(out: &mut Vec<u8>) {
    if out.ends_with(b".0") {
        out.truncate(out.len() - 2);
    }
}

fn write_special(value: f64, out: &mut Vec<u8>) {
    let text: &[u8] = if value.is_nan() {
        b"\"NaN\""
    } else if value > 0.0 {
        b"\"INF\""
    } else {
        b"\"-INF\""
    };
    out.extend_from_slice(text);
}
