//! What a running gateway listens on: what it announced, and nothing else.

use std::{collections::BTreeSet, fs};

use pasarela_testkit::{Gateway, Upstream};

use crate::gateway;

/// Ports on which a process listens, by its own descriptors and the kernel's tables.
fn listening(gateway: &mut Gateway) -> BTreeSet<u16> {
    let pid = gateway.process().id();
    let mut inodes = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        let Ok(link) = fs::read_link(entry.path()) else { continue };
        let link = link.to_string_lossy().into_owned();
        if let Some(inode) = link.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) {
            inodes.insert(inode.to_owned());
        }
    }
    let mut ports = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, "0A", _, _, _, _, _, inode, ..] = words[..] else { continue };
            if inodes.contains(inode) {
                let port = local.rsplit(':').next().unwrap();
                ports.insert(u16::from_str_radix(port, 16).unwrap());
            }
        }
    }
    ports
}

#[test]
fn t27_only_what_was_announced_is_listened_on() {
    let upstream = Upstream::ok("ok");
    let mut gateway = gateway().api("t", &upstream).listen("internal: 127.0.0.1:0").start();
    let announced: BTreeSet<u16> = ["gateway", "console", "internal"]
        .into_iter()
        .map(|listener| gateway.address_of(listener).port())
        .collect();
    assert_eq!(listening(&mut gateway), announced);
}
