//! The action that a SOAP request names outside its envelope.

use pasarela_model::Code;
use pasarela_net::http1::{Head, Name};

use crate::respond::Refusal;

/// What a request says of its action: `SOAPAction` (SOAP 1.1 §6.1.1) and the `action` parameter of
/// the content type (SOAP 1.2, RFC 3902 §1). An empty one says nothing: then only the body can tell.
pub(super) fn actions(head: &Head) -> Result<[Option<&str>; 2], Refusal> {
    if head.count(Name::SoapAction) > 1 || head.count(Name::ContentType) > 1 {
        return Err(unclear("SOAPAction or Content-Type is there twice"));
    }
    let text = |name| head.get(name).map(|value| std::str::from_utf8(value.trim_ascii()));
    let named = |found: Option<&'_ str>| found.filter(|action| !action.is_empty()).is_some();
    let field = match text(Name::SoapAction) {
        None => None,
        Some(Ok(value)) => Some(unquoted(value)?),
        Some(Err(_)) => return Err(unclear("SOAPAction is not text")),
    };
    let in_type = match text(Name::ContentType) {
        None => None,
        Some(Ok(value)) => parameter(value, "action")?,
        Some(Err(_)) => return Err(unclear("Content-Type is not text")),
    };
    Ok([field.filter(|_| named(field)), in_type.filter(|_| named(in_type))])
}

/// A parameter of the request's content type, without quotes.
pub(super) fn media_parameter<'h>(
    head: &'h Head,
    wanted: &str,
) -> Result<Option<&'h str>, Refusal> {
    match head.get(Name::ContentType).map(std::str::from_utf8) {
        Some(Ok(value)) => parameter(value, wanted),
        _ => Ok(None),
    }
}

/// SOAP 1.1 wants quotes, and not everybody writes them.
fn unquoted(text: &str) -> Result<&str, Refusal> {
    let inner = match text.strip_prefix('"') {
        None => text,
        Some(rest) => rest.strip_suffix('"').ok_or_else(|| unclear("SOAPAction is half quoted"))?,
    };
    match inner.contains(['"', ',']) {
        true => Err(unclear("SOAPAction names more than one action")),
        false => Ok(inner),
    }
}

/// A parameter of a media type (RFC 9110 §8.3.1). Refused where it is there twice or has escapes,
/// which another reader may take for something else.
fn parameter<'a>(media_type: &'a str, wanted: &str) -> Result<Option<&'a str>, Refusal> {
    let mut found = None;
    let mut rest = media_type.split_once(';').map(|(_, rest)| rest);
    while let Some((name, tail)) = rest.and_then(|rest| rest.split_once('=')) {
        // Parameters without a value stand before the name of the one that has it.
        let name = name.rsplit(';').next().unwrap_or(name).trim();
        let (value, tail) = match tail.trim_start().strip_prefix('"') {
            Some(quoted) => {
                quoted.split_once('"').ok_or_else(|| unclear("Content-Type is half quoted"))?
            }
            None => tail.split_at(tail.find(';').unwrap_or(tail.len())),
        };
        if value.contains('\\') {
            return Err(unclear("a parameter of Content-Type has escapes"));
        }
        if name.eq_ignore_ascii_case(wanted) && found.replace(value.trim()).is_some() {
            return Err(unclear("a parameter of Content-Type is there twice"));
        }
        rest = tail.trim_start().strip_prefix(';');
    }
    Ok(found)
}

fn unclear(detail: &'static str) -> Refusal {
    Refusal::new(Code::SoapAction, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> Head {
        let mut head = Head::default();
        head.start_request("POST", b"/", pasarela_net::http1::Version::Http11);
        for (name, value) in fields {
            head.push(name.as_bytes(), value.as_bytes());
        }
        head
    }

    #[test]
    fn the_action_parameter_is_found_among_others() {
        let action = |media_type| parameter(media_type, "action").unwrap();
        assert_eq!(action("application/soap+xml; action=\"urn:a;b\""), Some("urn:a;b"));
        assert_eq!(action("application/soap+xml;charset=utf-8;action=urn:a"), Some("urn:a"));
        assert_eq!(action("application/soap+xml; Action=\"\""), Some(""));
        assert_eq!(action("multipart/related; start=\"<a;action=no>\"; action=\"b\""), Some("b"));
        assert_eq!(action("application/soap+xml; q; action=b"), Some("b"));
        assert_eq!(action("text/xml"), None);
        assert_eq!(action("text/xml; reaction=b"), None);
    }

    #[test]
    fn t49_an_action_with_two_readings_is_refused() {
        for fields in [
            &[("SOAPAction", "\"a\""), ("SOAPAction", "\"b\"")][..],
            &[("SOAPAction", "\"a\", \"b\"")],
            &[("SOAPAction", "\"a")],
            &[("SOAPAction", "a,b")],
            &[("Content-Type", "application/soap+xml; action=a; action=b")],
            &[("Content-Type", "application/soap+xml; action=\"a\\\"b\"")],
            &[("Content-Type", "application/soap+xml; action=\"open")],
            &[("Content-Type", "text/xml"), ("Content-Type", "text/xml")],
        ] {
            assert!(actions(&head(fields)).is_err(), "{fields:?}");
        }
        let both = [("SOAPAction", "urn:a"), ("Content-Type", "x/y; action=\"urn:b\"")];
        assert_eq!(actions(&head(&both)).unwrap(), [Some("urn:a"), Some("urn:b")]);
        let empty = [("SOAPAction", "\"\""), ("Content-Type", "x/y; action=\"\"")];
        assert_eq!(actions(&head(&empty)).unwrap(), [None, None]);
    }
}
