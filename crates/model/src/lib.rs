//! The vocabulary every room shares: APIs, plans, applications, limits, problem codes, units.
//!
//! Nothing here opens a socket, reads a clock or draws a random number, and nothing here knows
//! how a word is written in a configuration file: that is the binary's business. A [`Snapshot`]
//! is what the data plane serves from; it is built once, checked, and never changed.

mod id;
mod issuing;
mod limits;
mod mail;
mod pages;
mod pepper;
mod problem;
mod rest;
mod scopes;
mod secret;
mod security;
mod snapshot;
mod time;
mod token;

pub use id::{
    ApiId, ApplicationId, ClientId, Id, InvitationId, KeyId, LetterId, MemberId, NotAnId,
    OrganisationId, PlanId, SubscriptionId, TokenId,
};
pub use issuing::{Issuing, LIFETIME_MAX, SigningKey};
pub use limits::Limits;
pub use mail::{MailAddress, is_domain};
pub use pages::Pages;
pub use pepper::Pepper;
pub use problem::{Code, Side};
pub use rest::{Dates, Mtom, Numbers, RestFace, RestOperation, RestParameter};
pub use scopes::{ApiScopes, Asked, SCOPE_BYTES_MAX, Scopes, scope_fault};
pub use secret::Secret;
pub use security::{Password, UserPasswords, WsSecurity, X509};
pub use snapshot::{
    ActiveHealth, Api, Application, Balance, CertificateName, Check, Checks, ClientAuth,
    Concurrency, Credential, Face, HashKey, HeaderMatch, Holder, HostPattern, HttpVersion,
    ImportedDocument, IpNet, KeyDigest, Operation, Organisation, OrganisationKind, PassiveHealth,
    PathSegment, PathTemplate, Plan, Quota, QuotaOver, QuotaWindow, Rate, Reference, Retries,
    ServedContract, SignatureKey, Snapshot, StoredKey, Subscription, Timeouts, Upstream,
    UpstreamTarget, UpstreamTls, Visibility,
};
pub use time::{NotATime, Timestamp};
pub use token::{TokenAlgorithm, TokenIssuer, TokenKeys};
