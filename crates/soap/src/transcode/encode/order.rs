//! Putting members in the order of the schema, and asking the content model.

use smallvec::SmallVec;

use super::{Doing, Encoder, Frame, Result};
use crate::json::Reader;
use crate::name::{NsId, Sym};
use crate::transcode::shape::{Elements, NONE, What};
use crate::xsd::content::Expected;

/// What one member wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// The leaf it belongs to.
    pub(super) order: u32,
    pub(super) member: u32,
    /// Among those of one order: where it comes, in a repeated group that lies flat.
    pub(super) rank: u32,
    pub(super) start: usize,
    /// Where its steps begin.
    pub(super) steps: usize,
}

/// Elements of one name that were written one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    namespace: NsId,
    name: Sym,
    count: u32,
}

impl Encoder<'_> {
    /// Notes an element for the content model.
    #[inline]
    pub(super) fn step(&mut self, namespace: NsId, name: Sym) {
        let first = self.segments.last().map_or(0, |segment| segment.steps);
        let base = self.depth.checked_sub(1).map_or(0, |top| self.frames[top].steps);
        if self.steps.len() > first.max(base)
            && let Some(last) = self.steps.last_mut()
            && last.name == name
            && last.namespace == namespace
            && name != Sym::UNKNOWN
        {
            last.count += 1;
            return;
        }
        self.steps.push(Step { namespace, name, count: 1 });
    }

    /// Begins what a member writes.
    pub(super) fn segment(&mut self, member: u32, order: u32) {
        self.close_tag();
        self.segments.push(Segment {
            order,
            member,
            rank: 0,
            start: self.position(),
            steps: self.steps.len(),
        });
    }

    /// Puts the members of an object in order.
    #[inline]
    pub(super) fn arrange(&mut self, reader: &Reader<'_>, at: usize) -> Result {
        let frame = self.frames[at];
        let Some(elements) = self.plan.shape(frame.ty).elements() else { return Ok(()) };
        let Some(scope) = elements.scopes.get(frame.scope as usize) else { return Ok(()) };
        let several = |member: u32| {
            scope.members.get(member as usize).is_some_and(|member| member.leaves.len() > 1)
        };
        if self.segments[frame.segments..].iter().any(|segment| several(segment.member)) {
            self.deal(elements, &frame);
        }
        self.regroup(elements, &frame);
        self.sort(reader, &frame)
    }

    /// Sorts what an object wrote, if its members came out of order.
    pub(super) fn sort(&mut self, reader: &Reader<'_>, frame: &Frame) -> Result {
        let segments = &self.segments[frame.segments..];
        if segments.is_sorted_by_key(|segment| (segment.order, segment.rank)) {
            return Ok(());
        }
        let Some(start) = segments.first().and_then(|first| first.start.checked_sub(self.base))
        else {
            let cure = "send large objects with their members in the order of the schema";
            return Err(self.fault(
                reader,
                "json.order",
                "a member comes after too much that has to follow it",
                cure,
            ));
        };
        let first_step = segments.first().map_or(0, |first| first.steps);
        let pieces = self.out.split_off(start);
        let steps = self.steps.split_off(first_step);
        let mut sorted: SmallVec<[usize; 32]> = (0..segments.len()).collect();
        sorted.sort_by_key(|&number| (segments[number].order, segments[number].rank));
        for number in sorted {
            let segment = segments[number];
            let next = segments.get(number + 1);
            let end = next.map_or(pieces.len(), |next| next.start - self.base - start);
            let last = next.map_or(steps.len(), |next| next.steps - first_step);
            self.out.extend_from_slice(&pieces[segment.start - self.base - start..end]);
            self.steps.extend_from_slice(&steps[segment.steps - first_step..last]);
        }
        Ok(())
    }

    /// Deals values of one key to the several particles that have it: as many to each as it takes, enough left for
    /// those behind.
    fn deal(&mut self, elements: &Elements, frame: &Frame) {
        let Some(scope) = elements.scopes.get(frame.scope as usize) else { return };
        let base = frame.segments;
        for (number, member) in
            scope.members.iter().enumerate().filter(|(_, member)| member.leaves.len() > 1)
        {
            let mine: SmallVec<[usize; 16]> = (base..self.segments.len())
                .filter(|&s| self.segments[s].member as usize == number)
                .collect();
            if mine.is_empty() {
                continue;
            }
            if !member.array {
                let fitting = member
                    .leaves
                    .iter()
                    .copied()
                    .find(|&leaf| self.fits(elements, base, number, leaf));
                self.segments[mine[0]].order = fitting.unwrap_or(member.leaves[0]);
                continue;
            }
            if member.what == What::Any {
                self.deal_any(elements, &member.leaves, &mine);
                continue;
            }
            let leaf = |at: usize| elements.leaves.get(member.leaves[at] as usize);
            let (mut at, mut given) = (0, 0u32);
            let mut left = u32::try_from(mine.len()).unwrap_or(NONE);
            for segment in mine {
                loop {
                    let owed: u32 = (at + 1..member.leaves.len())
                        .filter_map(leaf)
                        .map(|l| l.min)
                        .fold(0, u32::saturating_add);
                    let full =
                        leaf(at).is_none_or(|l| given >= l.max || (left <= owed && given >= l.min));
                    if !full || at + 1 >= member.leaves.len() {
                        break;
                    }
                    (at, given) = (at + 1, 0);
                }
                self.segments[segment].order = member.leaves[at];
                (given, left) = (given + 1, left - 1);
            }
        }
    }

    /// Puts the members of a repeated group that lie flat into rounds again.
    fn regroup(&mut self, elements: &Elements, frame: &Frame) {
        for bunch in elements.bunches.iter().filter(|bunch| bunch.scope == frame.scope) {
            let mut items: Vec<Vec<usize>> = Vec::new();
            for (number, segment) in self.segments.iter().enumerate().skip(frame.segments) {
                let Some(leaf) = segment.order.checked_sub(bunch.first) else { continue };
                let leaf = leaf as usize;
                if leaf >= bunch.leaves {
                    continue;
                }
                items.resize_with(items.len().max(leaf + 1), Vec::new);
                items[leaf].push(number);
            }
            // Where no order fits, the content model says so.
            for (rank, number) in (0u32..).zip(bunch.order(&items).unwrap_or_default()) {
                (self.segments[number].order, self.segments[number].rank) = (bunch.first, rank);
            }
        }
    }

    /// Each to the first wildcard, not before the last one used, that lets its namespace in.
    fn deal_any(&mut self, elements: &Elements, leaves: &[u32], mine: &[usize]) {
        let (mut at, mut given) = (0, 0u32);
        for &segment in mine {
            let namespace = self
                .steps
                .get(self.segments[segment].steps)
                .map_or(NsId::NONE, |step| step.namespace);
            let takes = |at: usize, given: u32| {
                let leaf = leaves.get(at).and_then(|&leaf| elements.leaves.get(leaf as usize));
                leaf.is_some_and(|leaf| {
                    given < leaf.max
                        && leaf
                            .wildcard
                            .is_some_and(|w| self.plan.schemas[w].namespaces.allows(namespace))
                })
            };
            let from = at;
            while at + 1 < leaves.len() && !takes(at, if at == from { given } else { 0 }) {
                at += 1;
            }
            given = if at == from { given + 1 } else { 1 };
            self.segments[segment].order = leaves[at];
        }
    }

    /// Whether no other member of the object belongs to another branch than a leaf.
    fn fits(&self, elements: &Elements, base: usize, number: usize, leaf: u32) -> bool {
        let others =
            self.segments[base..].iter().filter(|segment| segment.member as usize != number);
        !others.into_iter().any(|other| elements.exclusive(leaf, other.order))
    }

    /// Asks the content model about all that an element holds.
    #[inline]
    pub(super) fn check_content(&mut self, reader: &Reader<'_>, at: usize) -> Result {
        let plan = self.plan;
        let frame = self.frames[at];
        let Some(elements) = plan.shape(frame.ty).elements() else { return Ok(()) };
        let schemas = &plan.schemas;
        let model = &schemas[elements.model];
        model.start(&mut self.run);
        for number in frame.steps..self.steps.len() {
            let step = self.steps[number];
            for _ in 0..step.count {
                if model
                    .step(&mut self.run, schemas.wildcards(), step.namespace, step.name)
                    .is_none()
                {
                    return Err(self.misplaced(reader, elements, &frame, step));
                }
            }
        }
        if model.may_end(&self.run) {
            Ok(())
        } else {
            Err(self.incomplete(reader, elements, &frame))
        }
    }

    #[cold]
    fn misplaced(
        &self,
        reader: &Reader<'_>,
        elements: &Elements,
        frame: &Frame,
        step: Step,
    ) -> Box<crate::Fault> {
        let schemas = &self.plan.schemas;
        let expected = schemas[elements.model].expected(&self.run);
        let given = |name: Sym| self.steps[frame.steps..].iter().any(|step| step.name == name);
        let missing = expected.iter().find_map(|e| match e {
            Expected::Name(name) if !given(*name) => Some(*name),
            _ => None,
        });
        let name = schemas.symbols.name(step.name).1;
        let known = step.name != Sym::UNKNOWN;
        match missing.filter(|_| !expected.contains(&Expected::Name(step.name))) {
            Some(missing) => {
                let key = schemas.symbols.name(missing).1;
                let message = format!(
                    "{name:?} needs {key:?} beside it, or may not stand here with what is given"
                );
                self.fault(
                    reader,
                    "json.missing",
                    message,
                    &format!("add {key:?}, or leave {name:?} out"),
                )
            }
            None if known => {
                let message =
                    format!("{name:?} may not stand here with what is given, or not so often");
                self.fault(
                    reader,
                    "json.choice",
                    message,
                    &format!("leave {name:?} out, or what excludes it"),
                )
            }
            None => self.fault(
                reader,
                "json.any",
                "an element of this namespace may not stand here",
                "leave it out",
            ),
        }
    }

    #[cold]
    fn incomplete(&self, reader: &Reader<'_>, elements: &Elements, _: &Frame) -> Box<crate::Fault> {
        let schemas = &self.plan.schemas;
        let expected = schemas[elements.model].expected(&self.run);
        let names: Vec<_> = expected
            .iter()
            .filter_map(|expected| match expected {
                Expected::Name(name) => Some(format!("{:?}", schemas.symbols.name(*name).1)),
                Expected::Any(_) => None,
            })
            .take(8)
            .collect();
        let what = if names.is_empty() { "something".to_owned() } else { names.join(" or ") };
        self.fault(reader, "json.missing", format!("{what} is missing"), &format!("add {what}"))
    }

    /// `}`
    pub(super) fn end_object(&mut self, reader: &Reader<'_>) -> Result {
        let at = self.depth - 1;
        let frame = self.frames[at];
        match frame.doing {
            Doing::Object => {
                if frame.nil {
                    if self.segments.len() > frame.segments || self.open_tag != at {
                        let message = "what is nil may have attributes and nothing else";
                        return Err(self.fault(
                            reader,
                            "json.nil",
                            message,
                            "leave $nil out, or the content",
                        ));
                    }
                } else {
                    self.arrange(reader, at)?;
                    self.check_content(reader, at)?;
                    self.check_value(reader, at)?;
                }
                self.check_attributes(reader, at)?;
                self.end_tag(reader, at)
            }
            Doing::Round => {
                self.arrange(reader, at)?;
                self.leave(at);
                Ok(())
            }
            Doing::Generic => self.end_tag(reader, at),
            Doing::Reference if frame.count > 0 => self.end_tag(reader, at),
            Doing::Reference => {
                self.depth = at;
                Ok(())
            }
            Doing::Parts => self.end_parts(reader, at),
            Doing::Bare => {
                if frame.count == 0 {
                    return Err(self.fault(
                        reader,
                        "json.missing",
                        "\"$value\" is missing",
                        "add it",
                    ));
                }
                self.leave(at);
                Ok(())
            }
            Doing::Entry => {
                if frame.count == 0 {
                    return Err(self.fault(
                        reader,
                        "json.any",
                        "an entry has to name its element",
                        "use {\"name\": value}",
                    ));
                }
                self.leave(at);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_parts(&mut self, reader: &Reader<'_>, at: usize) -> Result {
        let frame = self.frames[at];
        let message = self.message;
        for (number, part) in (0u32..).zip(message.parts()) {
            if !self.segments[frame.segments..].iter().any(|segment| segment.order == number) {
                let text = format!("the part {:?} is missing", part.name);
                return Err(self.fault(
                    reader,
                    "json.missing",
                    text,
                    &format!("add {:?}", part.name),
                ));
            }
        }
        self.sort(reader, &frame)?;
        self.end_tag(reader, at)
    }
}
