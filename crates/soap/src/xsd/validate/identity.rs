//! `key`, `unique` and `keyref` while the document goes by.
//!
//! An element that declares constraints opens a *scope* for each. Below it, elements that a selector takes become
//! *entries*, whose fields are filled by attributes and by elements that end. A complete entry goes into the table of
//! its scope; when the scope's element ends, keyrefs look into the tables of their keys.

use std::collections::HashMap;

use super::{Frame, Outcome, Tag, Validator};
use crate::name::{NsId, Sym};
use crate::xml::{Attribute, Name};
use crate::xsd::model::{
    ConstraintId, ConstraintKind, ElementId, NameTest, Path, Schemas, SimpleDef, TypeId,
    ValueConstraint,
};
use crate::xsd::values::Value;

type Key = Vec<Value>;

/// The state of all constraints.
#[derive(Debug, Default)]
pub(super) struct Identity<'s> {
    /// The names of the open elements, from the first that has a constraint; and how deep that one is.
    names: Vec<(NsId, Sym)>,
    scopes: Vec<Scope<'s>>,
    /// Fields that wait for the end of an element.
    captures: Vec<Capture>,
    /// Tables of scopes that have ended and that a keyref further out may want.
    handed: Vec<Handed>,
    faults: Vec<(&'static str, String)>,
}

#[derive(Debug)]
struct Scope<'s> {
    id: ConstraintId,
    constraint: &'s crate::xsd::model::Constraint,
    depth: usize,
    entries: Vec<Entry>,
    /// By key; whether it is there once. Hashed with a key of its own: values are chosen by whoever writes the document.
    table: HashMap<Key, bool>,
    /// For a keyref: the keys in order.
    wanted: Vec<Key>,
}

#[derive(Debug)]
struct Entry {
    depth: usize,
    fields: Vec<Option<Value>>,
    /// Whether a field was filled by something that cannot be part of a key.
    spoilt: bool,
}

#[derive(Debug)]
struct Capture {
    depth: usize,
    scope: usize,
    entry: usize,
    field: usize,
}

#[derive(Debug)]
struct Handed {
    depth: usize,
    id: ConstraintId,
    table: HashMap<Key, bool>,
}

impl<'s> Identity<'s> {
    #[inline]
    pub(super) fn is_active(&self) -> bool {
        !self.names.is_empty()
    }

    /// An element starts. Gives whether anybody wants to know its attributes.
    #[inline]
    pub(super) fn enter(
        &mut self,
        schemas: &'s Schemas,
        name: Name<'_>,
        element: Option<ElementId>,
    ) -> bool {
        let constraints = element.map_or(&[][..], |id| schemas[id].constraints.as_slice());
        if self.names.is_empty() && constraints.is_empty() {
            return false;
        }
        self.watch(schemas, name, constraints)
    }

    #[cold]
    fn watch(
        &mut self,
        schemas: &'s Schemas,
        name: Name<'_>,
        constraints: &[ConstraintId],
    ) -> bool {
        self.names.push((name.namespace, name.sym));
        let depth = self.names.len();
        for &id in constraints {
            let constraint = &schemas[id];
            self.scopes.push(Scope {
                id,
                constraint,
                depth,
                entries: Vec::new(),
                table: HashMap::new(),
                wanted: Vec::new(),
            });
        }
        let names = &self.names;
        for (at, scope) in self.scopes.iter_mut().enumerate() {
            let selected = |path: &Path| matches(path, scope.depth, names);
            if scope.constraint.selector.iter().any(selected) {
                let fields = vec![None; scope.constraint.fields.len()];
                scope.entries.push(Entry { depth, fields, spoilt: false });
            }
            for (index, entry) in scope.entries.iter().enumerate() {
                for (field, paths) in scope.constraint.fields.iter().enumerate() {
                    let here =
                        |path: &Path| path.attribute.is_none() && matches(path, entry.depth, names);
                    if paths.iter().any(here) {
                        self.captures.push(Capture { depth, scope: at, entry: index, field });
                    }
                }
            }
        }
        true
    }

