//! XML Schema 1.0 (second edition): simple types and their values, regular expressions, the component model, validation.

mod compile;
pub mod content;
pub mod load;
pub mod model;
pub mod regex;
pub mod validate;
pub mod values;

pub use load::{Document, NoDocuments, Options, Resolver, Root, is_built_in};
pub use model::Schemas;
pub use validate::{Mode, Start, Validator, validate};
