//! Does a schema document look like one? Elements, attributes and their texts against the schema for schemas, and
//! what the specification says about their combinations (the `src-` rules that one document can answer).

use std::sync::LazyLock;

use roxmltree::Node;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Doc;
use super::document::{attribute, children, is_xsd, trim};
use super::tables::{ROWS, derivations, words};
use crate::fault::Fault;
use crate::name::XSD;
use crate::xml::is_ncname;
use crate::xsd::values::FacetKind;

/// A row of the table, read.
struct Rule {
    attributes: Vec<(&'static str, &'static str, bool)>,
    alternatives: Vec<Vec<Piece>>,
}

/// Some of these, so often.
struct Piece {
    names: Vec<&'static str>,
    min: usize,
    max: usize,
}

static RULES: LazyLock<FxHashMap<&'static str, Rule>> = LazyLock::new(|| {
    let read = |text: &'static str| text.split(' ').filter(|part| !part.is_empty());
    ROWS.iter()
        .map(|row| {
            let attributes = read(row.attributes).filter_map(|part| {
                let (name, kind) = part.split_once(':')?;
                Some((name, kind.trim_end_matches('!'), kind.ends_with('!')))
            });
            let alternatives =
                row.children.split('/').map(|sequence| read(sequence).map(piece).collect());
            let rule =
                Rule { attributes: attributes.collect(), alternatives: alternatives.collect() };
            (row.element, rule)
        })
        .collect()
});

fn piece(text: &'static str) -> Piece {
    let (names, min, max) = match text.as_bytes().last() {
        Some(b'?') => (&text[..text.len() - 1], 0, 1),
        Some(b'*') => (&text[..text.len() - 1], 0, usize::MAX),
        Some(b'+') => (&text[..text.len() - 1], 1, usize::MAX),
        _ => (text, 1, 1),
    };
    let names = names.trim_matches(['(', ')']).split('|').collect();
    Piece { names, min, max }
}

/// Checks a whole document.
pub(super) fn check(doc: &Doc<'_>, faults: &mut Vec<Fault>) {
    let mut check = Check { doc, faults, ids: FxHashSet::default() };
    let mut pending = vec![doc.root];
    while let Some(node) = pending.pop() {
        check.element(node);
        if !matches!(node.tag_name().name(), "appinfo" | "documentation") {
            let below: Vec<_> = node.children().filter(|child| is_xsd(*child)).collect();
            pending.extend(below.into_iter().rev());
        }
    }
}

struct Check<'c, 'd> {
    doc: &'c Doc<'d>,
    faults: &'c mut Vec<Fault>,
    ids: FxHashSet<&'d str>,
}

