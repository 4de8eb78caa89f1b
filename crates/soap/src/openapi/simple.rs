//! JSON Schema of simple types: what the facets say, as far as JSON Schema can say it; the rest as `x-xsd-…`.

use std::sync::OnceLock;

use super::json::{Json, Object};
use crate::transcode::{Spelling, dates, scalar::Form};
use crate::xsd::regex::Regex;
use crate::xsd::values::{
    Bound, Builtin, ExplicitTimezone, Facets, Primitive, SimpleType, Value, Variety, write_decimal,
    write_double, write_float, write_integer,
};

/// The schema of an atomic type, or of a list or a union whose parts are given.
pub(super) fn schema(ty: &SimpleType, form: &Form, spelling: Spelling, parts: Vec<Json>) -> Object {
    let mut out = Object::new();
    if let Some(enumeration) = &ty.facets.enumeration {
        if let Some(name) = json_type(form) {
            out.set("type", name);
        }
        let mut values: Vec<Json> = Vec::new();
        for (lexical, value) in enumeration.lexicals.iter().zip(&enumeration.values) {
            let value = typed(ty, spelling, lexical, Some(value));
            if !values.contains(&value) {
                values.push(value);
            }
        }
        out.set("enum", values);
        annotate_type(ty, &mut out);
        return out;
    }
    match form {
        Form::Text | Form::Moment | Form::Instant | Form::Day => text(ty, *form, &mut out),
        Form::Boolean => out.set("type", "boolean"),
        Form::Integer { string: false } => integer(&ty.facets, &mut out),
        Form::Integer { string: true } => integer_text(ty, &mut out),
        Form::Decimal { string: false } => decimal(&ty.facets, &mut out),
        Form::Decimal { string: true } => decimal_text(&ty.facets, &mut out),
        Form::Float { string } => float(ty, "float", *string, &mut out),
        Form::Double { string } => float(ty, "double", *string, &mut out),
        Form::Base64 => {
            out = out.with("type", "string").with("contentEncoding", "base64");
            lengths(&ty.facets, ["x-xsd-length", "x-xsd-minLength", "x-xsd-maxLength"], &mut out);
        }
        Form::Hex => {
            out = out.with("type", "string").with("contentEncoding", "base16");
            out.set("pattern", "^(?:[0-9A-Fa-f]{2})*$");
            lengths(&ty.facets, ["x-xsd-length", "x-xsd-minLength", "x-xsd-maxLength"], &mut out);
        }
        Form::Name => {
            out = out.with("type", "string").with("pattern", r"^(?:\{[^{}]*\})?[^{}:\s]+$")
        }
        Form::List => {
            out.set("type", "array");
            out.set("items", parts.into_iter().next().unwrap_or(Json::Bool(true)));
            lengths(&ty.facets, ["", "minItems", "maxItems"], &mut out);
        }
        Form::Union => out.set("anyOf", parts),
    }
    patterns(ty, form, spelling, &mut out);
    annotate_type(ty, &mut out);
    out
}

const fn json_type(form: &Form) -> Option<&'static str> {
    Some(match form {
        Form::Boolean => "boolean",
        Form::Integer { string: false } => "integer",
        Form::Decimal { string: false } => "number",
        Form::Float { string: false } | Form::Double { string: false } | Form::Union => {
            return None;
        }
        Form::List => "array",
        _ => "string",
    })
}

/// The built-in type, except where JSON says as much.
fn annotate_type(ty: &SimpleType, out: &mut Object) {
    let plain = matches!(
        ty.builtin,
        Builtin::AnySimpleType | Builtin::String | Builtin::Boolean | Builtin::Int
    );
    if !plain {
        out.set("x-xsd-type", format!("xs:{}", ty.builtin.name()));
    }
}

fn text(ty: &SimpleType, form: Form, out: &mut Object) {
    out.set("type", "string");
    lengths(&ty.facets, ["", "minLength", "maxLength"], out);
    if let Some(format) = format(ty, form) {
        out.set("format", format);
    } else if let Some(pattern) = moment(ty) {
        out.set("pattern", pattern);
    }
    bounds_beside(&ty.facets, (None, None), out);
}

