//! The schemas that a document needs, each once and by name: what is asked for, and what that refers to.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::{FxHashMap, FxHashSet};

use super::json::{Json, Object};
use super::keys::{TYPE, VALUE};
use super::{names, simple};
use crate::name::{NsId, Sym};
use crate::transcode::outline::Outline;
use crate::transcode::{Plan, scalar::Form};
use crate::xsd::model::{ElementId, Notes, Schemas, TypeId, TypeKind, WildcardId};

/// Where schemas are in the document.
pub(super) const SCHEMAS: &str = "#/components/schemas/";

/// Collects schemas. Asking for a type gives a reference to it, and the type and all that it refers to are in
/// [`finish`](Self::finish).
#[derive(Debug)]
pub(super) struct Components<'s> {
    pub(super) schemas: &'s Schemas,
    pub(super) plan: &'s Plan,
    /// By type; empty for what has no component.
    names: Vec<String>,
    taken: FxHashSet<String>,
    made: BTreeMap<String, Json>,
    asked: FxHashMap<Part, String>,
    pending: VecDeque<(Part, String)>,
    /// Namespaces whose alias is used.
    used: FxHashSet<NsId>,
    /// One of each kind of wildcard.
    pub(super) wildcards: Vec<WildcardId>,
}

/// What may be a component.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// A type by itself. That of a complex type is open: whoever uses it says that there is nothing else.
    Type(TypeId),
    /// One of these types in a position declared with the first.
    Variants(TypeId, Vec<TypeId>),
    /// One element that a wildcard lets in.
    Any(WildcardId),
    /// `xs:anyType`
    AnyType,
    /// `xs:anySimpleType`
    AnySimple,
    /// An element in a generic tree.
    AnyElement,
}

impl<'s> Components<'s> {
    pub(super) fn new(plan: &'s Plan) -> Self {
        let schemas = &**plan.schemas();
        let (names, taken) = names::components(schemas, plan.names());
        Self {
            schemas,
            plan,
            names,
            taken,
            made: BTreeMap::new(),
            asked: FxHashMap::default(),
            pending: VecDeque::new(),
            used: FxHashSet::default(),
            wildcards: Vec::new(),
        }
    }

    /// Makes everything that was asked for, and what that asks for.
    pub(super) fn finish(mut self) -> (BTreeMap<String, Json>, Vec<NsId>) {
        while let Some((part, name)) = self.pending.pop_front() {
            let schema = self.make(&part);
            self.made.insert(name, schema);
        }
        let mut used: Vec<NsId> = self.used.into_iter().collect();
        used.sort_unstable();
        (self.made, used)
    }

    /// Puts a schema under a name that is kept for it.
    pub(super) fn set(&mut self, name: &str, schema: Json) {
        self.made.insert(name.to_owned(), schema);
    }

    /// Puts a schema of another kind beside them, under a name that is free.
    pub(super) fn add(&mut self, wanted: &str, schema: Json) -> Object {
        let name = names::free(wanted, &mut self.taken);
        let reference = reference_to(&name);
        self.made.insert(name, schema);
        reference
    }

    /// A reference to a component.
    pub(super) fn reference(&mut self, part: Part) -> Object {
        if let Some(name) = self.asked.get(&part) {
            return reference_to(name);
        }
        let name = match &part {
            Part::Type(ty) => self.names[ty.index()].clone(),
            Part::Variants(ty, _) => {
                names::free(&format!("{}.any", self.names[ty.index()]), &mut self.taken)
            }
            Part::Any(_) => names::free("any", &mut self.taken),
            Part::AnyType => "xs.anyType".to_owned(),
            Part::AnySimple => "xs.anySimpleType".to_owned(),
            Part::AnyElement => "xs.anyElement".to_owned(),
        };
        self.asked.insert(part.clone(), name.clone());
        let reference = reference_to(&name);
        self.pending.push_back((part, name));
        reference
    }