    /// An attribute of the element that started last.
    #[cold]
    pub(super) fn attribute<T: Tag>(
        &mut self,
        schemas: &'s Schemas,
        attribute: &Attribute<'_>,
        ty: TypeId,
        tag: &T,
    ) {
        let name = (attribute.name.namespace, attribute.name.sym);
        self.fill_attribute(name, || {
            schemas[ty].simple().and_then(|simple| simple.compiled.parse(attribute.value, tag).ok())
        });
    }

    /// An attribute that is not there and has a default.
    #[cold]
    pub(super) fn absent_attribute(
        &mut self,
        schemas: &'s Schemas,
        name: Sym,
        value: &ValueConstraint,
    ) {
        let (namespace, _) = schemas.symbols.name(name);
        self.fill_attribute((namespace, name), || value.value.clone());
    }

    fn fill_attribute(&mut self, name: (NsId, Sym), value: impl Fn() -> Option<Value>) {
        let names = &self.names;
        for scope in &mut self.scopes {
            for entry in &mut scope.entries {
                for (field, paths) in scope.constraint.fields.iter().enumerate() {
                    let here = |path: &Path| {
                        path.attribute.is_some_and(|test| takes(test, name))
                            && matches(path, entry.depth, names)
                    };
                    if paths.iter().any(here)
                        && let Some(value) = value()
                    {
                        fill(entry, field, value, &mut self.faults);
                    }
                }
            }
        }
    }
}

impl<'s> Validator<'s> {
    /// An element ends: fields, entries and scopes that end with it.
    #[cold]
    pub(super) fn leave<T: Tag>(
        &mut self,
        at: &T,
        frame: &Frame<'s>,
        simple: Option<&SimpleDef>,
    ) -> Outcome {
        let depth = self.identity.names.len();
        self.fill_captures(at, frame, simple, depth);
        self.end_entries(depth);
        self.end_scopes(depth);
        self.identity.names.pop();
        for (rule, message) in std::mem::take(&mut self.identity.faults) {
            self.fault(at, rule, message)?;
        }
        Ok(())
    }

    fn fill_captures<T: Tag>(
        &mut self,
        at: &T,
        frame: &Frame<'s>,
        simple: Option<&SimpleDef>,
        depth: usize,
    ) {
        let nillable = frame.element.is_some_and(|id| self.schemas[id].nillable);
        while self.identity.captures.last().is_some_and(|capture| capture.depth == depth) {
            let Some(capture) = self.identity.captures.pop() else { return };
            let Identity { scopes, faults, .. } = &mut self.identity;
            let Some(scope) = scopes.get_mut(capture.scope) else { continue };
            let Some(entry) = scope.entries.get_mut(capture.entry) else { continue };
            if nillable && scope.constraint.kind == ConstraintKind::Key {
                entry.spoilt = true;
                faults.push((
                    "cvc-identity-constraint.4.2.3",
                    "a field of a key may not be nillable".into(),
                ));
            }
            if frame.nil {
                continue;
            }
            let Some(simple) = simple else {
                entry.spoilt = true;
                faults.push((
                    "cvc-identity-constraint.3",
                    "a field has to be of simple content".into(),
                ));
                continue;
            };
            if let Ok(value) = simple.compiled.parse(&self.text, at) {
                fill(entry, capture.field, value, faults);
            }
        }
    }

