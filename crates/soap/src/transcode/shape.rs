//! The shape of a type's JSON: which keys, which of them arrays, what is gathered under `$items`.
//!
//! An element that may occur more than once is an array. A group of several members that may repeat is an array of
//! objects under `$items`, one object a round: a scope of its own. Everything else lies flat in the object of the type.

use rustc_hash::FxHashMap;

use super::Options;
use super::bunch::{Bunch, Particle as Bunched, Term as Bundle};
use super::names::Names;
use super::outline::Node;
use crate::name::{NsId, Sym, same};
use crate::xsd::model::{
    AttributeUse, ComplexDef, Compositor, Content, DerivationSet, ElementId, GroupId, ModelId,
    Particle, ParticleId, Schemas, Term, TypeId, WildcardId, times,
};

/// So many elements and wildcards may be in the content of one type.
const LEAVES: usize = 20_000;

/// Up to so many attributes are looked through for a key.
const FEW: usize = 6;

/// No member, no leaf.
pub(super) const NONE: u32 = u32::MAX;

/// The JSON of one type.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) attributes: Attributes,
    /// Whether other types may appear in its place, so that `$type` has to be looked for.
    pub(super) polymorphic: bool,
    pub(super) is_abstract: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A value.
    Simple,
    /// An object of `$value` and attributes; the content is of this simple type.
    SimpleContent(TypeId),
    /// An object of attributes alone.
    Empty,
    /// An object of attributes and elements.
    Elements(Box<Elements>),
    /// An object of attributes and `$content`.
    Mixed(Box<Elements>),
    /// `xs:anyType`: a tree that says itself what it is.
    Any,
    /// `xs:anySimpleType`
    AnySimple,
}

#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) known: Vec<Attribute>,
    /// By key, the `@` left out.
    by_key: FxHashMap<Box<str>, u32>,
    pub(super) any: Option<WildcardId>,
    /// Those among the first 64 that have to be there; those beyond are looked at one by one.
    pub(super) required: u64,
    pub(super) has_defaults: bool,
}

#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) usage: AttributeUse,
    /// `"@name":`
    pub(super) json_key: Box<str>,
    /// The key without the `@`.
    pub(super) key: Box<str>,
    /// ` name="` or ` alias:name="`
    pub(super) xml: Box<str>,
    pub(super) namespace: NsId,
}

/// Element content.
#[derive(Debug)]
pub(super) struct Elements {
    pub(super) model: ModelId,
    /// The first is the object of the type itself.
    pub(super) scopes: Vec<Scope>,
    pub(super) leaves: Vec<Leaf>,
    /// Leaves by particle and element ([`NONE`] for a wildcard), sorted.
    lookup: Vec<(ParticleId, u32, u32)>,
    /// One scope, and no key that comes back after another: the common case.
    pub(super) plain: bool,
    /// The member that stands for the whole under `collapse_wrapped_arrays`.
    pub(super) collapsed: Option<u32>,
    /// Repeated groups whose members lie flat.
    pub(super) bunches: Vec<Bunch>,
}

/// An object: of the type, or of one round of a repeated group.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) members: Vec<Member>,
    by_key: FxHashMap<Box<str>, u32>,
    /// Whether the values of a key may come apart, with others between them.
    pub(super) split: bool,
    /// The scope around, and which of its members this is.
    pub(super) parent: (u32, u32),
    /// How the members go together. Nothing in mixed content, where all may come at any time.
    pub(super) root: Option<Node>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: Box<str>,
    /// `"key":`
    pub(super) json_key: Box<str>,
    pub(super) what: What,
    pub(super) array: bool,
    /// Its leaves, in schema order; for `$items` the first leaf inside.
    pub(super) leaves: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Element(ElementId),
    /// `$items`: the rounds are objects of this scope.
    Items(u32),
    /// `$any`
    Any,
}

/// An element or a wildcard of the content model.
#[derive(Debug)]
pub(super) struct Leaf {
    /// Its particle and its element, [`NONE`] for a wildcard.
    wanted: (ParticleId, u32),
    pub(super) scope: u32,
    pub(super) member: u32,
    /// How often it may occur in one round of its scope.
    pub(super) max: u32,
    pub(super) min: u32,
    pub(super) wildcard: Option<WildcardId>,
    /// From the outermost group inwards.
    path: Vec<Step>,
}

