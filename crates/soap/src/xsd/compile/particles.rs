//! Particles and model groups.

use super::definitions::Kind;
use super::{At, Compiler};
use crate::xsd::model::{Compositor, GroupId, ModelGroup, Particle, ParticleId, Term, UNBOUNDED};

impl<'d> Compiler<'_, 'd> {
    /// The definition of a named group.
    pub(super) fn read_group(&mut self, def: usize) {
        let (at, original) = (self.defs[def].at, self.defs[def].original);
        let id = GroupId(self.defs[def].id);
        let Some(body) = at.children().find(|child| compositor(*child).is_some()) else { return };
        self.redefining.extend(original.map(|_| def));
        let (compositor, particles) = self.members(body);
        let group = &mut self.s.groups[id.index()];
        (group.compositor, group.particles) = (compositor, particles);
        if let Some(original) = original {
            self.redefining.pop();
            self.check_redefined_group(at, id, GroupId(self.defs[original].id));
        }
    }

    /// A redefined group refers to itself once, where it stands for what was there; or it narrows what was there.
    fn check_redefined_group(&mut self, at: At<'d>, id: GroupId, original: GroupId) {
        let own: Vec<Particle> = at
            .node
            .descendants()
            .filter(|node| node.tag_name().name() == "group" && node.has_attribute("ref"))
            .map(|node| occurs(at.child(node), Term::Group(original)))
            .collect();
        let refers = {
            let mut pending = vec![id];
            let mut count = 0;
            while let Some(group) = pending.pop() {
                for &p in &self.s.groups[group.index()].particles {
                    match self.s.particles[p.index()].term {
                        Term::Group(inner) if inner == original => count += 1,
                        // Groups without a name stand right here.
                        Term::Group(inner) if self.s.groups[inner.index()].name.is_none() => {
                            pending.push(inner);
                        }
                        _ => {}
                    }
                }
            }
            count
        };
        match refers {
            0 => self.pending.narrowed.push((id, original, at)),
            1 if own.iter().any(|p| p.min == 1 && p.max == 1) => {}
            1 => self.fault(
                at,
                "src-redefine.6.1.2",
                "a redefined group has to refer to itself exactly once",
            ),
            _ => self.fault(at, "src-redefine.6.1.1", "a redefined group refers to itself twice"),
        }
    }

    fn members(&mut self, at: At<'d>) -> (Compositor, Vec<ParticleId>) {
        let compositor = compositor(at).unwrap_or(Compositor::Sequence);
        let particles = at.children().filter_map(|child| self.particle(child)).collect();
        (compositor, particles)
    }

    /// The particle that a node describes; none where it cannot occur or refers to nothing.
    pub(super) fn particle(&mut self, at: At<'d>) -> Option<ParticleId> {
        let particle = occurs(at, Term::Group(GroupId(0)));
        let term = match at.node.tag_name().name() {
            "element" => {
                let id = match (at.attribute("ref"), at.attribute("name")) {
                    (Some(name), _) => {
                        let def = self.resolve(at, Kind::Element, name)?;
                        crate::xsd::model::ElementId(self.defs[def].id)
                    }
                    (None, Some(name)) => self.local_element(at, name),
                    (None, None) => return None,
                };
                Term::Element(id)
            }
            "any" => {
                let wildcard = self.read_wildcard(at);
                Term::Any(self.keep_wildcard(wildcard))
            }
            "group" => {
                let def = self.resolve(at, Kind::Group, at.attribute("ref").unwrap_or_default())?;
                Term::Group(GroupId(self.defs[def].id))
            }
            _ => {
                let (compositor, particles) = self.members(at);
                let place = self.place(at);
                self.s.groups.push(ModelGroup { compositor, particles, name: None, place });
                Term::Group(GroupId::at(self.s.groups.len() - 1))
            }
        };
        if particle.max == 0 {
            return None;
        }
        let id = self.add_particle(Particle { term, ..particle });
        if at.is("group") {
            self.pending.group_refs.push((id, at));
        }
        Some(id)
    }

    pub(super) fn add_particle(&mut self, particle: Particle) -> ParticleId {
        self.s.particles.push(particle);
        ParticleId::at(self.s.particles.len() - 1)
    }

    /// A group around particles, once.
    pub(super) fn sequence_of(&mut self, at: At<'d>, particles: Vec<ParticleId>) -> ParticleId {
        let place = self.place(at);
        let compositor = Compositor::Sequence;
        self.s.groups.push(ModelGroup { compositor, particles, name: None, place });
        let term = Term::Group(GroupId::at(self.s.groups.len() - 1));
        self.add_particle(Particle { min: 1, max: 1, term })
    }
}

fn compositor(at: At<'_>) -> Option<Compositor> {
    Some(match at.node.tag_name().name() {
        "sequence" => Compositor::Sequence,
        "choice" => Compositor::Choice,
        "all" => Compositor::All,
        _ => return None,
    })
}

/// Its occurrence; numbers that are larger than any document are as good as each other.
fn occurs(at: At<'_>, term: Term) -> Particle {
    let number = |text: &str| {
        let digits = text.trim_start_matches('+');
        digits.parse::<u64>().map_or(UNBOUNDED - 1, |n| u32::try_from(n).unwrap_or(UNBOUNDED - 1))
    };
    let number = |text: &str| number(text).min(UNBOUNDED - 1);
    let min = at.attribute("minOccurs").map_or(1, number);
    let max = match at.attribute("maxOccurs") {
        Some("unbounded") => UNBOUNDED,
        Some(text) => number(text),
        None => 1,
    };
    Particle { min, max, term }
}
