//! What a WSDL offers: services with ports, bindings with operations, operations with messages.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    ExpandedName, Place,
    xsd::{
        Schemas,
        model::{ElementId, TypeId},
    },
};

/// Everything that can be called by a WSDL.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The name of the first document's definitions.
    pub name: String,
    /// Their namespace.
    pub target_namespace: String,
    /// What they say about themselves.
    pub documentation: String,
    /// The types of all messages.
    pub schemas: Arc<Schemas>,
    /// The services, in the order of the documents.
    pub services: Vec<Service>,
    /// The bindings to SOAP, whether a port uses them or not.
    pub bindings: Vec<Binding>,
    /// The WSDL documents that were read.
    pub documents: Vec<Arc<str>>,
}

impl Catalog {
    /// Whether there is nothing that could be called.
    pub fn is_empty(&self) -> bool {
        self.bindings.iter().all(|binding| binding.operations.is_empty())
    }

    /// A service and the binding of each of its ports that speaks SOAP.
    pub fn ports(&self) -> impl Iterator<Item = (&Service, &Port, &Binding)> {
        self.services.iter().flat_map(move |service| {
            let ports = service.ports.iter();
            ports.filter_map(move |port| Some((service, port, self.bindings.get(port.binding)?)))
        })
    }
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name.
    pub name: ExpandedName,
    /// What it says about itself.
    pub documentation: String,
    /// Its ports that speak SOAP.
    pub ports: Vec<Port>,
    /// Where it stands.
    pub place: Place,
}

/// A place where a binding is served.
#[derive(Debug, Clone)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The index of its binding in the catalog.
    pub binding: usize,
    /// Where it says that it listens; empty when it does not.
    pub address: String,
    /// Where it stands.
    pub place: Place,
}

/// Which SOAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SoapVersion {
    /// SOAP 1.1
    V11,
    /// SOAP 1.2
    V12,
}

/// How a port type is spoken.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Its name.
    pub name: ExpandedName,
    /// The port type.
    pub port_type: ExpandedName,
    /// What the port type says about itself.
    pub documentation: String,
    /// Which SOAP.
    pub version: SoapVersion,
    /// The URI of its transport.
    pub transport: String,
    /// Its operations, in its own order.
    pub operations: Vec<Operation>,
    /// Operations by what their requests look like on the wire; several for one are told apart by action.
    pub signatures: BTreeMap<Option<ExpandedName>, Vec<usize>>,
    /// What its policies, and those of its ports and operations, ask for: the names of their assertions.
    pub policies: Vec<ExpandedName>,
    /// Whether it asks for WS-Addressing.
    pub addressing: bool,
    /// Whether it asks for MTOM.
    pub mtom: bool,
    /// Where it stands.
    pub place: Place,
}

/// How a body is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// The body's child is the part's element.
    Document,
    /// The body's child is named after the operation and holds the parts.
    Rpc,
}

/// How a part is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Use {
    /// As its schema says.
    Literal,
    /// By the rules of an encoding: the URIs of its styles.
    Encoded(String),
}

/// What an operation exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exchange {
    /// A request without an answer.
    OneWay,
    /// A request and its answer.
    RequestResponse,
}

/// Something that can be called.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// What it says about itself.
    pub documentation: String,
    /// Document or rpc.
    pub style: Style,
    /// What is exchanged.
    pub exchange: Exchange,
    /// The action of a request; empty when the binding gives none.
    pub action: String,
    /// Whether requests are told from the body's child being the wrapper of parameters (document style).
    pub wrapped: bool,
    /// The order of parameters, if the port type tells it.
    pub parameter_order: Vec<String>,
    /// The request.
    pub input: Message,
    /// The answer.
    pub output: Option<Message>,
    /// The faults it declares.
    pub faults: Vec<FaultMessage>,
    /// Where it stands in the binding.
    pub place: Place,
}

/// A request or an answer.
#[derive(Debug, Clone)]
pub struct Message {
    /// The message's name.
    pub name: ExpandedName,
    /// Literal or encoded.
    pub use_: Use,
    /// The child of the body: the part's element, or the wrapper of rpc. None when the body is empty.
    pub wire: Option<ExpandedName>,
    /// What is in the body, in order.
    pub body: Vec<Part>,
    /// What is in the header.
    pub headers: Vec<Header>,
    /// What travels beside the envelope (`mime:multipartRelated`).
    pub attachments: Vec<Attachment>,
    /// The action by WS-Addressing: as it is written, or by its default pattern.
    pub wsa_action: String,
}

/// A part of a message.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it is.
    pub content: PartContent,
    /// Where it stands.
    pub place: Place,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartContent {
    /// An element, and its name.
    Element(ElementId, ExpandedName),
    /// Content of a type, and its name; the element around it is named by the binding.
    Type(TypeId, ExpandedName),
}

/// A header block.
#[derive(Debug, Clone)]
pub struct Header {
    /// The message it is a part of.
    pub message: ExpandedName,
    /// The part.
    pub part: Part,
    /// Literal or encoded.
    pub use_: Use,
    /// The faults that concern this header.
    pub faults: Vec<Self>,
}

/// A part that travels beside the envelope.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// The part.
    pub part: Part,
    /// The media types it may have; none when that is not said.
    pub media_types: Vec<String>,
}

/// A fault that an operation declares.
#[derive(Debug, Clone)]
pub struct FaultMessage {
    /// Its name in the operation.
    pub name: String,
    /// What is in the detail.
    pub part: Part,
    /// Literal or encoded.
    pub use_: Use,
    /// The action by WS-Addressing.
    pub wsa_action: String,
}