impl<'d> Check<'_, 'd> {
    fn fault(&mut self, node: Node<'_, '_>, rule: &'static str, message: String) {
        self.faults.push(self.doc.fault(node, rule, message));
    }

    fn element(&mut self, node: Node<'d, 'd>) {
        let name = node.tag_name().name();
        if matches!(name, "appinfo" | "documentation") {
            self.note(node);
            return;
        }
        let Some(rule) = rule_for(node) else {
            self.fault(
                node,
                "s4s",
                format!("{name} is no element of XML Schema 1.0 in this place"),
            );
            return;
        };
        self.attributes(node, rule);
        self.children(node, rule);
        match name {
            "element" => self.element_rules(node),
            "attribute" => self.attribute_rules(node),
            "simpleType" | "list" | "union" | "restriction" => self.simple_rules(node),
            "include" | "import" | "redefine" | "schema" => self.document_rules(node),
            "notation"
                if node.attribute("public").is_none() && node.attribute("system").is_none() =>
            {
                self.fault(
                    node,
                    "n-props-correct",
                    "a notation has to have a public or a system identifier".into(),
                );
            }
            _ => {}
        }
        self.occurs(node);
    }

    fn note(&mut self, node: Node<'d, 'd>) {
        for attr in node.attributes() {
            if attr.namespace().is_none() && attr.name() != "source" {
                self.fault(
                    node,
                    "s4s",
                    format!("an attribute that may not stand here: {}", attr.name()),
                );
            }
            let lang = attr.namespace() == Some(crate::name::XML) && attr.name() == "lang";
            if lang && !is_language(trim(attr.value())) {
                self.fault(node, "s4s", format!("no language: {:?}", attr.value()));
            }
        }
    }

    fn attributes(&mut self, node: Node<'d, 'd>, rule: &Rule) {
        for attr in node.attributes() {
            match attr.namespace() {
                None => {}
                Some(XSD) => {
                    self.fault(
                        node,
                        "s4s",
                        format!("an attribute that may not stand here: {}", attr.name()),
                    );
                    continue;
                }
                Some(_) => continue,
            }
            let known = rule.attributes.iter().find(|(name, ..)| *name == attr.name());
            let Some((name, kind, _)) = known else {
                self.fault(
                    node,
                    "s4s",
                    format!("an attribute that may not stand here: {}", attr.name()),
                );
                continue;
            };
            let value = trim(attr.value());
            if !self.takes(kind, value) {
                self.fault(node, "s4s", format!("not a value of {name}: {value:?}"));
            }
            if *kind == "id" && !self.ids.insert(value) {
                self.fault(node, "s4s", format!("a second {value:?} as id"));
            }
        }
        for (name, _, required) in &rule.attributes {
            if *required && node.attribute(*name).is_none() {
                let element = node.tag_name().name();
                self.fault(node, "s4s", format!("{element} has to have the attribute {name}"));
            }
        }
    }

    fn takes(&self, kind: &str, value: &str) -> bool {
        if let Some(words) = words(kind) {
            // Numbers may be written with leading zeros.
            let number = value.trim_start_matches('+').trim_start_matches('0');
            return words.contains(&value)
                || (kind.contains("one")
                    && is_count(value)
                    && matches!(number, "" | "1")
                    && words.contains(&if number.is_empty() { "0" } else { number }));
        }
        if let Some(words) = derivations(kind) {
            return value == "#all"
                || value.split_ascii_whitespace().all(|word| words.contains(&word));
        }
        match kind {
            "id" | "ncname" => is_ncname(value),
            "qname" => is_qname(value),
            "qnames" => value.split_ascii_whitespace().all(is_qname),
            "count" => is_count(value),
            "bound" => value == "unbounded" || is_count(value),
            "uri" => is_uri(value),
            "namespaces" => {
                matches!(value, "##any" | "##other")
                    || value.split_ascii_whitespace().all(|word| {
                        matches!(word, "##targetNamespace" | "##local")
                            || (!word.starts_with("##") && is_uri(word))
                    })
            }
            _ => true,
        }
    }

    fn children(&mut self, node: Node<'d, 'd>, rule: &Rule) {
        let mut names = Vec::new();
        for child in node.children() {
            if child.is_text() && !child.text().is_none_or(|text| trim(text).is_empty()) {
                self.fault(child, "s4s", format!("text inside of {}", node.tag_name().name()));
            }
            if child.is_element() {
                if is_xsd(child) {
                    names.push(child);
                } else {
                    let name = child.tag_name().name();
                    self.fault(child, "s4s", format!("{name} is no element of XML Schema"));
                }
            }
        }
        let mut furthest = 0;
        for sequence in &rule.alternatives {
            match matches(sequence, &names) {
                Ok(()) => return,
                Err(at) => furthest = furthest.max(at),
            }
        }
        let element = node.tag_name().name();
        let message = match names.get(furthest) {
            Some(child) => format!("{} may not stand here in {element}", child.tag_name().name()),
            None => format!("{element} lacks something inside"),
        };
        let at = names.get(furthest).copied().unwrap_or(node);
        self.fault(at, "s4s", message);
    }

    fn occurs(&mut self, node: Node<'d, 'd>) {
        let (min, max) = (attribute(node, "minOccurs"), attribute(node, "maxOccurs"));
        let number = |text: &str| text.trim_start_matches('+').parse::<u64>().ok();
        let min = min.map_or(Some(1), number);
        let max = match max {
            Some("unbounded") => return,
            Some(text) => number(text),
            None => Some(1),
        };
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            self.fault(
                node,
                "p-props-correct.2.1",
                format!("minOccurs {min} is more than maxOccurs {max}"),
            );
        }
    }

    fn element_rules(&mut self, node: Node<'d, 'd>) {
        let has = |name| node.attribute(name).is_some();
        let inside: Vec<_> = children(node).collect();
        let typed =
            inside.iter().any(|c| matches!(c.tag_name().name(), "simpleType" | "complexType"));
        if has("default") && has("fixed") {
            self.fault(node, "src-element.1", "default and fixed exclude each other".into());
        }
        if has("type") && typed {
            self.fault(node, "src-element.3", "a type by name and another inside".into());
        }
        if is_top(node) {
            return;
        }
        match (has("name"), has("ref")) {
            (false, false) => {
                self.fault(
                    node,
                    "src-element.2.1",
                    "an element has to have a name or a ref".into(),
                );
            }
            (true, true) => {
                self.fault(node, "src-element.2.1", "name and ref exclude each other".into());
            }
            (false, true) => {
                let others = ["type", "nillable", "default", "fixed", "form", "block"];
                if let Some(other) = others.into_iter().find(|name| has(name)) {
                    self.fault(node, "src-element.2.2", format!("{other} beside ref"));
                } else if !inside.is_empty() {
                    self.fault(node, "src-element.2.2", "content beside ref".into());
                }
            }
            (true, false) => {}
        }
    }

    fn attribute_rules(&mut self, node: Node<'d, 'd>) {
        let has = |name| node.attribute(name).is_some();
        let typed = children(node).next().is_some();
        if has("default") && has("fixed") {
            self.fault(node, "src-attribute.1", "default and fixed exclude each other".into());
        }
        if has("default") && attribute(node, "use").is_some_and(|used| used != "optional") {
            self.fault(
                node,
                "src-attribute.2",
                "an attribute with a default has to be optional".into(),
            );
        }
        if has("type") && typed {
            self.fault(node, "src-attribute.4", "a type by name and another inside".into());
        }
        if attribute(node, "name") == Some("xmlns") {
            self.fault(node, "no-xmlns", "no attribute may be called xmlns".into());
        }
        if is_top(node) {
            return;
        }
        if has("name") == has("ref") {
            self.fault(
                node,
                "src-attribute.3.1",
                "an attribute has to have either a name or a ref".into(),
            );
        } else if has("ref") && (has("type") || has("form") || typed) {
            self.fault(node, "src-attribute.3.2", "a type or form beside ref".into());
        }
    }

    fn simple_rules(&mut self, node: Node<'d, 'd>) {
        let inside = children(node).filter(|c| c.tag_name().name() == "simpleType").count();
        let has = |name| node.attribute(name).is_some();
        match node.tag_name().name() {
            "list" if has("itemType") == (inside > 0) => {
                self.fault(
                    node,
                    "src-simple-type.3",
                    "a list has to have either itemType or a simpleType inside".into(),
                );
            }
            "union" if inside == 0 && attribute(node, "memberTypes").is_none_or(str::is_empty) => {
                self.fault(
                    node,
                    "src-union-memberTypes-or-simpleTypes",
                    "a union has to have members".into(),
                );
            }
            "restriction" if parent_is(node, "simpleType") && has("base") == (inside > 0) => {
                self.fault(
                    node,
                    "src-simple-type.2",
                    "a restriction has to have either base or a simpleType inside".into(),
                );
            }
            "restriction" | "list" | "union" => self.facet_rules(node),
            _ => {}
        }
    }

    /// What of the facets does not depend on the base.
    fn facet_rules(&mut self, node: Node<'d, 'd>) {
        let mut seen = FxHashSet::default();
        for facet in children(node) {
            let name = facet.tag_name().name();
            let once =
                !matches!(name, "pattern" | "enumeration") && FacetKind::by_name(name).is_some();
            if once && !seen.insert(name) {
                self.fault(facet, "src-single-facet-value", format!("a second {name}"));
            }
        }
    }

    fn document_rules(&mut self, node: Node<'d, 'd>) {
        let target = attribute(self.doc.root, "targetNamespace");
        match node.tag_name().name() {
            "schema" if target == Some("") => {
                self.fault(node, "s4s", "an empty targetNamespace: leave it out".into());
            }
            "schema" if target == Some(crate::name::XSI) => {}
            "import" => {
                let namespace = attribute(node, "namespace");
                if namespace == Some("") {
                    self.fault(node, "src-import.1", "an empty namespace: leave it out".into());
                } else if namespace.is_none() && target.is_none() {
                    self.fault(
                        node,
                        "src-import.1.2",
                        "import without a namespace in a schema without one".into(),
                    );
                } else if namespace.is_some() && namespace == target {
                    self.fault(
                        node,
                        "src-import.1.1",
                        "a schema imports its own namespace; include is meant".into(),
                    );
                }
            }
            _ => {}
        }
    }
}

