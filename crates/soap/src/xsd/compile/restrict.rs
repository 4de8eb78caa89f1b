//! Particle Valid (Restriction): whether a content model is a narrowed form of another (Part 1, 3.9.6).
//!
//! The rules compare the two trees as written, not what they accept; groups that have no effect are dissolved first.

use super::Compiler;
use crate::xsd::model::{
    Compositor, DerivationSet, ElementId, Particle, Process, Term, UNBOUNDED, WildcardId, times,
};

/// The most particles that a tree may have to be compared.
const NODES: usize = 20_000;

/// The most comparisons of two of them.
const STEPS: usize = 1_000_000;

/// A particle as it is compared.
#[derive(Debug, Clone)]
struct Tree {
    min: u32,
    max: u32,
    term: Leaf,
}

#[derive(Debug, Clone)]
enum Leaf {
    Element(ElementId),
    /// An element and none that may stand for it.
    Only(ElementId),
    Any(WildcardId),
    Group(Compositor, Vec<Tree>),
}

type Outcome = Result<(), String>;

struct Judge<'c, 'x, 'd> {
    compiler: &'x Compiler<'c, 'd>,
    steps: usize,
}

impl<'d> Compiler<'_, 'd> {
    /// Whether the first particle is a restriction of the second.
    pub(super) fn restricts(&self, own: &Particle, base: &Particle) -> Outcome {
        let mut nodes = 0;
        let own = self.tree(own, None, &mut nodes);
        let base = self.tree(base, None, &mut nodes);
        let (Some(own), Some(base)) = (own, base) else {
            return Err(format!(
                "the content is too large to be compared: more than {NODES} particles"
            ));
        };
        let (nothing, base) = (own.is_empty(), single(base));
        if nothing && range(&base).0 == 0 {
            return Ok(());
        }
        let own = single(own);
        Judge { compiler: self, steps: 0 }.particle(&own, &base)
    }

    /// A particle without groups that have no effect. `None`: too large.
    fn tree(
        &self,
        particle: &Particle,
        around: Option<Compositor>,
        nodes: &mut usize,
    ) -> Option<Vec<Tree>> {
        *nodes += 1;
        if *nodes > NODES {
            return None;
        }
        let (min, max) = (particle.min, particle.max);
        let leaf = |term| Some(vec![Tree { min, max, term }]);
        let group = match particle.term {
            Term::Element(element) => return leaf(Leaf::Element(element)),
            Term::Any(wildcard) => return leaf(Leaf::Any(wildcard)),
            Term::Group(group) => &self.s.groups[group.index()],
        };
        let compositor = group.compositor;
        let once = min == 1 && max == 1;
        let mut inside = Vec::new();
        for id in &group.particles {
            let inner = &self.s.particles[id.index()];
            if inner.max > 0 {
                inside.extend(self.tree(inner, Some(compositor), nodes)?);
            }
        }
        // A sequence of nothing is nothing; a choice of nothing cannot be satisfied and stays.
        if inside.is_empty() && (compositor != Compositor::Choice || min == 0) {
            return Some(Vec::new());
        }
        if once
            && (inside.len() == 1 || around == Some(compositor) && compositor != Compositor::All)
        {
            return Some(inside);
        }
        Some(vec![Tree { min, max, term: Leaf::Group(compositor, inside) }])
    }
}

/// The one tree of what a particle became.
fn single(mut trees: Vec<Tree>) -> Tree {
    if trees.len() == 1
        && let Some(tree) = trees.pop()
    {
        return tree;
    }
    Tree { min: 1, max: 1, term: Leaf::Group(Compositor::Sequence, trees) }
}

