//! `oneOf` and `anyOf`: types that extend one another where a member tells which it is, branches where nothing does.

use super::{
    Base, Branch, Builder, Field, Inexpressible, Kind, Object, Scalar, Tag, Type, TypeId,
    build::{is_condition, local, sole_type},
    scalars,
};
use crate::tree::{Node, Value};

/// A choice that a member decides, among schemas that are made elsewhere.
pub(crate) struct Undecided<'a> {
    pub(super) id: TypeId,
    branches: Vec<&'a Node>,
    discriminator: Option<&'a Node>,
}

/// Branches of one choice.
const BRANCHES_MAX: usize = 500;

impl<'a> Builder<'a> {
    /// A schema that is one of several things.
    pub(super) fn branching(
        &mut self,
        id: TypeId,
        node: &'a Node,
        parts: &[&'a Node],
    ) -> Result<Kind, Inexpressible> {
        let listed = |key: &str| {
            let items = parts.iter().filter_map(|part| match part.get(key).map(|n| &n.value) {
                Some(Value::Array(items)) => Some(items),
                _ => None,
            });
            items.flatten().collect::<Vec<&'a Node>>()
        };
        let (any, mut all) = (listed("anyOf"), listed("oneOf"));
        let exclusive = any.is_empty();
        all.extend(any);
        all.retain(|branch| !is_condition(branch) && !self.is_null(branch));
        if all.len() > BRANCHES_MAX {
            let why = format!("a choice has more than {BRANCHES_MAX} branches");
            return Err(Inexpressible::new(node.at, why));
        }
        let own = parts.iter().any(|part| part.get("properties").is_some());
        let discriminator = scalars::last(parts, "discriminator").filter(|_| !own);
        let refers = all.iter().map(|branch| Ok(self.seen.alias(branch)?.0.is_some()));
        let refers: Result<Vec<bool>, Inexpressible> = refers.collect();
        if discriminator.is_some() && !all.is_empty() && refers?.into_iter().all(|refers| refers) {
            for branch in &all {
                self.inner(branch, "")?;
            }
            self.undecided.push(Undecided { id, branches: all, discriminator });
            // Until it is decided it is a choice of nothing yet.
            return Ok(Kind::Choice(Vec::new()));
        }
        if let Some(kind) = self.of_scalars(&all)? {
            return Ok(kind);
        }
        // Members that stand beside the branches, or any of several sets of members: all of them, and none has to be there.
        if (own || !exclusive)
            && let Some(kind) = self.merged(id, parts, &all)?
        {
            return Ok(kind);
        }
        self.choice(id, &all, discriminator)
    }

    /// Lays out a choice among objects, when these are made.
    pub(super) fn decide(&mut self, one: Undecided<'a>) -> Result<(), Inexpressible> {
        let Undecided { id, branches, discriminator } = one;
        let kind = match self.family(id, &branches, discriminator)? {
            Some(family) => family,
            None => self.choice(id, &branches, discriminator)?,
        };
        if let Some(ty) = self.types.get_mut(id) {
            ty.kind = kind;
        }
        Ok(())
    }

    fn is_null(&self, node: &'a Node) -> bool {
        let target = self.seen.followed(node).unwrap_or(node);
        let is_null = |node: &Node| node.as_str() == Some("null");
        target.get("type").is_some_and(|ty| match &ty.value {
            Value::Array(types) => types.iter().all(is_null),
            _ => is_null(ty),
        }) || target.get("const").is_some_and(|node| node.value == Value::Null)
    }

    /// Objects of which a member says which they are, as types that extend one.
    fn family(
        &mut self,
        id: TypeId,
        branches: &[&'a Node],
        discriminator: Option<&'a Node>,
    ) -> Result<Option<Kind>, Inexpressible> {
        let key = discriminator.and_then(|d| d.get("propertyName")).and_then(Node::as_str);
        let Some(key) = key else { return Ok(None) };
        let mut members = Vec::new();
        for branch in branches {
            let (Some(reference), node) = self.seen.alias(branch)? else { return Ok(None) };
            let ty = self.named(reference, node)?;
            members.push((ty, self.told_apart(discriminator, reference), reference));
        }
        if members.is_empty() || self.mapped_twice(discriminator, &members) {
            return Ok(None);
        }
        let mut same = key.to_owned();
        members.iter().for_each(|(ty, value, _)| same.push_str(&format!(" {} {value:?}", ty.0)));
        if let Some(known) = self.families.get(&same) {
            // The same choice elsewhere: nothing can extend two types, so this one is another name for that.
            let branch = Branch { name: self.name_of(*known), ty: *known, tag: None };
            return Ok(Some(Kind::Choice(vec![branch])));
        }
        let free = |ty: &TypeId| {
            *ty != id
                && self.types.object(*ty).is_some_and(|object| {
                    object.base.is_none() && object.tag.is_none() && !object.is_abstract
                })
        };
        let mut different: Vec<TypeId> = members.iter().map(|(ty, ..)| *ty).collect();
        different.sort_unstable();
        different.dedup();
        if different.len() != members.len() || !members.iter().all(|(ty, ..)| free(ty)) {
            return Ok(None);
        }
        for (ty, value, _) in members {
            if let Some(Type { kind: Kind::Object(object), .. }) = self.types.get_mut(ty) {
                object.base = Some(id);
                object.tag = Some(Tag { key: key.to_owned(), value: Some(value) });
                object.fields.retain(|field| field.key != key);
            }
            self.children.push((id, ty));
        }
        self.families.insert(same, id);
        Ok(Some(Kind::Object(Object {
            is_abstract: true,
            tag: Some(Tag { key: key.to_owned(), value: None }),
            ..Object::default()
        })))
    }

    /// Whether several values of the member mean one type, so that the type does not tell the value.
    fn mapped_twice(
        &self,
        discriminator: Option<&Node>,
        members: &[(TypeId, String, &str)],
    ) -> bool {
        let mapping = discriminator.and_then(|d| d.get("mapping")).and_then(Node::as_object);
        let Some(mapping) = mapping else { return false };
        members.iter().any(|(_, _, reference)| {
            let own = local(reference);
            let means = |target: &str| target == *reference || target == own;
            mapping.iter().filter(|member| member.value.as_str().is_some_and(means)).count() > 1
        })
    }

    /// Branches that are all of one scalar type are that type, without what tells them apart.
    fn of_scalars(&mut self, branches: &[&'a Node]) -> Result<Option<Kind>, Inexpressible> {
        let mut bases: Vec<Scalar> = Vec::new();
        for branch in branches {
            let parts = self.seen.parts(branch, &|_| false)?;
            match sole_type(&parts) {
                Some(json @ ("string" | "boolean" | "integer" | "number")) => {
                    bases.push(scalars::scalar(json, &parts));
                }
                _ => return Ok(None),
            }
        }
        let Some(first) = bases.first() else { return Ok(None) };
        if bases.len() == 1 {
            return Ok(bases.pop().map(Kind::Scalar));
        }
        let base = match first.base {
            base if bases.iter().all(|other| other.base == base) => base,
            _ if bases.iter().all(|other| other.base.is_whole()) => Base::Integer,
            _ if bases.iter().all(|other| other.base.is_number()) => Base::Decimal,
            _ if bases.iter().all(|o| !o.base.is_number() && o.base != Base::Boolean) => {
                Base::String
            }
            _ => return Ok(None),
        };
        let closed = bases.iter().all(|scalar| {
            !scalar.facets.is_empty()
                && scalar.facets.iter().all(|(name, _)| *name == "enumeration")
        });
        let mut facets: Vec<(&'static str, String)> = Vec::new();
        if closed {
            for facet in bases.into_iter().flat_map(|scalar| scalar.facets) {
                if !facets.contains(&facet) {
                    facets.push(facet);
                }
            }
        }
        Ok(Some(Kind::Scalar(Scalar { base, facets })))
    }

    /// One object with the members of all branches; none where two differ about a member, or one is no object.
    fn merged(
        &mut self,
        id: TypeId,
        parts: &[&'a Node],
        branches: &[&'a Node],
    ) -> Result<Option<Kind>, Inexpressible> {
        let name = self.name_of(id);
        let mut of_all = Vec::new();
        for branch in branches {
            let inner = self.seen.parts(branch, &|_| false)?;
            let plain =
                inner.iter().all(|part| part.get("oneOf").is_none() && part.get("anyOf").is_none());
            if sole_type(&inner) != Some("object") || !plain {
                return Ok(None);
            }
            of_all.push(inner);
        }
        // A schema that is nothing but its branches has no members beside theirs.
        let mut object = match self.object(id, parts, None, None)? {
            Kind::Object(object) => object,
            _ => Object::default(),
        };
        let own = object.fields.len();
        let mut times: Vec<(String, usize)> = Vec::new();
        for inner in &of_all {
            for field in self.fields(&name, inner, &|_| false)? {
                let Field { key, used, required, .. } = &field;
                if *required {
                    match times.iter_mut().find(|(known, _)| known == key) {
                        Some((_, times)) => *times += 1,
                        None => times.push((key.clone(), 1)),
                    }
                }
                match object.fields.iter().find(|known| known.key == *key) {
                    Some(known) if known.used.ty != used.ty => return Ok(None),
                    Some(_) => {}
                    None => object.fields.push(Field { required: false, ..field }),
                }
            }
        }
        for field in object.fields.iter_mut().skip(own) {
            field.required = times.iter().any(|(key, n)| *key == field.key && *n == branches.len());
        }
        Ok(Some(Kind::Object(object)))
    }

    fn choice(
        &mut self,
        id: TypeId,
        branches: &[&'a Node],
        discriminator: Option<&'a Node>,
    ) -> Result<Kind, Inexpressible> {
        let owner = self.name_of(id);
        let key = discriminator.and_then(|d| d.get("propertyName")).and_then(Node::as_str);
        let mut made: Vec<Branch> = Vec::new();
        for (number, branch) in branches.iter().enumerate() {
            let used = self.inner(branch, &format!("{owner}_{}", number + 1))?;
            if made.iter().any(|known| known.ty == used.ty) {
                continue;
            }
            let reference = self.seen.alias(branch)?.0;
            let tag = key.zip(reference).map(|(key, reference)| {
                (key.to_owned(), self.told_apart(discriminator, reference))
            });
            let wanted = self.branch_name(used.ty, reference);
            let numbered = (2..).map(|number: usize| format!("{wanted}{number}"));
            let free = std::iter::once(wanted.clone())
                .chain(numbered)
                .find(|name| made.iter().all(|known| known.name != *name));
            made.push(Branch { name: free.unwrap_or_default(), ty: used.ty, tag });
        }
        Ok(if made.is_empty() { Kind::Json } else { Kind::Choice(made) })
    }

    fn branch_name(&self, ty: TypeId, reference: Option<&str>) -> String {
        if let Some(reference) = reference {
            return super::ncname(&local(reference));
        }
        match self.types.kind(ty) {
            Kind::Scalar(scalar) if scalar.base.is_whole() => "integer".to_owned(),
            Kind::Scalar(scalar) if scalar.base.is_number() => "number".to_owned(),
            Kind::Scalar(scalar) => scalar.base.name().to_owned(),
            Kind::Array(_) => "list".to_owned(),
            Kind::Object(_) => "object".to_owned(),
            Kind::Choice(_) => "choice".to_owned(),
            Kind::Json => "json".to_owned(),
        }
    }

    /// A schema that names several types of JSON: a branch for each.
    pub(super) fn of_types(&mut self, parts: &[&'a Node]) -> Result<Kind, Inexpressible> {
        let said = match scalars::last(parts, "type").map(|node| &node.value) {
            Some(Value::Array(types)) => types.iter().filter_map(Node::as_str).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        let mut branches = Vec::new();
        for json in said.into_iter().filter(|ty| *ty != "null") {
            let (name, ty) = match json {
                "string" | "boolean" | "integer" | "number" => {
                    let mut scalar = scalars::scalar(json, parts);
                    scalar.facets.clear();
                    (json, self.builtin(scalar))
                }
                // What else it says would be of one of them; nobody knows of which.
                _ => (if json == "array" { "list" } else { "json" }, self.json()),
            };
            if json == "number" {
                // Whole numbers are numbers.
                branches.retain(|known: &Branch| known.name != "integer");
            }
            branches.push(Branch { name: name.to_owned(), ty, tag: None });
        }
        Ok(if branches.is_empty() { Kind::Json } else { Kind::Choice(branches) })
    }
}
