//! From a tree of particles to a table: positions, what may follow each, and the counters on the way.

use rustc_hash::FxHashMap;

use super::{All, AnyEdge, Edge, Kind, Model, Op, Span, State, Table};
use crate::name::Sym;
use crate::xsd::model::{
    Compositor, ElementDecl, ElementId, ModelGroup, Particle, ParticleId, Term, UNBOUNDED,
    Wildcard, WildcardId, times,
};

/// The most leaves that a content model may have once its groups are written out.
const POSITIONS: usize = 20_000;

/// The most steps between them.
const STEPS: usize = 2_000_000;

/// Groups inside each other.
const DEPTH: usize = 500;

/// The components that a model is built from.
#[derive(Clone, Copy)]
pub(in crate::xsd) struct Source<'s> {
    pub(in crate::xsd) particles: &'s [Particle],
    pub(in crate::xsd) groups: &'s [ModelGroup],
    pub(in crate::xsd) elements: &'s [ElementDecl],
    pub(in crate::xsd) wildcards: &'s [Wildcard],
}

/// Two particles between which the next element cannot choose (Unique Particle Attribution).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::xsd) struct Conflict {
    pub(in crate::xsd) one: ParticleId,
    pub(in crate::xsd) other: ParticleId,
}

/// Builds the model of a particle, or of no element at all. `Err`: it is larger than we allow.
pub(in crate::xsd) fn build(
    source: Source<'_>,
    root: Option<ParticleId>,
) -> Result<(Model, Vec<Conflict>), String> {
    if let Some((all, conflicts)) = root.and_then(|root| all_group(source, root)) {
        return Ok((Model(Kind::All(all)), conflicts));
    }
    let mut builder = Builder {
        source,
        positions: Vec::new(),
        follow: Vec::new(),
        counters: Vec::new(),
        steps: 0,
        visits: 0,
    };
    let fragment = match root {
        Some(root) => builder.particle(root, 0)?,
        None => Fragment { nullable: true, ..Fragment::default() },
    };
    builder.finish(&fragment)
}

/// The leaf of a position.
#[derive(Debug, Clone, Copy)]
struct Position {
    particle: ParticleId,
    term: Term,
}

/// A position and what happens to counters on the way into or out of it.
type End = (usize, Vec<Op>);

#[derive(Debug, Clone, Default)]
struct Fragment {
    first: Vec<End>,
    last: Vec<End>,
    nullable: bool,
}

struct Builder<'s> {
    source: Source<'s>,
    positions: Vec<Position>,
    follow: Vec<Vec<End>>,
    counters: Vec<(u32, u32)>,
    steps: usize,
    /// Particles looked at: groups that hold nothing add no position.
    visits: usize,
}

