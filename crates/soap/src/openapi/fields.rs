//! The fields of a message's JSON, one level deep: what parameters can be bound to.

use super::face::{Parameter, body_of};
use crate::exchange::Token;
use crate::transcode::outline::{Body as Content, Node, Outline, What};
use crate::transcode::scalar::Form;
use crate::transcode::{Body, PartType, Plan};
use crate::wsdl::catalog::Operation;
use crate::xsd::model::{ElementId, TypeId};

/// How the texts of parameters are written in JSON, by the types of the fields that they fill.
pub(crate) fn parameter_tokens(
    plan: &Plan,
    operation: &Operation,
    parameters: &[Parameter],
) -> Vec<Token> {
    let all = fields(plan, &body_of(operation, &operation.input));
    let token = |parameter: &Parameter| {
        let field = all.iter().find(|field| field.key == parameter.key);
        let ty = match field.map(|field| field.source) {
            Some(Source::Element(element)) => plan.schemas()[element].ty,
            Some(Source::Type(ty)) => ty,
            _ => return Token::Text,
        };
        let Some(simple) = plan.schemas().simple_content(ty) else { return Token::Text };
        match Form::of(&simple.compiled, plan.spelling()) {
            Form::Boolean => Token::Boolean,
            Form::Integer { string: false }
            | Form::Decimal { string: false }
            | Form::Float { string: false }
            | Form::Double { string: false } => Token::Number,
            _ => Token::Text,
        }
    };
    parameters.iter().map(token).collect()
}

/// A field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Its key.
    pub(super) key: String,
    /// Where its schema comes from.
    pub(super) source: Source,
    /// Whether it has to be there, whatever else is.
    pub(super) required: bool,
    /// Whether it, or each of its items, is one value.
    pub(super) scalar: bool,
    /// Whether it may have several items.
    pub(super) array: bool,
}

/// Where the schema of a field comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Element(ElementId),
    Type(TypeId),
    /// Something that fits in no parameter.
    Other,
}

/// The fields of what a body becomes.
pub(super) fn fields(plan: &Plan, body: &Body) -> Vec<Field> {
    let schemas = plan.schemas();
    match body {
        Body::Empty | Body::OneOf(_) => Vec::new(),
        Body::Element(element) => fields_of_type(plan, schemas[*element].ty),
        Body::Parts(parts) | Body::Rpc { parts, .. } => parts
            .iter()
            .map(|part| {
                let (ty, source) = match part.ty {
                    PartType::Element(e) => (schemas[e].ty, Source::Element(e)),
                    PartType::Type(ty) => (ty, Source::Type(ty)),
                };
                let scalar = is_scalar(plan, ty);
                Field { key: part.name.clone(), source, required: true, scalar, array: false }
            })
            .collect(),
    }
}

fn fields_of_type(plan: &Plan, ty: TypeId) -> Vec<Field> {
    let schemas = plan.schemas();
    let object = match plan.outline(ty) {
        Outline::Object(object) => object,
        Outline::Scalar => {
            let scalar = is_scalar(plan, ty);
            let source = Source::Type(ty);
            return vec![Field {
                key: "$value".into(),
                source,
                required: true,
                scalar,
                array: false,
            }];
        }
        _ => return Vec::new(),
    };
    let mut found: Vec<Field> = Vec::new();
    for (key, attribute) in &object.attributes {
        found.push(Field {
            key: key.clone(),
            source: Source::Type(attribute.ty),
            required: attribute.required,
            scalar: is_scalar(plan, attribute.ty),
            array: false,
        });
    }
    match &object.body {
        Content::Value(ty) => found.push(Field {
            key: "$value".into(),
            source: Source::Type(*ty),
            required: true,
            scalar: is_scalar(plan, *ty),
            array: false,
        }),
        Content::Members(members) => {
            for (number, member) in (0_u32..).zip(&members.members) {
                let (source, scalar) = match member.what {
                    What::Element(element) => {
                        (Source::Element(element), is_scalar(plan, schemas[element].ty))
                    }
                    _ => (Source::Other, false),
                };
                let required = members.root.is_some_and(|root| is_required(root, number));
                let key = member.key.to_owned();
                found.push(Field { key, source, required, scalar, array: member.array });
            }
        }
        Content::Mixed(_) | Content::Text => found.push(Field {
            key: "$content".into(),
            source: Source::Other,
            required: false,
            scalar: false,
            array: matches!(object.body, Content::Mixed(_)),
        }),
        Content::Empty => {}
    }
    found
}

/// Whether a type's JSON is one value, and no list.
fn is_scalar(plan: &Plan, ty: TypeId) -> bool {
    let simple = plan.schemas()[ty].simple();
    simple.is_some_and(|simple| simple.compiled.item().is_none()) && ty != TypeId::ANY_SIMPLE
}

fn is_required(node: &Node, wanted: u32) -> bool {
    match node {
        Node::Member { member, min, .. } => *member == wanted && *min > 0,
        Node::Sequence { optional: false, nodes } => nodes.iter().any(|n| is_required(n, wanted)),
        Node::Choice { optional: false, nodes } => {
            !nodes.is_empty() && nodes.iter().all(|n| is_required(n, wanted))
        }
        _ => false,
    }
}