fn format(ty: &SimpleType, form: Form) -> Option<&'static str> {
    let zone = ty.facets.explicit_timezone;
    match (form, ty.primitive()) {
        (Form::Instant, _) => Some("date-time"),
        (Form::Day, _) => Some("date"),
        (Form::Moment, Primitive::DateTime) if ty.needs_timezone() => Some("date-time"),
        (Form::Moment, Primitive::Date) if zone == Some(ExplicitTimezone::Prohibited) => {
            Some("date")
        }
        _ => None,
    }
}

/// The pattern of a date, a time, one of their kin, or a duration.
fn moment(ty: &SimpleType) -> Option<String> {
    const YEAR: &str = "-?(?:[1-9][0-9]{3,}|0[0-9]{3})";
    const MONTH: &str = "(?:0[1-9]|1[0-2])";
    const DAY: &str = "(?:0[1-9]|[12][0-9]|3[01])";
    const TIME: &str = concat!(
        r"(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?",
        r"|24:00:00(?:\.0+)?)"
    );
    const ZONE: &str = "(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))";
    const DURATION: &str = concat!(
        "^-?P(?:(?:[0-9]+Y(?:[0-9]+M)?(?:[0-9]+D)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)",
        r"(?:T(?:[0-9]+H(?:[0-9]+M)?(?:[0-9]+(?:\.[0-9]+)?S)?|[0-9]+M(?:[0-9]+(?:\.[0-9]+)?S)?|[0-9]+(?:\.[0-9]+)?S))?",
        r"|T(?:[0-9]+H(?:[0-9]+M)?(?:[0-9]+(?:\.[0-9]+)?S)?|[0-9]+M(?:[0-9]+(?:\.[0-9]+)?S)?|[0-9]+(?:\.[0-9]+)?S))$"
    );
    let body = match ty.primitive() {
        Primitive::Duration => return Some(DURATION.to_owned()),
        Primitive::DateTime => format!("{YEAR}-{MONTH}-{DAY}T{TIME}"),
        Primitive::Date => format!("{YEAR}-{MONTH}-{DAY}"),
        Primitive::Time => TIME.to_owned(),
        Primitive::GYearMonth => format!("{YEAR}-{MONTH}"),
        Primitive::GYear => YEAR.to_owned(),
        Primitive::GMonthDay => format!("--{MONTH}-{DAY}"),
        Primitive::GDay => format!("---{DAY}"),
        Primitive::GMonth => format!("--{MONTH}"),
        _ => return None,
    };
    Some(match ty.facets.explicit_timezone {
        Some(ExplicitTimezone::Required) => format!("^{body}{ZONE}$"),
        Some(ExplicitTimezone::Prohibited) => format!("^{body}$"),
        _ => format!("^{body}{ZONE}?$"),
    })
}