impl Builder<'_> {
    fn particle(&mut self, id: ParticleId, depth: usize) -> Result<Fragment, String> {
        let (particle, term) = self.collapsed(id);
        self.visits += 1;
        if self.visits > STEPS {
            return Err(format!("particles of a content model: more than {STEPS}"));
        }
        if particle.max == 0 {
            return Ok(Fragment { nullable: true, ..Fragment::default() });
        }
        if depth > DEPTH {
            return Err(format!("groups inside each other: more than {DEPTH}"));
        }
        let fragment = match term.1 {
            Term::Group(group) => self.group(group.index(), depth)?,
            leaf => self.leaf(Position { particle: term.0, term: leaf })?,
        };
        self.repeat(fragment, particle.min, particle.max)
    }

    /// A particle whose term is a group of one particle is that particle with both occurrences multiplied, if no number
    /// between is left out: `(a{1,2}){2,2}` is `a{2,4}`.
    fn collapsed(&self, id: ParticleId) -> (Particle, (ParticleId, Term)) {
        let mut outer = self.source.particles[id.index()].clone();
        let mut leaf = id;
        while let Term::Group(group) = outer.term {
            let [inner_id] = *self.source.groups[group.index()].particles else { break };
            let inner = &self.source.particles[inner_id.index()];
            if !gapless(&outer, inner) {
                break;
            }
            leaf = inner_id;
            outer = Particle {
                min: times(outer.min, inner.min),
                max: times(outer.max, inner.max),
                term: inner.term,
            };
        }
        let term = outer.term;
        (outer, (leaf, term))
    }

    fn group(&mut self, group: usize, depth: usize) -> Result<Fragment, String> {
        let group = &self.source.groups[group];
        let choice = group.compositor == Compositor::Choice;
        let mut whole = Fragment { nullable: !choice, ..Fragment::default() };
        for &id in &group.particles {
            let next = self.particle(id, depth + 1)?;
            if choice {
                whole.first.extend(next.first);
                whole.last.extend(next.last);
                whole.nullable |= next.nullable;
            } else {
                whole = self.append(whole, next)?;
            }
        }
        Ok(whole)
    }

    fn append(&mut self, before: Fragment, after: Fragment) -> Result<Fragment, String> {
        self.connect(&before.last, &[], &after.first)?;
        let mut first = before.first;
        if before.nullable {
            first.extend(after.first);
        }
        let mut last = after.last;
        if after.nullable {
            last.extend(before.last);
        }
        Ok(Fragment { first, last, nullable: before.nullable && after.nullable })
    }

    fn leaf(&mut self, position: Position) -> Result<Fragment, String> {
        if self.positions.len() >= POSITIONS {
            return Err(format!("elements of a content model: more than {POSITIONS}"));
        }
        let at = self.positions.len();
        self.positions.push(position);
        self.follow.push(Vec::new());
        let end = || vec![(at, Vec::new())];
        Ok(Fragment { first: end(), last: end(), nullable: false })
    }

    fn repeat(&mut self, mut body: Fragment, min: u32, max: u32) -> Result<Fragment, String> {
        // What may be nothing may be nothing as often as needed.
        let min = if body.nullable { 0 } else { min };
        if max > 1 && !body.first.is_empty() {
            if max == UNBOUNDED && min <= 1 {
                self.connect(&body.last, &[], &body.first)?;
            } else {
                let counter = u16::try_from(self.counters.len())
                    .map_err(|_| "loops of a content model: too many")?;
                self.counters.push((min, max));
                let cap = if max == UNBOUNDED { min } else { max };
                self.connect(&body.last, &[Op::Again { counter, max, cap }], &body.first)?;
                for (_, ops) in &mut body.first {
                    ops.insert(0, Op::Enter { counter });
                }
                for (_, ops) in &mut body.last {
                    ops.push(Op::Leave { counter, min });
                }
            }
        }
        body.nullable |= min == 0;
        Ok(body)
    }

    fn connect(&mut self, last: &[End], between: &[Op], first: &[End]) -> Result<(), String> {
        self.steps += last.len() * first.len();
        if self.steps > STEPS {
            return Err(format!("steps of a content model: more than {STEPS}"));
        }
        for (from, out) in last {
            for (to, into) in first {
                let ops: Vec<Op> = out.iter().chain(between).chain(into).copied().collect();
                self.follow[*from].push((*to, ops));
            }
        }
        Ok(())
    }

    fn finish(mut self, whole: &Fragment) -> Result<(Model, Vec<Conflict>), String> {
        let mut ends: Vec<Option<Vec<Op>>> = vec![None; self.positions.len() + 1];
        if whole.nullable {
            ends[0] = Some(Vec::new());
        }
        for (at, ops) in &whole.last {
            ends[at + 1].get_or_insert_with(|| ops.clone());
        }
        let mut rows = vec![whole.first.clone()];
        rows.append(&mut self.follow);
        for row in &mut rows {
            row.sort();
            row.dedup();
        }
        // Positions with the same future are one state.
        let mut classes: FxHashMap<(&[End], &Option<Vec<Op>>), u32> = FxHashMap::default();
        let mut kept = Vec::new();
        let mut class_of = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let next = u32::try_from(kept.len()).unwrap_or(u32::MAX);
            let class = *classes.entry((row, &ends[at])).or_insert(next);
            if class == next {
                kept.push(at);
            }
            class_of.push(class);
        }
        let mut table = Table { counters: std::mem::take(&mut self.counters), ..Table::default() };
        let mut conflicts = Vec::new();
        for &at in &kept {
            let state = self.state(&rows[at], ends[at].as_deref(), &class_of, &mut table)?;
            self.find_conflicts(&rows[at], &mut conflicts);
            table.states.push(state);
        }
        Ok((Model(Kind::Table(table)), conflicts))
    }

    fn state(
        &self,
        row: &[End],
        end: Option<&[Op]>,
        class_of: &[u32],
        table: &mut Table,
    ) -> Result<State, String> {
        let keep = |table: &mut Table, ops: &[Op]| {
            let start = table.ops.len();
            table.ops.extend_from_slice(ops);
            Span::of(start, table.ops.len())
        };
        let (edges_start, any_start) = (table.edges.len(), table.any.len());
        for (to, ops) in row {
            let position = self.positions[*to];
            let (ops, target) = (keep(table, ops), class_of[to + 1]);
            let particle = position.particle;
            match position.term {
                Term::Element(element) => {
                    for (name, element) in names_of(self.source.elements, element) {
                        table.edges.push(Edge { name, element, particle, target, ops });
                    }
                }
                Term::Any(wildcard) => {
                    table.any.push(AnyEdge { wildcard, particle, target, ops });
                }
                Term::Group(_) => {}
            }
        }
        if table.edges.len() > STEPS {
            return Err(format!("steps of a content model: more than {STEPS}"));
        }
        table.edges[edges_start..].sort_by_key(|edge| edge.name);
        let end = end.map(|ops| keep(table, ops));
        let ambiguous = self.is_ambiguous(&table.edges[edges_start..], &table.any[any_start..]);
        Ok(State {
            edges: Span::of(edges_start, table.edges.len()),
            any: Span::of(any_start, table.any.len()),
            end,
            ambiguous,
        })
    }

    fn is_ambiguous(&self, edges: &[Edge], any: &[AnyEdge]) -> bool {
        let wildcard = |id: WildcardId| &self.source.wildcards[id.index()].namespaces;
        let twice = edges.windows(2).any(|pair| pair[0].name == pair[1].name);
        let wild = any.iter().enumerate().any(|(at, a)| {
            let later = any[at + 1..].iter();
            let beside = |e: &Edge| {
                let ns = self.namespace_of(e.element);
                wildcard(a.wildcard).allows(ns)
            };
            later.clone().any(|b| wildcard(a.wildcard).overlaps(wildcard(b.wildcard)))
                || edges.iter().any(beside)
        });
        twice || wild
    }

    fn namespace_of(&self, element: ElementId) -> crate::name::NsId {
        self.source.elements[element.index()].namespace
    }

    /// Two positions that one element could go to, unless a counter that must be exact decides.
    fn find_conflicts(&self, row: &[End], conflicts: &mut Vec<Conflict>) {
        // By name first, so that wide choices do not take quadratic time.
        let mut by_name: FxHashMap<Sym, Vec<&End>> = FxHashMap::default();
        let mut wild: Vec<(&End, WildcardId)> = Vec::new();
        for end in row {
            match self.positions[end.0].term {
                Term::Element(element) => {
                    for (name, _) in names_of(self.source.elements, element) {
                        by_name.entry(name).or_default().push(end);
                    }
                }
                Term::Any(wildcard) => wild.push((end, wildcard)),
                Term::Group(_) => {}
            }
        }
        for ends in by_name.values() {
            for (at, one) in ends.iter().enumerate() {
                for other in ends[at + 1..].iter().take(64) {
                    self.conflict(one, other, conflicts);
                }
            }
        }
        let set = |id: WildcardId| &self.source.wildcards[id.index()].namespaces;
        for (at, (one, wildcard)) in wild.iter().enumerate() {
            for (other, second) in wild[at + 1..].iter().take(64) {
                if set(*wildcard).overlaps(set(*second)) {
                    self.conflict(one, other, conflicts);
                }
            }
            for end in row {
                if let Term::Element(element) = self.positions[end.0].term
                    && names_of(self.source.elements, element)
                        .any(|(_, e)| set(*wildcard).allows(self.namespace_of(e)))
                {
                    self.conflict(one, end, conflicts);
                }
            }
        }
    }

    fn conflict(&self, one: &End, other: &End, conflicts: &mut Vec<Conflict>) {
        if one.0 == other.0 || exclusive(&one.1, &other.1) || exclusive(&other.1, &one.1) {
            return;
        }
        let conflict = Conflict {
            one: self.positions[one.0].particle,
            other: self.positions[other.0].particle,
        };
        if conflicts.len() < 16 && !conflicts.contains(&conflict) {
            conflicts.push(conflict);
        }
    }
}