/// A group on the way to a leaf.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Which group, counted over the type.
    group: u32,
    child: u32,
    choice: bool,
    /// The scope that its children lie in.
    scope: u32,
}

impl Shape {
    pub(super) fn compile(schemas: &Schemas, names: &Names, options: &Options, ty: TypeId) -> Self {
        let def = &schemas[ty];
        let others = schemas.concrete_types(ty, DerivationSet::NONE);
        let polymorphic = def.is_abstract || others.iter().any(|&other| other != ty);
        let mut shape = Self {
            kind: Kind::Simple,
            attributes: Attributes::default(),
            polymorphic,
            is_abstract: def.is_abstract,
        };
        if ty == TypeId::ANY {
            (shape.kind, shape.polymorphic) = (Kind::Any, true);
            if let Some(complex) = def.complex() {
                shape.attributes = Attributes::compile(schemas, names, complex);
            }
        } else if ty == TypeId::ANY_SIMPLE {
            (shape.kind, shape.polymorphic) = (Kind::AnySimple, true);
        } else if let Some(complex) = def.complex() {
            shape.attributes = Attributes::compile(schemas, names, complex);
            shape.kind = Self::content(schemas, names, complex, options.grouped);
            shape.collapse(schemas, options);
        }
        shape
    }

    fn content(schemas: &Schemas, names: &Names, complex: &ComplexDef, grouped: bool) -> Kind {
        match complex.content {
            Content::Empty => Kind::Empty,
            Content::Simple(simple) => Kind::SimpleContent(simple),
            Content::Elements { particle, mixed, model } => {
                let builder = Builder::new(schemas, names, model, mixed, grouped);
                let elements = Box::new(builder.build(particle));
                if mixed { Kind::Mixed(elements) } else { Kind::Elements(elements) }
            }
        }
    }

    /// Whether it is nothing but a wrapper around one array (§6, `collapse_wrapped_arrays`).
    fn collapse(&mut self, schemas: &Schemas, options: &Options) {
        let Kind::Elements(elements) = &mut self.kind else { return };
        let bare =
            self.attributes.known.is_empty() && self.attributes.any.is_none() && !self.polymorphic;
        if let ([scope], [_], true) =
            (elements.scopes.as_slice(), elements.leaves.as_slice(), bare)
            && let [Member { what: What::Element(element), array: true, .. }] =
            scope.members.as_slice()
            && schemas[*element].members.is_empty()
            // An array of an encoding is nothing but an array.
            && (options.collapse_wrapped_arrays || is_item(schemas, *element))
        {
            elements.collapsed = Some(0);
        }
    }

    pub(super) fn elements(&self) -> Option<&Elements> {
        match &self.kind {
            Kind::Elements(elements) | Kind::Mixed(elements) => Some(elements),
            _ => None,
        }
    }
}

fn is_item(schemas: &Schemas, element: ElementId) -> bool {
    schemas.symbols.name(schemas[element].name).1 == crate::encoding::ITEM
}

impl Attributes {
    fn compile(schemas: &Schemas, names: &Names, complex: &ComplexDef) -> Self {
        let mut all = Self { any: complex.any_attribute, ..Self::default() };
        for (at, usage) in complex.attributes.iter().enumerate() {
            let (namespace, local) = schemas.symbols.name(usage.name);
            let key = names.qualified(namespace, local);
            if usage.required && at < 64 {
                all.required |= 1 << at;
            }
            all.has_defaults |= usage.value.is_some() && !usage.required;
            all.by_key.insert(key.as_str().into(), index(at));
            all.known.push(Attribute {
                usage: usage.clone(),
                json_key: format!("\"@{key}\":").into(),
                xml: format!(" {key}=\"").into(),
                key: key.into(),
                namespace,
            });
        }
        all
    }

    #[inline]
    pub(super) fn by_sym(&self, name: Sym) -> Option<usize> {
        self.known.iter().position(|attribute| attribute.usage.name == name)
    }

    pub(super) fn by_key(&self, key: &str) -> Option<usize> {
        if self.known.len() <= FEW {
            let same = |attribute: &Attribute| same(attribute.key.as_bytes(), key.as_bytes());
            return self.known.iter().position(same);
        }
        self.by_key.get(key).map(|&at| at as usize)
    }
}

