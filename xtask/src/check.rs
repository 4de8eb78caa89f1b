//! `cargo xtask check`: what takes seconds and needs no test.

use anyhow::Result;

use crate::command::Cargo;
use crate::tidy;

/// Formatting, lints, house rules; the first that fails ends it.
pub(crate) fn run() -> Result<()> {
    formatting()?;
    tidy::run()?;
    lints()
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
