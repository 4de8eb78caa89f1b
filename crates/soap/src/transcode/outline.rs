//! What the transcoders know of a type's JSON, for whoever describes it: the same keys, arrays and groups.

use super::plan::Plan;
use super::shape::{Elements, Kind, Scope, Shape, What as Held};
use crate::xsd::model::{
    AttributeUse, Derivation, DerivationSet, ElementId, TypeId, TypeKind, WildcardId, times,
};

/// How the members of an object go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A member, at one of its particles.
    Member {
        /// Its number in its scope.
        member: u32,
        /// How often it occurs at least, where the groups around it are there.
        min: u32,
        /// How often at most.
        max: u32,
    },
    /// All of these.
    Sequence {
        /// Or nothing.
        optional: bool,
        nodes: Vec<Self>,
    },
    /// Any of these, in any mixture: a repeated choice whose members lie flat.
    Some {
        /// Or nothing.
        optional: bool,
        nodes: Vec<Self>,
    },
    /// One of these.
    Choice {
        /// Or nothing.
        optional: bool,
        nodes: Vec<Self>,
    },
}

impl Node {
    /// A repeated group whose members lie flat.
    pub(super) fn flat(choice: bool, nodes: Vec<Self>, min: u32, max: u32) -> Self {
        let (optional, mut nodes) = (min == 0, nodes);
        // Where the members of a sequence are there, they are there in every round; those of a choice share the rounds.
        let least = if choice { 1 } else { min.max(1) };
        nodes.iter_mut().for_each(|node| node.repeat_flat(least, max));
        match choice {
            true => Self::Some { optional, nodes },
            false => Self::Sequence { optional, nodes },
        }
    }

    fn repeat_flat(&mut self, least: u32, most: u32) {
        match self {
            Self::Member { .. } => self.repeat(least, most),
            Self::Sequence { optional: false, nodes } => {
                nodes.iter_mut().for_each(|node| node.repeat_flat(least, most));
            }
            Self::Sequence { nodes, .. }
            | Self::Some { nodes, .. }
            | Self::Choice { nodes, .. } => {
                nodes.iter_mut().for_each(|node| node.repeat_flat(1, most));
            }
        }
    }

    /// Multiplies the occurrence of the leaves.
    pub(super) fn repeat(&mut self, least: u32, most: u32) {
        match self {
            Self::Member { min, max, .. } => {
                (*min, *max) = (times(*min, least), times(*max, most));
            }
            Self::Sequence { nodes, .. }
            | Self::Some { nodes, .. }
            | Self::Choice { nodes, .. } => {
                nodes.iter_mut().for_each(|node| node.repeat(least, most));
            }
        }
    }

    /// How often a member occurs where it does, and whether it always does.
    fn occurs(&self, wanted: u32) -> Option<(u32, u32, bool)> {
        match self {
            Self::Member { member, min, max } => {
                (*member == wanted).then_some((*min, *max, *min > 0))
            }
            Self::Sequence { optional, nodes } => {
                let found: Vec<_> = nodes.iter().filter_map(|node| node.occurs(wanted)).collect();
                let always = found.iter().any(|&(.., always)| always) && !optional;
                let (mut least, mut most) = (0_u32, 0_u32);
                for &(min, max, always) in &found {
                    if always || found.len() == 1 {
                        least = least.saturating_add(min);
                    }
                    most = most.saturating_add(max);
                }
                (!found.is_empty()).then_some((least, most, always))
            }
            Self::Some { nodes, .. } => {
                let found = nodes.iter().find_map(|node| node.occurs(wanted));
                found.map(|(min, max, _)| (min, max, false))
            }
            Self::Choice { optional, nodes } => {
                let found: Vec<_> = nodes.iter().filter_map(|node| node.occurs(wanted)).collect();
                let all = found.len() == nodes.len() && !optional;
                found
                    .into_iter()
                    .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1), a.2 && b.2))
                    .map(|(min, max, always)| (min, max, always && all))
            }
        }
    }
}

