//! JSON Schema of what a schema leaves open: `any`, `anyAttribute`, `anyType`.

use super::complex::one_member;
use super::components::{Components, Part};
use super::json::{Json, Object};
use super::keys::{CONTENT, NAME, NIL, TYPE, VALUE};
use crate::name::{NsId, Sym};
use crate::transcode::{outline::Object as Outlined, scalar::Form};
use crate::xsd::model::{ElementId, NamespaceSet, Process, TypeId, WildcardId};

/// A wildcard that lets in more declared elements than this is described without them.
const WIDE: usize = 100;

impl Components<'_> {
    /// One element that one of these wildcards let in.
    pub(super) fn any_of(&mut self, wildcards: &[WildcardId]) -> Object {
        let mut each: Vec<Json> = Vec::new();
        for &wildcard in wildcards {
            let item = self.wildcard_item(wildcard).into();
            if !each.contains(&item) {
                each.push(item);
            }
        }
        match (each.pop(), each.is_empty()) {
            (Some(Json::Object(only)), true) => only,
            (last, _) => {
                each.extend(last);
                Object::new().with("anyOf", each)
            }
        }
    }

    /// Wildcards that let in the same share a component.
    fn wildcard_item(&mut self, wildcard: WildcardId) -> Object {
        let wanted = &self.schemas[wildcard];
        if wanted.process == Process::Skip {
            return self.reference(Part::AnyElement);
        }
        let same = self.wildcards.iter().copied().find(|&other| {
            let other = &self.schemas[other];
            other.process == wanted.process && other.namespaces == wanted.namespaces
        });
        if same.is_none() {
            self.wildcards.push(wildcard);
        }
        self.reference(Part::Any(same.unwrap_or(wildcard)))
    }

    /// An element that is declared has one key, its name; another is a tree that says itself what it is.
    pub(super) fn any_item(&mut self, wildcard: WildcardId) -> Json {
        let schemas = self.schemas;
        let wildcard = &schemas[wildcard];
        let declared: Vec<(ElementId, Sym, NsId)> = schemas
            .global_elements()
            .filter(|(_, e)| !e.is_abstract && wildcard.namespaces.allows(e.namespace))
            .map(|(id, e)| (id, e.name, e.namespace))
            .collect();
        let known = one_member(Object::new().with("type", "object"));
        let known = if declared.len() > WIDE {
            known
        } else {
            let mut properties = Object::new();
            for (element, name, namespace) in declared {
                let (_, local) = schemas.symbols.name(name);
                let key = self.plan.names().qualified(namespace, local);
                let mut value = self.element(element);
                value.set("xml", self.xml(name, false));
                properties.push(key, value);
            }
            known.with("properties", properties).with("additionalProperties", false)
        };
        // Even a strict wildcard takes an element of another name whose `xsi:type` is known.
        let tree = self.reference(Part::AnyElement);
        Object::new().with("anyOf", vec![known.into(), tree.into()]).into()
    }

    /// With `xsi:type` as that type; otherwise whatever it is.
    pub(super) fn any_type(&mut self) -> Json {
        let tree = Object::new()
            .with("type", "object")
            .with("properties", Object::new().with(CONTENT, self.any_content()))
            .with("patternProperties", Object::new().with("^@", Object::new()))
            .with("additionalProperties", false);
        let text = Object::new().with("type", "string");
        let typed = Object::new()
            .with("type", "object")
            .with("properties", Object::new().with(TYPE, text))
            .with("required", Json::strings([TYPE]));
        Object::new().with("anyOf", vec![tree.into(), typed.into()]).into()
    }

    pub(super) fn any_element(&mut self) -> Json {
        let text = || Object::new().with("type", "string");
        let properties = Object::new()
            .with(NAME, text())
            .with(TYPE, text())
            .with(NIL, Object::new().with("const", true))
            .with(VALUE, Object::new())
            .with(CONTENT, self.any_content());
        Object::new()
            .with("type", "object")
            .with("properties", properties)
            .with("patternProperties", Object::new().with("^@", Object::new()))
            .with("required", Json::strings([NAME]))
            .into()
    }

    fn any_content(&mut self) -> Object {
        let tree = self.reference(Part::AnyElement);
        let text = Object::new().with("type", "string");
        // What is declared has its name as its key, wherever it is.
        let known = one_member(Object::new().with("type", "object"));
        let item = Object::new().with("anyOf", vec![text.into(), tree.into(), known.into()]);
        Object::new().with("type", "array").with("items", item)
    }

    /// Attributes that are not declared here: those that are declared globally by name and type, others by pattern.
    pub(super) fn any_attribute(&mut self, object: &Outlined<'_>, out: &mut Object) {
        let Some(wildcard) = object.any_attribute else { return };
        let schemas = self.schemas;
        let wildcard = &schemas[wildcard];
        let mut all_text = object.attributes.iter().all(|(_, attribute)| {
            let (namespace, _) = schemas.symbols.name(attribute.name);
            !wildcard.namespaces.allows(namespace) || self.is_string(attribute.ty)
        });
        let mut properties = match out.get("properties") {
            Some(Json::Object(properties)) => properties.clone(),
            _ => Object::new(),
        };
        if wildcard.process != Process::Skip {
            for (_, attribute) in schemas.global_attributes() {
                let (namespace, local) = schemas.symbols.name(attribute.name);
                let key = format!("@{}", self.plan.names().qualified(namespace, local));
                if wildcard.namespaces.allows(namespace) && properties.get(&key).is_none() {
                    let mut schema = self.simple(attribute.ty);
                    schema.set("xml", self.xml(attribute.name, true));
                    all_text &= self.is_string(attribute.ty);
                    properties.push(key, schema);
                }
            }
        }
        if !properties.is_empty() {
            out.set("properties", properties);
        }
        if wildcard.process != Process::Strict {
            // A pattern also meets the attributes that have a property of their own.
            let value = if all_text { Object::new().with("type", "string") } else { Object::new() };
            let pattern = self.attribute_pattern(&wildcard.namespaces);
            out.set("patternProperties", Object::new().with(pattern, value));
        }
    }

    /// Whether all values of a simple type are JSON strings.
    fn is_string(&self, ty: TypeId) -> bool {
        let spelling = self.plan.spelling();
        let form = self.schemas[ty].simple().map(|simple| Form::of(&simple.compiled, spelling));
        !matches!(
            form,
            Some(
                Form::Boolean
                    | Form::Integer { string: false }
                    | Form::Decimal { string: false }
                    | Form::Float { .. }
                    | Form::Double { .. }
                    | Form::List
                    | Form::Union
            )
        )
    }

    fn attribute_pattern(&mut self, namespaces: &NamespaceSet) -> String {
        const QUALIFIED: &str = r"(?:\{[^{}]+\}|[^:{}]+:)";
        const LOCAL: &str = "[^:{}]+$";
        match namespaces {
            NamespaceSet::Any => format!("^@{QUALIFIED}?{LOCAL}"),
            NamespaceSet::Not(_) => format!("^@{QUALIFIED}{LOCAL}"),
            NamespaceSet::Only(only) => {
                let mut each = Vec::new();
                for &namespace in only {
                    each.push(match self.plan.names().alias_of(namespace) {
                        "" if namespace == NsId::NONE => String::new(),
                        "" => format!(r"\{{{}\}}", escaped(self.schemas.symbols.uri(namespace))),
                        alias => {
                            self.uses(namespace);
                            format!("{alias}:")
                        }
                    });
                }
                format!("^@(?:{}){LOCAL}", each.join("|"))
            }
        }
    }
}

/// A text as a regular expression for itself.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if r"\^$.*+?()[]{}|/".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
