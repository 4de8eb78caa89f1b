//! Nothing of one developer's machine is committed: no path of it, and no private registry.
//!
//! What counts as private is asked of the machine itself (its folders, the registries its tools are
//! set up with), so that this list holds no secret.

use std::path::Path;

use crate::command::root;
use crate::source::File;

/// Where everybody's packages come from; in pieces, because no file here names a registry's host.
const PUBLIC: &[&str] = &[
    concat!("crates", ".io"),
    concat!("docs", ".rs"),
    "github.com",
    "githubusercontent.com",
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    "debian.org",
    "rust-lang.org",
    "localhost",
    "127.0.0.1",
];

/// Folders that belong to the system, not to a person; naming them gives nothing away.
const SYSTEM: &[&str] =
    &["/", "/tmp", "/root", "/home", "/usr", "/opt", "/var", "/srv", "/etc", "/app", "/build"];

pub(super) fn faults(files: &[File]) -> Vec<String> {
    let words: Vec<String> = paths().into_iter().chain(registries()).collect();
    let mut faults = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            let named = words.iter().any(|word| contains(line, word));
            if named || home_folder(line) {
                faults.push(format!(
                    "{}:{}: a path or registry of one machine",
                    file.path,
                    index + 1
                ));
            }
        }
        if file.path.ends_with("Cargo.lock") {
            faults.extend(foreign_sources(file));
        }
    }
    faults
}

/// The folders of this machine: the checkout, what it lies in, and this person's home.
fn paths() -> Vec<String> {
    let variables = ["HOME", "CARGO_HOME", "RUSTUP_HOME", "PYENV_ROOT"];
    let folders = variables.iter().filter_map(|name| std::env::var(name).ok());
    let checkout = root().ancestors().map(Path::to_string_lossy).map(String::from);
    let mut list: Vec<String> = folders
        .chain(checkout)
        .filter(|folder| folder.len() > 1 && !SYSTEM.contains(&folder.as_str()))
        .collect();
    // As a folder, so that a longer name is not taken for it; the home of root is everybody's.
    list.iter_mut().for_each(|folder| folder.push('/'));
    list.push(format!("{}/", root().display()));
    list
}

/// Hosts of registries and mirrors that this machine's tools are set up with.
fn registries() -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let cargo = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let files = [
        format!("{cargo}/config.toml"),
        format!("{home}/.npmrc"),
        format!("{home}/.config/pip/pip.conf"),
        format!("{home}/.pip/pip.conf"),
        "/etc/pip.conf".to_owned(),
    ];
    let names = [
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "NPM_CONFIG_REGISTRY",
        "npm_config_registry",
        "GOPROXY",
    ];
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    let values = names.iter().filter_map(|name| std::env::var(name).ok());
    texts.chain(values).flat_map(|text| hosts(&text)).collect()
}

/// Every host in a text that is not one of the public ones.
fn hosts(text: &str) -> Vec<String> {
    text.split("://")
        .skip(1)
        .filter_map(|rest| {
            let authority = rest.split(['/', '"', '\'', ' ', '\n', ',']).next()?;
            let host = authority.rsplit('@').next()?.split(':').next()?;
            let public =
                PUBLIC.iter().any(|name| host == *name || host.ends_with(&format!(".{name}")));
            (host.contains('.') && !public).then(|| host.to_owned())
        })
        .collect()
}

/// The word, where it begins as a path or a host does: not in the middle of a longer one.
fn contains(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "._-".contains(letter))
    })
}

/// A folder under `/home` or `/Users` with somebody's name.
fn home_folder(line: &str) -> bool {
    ["/home/", "/Users/"].iter().any(|folder| {
        line.split(folder).skip(1).any(|rest| {
            let name = rest.split('/').next().unwrap_or_default();
            !name.is_empty()
                && rest.len() > name.len()
                && contains(line, folder)
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    })
}

/// Packages that a lock file takes from elsewhere than the public registry.
fn foreign_sources(file: &File) -> Vec<String> {
    file.text
        .lines()
        .filter(|line| line.starts_with("source = "))
        .filter(|line| {
            !line.contains(concat!("registry+https://github.com/rust-lang/crates", ".io-index"))
        })
        .map(|line| format!("{}: {line}: only the public registry is everybody's", file.path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_mirrors_are_private_and_public_ones_are_not() {
        let text =
            "registry = \"sparse+https://mirror.example.net:8443/index/\"\nhttps://static.CRATES/x"
                .replace("CRATES", PUBLIC[0]);
        assert_eq!(hosts(&text), ["mirror.example.net"]);
    }

    #[test]
    fn a_home_is_found_and_an_address_that_looks_like_one_is_not() {
        assert!(home_folder(&["see /home", "ann/x"].join("/")));
        assert!(!home_folder("https://example.org/home/about/"));
        assert!(!home_folder("/home/$USER/"));
        assert!(contains("cd /srv/a", "/srv/"));
        assert!(!contains("https://example.org/srv/a", "/srv/"));
    }
}