impl Elements {
    /// The leaf that an element or a wildcard hit, the first at or behind `after` where a group is used twice.
    #[inline]
    pub(super) fn leaf(
        &self,
        particle: ParticleId,
        element: Option<ElementId>,
        after: u32,
    ) -> Option<u32> {
        let wanted = (particle, element.map_or(NONE, |e| index(e.index())));
        // Mostly it is the one that came last, or the next.
        let near = self.leaves.get(after as usize..).unwrap_or_default();
        if let Some((_, number)) =
            near.iter().take(2).zip(after..).find(|(leaf, _)| leaf.wanted == wanted)
        {
            return Some(number);
        }
        let first = self.lookup.partition_point(|&(p, e, _)| (p, e) < wanted);
        let mut found = self.lookup[first..]
            .iter()
            .take_while(|&&(p, e, _)| (p, e) == wanted)
            .map(|&(.., leaf)| leaf);
        let earliest = found.next()?;
        if after == NONE || earliest >= after {
            return Some(earliest);
        }
        Some(found.find(|&leaf| leaf >= after).unwrap_or(earliest))
    }

    /// Whether a leaf of a scope belongs to a repeated group that lies flat.
    pub(super) fn is_bunched(&self, scope: u32, leaf: u32) -> bool {
        let mut of_scope = self.bunches.iter().filter(|bunch| bunch.scope == scope);
        of_scope.any(|bunch| {
            leaf.checked_sub(bunch.first).is_some_and(|at| (at as usize) < bunch.leaves)
        })
    }

    /// Whether two leaves are in different branches of a choice.
    pub(super) fn exclusive(&self, a: u32, b: u32) -> bool {
        exclusive(&self.leaves, a, b)
    }

    /// Whether leaf `b` can follow leaf `a`, which came `count` times, in the same round of a scope.
    pub(super) fn continues(&self, scope: u32, a: u32, count: u32, b: u32) -> bool {
        let (Some(before), Some(after)) =
            (self.leaves.get(a as usize), self.leaves.get(b as usize))
        else {
            return false;
        };
        if a == b {
            return after.scope != scope || count < after.max;
        }
        let parting = before
            .path
            .iter()
            .zip(&after.path)
            .find(|(x, y)| x.group == y.group && x.child != y.child);
        match parting {
            Some((x, y)) if x.scope == scope => !x.choice && x.child < y.child,
            // They part further inside: a nested group goes round, and this one does not notice.
            _ => true,
        }
    }
}

impl Scope {
    #[inline]
    pub(super) fn member(&self, key: &str, guess: u32) -> Option<u32> {
        // JSON mostly comes in schema order.
        if self
            .members
            .get(guess as usize)
            .is_some_and(|member| same(member.key.as_bytes(), key.as_bytes()))
        {
            return Some(guess);
        }
        self.by_key.get(key).copied()
    }
}

struct Builder<'s> {
    schemas: &'s Schemas,
    names: &'s Names,
    elements: Elements,
    /// By local name the name that has it; [`Sym::UNKNOWN`] where there are several.
    clashes: FxHashMap<&'s str, Sym>,
    groups: u32,
    mixed: bool,
    grouped: bool,
    /// At how many particles a name stands; wildcards are [`Sym::UNKNOWN`].
    places: FxHashMap<Sym, u32>,
    /// Whether a group around lies flat.
    flat: bool,
}

/// How often something occurs in one round of its scope.
#[derive(Clone, Copy)]
struct Reach {
    min: u32,
    max: u32,
}

impl<'s> Builder<'s> {
    fn new(
        schemas: &'s Schemas,
        names: &'s Names,
        model: ModelId,
        mixed: bool,
        grouped: bool,
    ) -> Self {
        let elements = Elements {
            model,
            scopes: vec![Scope::default()],
            leaves: Vec::new(),
            lookup: Vec::new(),
            plain: true,
            collapsed: None,
            bunches: Vec::new(),
        };
        let (clashes, places) = (FxHashMap::default(), FxHashMap::default());
        Self { schemas, names, elements, clashes, groups: 0, mixed, grouped, places, flat: false }
    }

