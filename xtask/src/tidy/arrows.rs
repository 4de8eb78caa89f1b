//! Who may use whom: the arrow table of the architecture, held against `cargo metadata`.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::{Cargo, root};

/// A room, and the rooms it may use.
struct Room {
    name: &'static str,
    uses: &'static [&'static str],
    /// Decides only: no sockets, no clock, no randomness, no async.
    pure: bool,
}

/// The drawing of ARCHITECTURE.md as data. A new arrow is welcome: it arrives with its sentence there.
const ROOMS: &[Room] = &[
    Room {
        name: "pasarela",
        uses: &[
            "pasarela-contract",
            "pasarela-control",
            "pasarela-gateway",
            "pasarela-model",
            "pasarela-net",
            "pasarela-soap",
            "pasarela-store",
        ],
        pure: false,
    },
    Room {
        name: "pasarela-gateway",
        uses: &["pasarela-contract", "pasarela-model", "pasarela-net", "pasarela-soap"],
        pure: false,
    },
    Room { name: "pasarela-control", uses: &["pasarela-model", "pasarela-store"], pure: false },
    Room { name: "pasarela-store", uses: &["pasarela-model"], pure: false },
    Room { name: "pasarela-net", uses: &["pasarela-model"], pure: false },
    Room { name: "pasarela-contract", uses: &["pasarela-model", "pasarela-soap"], pure: true },
    Room { name: "pasarela-soap", uses: &[], pure: true },
    Room { name: "pasarela-model", uses: &[], pure: true },
    Room { name: "pasarela-testkit", uses: &["pasarela-model"], pure: false },
    Room { name: "xtask", uses: &[], pure: false },
];

/// Rooms for tests and tools: whatever they use outside stays outside the product.
const NOT_SHIPPED: &[&str] = &["pasarela-testkit", "xtask"];

/// What a pure room must not have in its manifest, not even for its tests' sake.
const NOT_PURE: &[&str] = &[
    "async-std",
    "axum",
    "fastrand",
    "h2",
    "hyper",
    "mio",
    "rand",
    "reqwest",
    "rustix",
    "socket2",
    "sqlx",
    "tokio",
];

/// Crates that only some rooms may use, with the reason for each exception.
const GUARDED: &[(&str, &[&str])] = &[
    // The gateway drives streams that net accepted or opened, and names their types.
    ("h2", &["pasarela-net", "pasarela-gateway"]),
    // Our own codec is the HTTP/1.1 of this product; the console's axum brings its own hyper.
    ("hyper", &[]),
    // Signatures of messages and of tokens are verified there; everybody else's cryptography is TLS, and rustls's affair.
    ("aws-lc-rs", &["pasarela-gateway", "pasarela-soap"]),
    // The binary installs the process-wide cryptography before anything else runs.
    ("rustls", &["pasarela-net", "pasarela"]),
    ("tokio-rustls", &["pasarela-net"]),
    ("rustls-native-certs", &["pasarela-net"]),
    ("hickory-resolver", &["pasarela-net"]),
    ("socket2", &["pasarela-net"]),
    // SQL stands in one room, and its statements are constants there.
    ("sqlx", &["pasarela-store"]),
    // Pages and endpoints that are not the data plane.
    ("axum", &["pasarela"]),
    // An error of a library says what it was doing; only a program may say "it failed".
    ("anyhow", &["pasarela"]),
];

/// Arrows that are not in the table.
pub(super) fn faults() -> Result<Vec<String>> {
    let text =
        Cargo::new(&["metadata", "--format-version", "1", "--no-deps", "--locked"]).capture()?;
    let metadata: Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().context("cargo metadata without packages")?;
    let mut faults: Vec<String> = packages.iter().flat_map(of_package).collect();
    for room in ROOMS.iter().filter(|room| room.pure) {
        let short = room.name.trim_start_matches("pasarela-");
        let file = format!("crates/{short}/clippy.toml");
        if !root().join(&file).is_file() {
            faults.push(format!("{file} is missing: it keeps the clock out of {}", room.name));
        }
    }
    Ok(faults)
}

fn of_package(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![format!(
            "{name}: a room without a place in the table of xtask/src/tidy/arrows.rs"
        )];
    };
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    dependencies
        .filter_map(|dependency| {
            let used = dependency["name"].as_str()?;
            let in_tests = dependency["kind"].as_str() == Some("dev");
            fault(room, used, in_tests)
        })
        .collect()
}

fn fault(room: &Room, used: &str, in_tests: bool) -> Option<String> {
    let name = room.name;
    if room.pure && NOT_PURE.contains(&used) {
        return Some(format!("{name} → {used}: {name} is pure; it decides and does not act"));
    }
    if ROOMS.iter().any(|other| other.name == used) {
        let tests_may = in_tests && used == "pasarela-testkit";
        let known = room.uses.contains(&used) || tests_may;
        return (!known).then(|| {
            format!("{name} → {used}: a new arrow; draw it in ARCHITECTURE.md and xtask/src/tidy/arrows.rs, or do without")
        });
    }
    let (_, allowed) = GUARDED.iter().find(|(guarded, _)| *guarded == used)?;
    let free = in_tests || NOT_SHIPPED.contains(&name) || allowed.contains(&name);
    (!free)
        .then(|| format!("{name} → {used}: only {allowed:?} may use it (xtask/src/tidy/arrows.rs)"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_arrow_is_printed_and_an_old_one_is_not() {
        let package = json!({
            "name": "pasarela-contract",
            "dependencies": [
                { "name": "pasarela-model", "kind": null },
                { "name": "pasarela-net", "kind": null },
                { "name": "tokio", "kind": "dev" },
                { "name": "rustls", "kind": null },
                { "name": "rustls", "kind": "dev" },
                { "name": "pasarela-testkit", "kind": "dev" },
                { "name": "roxmltree", "kind": null },
            ],
        });
        let arrows: Vec<String> = of_package(&package)
            .iter()
            .filter_map(|line| Some(line.split(':').next()?.to_owned()))
            .collect();
        assert_eq!(
            arrows,
            [
                "pasarela-contract → pasarela-net",
                "pasarela-contract → tokio",
                "pasarela-contract → rustls"
            ]
        );
    }

    #[test]
    fn the_table_has_no_circle() {
        fn reaches(from: &str, to: &str) -> bool {
            let room =
                ROOMS.iter().find(|room| room.name == from).expect("every arrow ends in a room");
            room.uses.iter().any(|used| *used == to || reaches(used, to))
        }
        for room in ROOMS {
            assert!(!reaches(room.name, room.name), "{} uses itself", room.name);
        }
    }
}
