//! Whose mailbox a field names.

/// The one address in a field such as `From` (RFC 5322, section 3.4): `a@b`, `Name <a@b>`, with comments. `None` for none, for several,
/// and for groups. Whether it is an address is not looked at.
#[must_use]
pub fn mailbox(field: &str) -> Option<&str> {
    let (mut depth, mut quoted, mut angle) = (0u32, false, None);
    let mut bare: Option<(usize, usize)> = None;
    let mut chars = field.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quoted || depth > 0 => {
                chars.next();
            }
            '"' if depth == 0 => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            '<' if angle.is_none() => {
                let end = at + field.get(at..)?.find('>')?;
                angle = Some(field.get(at + 1..end)?);
                // Nothing but comments may follow.
                while chars.next().is_some_and(|(place, _)| place < end) {}
            }
            ' ' | '\t' => {}
            ',' | ';' | ':' | '<' | '>' => return None,
            _ if angle.is_some() => return None,
            c => {
                let (start, _) = bare.unwrap_or((at, at));
                bare = Some((start, at + c.len_utf8()));
            }
        }
    }
    if quoted || depth > 0 {
        return None;
    }
    match (angle, bare) {
        (Some(address), _) => Some(address.trim()),
        (None, Some((start, end))) => field.get(start..end),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_names_one_mailbox() {
        for (field, address) in [
            ("a@b", Some("a@b")),
            (" <a@b> ", Some("a@b")),
            ("Acme Ltd <a@b>", Some("a@b")),
            ("\"Acme, <x@y>\" <a@b>", Some("a@b")),
            ("a@b (who <x@y>)", Some("a@b")),
            ("(x) a@b", Some("a@b")),
            ("\"q\\\"x\" <a@b> (c)", Some("a@b")),
            ("Ñandú <a@b>", Some("a@b")),
            ("", None),
            ("a@b, c@d", None),
            ("<a@b>, <c@d>", None),
            ("<a@b> c@d", None),
            ("list: a@b;", None),
            ("<a@b", None),
            ("\"open <a@b>", None),
            ("(open a@b", None),
        ] {
            assert_eq!(mailbox(field), address, "{field}");
        }
    }
}
