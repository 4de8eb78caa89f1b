//! Content models: what they take, how large they are, how long they take.

use super::Run;
use crate::name::NsId;
use crate::xsd::Schemas;
use crate::xsd::model::Content;

/// The schemas of one type called `t` with this content.
fn schema(content: &str) -> Schemas {
    let text = format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:complexType name='t'>{content}</xs:complexType></xs:schema>"
    );
    let (schemas, faults) = Schemas::from_bytes("t.xsd", text.as_bytes());
    assert!(faults.iter().all(|fault| !fault.is_error()), "{faults:?}");
    schemas
}

/// Whether the type `t` takes elements of these names, one letter each.
fn takes(schemas: &Schemas, names: &str) -> bool {
    let ty = schemas.type_(schemas.sym("", "t")).expect("there is a type t");
    let Some(Content::Elements { model, .. }) = schemas[ty].complex().map(|c| &c.content) else {
        return names.is_empty();
    };
    let (model, mut run) = (&schemas[*model], Run::default());
    model.start(&mut run);
    let all = names.chars().all(|name| {
        let sym = schemas.sym("", &name.to_string());
        model.step(&mut run, &schemas.wildcards, NsId::NONE, sym).is_some()
    });
    all && model.may_end(&run)
}

fn element(name: &str, occurs: &str) -> String {
    let (min, max) = occurs.split_once('-').unwrap_or((occurs, occurs));
    format!("<xs:element name='{name}' minOccurs='{min}' maxOccurs='{max}'/>")
}

#[test]
fn a_sequence_keeps_its_order() {
    let s = schema(&format!(
        "<xs:sequence>{}{}{}</xs:sequence>",
        element("a", "1"),
        element("b", "0-1"),
        element("c", "1-unbounded")
    ));
    for good in ["ac", "abc", "abcccc"] {
        assert!(takes(&s, good), "{good}");
    }
    for bad in ["", "a", "ab", "ba", "abbc", "acb"] {
        assert!(!takes(&s, bad), "{bad}");
    }
}

#[test]
fn a_choice_may_repeat() {
    let s = schema(&format!(
        "<xs:choice minOccurs='2' maxOccurs='3'>{}{}</xs:choice>",
        element("a", "1"),
        element("b", "1")
    ));
    for good in ["aa", "ab", "bab"] {
        assert!(takes(&s, good), "{good}");
    }
    for bad in ["", "a", "abab"] {
        assert!(!takes(&s, bad), "{bad}");
    }
}

#[test]
fn all_takes_each_once_in_any_order() {
    let s = schema(&format!(
        "<xs:all>{}{}{}</xs:all>",
        element("a", "1"),
        element("b", "1"),
        element("c", "0-1")
    ));
    for good in ["ab", "ba", "cab", "bca"] {
        assert!(takes(&s, good), "{good}");
    }
    for bad in ["", "a", "aab", "ac"] {
        assert!(!takes(&s, bad), "{bad}");
    }
}

#[test]
fn a_loop_in_a_loop_counts_in_every_way_that_fits() {
    // (a{2,3}, b?){2}: aa|aaa twice, a b after each if it likes.
    let inner = format!(
        "<xs:sequence minOccurs='2' maxOccurs='2'>{}{}</xs:sequence>",
        element("a", "2-3"),
        element("b", "0-1")
    );
    let s = schema(&format!("<xs:sequence>{inner}</xs:sequence>"));
    for good in ["aaaa", "aaaaa", "aaaaaa", "aabaa", "aaabaaab"] {
        assert!(takes(&s, good), "{good}");
    }
    for bad in ["aa", "aaa", "aaaaaaa", "abaa", "aabaab\u{62}"] {
        assert!(!takes(&s, bad), "{bad}");
    }
}

#[test]
fn what_may_be_nothing_counts_as_often_as_needed() {
    let inner =
        format!("<xs:sequence minOccurs='3' maxOccurs='3'>{}</xs:sequence>", element("a", "0-2"));
    let s = schema(&format!("<xs:sequence>{inner}{}</xs:sequence>", element("b", "1")));
    for good in ["b", "ab", "aaaaaab"] {
        assert!(takes(&s, good), "{good}");
    }
    assert!(!takes(&s, "aaaaaaab"));
}

#[test]
fn l27_a_large_occurrence_is_a_number_and_no_copy() {
    let s = schema(&format!("<xs:sequence>{}</xs:sequence>", element("a", "0-4294967295")));
    let ty = s.type_(s.sym("", "t")).expect("there is a type t");
    let Some(Content::Elements { model, .. }) = s[ty].complex().map(|c| &c.content) else {
        panic!()
    };
    assert!(s[*model].states() <= 2);
    assert!(takes(&s, &"a".repeat(5_000)));
}

#[test]
fn an_ambiguous_model_is_followed_in_bounded_time() {
    // Breaks Unique Particle Attribution: which of the two an `a` belongs to shows only later.
    let first = format!(
        "<xs:sequence minOccurs='0' maxOccurs='500'>{}{}</xs:sequence>",
        element("a", "1-300"),
        element("b", "0-300")
    );
    let s = schema(&format!(
        "<xs:sequence>{first}{}{}</xs:sequence>",
        element("a", "3"),
        element("c", "1")
    ));
    assert!(takes(&s, &format!("{}c", "a".repeat(3_000))));
    assert!(takes(&s, &format!("{}aaac", "ab".repeat(400))));
    assert!(!takes(&s, "aac"));
}

#[test]
fn groups_that_double_each_other_end_at_a_limit() {
    let mut groups = String::from(
        "<xs:group name='g0'><xs:sequence><xs:element name='a'/></xs:sequence></xs:group>",
    );
    for n in 1..40 {
        let inner = format!("<xs:group ref='g{}'/>", n - 1);
        groups.push_str(&format!(
            "<xs:group name='g{n}'><xs:sequence>{inner}{inner}</xs:sequence></xs:group>"
        ));
    }
    let text = format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>{groups}\
         <xs:complexType name='t'><xs:group ref='g39'/></xs:complexType></xs:schema>"
    );
    let (_, faults) = Schemas::from_bytes("t.xsd", text.as_bytes());
    assert!(faults.iter().any(|fault| fault.rule == Some("limit")), "{faults:?}");
}