    fn make(&mut self, part: &Part) -> Json {
        match part {
            Part::Type(ty) => match &self.schemas[*ty].kind {
                TypeKind::Simple(_) => {
                    let mut out = described(&self.schemas[*ty].notes);
                    for (key, value) in self.simple_inline(*ty).0 {
                        out.push(key, value);
                    }
                    out.into()
                }
                TypeKind::Complex(_) => self.complex(*ty),
            },
            Part::Variants(declared, types) => self.variants(*declared, types).into(),
            Part::Any(wildcard) => self.any_item(*wildcard),
            Part::AnyType => self.any_type(),
            Part::AnySimple => Object::new()
                .with("type", "object")
                .with(
                    "properties",
                    Object::new()
                        .with(TYPE, Object::new().with("type", "string"))
                        .with(VALUE, Object::new()),
                )
                .with("required", Json::strings([VALUE]))
                .with("additionalProperties", false)
                .into(),
            Part::AnyElement => self.any_element(),
        }
    }

    /// One of several types: told apart by `$type`, which only the declared one may go without.
    pub(super) fn variants(&mut self, declared: TypeId, types: &[TypeId]) -> Object {
        let mut branches: Vec<Json> = Vec::new();
        let mut mapping = Object::new();
        for &ty in types {
            let name = self.type_name(ty);
            let tag = Object::new().with(TYPE, Object::new().with("const", &*name));
            let reference = self.reference(Part::Type(ty));
            if let Some(target) = reference.get("$ref") {
                mapping.push(name, target.clone());
            }
            if ty == declared && self.schemas[ty].simple().is_some() {
                branches.push(reference.into());
                continue;
            }
            let mut branch = reference.with("properties", tag);
            if ty != declared || self.schemas[declared].is_abstract {
                branch.set("required", Json::strings([TYPE]));
            }
            branches.push(branch.with("unevaluatedProperties", false).into());
        }
        if branches.is_empty() {
            // Abstract, and nothing is derived from it: there is no such element.
            return Object::new().with("not", Object::new());
        }
        let discriminator = Object::new().with("propertyName", TYPE).with("mapping", mapping);
        Object::new().with("oneOf", branches).with("discriminator", discriminator)
    }

    /// The value of an element in its position, once.
    pub(super) fn once(&mut self, element: ElementId) -> Object {
        self.value(element, false)
    }

    /// The same, with what it is when it is nil.
    pub(super) fn element(&mut self, element: ElementId) -> Object {
        self.value(element, true)
    }

    fn value(&mut self, element: ElementId, with_nil: bool) -> Object {
        let decl = &self.schemas[element];
        if decl.is_abstract {
            return Object::new().with("not", Object::new());
        }
        let variants = self.plan.variants(decl.ty, decl.block);
        let mut out = self.position(decl.ty, variants);
        if out.get("contentEncoding").is_some()
            && let Some(media) = media_type(&decl.notes)
        {
            out.set("contentMediaType", media);
        }
        if decl.nillable && with_nil {
            out = self.nillable(decl.ty, out);
        }
        if let Some(text) = &decl.notes.documentation {
            out.set("description", &**text);
        }
        if let Some(constraint) = &decl.value
            && let Some(simple) = self.schemas.simple_content(decl.ty)
            && matches!(self.schemas[decl.ty].kind, TypeKind::Simple(_))
        {
            let spelling = self.plan.spelling();
            let value = constraint.value.as_ref();
            let value = simple::typed(&simple.compiled, spelling, &constraint.lexical, value);
            out.set(if constraint.fixed { "const" } else { "default" }, value);
        }
        out
    }

    /// A value of a type, or of one of its variants.
    pub(super) fn position(&mut self, ty: TypeId, variants: Vec<TypeId>) -> Object {
        match self.plan.outline(ty) {
            Outline::Any => self.reference(Part::AnyType),
            Outline::AnySimple => self.reference(Part::AnySimple),
            Outline::Array(_) => self.reference(Part::Type(ty)),
            Outline::Scalar if variants == [ty] => self.simple(ty),
            Outline::Object(_) if variants == [ty] => {
                self.reference(Part::Type(ty)).with("unevaluatedProperties", false)
            }
            _ => self.reference(Part::Variants(ty, variants)),
        }
    }

