//! Simple types: which texts are values, which values are equal, which restrictions are allowed.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Builtin, FacetKind, NumberKind, RawFacet, SimpleType, ValueFault};
use crate::name::PrefixScope;

struct Scope;

/// A base, facets, what is valid and what is not.
type Cut<'t> = (&'t str, &'t [(&'t str, &'t str)], &'t [&'t str], &'t [&'t str]);
/// A base and facets.
type Step<'t> = (&'t Arc<SimpleType>, &'t [(&'t str, &'t str)]);

impl PrefixScope for Scope {
    fn namespace_of(&self, prefix: &str) -> Option<&str> {
        match prefix {
            "" => Some("urn:default"),
            "a" | "b" => Some("urn:a"),
            _ => None,
        }
    }
}

fn check(ty: &SimpleType, text: &str) -> Result<(), ValueFault> {
    ty.check(text, &Scope, &mut String::new()).map(|_| ())
}

fn builtin(name: &str) -> Arc<SimpleType> {
    SimpleType::builtin(Builtin::by_name(name).unwrap())
}

fn restrict(base: &Arc<SimpleType>, facets: &[(&str, &str)]) -> Result<Arc<SimpleType>, String> {
    let raw: Vec<_> = facets
        .iter()
        .map(|(kind, value)| RawFacet {
            kind: FacetKind::by_name(kind).unwrap(),
            value,
            fixed: false,
            scope: &Scope,
        })
        .collect();
    let (ty, faults) = SimpleType::restrict(base, &raw);
    match faults.first() {
        None => Ok(Arc::new(ty)),
        Some(fault) => Err(fault.to_string()),
    }
}

#[test]
fn lexical_forms_of_the_built_in_types() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("boolean", &["true", "false", "1", "0", " true "], &["TRUE", "yes", "", "01"]),
        (
            "decimal",
            &["0", "-0", "+1.5", ".5", "5.", "00012345678901234567890.123456789012345678900"],
            &["", ".", "-", "1e5", "1,5", "1.2.3", "INF", "0x1"],
        ),
        (
            "integer",
            &["0", "-5", "+007", "123456789012345678901234567890"],
            &["1.0", "", "+", "--1", "1 2", "1."],
        ),
        (
            "long",
            &["9223372036854775807", "-9223372036854775808", "0000000000000000000000001"],
            &["9223372036854775808", "-9223372036854775809"],
        ),
        ("unsignedLong", &["18446744073709551615", "-0", "+5"], &["18446744073709551616", "-1"]),
        ("int", &["2147483647", "-2147483648", "\t5\n"], &["2147483648", "-2147483649", "a"]),
        ("unsignedByte", &["255", "0"], &["256", "-1"]),
        ("byte", &["-128", "127"], &["-129", "128"]),
        ("positiveInteger", &["1", "99999999999999999999"], &["0", "-1"]),
        ("nonPositiveInteger", &["0", "-1"], &["1"]),
        ("negativeInteger", &["-1"], &["0"]),
        (
            "float",
            &["1", "-1.5e-10", "INF", "-INF", "NaN", "1E+5", ".5", "5.", "1e400", "-0"],
            &["+INF", "inf", "nan", "1e", "e5", "", ".", "0x1p3", "1 0"],
        ),
        ("double", &["12.78e-2", "12", "-0"], &["12f", "1d"]),
        (
            "duration",
            &["P1Y", "-P1Y2M3DT4H5M6.789S", "PT0S", "P0D", "PT1.5S", "P400M"],
            &[
                "", "P", "PT", "P1YT", "1Y", "P-1Y", "P1S", "PT1Y", "P1M1Y", "PT1.S", "PT.5S",
                "P1.5Y", "+P1Y", "P1Y1Y",
            ],
        ),
        (
            "dateTime",
            &[
                "2002-10-10T12:00:00",
                "2002-10-10T12:00:00.5Z",
                "-0001-01-01T00:00:00",
                "12002-10-10T24:00:00+14:00",
                "2004-02-29T00:00:00",
            ],
            &[
                "2002-10-10",
                "2002-10-10T24:00:01",
                "2002-10-10T25:00:00",
                "2002-10-10T12:00",
                "0000-01-01T00:00:00",
                "02002-10-10T12:00:00",
                "2002-13-10T12:00:00",
                "2003-02-29T00:00:00",
                "2002-10-10T12:00:00+14:01",
                "2002-10-10T12:00:60",
                "2002-10-10T12:00:00.",
                "+2002-10-10T12:00:00",
                "2002-10-10t12:00:00",
                "202-10-10T12:00:00",
            ],
        ),
        (
            "date",
            &["2002-10-10", "2002-10-10Z", "1900-02-28", "2000-02-29-05:00"],
            &["1900-02-29", "2002-10-32", "2002-1-10", "02-10-10", "2002-10-10T"],
        ),
        (
            "time",
            &["13:20:00-05:00", "24:00:00", "00:00:00.000"],
            &["1:20:00", "13:20", "24:00:00.1", "13:60:00"],
        ),
        ("gYearMonth", &["1999-05", "-1999-05Z"], &["1999-13", "99-05", "1999"]),
        ("gYear", &["1999", "-10000", "2004Z"], &["99", "0000", "1999-"]),
        ("gMonthDay", &["--02-29", "--11-30+02:00"], &["--02-30", "--13-01", "-02-29", "--11-31"]),
        ("gDay", &["---31", "---01Z"], &["---32", "--31", "---1"]),
        ("gMonth", &["--12", "--01-03:00"], &["--13", "--1", "-01"]),
        ("hexBinary", &["", "0fB7", "00"], &["0", "0g", "0 0"]),
        (
            "base64Binary",
            &["", "YQ==", "YWI=", "YWJj", "Y Q = =", "YW\nJj"],
            &["YQ", "YQ=", "YR==", "YWK=", "YWJj=", "====", "Y*==", "=YQ="],
        ),
        (
            "anyURI",
            &["", "http://a.b/c?d#e", "é ü", "urn:x", "../x%20y", "a b"],
            &["%", "a%g0", "a#b#c"],
        ),
        ("QName", &["a:b", "local", " b:c "], &["c:d", ":a", "a:", "a:b:c", "1a", ""]),
        ("language", &["en", "es-419", "x-klingon"], &["", "e n", "toolonglanguage", "en-", "12"]),
        ("NMTOKEN", &["-1.a:b", "é"], &["", "a b", "a,b"]),
        ("NMTOKENS", &["a b", " a "], &["", "  ", "a ,"]),
        ("Name", &["a:b", "_x", ":"], &["1a", "-a", ""]),
        ("NCName", &["a", "_x.1-é"], &["a:b", ""]),
        ("ID", &["a1"], &["1a", "a b"]),
        ("IDREFS", &["a b"], &["", "1"]),
        ("string", &["", " \n", "anything"], &[]),
        ("token", &["", "  a   b  "], &[]),
    ];
    for (name, valid, invalid) in cases {
        let ty = builtin(name);
        for text in *valid {
            assert_eq!(check(&ty, text), Ok(()), "{name} {text:?}");
        }
        for text in *invalid {
            assert!(check(&ty, text).is_err(), "{name} takes {text:?}");
        }
    }
}

