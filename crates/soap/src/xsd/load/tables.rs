//! What a schema document may look like: the schema for schemas, as a table.
//!
//! A row is an element in a context; its attributes with their types (`!` means required); and its children, as
//! alternatives parted by `/`, each a sequence of `name?`, `(a|b)*` and the like.

/// An element in a context, its attributes, its children.
pub(super) struct Row {
    pub(super) element: &'static str,
    pub(super) attributes: &'static str,
    pub(super) children: &'static str,
}

const fn row(element: &'static str, attributes: &'static str, children: &'static str) -> Row {
    Row { element, attributes, children }
}

const FACETS_OF_SIMPLE: &str = "annotation? simpleType? (minExclusive|minInclusive|maxExclusive|maxInclusive|totalDigits|\
fractionDigits|length|minLength|maxLength|enumeration|whiteSpace|pattern|explicitTimezone)*";

pub(super) const ROWS: &[Row] = &[
    row(
        "schema",
        "id:id targetNamespace:uri version:text finalDefault:final blockDefault:block \
         attributeFormDefault:form elementFormDefault:form",
        "(include|import|redefine|annotation)* (element|attribute|complexType|simpleType|group|attributeGroup|notation|annotation)*",
    ),
    row("include", "id:id schemaLocation:uri!", "annotation?"),
    row("import", "id:id namespace:uri schemaLocation:uri", "annotation?"),
    row(
        "redefine",
        "id:id schemaLocation:uri!",
        "(annotation|simpleType|complexType|group|attributeGroup)*",
    ),
    row("annotation", "id:id", "(appinfo|documentation)*"),
    row("notation", "id:id name:ncname! public:text system:uri", "annotation?"),
    // Elements.
    row(
        "top.element",
        "id:id name:ncname! type:qname substitutionGroup:qname nillable:boolean default:text fixed:text \
         abstract:boolean final:element-final block:block",
        "annotation? (simpleType|complexType)? (unique|key|keyref)*",
    ),
    row(
        "element",
        "id:id name:ncname ref:qname type:qname nillable:boolean default:text fixed:text block:block form:form \
         minOccurs:count maxOccurs:bound",
        "annotation? (simpleType|complexType)? (unique|key|keyref)*",
    ),
    row(
        "all.element",
        "id:id name:ncname ref:qname type:qname nillable:boolean default:text fixed:text block:block form:form \
         minOccurs:zero-one maxOccurs:zero-one",
        "annotation? (simpleType|complexType)? (unique|key|keyref)*",
    ),
    row("unique", "id:id name:ncname!", "annotation? selector field+"),
    row("key", "id:id name:ncname!", "annotation? selector field+"),
    row("keyref", "id:id name:ncname! refer:qname!", "annotation? selector field+"),
    row("selector", "id:id xpath:text!", "annotation?"),
    row("field", "id:id xpath:text!", "annotation?"),
    // Attributes.
    row(
        "top.attribute",
        "id:id name:ncname! type:qname default:text fixed:text",
        "annotation? simpleType?",
    ),
    row(
        "attribute",
        "id:id name:ncname ref:qname type:qname use:use default:text fixed:text form:form",
        "annotation? simpleType?",
    ),
    row(
        "top.attributeGroup",
        "id:id name:ncname!",
        "annotation? (attribute|attributeGroup)* anyAttribute?",
    ),
    row("attributeGroup", "id:id ref:qname!", "annotation?"),
    row("anyAttribute", "id:id namespace:namespaces processContents:process", "annotation?"),
    // Complex types.
    row(
        "top.complexType",
        "id:id name:ncname! mixed:boolean abstract:boolean final:derivations block:derivations",
        COMPLEX,
    ),
    row("complexType", "id:id mixed:boolean", COMPLEX),
    row("simpleContent", "id:id", "annotation? (restriction|extension)"),
    row("complexContent", "id:id mixed:boolean", "annotation? (restriction|extension)"),
    row(
        "simpleContent.restriction",
        "id:id base:qname!",
        "annotation? simpleType? (minExclusive|minInclusive|maxExclusive|maxInclusive|totalDigits|\
         fractionDigits|length|minLength|maxLength|enumeration|whiteSpace|pattern|explicitTimezone)* \
         (attribute|attributeGroup)* anyAttribute?",
    ),
    row(
        "simpleContent.extension",
        "id:id base:qname!",
        "annotation? (attribute|attributeGroup)* anyAttribute?",
    ),
    row(
        "complexContent.restriction",
        "id:id base:qname!",
        "annotation? (group|all|choice|sequence)? (attribute|attributeGroup)* anyAttribute?",
    ),
    row(
        "complexContent.extension",
        "id:id base:qname!",
        "annotation? (group|all|choice|sequence)? (attribute|attributeGroup)* anyAttribute?",
    ),
    // Model groups.
    row("top.group", "id:id name:ncname!", "annotation? (all|choice|sequence)"),
    row("group", "id:id ref:qname! minOccurs:count maxOccurs:bound", "annotation?"),
    row(
        "sequence",
        "id:id minOccurs:count maxOccurs:bound",
        "annotation? (element|group|choice|sequence|any)*",
    ),
    row(
        "choice",
        "id:id minOccurs:count maxOccurs:bound",
        "annotation? (element|group|choice|sequence|any)*",
    ),
    row("all", "id:id minOccurs:zero-one maxOccurs:one", "annotation? element*"),
    row("group.sequence", "id:id", "annotation? (element|group|choice|sequence|any)*"),
    row("group.choice", "id:id", "annotation? (element|group|choice|sequence|any)*"),
    row("group.all", "id:id", "annotation? element*"),
    row(
        "any",
        "id:id namespace:namespaces processContents:process minOccurs:count maxOccurs:bound",
        "annotation?",
    ),
    // Simple types.
    row(
        "top.simpleType",
        "id:id name:ncname! final:simple-final",
        "annotation? (restriction|list|union)",
    ),
    row("simpleType", "id:id", "annotation? (restriction|list|union)"),
    row("simpleType.restriction", "id:id base:qname", FACETS_OF_SIMPLE),
    row("list", "id:id itemType:qname", "annotation? simpleType?"),
    row("union", "id:id memberTypes:qnames", "annotation? simpleType*"),
    row("minExclusive", FACET, "annotation?"),
    row("minInclusive", FACET, "annotation?"),
    row("maxExclusive", FACET, "annotation?"),
    row("maxInclusive", FACET, "annotation?"),
    row("totalDigits", FACET, "annotation?"),
    row("fractionDigits", FACET, "annotation?"),
    row("length", FACET, "annotation?"),
    row("minLength", FACET, "annotation?"),
    row("maxLength", FACET, "annotation?"),
    row("whiteSpace", FACET, "annotation?"),
    row("explicitTimezone", FACET, "annotation?"),
    row("enumeration", "id:id value:text!", "annotation?"),
    row("pattern", "id:id value:text!", "annotation?"),
];

const FACET: &str = "id:id value:text! fixed:boolean";

const COMPLEX: &str = "annotation? simpleContent / annotation? complexContent / \
annotation? (group|all|choice|sequence)? (attribute|attributeGroup)* anyAttribute?";

/// What the type of an attribute takes, by the names used above. `None`: anything.
pub(super) fn words(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "boolean" => &["true", "false", "1", "0"],
        "form" => &["qualified", "unqualified"],
        "use" => &["optional", "required", "prohibited"],
        "process" => &["skip", "lax", "strict"],
        "zero-one" => &["0", "1"],
        "one" => &["1"],
        _ => return None,
    })
}

/// What a set of derivations takes beside `#all`.
pub(super) fn derivations(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "block" => &["extension", "restriction", "substitution"],
        "derivations" | "element-final" => &["extension", "restriction"],
        "simple-final" => &["restriction", "list", "union"],
        "final" => &["extension", "restriction", "list", "union"],
        _ => return None,
    })
}
