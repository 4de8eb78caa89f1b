//! A schema document in memory: its tree, its name, and places in it.

use std::sync::Arc;

use roxmltree::Node;

use crate::fault::{Fault, FaultKind, Place};
use crate::name::XSD;

/// A `schema` element and the document it stands in.
#[derive(Debug, Clone)]
pub(in crate::xsd) struct Doc<'d> {
    pub(in crate::xsd) root: Node<'d, 'd>,
    pub(in crate::xsd) url: Arc<str>,
    /// Where each line begins.
    lines: Arc<Vec<usize>>,
}

impl<'d> Doc<'d> {
    pub(in crate::xsd) fn new(root: Node<'d, 'd>, url: Arc<str>) -> Self {
        let text = root.document().input_text();
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        Self { root, url, lines: Arc::new(std::iter::once(0).chain(ends).collect()) }
    }

    /// Where a node begins.
    pub(in crate::xsd) fn place(&self, node: Node<'_, '_>) -> Place {
        self.place_at(node.range().start)
    }

    fn place_at(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|&start| start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let text = self.root.document().input_text();
        let before = text.get(start..offset).map_or(0, |text| text.chars().count());
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            document: Some(Arc::clone(&self.url)),
            offset: offset as u64,
            line: number(line),
            column: number(before + 1),
        }
    }

    /// A fault of the schema at a node.
    pub(in crate::xsd) fn fault(
        &self,
        node: Node<'_, '_>,
        rule: &'static str,
        message: impl Into<String>,
    ) -> Fault {
        Fault::new(FaultKind::Schema, message).rule(rule).at(self.place(node))
    }
}

/// Whether a node is an element of XML Schema.
pub(in crate::xsd) fn is_xsd(node: Node<'_, '_>) -> bool {
    node.is_element() && node.tag_name().namespace() == Some(XSD)
}

/// Children that are elements of XML Schema, annotations left out.
pub(in crate::xsd) fn children<'d>(node: Node<'d, 'd>) -> impl Iterator<Item = Node<'d, 'd>> {
    node.children().filter(|child| is_xsd(*child) && child.tag_name().name() != "annotation")
}

/// An attribute without a namespace, the white space around it dropped.
pub(in crate::xsd) fn attribute<'d>(node: Node<'d, 'd>, name: &str) -> Option<&'d str> {
    node.attribute(name).map(trim)
}

/// Drops white space as XML knows it.
pub(in crate::xsd) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}
