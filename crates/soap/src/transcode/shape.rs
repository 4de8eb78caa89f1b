//! The shape of a type's JSON: which keys, which of them arrays, what is gathered under `$items`.
//!
//! An element that may occur more than once is an array. A group of several members that may repeat is an array of
//! objects under `$items`, one object a round: a scope of its own. Everything else lies flat in the object of the type.

mod build;

use rustc_hash::FxHashMap;

use self::build::Builder;
use super::Options;
use super::bunch::Bunch;
use super::names::Names;
use super::outline::Node;
use crate::name::{NsId, Sym, same};
use crate::xsd::model::{
    AttributeUse, ComplexDef, Content, DerivationSet, ElementId, ModelId, ParticleId, Schemas,
    TypeId, WildcardId,
};

/// So many elements and wildcards may be in the content of one type.
const LEAVES: usize = 20_000;

/// Up to so many attributes are looked through for a key.
const FEW: usize = 6;

/// No member, no leaf.
pub(super) const NONE: u32 = u32::MAX;

/// The JSON of one type.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) attributes: Attributes,
    /// Whether other types may appear in its place, so that `$type` has to be looked for.
    pub(super) polymorphic: bool,
    pub(super) is_abstract: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A value.
    Simple,
    /// An object of `$value` and attributes; the content is of this simple type.
    SimpleContent(TypeId),
    /// An object of attributes alone.
    Empty,
    /// An object of attributes and elements.
    Elements(Box<Elements>),
    /// An object of attributes and `$content`.
    Mixed(Box<Elements>),
    /// `xs:anyType`: a tree that says itself what it is.
    Any,
    /// `xs:anySimpleType`
    AnySimple,
}

#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) known: Vec<Attribute>,
    /// By key, the `@` left out.
    by_key: FxHashMap<Box<str>, u32>,
    pub(super) any: Option<WildcardId>,
    /// Those among the first 64 that have to be there; those beyond are looked at one by one.
    pub(super) required: u64,
    pub(super) has_defaults: bool,
}

#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) usage: AttributeUse,
    /// `"@name":`
    pub(super) json_key: Box<str>,
    /// The key without the `@`.
    pub(super) key: Box<str>,
    /// ` name="` or ` alias:name="`
    pub(super) xml: Box<str>,
    pub(super) namespace: NsId,
}

/// Element content.
#[derive(Debug)]
pub(super) struct Elements {
    pub(super) model: ModelId,
    /// The first is the object of the type itself.
    pub(super) scopes: Vec<Scope>,
    pub(super) leaves: Vec<Leaf>,
    /// Leaves by particle and element ([`NONE`] for a wildcard), sorted.
    lookup: Vec<(ParticleId, u32, u32)>,
    /// One scope, and no key that comes back after another: the common case.
    pub(super) plain: bool,
    /// The member that stands for the whole under `collapse_wrapped_arrays`.
    pub(super) collapsed: Option<u32>,
    /// Mixed content is a text of XML.
    pub(super) as_text: bool,
    /// Repeated groups whose members lie flat.
    pub(super) bunches: Vec<Bunch>,
}

/// An object: of the type, or of one round of a repeated group.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) members: Vec<Member>,
    by_key: FxHashMap<Box<str>, u32>,
    /// Whether the values of a key may come apart, with others between them.
    pub(super) split: bool,
    /// The scope around, and which of its members this is.
    pub(super) parent: (u32, u32),
    /// How the members go together. Nothing in mixed content, where all may come at any time.
    pub(super) root: Option<Node>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: Box<str>,
    /// `"key":`
    pub(super) json_key: Box<str>,
    pub(super) what: What,
    pub(super) array: bool,
    /// Its leaves, in schema order; for `$items` the first leaf inside.
    pub(super) leaves: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Element(ElementId),
    /// `$items`: the rounds are objects of this scope.
    Items(u32),
    /// `$any`
    Any,
}

