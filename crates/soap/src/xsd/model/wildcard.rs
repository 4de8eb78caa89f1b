//! Wildcards: which namespaces they let in, and how these sets are cut and joined (Part 1, 3.10.6).

use crate::fault::Place;
use crate::name::NsId;

/// `any` or `anyAttribute`.
#[derive(Debug, Clone)]
pub struct Wildcard {
    /// The namespaces it lets in.
    pub namespaces: NamespaceSet,
    /// What becomes of what it lets in.
    pub process: Process,
    /// Where it stands.
    pub place: Place,
}

/// What becomes of what a wildcard lets in. In order of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// It is not looked at.
    Skip,
    /// It is validated if it is declared.
    Lax,
    /// It has to be declared and valid.
    Strict,
}

/// Which namespaces a wildcard lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceSet {
    /// `##any`
    Any,
    /// `##other`: any but this one, and a name has to have one.
    Not(NsId),
    /// These; [`NsId::NONE`] stands for `##local`.
    Only(Vec<NsId>),
}

impl NamespaceSet {
    /// Whether a namespace is let in.
    #[inline]
    #[must_use]
    pub fn allows(&self, namespace: NsId) -> bool {
        match self {
            Self::Any => true,
            Self::Not(not) => namespace != *not && namespace != NsId::NONE,
            Self::Only(only) => only.contains(&namespace),
        }
    }

    /// Whether all that `self` lets in is let in by `other` (cos-ns-subset).
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Any) => true,
            (Self::Not(a), Self::Not(b)) => a == b,
            (Self::Only(only), _) => only.iter().all(|&ns| other.allows(ns)),
            _ => false,
        }
    }

    /// What both let in (cos-aw-intersect); `None` when that cannot be expressed.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Any, set) | (set, Self::Any) => set.clone(),
            (Self::Only(only), set) | (set, Self::Only(only)) => {
                Self::Only(only.iter().copied().filter(|&ns| set.allows(ns)).collect())
            }
            (Self::Not(a), Self::Not(b)) if a == b || *b == NsId::NONE => self.clone(),
            (Self::Not(a), Self::Not(_)) if *a == NsId::NONE => other.clone(),
            (Self::Not(_), Self::Not(_)) => return None,
        })
    }

    /// What one or the other lets in (cos-aw-union); `None` when that cannot be expressed.
    #[must_use]
    pub fn union(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Only(a), Self::Only(b)) => {
                let mut all = a.clone();
                all.extend(b.iter().copied().filter(|ns| !a.contains(ns)));
                Self::Only(all)
            }
            (Self::Not(a), Self::Not(b)) if a == b => self.clone(),
            (Self::Not(_), Self::Not(_)) => Self::Not(NsId::NONE),
            (Self::Not(not), Self::Only(set)) | (Self::Only(set), Self::Not(not)) => {
                let absent = set.contains(&NsId::NONE);
                if *not == NsId::NONE {
                    return Some(if absent { Self::Any } else { Self::Not(*not) });
                }
                match (set.contains(not), absent) {
                    (true, true) => Self::Any,
                    (true, false) => Self::Not(NsId::NONE),
                    (false, true) => return None,
                    (false, false) => Self::Not(*not),
                }
            }
        })
    }

    /// Whether there is a namespace that both let in.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match self.intersect(other) {
            Some(Self::Only(only)) => !only.is_empty(),
            _ => true,
        }
    }
}
