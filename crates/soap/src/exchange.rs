//! Whole messages of an operation, as a caller that speaks JSON and a service that speaks SOAP exchange them.
//!
//! [`Messages`] is compiled once an operation. [`request`](Messages::request) makes the envelope of a request from what a
//! REST caller sent, and an [`Answer`] takes what the service sends, in pieces, and gives JSON as it comes, or the
//! [`Thrown`] fault. Nothing here knows HTTP, opens anything or waits.

mod answer;
mod apart;
mod enclose;
mod headers;
mod making;
mod parts;
mod request;
mod serving;
mod thrown;
mod verbatim;

use crate::{
    name::ExpandedName,
    openapi::face::{Parameter, header_faults_of, headers_of},
    transcode::{Body, Message, Plan, Unsupported},
    wsdl::catalog::{Binding, Exchange, Operation, PartContent, SoapVersion},
};

pub use answer::{Answer, Outcome, Progress};
pub use apart::json_of_parts;
pub use enclose::Package;
pub use making::Making;
pub use parts::{INLINE_RULE, ROOT_ID, Wanted};
pub use request::Given;
pub use thrown::Thrown;

/// How a body is written for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// JSON, by the plan.
    #[default]
    Json,
    /// The element in the body, as XML of its own.
    Xml,
}

/// The messages of one operation, ready to be exchanged.
#[derive(Debug)]
pub struct Messages {
    /// Which SOAP the service speaks.
    pub version: SoapVersion,
    /// The action of a request; may be empty.
    pub action: String,
    /// Whether there is no answer.
    pub one_way: bool,
    /// Whether the service asks for MTOM.
    pub mtom: bool,
    pub(crate) request_headers: Vec<headers::Block>,
    pub(crate) response_headers: Vec<headers::Block>,
    /// Those that faults may have.
    pub(crate) fault_headers: Vec<headers::Block>,
    pub(crate) request: Message,
    pub(crate) response: Option<Message>,
    pub(crate) detail: Option<Message>,
    pub(crate) declared: Vec<Declared>,
}

/// A fault that the operation declares.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) element: Option<ExpandedName>,
}

impl Messages {
    /// Compiles the messages of an operation, as its binding speaks them.
    ///
    /// # Errors
    /// When its request or its answer cannot be transcoded. A detail that cannot is left out of faults.
    pub fn new(plan: &Plan, binding: &Binding, operation: &Operation) -> Result<Self, Unsupported> {
        let request =
            plan.message(Body::of_request(operation)?).beside(&operation.input.attachments);
        let request = request.written(&operation.input.use_);
        let response = match operation.exchange {
            Exchange::OneWay => None,
            Exchange::RequestResponse => {
                let beside = operation.output.as_ref().map_or(&[][..], |m| &m.attachments);
                let response = plan.message(Body::of_response(operation)?).beside(beside);
                Some(match &operation.output {
                    Some(output) => response.written(&output.use_),
                    None => response,
                })
            }
        };
        let detail = Body::of_fault(operation).ok().map(|body| plan.message(body));
        let declared = operation.faults.iter().map(|fault| Declared {
            name: fault.name.clone(),
            element: match &fault.part.content {
                PartContent::Element(_, name) => Some(name.clone()),
                PartContent::Type(..) => None,
            },
        });
        Ok(Self {
            version: binding.version,
            action: operation.action.clone(),
            one_way: response.is_none(),
            mtom: binding.mtom,
            request_headers: headers::blocks(plan, headers_of(&operation.input)),
            response_headers: operation
                .output
                .as_ref()
                .map_or_else(Vec::new, |output| headers::blocks(plan, headers_of(output))),
            fault_headers: headers::blocks(plan, header_faults_of(operation)),
            request,
            response,
            detail,
            declared: declared.collect(),
        })
    }

    /// Whether both bodies are one element at most, so that [`Form::Xml`] can say them.
    #[must_use]
    pub fn speaks_xml(&self) -> bool {
        // XML of its own has no place for the bytes of an attachment.
        let fits = |message: &Message| {
            !message.is_encoded()
                && !matches!(message.body(), Body::Parts(_))
                && message.attachments().next().is_none()
        };
        fits(&self.request) && self.response.as_ref().is_none_or(fits)
    }

    /// The names of the declared faults, in the operation's order.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().map(|fault| fault.name.as_str())
    }
}

/// What a parameter's text becomes in JSON, by the type of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A string.
    Text,
    /// A number where it reads as one.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// What the parameters of a route become, in their order.
#[must_use]
pub fn tokens(plan: &Plan, operation: &Operation, parameters: &[Parameter]) -> Vec<Token> {
    crate::openapi::parameter_tokens(plan, operation, parameters)
}
