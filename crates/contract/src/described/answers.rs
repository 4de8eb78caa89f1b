//! What is answered: parts of a message when all goes well, a fault for each status that says otherwise.

use std::collections::BTreeSet;

use super::{BODY, Content, Reader, STATUS};
use crate::{
    shapes::{Base, Field, Inexpressible, Scalar, TypeId, Use, about, ncname, xml_name},
    tree::Node,
};

/// The statuses that an answer is described for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// This one.
    Exact(u16),
    /// A hundred, by its first digit.
    Range(u8),
    /// Whatever else.
    Default,
}

impl Status {
    fn read(text: &str) -> Option<Self> {
        if text == "default" {
            return Some(Self::Default);
        }
        let digit = text.as_bytes().first().filter(|digit| (b'1'..=b'5').contains(digit))? - b'0';
        match text.get(1..) {
            Some("XX" | "xx") => Some(Self::Range(digit)),
            Some(_) if text.len() == 3 => text.parse().ok().map(Self::Exact),
            _ => None,
        }
    }

    /// Whether a status is one of these.
    pub fn is(self, status: u16) -> bool {
        match self {
            Self::Exact(one) => one == status,
            Self::Range(digit) => status / 100 == u16::from(digit),
            Self::Default => true,
        }
    }

    /// Whether it says that all went well.
    const fn is_good(self) -> bool {
        match self {
            Self::Exact(status) => status >= 200 && status < 300,
            Self::Range(digit) => digit == 2,
            Self::Default => false,
        }
    }

    /// As a part of a name.
    fn word(self) -> String {
        match self {
            Self::Exact(status) => status.to_string(),
            Self::Range(digit) => format!("{digit}XX"),
            Self::Default => "Default".to_owned(),
        }
    }
}

/// A good answer.
#[derive(Debug)]
pub struct Answer {
    /// For which statuses.
    pub status: Status,
    /// Its body, and the field of it in the response.
    pub body: Option<(Content, String)>,
    /// Its header fields.
    pub headers: Vec<Header>,
}

/// A header field of an answer.
#[derive(Debug, Clone)]
pub struct Header {
    /// What it is called in HTTP.
    pub wire: String,
    /// What it is in the response.
    pub field: Field,
}

/// An answer that says that something is wrong.
#[derive(Debug)]
pub struct FaultAnswer {
    /// For which statuses.
    pub status: Status,
    /// Its body.
    pub body: Content,
    /// The element of the detail that says it.
    pub element: String,
}

impl<'a> Reader<'a> {
    pub(super) fn answers(
        &mut self,
        node: &'a Node,
        owner: &str,
        method: &str,
    ) -> Result<(Vec<Answer>, Vec<FaultAnswer>), Inexpressible> {
        let mut answers: Vec<Answer> = Vec::new();
        let mut faults = Vec::new();
        let responses = node.get("responses").and_then(Node::as_object);
        let mut all = Vec::new();
        for member in responses.into_iter().flat_map(|responses| responses.iter()) {
            let Some(status) = Status::read(&member.key) else { continue };
            all.push((status, self.builder.seen.followed(&member.value)?));
        }
        let only_default = !all.iter().any(|(status, _)| status.is_good());
        for (status, response) in all {
            let name = format!("{owner}_{}", status.word());
            let good = status.is_good() || (only_default && status == Status::Default);
            // An answer to HEAD has no body, whatever is said of it.
            let content = response.get("content").filter(|_| method != "HEAD");
            let media = self.media(content, &name, true)?;
            if good {
                let headers = self.headers(response, &name)?;
                let body = media.map(|media| (media, String::new()));
                answers.push(Answer { status, body, headers });
            } else if let Some(body) = media {
                let element = self.element(status, body.used);
                faults.push(FaultAnswer { status, body, element });
            }
        }
        name_bodies(&mut answers);
        // The narrowest description of a status counts.
        answers.sort_by_key(|answer| answer.status);
        faults.sort_by_key(|fault| fault.status);
        Ok((answers, faults))
    }