/// The JSON of a type.
#[derive(Debug)]
pub(crate) enum Outline<'p> {
    /// A value of a simple type.
    Scalar,
    /// An object.
    Object(Object<'p>),
    /// The array that an object's only member holds.
    Array(Member<'p>),
    /// `xs:anySimpleType`: an object with `$value`.
    AnySimple,
    /// `xs:anyType`: as `$type` says, else a tree that says itself what it is.
    Any,
}

/// The object of a complex type.
#[derive(Debug)]
pub(crate) struct Object<'p> {
    /// Keys and uses of its attributes.
    pub(crate) attributes: Vec<(String, &'p AttributeUse)>,
    /// Which others it may have.
    pub(crate) any_attribute: Option<WildcardId>,
    /// Its content.
    pub(crate) body: Body<'p>,
    /// The base whose object this one continues.
    pub(crate) extends: Option<Extends>,
}

/// What an object has from its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extends {
    /// The base.
    pub(crate) base: TypeId,
    /// So many attributes.
    pub(crate) attributes: usize,
    /// So many members. If there are any, the root node is a sequence that begins with the base's.
    pub(crate) members: usize,
}

/// The content of an object.
#[derive(Debug)]
pub(crate) enum Body<'p> {
    /// None.
    Empty,
    /// A value of a simple type at `$value`.
    Value(TypeId),
    /// Members.
    Members(Fields<'p>),
    /// `$content`, a text of XML.
    Text,
    /// `$content`, with these members in any order.
    Mixed(Fields<'p>),
}

/// The members of an object or of a round of `$items`.
#[derive(Debug)]
pub(crate) struct Fields<'p> {
    pub(crate) members: Vec<Member<'p>>,
    pub(crate) root: Option<&'p Node>,
}

/// A key and what it holds.
#[derive(Debug)]
pub(crate) struct Member<'p> {
    pub(crate) key: &'p str,
    pub(crate) what: What<'p>,
    pub(crate) array: bool,
    /// How often it occurs at least where it occurs.
    pub(crate) min: u32,
    pub(crate) max: u32,
}

/// What a key holds.
#[derive(Debug)]
pub(crate) enum What<'p> {
    Element(ElementId),
    /// What one of these wildcards let in.
    Any(Vec<WildcardId>),
    /// Rounds of a group.
    Items(Fields<'p>),
}

impl Plan {
    /// The JSON of a type.
    pub(crate) fn outline(&self, ty: TypeId) -> Outline<'_> {
        let shape = self.shape(ty);
        match &shape.kind {
            Kind::Simple => Outline::Scalar,
            Kind::AnySimple => Outline::AnySimple,
            Kind::Any => Outline::Any,
            Kind::Elements(elements) if elements.collapsed.is_some() => {
                match fields(elements, 0).members.into_iter().next() {
                    Some(member) => Outline::Array(member),
                    None => Outline::Object(self.object(ty, shape)),
                }
            }
            _ => Outline::Object(self.object(ty, shape)),
        }
    }

    fn object<'p>(&'p self, ty: TypeId, shape: &'p Shape) -> Object<'p> {
        let body = match &shape.kind {
            Kind::SimpleContent(simple) => Body::Value(*simple),
            Kind::Elements(elements) => match fields(elements, 0) {
                Fields { members, .. } if members.is_empty() => Body::Empty,
                fields => Body::Members(fields),
            },
            Kind::Mixed(elements) if elements.as_text => Body::Text,
            Kind::Mixed(elements) => Body::Mixed(fields(elements, 0)),
            _ => Body::Empty,
        };
        let known = shape.attributes.known.iter();
        Object {
            attributes: known.map(|a| (format!("@{}", a.key), &a.usage)).collect(),
            any_attribute: shape.attributes.any,
            body,
            extends: self.extends(ty, shape),
        }
    }

    /// Whether the base's object is a part of this one: the same keys with the same values, and all of it in front.
    fn extends(&self, ty: TypeId, shape: &Shape) -> Option<Extends> {
        let def = &self.schemas[ty];
        let base = self.shape(def.base);
        let inherited = &base.attributes.known;
        let same_attributes = inherited.len() <= shape.attributes.known.len()
            && inherited.iter().zip(&shape.attributes.known).all(|(a, b)| a.key == b.key);
        if def.derivation != Derivation::Extension || !same_attributes || def.base == TypeId::ANY {
            return None;
        }
        let members = match (&base.kind, &shape.kind) {
            (Kind::SimpleContent(ours), Kind::SimpleContent(theirs)) if ours == theirs => 0,
            (Kind::Empty, Kind::Empty | Kind::Elements(_)) => 0,
            (Kind::Elements(base), Kind::Elements(own)) if base.collapsed.is_none() => {
                prefix(base, own)?
            }
            _ => return None,
        };
        Some(Extends { base: def.base, attributes: inherited.len(), members })
    }

    /// The types that an element may have: the declared one alone where the position is not polymorphic, none where
    /// an abstract type has nothing derived from it. Between simple types a difference does not show.
    pub(crate) fn variants(&self, declared: TypeId, block: DerivationSet) -> Vec<TypeId> {
        let schemas = &self.schemas;
        if declared == TypeId::ANY || declared == TypeId::ANY_SIMPLE {
            return vec![declared];
        }
        let mut all = schemas.concrete_types(declared, block);
        if let TypeKind::Simple(_) = schemas[declared].kind {
            let shows = |ty: &TypeId| {
                *ty == declared || !schemas.is_builtin(declared) && schemas[*ty].complex().is_some()
            };
            all.retain(shows);
        }
        all
    }
}