fn lengths(facets: &Facets, [exact, min, max]: [&'static str; 3], out: &mut Object) {
    match facets.length {
        Some(length) if exact.is_empty() => {
            out.set(min, length);
            out.set(max, length);
        }
        Some(length) => out.set(exact, length),
        None => {
            if let Some(length) = facets.min_length.filter(|length| *length > 0) {
                out.set(min, length);
            }
            if let Some(length) = facets.max_length {
                out.set(max, length);
            }
        }
    }
}

fn integer(facets: &Facets, out: &mut Object) {
    out.set("type", "integer");
    let (min, max) = (whole(&facets.min, 1), whole(&facets.max, -1));
    if let (Some(min), Some(max)) = (min, max) {
        let narrow = i32::try_from(min).is_ok() && i32::try_from(max).is_ok();
        out.set("format", if narrow { "int32" } else { "int64" });
    }
    number_bounds(facets, write_integer, out);
    total_digits(facets, out);
}

/// A bound as a whole number, moved inside where it is exclusive.
fn whole(bound: &Option<Bound>, inward: i128) -> Option<i128> {
    let bound = bound.as_ref()?;
    let digits = bound.lexical.strip_prefix('+').unwrap_or(&bound.lexical);
    let digits = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    let value: i128 = digits.parse().ok()?;
    Some(if bound.inclusive { value } else { value + inward })
}

fn integer_text(ty: &SimpleType, out: &mut Object) {
    out.set("type", "string");
    let facets = &ty.facets;
    let (min, max) = (whole(&facets.min, 1), whole(&facets.max, -1));
    if let (Some(min), Some(max)) = (min, max) {
        if i64::try_from(min).is_ok() && i64::try_from(max).is_ok() {
            out.set("format", "int64");
        } else if u64::try_from(min).is_ok() && u64::try_from(max).is_ok() {
            out.set("format", "uint64");
        }
    }
    let widest = |n: i128| u64::from(n.unsigned_abs().checked_ilog10().unwrap_or(0)) + 1;
    let by_bounds = min.zip(max).map(|(min, max)| widest(min).max(widest(max)));
    let digits = match (by_bounds, facets.total_digits) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let more =
        digits.map_or("*".to_owned(), |digits| format!("{{0,{}}}", digits.saturating_sub(1)));
    let sign = match (min, max) {
        (_, Some(max)) if max <= 0 => "-",
        (Some(min), _) if min >= 0 => "",
        _ => "-?",
    };
    let zero = min.is_none_or(|min| min <= 0) && max.is_none_or(|max| max >= 0);
    let number = format!("{sign}[1-9][0-9]{more}");
    out.set("pattern", if zero { format!("^(?:0|{number})$") } else { format!("^{number}$") });
    bounds_beside(facets, ty.builtin.integer_bounds(), out);
    total_digits(facets, out);
}

fn decimal(facets: &Facets, out: &mut Object) {
    out.set("type", "number");
    number_bounds(facets, write_decimal, out);
    total_digits(facets, out);
    if let Some(digits) = facets.fraction_digits {
        out.set("x-xsd-fractionDigits", digits);
    }
}

fn decimal_text(facets: &Facets, out: &mut Object) {
    *out = Object::new().with("type", "string").with("format", "decimal");
    let fraction = match facets.fraction_digits {
        // Zeros behind are no digits of the value.
        Some(digits @ 1..) => format!(r"(?:\.[0-9]{{1,{digits}}}0*)?"),
        Some(0) => r"(?:\.0+)?".to_owned(),
        None => r"(?:\.[0-9]+)?".to_owned(),
    };
    out.set("pattern", format!("^-?[0-9]+{fraction}$"));
    bounds_beside(facets, (None, None), out);
    total_digits(facets, out);
    if let Some(digits) = facets.fraction_digits {
        out.set("x-xsd-fractionDigits", digits);
    }
}

fn total_digits(facets: &Facets, out: &mut Object) {
    if let Some(digits) = facets.total_digits {
        out.set("x-xsd-totalDigits", digits);
    }
}

fn number_bounds(facets: &Facets, write: fn(&str, &mut Vec<u8>), out: &mut Object) {
    let ends = [
        (&facets.min, "minimum", "exclusiveMinimum"),
        (&facets.max, "maximum", "exclusiveMaximum"),
    ];
    for (bound, inclusive, exclusive) in ends {
        let Some(bound) = bound else { continue };
        let digits = number(&bound.lexical, write);
        // An infinite bound is no bound for numbers.
        if let Json::Number(_) = digits {
            out.set(if bound.inclusive { inclusive } else { exclusive }, digits);
        }
    }
}

/// Bounds of what is a string in JSON, unless they are those of the built-in type anyway.
fn bounds_beside(facets: &Facets, known: (Option<&str>, Option<&str>), out: &mut Object) {
    let ends = [
        (&facets.min, known.0, "x-xsd-minInclusive", "x-xsd-minExclusive"),
        (&facets.max, known.1, "x-xsd-maxInclusive", "x-xsd-maxExclusive"),
    ];
    for (bound, known, inclusive, exclusive) in ends {
        let Some(bound) = bound else { continue };
        if known != Some(&bound.lexical) {
            out.set(if bound.inclusive { inclusive } else { exclusive }, &*bound.lexical);
        }
    }
}

fn float(ty: &SimpleType, format: &'static str, string: bool, out: &mut Object) {
    let facets = &ty.facets;
    if string {
        *out = Object::new().with("type", "string").with("format", format);
        bounds_beside(facets, (None, None), out);
        return;
    }
    let mut number = Object::new().with("type", "number").with("format", format);
    number_bounds(facets, write_double, &mut number);
    let special = ["INF", "-INF", "NaN"];
    let taken: Vec<&str> =
        special.into_iter().filter(|text| ty.check_normalised(text, &()).is_ok()).collect();
    if taken.is_empty() {
        *out = number;
    } else {
        let special = Object::new().with("enum", Json::strings(taken));
        out.set("anyOf", vec![number.into(), special.into()]);
    }
}

fn patterns(ty: &SimpleType, form: &Form, spelling: Spelling, out: &mut Object) {
    // What a pattern says of the text holds for the JSON only where that is the text.
    let as_written = is_text(ty, *form, spelling);
    let mut said: Vec<String> = Vec::new();
    let mut beside: Vec<&str> = Vec::new();
    if as_written && let Some(name) = name_pattern(ty.builtin) {
        said.push(name.to_owned());
    }
    for step in &ty.facets.patterns {
        match step.regex.ecma().and_then(portable) {
            Some(pattern) if as_written => said.push(pattern),
            _ => beside.extend(step.sources.iter().map(String::as_str)),
        }
    }
    if out.get("pattern").is_none() && said.len() == 1 {
        out.set("pattern", said.remove(0));
    }
    if !said.is_empty() {
        let each = said.into_iter().map(|pattern| Object::new().with("pattern", pattern).into());
        out.set("allOf", each.collect::<Vec<Json>>());
    }
    match *beside {
        [] => {}
        [only] => out.set("x-xsd-pattern", only),
        _ => out.set("x-xsd-pattern", Json::strings(beside)),
    }
}

/// Whether the JSON of every value is its text.
fn is_text(ty: &SimpleType, form: Form, spelling: Spelling) -> bool {
    match form {
        Form::Text | Form::Moment | Form::Day => true,
        Form::Union => {
            let is_text = |ty: &SimpleType| is_text(ty, Form::of(ty, spelling), spelling);
            ty.members().iter().all(|member| is_text(member))
        }
        _ => false,
    }
}

/// What the built-in type demands of a text.
fn name_pattern(builtin: Builtin) -> Option<&'static str> {
    type Known = OnceLock<Vec<(&'static str, Option<String>)>>;
    static KNOWN: Known = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let sources = [r"\i\c*", r"[\i-[:]][\c-[:]]*", r"\c+", "[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*"];
        let ecma = |source| Regex::new(source).ok().and_then(|r| r.ecma().and_then(portable));
        sources.into_iter().map(|source| (source, ecma(source))).collect()
    });
    let which = match builtin {
        Builtin::Name => 0,
        Builtin::NcName | Builtin::Id | Builtin::IdRef | Builtin::Entity => 1,
        Builtin::NmToken => 2,
        Builtin::Language => 3,
        _ => return None,
    };
    known.get(which)?.1.as_deref()
}

