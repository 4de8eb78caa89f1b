//! What a service answered, as the JSON of a message or of the detail of a fault.

use pasarela_soap::json::Writer;

use super::{
    PROBLEM, RestContract,
    values::{Mismatch, Values},
};
use crate::{
    described::{Answer, Content, Described, FaultAnswer, How, STATUS},
    shapes::Kind,
    tree::{Node, Syntax, TreeLimits, Value, parse},
};

/// Bytes of an answer that nothing describes which its fault tells.
const TOLD_BYTES: usize = 16 << 10;

/// An answer as it came.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub fields: &'a [(Vec<u8>, Vec<u8>)],
    /// Its body.
    pub body: &'a [u8],
}

/// What a caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The JSON of the answer's message.
    Answer(Vec<u8>),
    /// A fault.
    Fault {
        /// Whether the request is to blame.
        sender: bool,
        /// What it is, in words.
        reason: String,
        /// The JSON of its detail, if the contract describes one.
        detail: Option<Vec<u8>>,
        /// That of a detail which says the same in general, where there is none or it is not what the contract says.
        otherwise: Vec<u8>,
    },
}

type Result<T = ()> = std::result::Result<T, Mismatch>;

impl Received<'_> {
    fn field(&self, name: &str) -> Option<String> {
        let found =
            self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        let values: Vec<_> = found.map(|(_, value)| String::from_utf8_lossy(value)).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The media type of the body, without its parameters.
    fn media(&self) -> String {
        let said = self.field("content-type").unwrap_or_default();
        said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    fn is_json(&self) -> bool {
        let media = self.media();
        media == "application/json" || media.ends_with("+json")
    }

    /// The body as JSON.
    fn json(&self) -> Result<Node> {
        let wrong = |why: String| Mismatch { pointer: String::new(), why };
        let text =
            std::str::from_utf8(self.body).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // Bounded in depth and in number; a key that comes twice is refused: nobody knows which one is meant.
        parse(text, Syntax::Json, TreeLimits { depth: 64, values: 1_000_000 }).map_err(|faults| {
            wrong(faults.first().map_or_else(String::new, |fault| fault.message.clone()))
        })
    }
}

impl RestContract {
    /// What an answer becomes.
    ///
    /// # Errors
    /// Where an answer that says that all went well is not what the contract says.
    pub fn reply(&self, operation: &Described, received: Received<'_>) -> Result<Outcome> {
        let answer = operation.answers.iter().find(|answer| answer.status.is(received.status));
        let described = operation.faults.iter().find(|fault| fault.status.is(received.status));
        match answer {
            // An answer for whatever status is one for errors too, but for those that are described.
            Some(answer) if described.is_none() || received.status < 300 => {
                self.answer(operation, answer, received).map(Outcome::Answer)
            }
            None if (200..300).contains(&received.status) => Err(Mismatch {
                pointer: String::new(),
                why: format!("the contract does not describe the status {}", received.status),
            }),
            _ => Ok(self.fault(described, received)),
        }
    }

    fn answer(
        &self,
        operation: &Described,
        answer: &Answer,
        received: Received<'_>,
    ) -> Result<Vec<u8>> {
        let types = &self.description.types;
        let mut out = Writer::new(Vec::new());
        out.begin_object();
        if types.fields(operation.response).iter().any(|field| field.name == STATUS) {
            out.name(STATUS);
            out.number(&received.status.to_string());
        }
        for header in &answer.headers {
            let Some(text) = received.field(&header.wire) else { continue };
            out.name(&header.field.name);
            match types.kind(header.field.used.ty) {
                Kind::Scalar(scalar) if scalar.base.is_number() && is_number(&text) => {
                    out.number(&text)
                }
                Kind::Scalar(scalar) if scalar.base.name() == "boolean" => out.bool(text == "true"),
                _ => out.string(&text),
            }
        }
        if let Some((content, name)) = &answer.body {
            let fields = types.fields(operation.response);
            let due = fields.iter().any(|field| field.name == *name && field.required);
            match self.body(content, received)? {
                Some(body) => {
                    out.name(name);
                    out.verbatim(&String::from_utf8(body).unwrap_or_default());
                }
                None if due => {
                    let why = "it has no body".to_owned();
                    return Err(Mismatch { pointer: String::new(), why });
                }
                None => {}
            }
        }
        out.end_object();
        Ok(out.finish())
    }

    /// The body as a member of the message; none where there is none.
    fn body(&self, content: &Content, received: Received<'_>) -> Result<Option<Vec<u8>>> {
        let types = &self.description.types;
        let wrong = |why: String| Err(Mismatch { pointer: String::new(), why });
        if received.body.is_empty() && (content.how == How::Json || received.status == 204) {
            return Ok(None);
        }
        let mut values = Values::new(types, "");
        match content.how {
            How::Json => {
                if !received.is_json() && !received.media().is_empty() {
                    return wrong(format!("it is of the type {}, and no JSON", received.media()));
                }
                let node = received.json()?;
                match types.repeated(content.used) {
                    Some(_) => values.items_of_service(content.used, &node)?,
                    None => values.for_message(content.used, &node)?,
                }
            }
            How::Text | How::Form | How::Multipart => match std::str::from_utf8(received.body) {
                Ok(text) => values.out.string(text),
                Err(_) => return wrong("its text is not UTF-8".to_owned()),
            },
            How::Bytes => values.out.string(&pasarela_soap::transcode::in_base64(received.body)),
        }
        Ok(Some(values.out.finish()))
    }

    fn fault(&self, described: Option<&FaultAnswer>, received: Received<'_>) -> Outcome {
        let json = received.is_json().then(|| received.json().ok()).flatten();
        let typed = described.and_then(|fault| self.typed(fault, received, json.as_ref()));
        Outcome::Fault {
            sender: (400..500).contains(&received.status),
            reason: reason(received.status, json.as_ref()),
            detail: typed,
            otherwise: problem(received, json.as_ref()),
        }
    }

    /// The detail that the contract describes, where the body is what it says.
    fn typed(
        &self,
        fault: &FaultAnswer,
        received: Received<'_>,
        json: Option<&Node>,
    ) -> Option<Vec<u8>> {
        let mut values = Values::new(&self.description.types, "");
        match (fault.body.how, json) {
            (How::Json, Some(node)) => values.for_message(fault.body.used, node).ok()?,
            (How::Json, None) => return None,
            (How::Bytes, _) => {
                values.out.string(&pasarela_soap::transcode::in_base64(received.body))
            }
            _ => values.out.string(std::str::from_utf8(received.body).ok()?),
        }
        let value = String::from_utf8(values.out.finish()).ok()?;
        let mut out = Writer::new(Vec::new());
        out.begin_object();
        out.name(&fault.element);
        out.verbatim(&value);
        out.end_object();
        Some(out.finish())
    }
}

/// What an error is, in a line: as a problem says it (RFC 9457), or by the status.
fn reason(status: u16, json: Option<&Node>) -> String {
    let said = |key: &str| {
        let text = json.and_then(|json| json.get(key)).and_then(Node::as_str)?;
        let text: String = text.chars().filter(|c| !c.is_control()).take(500).collect();
        (!text.trim().is_empty()).then_some(text)
    };
    match (said("title"), said("detail")) {
        (Some(title), Some(detail)) => format!("{title}: {detail}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => format!("the service answered with the status {status}"),
    }
}

/// The detail of what nothing describes.
fn problem(received: Received<'_>, json: Option<&Node>) -> Vec<u8> {
    let legal = |text: &str| -> String {
        let char = |c: char| if pasarela_soap::xml::is_char(c) { c } else { '\u{fffd}' };
        text.chars().map(char).collect()
    };
    let mut out = Writer::new(Vec::new());
    out.begin_object();
    out.name(PROBLEM);
    out.begin_object();
    out.name("status");
    out.number(&received.status.to_string());
    let is_problem = received.media() == "application/problem+json";
    for key in ["type", "title", "detail", "instance"] {
        let text =
            json.filter(|_| is_problem).and_then(|json| json.get(key)).and_then(Node::as_str);
        if let Some(text) = text {
            out.name(key);
            out.string(&legal(text));
        }
    }
    let is_text = received.is_json() || received.media().starts_with("text/");
    if !is_problem && is_text && !received.body.is_empty() {
        let told = received.body.get(..TOLD_BYTES).unwrap_or(received.body);
        out.name("body");
        out.string(&legal(&String::from_utf8_lossy(told)));
    }
    out.end_object();
    out.end_object();
    out.finish()
}

fn is_number(text: &str) -> bool {
    let node = parse(text, Syntax::Json, TreeLimits::default());
    node.is_ok_and(|node| matches!(node.value, Value::Number(_)))
}
