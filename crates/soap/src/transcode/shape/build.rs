//! Walks through a type's particles: its leaves, their keys, what goes in rounds and what lies flat.

use rustc_hash::FxHashMap;

use super::{Elements, LEAVES, Leaf, Member, NONE, Scope, Step, What, exclusive, index};
use crate::name::{NsId, Sym};
use crate::transcode::bunch::{Bunch, Particle as Bunched, Term as Bundle};
use crate::transcode::names::Names;
use crate::transcode::outline::Node;
use crate::xsd::model::{
    Compositor, ElementId, GroupId, ModelId, Particle, ParticleId, Schemas, Term, WildcardId, times,
};

pub(super) struct Builder<'s> {
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
    pub(super) fn new(
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
            as_text: false,
            bunches: Vec::new(),
        };
        let (clashes, places) = (FxHashMap::default(), FxHashMap::default());
        Self { schemas, names, elements, clashes, groups: 0, mixed, grouped, places, flat: false }
    }

    pub(super) fn build(mut self, root: Option<ParticleId>) -> Elements {
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
