//! Names of components: of types their own, of anonymous types the way to them.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::transcode::Names;
use crate::xsd::model::{ElementId, Schemas, Term, TypeId};

/// The name of each type's component, by index, and all names that are taken. Built-in types and anonymous simple types
/// have none. All types get their names at once, so that they do not depend on what a document happens to need.
pub(crate) fn components(schemas: &Schemas, short: &Names) -> (Vec<String>, FxHashSet<String>) {
    let mut names = vec![String::new(); schemas.all_types().count()];
    let mut taken: FxHashSet<String> =
        ["any", "Problem", "xs.anyType", "xs.anySimpleType", "xs.anyElement"]
            .into_iter()
            .map(str::to_lowercase)
            .collect();
    let own =
        || schemas.all_types().filter(|(id, _)| !schemas.is_builtin(*id) && *id != TypeId::ANY);
    for (id, def) in own() {
        if def.name.is_some() {
            names[id.index()] = free(&clean(short.type_name(id)), &mut taken);
        }
    }
    let around = around(schemas);
    for (id, def) in own() {
        if def.name.is_none() && def.complex().is_some() {
            name_anonymous(schemas, id, &around, &mut names, &mut taken);
        }
    }
    (names, taken)
}

/// The first type whose content has an element.
fn around(schemas: &Schemas) -> FxHashMap<ElementId, TypeId> {
    let mut around = FxHashMap::default();
    for (id, _) in schemas.all_types() {
        let slots = schemas.particle_of(id).map(|particle| schemas.slots(particle));
        for slot in slots.into_iter().flatten() {
            if let Term::Element(element) = slot.term
                && !schemas[element].global
            {
                around.entry(element).or_insert(id);
            }
        }
    }
    around
}

/// `order` for the type of the global element, `Order.item` for that of an element inside of a type.
fn name_anonymous(
    schemas: &Schemas,
    ty: TypeId,
    around: &FxHashMap<ElementId, TypeId>,
    names: &mut [String],
    taken: &mut FxHashSet<String>,
) {
    // Those around it first; a type cannot be inside of itself without a name on the way.
    let mut chain = vec![ty];
    while let Some(&inner) = chain.last()
        && let Some(outer) = schemas[inner].owner.and_then(|owner| around.get(&owner))
        && names[outer.index()].is_empty()
        && !chain.contains(outer)
    {
        chain.push(*outer);
    }
    for &at in chain.iter().rev() {
        if !names[at.index()].is_empty() {
            continue;
        }
        let Some(owner) = schemas[at].owner else {
            names[at.index()] = free("anonymous", taken);
            continue;
        };
        let (_, local) = schemas.symbols.name(schemas[owner].name);
        let name = match around.get(&owner).map(|outer| names[outer.index()].as_str()) {
            Some(outer) if !outer.is_empty() => format!("{outer}.{}", clean(local)),
            _ if taken.contains(&clean(local).to_lowercase()) => format!("{}Element", clean(local)),
            _ => clean(local),
        };
        names[at.index()] = free(&name, taken);
    }
}

/// What OpenAPI allows in the name of a component.
pub(super) fn clean(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars()
        .map(|c| {
            if c == ':' {
                '.'
            } else if allowed(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

/// The name, or with a number if it is taken. Names that differ in case alone would meet in somebody's files.
pub(super) fn free(wanted: &str, taken: &mut FxHashSet<String>) -> String {
    let mut name = wanted.to_owned();
    let mut number = 2;
    while !taken.insert(name.to_lowercase()) {
        name = format!("{wanted}{number}");
        number += 1;
    }
    name
}