    /// The element of a fault: one for all operations that say the same for a status.
    fn element(&mut self, status: Status, used: Use) -> String {
        let key = (status, used.ty, used.nullable);
        if let Some(known) = self.elements.get(&key) {
            return known.clone();
        }
        let ty = self.builder.types.get(used.ty).map_or("", |ty| &ty.name);
        let stem = if ty.is_empty() { "Fault" } else { ty };
        // Elements of messages and of faults stand side by side.
        let name = self.names.name(&ncname(&format!("{stem}{}", status.word())));
        self.elements.insert(key, name.clone());
        name
    }

    fn headers(&mut self, response: &'a Node, owner: &str) -> Result<Vec<Header>, Inexpressible> {
        let mut headers = Vec::new();
        let all = response.get("headers").and_then(Node::as_object);
        for member in all.into_iter().flat_map(|headers| headers.iter()) {
            let wire = member.key.as_str();
            let lower = wire.to_ascii_lowercase();
            if lower == "content-type" || lower == "set-cookie" {
                continue;
            }
            let node = self.builder.seen.followed(&member.value)?;
            let local = xml_name(wire);
            let scalar = Scalar { base: Base::String, facets: Vec::new() };
            let text = Use { ty: self.builder.builtin(scalar), nullable: false };
            let used = match node.get("schema") {
                Some(schema) => {
                    let used = self.builder.schema(schema, &format!("{owner}_{local}"))?;
                    // What is no scalar is given as the field says it.
                    match self.builder.types.kind(used.ty) {
                        crate::shapes::Kind::Scalar(_) => Use { nullable: false, ..used },
                        _ => text,
                    }
                }
                None => text,
            };
            let about = format!("The header field {wire}. {}", about(node)).trim().to_owned();
            let field = Field {
                key: local.clone(),
                name: local,
                attribute: false,
                used,
                required: false,
                about,
            };
            headers.push(Header { wire: wire.to_owned(), field });
        }
        Ok(headers)
    }

    pub(super) fn int(&mut self) -> TypeId {
        self.builder.builtin(Scalar { base: Base::Int, facets: Vec::new() })
    }
}

/// One body is `body`; several that differ are each called after their status.
fn name_bodies(answers: &mut [Answer]) {
    let kinds: BTreeSet<(TypeId, bool, String)> = answers
        .iter()
        .filter_map(|answer| answer.body.as_ref())
        .map(|(content, _)| (content.used.ty, content.used.nullable, format!("{:?}", content.how)))
        .collect();
    for answer in answers {
        let status = answer.status;
        if let Some((_, name)) = &mut answer.body {
            *name = match kinds.len() {
                0 | 1 => BODY.to_owned(),
                _ => format!("{BODY}_{}", status.word()),
            };
        }
    }
}

/// The parts of a response: which status it had where it may have several, its header fields, its body.
pub(super) fn fields(answers: &[Answer], reader: &mut Reader<'_>) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let several =
        answers.len() > 1 || answers.iter().any(|a| !matches!(a.status, Status::Exact(_)));
    if several {
        fields.push(Field {
            key: STATUS.to_owned(),
            name: STATUS.to_owned(),
            attribute: false,
            used: Use { ty: reader.int(), nullable: false },
            required: true,
            about: "The status of HTTP.".to_owned(),
        });
    }
    let always = |name: &str, answers: &[Answer]| {
        answers.iter().all(|answer| answer.body.as_ref().is_some_and(|(_, known)| known == name))
    };
    for header in answers.iter().flat_map(|answer| &answer.headers) {
        if !fields.iter().any(|field| field.key == header.field.key) && header.field.key != BODY {
            fields.push(header.field.clone());
        }
    }
    for (content, name) in answers.iter().filter_map(|answer| answer.body.as_ref()) {
        if !fields.iter().any(|field| field.key == *name) {
            let required = always(name, answers);
            fields.push(Field { required, ..content.field(name) });
        }
    }
    fields
}