    fn nillable(&mut self, ty: TypeId, schema: Object) -> Object {
        let only_type = matches!(&*schema.0, [(key, Json::String(_)), ..] if key == "type")
            && schema.get("enum").is_none();
        if only_type {
            let mut schema = schema;
            if let Some((_, value)) = schema.0.first_mut() {
                let name = std::mem::replace(value, Json::Null);
                *value = Json::Array(vec![name, "null".into()]);
            }
            return schema;
        }
        let null = Object::new().with("type", "null");
        let mut each = vec![schema.into(), null.into()];
        each.extend(self.nil_with_attributes(ty));
        Object::new().with("anyOf", each)
    }

    /// A simple type where it is used: by reference if it is somebody's and has a name.
    pub(super) fn simple(&mut self, ty: TypeId) -> Object {
        if self.names[ty.index()].is_empty() {
            return self.simple_inline(ty);
        }
        self.reference(Part::Type(ty))
    }

    fn simple_inline(&mut self, ty: TypeId) -> Object {
        let schemas = self.schemas;
        let Some(def) = schemas[ty].simple() else {
            return Object::new().with("type", "string");
        };
        let form = Form::of(&def.compiled, self.plan.spelling());
        let parts: Vec<Json> = match &form {
            Form::List => def.item.iter().map(|&item| self.simple(item).into()).collect(),
            Form::Union => def.members.iter().map(|&member| self.simple(member).into()).collect(),
            _ => Vec::new(),
        };
        let mut out = simple::schema(&def.compiled, &form, self.plan.spelling(), parts);
        if out.get("contentEncoding").is_some()
            && let Some(media) = media_type(&schemas[ty].notes)
        {
            out.set("contentMediaType", media);
        }
        out
    }

    /// The name of a type as `$type` has it.
    pub(super) fn type_name(&mut self, ty: TypeId) -> String {
        let name = self.plan.names().type_name(ty).to_owned();
        if let Some((alias, _)) = name.split_once(':')
            && let Some(namespace) = self.plan.names().namespace_of(alias)
        {
            self.used.insert(namespace);
        }
        name
    }

    /// Notes that a namespace is spoken of by its alias.
    pub(super) fn uses(&mut self, namespace: NsId) {
        self.used.insert(namespace);
    }

    /// The `xml` object of a property.
    pub(super) fn xml(&mut self, name: Sym, attribute: bool) -> Object {
        let (namespace, local) = self.schemas.symbols.name(name);
        let local = if local == crate::encoding::ITEM { "item" } else { local };
        let mut out = Object::new().with("name", local);
        let uri = self.schemas.symbols.uri(namespace);
        if !uri.is_empty() {
            // OpenAPI wants an absolute URI; what is none has its place all the same.
            let absolute = uri.contains(':') && !uri.contains([' ', '<', '>', '"', '{', '}']);
            out.set(if absolute { "namespace" } else { "x-namespace" }, uri);
            out.set("prefix", self.plan.names().alias_of(namespace));
            self.used.insert(namespace);
        }
        if attribute {
            out.set("attribute", true);
        }
        out
    }
}

pub(super) fn reference_to(name: &str) -> Object {
    Object::new().with("$ref", format!("{SCHEMAS}{name}"))
}

/// An object that begins with what the schema's author says.
pub(super) fn described(notes: &Notes) -> Object {
    match &notes.documentation {
        Some(text) => Object::new().with("description", &**text),
        None => Object::new(),
    }
}

/// `xmime:expectedContentTypes`, if it is one type.
fn media_type(notes: &Notes) -> Option<&str> {
    let types = notes.foreign("http://www.w3.org/2005/05/xmlmime", "expectedContentTypes")?;
    let media = types.trim();
    (!media.is_empty() && !media.contains([',', '*'])).then_some(media)
}
