//! Path templates: `/orders/{id}.json` into segments.
//!
//! Literal text is brought into the form in which the gateway sees paths (unreserved characters
//! as themselves, everything else that needs it percent-encoded in upper case), because that is
//! what it will be compared with.

use pasarela_model::{PathSegment, PathTemplate};

/// A path template, taken apart.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) segments: PathTemplate,
    /// The template without the names of its parameters: equal shapes match the same paths
    /// (OpenAPI 3.1 §4.8.8).
    pub(crate) shape: String,
}

/// What is wrong with a template, and the cure.
pub(crate) type TemplateFault = (String, &'static str);

pub(crate) fn parse(path: &str) -> Result<Template, TemplateFault> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err((format!("the path `{path}` does not begin with `/`"), "put a `/` before it"));
    };
    let mut names = Vec::new();
    let mut shape = String::new();
    let mut segments = Vec::new();
    let mut texts = split_outside_braces(rest).into_iter().peekable();
    while let Some(text) = texts.next() {
        let is_last = texts.peek().is_none();
        if text.is_empty() && !is_last {
            return Err((
                format!("the path `{path}` contains an empty segment"),
                "write one slash: the gateway merges `//` before it looks for an operation",
            ));
        }
        shape.push('/');
        segments.push(segment(path, text, &mut names, &mut shape)?);
    }
    if rest.is_empty() {
        segments.clear();
    }
    Ok(Template { segments: PathTemplate(segments), shape })
}

/// A slash inside braces belongs to a (strange) parameter name.
fn split_outside_braces(text: &str) -> Vec<&str> {
    let mut open = false;
    text.split(|c| {
        match c {
            '{' => open = true,
            '}' => open = false,
            _ => {}
        }
        c == '/' && !open
    })
    .collect()
}

fn segment<'a>(
    path: &str,
    text: &'a str,
    names: &mut Vec<&'a str>,
    shape: &mut String,
) -> Result<PathSegment, TemplateFault> {
    let mut rest = text;
    let mut prefix = None;
    let literal = loop {
        let Some((before, tail)) = rest.split_once('{') else { break rest };
        let Some((name, after)) = tail.split_once('}') else {
            return Err(braces(path));
        };
        if before.contains('}') || name.contains('{') {
            return Err(braces(path));
        }
        if name.is_empty() {
            return Err((
                format!("a parameter of the path `{path}` has no name"),
                "name it between the braces, like `{id}`",
            ));
        }
        if names.contains(&name) {
            return Err((
                format!("the path `{path}` has the parameter `{name}` twice"),
                "give the second one a name of its own",
            ));
        }
        names.push(name);
        let before = literal(path, before)?;
        shape.push_str(&before);
        shape.push_str("{}");
        prefix.get_or_insert(before);
        rest = after;
    };
    if literal.contains('}') {
        return Err(braces(path));
    }
    let literal = self::literal(path, literal)?;
    shape.push_str(&literal);
    match prefix {
        Some(prefix) => Ok(PathSegment::Parameter { prefix, suffix: literal }),
        None if matches!(&*literal, "." | "..") => Err((
            format!("the path `{path}` contains the dot segment `{literal}`"),
            "write the path that it stands for: the gateway removes dot segments",
        )),
        None => Ok(PathSegment::Literal(literal)),
    }
}

fn braces(path: &str) -> TemplateFault {
    (format!("the braces of the path `{path}` do not match"), "write parameters like `{id}`")
}

/// Literal text in the gateway's form.
fn literal(path: &str, text: &str) -> Result<String, TemplateFault> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let decoded = match (byte, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                let value = std::str::from_utf8(&digits)
                    .ok()
                    .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let Some(value) = value else { return Err(bad_triplet(path)) };
                rest = after;
                Some(value)
            }
            (b'%', _) => return Err(bad_triplet(path)),
            _ => None,
        };
        if matches!(byte, b'?' | b'#') {
            return Err((
                format!("the path `{path}` contains `{}`", char::from(byte)),
                "describe query parameters with `in: query`; a path has none",
            ));
        }
        let value = decoded.unwrap_or(byte);
        if matches!(value, 0..=0x1f | 0x7f | b'\\') || decoded == Some(b'/') {
            return Err((
                format!("the path `{path}` contains a character that no request may carry"),
                "take it out: the gateway refuses `%2F`, `\\` and control characters in paths",
            ));
        }
        if stands_for_itself(value, decoded.is_some()) {
            out.push(char::from(value));
        } else {
            out.push_str(&format!("%{value:02X}"));
        }
    }
    Ok(out)
}

fn bad_triplet(path: &str) -> TemplateFault {
    (
        format!("the path `{path}` has a `%` that two hexadecimal digits do not follow"),
        "write a percent sign as `%25`",
    )
}

/// RFC 3986 §3.3. A reserved character that was encoded stays encoded: it is another path.
fn stands_for_itself(byte: u8, was_encoded: bool) -> bool {
    let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let reserved = matches!(byte, b'!' | b'$' | b'&'..=b'-' | b':' | b';' | b'=' | b'@');
    unreserved || (reserved && !was_encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> String {
        let template = match parse(path) {
            Ok(template) => template,
            Err((message, _)) => return message,
        };
        let segments = template.segments.0.iter().map(|segment| match segment {
            PathSegment::Literal(text) => format!("={text}"),
            PathSegment::Parameter { prefix, suffix } => format!("{prefix}*{suffix}"),
        });
        format!("{} [{}]", template.shape, segments.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn templates_become_segments() {
        for (path, expected) in [
            ("/", "/ []"),
            ("/orders", "/orders [=orders]"),
            ("/orders/", "/orders/ [=orders =]"),
            ("/orders/{id}", "/orders/{} [=orders *]"),
            ("/files/{name}.json", "/files/{}.json [=files *.json]"),
            ("/v{major}/{a}-{b}.{ext}", "/v{}/{}-{}.{} [v* *]"),
            ("/{base}...{head}", "/{}...{} [*]"),
            ("/rows(row={r},col={c})", "/rows(row={},col={}) [rows(row=*)]"),
            ("/größe/{a b}", "/gr%C3%B6%C3%9Fe/{} [=gr%C3%B6%C3%9Fe *]"),
            ("/a b/%7Euser/%3a", "/a%20b/~user/%3A [=a%20b =~user =%3A]"),
            ("/{path/*}", "/{} [*]"),
        ] {
            assert_eq!(shown(path), expected);
        }
    }

    #[test]
    fn templates_that_nothing_can_match_are_refused() {
        for (path, fault) in [
            ("orders", "does not begin with"),
            ("/a//b", "an empty segment"),
            ("/a/{id", "do not match"),
            ("/a/id}", "do not match"),
            ("/a/{{id}}", "do not match"),
            ("/a/}{id}", "do not match"),
            ("/a/{}", "has no name"),
            ("/a/{id}/b/{id}", "twice"),
            ("/a/../b", "dot segment"),
            ("/a?b={c}", "contains `?`"),
            ("/a%2Fb", "no request may carry"),
            ("/a\\b", "no request may carry"),
            ("/100%", "hexadecimal"),
            ("/%+1", "hexadecimal"),
        ] {
            assert!(shown(path).contains(fault), "{path}: {}", shown(path));
        }
    }
}