impl Judge<'_, '_, '_> {
    fn particle(&mut self, own: &Tree, base: &Tree) -> Outcome {
        self.steps += 1;
        if self.steps > STEPS {
            return Err("the content is too large to be compared".to_owned());
        }
        if let (Leaf::Element(a) | Leaf::Only(a), Leaf::Element(b) | Leaf::Only(b)) =
            (&own.term, &base.term)
            && (a == b || self.name(*a) == self.name(*b))
        {
            return self.element(own, *a, base, *b);
        }
        // An element that others may stand for is a choice of all of them.
        if let Some(choice) = self.as_choice(base) {
            return self.particle(own, &choice);
        }
        if let Some(choice) = self.as_choice(own) {
            return self.particle(&choice, base);
        }
        use Compositor::{All, Choice, Sequence};
        match (&own.term, &base.term) {
            (Leaf::Element(a) | Leaf::Only(a), Leaf::Element(b) | Leaf::Only(b)) => {
                self.element(own, *a, base, *b)
            }
            (Leaf::Element(element) | Leaf::Only(element), Leaf::Any(wildcard)) => {
                self.in_wildcard(own, *element, base, *wildcard)
            }
            (Leaf::Element(_) | Leaf::Only(_), Leaf::Group(compositor, _)) => {
                let group =
                    Tree { min: 1, max: 1, term: Leaf::Group(*compositor, vec![own.clone()]) };
                match compositor {
                    Choice => self.lax(&group, base),
                    Sequence => self.in_order(&group, base),
                    All => self.in_order(&group, base),
                }
            }
            (Leaf::Any(a), Leaf::Any(b)) => self.wildcards(own, *a, base, *b),
            (Leaf::Any(_), _) => Err("a wildcard, and the base has none there".to_owned()),
            (Leaf::Group(_, inside), Leaf::Any(_)) => self.all_in_wildcard(own, inside, base),
            (Leaf::Group(Sequence, _), Leaf::Group(All, _)) => self.unordered(own, base),
            (Leaf::Group(Sequence, _), Leaf::Group(Choice, _)) => self.map_and_sum(own, base),
            (Leaf::Group(Choice, _), Leaf::Group(Choice, _)) => self.lax(own, base),
            (Leaf::Group(a, _), Leaf::Group(b, _)) if a == b => self.in_order(own, base),
            (Leaf::Group(a, _), Leaf::Group(b, _)) => {
                Err(format!("{} where the base has {}", text(*a), text(*b)))
            }
            (Leaf::Group(..), Leaf::Element(_) | Leaf::Only(_)) => {
                Err("a group where the base has an element".to_owned())
            }
        }
    }

    fn name(&self, element: ElementId) -> crate::name::Sym {
        self.compiler.s.elements[element.index()].name
    }

    fn as_choice(&self, tree: &Tree) -> Option<Tree> {
        let Leaf::Element(id) = tree.term else { return None };
        let element = &self.compiler.s.elements[id.index()];
        if element.members.is_empty() {
            return None;
        }
        let one = |id| Tree { min: 1, max: 1, term: Leaf::Only(id) };
        let members = std::iter::once(id).chain(element.members.iter().copied()).map(one);
        Some(Tree { term: Leaf::Group(Compositor::Choice, members.collect()), ..*tree })
    }

    /// NameAndTypeOK
    fn element(&self, own: &Tree, a: ElementId, base: &Tree, b: ElementId) -> Outcome {
        let s = &self.compiler.s;
        let (one, other) = (&s.elements[a.index()], &s.elements[b.index()]);
        let name = s.text_of(one.name);
        if one.name != other.name {
            return Err(format!("{name} where the base has {}", s.text_of(other.name)));
        }
        occurrence(own, base).map_err(|reason| format!("{name}: {reason}"))?;
        if a == b {
            return Ok(());
        }
        if one.nillable && !other.nillable {
            return Err(format!("{name} may be nil, and in the base it may not"));
        }
        if let Some(fixed) = other.value.as_ref().filter(|value| value.fixed)
            && !one.value.as_ref().is_some_and(|v| v.fixed && same(v, fixed))
        {
            return Err(format!("the base fixes another value of {name}"));
        }
        if !one.constraints.iter().all(|c| other.constraints.contains(c)) {
            return Err(format!("{name} has an identity constraint that the base does not have"));
        }
        if !one.block.has(other.block) {
            return Err(format!("{name} blocks less than in the base"));
        }
        let others = DerivationSet::EXTENSION.with(DerivationSet::LIST).with(DerivationSet::UNION);
        if !s.derives(one.ty, other.ty, others) {
            return Err(format!("the type of {name} is not a restriction of that in the base"));
        }
        Ok(())
    }

    /// NSCompat
    fn in_wildcard(
        &self,
        own: &Tree,
        element: ElementId,
        base: &Tree,
        wildcard: WildcardId,
    ) -> Outcome {
        let s = &self.compiler.s;
        let element = &s.elements[element.index()];
        if !s.wildcards[wildcard.index()].namespaces.allows(element.namespace) {
            return Err(format!(
                "the wildcard of the base does not let in {}",
                s.text_of(element.name)
            ));
        }
        occurrence(own, base)
    }

    /// NSSubset
    fn wildcards(&self, own: &Tree, a: WildcardId, base: &Tree, b: WildcardId) -> Outcome {
        occurrence(own, base)?;
        let s = &self.compiler.s;
        let (one, other) = (&s.wildcards[a.index()], &s.wildcards[b.index()]);
        if !one.namespaces.is_subset(&other.namespaces) {
            return Err("the wildcard lets in more than that of the base".to_owned());
        }
        if one.process < other.process && other.process != Process::Skip {
            return Err("the wildcard is less strict than that of the base".to_owned());
        }
        Ok(())
    }

    /// NSRecurseCheckCardinality
    fn all_in_wildcard(&mut self, own: &Tree, inside: &[Tree], base: &Tree) -> Outcome {
        let free = Tree { min: 0, max: UNBOUNDED, ..base.clone() };
        for tree in inside {
            self.particle(tree, &free)?;
        }
        let (min, max) = range(own);
        occurrence(&Tree { min, max, term: own.term.clone() }, base)
    }

    /// Recurse, and RecurseAsIfGroup
    fn in_order(&mut self, own: &Tree, base: &Tree) -> Outcome {
        occurrence(own, base)?;
        let mut theirs = members(base).iter();
        for tree in members(own) {
            loop {
                let Some(candidate) = theirs.next() else {
                    return Err(format!(
                        "{}: the base has nothing like it in this place",
                        self.describe(tree)
                    ));
                };
                match self.particle(tree, candidate) {
                    Ok(()) => break,
                    Err(_) if range(candidate).0 == 0 => {}
                    Err(reason) => return Err(reason),
                }
            }
        }
        match theirs.find(|rest| range(rest).0 > 0) {
            Some(rest) => Err(format!("{} is required by the base", self.describe(rest))),
            None => Ok(()),
        }
    }

    /// RecurseUnordered
    fn unordered(&mut self, own: &Tree, base: &Tree) -> Outcome {
        occurrence(own, base)?;
        let theirs = members(base);
        let mut used = vec![false; theirs.len()];
        for tree in members(own) {
            let mut found = false;
            for (at, candidate) in theirs.iter().enumerate() {
                if !used[at] && self.particle(tree, candidate).is_ok() {
                    (used[at], found) = (true, true);
                    break;
                }
            }
            if !found {
                return Err(format!("{}: the base has nothing like it", self.describe(tree)));
            }
        }
        let missing = theirs.iter().zip(used).find(|(tree, used)| !used && range(tree).0 > 0);
        match missing {
            Some((rest, _)) => Err(format!("{} is required by the base", self.describe(rest))),
            None => Ok(()),
        }
    }

    /// RecurseLax
    fn lax(&mut self, own: &Tree, base: &Tree) -> Outcome {
        occurrence(own, base)?;
        let mut theirs = members(base).iter();
        for tree in members(own) {
            if !theirs.any(|candidate| self.particle(tree, candidate).is_ok()) {
                return Err(format!(
                    "{}: the choice of the base has nothing like it in this place",
                    self.describe(tree)
                ));
            }
        }
        Ok(())
    }

    /// MapAndSum
    fn map_and_sum(&mut self, own: &Tree, base: &Tree) -> Outcome {
        let theirs = members(base);
        for tree in members(own) {
            if !theirs.iter().any(|candidate| self.particle(tree, candidate).is_ok()) {
                return Err(format!(
                    "{}: the choice of the base has nothing like it",
                    self.describe(tree)
                ));
            }
        }
        let count = u32::try_from(members(own).len()).unwrap_or(UNBOUNDED - 1);
        let (min, max) = (times(own.min, count), times(own.max, count));
        occurrence(&Tree { min, max, term: own.term.clone() }, base)
    }

    fn describe(&self, tree: &Tree) -> String {
        match &tree.term {
            Leaf::Element(element) | Leaf::Only(element) => {
                self.compiler.s.text_of(self.name(*element))
            }
            Leaf::Any(_) => "a wildcard".to_owned(),
            Leaf::Group(compositor, _) => text(*compositor).to_owned(),
        }
    }
}

