//! The other side of an exchange: a caller that speaks SOAP, and a service that speaks JSON.
//!
//! A request is held against the contract as a whole before anything is made of it. An answer is written in the version of SOAP
//! that it was asked in.

use super::{
    Messages, Package,
    enclose::enclose,
    json_of_parts,
    request::{close, open},
};
use crate::{
    Fault, FaultKind, Limits,
    envelope::{Checker, Code, Expected, Refusal, SoapFault},
    json,
    mime::{Related, Whole},
    transcode::{Decoder, Encoder, Message, Parts, Plan},
    wsdl::catalog::SoapVersion,
    xml,
};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// Bytes of a value from which on it travels beside an envelope: a part costs a head.
const BESIDE_BYTES: usize = 1 << 10;

impl Messages {
    /// The JSON of a request that came as an envelope. `charset` is what HTTP says.
    ///
    /// # Errors
    /// When it is not what the contract says.
    pub fn received(
        &self,
        plan: &Plan,
        expected: &Expected,
        (bytes, charset): (&[u8], Option<&str>),
        limits: &Limits,
    ) -> std::result::Result<Vec<u8>, Refusal> {
        let schemas = plan.schemas();
        let mut reader = xml::Reader::with(bytes, charset, &schemas.symbols, limits)?;
        Checker::new(schemas, expected).whole(&mut reader)?;
        let mut reader = xml::Reader::with(bytes, charset, &schemas.symbols, limits)?;
        let mut decoder = Decoder::new(plan, &self.request);
        Ok(decoder.document(&mut reader)?.to_vec())
    }

    /// The same of one in parts; bytes beside the envelope are base64 in the JSON.
    ///
    /// # Errors
    /// When it is not what the contract says, or refers to a part that is not there.
    pub fn received_in_parts(
        &self,
        plan: &Plan,
        expected: &Expected,
        (bytes, related): (&[u8], &Related),
        limits: &Limits,
    ) -> std::result::Result<Vec<u8>, Refusal> {
        let schemas = plan.schemas();
        let whole = Whole::read(related, Default::default(), bytes)?;
        let mut reader = xml::Reader::with(&whole.root, None, &schemas.symbols, limits)?;
        Checker::new(schemas, expected).whole_in_parts(&mut reader, &whole)?;
        let mut json = Vec::new();
        json_of_parts(plan, &self.request, related, bytes, limits, &mut json)?;
        Ok(json)
    }

    /// Appends the envelope of an answer. With `beside`, bits that nobody can have known, larger values travel beside it (MTOM): then
    /// the `Content-Type` of all that is told.
    ///
    /// # Errors
    /// When the JSON is not what the contract says.
    pub fn answer(
        &self,
        plan: &Plan,
        version: SoapVersion,
        json: &[u8],
        beside: Option<u128>,
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<Option<String>> {
        let Some(response) = &self.response else {
            return Err(Box::new(Fault::new(FaultKind::Message, "the operation has no answer")));
        };
        let mut reader = json::Reader::new(json, limits)?;
        let mut encoder = Encoder::new(plan, response);
        if let Some(random) = beside {
            let random = (random >> 64) as u64;
            encoder.set_parts(Parts { mtom: Some(BESIDE_BYTES), random, ..Parts::default() });
        }
        encoder.document(&mut reader)?;
        let mut envelope = Vec::with_capacity(json.len() * 2 + 256);
        open(version, &[], &mut envelope);
        encoder.drain(&mut envelope);
        close(&mut envelope);
        let sent = encoder.take_parts()?;
        match beside.filter(|_| !sent.is_empty()) {
            None => {
                out.extend_from_slice(&envelope);
                Ok(None)
            }
            Some(random) => {
                Ok(Some(enclose(version, "", Package::Xop, (&envelope, &sent), random, out)))
            }
        }
    }

    /// Appends the envelope of a fault; the JSON of its detail is an object with the name of the declared element.
    ///
    /// # Errors
    /// When the JSON is not what the contract says.
    pub fn fault(
        &self,
        plan: &Plan,
        version: SoapVersion,
        (code, reason): (Code, &str),
        json: &[u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result {
        let Some(detail) = &self.detail else {
            return Err(Box::new(Fault::new(FaultKind::Message, "the operation has no faults")));
        };
        let detail = encoded(plan, detail, json, limits)?;
        let mut fault = SoapFault::new(code, reason);
        fault.detail = vec![String::from_utf8(detail).unwrap_or_default()];
        let mut writer = xml::Writer::new(Vec::new());
        // The prefix is bound by the envelope around it; bound once more here, it means the same.
        let written = fault.write(version, &mut writer);
        written.map_err(|illegal| Box::new(Fault::new(FaultKind::Message, illegal.to_string())))?;
        open(version, &[], out);
        out.extend_from_slice(&writer.finish());
        close(out);
        Ok(())
    }
}

fn encoded(plan: &Plan, message: &Message, json: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    let mut reader = json::Reader::new(json, limits)?;
    let mut encoder = Encoder::new(plan, message);
    encoder.document(&mut reader)?;
    let mut out = Vec::with_capacity(json.len() * 2);
    encoder.drain(&mut out);
    Ok(out)
}
