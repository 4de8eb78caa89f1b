//! The data plane: carries one message from a listener to an upstream and back.
//!
//! The gateway knows neither store nor control. It is given compiled configuration ([`Plane`])
//! over a watch channel and gives back records of what it carried; it runs with every database
//! down. Read [`request`] first: it is the list of steps, one file each.

mod accept;
mod admit;
mod authorize;
mod certificates;
pub mod cluster;
pub mod credentials;
mod ctx;
mod downstream;
mod forward;
mod guesses;
mod identify;
pub mod inside;
pub mod jwt;
pub mod limiter;
mod mailbox;
mod mediate;
pub mod oauth;
pub mod observe;
pub mod overload;
mod parties;
pub mod path;
mod plane;
mod proofs;
pub mod quota;
mod rates;
mod record;
mod request;
mod respond;
mod route;
pub mod router;
mod scopes;
mod serve_h1;
mod serve_h2;
mod sight;
mod signatures;
mod soon;
mod spend;
mod tend;
mod texts;
mod tokens;
mod worker;

pub use mailbox::{Login, Mailbox};
pub use plane::{CompileError, Plane};
pub use tend::{tend, until_else};
pub use worker::{Phase, Shared, Socket, run};

/// An error and its causes, in one line for a log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
