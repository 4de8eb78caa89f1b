//! OpenAPI 3.1 from the schemas and operations of a SOAP service: the face that its callers see in JSON.
//!
//! The schemas are JSON Schema 2020-12 and say exactly what the [plan](crate::transcode::Plan) of the transcoders
//! decides, so that whatever they write is valid. The same input gives the same bytes.

mod binary;
mod choices;
mod complex;
mod components;
mod document;
pub mod face;
mod fields;
mod json;
mod keys;
mod names;
mod prune;
mod simple;
mod wild;

pub use document::{document, schema_of};
pub use face::{Face, Mapping};
pub use json::{Json, Object};

pub(crate) use fields::parameter_tokens;
pub(crate) use names::components as component_names;

/// How to describe.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What the document says about itself.
    pub info: Info,
}

/// What a document says about itself. By default what the WSDL says.
#[derive(Debug, Clone, Default)]
pub struct Info {
    /// The title; by default the name of the service.
    pub title: Option<String>,
    /// The version of the API; by default `1.0.0`.
    pub version: Option<String>,
    /// Where the face is served; by default where the document is.
    pub servers: Vec<String>,
}