#[test]
fn white_space_is_processed_before_anything_else() {
    let apply = |name: &str, text: &str| {
        let mut scratch = String::new();
        builtin(name).check(text, &Scope, &mut scratch).unwrap().to_owned()
    };
    assert_eq!(apply("string", " a\t\nb "), " a\t\nb ");
    assert_eq!(apply("normalizedString", " a\t\nb "), " a  b ");
    assert_eq!(apply("token", " a\t\nb "), "a b");
    assert_eq!(apply("int", "\n 5 \t"), "5");
    assert_eq!(apply("NMTOKENS", " a \n b "), "a b");
}

#[test]
fn values_are_equal_whatever_their_spelling() {
    let equal = |name: &str, a: &str, b: &str| {
        let ty = builtin(name);
        let (a, b) = (ty.parse(a, &Scope).unwrap(), ty.parse(b, &Scope).unwrap());
        if a == b {
            use std::hash::{BuildHasher, BuildHasherDefault};
            let hasher = BuildHasherDefault::<std::hash::DefaultHasher>::default();
            assert_eq!(hasher.hash_one(&a), hasher.hash_one(&b), "equal values have equal hashes");
        }
        a == b
    };
    assert!(equal("decimal", "10.10", "+0010.1"));
    assert!(equal("decimal", "-0", "0.000"));
    assert!(!equal("decimal", "1", "-1"));
    assert!(equal("boolean", "1", "true"));
    assert!(equal("float", "NaN", "NaN"));
    assert!(equal("double", "-0", "0"));
    assert!(equal("double", "1e2", "100"));
    assert!(equal("hexBinary", "ab", "AB"));
    assert!(equal("base64Binary", "YW Jj", "YWJj"));
    assert!(equal("QName", "a:x", "b:x"));
    assert!(!equal("QName", "x", "b:x"));
    assert!(equal("dateTime", "2000-01-01T00:00:00+01:00", "1999-12-31T23:00:00Z"));
    assert!(equal("dateTime", "1999-12-31T24:00:00", "2000-01-01T00:00:00.000"));
    assert!(!equal("dateTime", "2000-01-01T00:00:00", "2000-01-01T00:00:00Z"));
    assert!(equal("time", "24:00:00", "00:00:00"));
    assert!(equal("duration", "P1Y", "P12M"));
    assert!(equal("duration", "P1D", "PT24H"));
    assert!(!equal("duration", "P1M", "P30D"));
    assert!(equal("duration", "-PT0S", "P0Y"));
    assert!(equal("NMTOKENS", "a  b", " a b"));
    assert!(!equal("token", "a", "b"));
}

