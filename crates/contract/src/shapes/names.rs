//! Names of JSON as names of XML, and names that nobody else has.

use std::collections::BTreeSet;

/// A key as a local name: what a name cannot hold is written `_xHHHH_` (SQL/XML, ISO 9075-14), and so is what would read like that.
pub(crate) fn xml_name(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    if key.is_empty() {
        return "_x0000_".to_owned();
    }
    for (at, c) in key.char_indices() {
        let first = at == 0;
        let reads_like_an_escape =
            c == '_' && key.get(at + 1..).is_some_and(|rest| rest.starts_with('x'));
        let fits = if first { is_start(c) } else { is_name(c) };
        // What begins with `xml` in any case belongs to XML itself (XML 1.0 §2.3).
        let is_reserved =
            first && key.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("xml"));
        if fits && !reads_like_an_escape && !is_reserved {
            out.push(c);
        } else {
            out.push_str(&format!("_x{:04X}_", u32::from(c)));
        }
    }
    out
}

/// A text as a name for something that has none in JSON: what a name cannot hold becomes `_`.
pub(crate) fn ncname(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        let c = if is_name(c) { c } else { '_' };
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    let out = out.trim_end_matches('_');
    match out.chars().next() {
        Some(c) if is_start(c) => out.to_owned(),
        _ => format!("_{out}"),
    }
}

/// XML 1.0 §2.3, without the colon.
fn is_start(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, '_' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
            | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
            | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
            | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}')
}

fn is_name(c: char) -> bool {
    is_start(c)
        || c.is_ascii_digit()
        || matches!(c, '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Names that are given away. Languages that make classes of types do not all tell capital letters apart, so neither is done here.
#[derive(Debug, Default)]
pub(crate) struct Taken(BTreeSet<String>);

impl Taken {
    /// The name, with a number behind it where somebody has it.
    pub(crate) fn name(&mut self, wanted: &str) -> String {
        let numbered = (2..).map(|number: u64| format!("{wanted}_{number}"));
        let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
        names.find(|name| self.0.insert(name.to_lowercase())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_no_names_are_written_so_that_they_can_be_read_again() {
        for (key, name) in [
            ("total", "total"),
            ("año", "año"),
            ("@id", "_x0040_id"),
            ("2nd", "_x0032_nd"),
            ("a b", "a_x0020_b"),
            ("a:b", "a_x003A_b"),
            ("_x0040_id", "_x005F_x0040_id"),
            ("_id", "_id"),
            ("", "_x0000_"),
            ("xmlId", "_x0078_mlId"),
            ("😀", "_x1F600_"),
        ] {
            assert_eq!(xml_name(key), name);
            assert!(pasarela_soap::xml::is_ncname(name), "{name}");
        }
    }

    #[test]
    fn names_of_types_differ_in_more_than_capitals() {
        let mut taken = Taken::default();
        let names = ["Order", "order", "Order", "Order_2"].map(|name| taken.name(name));
        assert_eq!(names, ["Order", "order_2", "Order_3", "Order_2_2"]);
        assert_eq!(ncname("GET /orders/{id}"), "GET_orders_id");
        assert_eq!(ncname("2nd"), "_2nd");
    }
}
