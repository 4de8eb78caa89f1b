//! Schemas into types: each once, whoever refers to it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::{
    Extra, Field, Inexpressible, Items, Kind, Object, Scalar, Seen, Tag, Taken, Type, TypeId,
    Types, Use,
    choices::Undecided,
    names::{ncname, xml_name},
    scalars,
    views::substance,
};
use crate::tree::{Node, Value};

/// Types of one document.
const TYPES_MAX: usize = 50_000;
/// Schemas without a name of their own inside of one another.
const DEPTH_MAX: usize = 60;

/// Makes types of the schemas of a document.
pub(crate) struct Builder<'a> {
    pub(crate) seen: Seen<'a>,
    pub(crate) types: Types,
    pub(crate) taken: Taken,
    /// Types of the schemas that have a name, by reference.
    known: HashMap<String, TypeId>,
    /// Those that have to be made still, in order; what is made of one may refer to any other, so they do not wait in one another.
    waiting: VecDeque<(TypeId, String, &'a Node)>,
    made: BTreeSet<TypeId>,
    /// Those that could not be, and why.
    broken: BTreeMap<TypeId, Inexpressible>,
    /// Choices among objects that a member tells apart, to be laid out when the objects are.
    pub(super) undecided: Vec<Undecided<'a>>,
    /// Scalars without a name, by what they are, and the one type for whatever JSON can say.
    plain: HashMap<&'static str, TypeId>,
    /// Choices that objects tell apart by a member, by that and the objects.
    pub(super) families: HashMap<String, TypeId>,
    /// Schemas whose objects say of which schema they are, and those that extend them: by reference, what each extends.
    parents: BTreeMap<String, Vec<String>>,
    bases: BTreeMap<String, String>,
    pub(super) depth: usize,
    /// Types and those that extend them.
    pub(super) children: Vec<(TypeId, TypeId)>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(seen: Seen<'a>) -> Self {
        let (parents, bases) = inheritance(seen);
        Self {
            seen,
            types: Types::default(),
            taken: Taken::default(),
            known: HashMap::new(),
            waiting: VecDeque::new(),
            made: BTreeSet::new(),
            broken: BTreeMap::new(),
            undecided: Vec::new(),
            plain: HashMap::new(),
            families: HashMap::new(),
            parents,
            bases,
            depth: 0,
            children: Vec::new(),
        }
    }

    /// The types, when all schemas are made.
    pub(crate) fn finish(mut self) -> Types {
        for (parent, child) in std::mem::take(&mut self.children) {
            if let Some(Type { kind: Kind::Object(parent), .. }) = self.types.get_mut(parent) {
                parent.derived.push(child);
            }
        }
        self.types
    }

    /// The type of a schema, and of all that it refers to; `name` is what it is called where it has no name of its own.
    pub(crate) fn schema(&mut self, node: &'a Node, name: &str) -> Result<Use, Inexpressible> {
        let used = self.inner(node, name);
        loop {
            while let Some((id, reference, node)) = self.waiting.pop_front() {
                self.make(id, &reference, node);
            }
            let undecided = std::mem::take(&mut self.undecided);
            if undecided.is_empty() {
                return used;
            }
            for one in undecided {
                let id = one.id;
                if let Err(why) = self.decide(one) {
                    self.broken.insert(id, why);
                }
            }
        }
    }

    /// Why something that is made of these types cannot be.
    pub(crate) fn broken(&self, roots: Vec<TypeId>) -> Option<Inexpressible> {
        if self.broken.is_empty() {
            return None;
        }
        let reached = self.types.reached(roots);
        reached.into_iter().find_map(|id| self.broken.get(&id).cloned())
    }

    fn make(&mut self, id: TypeId, reference: &str, node: &'a Node) {
        if self.made.insert(id)
            && let Err(why) = self.fill(id, node, Some(reference))
        {
            self.broken.insert(id, why);
        }
    }

    /// The type of a schema inside of another one.
    pub(super) fn inner(&mut self, node: &'a Node, name: &str) -> Result<Use, Inexpressible> {
        let nullable = self.seen.nullable(node);
        let (alias, node) = self.seen.alias(node)?;
        let ty = match alias {
            Some(reference) => self.named(reference, node)?,
            None => self.unnamed(node, name)?,
        };
        Ok(Use { ty, nullable })
    }

    /// The type of a schema that others may refer to.
    pub(super) fn named(
        &mut self,
        reference: &str,
        node: &'a Node,
    ) -> Result<TypeId, Inexpressible> {
        if let Some(known) = self.known.get(reference) {
            return Ok(*known);
        }
        let id = self.room(node, &ncname(&local(reference)))?;
        self.known.insert(reference.to_owned(), id);
        let parts = self.seen.parts(node, &|_| false)?;
        if !branches(&parts) && is_scalar(sole_type(&parts)) {
            // Nothing is inside of it.
            self.make(id, reference, node);
        } else {
            self.waiting.push_back((id, reference.to_owned(), node));
        }
        Ok(id)
    }

    fn unnamed(&mut self, node: &'a Node, name: &str) -> Result<TypeId, Inexpressible> {
        if let Some(plain) = self.plain(node)? {
            return Ok(plain);
        }
        if self.depth >= DEPTH_MAX {
            let why = format!("schemas stand more than {DEPTH_MAX} deep in one another");
            return Err(Inexpressible::new(node.at, why));
        }
        let title = node.get("title").and_then(Node::as_str).filter(|title| {
            !title.is_empty()
                && title.len() <= 40
                && title.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        let id = self.room(node, &ncname(title.unwrap_or(name)))?;
        self.depth += 1;
        let built = self.fill(id, node, None);
        self.depth -= 1;
        built?;
        match self.types.kind(id) {
            // Whatever may be anything is of one type.
            Kind::Json => Ok(self.json()),
            _ => Ok(id),
        }
    }

    /// A type that is filled later, so that what refers to itself finds it.
    pub(super) fn room(&mut self, node: &Node, wanted: &str) -> Result<TypeId, Inexpressible> {
        if self.types.len() >= TYPES_MAX {
            let why = format!("the document has more than {TYPES_MAX} types");
            return Err(Inexpressible::new(node.at, why));
        }
        let name = self.taken.name(wanted);
        Ok(self.types.add(Type { name, about: about(node), kind: Kind::Json }))
    }

    /// A scalar that says no more than its type of XML Schema does, or anything: one type for all of these.
    fn plain(&mut self, node: &'a Node) -> Result<Option<TypeId>, Inexpressible> {
        let parts = self.seen.parts(node, &|_| false)?;
        let Some(json) = sole_type(&parts) else { return Ok(None) };
        if !is_scalar(Some(json)) || branches(&parts) {
            return Ok(None);
        }
        let scalar = scalars::scalar(json, &parts);
        if !scalar.facets.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.builtin(scalar)))
    }

    pub(crate) fn builtin(&mut self, scalar: Scalar) -> TypeId {
        let types = &mut self.types;
        *self.plain.entry(scalar.base.name()).or_insert_with(|| {
            types.add(Type {
                name: String::new(),
                about: String::new(),
                kind: Kind::Scalar(scalar),
            })
        })
    }

    /// The type for whatever JSON can say.
    pub(crate) fn json(&mut self) -> TypeId {
        if let Some(known) = self.plain.get("json") {
            return *known;
        }
        let name = self.taken.name("Json");
        let about = "A value of any kind, as the text of its JSON.".to_owned();
        let id = self.types.add(Type { name, about, kind: Kind::Json });
        self.plain.insert("json", id);
        id
    }

    fn fill(
        &mut self,
        id: TypeId,
        node: &'a Node,
        reference: Option<&str>,
    ) -> Result<(), Inexpressible> {
        let base = reference.and_then(|reference| self.bases.get(reference)).cloned();
        let leave = |other: &str| base.as_deref() == Some(other);
        let parts = self.seen.parts(node, &leave)?;
        if let Some(unknown) = parts.iter().find_map(|part| part.get("$dynamicRef")) {
            return Err(Inexpressible::new(unknown.at, "`$dynamicRef` is not followed"));
        }
        let kind = match (branches(&parts), sole_type(&parts)) {
            (true, _) => self.branching(id, node, &parts)?,
            (false, Some("object")) => self.object(id, &parts, reference, base.as_deref())?,
            (false, Some("array")) => self.array(id, &parts)?,
            (false, Some(json @ ("string" | "boolean" | "integer" | "number"))) => {
                Kind::Scalar(scalars::scalar(json, &parts))
            }
            (false, None) if several_types(&parts) => self.of_types(&parts)?,
            (false, _) => Kind::Json,
        };
        if let Some(ty) = self.types.get_mut(id) {
            ty.kind = kind;
        }
        Ok(())
    }

    pub(super) fn name_of(&self, id: TypeId) -> String {
        self.types.get(id).map(|ty| ty.name.clone()).unwrap_or_default()
    }

    fn array(&mut self, id: TypeId, parts: &[&'a Node]) -> Result<Kind, Inexpressible> {
        // Items that differ by their place have no counterpart.
        if scalars::last(parts, "prefixItems").is_some() {
            return Ok(Kind::Json);
        }
        let name = self.name_of(id);
        let used = match scalars::last(parts, "items") {
            Some(items) if items.as_object().is_some() => {
                self.inner(items, &format!("{name}_item"))?
            }
            _ => Use { ty: self.json(), nullable: true },
        };
        let count = |key: &str| match &scalars::last(parts, key)?.value {
            Value::Number(digits) => digits.parse::<u64>().ok(),
            _ => None,
        };
        let (least, most) = (count("minItems").unwrap_or(0), count("maxItems"));
        let most = most.filter(|most| *most >= least.max(1));
        Ok(Kind::Array(Items { used, least, most }))
    }

    pub(super) fn object(
        &mut self,
        id: TypeId,
        parts: &[&'a Node],
        reference: Option<&str>,
        base: Option<&str>,
    ) -> Result<Kind, Inexpressible> {
        let mut object = Object::default();
        let family = reference.is_some_and(|reference| self.parents.contains_key(reference));
        if let Some(reference) = reference.filter(|_| family || base.is_some()) {
            self.extend(id, &mut object, reference)?;
        }
        let name = self.name_of(id);
        // What extends this one refers to it, and has to find what it is; its members may be of such types.
        let derived = match reference.filter(|_| family) {
            Some(reference) => self.parents.get(reference).cloned().unwrap_or_default(),
            None => Vec::new(),
        };
        let inherited: BTreeSet<String> = match object.base {
            Some(base) => self.types.fields(base).iter().map(|field| field.key.clone()).collect(),
            None => BTreeSet::new(),
        };
        let tag = object.tag.as_ref().map(|tag| tag.key.clone());
        let skip = |key: &str| inherited.contains(key) || tag.as_deref() == Some(key);
        object.fields = self.fields(&name, parts, &skip)?;
        object.extra = match object.base {
            Some(_) => None,
            None => self.extra(&name, parts, &object.fields)?,
        };
        if object.fields.is_empty() && object.extra.is_none() && object.tag.is_none() {
            let says = parts.iter().any(|part| part.get("properties").is_some() || closed(part));
            if !says {
                return Ok(Kind::Json);
            }
        }
        if let Some(ty) = self.types.get_mut(id) {
            ty.kind = Kind::Object(object);
        }
        for derived in derived {
            let Some(node) = self.component(&derived) else { continue };
            self.named(&derived, node)?;
        }
        let Some(Type { kind, .. }) = self.types.get_mut(id) else { return Ok(Kind::Json) };
        Ok(std::mem::replace(kind, Kind::Json))
    }

    /// Makes an object one of those that say of which type they are.
    fn extend(
        &mut self,
        id: TypeId,
        object: &mut Object,
        reference: &str,
    ) -> Result<(), Inexpressible> {
        let mut root = reference;
        while let Some(next) = self.bases.get(root) {
            root = next;
        }
        let said = self.component(root).and_then(|node| node.get("discriminator"));
        let key = said.and_then(|d| d.get("propertyName")).and_then(Node::as_str);
        let Some(key) = key else { return Ok(()) };
        let value = self.told_apart(said, reference);
        object.tag = Some(Tag { key: key.to_owned(), value: Some(value) });
        if let Some(base) = self.bases.get(reference).cloned()
            && let Some(node) = self.component(&base)
        {
            // What it has of its own is what the parent has not.
            let parent = self.named(&base, node)?;
            // As deep as one extends the other; they are of one family, so nothing here is made already and refers back.
            self.make(parent, &base, node);
            object.base = Some(parent);
            self.children.push((parent, id));
        }
        Ok(())
    }

    /// What the member that tells types apart says for a schema: by the mapping, or its name.
    pub(super) fn told_apart(&self, discriminator: Option<&Node>, reference: &str) -> String {
        let mapping = discriminator.and_then(|d| d.get("mapping")).and_then(Node::as_object);
        let own = local(reference);
        let means = |target: &str| target == reference || (target == own && !target.contains('/'));
        let mapped = mapping.into_iter().flat_map(|mapping| mapping.iter());
        let found = mapped.into_iter().find(|member| member.value.as_str().is_some_and(means));
        found.map_or(own, |member| member.key.clone())
    }

    /// A schema among the components, by its reference.
    fn component(&self, reference: &str) -> Option<&'a Node> {
        let schemas = self.seen.root.get("components")?.get("schemas")?;
        schemas.get(&local(reference))
    }

    /// The members of an object that have names.
    pub(super) fn fields(
        &mut self,
        owner: &str,
        parts: &[&'a Node],
        skip: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<Field>, Inexpressible> {
        let required: BTreeSet<&str> = parts
            .iter()
            .filter_map(|part| part.get("required"))
            .filter_map(|node| match &node.value {
                Value::Array(items) => Some(items),
                _ => None,
            })
            .flatten()
            .filter_map(Node::as_str)
            .collect();
        let mut fields: Vec<Field> = Vec::new();
        let mut names = BTreeSet::new();
        let properties = parts.iter().filter_map(|part| part.get("properties")?.as_object());
        for member in properties.flat_map(|object| object.iter()) {
            let key = member.key.as_str();
            let never = member.value.value == Value::Bool(false);
            if skip(key) || never || fields.iter().any(|field| field.key == key) {
                continue;
            }
            let used = match member.value.as_object() {
                Some(_) => self.inner(&member.value, &format!("{owner}_{}", ncname(key)))?,
                None => Use { ty: self.json(), nullable: true },
            };
            let xml = member.value.get("xml");
            let said = xml.and_then(|xml| xml.get("name")).and_then(Node::as_str);
            let said = said.filter(|name| pasarela_soap::xml::is_ncname(name));
            let is_scalar = matches!(self.types.kind(used.ty), Kind::Scalar(_));
            let attribute = is_scalar && !used.nullable && flag(xml, "attribute");
            let mut name = said.map_or_else(|| xml_name(key), str::to_owned);
            while !names.insert((attribute, name.clone())) {
                name.push('_');
            }
            // What only one side may say cannot be asked of the other.
            let one_sided =
                flag(Some(&member.value), "readOnly") || flag(Some(&member.value), "writeOnly");
            fields.push(Field {
                key: key.to_owned(),
                name,
                attribute,
                used,
                required: required.contains(key) && !one_sided,
                about: about(&member.value),
            });
        }
        Ok(fields)
    }

    /// The members of an object that have any name.
    fn extra(
        &mut self,
        owner: &str,
        parts: &[&'a Node],
        fields: &[Field],
    ) -> Result<Option<Extra>, Inexpressible> {
        let said = scalars::last(parts, "additionalProperties").or_else(|| {
            let patterns = scalars::last(parts, "patternProperties")?.as_object()?;
            patterns.iter().next().map(|member| &member.value)
        });
        let used = match said {
            Some(node) if node.as_object().is_some_and(|object| object.iter().len() > 0) => {
                self.inner(node, &format!("{owner}_value"))?
            }
            // Without members of their own, they are what the object is about.
            Some(node) if node.value == Value::Bool(true) || node.as_object().is_some() => {
                Use { ty: self.json(), nullable: false }
            }
            _ => return Ok(None),
        };
        let mut name = "entry".to_owned();
        while fields.iter().any(|field| field.name == name) {
            name.push('_');
        }
        let type_name = self.taken.name(&format!("{owner}_entry"));
        Ok(Some(Extra { name, type_name, used }))
    }
}

/// What a document says about something, without what only matters to its own markup.
pub(crate) fn about(node: &Node) -> String {
    let said = node.get("description").or_else(|| node.get("title")).and_then(Node::as_str);
    let said = said.unwrap_or_default().trim();
    said.chars().filter(|c| pasarela_soap::xml::is_char(*c)).take(2_000).collect()
}

/// The last part of a reference: the name of what it leads to.
pub(super) fn local(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or_default();
    crate::openapi::percent_decoded(last).replace("~1", "/").replace("~0", "~")
}

/// The only type that a schema's values are of, `null` not counted: as it says, or as its keywords tell.
pub(super) fn sole_type<'a>(parts: &[&'a Node]) -> Option<&'a str> {
    if let Some(said) = scalars::last(parts, "type") {
        return match &said.value {
            Value::String(text) => Some(text),
            Value::Array(types) => {
                let mut types = types.iter().filter_map(Node::as_str).filter(|ty| *ty != "null");
                let first = types.next()?;
                types.next().is_none().then_some(first)
            }
            _ => None,
        };
    }
    let has = |keys: &[&str]| {
        parts.iter().any(|part| substance(part).iter().any(|member| keys.contains(&&*member.key)))
    };
    if has(&["properties", "additionalProperties", "patternProperties", "required"]) {
        return Some("object");
    }
    if has(&["items"]) {
        return Some("array");
    }
    let values = scalars::last(parts, "enum").or(scalars::last(parts, "const"));
    if let Some(values) = values {
        let values = match &values.value {
            Value::Array(values) => values.iter().collect(),
            _ => vec![values],
        };
        let kind = |value: &&Node| match value.value {
            Value::String(_) => Some("string"),
            Value::Number(_) => Some("number"),
            Value::Bool(_) => Some("boolean"),
            _ => None,
        };
        let kinds: BTreeSet<_> =
            values.iter().filter(|v| v.value != Value::Null).map(kind).collect();
        let mut kinds = kinds.into_iter();
        return kinds.next().flatten().filter(|_| kinds.next().is_none());
    }
    if has(&["format", "pattern", "minLength", "maxLength", "contentEncoding"]) {
        return Some("string");
    }
    has(&["minimum", "maximum", "multipleOf"]).then_some("number")
}

fn is_scalar(json: Option<&str>) -> bool {
    matches!(json, Some("string" | "boolean" | "integer" | "number"))
}

fn several_types(parts: &[&Node]) -> bool {
    scalars::last(parts, "type").is_some_and(|said| matches!(said.value, Value::Array(_)))
}

/// Whether a schema says that its values are one of several things.
fn branches(parts: &[&Node]) -> bool {
    parts.iter().any(|part| {
        ["oneOf", "anyOf"].iter().any(|key| match part.get(key).map(|node| &node.value) {
            // Branches that only say which members go together do not say what a value is.
            Some(Value::Array(items)) => items.iter().any(|item| !is_condition(item)),
            _ => false,
        })
    })
}

/// Whether a branch says no more than which members have to be there.
pub(super) fn is_condition(node: &Node) -> bool {
    let substance = substance(node);
    !substance.is_empty()
        && substance
            .iter()
            .all(|member| matches!(&*member.key, "required" | "not" | "dependentRequired"))
}

fn closed(part: &Node) -> bool {
    ["additionalProperties", "unevaluatedProperties"]
        .iter()
        .any(|key| part.get(key).is_some_and(|node| node.value == Value::Bool(false)))
}

pub(super) fn flag(node: Option<&Node>, key: &str) -> bool {
    node.and_then(|node| node.get(key)).is_some_and(|node| node.value == Value::Bool(true))
}

/// Which schemas extend which: those with a discriminator, and those whose `allOf` refers to one of them.
fn inheritance(seen: Seen<'_>) -> (BTreeMap<String, Vec<String>>, BTreeMap<String, String>) {
    let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut bases: BTreeMap<String, String> = BTreeMap::new();
    let schemas = seen.root.get("components").and_then(|components| components.get("schemas"));
    let Some(schemas) = schemas.and_then(Node::as_object) else { return (parents, bases) };
    let reference =
        |key: &str| format!("#/components/schemas/{}", key.replace('~', "~0").replace('/', "~1"));
    for member in schemas.iter() {
        let branching = ["oneOf", "anyOf"].iter().any(|key| member.value.get(key).is_some());
        if !branching && member.value.get("discriminator").is_some() {
            parents.insert(reference(&member.key), Vec::new());
        }
    }
    // A schema that extends one of a family is of the family; one round more for each step down.
    loop {
        let before = bases.len();
        for member in schemas.iter() {
            let own = reference(&member.key);
            let Some(Node { value: Value::Array(all), .. }) = member.value.get("allOf") else {
                continue;
            };
            if bases.contains_key(&own)
                || (parents.contains_key(&own) && member.value.get("discriminator").is_some())
            {
                continue;
            }
            let known = |item: &Node| {
                let target = item.get("$ref")?.as_str()?.to_owned();
                (target != own && (parents.contains_key(&target) || bases.contains_key(&target)))
                    .then_some(target)
            };
            if let Some(base) = all.iter().find_map(known) {
                parents.entry(base.clone()).or_default().push(own.clone());
                bases.insert(own, base);
            }
        }
        if bases.len() == before {
            return (parents, bases);
        }
    }
}