#[test]
fn values_of_different_primitive_types_are_never_equal() {
    let value = |name: &str| builtin(name).parse("1", &Scope).unwrap();
    assert_ne!(value("string"), value("anyURI"));
    assert_ne!(value("decimal"), value("double"));
    assert_ne!(value("float"), value("double"));
    assert_eq!(value("decimal"), value("byte"));
}

#[test]
fn order_is_partial_where_the_recommendation_says_so() {
    let order = |name: &str, a: &str, b: &str| {
        let ty = builtin(name);
        ty.parse(a, &Scope).unwrap().compare(&ty.parse(b, &Scope).unwrap())
    };
    let (less, greater) = (Some(Ordering::Less), Some(Ordering::Greater));
    assert_eq!(order("decimal", "-2", "-1.5"), less);
    assert_eq!(order("decimal", "10", "9.999999999999999999999"), greater);
    assert_eq!(order("double", "NaN", "1"), None);
    assert_eq!(order("double", "INF", "1e308"), greater);
    // The table of Part 2, 3.2.6.2.
    assert_eq!(order("duration", "P1Y", "P364D"), greater);
    assert_eq!(order("duration", "P1Y", "P365D"), None);
    assert_eq!(order("duration", "P1Y", "P367D"), less);
    assert_eq!(order("duration", "P1M", "P27D"), greater);
    assert_eq!(order("duration", "P1M", "P28D"), None);
    assert_eq!(order("duration", "P1M", "P31D"), None);
    assert_eq!(order("duration", "P1M", "P32D"), less);
    assert_eq!(order("duration", "P5M", "P149D"), greater);
    assert_eq!(order("duration", "P5M", "P154D"), less);
    assert_eq!(order("duration", "-PT1.5S", "-PT1.2S"), less);
    assert_eq!(order("duration", "-PT0.5S", "PT0.5S"), less);
    // The table of 3.2.7.4.
    assert_eq!(order("dateTime", "2000-01-15T00:00:00", "2000-02-15T00:00:00"), less);
    assert_eq!(order("dateTime", "2000-01-15T12:00:00", "2000-01-16T12:00:00Z"), less);
    assert_eq!(order("dateTime", "2000-01-01T12:00:00", "1999-12-31T23:00:00Z"), None);
    assert_eq!(order("dateTime", "2000-01-16T12:00:00", "2000-01-16T12:00:00Z"), None);
    assert_eq!(order("dateTime", "2000-01-16T00:00:00", "2000-01-16T12:00:00Z"), None);
    assert_eq!(order("dateTime", "-0002-01-01T00:00:00", "-0001-01-01T00:00:00"), less);
    assert_eq!(order("gYear", "2000", "1999"), greater);
    assert_eq!(order("gMonthDay", "--12-31", "--01-01"), greater);
}