/// A text of the schema (an enumerated, default or fixed value) as the JSON that the type gives it.
pub(super) fn typed(
    ty: &SimpleType,
    spelling: Spelling,
    lexical: &str,
    value: Option<&Value>,
) -> Json {
    if let Variety::Union(_) = ty.variety {
        return match ty.member(lexical, &()) {
            Ok(member) => typed(member, spelling, lexical, value),
            Err(_) => lexical.into(),
        };
    }
    let mut scratch = String::new();
    let text = ty.normalise(lexical, &mut scratch);
    match Form::of(ty, spelling) {
        Form::Boolean => Json::Bool(matches!(text, "true" | "1")),
        Form::Integer { string: false } => number(text, write_integer),
        Form::Decimal { string: false } => number(text, write_decimal),
        Form::Integer { string: true } => Json::String(digits(text, write_integer)),
        Form::Decimal { string: true } => Json::String(digits(text, write_decimal)),
        Form::Float { string } => binary(string, number(text, write_float)),
        Form::Double { string } => binary(string, number(text, write_double)),
        Form::Base64 => Json::String(text.split_whitespace().collect()),
        Form::Hex => Json::String(text.to_ascii_uppercase()),
        Form::Name => match value {
            Some(Value::Name(_, namespace, local)) if !namespace.is_empty() => {
                Json::String(format!("{{{namespace}}}{local}"))
            }
            Some(Value::Name(_, _, local)) => Json::String(local.to_string()),
            _ => text.into(),
        },
        Form::List => {
            let item = |(at, word): (usize, &str)| {
                let value = match value {
                    Some(Value::List(items)) => items.get(at),
                    _ => None,
                };
                ty.item().map_or_else(|| word.into(), |ty| typed(ty, spelling, word, value))
            };
            Json::Array(text.split_ascii_whitespace().enumerate().map(item).collect())
        }
        Form::Instant => (*dates::date_time(text).unwrap_or(text.into())).into(),
        Form::Text | Form::Moment | Form::Day | Form::Union => text.into(),
    }
}

