//! Simple types, regular expressions and transcoders: what comes out of one has to be right for the other.

use std::sync::{Arc, OnceLock};

use pasarela_soap::Limits;
use pasarela_soap::transcode::{Body, Decoder, Encoder, Message, Options, Plan};
use pasarela_soap::xsd::Schemas;
use pasarela_soap::xsd::regex::Regex;
use pasarela_soap::xsd::values::{Builtin, SimpleType};

/// A pattern, a line end, a value: no pattern is too much, and what a pattern invents it matches.
pub(super) fn regex(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (pattern, value) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(regex) = Regex::new(pattern) else { return };
    let _ = regex.is_match(value);
    let mut turn = bytes.len();
    let sample = regex.sample(&mut |limit| {
        turn = turn.wrapping_mul(31).wrapping_add(7);
        turn.checked_rem(limit).unwrap_or(0)
    });
    // A sample is cut short where it would be long, and an empty class has none.
    if sample.len() < 2_000 && !pattern.contains("\\p{Is") && !pattern.contains('[') {
        assert!(regex.is_match(&sample), "{pattern:?} does not match its sample {sample:?}");
    }
}

/// The first byte chooses the type: what is checked has a value, and it equals itself.
pub(super) fn values(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let ty = SimpleType::builtin(Builtin::ALL[usize::from(*choice) % Builtin::ALL.len()]);
    let mut scratch = String::new();
    let Ok(checked) = ty.check(text, &(), &mut scratch) else {
        assert!(ty.parse(text, &()).is_err(), "{text:?} has a value and is refused");
        return;
    };
    // Durations of more than 128 bits are valid and have no value.
    let Ok(value) = ty.parse(text, &()) else { return };
    assert_eq!(ty.parse(checked, &()).as_ref(), Ok(&value), "white space makes no difference");
    if !checked.contains("NaN") {
        let order = value.compare(&value);
        assert!(order.is_none_or(std::cmp::Ordering::is_eq), "{text:?} is not as large as itself");
    }
}

/// XML that is taken comes back as the same XML, once it is in the order of the schema.
pub(super) fn xml(bytes: &[u8]) {
    let (plan, message) = plan();
    let Some(json) = decoded(plan, message, bytes) else { return };
    let mut encoder = Encoder::new(plan, message);
    let xml = match read_json(&mut encoder, &json) {
        Ok(xml) => xml,
        // What JSON may not hold is bounded more tightly than XML.
        Err(fault) if fault.kind == pasarela_soap::FaultKind::Limit => return,
        Err(fault) => panic!("{fault}: {}", String::from_utf8_lossy(&json)),
    };
    let again = decoded(plan, message, &xml).expect("what was written is valid");
    let once_more = read_json(&mut encoder, &again).expect("what was written is valid");
    assert_eq!(String::from_utf8_lossy(&xml), String::from_utf8_lossy(&once_more));
}

/// JSON that is taken makes valid XML.
pub(super) fn json(bytes: &[u8]) {
    let (plan, message) = plan();
    let mut encoder = Encoder::new(plan, message);
    let Ok(xml) = read_json(&mut encoder, bytes) else { return };
    let shown = || String::from_utf8_lossy(&xml).into_owned();
    let json = decoded(plan, message, &xml)
        .unwrap_or_else(|| panic!("what was written is not valid: {}", shown()));
    let again =
        read_json(&mut encoder, &json).unwrap_or_else(|fault| panic!("{fault}: {}", shown()));
    // White space in values is as it was sent the first time, and processed the second.
    let once_more = decoded(plan, message, &again).expect("what was written is valid");
    assert_eq!(String::from_utf8_lossy(&json), String::from_utf8_lossy(&once_more));
}

fn decoded(plan: &Plan, message: &Message, xml: &[u8]) -> Option<Vec<u8>> {
    let limits = Limits::default();
    let mut reader =
        pasarela_soap::xml::Reader::with(xml, None, &plan.schemas().symbols, &limits).ok()?;
    Decoder::new(plan, message).document(&mut reader).ok().map(<[u8]>::to_vec)
}

fn read_json(encoder: &mut Encoder<'_>, json: &[u8]) -> Result<Vec<u8>, Box<pasarela_soap::Fault>> {
    let mut reader = pasarela_soap::json::Reader::new(json, &Limits::default())?;
    encoder.document(&mut reader).map(<[u8]>::to_vec)
}

/// One of everything: the schema of all targets, compiled once.
fn plan() -> &'static (Plan, Message) {
    static PLAN: OnceLock<(Plan, Message)> = OnceLock::new();
    PLAN.get_or_init(|| {
        let (schemas, _) = Schemas::from_bytes("fuzz.xsd", include_bytes!("transcode.xsd"));
        let plan = Plan::new(Arc::new(schemas), Options::default());
        let (element, _) = plan.schemas().global_elements().next().expect("the schema has a root");
        let message = plan.message(Body::Element(element));
        (plan, message)
    })
}