#[test]
fn facets_cut_down_what_is_allowed() {
    let cases: &[Cut<'_>] = &[
        ("string", &[("length", "3")], &["añ😀"], &["ab", "abcd"]),
        ("string", &[("minLength", "1"), ("maxLength", "2")], &["a", "ab"], &["", "abc"]),
        ("token", &[("enumeration", "a b"), ("enumeration", "c")], &[" a  b ", "c"], &["ab", ""]),
        ("string", &[("pattern", "[a-z]+"), ("pattern", "[0-9]+")], &["abc", "12"], &["a1", ""]),
        (
            "decimal",
            &[("totalDigits", "4"), ("fractionDigits", "2")],
            &["12.34", "0012.3400", "-99.99", "0.01"],
            &["123.45", "1.234"],
        ),
        (
            "decimal",
            &[("minExclusive", "0"), ("maxInclusive", "10.5")],
            &["0.000000000000000000001", "10.50"],
            &["0", "-0.0", "10.51"],
        ),
        ("int", &[("minInclusive", "-5"), ("maxExclusive", "5")], &["-5", "4"], &["-6", "5"]),
        (
            "integer",
            &[("maxInclusive", "100000000000000000000000")],
            &["99999999999999999999999", "-5"],
            &["100000000000000000000001"],
        ),
        (
            "decimal",
            &[("enumeration", "1.0"), ("enumeration", "2")],
            &["1", "+1.00", "2.0"],
            &["3", "1.01"],
        ),
        ("hexBinary", &[("length", "2")], &["abcd"], &["ab", "abcdef"]),
        ("base64Binary", &[("maxLength", "2")], &["YWI=", "Y Q = ="], &["YWJj"]),
        (
            "dateTime",
            &[("minInclusive", "2000-01-01T00:00:00Z")],
            &["2000-01-01T01:00:00+01:00", "2001-01-01T00:00:00"],
            &["1999-12-31T23:59:59Z", "2000-01-01T01:00:00"],
        ),
        ("date", &[("explicitTimezone", "required")], &["2000-01-01Z"], &["2000-01-01"]),
        ("date", &[("explicitTimezone", "prohibited")], &["2000-01-01"], &["2000-01-01+01:00"]),
        ("duration", &[("maxExclusive", "P1M")], &["P27D"], &["P28D", "P32D"]),
        ("QName", &[("enumeration", "a:x")], &["b:x"], &["a:y", "x"]),
        ("NMTOKENS", &[("maxLength", "2")], &["a b"], &["a b c", ""]),
        ("float", &[("minInclusive", "0")], &["0", "-0", "INF"], &["NaN", "-1"]),
        ("boolean", &[("pattern", "true|false")], &["true"], &["1"]),
        ("QName", &[("length", "1")], &["a:long"], &[]),
    ];
    for (base, facets, valid, invalid) in cases {
        let ty = restrict(&builtin(base), facets).unwrap();
        for text in *valid {
            assert_eq!(check(&ty, text), Ok(()), "{base} {facets:?} {text:?}");
        }
        for text in *invalid {
            assert!(check(&ty, text).is_err(), "{base} {facets:?} takes {text:?}");
        }
    }
}

#[test]
fn patterns_of_successive_steps_all_have_to_match() {
    let first = restrict(&builtin("string"), &[("pattern", "[a-z]+")]).unwrap();
    let second = restrict(&first, &[("pattern", ".{3}"), ("pattern", ".{5}")]).unwrap();
    assert!(check(&second, "abc").is_ok() && check(&second, "abcde").is_ok());
    assert_eq!(check(&second, "abcd"), Err(ValueFault::Facet(FacetKind::Pattern)));
    assert_eq!(check(&second, "AB1"), Err(ValueFault::Facet(FacetKind::Pattern)));
}

