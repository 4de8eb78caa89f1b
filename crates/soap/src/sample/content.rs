//! Attributes and element content.

use std::fmt::Write as _;

use super::{Sampler, qualified};
use crate::xsd::model::{
    Compositor, Content, NamespaceSet, ParticleId, Process, Term, TypeId, UNBOUNDED,
    ValueConstraint, Wildcard, WildcardId,
};

impl Sampler<'_> {
    pub(super) fn attributes(&mut self, ty: TypeId) -> Option<()> {
        let schemas = self.schemas;
        let Some(complex) = schemas[ty].complex() else { return Some(()) };
        for usage in &complex.attributes {
            if !usage.required && self.chance(2) {
                continue;
            }
            let value = match usage.value.as_ref().filter(|value| value.fixed) {
                Some(fixed) => fixed.lexical.to_string(),
                None => match self.value(usage.ty) {
                    Some(value) => value,
                    None if usage.required => return None,
                    None => continue,
                },
            };
            let (namespace, local) = schemas.symbols.name(usage.name);
            let _ = write!(self.out, " {}=\"{}\"", qualified(namespace, local), escaped(&value));
        }
        if let Some(any) = complex.any_attribute
            && self.chance(3)
            && let Some(uri) = self.foreign(any)
        {
            let _ = write!(self.out, " xmlns:w=\"{uri}\" w:wild=\"yes\"");
        }
        Some(())
    }

    /// A namespace that no schema knows, if a wildcard takes what is in it unseen.
    fn foreign(&self, any: WildcardId) -> Option<&'static str> {
        let Wildcard { namespaces, process, .. } = &self.schemas[any];
        (!matches!(namespaces, NamespaceSet::Only(_)) && *process != Process::Strict)
            .then_some("urn:of-nobody")
    }

    pub(super) fn content(&mut self, ty: TypeId, value: Option<&ValueConstraint>) -> Option<()> {
        let schemas = self.schemas;
        if ty == TypeId::ANY {
            if self.chance(2) {
                self.out.push_str("some text");
            }
            return Some(());
        }
        let simple = match schemas[ty].complex().map(|complex| &complex.content) {
            None => ty,
            Some(Content::Simple(simple)) => *simple,
            Some(Content::Empty) => return Some(()),
            Some(Content::Elements { particle, mixed, .. }) => {
                if *mixed && self.chance(2) {
                    self.out.push_str("mixed ");
                }
                if let Some(particle) = particle {
                    self.particle(*particle)?;
                }
                if *mixed && self.chance(2) {
                    self.out.push_str(" tail");
                }
                return Some(());
            }
        };
        let text = match value {
            Some(value) if value.fixed => value.lexical.to_string(),
            Some(value) => {
                // The empty text would be read as the default.
                let text = self.value(simple)?;
                if text.is_empty() { value.lexical.to_string() } else { text }
            }
            None => self.value(simple)?,
        };
        self.out.push_str(&escaped(&text));
        Some(())
    }

    fn particle(&mut self, at: ParticleId) -> Option<()> {
        let particle = &self.schemas[at];
        let least = particle.min as usize;
        let most = if particle.max == UNBOUNDED {
            least + 3
        } else {
            (particle.max as usize).min(least + 3)
        };
        let times = if self.is_short() || most <= least {
            least
        } else {
            least + self.pick(most - least + 1)
        };
        if times > 1_000 {
            return None;
        }
        for number in 0..times {
            let mark = (self.out.len(), self.depth);
            if self.term(particle.term).is_none() {
                // What is optional may be left out when it cannot be made.
                if number < least {
                    return None;
                }
                self.out.truncate(mark.0);
                self.depth = mark.1;
                return Some(());
            }
        }
        Some(())
    }

    fn term(&mut self, term: Term) -> Option<()> {
        match term {
            Term::Element(element) => self.element(element),
            Term::Any(any) => self.any(any),
            Term::Group(group) => {
                let group = &self.schemas[group];
                if group.compositor != Compositor::Choice {
                    for &inner in &group.particles {
                        self.particle(inner)?;
                    }
                    return Some(());
                }
                if group.particles.is_empty() {
                    return None;
                }
                let chosen = self.pick(group.particles.len());
                // Deep down another branch may be the one that ends.
                for turn in 0..group.particles.len() {
                    let inner = group.particles[(chosen + turn) % group.particles.len()];
                    let mark = (self.out.len(), self.depth);
                    if self.particle(inner).is_some() {
                        return Some(());
                    }
                    self.out.truncate(mark.0);
                    self.depth = mark.1;
                }
                None
            }
        }
    }

    fn any(&mut self, any: WildcardId) -> Option<()> {
        let uri = self.foreign(any)?;
        self.elements += 1;
        let _ = write!(self.out, "<w:wild xmlns:w=\"{uri}\" a=\"1\">wild<w:inner/></w:wild>");
        Some(())
    }
}

/// As it stands in an attribute or an element.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out
}
