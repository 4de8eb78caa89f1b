//! What every fuzz target does, as plain functions: a property of one parser, given any bytes.
//!
//! The binaries in `fuzz_targets` hand them what libFuzzer invents (`cargo xtask fuzz`); the test
//! `corpus` of the crate `pasarela` includes this file and hands them the seeds, so that each run
//! of the tests replays everything that fuzzing has found, with the toolchain everybody has.
//!
//! Where a target reads a stream, the first byte of its input decides how the rest is cut.

mod config;
mod contract;
mod gateway;
mod http1;
mod http2;
mod import;
mod mail;
mod mime;
mod security;
mod soap;
mod transcode;
mod websocket;
mod xsd;

/// A target: any bytes go in; whoever finds a fault panics.
pub type Target = fn(&[u8]);

/// All targets, by the name of their corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("chunked_body", http1::chunked_body),
    ("config", config::config),
    ("contract_openapi", contract::openapi),
    ("contract_wsdl", contract::wsdl),
    ("credentials", gateway::credentials),
    ("framing", http1::framing),
    ("h2_connection", http2::connection),
    ("hpack", http2::hpack),
    ("import_url", import::url),
    ("jwt", gateway::jwt),
    ("path_normalise", gateway::path_normalise),
    ("request_head", http1::request_head),
    ("response_head", http1::response_head),
    ("route", gateway::route),
    ("smtp", mail::dialogue),
    ("soap_envelope", soap::envelope),
    ("soap_json", soap::json),
    ("soap_mail", mail::letter),
    ("soap_mime", mime::parts),
    ("soap_parts", mime::answers),
    ("soap_security", security::security),
    ("soap_wsdl", soap::wsdl),
    ("soap_xml", soap::xml),
    ("soap_xsd", xsd::xsd),
    ("traceparent", gateway::traceparent),
    ("transcode_json", transcode::json),
    ("transcode_xml", transcode::xml),
    ("websocket", websocket::websocket),
    ("xsd_regex", transcode::regex),
    ("xsd_values", transcode::values),
];

/// Runs one target.
///
/// # Panics
/// When the bytes break its property, or when there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, target) =
        TARGETS.iter().find(|(known, _)| *known == name).expect("the target is in the list");
    target(bytes);
}

/// Takes the byte off that decides about the cuts.
fn seeded(bytes: &[u8]) -> (Cuts, &[u8]) {
    match bytes.split_first() {
        Some((seed, rest)) => (Cuts(u32::from(*seed)), rest),
        None => (Cuts(0), bytes),
    }
}

/// Where a stream is cut: sizes of pieces, from one byte to many.
struct Cuts(u32);

impl Cuts {
    fn next(&mut self) -> usize {
        // Seed 0 is the reader that gets a byte at a time.
        if self.0 == 0 {
            return 1;
        }
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        match self.0 % 4 {
            0 => 1,
            1 => 2 + (self.0 >> 8) as usize % 6,
            _ => 1 + (self.0 >> 8) as usize % 96,
        }
    }
}