    fn build(mut self, root: Option<ParticleId>) -> Elements {
        if let Some(root) = root {
            self.find_clashes(root, &mut { LEAVES });
            let node = self.walk(root, 0, Reach { min: 1, max: 1 }, &mut Vec::new());
            self.scope(0).root = node.filter(|_| !self.mixed);
        }
        self.finish()
    }

    /// Local names that occur with several namespaces: their keys need an alias.
    fn find_clashes(&mut self, at: ParticleId, budget: &mut usize) {
        let schemas = self.schemas;
        if *budget == 0 {
            return;
        }
        *budget -= 1;
        let element = match schemas[at].term {
            Term::Element(element) => element,
            Term::Any(_) => {
                *self.places.entry(Sym::UNKNOWN).or_default() += 1;
                return;
            }
            Term::Group(group) => {
                return schemas[group]
                    .particles
                    .iter()
                    .for_each(|&inner| self.find_clashes(inner, budget));
            }
        };
        for candidate in schemas.substitutes(element) {
            let name = schemas[candidate].name;
            *self.places.entry(name).or_default() += 1;
            let (_, local) = schemas.symbols.name(name);
            let known = self.clashes.entry(local).or_insert(name);
            if *known != name {
                *known = Sym::UNKNOWN;
            }
        }
    }

    /// Whether there is more than one leaf below the particles.
    fn is_multiple(&self, particles: &[ParticleId]) -> bool {
        let mut leaves = 0;
        let mut pending: Vec<_> = particles.iter().rev().copied().collect();
        let mut budget = LEAVES;
        while let Some(at) = pending.pop().filter(|_| leaves < 2 && budget > 0) {
            budget -= 1;
            match self.schemas[at].term {
                _ if self.schemas[at].max == 0 => {}
                Term::Group(group) => pending.extend(self.schemas[group].particles.iter().rev()),
                Term::Element(_) | Term::Any(_) => leaves += 1,
            }
        }
        leaves > 1
    }

    fn walk(
        &mut self,
        at: ParticleId,
        scope: u32,
        reach: Reach,
        path: &mut Vec<Step>,
    ) -> Option<Node> {
        let particle = &self.schemas[at];
        let reach =
            Reach { min: times(reach.min, particle.min), max: times(reach.max, particle.max) };
        // Groups that hold each other many times over have no end that anybody would wait for.
        if reach.max == 0 || self.elements.leaves.len() >= LEAVES || self.groups as usize >= LEAVES
        {
            return None;
        }
        match particle.term {
            Term::Element(element) => self.element(at, element, scope, reach, path),
            Term::Any(wildcard) => {
                let member = self.member(scope, "$any", What::Any, true);
                self.leaf(at, None, Some(wildcard), scope, member, reach, path);
                Some(Node::Member { member, min: particle.min, max: particle.max })
            }
            Term::Group(group) => self.group(at, group, scope, reach, path),
        }
    }

    fn element(
        &mut self,
        at: ParticleId,
        element: ElementId,
        scope: u32,
        reach: Reach,
        path: &mut Vec<Step>,
    ) -> Option<Node> {
        let Particle { min, max, .. } = self.schemas[at];
        let outer = scope;
        let candidates: Vec<_> = self.schemas.substitutes(element).collect();
        let substituted = !self.schemas[element].members.is_empty();
        let repeated = substituted && reach.max > 1 && !self.mixed;
        let first = index(self.elements.leaves.len());
        let flat = repeated && !self.flat && self.lies_flat(at);
        let (scope, reach) = match substituted {
            true if repeated && !flat && !self.flat => {
                (self.items(scope), Reach { min: 0, max: 1 })
            }
            true => (scope, Reach { min: 0, ..reach }),
            false => (scope, reach),
        };
        self.groups += 1;
        let group = self.groups;
        let mut nodes = Vec::new();
        for (child, candidate) in candidates.into_iter().enumerate() {
            let key = self.key(candidate);
            let member = self.member(scope, &key, What::Element(candidate), reach.max > 1);
            // The members of a substitution group are a choice.
            path.push(Step { group, child: index(child), choice: true, scope });
            self.leaf(at, Some(candidate), None, scope, member, reach, path);
            path.pop();
            nodes.push(if substituted {
                Node::Member { member, min: 1, max: reach.max }
            } else {
                Node::Member { member, min, max }
            });
        }
        if !substituted {
            return nodes.pop();
        }
        if flat {
            self.bunch(at, scope, first);
        }
        if repeated && scope == outer {
            return Some(Node::Some { optional: min == 0, nodes });
        }
        if scope == outer {
            return Some(Node::Choice { optional: min == 0, nodes });
        }
        Some(self.rounds(scope, Node::Choice { optional: false, nodes }, min, max))
    }

