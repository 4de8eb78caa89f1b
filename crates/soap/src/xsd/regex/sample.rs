//! Texts that a pattern matches.

use super::parse::Node;
use super::sets::class_set;

/// Longer texts are not what anybody wants to look at.
const LONG: usize = 4096;

pub(super) fn write(node: &Node, pick: &mut dyn FnMut(usize) -> usize, out: &mut String) {
    match node {
        Node::Empty => {}
        Node::Char(c) => out.push(*c),
        Node::Class(class) => {
            let set = class_set(class);
            // What can be typed is preferred.
            let readable = |c: &char| c.is_ascii_graphic();
            let plain: Vec<char> =
                ('!'..='~').filter(readable).filter(|&c| contains(&set, c)).collect();
            let chosen = match plain.get(pick(plain.len())) {
                Some(&c) => Some(c),
                None => set.ranges().get(pick(set.ranges().len())).map(|range| range.start()),
            };
            out.extend(chosen);
        }
        Node::Concat(pieces) => pieces.iter().for_each(|piece| write(piece, pick, out)),
        Node::Alternate(branches) => {
            if let Some(branch) = branches.get(pick(branches.len())) {
                write(branch, pick, out);
            }
        }
        Node::Repeat { node, least, most } => {
            let room = most.map_or(3, |most| (most - least).min(3)) as usize;
            let times = *least as usize + pick(room + 1);
            for _ in 0..times {
                if out.len() > LONG {
                    return;
                }
                write(node, pick, out);
            }
        }
    }
}

fn contains(set: &regex_syntax::hir::ClassUnicode, c: char) -> bool {
    set.ranges().iter().any(|range| range.start() <= c && c <= range.end())
}
