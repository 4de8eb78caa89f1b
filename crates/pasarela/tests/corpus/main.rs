//! Everything that fuzzing starts from and has ever found, replayed (T1, T8, F18).
//!
//! The targets are those of the fuzzer: `fuzz/src/lib.rs`, included here so that the toolchain
//! everybody has runs them. Each seed is also bent a little, in the same way in every run: that is
//! no fuzzing, but it finds what a careless change breaks.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

#[allow(unreachable_pub, reason = "there it is the root of a crate")]
#[path = "../../../../fuzz/src/lib.rs"]
mod targets;

/// Bent versions of each seed.
const BENT: u64 = 256;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn names(folder: &str) -> BTreeSet<String> {
    let folder = corpus().join("..").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn each_target_has_a_binary_and_a_corpus_and_nothing_else_has() {
    let known: BTreeSet<String> =
        targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let binaries = names("fuzz_targets").iter().map(|name| name.replace(".rs", "")).collect();
    assert_eq!(known, names("corpus"));
    assert_eq!(known, binaries);
}

fn replay(target: &str) {
    let mut seeds: Vec<(String, Vec<u8>)> = fs::read_dir(corpus().join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    assert!(seeds.len() > 9, "{target} has hardly any seeds");
    for (name, seed) in &seeds {
        run(target, name, seed);
        let mut random =
            Random(seed.iter().fold(7, |sum, byte| sum * 31 % 65_521 + u64::from(*byte)));
        for round in 0..BENT {
            let other = &seeds[random.below(seeds.len())].1;
            run(target, &format!("{name}, bent, round {round}"), &bent(seed, other, &mut random));
        }
    }
}

fn run(target: &str, name: &str, bytes: &[u8]) {
    let done = catch_unwind(AssertUnwindSafe(|| targets::run(target, bytes)));
    assert!(done.is_ok(), "{name}: {}", bytes.escape_ascii());
}

/// One seed with a few changes, or its beginning with another's end.
fn bent(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    const MARKS: &[u8] = b"\r\n :;,/.%?#\0\t\"'<>{}[]=&+-0x~\x7f\x80\xff";
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes
                .splice(at.., other[random.below(other.len() + 1)..].iter().copied())
                .for_each(drop),
            4 => {
                let (from, to) = (random.below(bytes.len() + 1), random.below(bytes.len() + 1));
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.insert(at, MARKS[random.below(MARKS.len())]),
        }
        bytes.truncate(64 << 10);
    }
    bytes
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % most.max(1)
    }
}

macro_rules! replays {
    ($($test:ident = $target:literal,)*) => {
        $(#[test] fn $test() { replay($target); })*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$($target),*];
            let known: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(known, replayed);
        }
    };
}

replays! {
    t01_chunked_bodies = "chunked_body",
    f18_configuration_files = "config",
    openapi_contracts = "contract_openapi",
    t47_wsdl_contracts = "contract_wsdl",
    credentials = "credentials",
    t01_framing = "framing",
    t40_http2_frames = "h2_connection",
    l16_header_blocks = "hpack",
    urls_of_documents = "import_url",
    t18_tokens = "jwt",
    t08_paths = "path_normalise",
    t01_request_heads = "request_head",
    t09_response_heads = "response_head",
    routes = "route",
    t52_dialogues_of_mail = "smtp",
    soap_frames = "soap_envelope",
    t51_json = "soap_json",
    letters = "soap_mail",
    t01_messages_in_parts = "soap_mime",
    t50_answers_in_parts = "soap_parts",
    t49_signed_messages = "soap_security",
    t47_wsdl_documents = "soap_wsdl",
    t48_xml = "soap_xml",
    schemas = "soap_xsd",
    trace_context = "traceparent",
    messages_in_json = "transcode_json",
    messages_in_xml = "transcode_xml",
    t54_websocket_frames = "websocket",
    l29_patterns = "xsd_regex",
    simple_values = "xsd_values",
}