#[test]
fn a_restriction_may_not_widen_its_base_nor_contradict_itself() {
    let bounded =
        restrict(&builtin("int"), &[("minInclusive", "0"), ("maxExclusive", "100")]).unwrap();
    let short = restrict(&builtin("string"), &[("minLength", "2"), ("maxLength", "5")]).unwrap();
    let digits =
        restrict(&builtin("decimal"), &[("totalDigits", "5"), ("fractionDigits", "2")]).unwrap();
    let colours =
        restrict(&builtin("string"), &[("enumeration", "red"), ("enumeration", "blue")]).unwrap();
    let wrong: &[Step<'_>] = &[
        (&bounded, &[("minInclusive", "-1")]),
        (&bounded, &[("maxInclusive", "100")]),
        (&bounded, &[("maxInclusive", "101")]),
        (&bounded, &[("minInclusive", "5"), ("maxInclusive", "4")]),
        (&bounded, &[("minInclusive", "5"), ("minExclusive", "4")]),
        (&bounded, &[("minInclusive", "1.5")]),
        (&bounded, &[("minExclusive", "100")]),
        (&short, &[("minLength", "1")]),
        (&short, &[("maxLength", "6")]),
        (&short, &[("minLength", "6")]),
        (&short, &[("length", "6")]),
        (&short, &[("length", "3"), ("minLength", "3")]),
        (&short, &[("maxLength", "x")]),
        (&short, &[("maxLength", "-1")]),
        (&digits, &[("totalDigits", "6")]),
        (&digits, &[("totalDigits", "0")]),
        (&digits, &[("fractionDigits", "3")]),
        (&colours, &[("enumeration", "green")]),
        (&builtin("string"), &[("minInclusive", "1")]),
        (&builtin("int"), &[("length", "1")]),
        (&builtin("int"), &[("fractionDigits", "1")]),
        (&builtin("boolean"), &[("enumeration", "true")]),
        (&builtin("token"), &[("whiteSpace", "preserve")]),
        (&builtin("int"), &[("whiteSpace", "replace")]),
        (&builtin("string"), &[("pattern", "[")]),
        (&builtin("string"), &[("length", "1"), ("length", "1")]),
        (&builtin("int"), &[("enumeration", "x")]),
    ];
    for (base, facets) in wrong {
        assert!(restrict(base, facets).is_err(), "{facets:?} on {base:?}");
    }
    let right: &[Step<'_>] = &[
        (&bounded, &[("maxExclusive", "100")]),
        (&bounded, &[("minExclusive", "0"), ("maxInclusive", "99")]),
        (&short, &[("length", "3")]),
        (&short, &[("minLength", "2"), ("length", "3")]),
        (&builtin("string"), &[("whiteSpace", "collapse"), ("enumeration", " a ")]),
        (&colours, &[("enumeration", "red")]),
        (&builtin("integer"), &[("fractionDigits", "0"), ("totalDigits", "3")]),
    ];
    for (base, facets) in right {
        assert!(restrict(base, facets).is_ok(), "{facets:?}: {:?}", restrict(base, facets));
    }
}

#[test]
fn a_fixed_facet_may_only_be_repeated() {
    let raw = |value, fixed| RawFacet { kind: FacetKind::MaxLength, value, fixed, scope: &() };
    let (base, faults) = SimpleType::restrict(&builtin("string"), &[raw("5", true)]);
    assert!(faults.is_empty());
    let base = Arc::new(base);
    assert!(SimpleType::restrict(&base, &[raw("5", false)]).1.is_empty());
    assert_eq!(
        SimpleType::restrict(&base, &[raw("4", false)]).1[0].to_string(),
        "facet maxLength: is fixed in the base"
    );
}