/// Whether one goes round a loop as long as it must, and the other leaves it when it must.
fn exclusive(round: &[Op], leave: &[Op]) -> bool {
    round.iter().any(|a| {
        let Op::Again { counter, max, .. } = *a else { return false };
        leave
            .iter()
            .any(|b| matches!(*b, Op::Leave { counter: c, min } if c == counter && min == max))
    })
}

/// An element's own name and those of its substitutes.
fn names_of(
    elements: &[ElementDecl],
    element: ElementId,
) -> impl Iterator<Item = (Sym, ElementId)> {
    let decl = &elements[element.index()];
    std::iter::once(element)
        .chain(decl.members.iter().copied())
        .map(|id| (elements[id.index()].name, id))
}

/// Whether the multiples of the inner occurrence leave out no number.
fn gapless(outer: &Particle, inner: &Particle) -> bool {
    if outer.max == 0 || inner.max == 0 || inner.min <= 1 && inner.max == UNBOUNDED {
        return true;
    }
    if outer.min == outer.max && outer.max == 1 || inner.min == 1 && inner.max == 1 {
        return true;
    }
    let (min, least, most) = (u64::from(outer.min), u64::from(inner.min), u64::from(inner.max));
    if outer.min == outer.max {
        return true;
    }
    (min + 1) * least <= (min * most).saturating_add(1)
}

