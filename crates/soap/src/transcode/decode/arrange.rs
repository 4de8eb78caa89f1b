//! Where in an object an element's value goes: commas, keys, arrays, and the rounds of repeated groups.

use smallvec::SmallVec;

use super::Decoder;
use crate::transcode::shape::{Elements, NONE, What};

/// An open object: that of the type, or one round of a repeated group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    scope: u32,
    /// Whether a member stands before.
    comma: bool,
    /// The member whose array is open.
    array: u32,
    /// The leaf that came last in this round, and how often in a row.
    last: u32,
    count: u32,
    /// The first 64 members that came, one bit each.
    came: u64,
    /// Where its segments begin.
    segments: usize,
}

/// The value of a member of an object that is put together at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    member: u32,
    start: usize,
}

impl Open {
    pub(super) const fn new(scope: u32, segments: usize, comma: bool) -> Self {
        Self { scope, comma, array: NONE, last: NONE, count: 0, came: 0, segments }
    }
}

impl Decoder<'_> {
    /// Writes all that stands before the value of a leaf.
    #[inline]
    pub(super) fn enter(&mut self, at: usize, elements: &Elements, leaf: u32) {
        self.frames[at].last_leaf = leaf;
        if !elements.plain {
            self.arrange(at, elements, leaf);
        }
        let leaf = &elements.leaves[leaf as usize];
        if self.frames[at].doing == super::Doing::Collapsed {
            super::comma(&mut self.frames[at].comma, &mut self.out);
            return;
        }
        self.member(at, elements, leaf.scope, leaf.member);
    }

    /// Writes the key of a member of the innermost open scope, or a comma where its array goes on.
    #[inline]
    fn member(&mut self, at: usize, elements: &Elements, scope: u32, number: u32) {
        let scope = &elements.scopes[scope as usize];
        let member = &scope.members[number as usize];
        let Some(open) = self.frames[at].scopes.last_mut() else { return };
        if open.array == number {
            self.out.push(b',');
            return;
        }
        if open.array != NONE {
            self.out.push(b']');
            open.array = NONE;
        }
        if scope.split {
            // The values of a key are gathered at the end of the object; arrays inside of a round are whole.
            self.segments.push(Segment { member: number, start: self.out.len() });
            if matches!(member.what, What::Items(_)) {
                self.out.push(b'[');
                open.array = number;
            }
            return;
        }
        open.came |= 1u64.checked_shl(number).unwrap_or(0);
        super::comma(&mut open.comma, &mut self.out);
        self.out.extend_from_slice(member.json_key.as_bytes());
        if member.array {
            self.out.push(b'[');
            open.array = number;
        }
    }

    /// Closes the rounds that a leaf does not belong to, and begins those it does.
    fn arrange(&mut self, at: usize, elements: &Elements, leaf: u32) {
        let target = elements.leaves[leaf as usize].scope;
        let mut chain: SmallVec<[u32; 8]> = SmallVec::new();
        let mut scope = target;
        while scope != 0 {
            chain.push(scope);
            scope = elements.scopes[scope as usize].parent.0;
        }
        chain.reverse();
        let scopes = &self.frames[at].scopes;
        let same = |(open, wanted): &(&Open, &u32)| {
            open.scope == **wanted && elements.continues(open.scope, open.last, open.count, leaf)
        };
        let kept = 1 + scopes[1..].iter().zip(&chain).take_while(same).count();
        while self.frames[at].scopes.len() > kept {
            self.close_scope(at, elements);
        }
        for &scope in &chain[kept - 1..] {
            let (parent, member) = elements.scopes[scope as usize].parent;
            self.member(at, elements, parent, member);
            self.out.push(b'{');
            let segments = self.segments.len();
            self.frames[at].scopes.push(Open::new(scope, segments, false));
            self.held += u32::from(elements.scopes[scope as usize].split);
        }
        for open in &mut self.frames[at].scopes[1..] {
            open.count = if open.last == leaf { open.count + 1 } else { 1 };
            open.last = leaf;
        }
    }

    /// Closes the innermost object of an element.
    pub(super) fn close_scope(&mut self, at: usize, elements: &Elements) {
        let Some(open) = self.frames[at].scopes.pop() else { return };
        if open.array != NONE {
            self.out.push(b']');
        }
        if elements.scopes[open.scope as usize].split {
            self.assemble(elements, &open);
            self.held -= 1;
        }
        self.out.push(b'}');
    }

    /// Ends an element of element content.
    pub(super) fn end_elements(
        &mut self,
        reader: &crate::xml::Reader<'_>,
        at: usize,
    ) -> super::Result {
        self.check_end(reader, at)?;
        let plan = self.plan;
        let Some(elements) = plan.shape(self.frames[at].ty).elements() else { return Ok(()) };
        if self.frames[at].doing == super::Doing::Collapsed {
            self.out.push(b']');
            return Ok(());
        }
        if plan.options.emit_empty_arrays && elements.plain {
            self.emit_empty(at, elements);
        }
        while !self.frames[at].scopes.is_empty() {
            self.close_scope(at, elements);
        }
        Ok(())
    }

    /// `[]` for every array that no item came for.
    fn emit_empty(&mut self, at: usize, elements: &Elements) {
        let Some(open) = self.frames[at].scopes.first_mut() else { return };
        if open.array != NONE {
            self.out.push(b']');
            open.array = NONE;
        }
        let members = elements.scopes[0].members.iter().zip(0u32..64);
        for (member, _) in
            members.filter(|(member, number)| member.array && open.came & (1 << number) == 0)
        {
            super::comma(&mut open.comma, &mut self.out);
            self.out.extend_from_slice(member.json_key.as_bytes());
            self.out.extend_from_slice(b"[]");
        }
    }

    /// Puts together an object whose keys came in pieces: each key once, in the order of its first value.
    fn assemble(&mut self, elements: &Elements, open: &Open) {
        let Some(first) = self.segments.get(open.segments) else { return };
        let start = first.start;
        let pieces = self.out.split_off(start);
        let ends = self.segments[open.segments..]
            .iter()
            .skip(1)
            .map(|s| s.start)
            .chain([start + pieces.len()]);
        let mut segments: SmallVec<[(u32, usize, usize); 16]> = self.segments[open.segments..]
            .iter()
            .zip(ends)
            .map(|(s, end)| (s.member, s.start - start, end - start))
            .collect();
        if !elements.bunches.is_empty() {
            // Which came first says nothing here.
            segments.sort_by_key(|&(member, ..)| member);
        }
        let mut comma = open.comma;
        let mut written = vec![false; elements.scopes[open.scope as usize].members.len()];
        for (at, &(member, ..)) in segments.iter().enumerate() {
            if std::mem::replace(&mut written[member as usize], true) {
                continue;
            }
            super::comma(&mut comma, &mut self.out);
            let member_plan = &elements.scopes[open.scope as usize].members[member as usize];
            self.out.extend_from_slice(member_plan.json_key.as_bytes());
            let brackets = member_plan.array && !matches!(member_plan.what, What::Items(_));
            if brackets {
                self.out.push(b'[');
            }
            let mut inner = false;
            for &(_, from, to) in segments[at..].iter().filter(|&&(other, ..)| other == member) {
                super::comma(&mut inner, &mut self.out);
                self.out.extend_from_slice(&pieces[from..to]);
            }
            if brackets {
                self.out.push(b']');
            }
        }
        self.segments.truncate(open.segments);
    }
}
