//! Strings, numbers and booleans: which type of XML Schema stands for them, and which of their bounds it can say.

use super::{Base, Scalar};
use crate::tree::{Node, Value};

/// What the parts of a schema say about a keyword; the last one counts, as it is the nearest to the use.
pub(super) fn last<'a>(parts: &[&'a Node], key: &str) -> Option<&'a Node> {
    parts.iter().rev().find_map(|part| part.get(key))
}

/// The scalar of a JSON type (`string`, `boolean`, `integer`, `number`).
pub(super) fn scalar(json: &str, parts: &[&Node]) -> Scalar {
    let format = last(parts, "format").and_then(Node::as_str).unwrap_or_default();
    let values = last(parts, "enum").or(last(parts, "const"));
    let mut scalar = match json {
        "boolean" => Scalar { base: Base::Boolean, facets: Vec::new() },
        "integer" => whole(format, parts),
        "number" => {
            let base = match format {
                "float" => Base::Float,
                "double" => Base::Double,
                _ => Base::Decimal,
            };
            Scalar { base, facets: bounds(base, parts) }
        }
        _ => text(format, parts),
    };
    if let Some(values) = values {
        let values = match &values.value {
            Value::Array(values) => values.iter().collect(),
            _ => vec![values],
        };
        let said: Vec<String> =
            values.iter().filter_map(|value| said(scalar.base, value)).collect();
        // A value that its type cannot say leaves the type without the list, not without the value.
        let whole = said.len() == values.iter().filter(|v| v.value != Value::Null).count();
        if whole && !said.is_empty() && scalar.base != Base::Boolean {
            scalar.facets = Vec::new();
            for value in said {
                if !scalar.facets.iter().any(|(_, known)| *known == value) {
                    scalar.facets.push(("enumeration", value));
                }
            }
        }
    }
    scalar
}

/// A value of a list of values, as XML Schema writes it.
fn said(base: Base, value: &Node) -> Option<String> {
    match &value.value {
        Value::String(text) if !base.is_number() => {
            text.chars().all(pasarela_soap::xml::is_char).then(|| text.clone())
        }
        Value::Number(digits) if base.is_number() => plain(digits),
        _ => None,
    }
}

fn text(format: &str, parts: &[&Node]) -> Scalar {
    let encoding = last(parts, "contentEncoding").and_then(Node::as_str).unwrap_or_default();
    let base = match format {
        "date" => Base::Date,
        "date-time" => Base::DateTime,
        "time" => Base::Time,
        "byte" | "binary" | "base64" => Base::Base64,
        _ if encoding.eq_ignore_ascii_case("base64") => Base::Base64,
        _ => Base::String,
    };
    let mut facets = Vec::new();
    if base == Base::String {
        let length = |key: &str| number(parts, key)?.parse::<u64>().ok();
        let (least, most) = (length("minLength").filter(|least| *least > 0), length("maxLength"));
        if least.zip(most).is_none_or(|(least, most)| least <= most) {
            facets.extend(least.map(|length| ("minLength", length.to_string())));
            facets.extend(most.map(|length| ("maxLength", length.to_string())));
        }
    }
    Scalar { base, facets }
}

/// `int` and `long` wherever they hold all values: what is wider has no type in most languages.
fn whole(format: &str, parts: &[&Node]) -> Scalar {
    let within = |least: i128, most: i128| {
        let bound = |key: &str| number(parts, key).and_then(|digits| digits.parse::<i128>().ok());
        bound("minimum").is_some_and(|bound| bound >= least)
            && bound("maximum").is_some_and(|bound| bound <= most)
    };
    let base = match format {
        "int8" | "int16" | "int32" | "uint8" | "uint16" => Base::Int,
        "int64" | "uint32" => Base::Long,
        "uint64" => Base::UnsignedLong,
        _ if within(i32::MIN.into(), i32::MAX.into()) => Base::Int,
        _ if within(i64::MIN.into(), i64::MAX.into()) => Base::Long,
        _ => Base::Integer,
    };
    Scalar { base, facets: bounds(base, parts) }
}

