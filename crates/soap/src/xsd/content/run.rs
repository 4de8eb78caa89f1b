//! Going through a content model, element by element.

use smallvec::SmallVec;

use super::{All, Edge, Kind, Model, Op, Span, State, Table};
use crate::name::{NsId, Sym};
use crate::xsd::model::{ElementId, ParticleId, UNBOUNDED, Wildcard, WildcardId};

/// How many ways through an ambiguous model are followed at a time.
const WAYS: usize = 512;

/// Where in its content an element is.
#[derive(Debug, Clone, Default)]
pub struct Run {
    here: Way,
    /// The other ways that are possible, where there are several.
    others: Vec<Way>,
}

type Counters = SmallVec<[u32; 4]>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Way {
    state: u32,
    /// One for each loop that counts; for an `all` group, which of its elements were seen.
    counters: Counters,
}

/// What an element is by the content model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// It is declared: itself or as a substitute.
    Element {
        /// Its own declaration.
        element: ElementId,
        /// The particle it counts for.
        particle: ParticleId,
    },
    /// A wildcard lets it in.
    Any {
        /// The wildcard.
        wildcard: WildcardId,
        /// The particle it counts for.
        particle: ParticleId,
    },
}

/// What could come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// An element of this name.
    Name(Sym),
    /// What this wildcard lets in.
    Any(WildcardId),
}

impl Model {
    /// Puts a run at the start.
    #[inline]
    pub fn start(&self, run: &mut Run) {
        run.here.state = 0;
        run.here.counters.clear();
        run.others.clear();
        let counters = match &self.0 {
            Kind::Table(table) => table.counters.len(),
            Kind::All(all) => all.required.len().div_ceil(32),
        };
        if counters > 0 {
            run.here.counters.resize(counters, 0);
        }
    }

    /// Takes an element. `None`: it may not stand here, and the run is where it was.
    #[inline]
    pub fn step(
        &self,
        run: &mut Run,
        wildcards: &[Wildcard],
        namespace: NsId,
        name: Sym,
    ) -> Option<Hit> {
        match &self.0 {
            Kind::Table(table) => table.step(run, wildcards, namespace, name),
            Kind::All(all) => all.step(&mut run.here, name),
        }
    }

    /// Whether the content may end.
    #[inline]
    #[must_use]
    pub fn may_end(&self, run: &Run) -> bool {
        match &self.0 {
            Kind::Table(table) => {
                table.may_end(&run.here) || run.others.iter().any(|way| table.may_end(way))
            }
            Kind::All(all) => all.may_end(&run.here),
        }
    }

    /// What could come next, each once.
    #[must_use]
    pub fn expected(&self, run: &Run) -> Vec<Expected> {
        let mut found = Vec::new();
        let mut add = |expected| {
            if !found.contains(&expected) {
                found.push(expected);
            }
        };
        match &self.0 {
            Kind::Table(table) => {
                for way in std::iter::once(&run.here).chain(&run.others) {
                    let Some(state) = table.states.get(way.state as usize) else { continue };
                    for edge in table.edges_of(state) {
                        if table.allowed(edge.ops, &way.counters) {
                            add(Expected::Name(edge.name));
                        }
                    }
                    for edge in &table.any[state.any.range()] {
                        if table.allowed(edge.ops, &way.counters) {
                            add(Expected::Any(edge.wildcard));
                        }
                    }
                }
            }
            Kind::All(all) => {
                for &(name, which, ..) in &all.names {
                    if !seen(&run.here.counters, which) {
                        add(Expected::Name(name));
                    }
                }
            }
        }
        found
    }
}

impl Table {
    #[inline]
    fn step(
        &self,
        run: &mut Run,
        wildcards: &[Wildcard],
        namespace: NsId,
        name: Sym,
    ) -> Option<Hit> {
        let state = self.states.get(run.here.state as usize)?;
        if state.ambiguous || !run.others.is_empty() {
            return self.step_all(run, wildcards, namespace, name);
        }
        let (target, ops, hit) = self.only(state, wildcards, namespace, name)?;
        if ops.start != ops.end {
            if !self.allowed(ops, &run.here.counters) {
                return None;
            }
            self.apply(ops, &mut run.here.counters);
        }
        run.here.state = target;
        Some(hit)
    }

    /// The one way on from a state that is not ambiguous.
    #[inline]
    fn only(
        &self,
        state: &State,
        wildcards: &[Wildcard],
        namespace: NsId,
        name: Sym,
    ) -> Option<(u32, Span, Hit)> {
        let edges = self.edges_of(state);
        let found = if edges.len() <= 8 {
            edges.iter().find(|edge| edge.name == name)
        } else {
            edges.binary_search_by_key(&name, |edge| edge.name).ok().and_then(|at| edges.get(at))
        };
        if let Some(edge) = found {
            let hit = Hit::Element { element: edge.element, particle: edge.particle };
            return Some((edge.target, edge.ops, hit));
        }
        let edge = self.any[state.any.range()].iter().find(|edge| {
            wildcards.get(edge.wildcard.index()).is_some_and(|w| w.namespaces.allows(namespace))
        })?;
        let hit = Hit::Any { wildcard: edge.wildcard, particle: edge.particle };
        Some((edge.target, edge.ops, hit))
    }

