//! Values of simple types: XML text to JSON values, and JSON values to XML text (§5.1 of the mapping).

use std::borrow::Cow;
use std::sync::Arc;

use super::{Dates, Numbers, Spelling, dates};
use crate::json::writer::escape;
use crate::name::PrefixScope;
use crate::xsd::values::{
    ExplicitTimezone, NumberKind, Primitive, SimpleType, ValueFault, Variety, base64_strip,
    write_decimal, write_double, write_float, write_integer,
};

/// How values of a simple type appear in JSON.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) ty: Arc<SimpleType>,
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Boolean,
    Integer {
        string: bool,
    },
    Decimal {
        string: bool,
    },
    Float {
        string: bool,
    },
    Double {
        string: bool,
    },
    Moment,
    /// A dateTime by RFC 3339, and a date.
    Instant,
    Day,
    Hex,
    Base64,
    Name,
    List,
    Union,
}

impl Form {
    pub(crate) fn of(ty: &SimpleType, spelling: Spelling) -> Self {
        match ty.variety {
            Variety::List(_) => return Self::List,
            Variety::Union(_) => return Self::Union,
            Variety::Atomic => {}
        }
        let string = |wide: bool| match spelling.numbers {
            Numbers::Auto => wide,
            Numbers::Number => false,
            Numbers::String => true,
        };
        match (ty.number_kind(), ty.primitive()) {
            (Some(NumberKind::SafeInteger), _) => Self::Integer { string: string(false) },
            (Some(NumberKind::WideInteger), _) => Self::Integer { string: string(true) },
            (Some(NumberKind::SafeDecimal), _) => Self::Decimal { string: string(false) },
            (Some(NumberKind::WideDecimal), _) => Self::Decimal { string: string(true) },
            (Some(NumberKind::Binary), Primitive::Float) => Self::Float { string: string(false) },
            (Some(NumberKind::Binary), _) => Self::Double { string: string(false) },
            (None, Primitive::Boolean) => Self::Boolean,
            (None, Primitive::HexBinary) => Self::Hex,
            (None, Primitive::Base64Binary) => Self::Base64,
            (None, Primitive::QName | Primitive::Notation) => Self::Name,
            (None, primitive) if primitive.is_moment() => Self::moment(ty, spelling.dates),
            (None, _) => Self::Text,
        }
    }

    /// A type that has no value by RFC 3339 stays as it is.
    fn moment(ty: &SimpleType, dates: Dates) -> Self {
        let zone = ty.facets.explicit_timezone;
        match ty.primitive() {
            _ if dates == Dates::Exact => Self::Moment,
            Primitive::DateTime if zone != Some(ExplicitTimezone::Prohibited) => Self::Instant,
            Primitive::Date if zone != Some(ExplicitTimezone::Required) => Self::Day,
            _ => Self::Moment,
        }
    }
}

impl Scalar {
    pub(super) fn new(ty: &Arc<SimpleType>, spelling: Spelling) -> Self {
        Self { ty: Arc::clone(ty), form: Form::of(ty, spelling) }
    }

    /// Checks a text as it stands in the document and appends its JSON.
    #[inline]
    pub(super) fn decode(
        &self,
        text: &str,
        spelling: Spelling,
        scope: &dyn PrefixScope,
        scratch: &mut String,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueFault> {
        let text = self.ty.check(text, scope, scratch)?;
        write_value(&self.ty, self.form, text, spelling, scope, out)
    }

    /// Whether the empty text is a value.
    pub(super) fn takes_empty(&self) -> bool {
        self.ty.check("", &(), &mut String::new()).is_ok()
    }
}

/// Appends the JSON of a valid text after white space processing.
fn write_value(
    ty: &SimpleType,
    form: Form,
    text: &str,
    spelling: Spelling,
    scope: &dyn PrefixScope,
    out: &mut Vec<u8>,
) -> Result<(), ValueFault> {
    match form {
        Form::Text | Form::Moment => write_string(text, out),
        Form::Instant => {
            write_string(&dates::date_time(text).ok_or(ValueFault::Rfc3339)?, out);
        }
        Form::Day if !dates::is_full_date(text) => return Err(ValueFault::Rfc3339),
        Form::Day => write_string(text, out),
        Form::Boolean => {
            out.extend_from_slice(if matches!(text, "true" | "1") { b"true" } else { b"false" })
        }
        Form::Integer { string } => quoted(string, out, |out| write_integer(text, out)),
        Form::Decimal { string } => quoted(string, out, |out| write_decimal(text, out)),
        Form::Double { string } => write_binary(string, text, write_double, out),
        Form::Float { string } => write_binary(string, text, write_float, out),
        Form::Hex => {
            quoted(true, out, |out| out.extend(text.bytes().map(|b| b.to_ascii_uppercase())))
        }
        Form::Base64 => quoted(true, out, |out| {
            if text.bytes().any(|b| b == b' ') {
                let mut stripped = String::new();
                base64_strip(text, &mut stripped);
                out.extend_from_slice(stripped.as_bytes());
            } else {
                out.extend_from_slice(text.as_bytes());
            }
        }),
        Form::Name => write_string(&clark(text, scope), out),
        Form::List => {
            let Some(item) = ty.item() else { return Ok(()) };
            let form = Form::of(item, spelling);
            out.push(b'[');
            for (at, word) in text.split(' ').filter(|word| !word.is_empty()).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_value(item, form, word, spelling, scope, out)?;
            }
            out.push(b']');
        }
        Form::Union => {
            let Ok(member) = ty.member(text, scope) else { return Ok(()) };
            let mut scratch = String::new();
            let text = member.normalise(text, &mut scratch);
            write_value(member, Form::of(member, spelling), text, spelling, scope, out)?;
        }
    }
    Ok(())
}