    /// Notes how the members of an `$items` go together; the answer is its place in the scope around.
    fn rounds(&mut self, scope: u32, root: Node, min: u32, max: u32) -> Node {
        let (_, member) = self.scope(scope).parent;
        self.scope(scope).root = Some(root);
        Node::Member { member, min, max }
    }

    fn group(
        &mut self,
        at: ParticleId,
        group: GroupId,
        scope: u32,
        reach: Reach,
        path: &mut Vec<Step>,
    ) -> Option<Node> {
        let schemas = self.schemas;
        let Particle { min, max, .. } = schemas[at];
        let outer = scope;
        let group = &schemas[group];
        let repeated = reach.max > 1 && !self.mixed && self.is_multiple(&group.particles);
        let first = index(self.elements.leaves.len());
        let flat = repeated && !self.flat && self.lies_flat(at);
        let (scope, reach) = match repeated && !flat && !self.flat {
            true => (self.items(scope), Reach { min: 1, max: 1 }),
            false => (scope, reach),
        };
        let around = self.flat;
        self.flat |= flat;
        let choice = group.compositor == Compositor::Choice && group.particles.len() > 1;
        let reach = if choice { Reach { min: 0, ..reach } } else { reach };
        self.groups += 1;
        let number = self.groups;
        let mut nodes = Vec::new();
        for (child, &inner) in group.particles.iter().enumerate() {
            path.push(Step { group: number, child: index(child), choice, scope });
            nodes.extend(self.walk(inner, scope, reach, path));
            path.pop();
        }
        self.flat = around;
        if nodes.is_empty() {
            return None;
        }
        if flat {
            self.bunch(at, scope, first);
        }
        if repeated && scope == outer {
            return Some(Node::flat(choice, nodes, min, max));
        }
        let root = |optional| match choice {
            true => Node::Choice { optional, nodes },
            false => Node::Sequence { optional, nodes },
        };
        if scope != outer {
            return Some(self.rounds(scope, root(false), min, max));
        }
        let mut node = root(min == 0);
        if max > 1 {
            // One leaf, which repeats in the group's place.
            node.repeat(min, max);
        }
        Some(node)
    }

    /// Whether the members of a repeated group may be members of what is around it: each stands at this place only.
    fn lies_flat(&self, at: ParticleId) -> bool {
        let schemas = self.schemas;
        let once = |name| self.places.get(&name) == Some(&1);
        let mut pending = vec![at];
        let mut budget = LEAVES;
        while self.grouped && budget > 0 {
            let Some(at) = pending.pop() else { return true };
            budget -= 1;
            match schemas[at].term {
                Term::Group(group) => pending.extend(&schemas[group].particles),
                Term::Any(_) if once(Sym::UNKNOWN) => {}
                Term::Element(element)
                    if schemas.substitutes(element).all(|one| once(schemas[one].name)) => {}
                Term::Any(_) | Term::Element(_) => return false,
            }
        }
        false
    }

    /// Notes a repeated group that lies flat; its leaves are those from `first` on.
    fn bunch(&mut self, at: ParticleId, scope: u32, first: u32) {
        let mut leaves = 0;
        let root = self.bunched(at, &mut leaves);
        self.elements.bunches.push(Bunch { scope, first, leaves, root });
        self.scope(scope).split = true;
    }

    /// A particle as it was walked through, its leaves counted.
    fn bunched(&self, at: ParticleId, leaf: &mut usize) -> Bunched {
        let schemas = self.schemas;
        let particle = &schemas[at];
        let mut next = || {
            *leaf += 1;
            Bundle::Leaf(*leaf - 1)
        };
        let term = match particle.term {
            Term::Any(_) => next(),
            Term::Element(element) if schemas[element].members.is_empty() => next(),
            Term::Element(element) => {
                let each = schemas.substitutes(element);
                Bundle::Choice(each.map(|_| Bunched { min: 1, max: 1, term: next() }).collect())
            }
            Term::Group(group) => {
                let group = &schemas[group];
                let there = group.particles.iter().filter(|&&inner| schemas[inner].max > 0);
                let inner = there.map(|&inner| self.bunched(inner, leaf)).collect();
                match group.compositor {
                    Compositor::Choice => Bundle::Choice(inner),
                    _ => Bundle::Sequence(inner),
                }
            }
        };
        Bunched { min: particle.min, max: particle.max, term }
    }

