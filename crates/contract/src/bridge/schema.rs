//! The types of a description as XML Schema.

use std::collections::BTreeMap;

use super::{
    PROBLEM,
    wsdl::{Pen, XSD},
};
use crate::{
    described::Description,
    shapes::{Extra, Field, Items, Kind, Object, Scalar, Type, TypeId, Types, Use},
};

/// `maxOccurs` past which a bound is left to the service: readers lay out a table for each.
const OCCURS_MAX: u64 = 1_000;

/// Writes the schema.
pub(super) fn write(description: &Description, pen: &mut Pen) {
    let namespace = description.namespace.as_str();
    pen.open("xs:schema", &[("targetNamespace", namespace), ("elementFormDefault", "qualified")]);
    // Some readers take a schema out of its WSDL and look at it alone.
    pen.writer.declare("xs", XSD);
    pen.writer.declare("tns", namespace);
    let types = &description.types;
    let mut faults = BTreeMap::new();
    let mut roots = Vec::new();
    for operation in &description.operations {
        for (element, ty) in
            [(&operation.name, operation.request), (&operation.answer, operation.response)]
        {
            pen.empty("xs:element", &[("name", element), ("type", &name_of(types, ty))]);
            roots.push(ty);
        }
        for fault in &operation.faults {
            faults.insert(fault.element.as_str(), fault.body.used);
        }
    }
    for (element, used) in &faults {
        let nillable = used.nullable.then_some(("nillable", "true"));
        let ty = name_of(types, used.ty);
        let attributes: Vec<_> =
            [("name", *element), ("type", ty.as_str())].into_iter().chain(nillable).collect();
        pen.empty("xs:element", &attributes);
        roots.push(used.ty);
    }
    pen.empty("xs:element", &[("name", PROBLEM), ("type", &format!("tns:{PROBLEM}"))]);
    problem(pen);
    for id in types.reached(roots) {
        if let Some(ty) = types.get(id) {
            one(types, ty, pen);
        }
    }
    pen.close();
}

fn name_of(types: &Types, id: TypeId) -> String {
    match types.get(id) {
        Some(Type { name, kind: Kind::Scalar(scalar), .. }) if name.is_empty() => {
            format!("xs:{}", scalar.base.name())
        }
        Some(ty) => format!("tns:{}", ty.name),
        None => "xs:string".to_owned(),
    }
}

fn one(types: &Types, ty: &Type, pen: &mut Pen) {
    match &ty.kind {
        Kind::Scalar(_) if ty.name.is_empty() => {}
        Kind::Scalar(scalar) => simple(ty, scalar, pen),
        Kind::Json => {
            pen.open("xs:simpleType", &[("name", &ty.name)]);
            documented(
                &format!("{}\nThe text of JSON (media type application/json).", ty.about),
                pen,
            );
            pen.empty("xs:restriction", &[("base", "xs:string")]);
            pen.close();
        }
        Kind::Object(object) => complex(types, ty, object, pen),
        Kind::Array(items) => {
            pen.open("xs:complexType", &[("name", &ty.name)]);
            documented(&ty.about, pen);
            pen.open("xs:sequence", &[]);
            repeated(types, "item", *items, true, "", pen);
            pen.close();
            pen.close();
        }
        Kind::Choice(branches) => {
            pen.open("xs:complexType", &[("name", &ty.name)]);
            documented(&ty.about, pen);
            pen.open("xs:choice", &[]);
            for branch in branches {
                let ty = name_of(types, branch.ty);
                pen.empty("xs:element", &[("name", &branch.name), ("type", &ty)]);
            }
            pen.close();
            pen.close();
        }
    }
}

fn simple(ty: &Type, scalar: &Scalar, pen: &mut Pen) {
    pen.open("xs:simpleType", &[("name", &ty.name)]);
    documented(&ty.about, pen);
    pen.open("xs:restriction", &[("base", &format!("xs:{}", scalar.base.name()))]);
    for (facet, value) in &scalar.facets {
        pen.empty(&format!("xs:{facet}"), &[("value", value)]);
    }
    pen.close();
    pen.close();
}

