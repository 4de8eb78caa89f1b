//! The configuration file: read to its end, checked whole, turned into what the process runs on.
//!
//! [`load`] gives either everything (a [`Snapshot`] for the data plane, [`Settings`] for the
//! process) or every fault at once; nothing in between leaves this room. It opens no socket and
//! changes nothing, so `check` and a reload are the same code as a start.
//!
//! The way of a file: [`source`] (text and how lines are shown) → [`tree`] (YAML with places) →
//! [`walk`] (typed questions, faults, environment) → [`process`], [`apis`], [`parties`] (one per
//! part of the file, leaning on [`units`], [`address`], [`price`], [`pem`], [`contracts`]).

pub mod address;
mod apis;
mod checks;
mod client_certificates;
mod contracts;
pub(crate) mod edit;
pub mod fault;
mod issuers;
mod mail;
mod names;
mod oauth;
mod parties;
mod pem;
mod plans;
pub mod price;
mod process;
mod proofs;
mod rest;
mod scopes;
pub mod sent;
pub mod settings;
mod sight;
mod signatures;
mod source;
mod tree;
mod units;
mod walk;
mod ws_security;

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use pasarela_model::{Limits, Snapshot};

pub use fault::{Code, Fault, Faults, Severity, Span};
pub use price::Price;
pub use settings::{
    AccessLog, Certificate, Encryption, Interrupted, Listen, Mail, Relay, Settings, Storage, Tls,
    Traces,
};
pub(crate) use units::{name_fault, name_from, rate};
pub use walk::Environment;
pub(crate) use walk::read_file;

use names::Section;
use source::Source;
use walk::Walk;

/// The defaults as a file: what it says is what holds where a file says nothing.
pub const DEFAULTS: &str = include_str!("default.yaml");

/// A file that was accepted.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// For the process.
    pub settings: Settings,
    /// For the data plane.
    pub snapshot: Snapshot,
    /// What the plans of the snapshot cost, in the same order. Checked; nothing charges it yet.
    pub prices: Vec<Option<Price>>,
    /// What its author may not expect.
    pub warnings: Vec<Fault>,
    /// The file and every file it names, for the watcher.
    pub files: Vec<PathBuf>,
}

/// The file that is meant where none is named, in the folder where a command runs.
pub const USUAL_FILE: &str = "pasarela.yaml";

/// What holds without a file: nothing on the air, the default addresses.
pub fn empty(generation: u64) -> Loaded {
    Loaded {
        settings: Settings { administered: true, ..Settings::default() },
        snapshot: Snapshot { generation, ..Snapshot::default() },
        prices: Vec::new(),
        warnings: Vec::new(),
        files: Vec::new(),
    }
}

/// Reads a file and all it names. `generation` becomes the snapshot's.
///
/// # Errors
/// Everything that is wrong with it; the file is then of no use.
pub fn load(path: &Path, environment: Environment<'_>, generation: u64) -> Result<Loaded, Faults> {
    match read_bounded(path) {
        Ok(bytes) => read(&bytes, path, environment, generation),
        Err(why) => {
            let walk = Walk::new(path, environment);
            walk.fault(
                Code::Unreadable,
                Span::default(),
                format!("The configuration cannot be read: {why}."),
                "Give the path of a configuration file that this user may read.",
            );
            Err(walk.finish(&Source::new(String::new()), false))
        }
    }
}

/// One byte more than is allowed, so that [`read`] can tell. Pipes may be read here: whoever gives
/// one as the configuration means it.
fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(tree::BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| walk::io_reason(&error))
}

/// Reads the bytes of a file as if they stood at `path`.
///
/// # Errors
/// As [`load`].
pub fn read(
    bytes: &[u8],
    path: &Path,
    environment: Environment<'_>,
    generation: u64,
) -> Result<Loaded, Faults> {
    let walk = Walk::new(path, environment);
    let Some(text) = text_of(&walk, bytes) else {
        return Err(walk.finish(&Source::new(String::new()), false));
    };
    let source = Source::new(text);
    let reading = tree::read(source.text());
    for (code, span, message, cure) in reading.remarks {
        walk.fault(code, span, message, cure);
    }
    reading.dropped.iter().for_each(|entry| walk.hide_sensitive(&entry.key, &entry.value));
    let Some(root) = reading.root else {
        return Err(walk.finish(&source, false));
    };
    let loaded = whole(&walk, &root, generation);
    let mut found = walk.finish(&source, true);
    match loaded {
        Some(loaded) if found.errors() == 0 => {
            let warnings = std::mem::take(&mut found.list);
            Ok(Loaded { warnings, files: found.files, ..loaded })
        }
        _ => Err(found),
    }
}

