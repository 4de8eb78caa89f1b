//! Bytes beside the JSON of a call and beside the envelope that it becomes: what HTTP says about them.

use std::hash::{BuildHasher, RandomState};

use pasarela_contract::soap::SoapContract;
use pasarela_model::Code;
use pasarela_net::http1::{Head, Name};
use pasarela_soap::{
    Fault, Limits,
    envelope::ContentType,
    exchange::{self, Messages, Package, ROOT_ID, Wanted},
    mime::{self, Boundary, Related, Whole, Writer},
    transcode::{Given, Parts},
};

use crate::{mediate::is_coded, respond::Refusal};

/// Bytes of a value from which on it travels beside the envelope, where the service asks for MTOM: a part costs a head.
const BESIDE_BYTES: usize = 1 << 10;

/// What is said of a request whose JSON is the root of a message in parts; `None`: it is in none.
pub(super) fn of_request(head: &Head) -> Result<Option<Related>, Refusal> {
    let Some(value) = head.get(Name::ContentType) else { return Ok(None) };
    if head.count(Name::ContentType) > 1 || is_coded(head.find_all("content-encoding")) {
        return Ok(None);
    }
    let text = std::str::from_utf8(value).unwrap_or_default();
    let Ok(media) = ContentType::read(text) else { return Ok(None) };
    let refused = |why: String| Refusal::new(Code::MediaUnsupported, why);
    let related = Related::read(&media).map_err(refused)?;
    match &related {
        Some(Related { root_type: Some(kind), .. }) if kind != "application/json" => Err(refused(
            "the root of a request in parts is JSON: type=\"application/json\"".to_owned(),
        )),
        _ => Ok(related),
    }
}

/// How the bytes beside an answer are given, and the media type of that where it is not JSON's.
pub(super) fn wanted(beside: bool, random: [u64; 2]) -> (Wanted, Option<String>) {
    if !beside {
        // As many as may be beside it: they pass through (ADR 0016).
        return (Wanted::Inline(mime::Limits::default().bytes), None);
    }
    let writer = Writer::new(Boundary::new(both(random)));
    let media = writer.content_type("application/json", ROOT_ID, &[]);
    (Wanted::Beside(writer), Some(media))
}

/// A call whose JSON may have bytes in it or beside it.
pub(super) struct Call<'c> {
    pub(super) soap: &'c SoapContract,
    pub(super) messages: &'c Messages,
    pub(super) given: &'c [exchange::Given<'c>],
    pub(super) related: Option<Related>,
    pub(super) body: &'c [u8],
    pub(super) limits: &'c Limits,
    pub(super) random: [u64; 2],
    pub(super) mtom: bool,
}

impl Call<'_> {
    /// The message for the service, and its `Content-Type` where it is in parts.
    pub(super) fn message(&self) -> Result<(Vec<u8>, Option<String>), Box<Fault>> {
        let whole = match &self.related {
            Some(related) => Some(Whole::read(related, mime::Limits::default(), self.body)?),
            None => None,
        };
        let (root, others) = match &whole {
            Some(whole) => (whole.root.as_slice(), whole.parts.as_slice()),
            None => (self.body, &[][..]),
        };
        let given = others.iter().map(|(head, bytes)| Given {
            id: head.id.clone().unwrap_or_default(),
            media: head.media.clone(),
            bytes,
        });
        let parts = Parts {
            mtom: self.mtom.then_some(BESIDE_BYTES),
            random: self.random[0],
            given: given.collect(),
            sent: Vec::new(),
        };
        let mut envelope = Vec::with_capacity(512 + root.len() * 2);
        let (plan, limits) = (&self.soap.plan, self.limits);
        let sent =
            self.messages.request_with(plan, self.given, root, limits, parts, &mut envelope)?;
        let package = match self.mtom {
            // Who asks for MTOM gets it, whether there is anything to put beside or not.
            true => Package::Xop,
            false if sent.is_empty() => return Ok((envelope, None)),
            false => Package::Attachments,
        };
        let beside: usize = sent.iter().map(|part| part.bytes.len() + 256).sum();
        let mut out = Vec::with_capacity(envelope.len() + beside + 1024);
        let media = self.messages.enclose(package, &envelope, &sent, both(self.random), &mut out);
        Ok((out, Some(media)))
    }
}

/// Bits of a boundary. They may not follow from those of another one: whoever foresees a boundary can write parts.
pub(super) fn unforeseen() -> [u64; 2] {
    // A keyed hash whose keys are the system's secret; what it gave says nothing of what it will give.
    let bits = |number: u8| BuildHasher::hash_one(&RandomState::new(), number);
    [bits(0), bits(1)]
}

fn both(random: [u64; 2]) -> u128 {
    u128::from(random[0]) << 64 | u128::from(random[1])
}
