//! The verbs of administration: each asks who it is, whether they may, changes the store, writes it down.
//!
//! All of that happens in one transaction: nobody acts on a right that was taken away meanwhile, and
//! no change is without its line in the audit log. [`may()`] is the only place where roles are looked
//! at. What a configuration file declares is read-only here; the store's part is added to it by
//! [`Compiler`]. Time and chance come with each [`Call`].

mod call;
mod compile;
mod control;
mod dice;
mod error;
mod may;
mod offer;
mod secret;
mod verbs;
mod view;

pub use call::{Answer, Call, Idempotency};
pub use compile::{Compiled, Compiler, Reader, ReadyApi};
pub use control::{Control, question};
pub use dice::Seed;
pub use error::Error;
pub use may::{Actor, Denied, Object, Permit, Verb, may};
pub use offer::{Offer, OfferedApi, route_of};
pub use secret::{Kind as SecretKind, digest, well_formed};
pub use verbs::{
    ApiTerms, ApplicationChange, Decision, Ground, KeptApi, MemberChange, NewClient, NewInvitation,
    NewKey, NewPlan, NewSubscription, OrganisationChange, PlanChange, RateTerms, ReadApi,
};