    /// A scope for the rounds of a repeated group.
    fn items(&mut self, parent: u32) -> u32 {
        let number = index(self.elements.scopes.len());
        let before =
            self.scope(parent).members.iter().filter(|m| matches!(m.what, What::Items(_))).count();
        let key = if before == 0 { "$items".to_owned() } else { format!("$items{}", before + 1) };
        let member = self.member(parent, &key, What::Items(number), true);
        self.elements.scopes.push(Scope { parent: (parent, member), ..Scope::default() });
        number
    }

    fn scope(&mut self, scope: u32) -> &mut Scope {
        &mut self.elements.scopes[scope as usize]
    }

    fn key(&self, element: ElementId) -> String {
        let decl = &self.schemas[element];
        let (namespace, local) = self.schemas.symbols.name(decl.name);
        match self.clashes.get(local) {
            Some(&Sym::UNKNOWN) if namespace == NsId::NONE => format!("_:{local}"),
            Some(&Sym::UNKNOWN) => self.names.qualified(namespace, local),
            _ => local.to_owned(),
        }
    }

    fn member(&mut self, scope: u32, key: &str, what: What, array: bool) -> u32 {
        let scope = self.scope(scope);
        if let Some(&known) = scope.by_key.get(key) {
            return known;
        }
        let number = index(scope.members.len());
        scope.by_key.insert(key.into(), number);
        let json_key = format!("\"{key}\":").into();
        scope.members.push(Member { key: key.into(), json_key, what, array, leaves: Vec::new() });
        number
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a leaf")]
    fn leaf(
        &mut self,
        particle: ParticleId,
        element: Option<ElementId>,
        wildcard: Option<WildcardId>,
        scope: u32,
        member: u32,
        reach: Reach,
        path: &[Step],
    ) {
        let number = index(self.elements.leaves.len());
        let Reach { min, max } = reach;
        let wanted = (particle, element.map_or(NONE, |e| index(e.index())));
        self.elements.leaves.push(Leaf {
            wanted,
            scope,
            member,
            max,
            min,
            wildcard,
            path: path.to_vec(),
        });
        self.elements.lookup.push((wanted.0, wanted.1, number));
        self.scope(scope).members[member as usize].leaves.push(number);
        // The arrays around begin where their first leaf does.
        let mut at = scope;
        while at != 0 {
            let (parent, member) = self.scope(at).parent;
            let leaves = &mut self.scope(parent).members[member as usize].leaves;
            if leaves.is_empty() {
                leaves.push(number);
            }
            at = parent;
        }
    }

    fn finish(mut self) -> Elements {
        self.elements.lookup.sort_unstable();
        let leaves = &self.elements.leaves;
        for scope in &mut self.elements.scopes {
            for member in &mut scope.members {
                if matches!(member.what, What::Items(_)) || member.leaves.len() < 2 {
                    continue;
                }
                // Several particles: an array unless they shut each other out, apart unless nothing lies between.
                let together =
                    member.leaves.windows(2).any(|pair| !exclusive(leaves, pair[0], pair[1]));
                member.array |= together;
                scope.split |=
                    together && member.leaves.windows(2).any(|pair| pair[1] != pair[0] + 1);
            }
        }
        self.elements.plain = self.elements.scopes.len() == 1 && !self.elements.scopes[0].split;
        self.elements
    }
}

/// Whether two leaves are in different branches of a choice.
fn exclusive(leaves: &[Leaf], a: u32, b: u32) -> bool {
    let path = |leaf: u32| leaves.get(leaf as usize).map_or(&[][..], |leaf| &leaf.path);
    let parting =
        path(a).iter().zip(path(b)).find(|(x, y)| x.group == y.group && x.child != y.child);
    parting.is_some_and(|(x, _)| x.choice)
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}