/// An element or a wildcard of the content model.
#[derive(Debug)]
pub(super) struct Leaf {
    /// Its particle and its element, [`NONE`] for a wildcard.
    wanted: (ParticleId, u32),
    pub(super) scope: u32,
    pub(super) member: u32,
    /// How often it may occur in one round of its scope.
    pub(super) max: u32,
    pub(super) min: u32,
    pub(super) wildcard: Option<WildcardId>,
    /// From the outermost group inwards.
    path: Vec<Step>,
}

/// A group on the way to a leaf.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Which group, counted over the type.
    group: u32,
    child: u32,
    choice: bool,
    /// The scope that its children lie in.
    scope: u32,
}

impl Shape {
    pub(super) fn compile(schemas: &Schemas, names: &Names, options: &Options, ty: TypeId) -> Self {
        let def = &schemas[ty];
        let others = schemas.concrete_types(ty, DerivationSet::NONE);
        let polymorphic = def.is_abstract || others.iter().any(|&other| other != ty);
        let mut shape = Self {
            kind: Kind::Simple,
            attributes: Attributes::default(),
            polymorphic,
            is_abstract: def.is_abstract,
        };
        if ty == TypeId::ANY {
            (shape.kind, shape.polymorphic) = (Kind::Any, true);
            if let Some(complex) = def.complex() {
                shape.attributes = Attributes::compile(schemas, names, complex);
            }
        } else if ty == TypeId::ANY_SIMPLE {
            (shape.kind, shape.polymorphic) = (Kind::AnySimple, true);
        } else if let Some(complex) = def.complex() {
            shape.attributes = Attributes::compile(schemas, names, complex);
            shape.kind = Self::content(schemas, names, complex, options.grouped);
            shape.collapse(schemas, options);
        }
        shape
    }

    fn content(schemas: &Schemas, names: &Names, complex: &ComplexDef, grouped: bool) -> Kind {
        match complex.content {
            Content::Empty => Kind::Empty,
            Content::Simple(simple) => Kind::SimpleContent(simple),
            Content::Elements { particle, mixed, model } => {
                let builder = Builder::new(schemas, names, model, mixed, grouped);
                let elements = Box::new(builder.build(particle));
                if mixed { Kind::Mixed(elements) } else { Kind::Elements(elements) }
            }
        }
    }

    /// Whether it is nothing but a wrapper around one array (§6, `collapse_wrapped_arrays`).
    fn collapse(&mut self, schemas: &Schemas, options: &Options) {
        let Kind::Elements(elements) = &mut self.kind else { return };
        let bare =
            self.attributes.known.is_empty() && self.attributes.any.is_none() && !self.polymorphic;
        if let ([scope], [_], true) =
            (elements.scopes.as_slice(), elements.leaves.as_slice(), bare)
            && let [Member { what: What::Element(element), array: true, .. }] =
            scope.members.as_slice()
            && schemas[*element].members.is_empty()
            // An array of an encoding is nothing but an array.
            && (options.collapse_wrapped_arrays || is_item(schemas, *element))
        {
            elements.collapsed = Some(0);
        }
    }

    pub(super) fn elements(&self) -> Option<&Elements> {
        match &self.kind {
            Kind::Elements(elements) | Kind::Mixed(elements) => Some(elements),
            _ => None,
        }
    }
}

fn is_item(schemas: &Schemas, element: ElementId) -> bool {
    schemas.symbols.name(schemas[element].name).1 == crate::encoding::ITEM
}

impl Attributes {
    fn compile(schemas: &Schemas, names: &Names, complex: &ComplexDef) -> Self {
        let mut all = Self { any: complex.any_attribute, ..Self::default() };
        for (at, usage) in complex.attributes.iter().enumerate() {
            let (namespace, local) = schemas.symbols.name(usage.name);
            let key = names.qualified(namespace, local);
            if usage.required && at < 64 {
                all.required |= 1 << at;
            }
            all.has_defaults |= usage.value.is_some() && !usage.required;
            all.by_key.insert(key.as_str().into(), index(at));
            all.known.push(Attribute {
                usage: usage.clone(),
                json_key: format!("\"@{key}\":").into(),
                xml: format!(" {key}=\"").into(),
                key: key.into(),
                namespace,
            });
        }
        all
    }

