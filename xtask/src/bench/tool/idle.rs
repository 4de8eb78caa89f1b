//! What an idle keep-alive connection costs: memory before and after opening N of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::options::Options;
use crate::response::Follower;
use crate::usage::Tree;
use crate::wire::{Target, Wire};

/// Opens the connections one after another, each with one answered request.
pub(crate) fn run(options: &Options) -> Result<Value> {
    let address: SocketAddr = options.text("address")?.parse()?;
    let target = Target::new(address, options.optional("authority"))?;
    let count: usize = options.get("connections", 1_000)?;
    let settle = Duration::from_secs_f64(options.get("settle", 1.0)?);
    let request = request(options)?;
    let tree = Tree::of(options.get("pid", std::process::id())?);
    // The first connections pay for pools and code pages; they are not what one more costs.
    for _ in 0..20 {
        exchange(&target, &request)?;
    }
    std::thread::sleep(settle);
    let before = tree.memory();
    let mut kept = Vec::with_capacity(count);
    for number in 0..count {
        kept.push(
            exchange(&target, &request)
                .with_context(|| format!("connection {number} of {count}"))?,
        );
    }
    std::thread::sleep(settle);
    let after = tree.memory();
    let each = after.saturating_sub(before) / count.max(1) as u64;
    Ok(json!({ "connections": kept.len(), "idle_bytes": each, "memory": after }))
}

fn request(options: &Options) -> Result<Vec<u8>> {
    let key =
        options.optional("key").map(|key| format!("X-API-Key: {key}\r\n")).unwrap_or_default();
    Ok(format!("GET {} HTTP/1.1\r\nHost: localhost\r\n{key}\r\n", options.text("path")?)
        .into_bytes())
}

fn exchange(target: &Target, request: &[u8]) -> Result<Wire> {
    let mut wire = Wire::open(target)?;
    wire.send(request)?;
    let (mut follower, mut buffer) = (Follower::default(), [0; 4096]);
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        match wire.receive(&mut buffer)? {
            None => std::thread::sleep(Duration::from_micros(50)),
            Some(0) => bail!("the proxy closed the connection"),
            Some(length) => match follower.take(&buffer[..length])? {
                None => (),
                Some(200) => return Ok(wire),
                Some(status) => bail!("status {status}"),
            },
        }
    }
    bail!("no answer in five seconds")
}
