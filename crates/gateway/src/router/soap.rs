//! What a SOAP request says about itself before its body is read.

use super::Headers;

/// The action a request names: `SOAPAction` (SOAP 1.1 §6.1.1), else the `action` parameter of the
/// content type (SOAP 1.2, RFC 3902 §1). `None` when there is none, or an empty one: then only the
/// body can tell.
pub(super) fn action(headers: &dyn Headers) -> Option<&str> {
    let named = match headers.get("soapaction") {
        Some(value) => std::str::from_utf8(value.trim_ascii()).ok().map(unquoted),
        None => headers
            .get("content-type")
            .and_then(|value| std::str::from_utf8(value).ok())
            .and_then(|value| parameter(value, "action")),
    };
    named.filter(|action| !action.is_empty())
}

/// `?wsdl` and what .NET asks for, `?singleWsdl`; names in any case, among other parameters.
pub(super) fn asks_for_wsdl(query: Option<&[u8]>) -> bool {
    let mut parameters = query.unwrap_or_default().split(|&b| b == b'&');
    parameters.any(|parameter| {
        let name = parameter.split(|&b| b == b'=').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"wsdl") || name.eq_ignore_ascii_case(b"singlewsdl")
    })
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// A parameter of a media type (RFC 9110 §8.3.1). `None` also for values with escapes: an action
/// is a URI, which has nothing to escape.
fn parameter<'a>(media_type: &'a str, wanted: &str) -> Option<&'a str> {
    let (_, mut rest) = media_type.split_once(';')?;
    loop {
        let (name, tail) = rest.split_once('=')?;
        // Parameters without a value stand before the name of the one that has it.
        let name = name.rsplit(';').next().unwrap_or(name).trim();
        let (value, tail) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => tail.split_at(tail.find(';').unwrap_or(tail.len())),
        };
        if value.contains('\\') {
            return None;
        }
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.trim());
        }
        rest = tail.trim_start().strip_prefix(';')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_parameter_is_found_among_others() {
        let action = |media_type| parameter(media_type, "action");
        assert_eq!(action("application/soap+xml; action=\"urn:a;b\""), Some("urn:a;b"));
        assert_eq!(action("application/soap+xml;charset=utf-8;action=urn:a"), Some("urn:a"));
        assert_eq!(action("application/soap+xml; Action=\"\""), Some(""));
        assert_eq!(action("multipart/related; start=\"<a;action=no>\"; action=\"b\""), Some("b"));
        assert_eq!(action("application/soap+xml; q; action=b"), Some("b"));
        assert_eq!(action("application/soap+xml; action=\"a\\\"b\""), None);
        assert_eq!(action("application/soap+xml; action=\"open"), None);
        assert_eq!(action("text/xml"), None);
        assert_eq!(action("text/xml; reaction=b"), None);
    }

    #[test]
    fn a_wsdl_is_asked_for_in_several_ways() {
        for yes in ["wsdl", "WSDL", "wsdl=", "singleWsdl", "a=b&wsdl"] {
            assert!(asks_for_wsdl(Some(yes.as_bytes())), "{yes}");
        }
        for no in ["", "wsdls", "a=wsdl", "xwsdl"] {
            assert!(!asks_for_wsdl(Some(no.as_bytes())), "{no}");
        }
        assert!(!asks_for_wsdl(None));
    }
}
