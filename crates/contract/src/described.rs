//! The operations of an OpenAPI document as calls with typed parts: what a SOAP face of them is made of.
//!
//! A call's parts stand in one object ([`Described::request`]): its parameters, and its body under `body`. So do those of its
//! answer. An operation that cannot be said so is left out, with its place and the reason; none is left out in silence.

mod answers;
mod bodies;
mod parameters;

use std::collections::BTreeMap;

pub use answers::{Answer, FaultAnswer, Header, Status};
pub use bodies::{Content, How};
pub use parameters::{Parameter, Style, Where};

use crate::{
    ContractFault, Faults, Position,
    openapi::{Place, Survey, survey},
    shapes::{
        Builder, Field, Inexpressible, Kind, Object, Seen, Taken, Type, TypeId, Types, about,
        ncname,
    },
    tree::Node,
};

/// What a document describes.
#[derive(Debug)]
pub struct Description {
    /// What the API is called.
    pub title: String,
    /// What the document says about it.
    pub about: String,
    /// The namespace of its messages.
    pub namespace: String,
    /// Every type of its messages.
    pub types: Types,
    /// Its operations, those that can be said.
    pub operations: Vec<Described>,
    /// Those that cannot be.
    pub left_out: Vec<LeftOut>,
}

/// An operation that cannot be offered over SOAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name, as the contract gives it.
    pub operation: String,
    /// Where the document says what cannot be.
    pub at: Position,
    /// Which document that is, where it is not the contract itself.
    pub document: Option<String>,
    /// Why.
    pub why: String,
}

/// An operation.
#[derive(Debug)]
pub struct Described {
    /// Its place among the operations of the contract.
    pub number: usize,
    /// What it is called over SOAP, and the element of its request.
    pub name: String,
    /// The element of its answer.
    pub answer: String,
    /// What the document says about it.
    pub about: String,
    /// Its method, in capital letters.
    pub method: String,
    /// Its path as it is written.
    pub path: String,
    /// Its parameters, in the order of the fields of its request.
    pub parameters: Vec<Parameter>,
    /// Its body.
    pub body: Option<Content>,
    /// All of that: an object of its parts.
    pub request: TypeId,
    /// What is answered when it goes well.
    pub answers: Vec<Answer>,
    /// All of that: an object of its parts.
    pub response: TypeId,
    /// What is answered when it does not.
    pub faults: Vec<FaultAnswer>,
}

/// The field that says which of several statuses a good answer had.
pub(crate) const STATUS: &str = "status";
/// The element of a fault that nothing describes, and its type.
pub(crate) const PROBLEM: &str = "ProblemDetails";
/// The field of a body.
pub(crate) const BODY: &str = "body";

/// Reads what a document describes.
///
/// # Errors
/// The faults of a document that is no contract.
pub(crate) fn read(root: &Node, faults: Faults) -> Result<Description, Vec<ContractFault>> {
    let Survey { title, minor, operations, places } = survey(root, faults)?;
    let mut reader = Reader {
        builder: Builder::new(Seen { root, minor }),
        names: Taken::default(),
        elements: BTreeMap::new(),
    };
    reader.builder.taken.name(PROBLEM);
    reader.names.name(PROBLEM);
    let mut described = Vec::new();
    let mut left_out = Vec::new();
    for (number, (operation, place)) in operations.iter().zip(&places).enumerate() {
        match reader.operation(number, &operation.name, &operation.method, place) {
            Ok(one) => described.push(one),
            Err(Inexpressible { at, why }) => {
                let operation = operation.name.clone();
                left_out.push(LeftOut { operation, at, document: None, why });
            }
        }
    }
    Ok(Description {
        about: root.get("info").map(about).unwrap_or_default(),
        namespace: namespace(root, &title),
        title,
        types: reader.builder.finish(),
        operations: described,
        left_out,
    })
}

/// The namespace of its messages: as the document says, or after its title and major version.
fn namespace(root: &Node, title: &str) -> String {
    if let Some(said) = root.get("x-soap-namespace").and_then(Node::as_str)
        && !said.is_empty()
        && said
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'&'))
    {
        return said.to_owned();
    }
    let mut slug = String::new();
    for c in title.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => slug.push(c.to_ascii_lowercase()),
            _ if !slug.ends_with('-') && !slug.is_empty() => slug.push('-'),
            _ => {}
        }
    }
    let slug = slug.trim_end_matches('-');
    let slug = if slug.is_empty() { "api" } else { slug };
    let version = root.get("info").and_then(|info| info.get("version")).and_then(Node::as_str);
    let major: String = version
        .unwrap_or_default()
        .trim_start_matches(['v', 'V'])
        .chars()
        .take_while(char::is_ascii_digit)
        .take(6)
        .collect();
    let major = if major.is_empty() { "1".to_owned() } else { major };
    format!("urn:pasarela:rest:{slug}:v{major}")
}

/// Reads operations.
pub(crate) struct Reader<'a> {
    builder: Builder<'a>,
    /// Names of operations.
    names: Taken,
    /// Elements of faults, by status and type: their names.
    elements: BTreeMap<(Status, TypeId, bool), String>,
}

impl<'a> Reader<'a> {
    fn operation(
        &mut self,
        number: usize,
        name: &str,
        method: &str,
        place: &Place<'a>,
    ) -> Result<Described, Inexpressible> {
        let node = place.node;
        if method == "TRACE" || method == "CONNECT" {
            let why = format!("the gateway does not forward {method}");
            return Err(Inexpressible::new(node.at, why));
        }
        let wanted = ncname(name);
        let parameters = self.parameters(place, &wanted)?;
        let body = match node.get("requestBody") {
            Some(body) => self.body(body, &format!("{wanted}_body"))?,
            None => None,
        };
        if body.is_some() && matches!(method, "GET" | "HEAD") {
            let why = format!("{method} has no body that a server would have to read");
            return Err(Inexpressible::new(node.at, why));
        }
        let (answers, faults) = self.answers(node, &wanted, method)?;
        let name = self.names.name(&wanted);
        let answer = self.names.name(&format!("{name}Response"));
        let fields = parameters.iter().map(|parameter| parameter.field.clone());
        let fields = fields.chain(body.iter().map(|body| body.field(BODY))).collect();
        let request = self.wrapper(&name, fields);
        let fields = answers::fields(&answers, self);
        let response = self.wrapper(&answer, fields);
        let faulty = faults.iter().map(|fault| fault.body.used.ty);
        let roots = [request, response].into_iter().chain(faulty).collect();
        if let Some(why) = self.builder.broken(roots) {
            return Err(why);
        }
        Ok(Described {
            number,
            name,
            answer,
            about: summary(node),
            method: method.to_owned(),
            path: place.path.to_owned(),
            parameters,
            body,
            request,
            answers,
            response,
            faults,
        })
    }

    /// The type of a message's element.
    fn wrapper(&mut self, name: &str, fields: Vec<Field>) -> TypeId {
        let name = self.builder.taken.name(name);
        let kind = Kind::Object(Object { fields, ..Object::default() });
        self.builder.types.add(Type { name, about: String::new(), kind })
    }
}

fn summary(node: &Node) -> String {
    match node.get("summary").and_then(Node::as_str).map(str::trim) {
        Some(summary) if !summary.is_empty() && node.get("description").is_none() => {
            summary.chars().filter(|c| pasarela_soap::xml::is_char(*c)).take(2_000).collect()
        }
        _ => about(node),
    }
}
