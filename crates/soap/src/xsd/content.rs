//! Content models as tables: which element may come next, and what that makes of the state.
//!
//! A model is a position automaton whose loops carry counters, so that `maxOccurs="1000000"` costs one number and no
//! copies. A state lists the names that it takes; taking one tests and moves the counters of the loops that are left,
//! gone round and entered on the way. Where a name leads to two places (the schema breaks Unique Particle Attribution,
//! or counting can be done in two ways), the [`Run`] follows all of them, up to a bound.
//!
//! Built by [`build`](build()), asked by [`Model::step`] and [`Model::may_end`].

use crate::name::Sym;

use super::model::{ElementId, ParticleId, WildcardId};

mod build;
mod run;
#[cfg(test)]
mod tests;

pub(super) use build::{Conflict, Source, build};
pub use run::{Expected, Hit, Run};

/// A content model, compiled.
#[derive(Debug, Clone)]
pub struct Model(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Table(Table),
    All(All),
}

/// An automaton; its first state is where it starts.
#[derive(Debug, Clone, Default)]
struct Table {
    states: Vec<State>,
    edges: Vec<Edge>,
    any: Vec<AnyEdge>,
    ops: Vec<Op>,
    /// How often each loop that counts is gone through, at least and at most.
    counters: Vec<(u32, u32)>,
}

/// A range of a vector.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// Sorted by name; in schema order where names are equal.
    edges: Span,
    any: Span,
    /// What has to hold and happen to end here; none where it may not end.
    end: Option<Span>,
    /// Whether some name may lead to two places.
    ambiguous: bool,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    name: Sym,
    element: ElementId,
    particle: ParticleId,
    target: u32,
    ops: Span,
}

#[derive(Debug, Clone, Copy)]
struct AnyEdge {
    wildcard: WildcardId,
    particle: ParticleId,
    target: u32,
    ops: Span,
}

/// What happens to a counter; the first two also test it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Op {
    /// The loop is left: it must have been gone through at least so often.
    Leave { counter: u16, min: u32 },
    /// The loop is gone through again: it must have been less often than `max`. Counting stops at `cap`.
    Again { counter: u16, max: u32, cap: u32 },
    /// The loop is entered.
    Enter { counter: u16 },
}

/// `all`: each of its elements at most once.
#[derive(Debug, Clone, Default)]
struct All {
    /// Name, which of the elements it is, its declaration, its particle.
    names: Vec<(Sym, u32, ElementId, ParticleId)>,
    required: Vec<bool>,
    /// Whether it may be left out altogether.
    optional: bool,
}

impl Span {
    const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    fn of(start: usize, end: usize) -> Self {
        let at = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: at(start), end: at(end) }
    }
}

impl Model {
    /// Takes everything without a look: for what was too large to build.
    pub(super) fn anything() -> (Self, Vec<Conflict>) {
        let any = AnyEdge {
            wildcard: WildcardId(0),
            particle: ParticleId(0),
            target: 0,
            ops: Span::default(),
        };
        let state = State {
            any: Span { start: 0, end: 1 },
            end: Some(Span::default()),
            ..State::default()
        };
        let table = Table { states: vec![state], any: vec![any], ..Table::default() };
        (Self(Kind::Table(table)), Vec::new())
    }

    /// How many states it has; 0 for an `all` group, whose state is what it has seen.
    #[must_use]
    pub const fn states(&self) -> usize {
        match &self.0 {
            Kind::Table(table) => table.states.len(),
            Kind::All(_) => 0,
        }
    }

    /// How many steps between its states there are.
    pub(super) const fn steps(&self) -> usize {
        match &self.0 {
            Kind::Table(table) => table.edges.len() + table.any.len(),
            Kind::All(all) => all.names.len(),
        }
    }

    /// Whether it takes no element at all.
    #[must_use]
    pub const fn takes_nothing(&self) -> bool {
        match &self.0 {
            Kind::Table(table) => table.edges.is_empty() && table.any.is_empty(),
            Kind::All(all) => all.names.is_empty(),
        }
    }
}