    #[inline]
    pub(super) fn by_sym(&self, name: Sym) -> Option<usize> {
        self.known.iter().position(|attribute| attribute.usage.name == name)
    }

    pub(super) fn by_key(&self, key: &str) -> Option<usize> {
        if self.known.len() <= FEW {
            let same = |attribute: &Attribute| same(attribute.key.as_bytes(), key.as_bytes());
            return self.known.iter().position(same);
        }
        self.by_key.get(key).map(|&at| at as usize)
    }
}

impl Elements {
    /// The leaf that an element or a wildcard hit, the first at or behind `after` where a group is used twice.
    #[inline]
    pub(super) fn leaf(
        &self,
        particle: ParticleId,
        element: Option<ElementId>,
        after: u32,
    ) -> Option<u32> {
        let wanted = (particle, element.map_or(NONE, |e| index(e.index())));
        // Mostly it is the one that came last, or the next.
        let near = self.leaves.get(after as usize..).unwrap_or_default();
        if let Some((_, number)) =
            near.iter().take(2).zip(after..).find(|(leaf, _)| leaf.wanted == wanted)
        {
            return Some(number);
        }
        let first = self.lookup.partition_point(|&(p, e, _)| (p, e) < wanted);
        let mut found = self.lookup[first..]
            .iter()
            .take_while(|&&(p, e, _)| (p, e) == wanted)
            .map(|&(.., leaf)| leaf);
        let earliest = found.next()?;
        if after == NONE || earliest >= after {
            return Some(earliest);
        }
        Some(found.find(|&leaf| leaf >= after).unwrap_or(earliest))
    }

    /// Whether a leaf of a scope belongs to a repeated group that lies flat.
    pub(super) fn is_bunched(&self, scope: u32, leaf: u32) -> bool {
        let mut of_scope = self.bunches.iter().filter(|bunch| bunch.scope == scope);
        of_scope.any(|bunch| {
            leaf.checked_sub(bunch.first).is_some_and(|at| (at as usize) < bunch.leaves)
        })
    }

    /// Whether two leaves are in different branches of a choice.
    pub(super) fn exclusive(&self, a: u32, b: u32) -> bool {
        exclusive(&self.leaves, a, b)
    }

    /// Whether leaf `b` can follow leaf `a`, which came `count` times, in the same round of a scope.
    pub(super) fn continues(&self, scope: u32, a: u32, count: u32, b: u32) -> bool {
        let (Some(before), Some(after)) =
            (self.leaves.get(a as usize), self.leaves.get(b as usize))
        else {
            return false;
        };
        if a == b {
            return after.scope != scope || count < after.max;
        }
        let parting = before
            .path
            .iter()
            .zip(&after.path)
            .find(|(x, y)| x.group == y.group && x.child != y.child);
        match parting {
            Some((x, y)) if x.scope == scope => !x.choice && x.child < y.child,
            // They part further inside: a nested group goes round, and this one does not notice.
            _ => true,
        }
    }
}

impl Scope {
    #[inline]
    pub(super) fn member(&self, key: &str, guess: u32) -> Option<u32> {
        // JSON mostly comes in schema order.
        if self
            .members
            .get(guess as usize)
            .is_some_and(|member| same(member.key.as_bytes(), key.as_bytes()))
        {
            return Some(guess);
        }
        self.by_key.get(key).copied()
    }
}

/// Whether two leaves are in different branches of a choice.
fn exclusive(leaves: &[Leaf], a: u32, b: u32) -> bool {
    let path = |leaf: u32| leaves.get(leaf as usize).map_or(&[][..], |leaf| &leaf.path);
    let parting =
        path(a).iter().zip(path(b)).find(|(x, y)| x.group == y.group && x.child != y.child);
    parting.is_some_and(|(x, _)| x.choice)
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}
