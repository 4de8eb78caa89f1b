//! The bodies of a WSDL's messages, as transcoders take them.

use super::plan::{Body, Part, PartType};
use crate::wsdl::catalog::{self, Operation, PartContent, Style, Use};

/// Why a message has no transcoder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// document/encoded: nothing names what is in the body.
    #[error("its parts are encoded by {0}, which is only understood of calls (rpc)")]
    Encoded(String),
    /// A document body that is the content of a type.
    #[error(
        "the part {0} of its body has a type and no element, so nothing names what is in the body"
    )]
    Nameless(String),
    /// A message that the operation does not have.
    #[error("the operation has no such message")]
    Absent,
}

impl Body {
    /// The body of a request or of an answer.
    ///
    /// # Errors
    /// When it cannot be transcoded.
    pub fn of_message(style: Style, message: &catalog::Message) -> Result<Self, Unsupported> {
        if style == Style::Document {
            literal(&message.use_)?;
        }
        let parts = message.body.iter().map(|part| Part {
            name: part.name.clone(),
            ty: match part.content {
                PartContent::Element(element, _) => PartType::Element(element),
                PartContent::Type(ty, _) => PartType::Type(ty),
            },
        });
        let parts: Vec<Part> = parts.collect();
        match (style, parts.as_slice(), &message.wire) {
            (Style::Rpc, _, Some(wrapper)) => Ok(Self::Rpc { wrapper: wrapper.clone(), parts }),
            (Style::Rpc, _, None) => Ok(Self::Empty),
            (Style::Document, [], _) => Ok(Self::Empty),
            (Style::Document, [Part { ty: PartType::Element(element), .. }], _) => {
                Ok(Self::Element(*element))
            }
            (Style::Document, parts, _) => {
                match parts.iter().find(|part| matches!(part.ty, PartType::Type(_))) {
                    Some(part) => Err(Unsupported::Nameless(part.name.clone())),
                    None => Ok(Self::Parts(parts.to_vec())),
                }
            }
        }
    }

    /// The request of an operation.
    ///
    /// # Errors
    /// When it cannot be transcoded.
    pub fn of_request(operation: &Operation) -> Result<Self, Unsupported> {
        Self::of_message(operation.style, &operation.input)
    }

    /// The answer of an operation.
    ///
    /// # Errors
    /// When there is none, or it cannot be transcoded.
    pub fn of_response(operation: &Operation) -> Result<Self, Unsupported> {
        Self::of_message(operation.style, operation.output.as_ref().ok_or(Unsupported::Absent)?)
    }

    /// The detail of an operation's faults: one of the elements that it declares.
    ///
    /// # Errors
    /// When it declares none, or one that cannot be transcoded.
    pub fn of_fault(operation: &Operation) -> Result<Self, Unsupported> {
        let mut elements = Vec::new();
        for fault in &operation.faults {
            literal(&fault.use_)?;
            match fault.part.content {
                PartContent::Element(element, _) => elements.push(element),
                PartContent::Type(..) => {
                    return Err(Unsupported::Nameless(fault.part.name.clone()));
                }
            }
        }
        if elements.is_empty() { Err(Unsupported::Absent) } else { Ok(Self::OneOf(elements)) }
    }
}

fn literal(use_: &Use) -> Result<(), Unsupported> {
    match use_ {
        Use::Literal => Ok(()),
        Use::Encoded(style) => Err(Unsupported::Encoded(style.clone())),
    }
}