fn binary(string: bool, value: Json) -> Json {
    match value {
        Json::Number(digits) if string => Json::String(digits),
        value => value,
    }
}

fn digits(text: &str, write: fn(&str, &mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// What a writer of numbers made of a text: a number, or a string for INF and its kin.
fn number(text: &str, write: fn(&str, &mut Vec<u8>)) -> Json {
    let digits = digits(text, write);
    match digits.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(special) => special.into(),
        None if digits.is_empty() => text.into(),
        None => Json::Number(digits),
    }
}

/// A pattern that means the same to every engine that validators use, those without properties of characters included:
/// `None` where there is none. Digits are those of ASCII: other ones are rare, and a class of them all unreadable.
fn portable(pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len());
    let (mut rest, mut in_class) = (pattern, false);
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            in_class = c == '[' || (in_class && c != ']');
            out.push(c);
            continue;
        }
        let kind = rest.chars().next()?;
        rest = &rest[kind.len_utf8()..];
        match kind {
            'p' if rest.starts_with("{Nd}") => {
                out.push_str(if in_class { "0-9" } else { "[0-9]" });
                rest = &rest[4..];
            }
            'P' if rest.starts_with("{Nd}") && !in_class => {
                out.push_str("[^0-9]");
                rest = &rest[4..];
            }
            'p' | 'P' => return None,
            'u' => {
                let (digits, after) = match rest.strip_prefix('{') {
                    Some(braced) => braced.split_once('}')?,
                    None => rest.split_at_checked(4)?,
                };
                out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                rest = after;
            }
            _ => {
                out.push('\\');
                out.push(kind);
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::portable;

    #[test]
    fn a_pattern_is_written_for_every_engine() {
        for (ecma, wanted) in [
            (r"^(?:\p{Nd}{4})$", Some("^(?:[0-9]{4})$")),
            (r"^(?:[\-\p{Nd}a]\.\[)$", Some(r"^(?:[\-0-9a]\.\[)$")),
            (
                r"^(?:\P{Nd}[\u00B7\u{10000}-\u{EFFFF}])$",
                Some("^(?:[^0-9][·\u{10000}-\u{EFFFF}])$"),
            ),
            (r"^(?:\p{L}+)$", None),
            (r"^(?:[\P{Nd}])$", None),
        ] {
            assert_eq!(portable(ecma).as_deref(), wanted, "{ecma}");
        }
    }
}
