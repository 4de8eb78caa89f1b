//! From schema documents to components: every name is given a number first, then each definition is read once.
//!
//! The order is that of dependence. Groups and elements only refer to others by number and are read as they come;
//! types are read after their bases; what compares finished components (derivation, content models, values,
//! substitution) comes last. Faults are collected; what is at fault is replaced by the least restrictive thing.

use roxmltree::Node;
use rustc_hash::{FxHashMap, FxHashSet};

use super::load::{Doc, Entry, Options};
use super::model::{
    AttributeId, ConstraintId, DerivationSet, ElementId, Globals, GroupId, Notes, ParticleId,
    Schemas, TypeId,
};
use crate::fault::{Fault, FaultKind, Severity};
use crate::name::{ExpandedName, NsId, Sym, Symbols};
use crate::xsd::load::{attribute, children, is_xsd};

mod attributes;
mod builtins;
mod complex;
mod definitions;
mod derive;
mod elements;
mod finish;
mod identity;
mod names;
mod particles;
mod restrict;
mod simple;
mod values;

use attributes::AttributeSet;
use definitions::{Def, Kind};

/// Definitions that refer to each other in a chain.
const CHAIN: usize = 200;

/// Compiles all entries.
pub(super) fn compile<'d>(
    docs: &[Option<Doc<'d>>],
    entries: Vec<Entry<'d>>,
    options: &Options,
    faults: &mut Vec<Fault>,
) -> Schemas {
    let mut compiler = Compiler {
        docs,
        options,
        s: Schemas {
            symbols: Symbols::new(),
            namespaces: Vec::new(),
            elements: Vec::new(),
            attributes: Vec::new(),
            types: Vec::new(),
            particles: Vec::new(),
            groups: Vec::new(),
            wildcards: Vec::new(),
            models: Vec::new(),
            constraints: Vec::new(),
            globals: Globals::default(),
        },
        scopes: Vec::new(),
        defs: Vec::new(),
        by_name: FxHashMap::default(),
        type_states: Vec::new(),
        depths: Vec::new(),
        uses: 0,
        steps: 0,
        queue: Vec::new(),
        attribute_groups: FxHashMap::default(),
        redefining: Vec::new(),
        pending: Pending::default(),
        constraint_names: FxHashMap::default(),
        faults,
    };
    compiler.run(&entries);
    compiler.s
}

struct Compiler<'c, 'd> {
    docs: &'c [Option<Doc<'d>>],
    options: &'c Options,
    s: Schemas,
    /// What the entries say about all that stands in them.
    scopes: Vec<Scope>,
    defs: Vec<Def<'d>>,
    by_name: FxHashMap<(Kind, Sym), usize>,
    type_states: Vec<TypeState<'d>>,
    /// How many types each type is built on, one on the other; by number, 0 where it is not there.
    depths: Vec<u32>,
    /// Attributes of all types and groups, inherited ones counted again.
    uses: usize,
    /// Steps of all content models.
    steps: usize,
    /// Complex types that are to be read.
    queue: Vec<TypeId>,
    /// By definition; `None` while it is being read.
    attribute_groups: FxHashMap<usize, Option<AttributeSet>>,
    /// Definitions being read that redefine another one: references to their own name mean that.
    redefining: Vec<usize>,
    pending: Pending<'d>,
    constraint_names: FxHashMap<Sym, ConstraintId>,
    faults: &'c mut Vec<Fault>,
}

/// Where a node stands: its entry and itself.
#[derive(Debug, Clone, Copy)]
struct At<'d> {
    entry: usize,
    node: Node<'d, 'd>,
}

impl<'d> At<'d> {
    fn child(self, node: Node<'d, 'd>) -> Self {
        Self { entry: self.entry, node }
    }

    fn children(self) -> impl Iterator<Item = Self> {
        children(self.node).map(move |node| self.child(node))
    }

    fn named(self, name: &'static str) -> Option<Self> {
        self.children().find(|child| child.is(name))
    }

    fn is(self, name: &str) -> bool {
        self.node.tag_name().name() == name
    }

    fn attribute(self, name: &str) -> Option<&'d str> {
        attribute(self.node, name)
    }

    fn flag(self, name: &str) -> bool {
        matches!(self.attribute(name), Some("true" | "1"))
    }
}

/// What an entry says about all that stands in it.
#[derive(Debug, Clone)]
struct Scope {
    doc: usize,
    target: NsId,
    chameleon: bool,
    imports: FxHashSet<NsId>,
    qualified_elements: bool,
    qualified_attributes: bool,
    block: DerivationSet,
    final_: DerivationSet,
}

#[derive(Debug, Clone, Copy)]
enum TypeState<'d> {
    /// Not read yet. With the definition that it is, if it has a name.
    Raw(At<'d>, Option<usize>),
    Busy,
    Done,
}