    /// Follows every way at once.
    #[cold]
    fn step_all(
        &self,
        run: &mut Run,
        wildcards: &[Wildcard],
        namespace: NsId,
        name: Sym,
    ) -> Option<Hit> {
        let mut ways: Vec<Way> = Vec::new();
        let mut hit: Option<Hit> = None;
        let mut go = |from: &Way, target: u32, ops: Span, what: Hit| {
            if ways.len() >= WAYS || !self.allowed(ops, &from.counters) {
                return;
            }
            let mut way = Way { state: target, counters: from.counters.clone() };
            self.apply(ops, &mut way.counters);
            if !ways.iter().any(|other| self.is_no_worse(other, &way)) {
                ways.retain(|other| !self.is_no_worse(&way, other));
                ways.push(way);
            }
            // A declaration says more than a wildcard.
            let better = matches!(what, Hit::Element { .. }) || hit.is_none();
            if better && !matches!(hit, Some(Hit::Element { .. })) {
                hit = Some(what);
            }
        };
        for from in std::iter::once(&run.here).chain(&run.others) {
            let Some(state) = self.states.get(from.state as usize) else { continue };
            let edges = self.edges_of(state);
            let first = edges.partition_point(|edge| edge.name < name);
            for edge in edges[first..].iter().take_while(|edge| edge.name == name) {
                let what = Hit::Element { element: edge.element, particle: edge.particle };
                go(from, edge.target, edge.ops, what);
            }
            for edge in &self.any[state.any.range()] {
                let allows = |w: &Wildcard| w.namespaces.allows(namespace);
                if wildcards.get(edge.wildcard.index()).is_some_and(allows) {
                    let what = Hit::Any { wildcard: edge.wildcard, particle: edge.particle };
                    go(from, edge.target, edge.ops, what);
                }
            }
        }
        let hit = hit?;
        let mut ways = ways.into_iter();
        run.here = ways.next()?;
        run.others.clear();
        run.others.extend(ways);
        Some(hit)
    }

    /// Whether all that can follow one way can follow the other: so that what must be counted exactly is all that
    /// keeps two ways apart.
    fn is_no_worse(&self, way: &Way, than: &Way) -> bool {
        let mut counts = self.counters.iter().zip(way.counters.iter().zip(&than.counters));
        way.state == than.state
            && counts.all(|(&(min, max), (&a, &b))| {
                a == b || (min <= a && a <= b) || (max == UNBOUNDED && a >= b)
            })
    }

    #[inline]
    fn may_end(&self, way: &Way) -> bool {
        let state = self.states.get(way.state as usize);
        state.and_then(|state| state.end).is_some_and(|ops| self.allowed(ops, &way.counters))
    }

    #[inline]
    fn edges_of(&self, state: &State) -> &[Edge] {
        &self.edges[state.edges.range()]
    }

    /// Whether the counters let it happen. Each counter is tested before it is moved: no test depends on an earlier op.
    #[inline]
    fn allowed(&self, ops: Span, counters: &[u32]) -> bool {
        let count = |counter: u16| counters.get(counter as usize).copied().unwrap_or_default();
        self.ops[ops.range()].iter().all(|op| match *op {
            Op::Leave { counter, min } => count(counter) >= min,
            Op::Again { counter, max, .. } => count(counter) < max,
            Op::Enter { .. } => true,
        })
    }

    #[inline]
    fn apply(&self, ops: Span, counters: &mut [u32]) {
        for op in &self.ops[ops.range()] {
            match *op {
                Op::Leave { counter, .. } => set(counters, counter, |_| 0),
                Op::Again { counter, cap, .. } => set(counters, counter, |n| (n + 1).min(cap)),
                Op::Enter { counter } => set(counters, counter, |_| 1),
            }
        }
    }
}

#[inline]
fn set(counters: &mut [u32], counter: u16, to: impl FnOnce(u32) -> u32) {
    if let Some(count) = counters.get_mut(counter as usize) {
        *count = to(*count);
    }
}

impl All {
    fn step(&self, way: &mut Way, name: Sym) -> Option<Hit> {
        let &(_, which, element, particle) =
            self.names.iter().find(|&&(n, which, ..)| n == name && !seen(&way.counters, which))?;
        if let Some(word) = way.counters.get_mut(which as usize / 32) {
            *word |= 1 << (which % 32);
        }
        way.state = 1;
        Some(Hit::Element { element, particle })
    }

    fn may_end(&self, way: &Way) -> bool {
        let missing = || {
            let mut which = 0u32..;
            self.required.iter().zip(&mut which).any(|(&r, which)| r && !seen(&way.counters, which))
        };
        (self.optional && way.state == 0) || !missing()
    }
}

fn seen(words: &[u32], which: u32) -> bool {
    words.get(which as usize / 32).is_some_and(|word| word & (1 << (which % 32)) != 0)
}
