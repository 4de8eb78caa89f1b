//! A repeated group whose members lie flat, by key (`grouped`): in which order its items go back into XML.
//!
//! JSON keeps how often each element came and not between which others. An order that the schema takes is found by
//! counting: for every particle between how many and how many times it was gone through, from the leaves up; then so
//! many rounds are dealt out, from the root down. Each element stands at one place only, so the answer is exact: there is
//! none only where no order fits.

use crate::xsd::model::UNBOUNDED;

/// As often as one likes.
const ANY: u64 = u64::MAX;

/// A repeated group of a scope.
#[derive(Debug)]
pub(super) struct Bunch {
    pub(super) scope: u32,
    /// Its leaves are numbered from here.
    pub(super) first: u32,
    /// So many.
    pub(super) leaves: usize,
    pub(super) root: Particle,
}

/// A particle and how often it occurs in one pass of what is around it.
#[derive(Debug)]
pub(super) struct Particle {
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) term: Term,
}

#[derive(Debug)]
pub(super) enum Term {
    /// A leaf, counted from the first of the bunch.
    Leaf(usize),
    Sequence(Vec<Particle>),
    Choice(Vec<Particle>),
}

/// Between how many and how many times.
type Times = (u64, u64);

impl Bunch {
    /// The items of all leaves in an order that the group takes; `None` where it takes none.
    pub(super) fn order(&self, items: &[Vec<usize>]) -> Option<Vec<usize>> {
        let (least, most) = self.root.passes(items)?;
        if least > 1 || most < 1 {
            return None;
        }
        Some(self.root.passed(1, items).concat())
    }
}

impl Particle {
    /// How often what is around it may have been gone through.
    fn passes(&self, items: &[Vec<usize>]) -> Option<Times> {
        let (least, most) = self.term.passes(items)?;
        let low = match self.max {
            UNBOUNDED => u64::from(least > 0),
            max => least.div_ceil(u64::from(max.max(1))),
        };
        let high = match (self.min, most) {
            (0, _) | (_, ANY) => ANY,
            (min, most) => most / u64::from(min),
        };
        (low <= high).then_some((low, high))
    }

    /// The items of each of so many passes; those that are left out at the end have none.
    fn passed(&self, passes: u64, items: &[Vec<usize>]) -> Vec<Vec<usize>> {
        let Some((least, most)) = self.term.passes(items) else { return Vec::new() };
        let min = u64::from(self.min);
        // What may be empty any number of times need not be gone through for nothing.
        let (inner, min) =
            if most == ANY { (least, 0) } else { (least.max(passes.saturating_mul(min)), min) };
        let mut rounds = self.term.passed(inner, items).into_iter();
        let mut left = rounds.len() as u64;
        let max = if self.max == UNBOUNDED { ANY } else { u64::from(self.max) };
        let mut out = Vec::new();
        for pass in 0..passes {
            let owed = min.saturating_mul(passes - pass - 1);
            let take = left.saturating_sub(owed).min(max);
            if take == 0 && left == 0 {
                break;
            }
            left -= take;
            out.push(
                rounds
                    .by_ref()
                    .take(usize::try_from(take).unwrap_or(usize::MAX))
                    .flatten()
                    .collect(),
            );
        }
        out
    }
}

impl Term {
    fn passes(&self, items: &[Vec<usize>]) -> Option<Times> {
        match self {
            Self::Leaf(leaf) => {
                let count = items.get(*leaf).map_or(0, Vec::len) as u64;
                Some((count, count))
            }
            Self::Sequence(inner) => {
                let (mut low, mut high) = (0, ANY);
                for particle in inner {
                    let (least, most) = particle.passes(items)?;
                    (low, high) = (low.max(least), high.min(most));
                }
                (low <= high).then_some((low, high))
            }
            Self::Choice(inner) => {
                let (mut low, mut high) = (0_u64, 0_u64);
                for particle in inner {
                    let (least, most) = particle.passes(items)?;
                    (low, high) = (low.saturating_add(least), high.saturating_add(most));
                }
                Some((low, high))
            }
        }
    }

