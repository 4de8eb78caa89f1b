//! `cargo xtask check`: what takes seconds and needs no test.

use anyhow::{Result, ensure};

use crate::command::Cargo;
use crate::tidy;

/// Formatting, house rules, lints: all three run, so that one look shows everything.
pub(crate) fn run() -> Result<()> {
    let results = [("fmt", formatting()), ("tidy", tidy::run()), ("clippy", lints())];
    let failed: Vec<&str> =
        results.iter().filter(|(_, result)| result.is_err()).map(|(name, _)| *name).collect();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// `cargo fmt --check`
pub(crate) fn formatting() -> Result<()> {
    Cargo::new(&["fmt", "--all", "--check"]).run()
}

/// `cargo clippy` with every warning denied.
pub(crate) fn lints() -> Result<()> {
    Cargo::new(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ])
    .run()
}

/// `cargo doc` with every warning denied. Private items are documented too: the people who read
/// these pages work on the code.
pub(crate) fn documentation() -> Result<()> {
    Cargo::new(&["doc", "--workspace", "--all-features", "--no-deps", "--quiet"])
        .args(["--document-private-items"])
        .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links")
        .run()
}
