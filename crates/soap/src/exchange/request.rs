//! What a REST caller sent, as the envelope of a request.

use super::{Form, Messages, Token, headers, verbatim::Verbatim};
use crate::{
    Fault, FaultKind, Limits, encoding, json,
    json::writer::escape,
    openapi::face::Parameter,
    transcode::{Body, Decoder, Encoder, Parts, Plan, Sent},
    wsdl::catalog::SoapVersion,
    xml,
};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// A parameter of the path or the query, and the texts that were given for it.
#[derive(Debug, Clone, Copy)]
pub struct Given<'g> {
    /// What it fills.
    pub parameter: &'g Parameter,
    /// How its texts are written in JSON.
    pub token: Token,
    /// At least one; several only for an array.
    pub texts: &'g [String],
}

impl Messages {
    /// Appends the envelope of a request. `body` is what came in, without a byte for none; parameters are members of it
    /// that stood elsewhere. Faults of JSON have a JSON Pointer as their path.
    ///
    /// # Errors
    /// When it is not what the contract says.
    pub fn request(
        &self,
        plan: &Plan,
        form: Form,
        given: &[Given<'_>],
        body: &[u8],
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result {
        match form {
            Form::Json => self.json_message(plan, given, body, limits, None, out).map(|_| ()),
            Form::Xml => {
                open(self.version, &[], out);
                self.xml_body(plan, body, limits, out)?;
                close(out);
                Ok(())
            }
        }
    }

    /// The same of JSON, with bytes beside it or beside the envelope: what goes with the envelope.
    ///
    /// # Errors
    /// When it is not what the contract says, or refers to a part that did not come, or not to one that did.
    pub fn request_with<'g>(
        &'g self,
        plan: &'g Plan,
        given: &[Given<'_>],
        body: &[u8],
        limits: &Limits,
        parts: Parts<'g>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<Sent<'g>>> {
        self.json_message(plan, given, body, limits, Some(parts), out)
    }

    fn json_message<'g>(
        &'g self,
        plan: &'g Plan,
        given: &[Given<'_>],
        body: &[u8],
        limits: &Limits,
        parts: Option<Parts<'g>>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<Sent<'g>>> {
        let taken = headers::taken(plan, &self.request_headers, body, limits)?;
        let (body, header) = match &taken {
            Some((body, header)) => (body.as_slice(), header.as_slice()),
            None => (body, &[][..]),
        };
        open(self.version, header, out);
        let sent = self.json_body(plan, given, body, limits, parts, out)?;
        close(out);
        Ok(sent)
    }

    fn json_body<'g>(
        &'g self,
        plan: &'g Plan,
        given: &[Given<'_>],
        body: &[u8],
        limits: &Limits,
        parts: Option<Parts<'g>>,
        out: &mut Vec<u8>,
    ) -> Result<Vec<Sent<'g>>> {
        let merged;
        let text = match merge(given, body) {
            Some(text) => {
                merged = text;
                merged.as_slice()
            }
            None => body,
        };
        let mut reader = json::Reader::new(text, limits)?;
        let mut encoder = Encoder::new(plan, &self.request);
        if let Some(parts) = parts {
            encoder.set_parts(parts);
        }
        encoder.document(&mut reader)?;
        if self.request.is_encoded() {
            let (schemas, literal) = (plan.schemas(), encoder.written());
            encoding::encoded(schemas, &self.request, self.version, literal, limits, out)?;
        } else {
            encoder.drain(out);
        }
        encoder.take_parts()
    }

    /// The element goes on as it came, once it was seen to be what the contract says.
    fn xml_body(&self, plan: &Plan, body: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result {
        if matches!(self.request.body(), Body::Empty) && body.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let mut reader = xml::Reader::with(body, None, &plan.schemas().symbols, limits)?;
        let mut decoder = Decoder::new(plan, &self.request);
        let (mut verbatim, mut json) = (Verbatim::new(1), Vec::new());
        loop {
            let event = reader.pull()?;
            match event {
                xml::Event::Eof | xml::Event::NeedMore => break,
                xml::Event::Instruction => {
                    let why = "a processing instruction, which no message may hold";
                    return Err(reader.fault(FaultKind::Message, why));
                }
                _ => {
                    decoder.event(&reader, event)?;
                    decoder.drain(&mut json);
                    json.clear();
                    verbatim.event(&reader, event, out);
                }
            }
        }
        decoder.end_body(&reader).map(|_| ())
    }
}

/// The body with the parameters in front of its own members; none where nothing has to be put in.
pub(super) fn merge(given: &[Given<'_>], body: &[u8]) -> Option<Vec<u8>> {
    let start = body.iter().position(|byte| !byte.is_ascii_whitespace());
    if given.is_empty() && start.is_some() {
        return None;
    }
    let rest = match start {
        None => &b"}"[..],
        // What is no object is refused by whoever reads it.
        Some(at) if body.get(at) != Some(&b'{') => return None,
        Some(at) => body.get(at + 1..).unwrap_or_default(),
    };
    let mut out = Vec::with_capacity(body.len() + 64 * given.len() + 2);
    out.push(b'{');
    for (number, given) in given.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        string(&given.parameter.key, &mut out);
        out.push(b':');
        member(given, &mut out);
    }
    let alone = rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}');
    if !given.is_empty() && !alone {
        out.push(b',');
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn member(given: &Given<'_>, out: &mut Vec<u8>) {
    match (given.parameter.array, given.texts) {
        (false, [text, ..]) => value(given.token, text, out),
        (false, []) => out.extend_from_slice(b"null"),
        (true, texts) => {
            out.push(b'[');
            for (number, text) in texts.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                value(given.token, text, out);
            }
            out.push(b']');
        }
    }
}

/// A text as the token that its type wants, or as a string, which the encoder then refuses in its own words.
fn value(token: Token, text: &str, out: &mut Vec<u8>) {
    match token {
        Token::Number if is_number(text) => out.extend_from_slice(text.as_bytes()),
        Token::Boolean if matches!(text, "true" | "1") => out.extend_from_slice(b"true"),
        Token::Boolean if matches!(text, "false" | "0") => out.extend_from_slice(b"false"),
        _ => string(text, out),
    }
}

/// RFC 8259, section 6.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.trim_start_matches(['+', '-'])),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let leading = whole.len() > 1 && whole.starts_with('0');
    digits(whole) && !leading && digits(fraction) && digits(exponent)
}

pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// What stands before the body's content, the blocks of the header included.
pub(super) fn open(version: SoapVersion, header: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<soap:Envelope xmlns:soap=\"",
    );
    out.extend_from_slice(version.namespace().as_bytes());
    out.extend_from_slice(b"\">");
    if !header.is_empty() {
        out.extend_from_slice(b"<soap:Header>");
        out.extend_from_slice(header);
        out.extend_from_slice(b"</soap:Header>");
    }
    out.extend_from_slice(b"<soap:Body>");
}

pub(super) fn close(out: &mut Vec<u8>) {
    out.extend_from_slice(b"</soap:Body></soap:Envelope>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_of_json_are_written_as_numbers() {
        for number in ["0", "-0", "7", "10.10", "1e5", "-1.5E-3", "123456789012345678901234567890"]
        {
            assert!(is_number(number), "{number}");
        }
        for other in
            ["", "-", "+1", "01", "1.", ".5", "1e", "0x1", "NaN", "1 ", "1,2", "--1", "1e5.0"]
        {
            assert!(!is_number(other), "{other}");
        }
    }
}