fn members(tree: &Tree) -> &[Tree] {
    match &tree.term {
        Leaf::Group(_, members) => members,
        _ => &[],
    }
}

const fn text(compositor: Compositor) -> &'static str {
    match compositor {
        Compositor::Sequence => "a sequence",
        Compositor::Choice => "a choice",
        Compositor::All => "an all group",
    }
}

/// Two values that are the same, or that nobody could read.
fn same(a: &crate::xsd::model::ValueConstraint, b: &crate::xsd::model::ValueConstraint) -> bool {
    match (&a.value, &b.value) {
        (Some(a), Some(b)) => a == b,
        _ => a.lexical == b.lexical,
    }
}

/// Occurrence Range OK
fn occurrence(own: &Tree, base: &Tree) -> Outcome {
    if own.min >= base.min && own.max <= base.max {
        return Ok(());
    }
    let bound = |max| if max == UNBOUNDED { "any number".to_owned() } else { format!("{max}") };
    Err(format!(
        "{} to {} times, and in the base {} to {}",
        own.min,
        bound(own.max),
        base.min,
        bound(base.max)
    ))
}

/// Effective Total Range
fn range(tree: &Tree) -> (u32, u32) {
    let (min, max) = match &tree.term {
        Leaf::Group(Compositor::Choice, inside) => {
            inside.iter().map(range).reduce(|(a, b), (c, d)| (a.min(c), b.max(d))).unwrap_or((0, 0))
        }
        Leaf::Group(_, inside) => inside.iter().map(range).fold((0u32, 0u32), |(a, b), (c, d)| {
            let max = if b == UNBOUNDED || d == UNBOUNDED {
                UNBOUNDED
            } else {
                b.saturating_add(d).min(UNBOUNDED - 1)
            };
            (a.saturating_add(c).min(UNBOUNDED - 1), max)
        }),
        _ => (1, 1),
    };
    (times(tree.min, min), times(tree.max, max))
}
