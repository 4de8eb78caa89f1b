//! Keys that no element can have.

/// Text of an element with attributes.
pub(super) const VALUE: &str = "$value";
/// The name of an element's type.
pub(super) const TYPE: &str = "$type";
/// `true` for an element that is nil and has attributes.
pub(super) const NIL: &str = "$nil";
/// Texts and elements of mixed content.
pub(super) const CONTENT: &str = "$content";
/// The name of an element that no schema knows.
pub(super) const NAME: &str = "$name";