    fn end_entries(&mut self, depth: usize) {
        let Identity { scopes, faults, .. } = &mut self.identity;
        for scope in scopes {
            while scope.entries.last().is_some_and(|entry| entry.depth == depth) {
                let Some(entry) = scope.entries.pop() else { break };
                if entry.spoilt {
                    continue;
                }
                let name = || self.schemas.text_of(scope.constraint.name);
                let Some(key) = entry.fields.into_iter().collect::<Option<Key>>() else {
                    if scope.constraint.kind == ConstraintKind::Key {
                        faults.push((
                            "cvc-identity-constraint.4.2.1",
                            format!("a field of the key {} is missing", name()),
                        ));
                    }
                    continue;
                };
                if let ConstraintKind::Keyref(_) = scope.constraint.kind {
                    scope.wanted.push(key);
                } else if scope.table.insert(key, true).is_some() {
                    let rule = match scope.constraint.kind {
                        ConstraintKind::Key => "cvc-identity-constraint.4.2.2",
                        _ => "cvc-identity-constraint.4.1",
                    };
                    faults.push((rule, format!("a second one of the same value for {}", name())));
                }
            }
        }
    }

    fn end_scopes(&mut self, depth: usize) {
        let Identity { scopes, handed, faults, .. } = &mut self.identity;
        let first = scopes.iter().position(|scope| scope.depth == depth).unwrap_or(scopes.len());
        let ended: Vec<Scope<'s>> = scopes.drain(first..).collect();
        for scope in &ended {
            let ConstraintKind::Keyref(key) = scope.constraint.kind else { continue };
            let own = ended.iter().filter(|other| other.id == key).map(|other| &other.table);
            let inner = handed.iter().filter(|h| h.depth >= depth && h.id == key).map(|h| &h.table);
            let tables: Vec<_> = own.chain(inner).collect();
            for wanted in &scope.wanted {
                let there = tables.iter().any(|table| table.get(wanted).copied().unwrap_or(false));
                if !there {
                    let name = self.schemas.text_of(scope.constraint.name);
                    faults.push((
                        "cvc-identity-constraint.4.3",
                        format!("{name} refers to a key that is not there"),
                    ));
                }
            }
        }
        for scope in ended.into_iter().filter(|scope| scope.constraint.handed_up) {
            handed.push(Handed { depth, id: scope.id, table: scope.table });
        }
        hand_up(handed, depth);
    }
}

/// Tables of an element that ended become those of the one around it. What two children have is of neither.
fn hand_up(handed: &mut Vec<Handed>, depth: usize) {
    while let Some(last) = handed.last()
        && last.depth >= depth
    {
        let Some(mut last) = handed.pop() else { return };
        last.depth = depth - 1;
        let same = |h: &&mut Handed| h.depth + 1 >= depth && h.id == last.id;
        match handed.iter_mut().find(same) {
            Some(other) => {
                let own = other.depth == depth;
                for (key, once) in last.table {
                    other
                        .table
                        .entry(key)
                        .and_modify(|known| *known = *known && own)
                        .or_insert(once);
                }
            }
            None => {
                let at = handed.iter().position(|h| h.depth >= depth).unwrap_or(handed.len());
                handed.insert(at, last);
            }
        }
        if depth == 1 {
            handed.clear();
        }
    }
}

fn fill(entry: &mut Entry, field: usize, value: Value, faults: &mut Vec<(&'static str, String)>) {
    let Some(slot) = entry.fields.get_mut(field) else { return };
    if slot.replace(value).is_some() {
        entry.spoilt = true;
        faults.push(("cvc-identity-constraint.3", "a field that is there twice".into()));
    }
}

/// Whether a path leads from an open element to the innermost one. Its attribute is not looked at.
fn matches(path: &Path, from: usize, names: &[(NsId, Sym)]) -> bool {
    let Some(below) = names.get(from..) else { return false };
    let steps = path.steps.len();
    if below.len() < steps || (!path.descendants && below.len() != steps) {
        return false;
    }
    let last = &below[below.len() - steps..];
    path.steps.iter().zip(last).all(|(test, name)| takes(*test, *name))
}

fn takes(test: NameTest, (namespace, name): (NsId, Sym)) -> bool {
    match test {
        NameTest::Any => true,
        NameTest::Namespace(wanted) => namespace == wanted,
        NameTest::Name(wanted) => name == wanted,
    }
}