fn is_top(node: Node<'_, '_>) -> bool {
    parent_is(node, "schema") || parent_is(node, "redefine")
}

fn parent_is(node: Node<'_, '_>, name: &str) -> bool {
    node.parent().is_some_and(|parent| is_xsd(parent) && parent.tag_name().name() == name)
}

fn rule_for(node: Node<'_, '_>) -> Option<&'static Rule> {
    let name = node.tag_name().name();
    let parent = node.parent().filter(|parent| is_xsd(*parent)).map(|p| p.tag_name().name());
    let context = match (name, parent) {
        (
            "element" | "attribute" | "complexType" | "simpleType" | "group" | "attributeGroup",
            Some("schema" | "redefine"),
        ) => "top",
        ("element", Some("all")) => "all",
        ("sequence" | "choice" | "all", Some("group")) => "group",
        ("restriction" | "extension", Some(parent)) => parent,
        _ => return RULES.get(name),
    };
    RULES.get(format!("{context}.{name}").as_str())
}

/// Matches children in order. `Err`: which of them does not fit.
fn matches(sequence: &[Piece], children: &[Node<'_, '_>]) -> Result<(), usize> {
    let mut at = 0;
    for piece in sequence {
        let fits = |child: &Node<'_, '_>| piece.names.contains(&child.tag_name().name());
        let mut count = 0;
        while count < piece.max && children.get(at).is_some_and(fits) {
            count += 1;
            at += 1;
        }
        if count < piece.min {
            return Err(at);
        }
    }
    if at == children.len() { Ok(()) } else { Err(at) }
}

fn is_qname(text: &str) -> bool {
    match text.split_once(':') {
        Some((prefix, local)) => is_ncname(prefix) && is_ncname(local),
        None => is_ncname(text),
    }
}

fn is_count(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) || matches!(text, "-0")
}

fn is_uri(text: &str) -> bool {
    use crate::xsd::values::{Builtin, SimpleType};
    SimpleType::builtin(Builtin::AnyUri).check(text, &(), &mut String::new()).is_ok()
}

fn is_language(text: &str) -> bool {
    use crate::xsd::values::{Builtin, SimpleType};
    SimpleType::builtin(Builtin::Language).check(text, &(), &mut String::new()).is_ok()
}
