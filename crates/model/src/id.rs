//! Ids with a prefix that says what they name, from one alphabetical list.
//!
//! An id is `prefix_` and 26 characters: the millisecond it was given at, then 80 random bits. Ids
//! of one kind therefore sort by age, which is what lists page by. Time and chance are arguments.

use std::{fmt, str::FromStr};

use crate::Timestamp;

/// Crockford's digits, lower case: no `i`, `l`, `o`, `u`, so that a person can read an id aloud.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// What every kind of id can do.
pub trait Id: Sized + fmt::Display + FromStr<Err = NotAnId> {
    /// What stands before the underscore.
    const PREFIX: &'static str;

    /// An id given at this time; `random` makes it one of its kind.
    fn new(at: Timestamp, random: [u8; 10]) -> Self;
}

/// A text that is no id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnId {
    /// The prefix it should have.
    pub prefix: &'static str,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an id: expected {}_ and {LENGTH} letters or digits", self.prefix)
    }
}

impl std::error::Error for NotAnId {}

macro_rules! ids {
    ($($name:ident = $prefix:literal, $what:literal;)*) => {$(
        #[doc = concat!("Names ", $what, ": `", $prefix, "_…`.")]
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Id for $name {
            const PREFIX: &'static str = $prefix;

            fn new(at: Timestamp, random: [u8; 10]) -> Self {
                Self(format!("{}_{}", $prefix, body(at, random)))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let rest = text.strip_prefix(concat!($prefix, "_"));
                match rest.filter(|rest| is_body(rest)) {
                    Some(_) => Ok(Self(text.to_owned())),
                    None => Err(NotAnId { prefix: $prefix }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    ApiId = "api", "an API of the store";
    ApplicationId = "app", "an application";
    ClientId = "cli", "a client";
    InvitationId = "inv", "an invitation";
    KeyId = "key", "an API key";
    LetterId = "ltr", "a letter, a call that came in one, or the answer to it";
    MemberId = "mem", "a member";
    OrganisationId = "org", "an organisation";
    PlanId = "plan", "a plan";
    SubscriptionId = "sub", "a subscription";
    TokenId = "tok", "a member's token";
}

/// 48 bits of time and 80 of chance, five at a time.
fn body(at: Timestamp, random: [u8; 10]) -> String {
    let time = u128::try_from(at.millis()).unwrap_or(0) & 0xffff_ffff_ffff;
    let bits = random.iter().fold(time, |bits, byte| bits << 8 | u128::from(*byte));
    (0..LENGTH)
        .rev()
        .map(|place| char::from(DIGITS[usize::try_from(bits >> (place * 5) & 31).unwrap_or(0)]))
        .collect()
}

fn is_body(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|byte| DIGITS.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_age_and_read_back() {
        let early = KeyId::new(Timestamp::from_millis(1_000), [255; 10]);
        let late = KeyId::new(Timestamp::from_millis(1_001), [0; 10]);
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early.clone()));
        assert_eq!(early.as_str().len(), "key_".len() + LENGTH);
    }

    #[test]
    fn an_id_of_another_kind_is_none() {
        let key = KeyId::new(Timestamp::from_millis(1), [7; 10]).to_string();
        key.parse::<PlanId>().unwrap_err();
        for wrong in ["key_", "key_0123", "KEY_00000000000000000000000000", "key_' OR 1=1 --"] {
            wrong.parse::<KeyId>().unwrap_err();
        }
    }
}
