//! Debian packages: installed into the system, or of an older release unpacked beside it.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{program_path, run};

/// By this file we know that `python3 -m venv` works; Debian packages it apart from Python.
pub(super) const PYTHON3_VENV: &str = "/usr/share/doc/python3-venv";

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs the packages of which the program is not there.
///
/// # Errors
/// When something is missing and this is no Debian, we are not root, or apt-get fails.
pub(super) fn install(programs: &[(&'static str, &'static str)]) -> Result<()> {
    let missing: Vec<_> = programs
        .iter()
        .filter(|(_, program)| program_path(program).is_none())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !Path::new("/etc/debian_version").exists() || program_path("apt-get").is_none() {
        bail!("not installed, and this is not Debian");
    }
    // Our own effective user owns what we have just opened of ourselves.
    if fs::metadata("/proc/self").map(|process| process.uid()).unwrap_or(1) != 0 {
        bail!("not installed, and only root may install it");
    }
    let _quiet = NoServices::forbid()?;
    run(apt_get().arg("update"))?;
    let all = install_packages(&missing);
    if all.is_err() && missing.len() > 1 {
        // One package that this release does not have must not cost us the others.
        for package in &missing {
            let _ = install_packages(&[package]);
        }
    }
    never_at_boot(&missing);
    all
}

fn install_packages(packages: &[&str]) -> Result<()> {
    run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages)).map(drop)
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "DPkg::Lock::Timeout=120"]);
    command
}

/// While it lives, packages do not start their services (the `policy-rc.d` of Debian Policy §9.3.3.1).
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn forbid() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .and_then(|()| fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)))
            .context("cannot forbid packages to start services")?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}

/// Services of what we installed stay off after the next boot too.
fn never_at_boot(packages: &[&str]) {
    if !Path::new("/run/systemd/system").exists() {
        return;
    }
    for package in packages {
        if matches!(*package, "nginx" | "haproxy" | "lighttpd" | "postgresql" | "varnish") {
            let _ = run(Command::new("systemctl").args(["disable", "--now", "--quiet", package]));
        }
    }
    // Varnish brings a second one.
    if packages.contains(&"varnish") {
        let _ = run(Command::new("systemctl").args(["disable", "--now", "--quiet", "varnishncsa"]));
    }
}

/// Downloads packages of another Debian release, by name, from the mirror this system already uses,
/// and unpacks them under `into`. The system's own sources and packages are not touched: apt works on
/// a private set of folders. Its signatures are checked as always.
///
/// # Errors
/// When this is no Debian, or apt-get or dpkg fails.
pub(super) fn unpack_beside(release: &str, packages: &[String], into: &Path) -> Result<()> {
    if program_path("apt-get").is_none() || program_path("dpkg").is_none() {
        bail!("its Debian packages cannot be unpacked here: there is no apt-get");
    }
    let mirror = mirror().context("the system's sources name no Debian mirror")?;
    let root = into.join("apt");
    let sources = root.join("sources.list.d");
    let downloads = root.join("downloads");
    for folder in ["sources.list.d", "state/lists/partial", "cache/archives/partial", "downloads"] {
        fs::create_dir_all(root.join(folder)).context("cannot make apt's private folders")?;
    }
    fs::write(root.join("status"), "").context("cannot write apt's private status")?;
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(
        sources.join("beside.list"),
        format!("deb [signed-by={keyring}] {mirror} {release} main\n"),
    )
    .context("cannot write apt's private sources")?;

    let private = |arguments: &[&str]| {
        let mut command = apt_get();
        for (option, path) in [
            ("Dir::Etc::sourceparts", sources.clone()),
            ("Dir::Etc::sourcelist", PathBuf::from("/dev/null")),
            ("Dir::State", root.join("state")),
            ("Dir::State::status", root.join("status")),
            ("Dir::Cache", root.join("cache")),
        ] {
            command.arg("-o").arg(format!("{option}={}", path.display()));
        }
        command.args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]);
        command.args(arguments).current_dir(&downloads);
        command
    };
    run(&mut private(&["update"]))?;
    let names: Vec<_> = packages.iter().map(String::as_str).collect();
    run(private(&["download"]).args(names))?;
    for file in fs::read_dir(&downloads).context("cannot list what was downloaded")? {
        let file = file.context("cannot list what was downloaded")?.path();
        run(Command::new("dpkg").arg("-x").arg(&file).arg(into))?;
    }
    // The index names the mirror and is not needed again.
    fs::remove_dir_all(&root).context("cannot remove apt's private folders")
}

/// The address of the Debian mirror that the system is configured with: of the first source that
/// carries this release (or any, where the release is unknown).
fn mirror() -> Option<String> {
    let mut texts = Vec::new();
    texts.extend(fs::read_to_string("/etc/apt/sources.list").ok());
    let mut parts: Vec<_> =
        fs::read_dir("/etc/apt/sources.list.d").ok()?.flatten().map(|entry| entry.path()).collect();
    parts.sort();
    for part in parts {
        if part.extension().is_some_and(|kind| kind == "list" || kind == "sources") {
            texts.extend(fs::read_to_string(part).ok());
        }
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned());
    let entries: Vec<_> = texts.iter().flat_map(|text| entries(text)).collect();
    let carries = |entry: &&(String, Vec<String>)| {
        codename.as_ref().is_some_and(|name| entry.1.iter().any(|suite| suite == name))
    };
    entries.iter().find(carries).or(entries.first()).map(|entry| entry.0.clone())
}

/// Addresses and suites in a file of apt sources, of the one-line form or of deb822.
fn entries(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.trim().strip_prefix("deb ") {
            let rest = match rest.trim_start().strip_prefix('[') {
                Some(options) => options.split_once(']').map_or("", |(_, after)| after),
                None => rest,
            };
            let mut words = rest.split_whitespace().map(str::to_owned);
            if let (Some(address), Some(suite)) = (words.next(), words.next()) {
                found.push((address, vec![suite]));
            }
        }
    }
    for stanza in text.split("\n\n") {
        let field =
            |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let (Some(addresses), Some(suites)) = (field("URIs:"), field("Suites:")) {
            if field("Enabled:") == Some("no") {
                continue;
            }
            let suites: Vec<_> = suites.split_whitespace().map(str::to_owned).collect();
            for address in addresses.split_whitespace() {
                found.push((address.to_owned(), suites.clone()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_apt_sources_are_read() {
        let one_line = "# a comment\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main\n\
                        deb-src http://mirror.example/debian bookworm main\n";
        assert_eq!(
            entries(one_line),
            [("http://mirror.example/debian".to_owned(), vec!["bookworm".to_owned()])]
        );
        let deb822 = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
                      Components: main\n\nTypes: deb\nEnabled: no\nURIs: http://other.example/x\nSuites: y\n";
        assert_eq!(
            entries(deb822),
            [(
                "http://mirror.example/debian".to_owned(),
                vec!["bookworm".to_owned(), "bookworm-updates".to_owned()]
            )]
        );
    }
}
