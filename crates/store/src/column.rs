//! What a column of a row is in our words, and back.

use pasarela_model::{
    ApiId, ApplicationId, ClientId, InvitationId, KeyDigest, KeyId, LetterId, MemberId,
    OrganisationId, OrganisationKind, PlanId, SubscriptionId, Timestamp, TokenId, Visibility,
};

use crate::{Error, engine::Value};

/// A type that a column holds.
pub(crate) trait Column: Sized {
    fn to_value(&self) -> Value;
    fn from_value(value: Option<Value>) -> Result<Self, Error>;
}

fn wrong<T>(expected: &str) -> Result<T, Error> {
    Err(Error::Corrupt(format!("a column is not {expected}")))
}

impl Column for i64 {
    fn to_value(&self) -> Value {
        Value::Int(Some(*self))
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        Option::<Self>::from_value(value)?.map_or_else(|| wrong("a number"), Ok)
    }
}

impl Column for Option<i64> {
    fn to_value(&self) -> Value {
        Value::Int(*self)
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        match value {
            Some(Value::Int(value)) => Ok(value),
            // An engine that does not know the type of what is absent calls it a text.
            Some(Value::Text(None)) => Ok(None),
            _ => wrong("a number"),
        }
    }
}

impl Column for String {
    fn to_value(&self) -> Value {
        Value::Text(Some(self.clone()))
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        Option::<Self>::from_value(value)?.map_or_else(|| wrong("a text"), Ok)
    }
}

impl Column for Option<String> {
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        match value {
            Some(Value::Text(value)) => Ok(value),
            _ => wrong("a text"),
        }
    }
}

impl Column for Timestamp {
    fn to_value(&self) -> Value {
        self.millis().to_value()
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        i64::from_value(value).map(Self::from_millis)
    }
}

impl Column for Option<Timestamp> {
    fn to_value(&self) -> Value {
        self.map(Timestamp::millis).to_value()
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        Ok(Option::<i64>::from_value(value)?.map(Timestamp::from_millis))
    }
}

impl Column for [u8; 32] {
    fn to_value(&self) -> Value {
        Value::Bytes(Some(self.to_vec()))
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        match value {
            Some(Value::Bytes(Some(bytes))) => bytes.try_into().or_else(|_| wrong("a digest")),
            _ => wrong("a digest"),
        }
    }
}

impl Column for Vec<u8> {
    fn to_value(&self) -> Value {
        Value::Bytes(Some(self.clone()))
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        match value {
            Some(Value::Bytes(Some(bytes))) => Ok(bytes),
            _ => wrong("bytes"),
        }
    }
}

impl Column for Option<KeyDigest> {
    fn to_value(&self) -> Value {
        Value::Bytes(self.map(|digest| digest.0.to_vec()))
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        match value {
            // An engine that does not know the type of what is absent calls it a text.
            Some(Value::Bytes(None) | Value::Text(None)) => Ok(None),
            value => KeyDigest::from_value(value).map(Some),
        }
    }
}

impl Column for KeyDigest {
    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        <[u8; 32]>::from_value(value).map(Self)
    }
}

impl Column for OrganisationKind {
    fn to_value(&self) -> Value {
        self.as_str().to_owned().to_value()
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        let text = String::from_value(value)?;
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.map_or_else(|| wrong("a kind of organisation"), Ok)
    }
}

impl Column for Visibility {
    fn to_value(&self) -> Value {
        self.as_str().to_owned().to_value()
    }

    fn from_value(value: Option<Value>) -> Result<Self, Error> {
        let text = String::from_value(value)?;
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        found.map_or_else(|| wrong("a visibility"), Ok)
    }
}

/// Types that are written as text and read back by parsing.
macro_rules! parsed {
    ($($name:ty),*) => {$(
        impl Column for $name {
            fn to_value(&self) -> Value {
                Value::Text(Some(self.as_str().to_owned()))
            }

            fn from_value(value: Option<Value>) -> Result<Self, Error> {
                let text = String::from_value(value)?;
                text.parse().map_err(|_| Error::Corrupt(format!("a column holds {text:?}")))
            }
        }

        impl Column for Option<$name> {
            fn to_value(&self) -> Value {
                Value::Text(self.as_ref().map(|value| value.as_str().to_owned()))
            }

            fn from_value(value: Option<Value>) -> Result<Self, Error> {
                let Some(text) = Option::<String>::from_value(value)? else { return Ok(None) };
                let read = text.parse();
                read.map(Some).map_err(|_| Error::Corrupt(format!("a column holds {text:?}")))
            }
        }
    )*};
}

parsed!(
    ApiId,
    ApplicationId,
    InvitationId,
    ClientId,
    KeyId,
    LetterId,
    MemberId,
    OrganisationId,
    PlanId,
    SubscriptionId,
    TokenId
);

/// A closed set of words: an enum that is stored, and shown, as what stands beside each variant.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// Their words, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or(())
            }
        }

        parsed!($name);
    )*};
}

words! {
    /// What a member may do in an organisation; each one all that the ones after it may.
    Role {
        /// Everything, and who else may.
        Owner = "owner",
        /// Members up to admin, and everything about applications; for the owner's organisation, the others too.
        Admin = "admin",
        /// Applications, their keys and subscriptions.
        Developer = "developer",
        /// Looks.
        Viewer = "viewer",
    }

    /// Where an API of the store stands.
    ApiState {
        /// It is being made, and answers nobody.
        Draft = "draft",
        /// It is on the air.
        Published = "published",
        /// It is on the air, and cannot be subscribed to any more.
        Deprecated = "deprecated",
        /// It answers nobody any more.
        Retired = "retired",
    }

    /// Whether something is in use.
    Standing {
        /// It is.
        Active = "active",
        /// It is kept, and does nothing.
        Suspended = "suspended",
    }

    /// Whether a plan can still be subscribed to.
    PlanState {
        /// It can.
        Offered = "offered",
        /// Who has it keeps it.
        Retired = "retired",
    }

    /// Where a subscription stands. `ended` and `refused` are final.
    SubscriptionState {
        /// Asked for.
        Pending = "pending",
        /// In force.
        Approved = "approved",
        /// Not granted.
        Refused = "refused",
        /// Was in force, and may be again.
        Suspended = "suspended",
        /// Over.
        Ended = "ended",
    }
}

impl ApiState {
    /// Whether it answers.
    pub const fn is_served(self) -> bool {
        matches!(self, Self::Published | Self::Deprecated)
    }
}
