//! The verbs, a file for each family of nouns.
//!
//! Each one reads the same: what is asked for has a possible form; in the transaction, find it, `may`
//! they, is what they have read still so, change it, write it down, answer with what there is now.

pub(crate) mod apis;
mod applications;
mod clients;
mod organisations;
mod people;
mod plans;
mod subscriptions;

pub use apis::{ApiTerms, Ground, KeptApi, ReadApi};
pub use applications::{ApplicationChange, NewKey};
pub use clients::NewClient;
pub use organisations::OrganisationChange;
pub use people::{MemberChange, NewInvitation};
pub use plans::{NewPlan, PlanChange, RateTerms};
pub use subscriptions::{Decision, NewSubscription};

use crate::Error;

/// Longest name.
const NAME_MAX: usize = 63;
/// Longest text that people write for themselves.
const LABEL_MAX: usize = 100;

/// `[a-z][a-z0-9-]*`, as in the configuration file.
fn name(field: &'static str, text: &str) -> Result<(), Error> {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    let goes_on = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match begins && text.len() <= NAME_MAX && text.chars().all(goes_on) {
        true => Ok(()),
        false => Err(Error::invalid(
            field,
            format!("write lower-case letters, digits and `-`, a letter first, at most {NAME_MAX}"),
        )),
    }
}

/// A line of text.
fn label(field: &'static str, text: &str) -> Result<(), Error> {
    match text.chars().count() <= LABEL_MAX && !text.chars().any(char::is_control) {
        true => Ok(()),
        false => {
            Err(Error::invalid(field, format!("write one line of at most {LABEL_MAX} characters")))
        }
    }
}

/// What can be written to. Whether somebody reads it, only a letter can tell.
fn email(text: &str) -> Result<(), Error> {
    let parts = text.split_once('@').filter(|(user, host)| {
        !user.is_empty() && !host.is_empty() && !host.contains('@') && text.len() <= 254
    });
    let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    match parts.is_some() && clean {
        true => Ok(()),
        false => Err(Error::invalid("email", "write an address such as ana@example.org")),
    }
}
