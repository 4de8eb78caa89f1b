//! Whether a message may hold bytes: such a message can also be sent in parts.

use rustc_hash::FxHashSet;

use crate::transcode::outline::{Body as Content, Fields, Outline, What};
use crate::transcode::{Body, PartType, Plan};
use crate::xsd::model::{DerivationSet, TypeId};
use crate::xsd::values::Primitive;

/// Whether a `base64Binary` or a `swaRef` is anywhere in what a body may hold.
pub(super) fn is_in(plan: &Plan, body: &Body) -> bool {
    let schemas = plan.schemas();
    let mut pending: Vec<TypeId> = match body {
        Body::Element(element) => vec![schemas[*element].ty],
        Body::OneOf(elements) => elements.iter().map(|&element| schemas[element].ty).collect(),
        Body::Parts(parts) | Body::Rpc { parts, .. } => parts
            .iter()
            .map(|part| match part.ty {
                PartType::Element(element) => schemas[element].ty,
                PartType::Type(ty) => ty,
            })
            .collect(),
        Body::Empty => Vec::new(),
    };
    let mut seen: FxHashSet<TypeId> = FxHashSet::default();
    while let Some(ty) = pending.pop() {
        if !seen.insert(ty) {
            continue;
        }
        if plan.is_swa_ref(ty) {
            return true;
        }
        if let Some(simple) = schemas.simple_content(ty)
            && simple.compiled.primitive() == Primitive::Base64Binary
        {
            return true;
        }
        match plan.outline(ty) {
            Outline::Object(object) => {
                if let Content::Members(fields) | Content::Mixed(fields) = &object.body {
                    collect(plan, fields, &mut pending);
                }
                pending.extend(plan.variants(ty, DerivationSet::NONE));
            }
            Outline::Array(member) => {
                if let What::Element(element) = member.what {
                    pending.push(schemas[element].ty);
                }
            }
            _ => {}
        }
    }
    false
}

fn collect(plan: &Plan, fields: &Fields<'_>, pending: &mut Vec<TypeId>) {
    for member in &fields.members {
        match &member.what {
            What::Element(element) => pending.push(plan.schemas()[*element].ty),
            What::Items(inner) => collect(plan, inner, pending),
            What::Any(_) => {}
        }
    }
}
