//! JSON Schema of complex types: the shape's members, and how they go together.

use super::components::{Components, Part, described};
use super::json::{Json, Object};
use super::keys::{CONTENT, NIL, TYPE, VALUE};
use super::{choices, simple};
use crate::transcode::outline::{Body, Fields, Member, Object as Outlined, Outline, What};
use crate::xsd::model::{AttributeUse, TypeId, UNBOUNDED};

impl Components<'_> {
    /// The component of a complex type. It says nothing about other members, so that an extension can refer to it.
    pub(super) fn complex(&mut self, ty: TypeId) -> Json {
        let (schemas, plan) = (self.schemas, self.plan);
        let def = &schemas[ty];
        let mut out = described(&def.notes);
        match plan.outline(ty) {
            Outline::Array(member) => self.collapsed(&member, &mut out),
            Outline::Object(object) => self.object(&object, &mut out),
            _ => {}
        }
        if let Some(name) = def.name {
            out.set("x-xsd-type", schemas.text_of(name));
        }
        out.into()
    }

    fn object(&mut self, object: &Outlined<'_>, out: &mut Object) {
        let Some(extends) = object.extends else {
            for (key, value) in self.members_of(object, 0, 0).0 {
                out.push(key, value);
            }
            return;
        };
        let base = self.reference(Part::Type(extends.base));
        let own = self.members_of(object, extends.attributes, extends.members);
        out.set("allOf", vec![base.into(), own.into()]);
    }

    /// The object of a type as far as it is the type's own: attributes and members from these numbers on.
    pub(super) fn members_of(
        &mut self,
        object: &Outlined<'_>,
        attributes: usize,
        members: usize,
    ) -> Object {
        let mut properties = Object::new();
        let mut required: Vec<String> = Vec::new();
        self.attributes(&object.attributes[attributes..], &mut properties, &mut required);
        let mut together = choices::Together::default();
        match &object.body {
            Body::Empty => {}
            Body::Value(..) if object.extends.is_some() => {}
            Body::Value(ty) => {
                let mut value = self.simple(*ty);
                value.set("xml", Object::new().with("x-text", true));
                properties.set(VALUE, value);
                required.push(VALUE.to_owned());
            }
            Body::Members(fields) => {
                self.fields(fields, members, &mut properties);
                together = choices::together(fields, members);
            }
            Body::Text => {
                let text = Object::new().with("type", "string");
                properties.set(CONTENT, text.with("contentMediaType", "application/xml"));
            }
            Body::Mixed(fields) => {
                properties.set(CONTENT, self.mixed(fields));
            }
        }
        let mut out = Object::new().with("type", "object");
        if !properties.is_empty() {
            out.set("properties", properties);
        }
        self.any_attribute(object, &mut out);
        required.extend(together.required);
        if !required.is_empty() {
            out.set("required", Json::strings(required));
        }
        choices::set(together.rules, &mut out);
        out
    }

    fn attributes(
        &mut self,
        attributes: &[(String, &AttributeUse)],
        properties: &mut Object,
        required: &mut Vec<String>,
    ) {
        let schemas = self.schemas;
        for (key, attribute) in attributes {
            let mut schema = self.simple(attribute.ty);
            let notes = &schemas[attribute.attribute].notes;
            if let Some(text) = &notes.documentation {
                schema.set("description", &**text);
            }
            if let (Some(value), Some(ty)) = (&attribute.value, schemas[attribute.ty].simple()) {
                let spelling = self.plan.spelling();
                let typed =
                    simple::typed(&ty.compiled, spelling, &value.lexical, value.value.as_ref());
                schema.set(if value.fixed { "const" } else { "default" }, typed);
            }
            schema.set("xml", self.xml(attribute.name, true));
            properties.push(key.clone(), schema);
            if attribute.required {
                required.push(key.clone());
            }
        }
    }

    /// The members from this one on as properties.
    pub(super) fn fields(&mut self, fields: &Fields<'_>, from: usize, properties: &mut Object) {
        let here = choices::mentioned(fields);
        for (number, member) in fields.members.iter().enumerate().skip(from) {
            // A parameter now, and no member any more.
            if !here[number] {
                continue;
            }
            let schema = match &member.what {
                What::Element(_) if !member.array => self.single(member),
                What::Element(_) => self.array_of(member),
                What::Any(wildcards) => {
                    let item = self.any_of(wildcards);
                    occurring(Object::new().with("type", "array").with("items", item), member)
                }
                What::Items(items) => {
                    let item = self.round(items);
                    occurring(Object::new().with("type", "array").with("items", item), member)
                }
            };
            properties.push(member.key.to_owned(), schema);
        }
    }

    /// The value of a member that is an element, once.
    pub(super) fn single(&mut self, member: &Member<'_>) -> Object {
        let What::Element(element) = member.what else { return Object::new() };
        let mut schema = self.element(element);
        schema.set("xml", self.xml(self.schemas[element].name, false));
        schema
    }

    fn array_of(&mut self, member: &Member<'_>) -> Object {
        let mut item = self.single(member);
        let mut out = Object::new();
        if let Some(at) = item.0.iter().position(|(key, _)| key == "description") {
            out.0.push(item.0.remove(at));
        }
        let xml = item.get("xml").cloned();
        out = out.with("type", "array").with("items", item);
        out = occurring(out, member);
        if let Some(xml) = xml {
            out.set("xml", xml);
        }
        out
    }

    /// One round of a repeating group.
    fn round(&mut self, fields: &Fields<'_>) -> Object {
        let mut properties = Object::new();
        self.fields(fields, 0, &mut properties);
        let mut out = Object::new().with("type", "object").with("properties", properties);
        if choices::is_one_of_singles(fields) {
            out = one_member(out);
        } else {
            let together = choices::together(fields, 0);
            if !together.required.is_empty() {
                out.set("required", Json::strings(together.required));
            }
            choices::set(together.rules, &mut out);
        }
        out.with("additionalProperties", false)
    }

    fn mixed(&mut self, fields: &Fields<'_>) -> Object {
        let mut properties = Object::new();
        let mut each: Vec<Json> = vec![Object::new().with("type", "string").into()];
        let mut wild: Vec<Json> = Vec::new();
        for member in &fields.members {
            match &member.what {
                What::Any(wildcards) => wild.push(self.any_of(wildcards).into()),
                _ => properties.push(member.key.to_owned(), self.single(member)),
            }
        }
        if !properties.is_empty() {
            let element = Object::new().with("type", "object").with("properties", properties);
            each.push(one_member(element).with("additionalProperties", false).into());
        }
        each.extend(wild);
        Object::new().with("type", "array").with("items", Object::new().with("anyOf", each))
    }

    fn collapsed(&mut self, member: &Member<'_>, out: &mut Object) {
        for (key, value) in self.array_of(member).0 {
            let value = match (&*key, value) {
                ("xml", Json::Object(xml)) => xml.with("wrapped", true).into(),
                (_, value) => value,
            };
            out.set(key, value);
        }
    }

    /// What a nil element with attributes becomes; nothing where the type has none.
    pub(super) fn nil_with_attributes(&mut self, ty: TypeId) -> Option<Json> {
        let (schemas, plan) = (self.schemas, self.plan);
        let Outline::Object(object) = plan.outline(ty) else { return None };
        let derived = !schemas.derived_from(ty).is_empty();
        if object.attributes.is_empty() && object.any_attribute.is_none() && !derived {
            return None;
        }
        let mut properties = Object::new().with(NIL, Object::new().with("const", true));
        if derived {
            properties.set(TYPE, Object::new().with("type", "string"));
        }
        let mut required = vec![NIL.to_owned()];
        self.attributes(&object.attributes, &mut properties, &mut required);
        let mut out = Object::new().with("type", "object").with("properties", properties);
        self.any_attribute(&object, &mut out);
        if derived {
            // Those of the type that it says it is.
            let attributes = Object::new().with("^@", Object::new());
            out.set("patternProperties", attributes);
        }
        let out = out.with("required", Json::strings(required));
        Some(out.with("additionalProperties", false).into())
    }
}

/// Exactly one member.
pub(super) fn one_member(object: Object) -> Object {
    object.with("minProperties", 1_u32).with("maxProperties", 1_u32)
}

fn occurring(mut array: Object, member: &Member<'_>) -> Object {
    if member.min > 0 {
        array.set("minItems", member.min);
    }
    if member.max != UNBOUNDED {
        array.set("maxItems", member.max);
    }
    array
}
