//! The SOAP room from outside: what it reads, what it refuses, how long it takes.
//!
//! Suites and corpora that are not ours are looked for where `cargo xtask test` puts them, or beside the workspace. One that is
//! missing is a visible skip, and for what the installer brings a failure when `CI=true`.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests tell what they measure and skip"
)]

mod canonical_peers;
mod constructs;
mod corpus;
mod encoding;
mod envelope;
mod envelope_check;
mod exchange;
mod json_reader;
mod json_vectors;
mod openapi_corpus;
mod openapi_documents;
mod openapi_faces;
mod openapi_instances;
mod parts;
mod security;
mod security_attacks;
mod signer;
mod transcode;
mod transcode_corpus;
mod transcode_samples;
mod transcode_storm;
mod validators;
mod wsdl_corpus;
mod wsdl_import;
mod xml_conformance;
mod xml_limits;
mod xml_reader;
mod xml_writer;
mod xsd_corpus;
mod xsd_load;
mod xsd_speed;
mod xsts;