fn text_of(walk: &Walk<'_>, bytes: &[u8]) -> Option<String> {
    if bytes.len() > tree::BYTES_MAX {
        walk.fault(
            Code::TooLarge,
            Span::default(),
            "The file has more than 16 MiB.",
            "Split the configuration over several gateways; contracts and keys stay in files of their own.",
        );
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.strip_prefix('\u{FEFF}').unwrap_or(text).to_owned()),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            walk.fault(
                Code::Encoding,
                Span::default(),
                format!("The file is not UTF-8 text: in line {line} there is a byte that cannot be read."),
                "Save it as UTF-8; an editor calls this its encoding.",
            );
            None
        }
    }
}

const KEYS: [&str; 17] = [
    "version",
    "mail",
    "workers",
    "listen",
    "tls",
    "storage",
    "shared_limits",
    "limits",
    "logs",
    "traces",
    "trusted_proxies",
    "apis",
    "organisations",
    "issuers",
    "oauth",
    "applications",
    "plans",
];

/// Walks the whole file; `None` only where a fault was written down.
fn whole(walk: &Walk<'_>, root: &tree::Node, generation: u64) -> Option<Loaded> {
    let root = walk.fields(root, "the configuration", &KEYS)?;
    version(walk, &root);
    let settings = process::settings(walk, &root);
    let limits = root.get("limits").map(|node| process::limits(walk, node));
    let trusted_proxies =
        root.get("trusted_proxies").map(|node| process::trusted_proxies(walk, node));

    let organisations = Section::declare(
        walk,
        &root,
        "organisations",
        ("organisation", "an organisation"),
        &parties::ORGANISATION_KEYS,
    );
    let plans = Section::declare(walk, &root, "plans", ("plan", "a plan"), &plans::KEYS);
    let apis = Section::declare(walk, &root, "apis", ("API", "an API"), &apis::KEYS);
    let applications = Section::declare(
        walk,
        &root,
        "applications",
        ("application", "an application"),
        &parties::APPLICATION_KEYS,
    );
    let issuers =
        Section::declare(walk, &root, "issuers", ("issuer", "an issuer of tokens"), &issuers::KEYS);
    for section in [&organisations, &plans, &issuers, &applications] {
        section.refuse_twins(walk);
    }

    let read_organisations = parties::organisations(walk, &organisations);
    let read_plans = plans::read(walk, &plans, &organisations);
    let mut read_apis = apis::read(walk, &apis, &plans, settings.listen.internal.is_some());
    mail::recipients(walk, &apis, &mut read_apis, settings.listen.smtp.is_some());
    let read_issuers = issuers::read(walk, &issuers);
    let issuing = root.get("oauth").map(|node| oauth::read(walk, node, &read_issuers));
    if let Some(Some(issuing)) = &issuing {
        oauth::warn_shadowed(walk, issuing, &apis, &read_apis);
    }
    let offer = parties::Offer {
        organisations: &organisations,
        plans: &plans,
        apis: &apis,
        issuers: &issuers,
        issued: issuing.is_some(),
        read_apis: &read_apis,
        read_plans: &read_plans,
    };
    let mut read_applications = parties::applications(walk, &applications, &offer);
    mail::senders(walk, &applications, &mut read_applications);

    // An index is a place in its list, so a list counts only when nothing in it is missing.
    let declared = plans;
    let (plans, prices) = read_plans.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let snapshot = Snapshot {
        generation,
        apis: read_apis.into_iter().collect::<Option<_>>()?,
        plans,
        organisations: read_organisations.into_iter().collect::<Option<_>>()?,
        applications: read_applications.into_iter().collect::<Option<_>>()?,
        issuers: read_issuers.into_iter().collect::<Option<_>>()?,
        issuing: issuing.map_or(Some(None), |issuing| issuing.map(Some))?,
        pepper: None,
        limits: limits.unwrap_or_else(Limits::default),
        trusted_proxies: trusted_proxies.unwrap_or_default(),
    };
    plans::check_reserves(walk, &declared, &snapshot);
    plans::check_operations(walk, &declared, &snapshot);
    Some(Loaded { settings, snapshot, prices, warnings: Vec::new(), files: Vec::new() })
}

fn version(walk: &Walk<'_>, root: &walk::Fields<'_>) {
    let cure = "Write `version: 1` at the top: it says how the rest is meant.";
    let Some(node) = walk.need(root, "version", cure) else { return };
    let Some(text) = walk.text(node, "`version`") else { return };
    if text.value != "1" {
        walk.fault(
            Code::Version,
            text.span,
            format!("{} is not a version of the file that this Pasarela reads.", text.shown),
            "Write `version: 1`, or use the Pasarela that the file was written for.",
        );
    }
}
