//! SOAP 1.1 and 1.2 messages: what is around the body, and which operation a request is for.
//!
//! Reading order: [`open`](open::Opener) goes over the header up to the body's child, [`dispatch()`] says whose it is, and
//! when the child has been read [`Closer`] sees to it that nothing else follows. A [`Checker`] does all of that and holds the
//! message against what its operation declares. Faults of either version
//! are one [`SoapFault`]. What a header means beyond WS-Addressing is others' affair.

pub mod action;
pub mod addressing;
pub mod check;
pub mod dispatch;
pub mod fault;
pub mod open;

pub use action::ContentType;
pub use addressing::Addressing;
pub use check::{Checker, Expected};
pub use dispatch::{Request, Stray, dispatch};
pub use fault::{Code, SoapFault};
pub use open::{Closer, Envelope, HeaderBlock, Opener, Progress};

use crate::{
    Fault,
    name::{SOAP11, SOAP12},
    wsdl::catalog::SoapVersion,
};

impl SoapVersion {
    /// The namespace of its envelopes.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::V11 => SOAP11,
            Self::V12 => SOAP12,
        }
    }

    /// The media type of its messages.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::V11 => "text/xml",
            Self::V12 => "application/soap+xml",
        }
    }

    /// The version whose envelopes are of this namespace.
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        [Self::V11, Self::V12].into_iter().find(|version| version.namespace() == namespace)
    }
}

/// Why a message is not taken: the code of the fault that answers it, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code of the answer.
    pub code: Code,
    /// What is wrong, for whoever sent it.
    pub fault: Box<Fault>,
}

impl Refusal {
    /// The sender's mistake.
    pub fn sender(fault: Box<Fault>) -> Self {
        Self { code: Code::Sender, fault }
    }
}

impl From<Box<Fault>> for Refusal {
    /// A message that cannot be read is its sender's mistake.
    fn from(fault: Box<Fault>) -> Self {
        Self::sender(fault)
    }
}