fn quoted(string: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if string {
        out.push(b'"');
        write(out);
        out.push(b'"');
    } else {
        write(out);
    }
}

/// INF and NaN are strings already.
fn write_binary(string: bool, text: &str, write: fn(&str, &mut Vec<u8>), out: &mut Vec<u8>) {
    let special = matches!(text.as_bytes().last(), Some(b'F' | b'N'));
    quoted(string && !special, out, |out| write(text, out));
}

/// Appends a JSON string.
#[inline]
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// A QName in Clark form.
fn clark(text: &str, scope: &dyn PrefixScope) -> String {
    let (prefix, local) = crate::name::split(text);
    match scope.namespace_of(prefix) {
        Some("") | None => local.to_owned(),
        Some(namespace) => format!("{{{namespace}}}{local}"),
    }
}

/// A JSON value that is neither object nor array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'t> {
    String(&'t str),
    Number(&'t str),
    Bool(bool),
}

/// Why a JSON value is not one of a type.
#[derive(Debug, PartialEq)]
pub(super) enum Misfit {
    /// It is of another kind: this one is due.
    Kind(&'static str),
    /// A number without fraction is due.
    NotIntegral,
    /// Its digits would fill pages.
    TooLong,
}

const DATE_TIME: &str = "a date-time of RFC 3339, with its time zone,";
const FULL_DATE: &str = "a full-date of RFC 3339, without time zone,";

/// The most digits that an exponent may ask for.
const DIGITS: usize = 4096;

/// The XML text of a JSON value, not yet checked against facets. A QName stays in Clark form.
pub(super) fn lexical<'t>(
    ty: &SimpleType,
    form: Form,
    dates: Dates,
    token: &'t Token<'t>,
) -> Result<Cow<'t, str>, Misfit> {
    match (form, token) {
        (Form::Text | Form::Hex | Form::Name, Token::String(text)) => Ok(Cow::Borrowed(text)),
        (Form::Boolean, Token::Bool(value)) => Ok(Cow::Borrowed(boolean(ty, *value))),
        (Form::Integer { .. }, Token::Number(text)) => integral(text),
        (Form::Decimal { .. }, Token::Number(text)) => expanded(text),
        (Form::Integer { string: true } | Form::Decimal { string: true }, Token::String(text)) => {
            Ok(Cow::Borrowed(text))
        }
        (Form::Float { .. }, Token::Number(text)) => Ok(shortest(text, write_float)),
        (Form::Double { .. }, Token::Number(text)) => Ok(shortest(text, write_double)),
        (Form::Float { string } | Form::Double { string }, Token::String(text)) => {
            if string || matches!(*text, "INF" | "-INF" | "NaN") {
                Ok(Cow::Borrowed(text))
            } else {
                Err(Misfit::Kind("a number, or one of \"INF\", \"-INF\", \"NaN\""))
            }
        }
        (Form::Moment, Token::String(text)) => Ok(moment(text)),
        (Form::Instant, Token::String(text)) => {
            let text = moment(text);
            dates::is_date_time(&text).then_some(text).ok_or(Misfit::Kind(DATE_TIME))
        }
        (Form::Day, Token::String(text)) => {
            let fits = dates::is_full_date(text);
            fits.then_some(Cow::Borrowed(*text)).ok_or(Misfit::Kind(FULL_DATE))
        }
        (Form::Base64, Token::String(text)) => {
            if text.bytes().any(|b| b.is_ascii_whitespace()) {
                let mut stripped = String::new();
                base64_strip(text, &mut stripped);
                Ok(Cow::Owned(stripped))
            } else {
                Ok(Cow::Borrowed(text))
            }
        }
        (Form::Union, _) => union(ty, dates, token),
        (Form::List, _) => Err(Misfit::Kind("an array")),
        (Form::Boolean, _) => Err(Misfit::Kind("true or false")),
        (Form::Integer { string: false }, _) => Err(Misfit::Kind("an integer")),
        (Form::Decimal { string: false } | Form::Float { .. } | Form::Double { .. }, _) => {
            Err(Misfit::Kind("a number"))
        }
        (Form::Integer { .. }, _) => Err(Misfit::Kind("an integer, as a string or a number")),
        (Form::Decimal { .. }, _) => Err(Misfit::Kind("a decimal, as a string or a number")),
        _ => Err(Misfit::Kind("a string")),
    }
}

