//! npm packages, into `.peers/node`.

use std::{fs, process::Command};

use anyhow::{Context as _, Result, bail};

use super::{Places, once, program_path, run};

/// Installs what the lock says, without running anything that the packages bring.
///
/// # Errors
/// When node or npm is missing, or npm fails.
pub(super) fn packages(places: &Places) -> Result<()> {
    if program_path("node").is_none() {
        bail!("there is no node");
    }
    let Some(npm) = program_path("npm") else { bail!("there is no npm") };
    let names = ["package.json", "package-lock.json"];
    let lists = names.map(|name| places.lists.join("node").join(name));
    let folder = places.installed.join("node");
    once(&folder, &lists, || {
        for (name, list) in names.iter().zip(&lists) {
            fs::copy(list, folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
        }
        run(Command::new(npm)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder))
        .map(drop)
    })
}