fn complex(types: &Types, ty: &Type, object: &Object, pen: &mut Pen) {
    let is_abstract = object.is_abstract.then_some(("abstract", "true"));
    let attributes: Vec<_> = [("name", ty.name.as_str())].into_iter().chain(is_abstract).collect();
    pen.open("xs:complexType", &attributes);
    documented(&ty.about, pen);
    if let Some(base) = object.base {
        pen.open("xs:complexContent", &[]);
        pen.open("xs:extension", &[("base", &name_of(types, base))]);
    }
    pen.open("xs:sequence", &[]);
    let (attributes, elements): (Vec<&Field>, Vec<&Field>) =
        object.fields.iter().partition(|field| field.attribute);
    for field in elements {
        element(types, field, pen);
    }
    if let Some(Extra { name, type_name, .. }) = &object.extra {
        let ty = format!("tns:{type_name}");
        pen.empty(
            "xs:element",
            &[("name", name), ("type", &ty), ("minOccurs", "0"), ("maxOccurs", "unbounded")],
        );
    }
    pen.close();
    for field in attributes {
        let ty = name_of(types, field.used.ty);
        let required = field.required.then_some(("use", "required"));
        let all: Vec<_> = [("name", field.name.as_str()), ("type", ty.as_str())]
            .into_iter()
            .chain(required)
            .collect();
        pen.open("xs:attribute", &all);
        documented(&field.about, pen);
        pen.close();
    }
    if object.base.is_some() {
        pen.close();
        pen.close();
    }
    pen.close();
    if let Some(extra) = &object.extra {
        entry(types, extra, pen);
    }
}

/// A member of any name: its key and its value.
fn entry(types: &Types, extra: &Extra, pen: &mut Pen) {
    pen.open("xs:complexType", &[("name", &extra.type_name)]);
    pen.open("xs:sequence", &[]);
    value(types, "value", extra.used, true, "", pen);
    pen.close();
    pen.empty("xs:attribute", &[("name", "key"), ("type", "xs:string"), ("use", "required")]);
    pen.close();
}

fn element(types: &Types, field: &Field, pen: &mut Pen) {
    match types.repeated(field.used) {
        Some(items) => repeated(types, &field.name, items, field.required, &field.about, pen),
        None => value(types, &field.name, field.used, field.required, &field.about, pen),
    }
}

fn value(types: &Types, name: &str, used: Use, required: bool, about: &str, pen: &mut Pen) {
    let ty = name_of(types, used.ty);
    let mut attributes = vec![("name", name), ("type", ty.as_str())];
    if !required {
        attributes.push(("minOccurs", "0"));
    }
    if used.nullable {
        attributes.push(("nillable", "true"));
    }
    pen.open("xs:element", &attributes);
    documented(about, pen);
    pen.close();
}

fn repeated(types: &Types, name: &str, items: Items, required: bool, about: &str, pen: &mut Pen) {
    let ty = name_of(types, items.used.ty);
    let least = if required && items.least <= OCCURS_MAX { items.least } else { 0 }.to_string();
    let most = match items.most.filter(|most| *most <= OCCURS_MAX) {
        Some(most) => most.to_string(),
        None => "unbounded".to_owned(),
    };
    let mut attributes =
        vec![("name", name), ("type", &ty), ("minOccurs", &least), ("maxOccurs", &most)];
    if items.used.nullable {
        attributes.push(("nillable", "true"));
    }
    pen.open("xs:element", &attributes);
    documented(about, pen);
    pen.close();
}

/// The detail of a fault that nothing describes (RFC 9457).
fn problem(pen: &mut Pen) {
    pen.open("xs:complexType", &[("name", PROBLEM)]);
    documented("What the service answered, where its description does not say what that is.", pen);
    pen.open("xs:sequence", &[]);
    pen.empty("xs:element", &[("name", "status"), ("type", "xs:int")]);
    for name in ["type", "title", "detail", "instance", "body"] {
        pen.empty("xs:element", &[("name", name), ("type", "xs:string"), ("minOccurs", "0")]);
    }
    pen.close();
    pen.close();
}

fn documented(text: &str, pen: &mut Pen) {
    let text = text.trim();
    if !text.is_empty() {
        pen.open("xs:annotation", &[]);
        pen.about("xs:documentation", text);
        pen.close();
    }
}
