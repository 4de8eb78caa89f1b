//! The gateway among strangers: servers, clients and suites that we did not write.
//!
//! Each test starts what it needs on loopback, on ports of the kernel's choice, with a configuration
//! of its own in a throw-away folder, and stops it by its process id. `cargo xtask test` installs the
//! peers (`xtask/src/peers`); one that is missing is a visible skip, and a failure when `CI=true`.

#![allow(clippy::print_stderr, missing_docs, reason = "tests tell what they skip")]

mod administration;
mod autobahn;
mod browser;
mod clients;
mod corpus;
mod grpc;
mod harness;
mod http1;
mod oauth;
mod paths;
mod signatures;
mod slow;
mod smuggling;
mod soap;
mod tls;
mod zoo;
mod zoo_servers;