/// A pattern may ask for 1 and 0.
fn boolean(ty: &SimpleType, value: bool) -> &'static str {
    let (word, digit) = if value { ("true", "1") } else { ("false", "0") };
    let refused = !ty.facets.patterns.is_empty() && ty.check_normalised(word, &()).is_err();
    if refused { digit } else { word }
}

/// The first member that can be written so decides.
fn union<'t>(ty: &SimpleType, dates: Dates, token: &'t Token<'t>) -> Result<Cow<'t, str>, Misfit> {
    for member in ty.members() {
        // Either spelling of a number may be meant, whatever is chosen for numbers elsewhere.
        let form = Form::of(member, Spelling { numbers: Numbers::String, dates });
        let Ok(text) = lexical(member, form, dates, token) else { continue };
        let mut scratch = String::new();
        if member.check(&text, &(), &mut scratch).is_ok() {
            return Ok(text);
        }
    }
    Ok(Cow::Borrowed(match token {
        Token::String(text) | Token::Number(text) => text,
        Token::Bool(true) => "true",
        Token::Bool(false) => "false",
    }))
}

/// RFC 3339 lets `t` and `z` be small, and a space stand for the T.
fn moment(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let separator = bytes.get(10).is_some_and(|b| matches!(b, b't' | b' '));
    if !separator && !text.ends_with('z') {
        return Cow::Borrowed(text);
    }
    let mut upper = text.to_ascii_uppercase();
    if separator && bytes.get(10) == Some(&b' ') {
        upper.replace_range(10..11, "T");
    }
    Cow::Owned(upper)
}

fn shortest(text: &str, write: fn(&str, &mut Vec<u8>)) -> Cow<'_, str> {
    // Short numbers without exponent are what the shortest form would be, but for zeros at the end.
    let plain = text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if plain {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(24);
    write(text, &mut out);
    let text = String::from_utf8(out).unwrap_or_default();
    // What overflows is written as a string by the writers for JSON.
    Cow::Owned(text.trim_matches('"').to_owned())
}

/// The exact token, unless it has a fraction or an exponent that comes out even.
fn integral(text: &str) -> Result<Cow<'_, str>, Misfit> {
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Ok(Cow::Borrowed(text));
    }
    let text = expanded(text)?;
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|b| b == b'0') => {
            Ok(Cow::Owned(whole.to_owned()))
        }
        Some(_) => Err(Misfit::NotIntegral),
        None => Ok(text),
    }
}

/// The digits of a JSON number, its exponent expanded: exact, whatever the size.
fn expanded(text: &str) -> Result<Cow<'_, str>, Misfit> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return Ok(Cow::Borrowed(text));
    };
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.bytes().chain(fraction.bytes()).all(|b| b == b'0') {
        return Ok(Cow::Borrowed("0"));
    }
    let exponent: i64 =
        exponent.strip_prefix('+').unwrap_or(exponent).parse().map_err(|_| Misfit::TooLong)?;
    let point = i64::try_from(whole.len()).unwrap_or(0) + exponent.clamp(-1_000_000, 1_000_000);
    let all = format!("{whole}{fraction}");
    let length = i64::try_from(all.len()).unwrap_or(0);
    let needed = usize::try_from(point.unsigned_abs()).unwrap_or(usize::MAX).max(all.len());
    if needed > DIGITS {
        return Err(Misfit::TooLong);
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let text = if point <= 0 {
        format!("{sign}0.{}{all}", zeros(-point))
    } else if point >= length {
        format!("{sign}{all}{}", zeros(point - length))
    } else {
        let (whole, fraction) = all.split_at(usize::try_from(point).unwrap_or(0));
        format!("{sign}{whole}.{fraction}")
    };
    Ok(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_expanded_exactly() {
        for (json, xml) in [
            ("10.10", "10.10"),
            ("1e3", "1000"),
            ("1.5E+2", "150"),
            ("1.25e1", "12.5"),
            ("-5e-3", "-0.005"),
            ("12345678901234567890e-10", "1234567890.1234567890"),
            ("0e99999999999999999999999", "0"),
        ] {
            assert_eq!(expanded(json).as_deref(), Ok(xml), "{json}");
        }
        assert_eq!(expanded("1e1000000000"), Err(Misfit::TooLong));
        assert_eq!(expanded("1e99999999999999999999"), Err(Misfit::TooLong));
        assert_eq!(integral("1.0").as_deref(), Ok("1"));
        assert_eq!(integral("1e2").as_deref(), Ok("100"));
        assert_eq!(integral("1.5"), Err(Misfit::NotIntegral));
    }
}
