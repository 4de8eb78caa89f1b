//! The names a file declares, gathered before anything refers to them.
//!
//! Two passes over each list: first the names, then the rest. So a plan may stand below the API
//! that offers it, and a plan with a fault in it is still known by name: one mistake, one message.

use std::collections::HashMap;

use super::{
    fault::{Code, Span},
    tree::{Kind, Node},
    walk::{Fields, Text, Walk, nearest},
};

/// Names that are looked at for a "did you mean".
const NEAR_MAX: usize = 2_000;

/// A list of named things.
pub(crate) struct Section<'n> {
    /// In file order; `None` where an item is not even a group of keys.
    pub(crate) items: Vec<Option<Item<'n>>>,
    by_name: HashMap<String, Vec<usize>>,
    /// `plan`
    noun: &'static str,
    /// `plans`
    key: &'static str,
    /// How one is made, where that is not in the file.
    elsewhere: Option<&'static str>,
}

pub(crate) struct Item<'n> {
    pub(crate) fields: Fields<'n>,
    pub(crate) name: Option<Text>,
}

impl<'n> Section<'n> {
    /// First pass. `what` is "a plan", `keys` all it may have.
    pub(crate) fn declare(
        walk: &Walk<'_>,
        root: &Fields<'n>,
        key: &'static str,
        (noun, what): (&'static str, &'static str),
        keys: &[&str],
    ) -> Self {
        let mut section =
            Self { items: Vec::new(), by_name: HashMap::new(), noun, key, elsewhere: None };
        let nodes = root.get(key).and_then(|node| walk.list(node, &format!("`{key}`")));
        for (index, node) in nodes.unwrap_or_default().iter().enumerate() {
            let item = walk.fields(node, what, keys).map(|fields| {
                let cure = format!("Write `name: …`; it is how {what} is called elsewhere.");
                let node = walk.need(&fields, "name", &cure);
                let name = node.and_then(|node| walk.name(node, "`name`"));
                let called = match (&name, node) {
                    (Some(name), _) => Some(name.value.clone()),
                    // A name that breaks the rules is still what others refer to.
                    (None, Some(Node { kind: Kind::Scalar(raw), .. })) => Some(raw.clone()),
                    _ => None,
                };
                if let Some(called) = called {
                    section.by_name.entry(called).or_default().push(index);
                }
                Item { fields, name }
            });
            section.items.push(item);
        }
        section
    }

    /// Names that stand elsewhere.
    pub(crate) fn known(
        names: &[String],
        key: &'static str,
        noun: &'static str,
        elsewhere: &'static str,
    ) -> Self {
        let by_name = names.iter().enumerate().map(|(index, name)| (name.clone(), vec![index]));
        Self {
            items: Vec::new(),
            by_name: by_name.collect(),
            noun,
            key,
            elsewhere: Some(elsewhere),
        }
    }

    /// Writes down names that are taken twice. Not for APIs: their versions share a name.
    pub(crate) fn refuse_twins(&self, walk: &Walk<'_>) {
        for indices in self.by_name.values() {
            let line = |index: &usize| self.name_span(*index).line;
            let Some(first) = indices.first().map(line) else { continue };
            for index in indices.iter().skip(1) {
                let Some(item) = self.items.get(*index).and_then(Option::as_ref) else { continue };
                let Some(name) = &item.name else { continue };
                walk.fault(
                    Code::DuplicateName,
                    name.span,
                    format!(
                        "The name {} is taken by the {} in line {first}.",
                        name.shown, self.noun
                    ),
                    "Give one of the two another name.",
                );
            }
        }
    }

    pub(crate) fn name_span(&self, index: usize) -> Span {
        let item = self.items.get(index).and_then(Option::as_ref);
        item.map(|item| item.name.as_ref().map_or(item.fields.span, |name| name.span))
            .unwrap_or_default()
    }

    /// All items of a name.
    pub(crate) fn all(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The items a text refers to; a fault where there are none.
    pub(crate) fn refer(&self, walk: &Walk<'_>, text: &Text) -> Option<&[usize]> {
        let found = self.all(&text.value);
        if !found.is_empty() {
            return Some(found);
        }
        let known = self.by_name.keys().take(NEAR_MAX).map(String::as_str);
        // The same order each time, so that the same file always gets the same advice.
        let mut known: Vec<&str> = known.collect();
        known.sort_unstable();
        let declare = match self.elsewhere {
            Some(elsewhere) => elsewhere.to_owned(),
            None => format!("declare it under `{}`", self.key),
        };
        let cure = match nearest(&text.value, known.iter().copied()).filter(|_| !text.outside) {
            Some(near) => format!("Did you mean `{near}`? Otherwise {declare}."),
            None if known.is_empty() && self.elsewhere.is_some() => {
                format!("There are none yet: {declare}.")
            }
            None if known.is_empty() => format!("The file has no `{}` yet: {declare}.", self.key),
            None if known.len() <= 8 => {
                format!("There are: {}. Use one of them, or {declare}.", known.join(", "))
            }
            None => format!("Look for a slip of the pen, or {declare}."),
        };
        let article = if self.noun.starts_with(['a', 'i', 'o', 'A']) { "an" } else { "a" };
        let message = format!("{} is not the name of {article} {}.", text.shown, self.noun);
        walk.fault(Code::Reference, text.span, message, cure);
        None
    }

    /// The one item a node refers to.
    pub(crate) fn refer_one(&self, walk: &Walk<'_>, node: &Node, what: &str) -> Option<usize> {
        let text = walk.text(node, what)?;
        self.refer(walk, &text)?.first().copied()
    }
}