/// Bounds on a number, where its type can hold them.
fn bounds(base: Base, parts: &[&Node]) -> Vec<(&'static str, String)> {
    let range = match base {
        Base::Int => Some((i128::from(i32::MIN), i128::from(i32::MAX))),
        Base::Long => Some((i128::from(i64::MIN), i128::from(i64::MAX))),
        Base::UnsignedLong => Some((0, i128::from(u64::MAX))),
        _ => None,
    };
    let fits = |digits: &String| match range {
        Some((least, most)) => digits.parse::<i128>().is_ok_and(|n| n >= least && n <= most),
        None if base == Base::Integer => !digits.contains('.'),
        None => true,
    };
    let is_true = |key: &str| last(parts, key).is_some_and(|node| node.value == Value::Bool(true));
    // OpenAPI 3.0 says with a boolean that a bound is outside, JSON Schema with a bound of its own.
    let bound = |key: &str, exclusive: &str| {
        let inside = number(parts, key).filter(|_| !is_true(exclusive));
        let outside = match is_true(exclusive) {
            true => number(parts, key),
            false => number(parts, exclusive),
        };
        (inside.filter(fits), outside.filter(fits))
    };
    let mut facets = Vec::new();
    match bound("minimum", "exclusiveMinimum") {
        (_, Some(bound)) => facets.push(("minExclusive", bound)),
        (Some(bound), None) => facets.push(("minInclusive", bound)),
        (None, None) => {}
    }
    match bound("maximum", "exclusiveMaximum") {
        (_, Some(bound)) => facets.push(("maxExclusive", bound)),
        (Some(bound), None) => facets.push(("maxInclusive", bound)),
        (None, None) => {}
    }
    match contradict(&facets) {
        true => Vec::new(),
        false => facets,
    }
}

/// Whether no number is within the bounds, which no schema may say.
fn contradict(facets: &[(&'static str, String)]) -> bool {
    let [(least_kind, least), (most_kind, most)] = facets else { return false };
    let (Ok(least), Ok(most)) = (least.parse::<f64>(), most.parse::<f64>()) else { return true };
    match *least_kind == "minExclusive" || *most_kind == "maxExclusive" {
        true => least >= most,
        false => least > most,
    }
}

fn number(parts: &[&Node], key: &str) -> Option<String> {
    match &last(parts, key)?.value {
        Value::Number(digits) => plain(digits),
        _ => None,
    }
}

/// A number without an exponent and without zeros that say nothing; none where that would be long.
fn plain(digits: &str) -> Option<String> {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    if exponent.unsigned_abs() > 40 {
        return None;
    }
    let (sign, unsigned) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let mut all = format!("{whole}{fraction}");
    let point = if point < 0 {
        all.insert_str(0, &"0".repeat(point.unsigned_abs() as usize));
        0
    } else {
        point.unsigned_abs() as usize
    };
    if all.len() < point {
        all.push_str(&"0".repeat(point - all.len()));
    }
    let (whole, fraction) = (all.get(..point)?, all.get(point..)?.trim_end_matches('0'));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let number = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    Some(if number == "0" { number } else { format!("{sign}{number}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Syntax, TreeLimits, parse};

    #[test]
    fn numbers_are_written_out() {
        for (digits, written) in [
            ("1e3", "1000"),
            ("-1.50", "-1.5"),
            ("1.5e-3", "0.0015"),
            ("12.5E1", "125"),
            ("-0", "0"),
            ("0.0", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert_eq!(plain(digits).as_deref(), Some(written), "{digits}");
        }
        assert_eq!(plain("1e400"), None);
    }

    #[test]
    fn bounds_become_facets_where_the_type_can_hold_them() {
        let of = |text: &str| {
            let node = parse(text, Syntax::Json, TreeLimits::default()).unwrap();
            let json = node.get("type").and_then(Node::as_str).unwrap();
            let scalar = scalar(json, &[&node]);
            let facets: Vec<_> =
                scalar.facets.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {}", scalar.base.name(), facets.join(" ")).trim_end().to_owned()
        };
        for (schema, expected) in [
            (r#"{"type":"integer"}"#, "integer"),
            (r#"{"type":"integer","minimum":0,"maximum":9}"#, "int minInclusive=0 maxInclusive=9"),
            (r#"{"type":"integer","format":"int32","maximum":1e12}"#, "int"),
            (r#"{"type":"integer","format":"int64","minimum":1}"#, "long minInclusive=1"),
            (r#"{"type":"number","minimum":0,"exclusiveMinimum":true}"#, "decimal minExclusive=0"),
            (r#"{"type":"number","exclusiveMaximum":1.50}"#, "decimal maxExclusive=1.5"),
            (r#"{"type":"number","minimum":2,"maximum":1}"#, "decimal"),
            (r#"{"type":"number","format":"double"}"#, "double"),
            (r#"{"type":"string","minLength":3,"maxLength":2}"#, "string"),
            (
                r#"{"type":"string","enum":["a","b","a",null]}"#,
                "string enumeration=a enumeration=b",
            ),
            (r#"{"type":"string","format":"date-time","maxLength":3}"#, "dateTime"),
            (r#"{"type":"string","format":"byte","maxLength":3}"#, "base64Binary"),
            (r#"{"type":"integer","enum":[1,2.0]}"#, "integer enumeration=1 enumeration=2"),
            (r#"{"type":"boolean","enum":[true]}"#, "boolean"),
        ] {
            assert_eq!(of(schema), expected, "{schema}");
        }
    }
}