fn fields(elements: &Elements, scope: u32) -> Fields<'_> {
    let Some(scope) = elements.scopes.get(scope as usize) else {
        return Fields { members: Vec::new(), root: None };
    };
    let numbered = (0_u32..).zip(&scope.members);
    let members = numbered.map(|(number, held)| {
        let occurs = scope.root.as_ref().and_then(|root| root.occurs(number));
        let (min, max, _) = occurs.unwrap_or((0, 1, false));
        let what = match held.what {
            Held::Element(element) => What::Element(element),
            Held::Items(inner) => What::Items(fields(elements, inner)),
            Held::Any => {
                let leaves = held.leaves.iter().filter_map(|&at| elements.leaves.get(at as usize));
                What::Any(leaves.filter_map(|leaf| leaf.wildcard).collect())
            }
        };
        Member { key: &held.key, what, array: held.array, min, max }
    });
    Fields { members: members.collect(), root: scope.root.as_ref() }
}

/// How many members the base has, if they and how they go together come first in the other.
fn prefix(base: &Elements, own: &Elements) -> Option<usize> {
    let (ours, theirs) = (base.scopes.first()?, own.scopes.first()?);
    if !same_members(base, own, ours, theirs) {
        return None;
    }
    let same_rules = match (&ours.root, &theirs.root) {
        (None, _) => true,
        (Some(root), Some(whole)) if root == whole => ours.members.len() == theirs.members.len(),
        (Some(root), Some(Node::Sequence { optional: false, nodes })) => {
            nodes.first() == Some(root)
        }
        _ => false,
    };
    // What is added must not touch what is there.
    let untouched = ours.members.iter().zip(&theirs.members).all(|(a, b)| a.leaves == b.leaves);
    (same_rules && untouched).then_some(ours.members.len())
}

fn same_members(base: &Elements, own: &Elements, ours: &Scope, theirs: &Scope) -> bool {
    let same = |(a, b): (&super::shape::Member, &super::shape::Member)| {
        let what = match (a.what, b.what) {
            (Held::Items(a), Held::Items(b)) => {
                let scopes = base.scopes.get(a as usize).zip(own.scopes.get(b as usize));
                scopes.is_some_and(|(a, b)| {
                    a.members.len() == b.members.len() && same_members(base, own, a, b)
                })
            }
            (a, b) => a == b,
        };
        what && a.key == b.key && a.array == b.array
    };
    ours.members.len() <= theirs.members.len() && ours.members.iter().zip(&theirs.members).all(same)
}