/// An `all` group, which can only be the whole of a model.
fn all_group(source: Source<'_>, root: ParticleId) -> Option<(All, Vec<Conflict>)> {
    let mut particle = &source.particles[root.index()];
    let mut optional = particle.min == 0;
    let group = loop {
        let Term::Group(group) = particle.term else { return None };
        if particle.max != 1 {
            return None;
        }
        let group = &source.groups[group.index()];
        if group.compositor == Compositor::All {
            break group;
        }
        // A group around it that has nothing else.
        let [only] = *group.particles else { return None };
        particle = &source.particles[only.index()];
        optional |= particle.min == 0;
    };
    let (mut all, mut conflicts) = (All { optional, ..All::default() }, Vec::new());
    for &id in &group.particles {
        let particle = &source.particles[id.index()];
        let Term::Element(element) = particle.term else { continue };
        if particle.max == 0 {
            continue;
        }
        let which = u32::try_from(all.required.len()).unwrap_or(u32::MAX);
        all.required.push(particle.min > 0);
        for (name, element) in names_of(source.elements, element) {
            if let Some(&(.., one)) = all.names.iter().find(|(n, ..)| *n == name) {
                conflicts.push(Conflict { one, other: id });
            }
            all.names.push((name, which, element, id));
        }
    }
    Some((all, conflicts))
}
