//! A fault that a service answered with, and what the contract knows of it.

use super::{Messages, headers};
use crate::{
    Fault, Limits,
    envelope::{Closer, Opener, Refusal, SoapFault},
    transcode::{Decoder, Plan},
    xml::Reader,
};

/// A fault.
#[derive(Debug, Clone)]
pub struct Thrown {
    /// As the envelope says it.
    pub fault: SoapFault,
    /// The name of the declared fault, when its detail is of one; else the key of the first header block that is declared for faults.
    pub declared: Option<String>,
    /// Its detail as a JSON object by the name of the element, when that is declared and valid.
    pub details: Option<Vec<u8>>,
    /// Header blocks that are declared for faults, as a JSON object by key: what is wrong with a header is told there, and not in the
    /// detail (SOAP 1.1, section 4.4).
    pub headers: Option<Vec<u8>>,
}

impl Thrown {
    /// Reads the fault of a message that is there as a whole.
    pub(super) fn read(
        plan: &Plan,
        messages: &Messages,
        document: &[u8],
        charset: Option<&str>,
        limits: &Limits,
    ) -> Result<Self, Box<Fault>> {
        let symbols = &plan.schemas().symbols;
        let why = |refusal: Refusal| refusal.fault;
        let mut reader = Reader::with(document, charset, symbols, limits)?;
        Opener::open(&mut reader).map_err(why)?;
        let fault = SoapFault::read(&mut reader)?;
        Closer::new(false, false).close(&mut reader).map_err(why)?;
        let is_of = |declared: &&super::Declared| {
            declared.element.as_ref().is_some_and(|element| fault.entries.first() == Some(element))
        };
        let declared = messages.declared.iter().find(is_of).map(|declared| declared.name.clone());
        let mut details = None;
        if let (Some(_), Some(message)) = (&declared, &messages.detail) {
            let mut reader = Reader::with(document, charset, symbols, limits)?;
            // A detail that is not what it claims to be is no reason to lose the fault.
            details = Decoder::new(plan, message).document(&mut reader).ok().map(<[u8]>::to_vec);
        }
        let blocks = &messages.fault_headers;
        let read = headers::read(plan, blocks, document, charset, limits).ok().flatten();
        let (headers, first) = read.unzip();
        Ok(Self { fault, declared: declared.or(first.map(str::to_owned)), details, headers })
    }
}
