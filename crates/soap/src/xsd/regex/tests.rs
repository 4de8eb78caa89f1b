//! Patterns of XML Schema: what is accepted, what matches, what JSON Schema gets.

use super::Regex;

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap().is_match(text)
}

#[test]
fn a_pattern_matches_the_whole_value() {
    assert!(matches("a|b", "b"));
    assert!(!matches("a|b", "ab"));
    assert!(!matches("a", "a\n"));
    assert!(matches("", ""));
    assert!(!matches("", "a"));
    assert!(matches("a|", ""));
}

#[test]
fn anchors_are_ordinary_characters() {
    assert!(matches("^a$", "^a$"));
    assert!(!matches("^a$", "a"));
    assert!(matches("[$^]+", "^$"));
}

#[test]
fn the_dot_matches_all_but_line_ends() {
    assert!(matches("...", "añ😀"));
    assert!(!matches(".", "\n"));
    assert!(!matches(".", "\r"));
    assert!(matches(".", "\u{2028}"));
}

#[test]
fn name_escapes_follow_xml() {
    assert!(matches("\\i\\c*", "añejo-1.b:c"));
    assert!(!matches("\\i", "1"));
    assert!(matches("[\\i-[:]][\\c-[:]]*", "ncName"));
    assert!(!matches("[\\i-[:]][\\c-[:]]*", "nc:Name"));
    assert!(matches("\\I\\C", "1 "));
}

#[test]
fn digits_and_words_are_those_of_unicode() {
    assert!(matches("\\d{2}", "4\u{0664}"));
    assert!(matches("\\w+", "aß9+$"));
    assert!(!matches("\\w", "-"));
    assert!(!matches("\\w", "\u{a0}"));
    assert!(matches("\\W\\D\\S", "-ab"));
    assert!(matches("\\s{4}", " \t\r\n"));
    assert!(!matches("\\s", "\u{a0}"));
}

#[test]
fn categories_and_blocks() {
    assert!(matches("\\p{Lu}\\P{Lu}", "Aa"));
    assert!(matches("\\p{IsGreek}\\p{IsBasicLatin}", "αa"));
    assert!(matches("\\P{IsBasicLatin}", "α"));
    assert!(!matches("\\p{IsHighSurrogates}", "a"));
    assert!(matches("\\P{IsHighSurrogates}", "a"));
}

#[test]
fn subtraction_may_be_nested() {
    let pattern = "[a-z-[aeiou-[e]]]+";
    assert!(matches(pattern, "xyze"));
    assert!(!matches(pattern, "xya"));
    assert!(matches("[^a-z-[0-9]]", "A"));
    assert!(!matches("[^a-z-[0-9]]", "5"));
}

#[test]
fn counts_are_exact() {
    assert!(matches("a{0}", ""));
    assert!(matches("(ab){2,3}", "ababab"));
    assert!(!matches("(ab){2,3}", "abababab"));
    assert!(matches("a{2,}", "aaaa"));
}

#[test]
fn what_the_grammar_does_not_have_is_refused() {
    let wrong = [
        "(",
        ")",
        "(a",
        "a)",
        "[",
        "]",
        "[a",
        "[]",
        "[^]",
        "a**",
        "a+?",
        "*a",
        "?",
        "+",
        "a{",
        "a}",
        "{1}",
        "a{,2}",
        "a{2,1}",
        "a{a}",
        "a{1",
        "a{1}{2}",
        "\\",
        "\\e",
        "\\b",
        "\\1",
        "\\x41",
        "\\u0041",
        "\\$",
        "\\/",
        "\\p",
        "\\p{",
        "\\pL",
        "\\p{}",
        "\\p{Xx}",
        "\\p{Cs}",
        "\\p{IsNowhere}",
        "\\p{isBasicLatin}",
        "\\p{^L}",
        "[z-a]",
        "[a-\\d]",
        "[[a]]",
        "[a[b]]",
        "[a-z-0]",
        "[a-z-[b]c]",
        "(?:a)",
        "(?i)a",
        "(?=a)",
        "[a-c-e]",
        "[\\d-z]",
    ];
    let accepted: Vec<_> = wrong.iter().filter(|pattern| Regex::new(pattern).is_ok()).collect();
    assert!(accepted.is_empty(), "accepted: {accepted:?}");
}

#[test]
fn a_fault_says_where() {
    let fault = Regex::new("ab{x}").unwrap_err();
    assert_eq!(fault.to_string(), "a count is missing (at character 4 of 'ab{x}')");
}

#[test]
fn dashes_stand_for_themselves_at_the_ends_of_a_class() {
    assert!(matches("[-a]+", "a-"));
    assert!(matches("[a-]+", "a-"));
    assert!(matches("[^-]", "a"));
    assert!(matches("[+\\-*]+", "+-*"));
}

#[test]
fn l29_a_pattern_that_would_grow_without_bound_is_refused() {
    let fault = Regex::new("((((\\c{1,999}){1,999}){1,999}){1,999})").unwrap_err();
    assert!(fault.reason.contains("bytes once compiled"), "{fault}");
    let deep = "(".repeat(100_000);
    assert!(Regex::new(&deep).unwrap_err().reason.contains("inside each other"));
}

#[test]
fn l29_matching_takes_time_linear_in_the_value() {
    // A backtracking engine needs 2^n steps for this one.
    let regex = Regex::new("(a|aa)+b?(a*)*c").unwrap();
    assert!(!regex.is_match(&"a".repeat(100_000)));
}

#[test]
fn json_schema_gets_the_same_in_its_own_syntax() {
    let cases = [
        ("\\d{3}-[A-Z]{2}", "^(?:\\p{Nd}{3}-[A-Z]{2})$"),
        ("^$", "^(?:\\^\\$)$"),
        ("a|b", "^(?:a|b)$"),
        ("(a|b)c", "^(?:(?:a|b)c)$"),
        (".", "^(?:[^\\n\\r])$"),
        ("\\w+", "^(?:[^\\p{P}\\p{Z}\\p{C}]+)$"),
        ("[a-z-[aeiou]]", "^(?:[b-df-hj-np-tv-z])$"),
        ("\\p{IsGreek}", "^(?:[Ͱ-Ͽ])$"),
        ("[\\s/]", "^(?:[ \\t\\n\\r/])$"),
        ("a/b", "^(?:a\\/b)$"),
    ];
    for (pattern, ecma) in cases {
        assert_eq!(Regex::new(pattern).unwrap().ecma(), Some(ecma), "{pattern}");
    }
    assert_eq!(
        Regex::new("[\\w-[é]]").unwrap().ecma(),
        None,
        "several hundred ranges are no help to anybody"
    );
}

#[test]
fn the_patterns_of_one_step_are_alternatives() {
    let regex = Regex::any_of(&["a|b".to_owned(), "c{2}".to_owned()]).unwrap();
    assert!(regex.is_match("cc") && regex.is_match("a") && !regex.is_match("ac"));
    assert_eq!(regex.ecma(), Some("^(?:a|b|c{2})$"));
}
