//! Which form a request has and which one its answer gets: JSON, or the element in the body as XML.

use pasarela_model::Code;
use pasarela_net::http1::{Head, Name};
use pasarela_soap::{
    envelope::ContentType,
    exchange::{Form, Messages},
};

use crate::{mediate::is_coded, respond::Refusal};

/// The form of the answer, by `Accept` (RFC 9110 §12.5.1), and whether bytes are wanted beside it. JSON where XML will do too, in parts
/// where that is asked for by name and nothing is liked better.
pub(super) fn of_answer(head: &Head, messages: &Messages) -> Result<(Form, bool), Refusal> {
    let fields: Vec<&[u8]> = head.find_all("accept").collect();
    if fields.is_empty() || messages.one_way {
        return Ok((Form::Json, false));
    }
    let text = String::from_utf8_lossy(&fields.join(&b","[..])).to_ascii_lowercase();
    let ranges: Vec<Range> = text.split(',').filter_map(range).collect();
    let json = quality(&ranges, &["application/json"]);
    let xml = match messages.speaks_xml() {
        true => quality(&ranges, &["application/xml", "text/xml"]),
        false => 0,
    };
    let in_parts = ranges.iter().filter(|range| range.is_json_in_parts());
    let in_parts = in_parts.map(|range| range.quality).max().unwrap_or(0);
    if in_parts > 0 && in_parts >= json.max(xml) {
        return Ok((Form::Json, true));
    }
    match (json, xml) {
        _ if ranges.is_empty() => Ok((Form::Json, false)),
        (0, 0) => {
            let why = match messages.speaks_xml() {
                true => "this operation answers application/json or application/xml",
                false => "this operation answers application/json",
            };
            Err(Refusal::new(Code::NotAcceptable, why))
        }
        (json, xml) if xml > json => Ok((Form::Xml, false)),
        _ => Ok((Form::Json, false)),
    }
}

/// A media range.
struct Range {
    name: String,
    /// In thousandths.
    quality: u16,
    /// The type of the root of a message in parts.
    root: Option<String>,
}

impl Range {
    fn is_json_in_parts(&self) -> bool {
        let root = self.root.as_deref();
        self.name == "multipart/related" && root.is_none_or(|root| root == "application/json")
    }
}

fn range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|range| !range.is_empty())?.to_owned();
    let (mut quality, mut root) = (1000, None);
    for (key, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
        match key {
            "q" => quality = thousandths(value).unwrap_or(0),
            "type" => root = Some(value.trim_matches('"').to_owned()),
            _ => {}
        }
    }
    Some(Range { name, quality, root })
}

/// A quality value (RFC 9110 §12.4.2); `None`: it is none.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    if digits.len() > 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{digits:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

/// The quality of the best of some media types: the most specific range that fits each decides.
fn quality(ranges: &[Range], types: &[&str]) -> u16 {
    let of = |wanted: &&str| {
        let main = wanted.split('/').next().unwrap_or_default();
        let fitting = [(*wanted).to_owned(), format!("{main}/*"), "*/*".to_owned()];
        let found = fitting.iter().find_map(|name| ranges.iter().find(|range| range.name == *name));
        found.map_or(0, |range| range.quality)
    };
    types.iter().map(of).max().unwrap_or(0)
}

/// The form of the request's body, by `Content-Type`; `None`: it says nothing.
pub(super) fn of_request(head: &Head, messages: &Messages) -> Result<Option<Form>, Refusal> {
    let refused = |why: &str| Err(Refusal::new(Code::MediaUnsupported, why.to_owned()));
    if is_coded(head.find_all("content-encoding")) {
        return refused("a request is read here; send it without Content-Encoding");
    }
    if head.count(Name::ContentType) > 1 {
        return refused("Content-Type is there twice");
    }
    let Some(value) = head.get(Name::ContentType) else { return Ok(None) };
    let text = std::str::from_utf8(value).unwrap_or_default();
    let Ok(media) = ContentType::read(text) else { return refused("Content-Type cannot be read") };
    let utf8 = media.parameter("charset").is_none_or(|set| set.eq_ignore_ascii_case("utf-8"));
    let kind = media.media_type.as_str();
    match kind {
        _ if kind == "application/json" || kind.ends_with("+json") => match utf8 {
            true => Ok(Some(Form::Json)),
            false => refused("JSON is UTF-8 (RFC 8259 §8.1)"),
        },
        "application/xml" | "text/xml" if messages.speaks_xml() => match utf8 {
            true => Ok(Some(Form::Xml)),
            false => refused("send XML as UTF-8"),
        },
        _ => refused("this operation takes application/json or application/xml"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_range_decides() {
        let quality = |accept: &str, types: &[&str]| {
            let ranges: Vec<_> = accept.split(',').filter_map(range).collect();
            quality(&ranges, types)
        };
        let (json, xml) = (&["application/json"][..], &["application/xml", "text/xml"][..]);
        for (accept, of_json, of_xml) in [
            ("*/*", 1000, 1000),
            ("application/*;q=0.5", 500, 500),
            ("text/xml", 0, 1000),
            ("application/json;q=0, */*", 0, 1000),
            ("application/xml;q=0.9, application/json;q=0.8", 800, 900),
            ("text/html, image/*", 0, 0),
            ("application/json;q=wrong", 0, 0),
            ("application/json;q=1.000, text/xml; q=0.", 1000, 0),
            ("application/json;q=0.5000, text/xml;q=1.5", 0, 0),
            ("application/json;q=0.05, text/xml;q=.5", 50, 0),
            ("application/json;q=0.+5, text/xml;q=", 0, 0),
        ] {
            assert_eq!(
                (quality(accept, json), quality(accept, xml)),
                (of_json, of_xml),
                "{accept}"
            );
        }
    }
}