/// What can only be looked at when all else is there.
#[derive(Default)]
struct Pending<'d> {
    /// Elements and the heads they name.
    heads: Vec<(ElementId, Sym, At<'d>)>,
    element_values: Vec<(ElementId, At<'d>)>,
    attribute_values: Vec<(AttributeId, At<'d>)>,
    /// Uses by type and position.
    keyrefs: Vec<(ConstraintId, Sym, At<'d>)>,
    /// Types and where they stand, for the comparison with their bases.
    derived: Vec<(TypeId, At<'d>)>,
    /// Groups that redefine another one without containing it.
    narrowed: Vec<(GroupId, GroupId, At<'d>)>,
    /// Attribute groups that do.
    narrowed_attributes: Vec<(usize, usize, At<'d>)>,
    /// References to groups.
    group_refs: Vec<(ParticleId, At<'d>)>,
    /// Attributes and elements, for what may not be said of their types.
    declared: Vec<(TypeId, At<'d>)>,
}

impl<'d> Compiler<'_, 'd> {
    fn run(&mut self, entries: &[Entry<'d>]) {
        self.add_builtins();
        self.collect(entries);
        self.read_all();
        self.finish();
    }

    /// Reads every definition.
    fn read_all(&mut self) {
        for index in 0..self.defs.len() {
            let def = self.defs[index].clone();
            match def.kind {
                Kind::Group => self.read_group(index),
                Kind::Element => self.read_global_element(&def),
                Kind::Attribute => self.read_global_attribute(&def),
                Kind::Type | Kind::AttributeGroup | Kind::Notation => {}
            }
        }
        self.break_group_cycles();
        for index in 0..self.defs.len() {
            match self.defs[index].kind {
                Kind::Type => self.ensure_type(TypeId(self.defs[index].id)),
                Kind::AttributeGroup => drop(self.attribute_group(index, 0)),
                _ => {}
            }
        }
        while let Some(ty) = self.queue.pop() {
            self.ensure_type(ty);
        }
    }

    fn doc(&self, entry: usize) -> Option<&Doc<'d>> {
        self.docs.get(self.scopes.get(entry)?.doc)?.as_ref()
    }

    fn place(&self, at: At<'_>) -> crate::fault::Place {
        self.doc(at.entry).map(|doc| doc.place(at.node)).unwrap_or_default()
    }

    /// Notes that a type is built on others. `false`, with a fault: on too many, one on the other.
    fn built_on(&mut self, at: At<'d>, id: TypeId, others: &[TypeId]) -> bool {
        let depth = |ty: &TypeId| self.depths.get(ty.index()).copied().unwrap_or_default();
        let deepest = others.iter().map(depth).max().unwrap_or_default() + 1;
        if deepest as usize > CHAIN {
            self.fault(at, "limit", format!("types built on each other: more than {CHAIN}"));
            return false;
        }
        if self.depths.len() <= id.index() {
            self.depths.resize(id.index() + 1, 0);
        }
        self.depths[id.index()] = deepest;
        true
    }

    /// Notes a fault.
    fn fault(&mut self, at: At<'_>, rule: &'static str, message: impl Into<String>) {
        self.report(at, rule, message.into(), Severity::Error);
    }

    /// Notes what the specification forbids and everybody lives with.
    fn tolerated(&mut self, at: At<'_>, rule: &'static str, message: impl Into<String>) {
        let severity = if self.options.strict { Severity::Error } else { Severity::Warning };
        self.report(at, rule, message.into(), severity);
    }

    fn report(&mut self, at: At<'_>, rule: &'static str, message: String, severity: Severity) {
        // One more than is shown, so that it is known that there are more.
        if self.faults.len() > self.options.faults {
            return;
        }
        let mut fault = Fault::new(FaultKind::Schema, message).rule(rule).at(self.place(at));
        fault.severity = severity;
        self.faults.push(fault);
    }

    fn notes(&self, at: At<'_>) -> Notes {
        let documented =
            |node: Node<'_, '_>| is_xsd(node) && node.tag_name().name() == "documentation";
        let annotation =
            |node: &Node<'_, '_>| is_xsd(*node) && node.tag_name().name() == "annotation";
        let texts: Vec<String> = at
            .node
            .children()
            .filter(annotation)
            .flat_map(|annotation| annotation.children())
            .filter(|node| documented(*node))
            .map(|node| node.descendants().filter_map(|n| n.is_text().then(|| n.text())?).collect())
            .map(|text: String| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect();
        let foreign = at.node.attributes().filter_map(|attr| {
            let namespace = attr.namespace().filter(|ns| *ns != crate::name::XSD)?;
            Some((ExpandedName::new(namespace, attr.name()), attr.value().into()))
        });
        Notes {
            documentation: (!texts.is_empty()).then(|| texts.join("\n\n").into()),
            foreign: foreign.collect(),
        }
    }
}
