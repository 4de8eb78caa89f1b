//! How a SOAP service is offered over REST: what the owner of an API may choose.

use std::collections::BTreeMap;

/// The REST face of an API with a WSDL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestFace {
    /// Operations, by name, that are not to be as they are by default: `POST /{name}`.
    pub operations: BTreeMap<String, RestOperation>,
    /// How numbers appear that a double may not hold.
    pub numbers: Numbers,
    /// How dates appear.
    pub dates: Dates,
    /// An element around one repeated element is the array itself.
    pub collapse_wrapped_arrays: bool,
    /// `null` for an optional element that is not nillable means that it is absent.
    pub null_as_absent: bool,
    /// An empty element of a type without an empty value is `null`.
    pub empty_as_null: bool,
    /// A single value is taken where an array is due.
    pub coerce_scalar: bool,
    /// Members that the contract does not know are passed over.
    pub ignore_unknown: bool,
    /// An array without items is written as `[]`.
    pub emit_empty_arrays: bool,
    /// The members of a repeated group are arrays by key.
    pub grouped: bool,
    /// Types whose mixed content is a text of XML; `*` for all.
    pub xml_string: Vec<String>,
    /// Absent attributes that have a default are written.
    pub apply_defaults: bool,
    /// The service's own words about a fault are kept from callers.
    pub mask_faults: bool,
    /// Whether bytes travel beside the envelope.
    pub mtom: Mtom,
}

/// Whether the bytes of a base64Binary travel to the service beside the envelope (MTOM).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mtom {
    /// Where the WSDL's policy asks for it.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// How numbers appear in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbers {
    /// As strings where a double could lose a digit.
    #[default]
    Auto,
    /// Always as numbers, digits kept.
    Number,
    /// Always as strings.
    String,
}

/// How dates appear in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dates {
    /// As they are in XML.
    #[default]
    Exact,
    /// As `date-time` and `full-date` of RFC 3339; what these cannot say is refused.
    Rfc3339,
}

/// What is chosen for one operation. What is not said stays as it is by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestOperation {
    /// Path with parameters in braces: `/orders/{id}`.
    pub path: Option<String>,
    /// Upper-case method.
    pub method: Option<String>,
    /// Status of an answer that went well.
    pub status: Option<u16>,
    /// Parameters of the path and the query, by name.
    pub parameters: BTreeMap<String, RestParameter>,
    /// Statuses of declared faults, by name.
    pub faults: BTreeMap<String, u16>,
    /// It is not offered over REST.
    pub hidden: bool,
}

/// A parameter of the path or the query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestParameter {
    /// In the query; otherwise in the path.
    pub query: bool,
    /// The field of the request that it fills; `None`: the one of its name.
    pub field: Option<String>,
}
