//! The nouns, a file for each family, with the questions that only they are asked.

mod answers;
mod apis;
mod applications;
mod audit;
mod bytes;
mod clients;
mod delta;
mod holding;
mod letters;
mod organisations;
mod people;
mod places;
mod plans;
mod quotas;
mod signing;
mod subscriptions;

pub use answers::Answered;
pub use apis::{Api, ApiRevision, REVISIONS_MAX};
pub use applications::{Application, ApplicationKey};
pub use audit::{AuditEntry, AuditFilter, AuditRow, Verified};
pub use clients::{Client, HeldClient};
pub use delta::{Changed, Delta, News, Touched};
pub use holding::{HeldApi, HeldApplication, HeldSubscription, Holding, Mark, Terms};
pub use letters::{Letter, LetterAnswer, LetterCall, LetterQueue, TakenAnswer, TakenCall};
pub use organisations::Organisation;
pub use people::{Invitation, Member, Token};
pub use places::{Placed, Places};
pub use plans::{Plan, PlanVersion};
pub use subscriptions::{Admission, Subscription};