#[test]
fn a_union_takes_what_its_first_fitting_member_takes() {
    let colour = restrict(&builtin("token"), &[("enumeration", "red")]).unwrap();
    let union = Arc::new(SimpleType::union(vec![builtin("int"), colour, builtin("date")]));
    let member = |text: &str| union.member(text, &Scope).map(|m| m.builtin);
    assert_eq!(member(" 5 "), Ok(Builtin::Int));
    assert_eq!(member("red"), Ok(Builtin::Token));
    assert_eq!(member("2000-01-01"), Ok(Builtin::Date));
    assert_eq!(member("blue"), Err(ValueFault::Union));
    let narrow = restrict(&union, &[("enumeration", "05"), ("enumeration", "red")]).unwrap();
    assert!(
        check(&narrow, "5").is_ok()
            && check(&narrow, "red").is_ok()
            && check(&narrow, "6").is_err()
    );
    let nested = SimpleType::union(vec![union, builtin("boolean")]);
    assert_eq!(nested.member("true", &Scope).map(|m| m.builtin), Ok(Builtin::Boolean));
}

#[test]
fn a_list_checks_its_items_and_counts_them() {
    let list = Arc::new(SimpleType::list(&builtin("int")));
    assert!(
        check(&list, " 1  2\n3 ").is_ok()
            && check(&list, "").is_ok()
            && check(&list, "1 x").is_err()
    );
    let pair = restrict(&list, &[("length", "2")]).unwrap();
    assert!(check(&pair, "1 2").is_ok() && check(&pair, "1").is_err());
    let named = restrict(&list, &[("enumeration", "1 2")]).unwrap();
    assert!(check(&named, "01  2").is_ok() && check(&named, "2 1").is_err());
    let spaced = restrict(&list, &[("pattern", "1 2")]).unwrap();
    assert!(
        check(&spaced, " 1   2 ").is_ok(),
        "a pattern sees the text after white space processing"
    );
}

#[test]
fn json_numbers_are_those_that_a_double_can_hold() {
    let kind = |ty: &SimpleType| ty.number_kind();
    assert_eq!(kind(&builtin("int")), Some(NumberKind::SafeInteger));
    assert_eq!(kind(&builtin("long")), Some(NumberKind::WideInteger));
    assert_eq!(kind(&builtin("nonNegativeInteger")), Some(NumberKind::WideInteger));
    let safe =
        restrict(&builtin("long"), &[("minInclusive", "0"), ("maxInclusive", "9007199254740991")])
            .unwrap();
    assert_eq!(kind(&safe), Some(NumberKind::SafeInteger));
    let wide =
        restrict(&builtin("long"), &[("minInclusive", "0"), ("maxInclusive", "9007199254740992")])
            .unwrap();
    assert_eq!(kind(&wide), Some(NumberKind::WideInteger));
    assert_eq!(kind(&builtin("decimal")), Some(NumberKind::WideDecimal));
    let price = restrict(&builtin("decimal"), &[("totalDigits", "15")]).unwrap();
    assert_eq!(kind(&price), Some(NumberKind::SafeDecimal));
    assert_eq!(kind(&builtin("float")), Some(NumberKind::Binary));
    assert_eq!(kind(&builtin("string")), None);
}

#[test]
fn numbers_are_spelled_for_json_without_losing_a_digit() {
    let spell = |write: fn(&str, &mut Vec<u8>), text: &str| {
        let mut out = Vec::new();
        write(text, &mut out);
        String::from_utf8(out).unwrap()
    };
    for (text, json) in [
        ("10.10", "10.10"),
        ("+1", "1"),
        ("007", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-00.50", "-0.50"),
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0.00"),
        ("100", "100"),
        ("-12.5", "-12.5"),
        ("0.0", "0.0"),
    ] {
        assert_eq!(spell(super::write_decimal, text), json, "{text}");
    }
    for (text, json) in [
        ("+007", "7"),
        ("-0", "0"),
        ("9223372036854775808", "9223372036854775808"),
        ("-5", "-5"),
        ("000", "0"),
    ] {
        assert_eq!(spell(super::write_integer, text), json, "{text}");
    }
    for (text, json) in [
        ("1.0", "1"),
        ("1e400", "\"INF\""),
        ("0.1", "0.1"),
        ("-INF", "\"-INF\""),
        ("NaN", "\"NaN\""),
        ("1E10", "10000000000"),
        ("1e-7", "1e-7"),
    ] {
        assert_eq!(spell(super::write_double, text), json, "{text}");
    }
    assert_eq!(spell(super::write_float, "0.1"), "0.1");
    assert_eq!(spell(super::write_float, "16777217"), "16777216");
}