    fn passed(&self, passes: u64, items: &[Vec<usize>]) -> Vec<Vec<usize>> {
        match self {
            Self::Leaf(leaf) => {
                items.get(*leaf).into_iter().flatten().map(|&item| vec![item]).collect()
            }
            Self::Sequence(inner) => {
                let mut out: Vec<Vec<usize>> = Vec::new();
                for particle in inner {
                    let each = particle.passed(passes, items);
                    out.resize_with(out.len().max(each.len()), Vec::new);
                    out.iter_mut().zip(each).for_each(|(pass, more)| pass.extend(more));
                }
                out
            }
            Self::Choice(inner) => {
                let times: Vec<Times> =
                    inner.iter().filter_map(|particle| particle.passes(items)).collect();
                let least: u64 = times.iter().map(|&(least, _)| least).sum();
                let mut more = passes.saturating_sub(least);
                let mut out = Vec::new();
                for (particle, (least, most)) in inner.iter().zip(times) {
                    // What may be empty has nothing to say in further passes.
                    let extra = if most == ANY { 0 } else { more.min(most - least) };
                    more -= extra;
                    out.extend(particle.passed(least + extra, items));
                }
                out
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(number: usize, min: u32, max: u32) -> Particle {
        Particle { min, max, term: Term::Leaf(number) }
    }

    fn bunch(min: u32, max: u32, term: Term) -> Bunch {
        Bunch { scope: 0, first: 0, leaves: 3, root: Particle { min, max, term } }
    }

    /// Counts of each leaf become items that are numbered through.
    fn order(bunch: &Bunch, counts: &[usize]) -> Option<Vec<usize>> {
        let mut next = 0;
        let items: Vec<Vec<usize>> = counts
            .iter()
            .map(|&count| {
                next += count;
                (next - count..next).collect()
            })
            .collect();
        bunch.order(&items)
    }

    #[test]
    fn rounds_of_a_sequence_are_dealt_out_again() {
        let rows = bunch(0, UNBOUNDED, Term::Sequence(vec![leaf(0, 1, 1), leaf(1, 0, 1)]));
        assert_eq!(order(&rows, &[3, 2]), Some(vec![0, 3, 1, 4, 2]));
        assert_eq!(order(&rows, &[1, 2]), None, "more of the second than rounds");
        assert_eq!(order(&rows, &[0, 0]), Some(vec![]));
        let pairs = bunch(0, 2, Term::Sequence(vec![leaf(0, 2, 2), leaf(1, 1, 3)]));
        assert_eq!(order(&pairs, &[4, 4]), Some(vec![0, 1, 4, 5, 6, 2, 3, 7]));
        assert_eq!(order(&pairs, &[6, 3]), None, "three rounds are too many");
        assert_eq!(order(&pairs, &[3, 2]), None, "a round and a half");
    }

    #[test]
    fn branches_of_a_choice_come_one_after_the_other() {
        let choice = bunch(1, UNBOUNDED, Term::Choice(vec![leaf(0, 1, 1), leaf(1, 1, 1)]));
        assert_eq!(order(&choice, &[2, 2]), Some(vec![0, 1, 2, 3]));
        assert_eq!(order(&choice, &[0, 0]), None, "once at least");
        let inner =
            Particle { min: 1, max: 1, term: Term::Choice(vec![leaf(1, 1, 1), leaf(2, 1, 1)]) };
        let either = bunch(0, UNBOUNDED, Term::Sequence(vec![leaf(0, 1, 1), inner]));
        assert_eq!(order(&either, &[3, 1, 2]), Some(vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(order(&either, &[3, 1, 1]), None);
    }

    #[test]
    fn what_may_be_empty_costs_nothing() {
        let empty = bunch(4_000_000_000, UNBOUNDED, Term::Sequence(vec![leaf(0, 0, 1)]));
        assert_eq!(order(&empty, &[2]), Some(vec![0, 1]));
        let many =
            bunch(4_000_000_000, UNBOUNDED, Term::Choice(vec![leaf(0, 0, 1), leaf(1, 1, 1)]));
        assert_eq!(order(&many, &[1, 1]), Some(vec![0, 1]));
    }
}
