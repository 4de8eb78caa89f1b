//! AutobahnTestSuite's fuzzing client against an echo server, directly and through the gateway (T54).

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::harness::{
    Gateway, Running, WS, find, have, one_api, program, script, succeed, workspace,
};

const PYTHON2: &str = ".peers/python2/usr/bin/python2.7";

/// What every run does: framing, fragments, UTF-8, closing.
const SHORT: &[&str] = &["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"];

/// What only the long form does: large messages, and compression, whose cases take the client minutes each way.
const LONG: &[&[&str]] = &[
    &["9.*"],
    &["12.1.*"],
    &["12.2.*"],
    &["12.3.*"],
    &["12.4.*"],
    &["12.5.*"],
    &["13.1.*", "13.2.*"],
    &["13.3.*"],
    &["13.4.*"],
    &["13.5.*", "13.6.*", "13.7.*"],
];

/// No case goes worse through the gateway than without it. `PASARELA_FULL=1` (`cargo xtask test long`)
/// runs all 517, group by group, in about half an hour.
#[test]
fn t54_autobahn_is_never_worse_than_direct() {
    if !have(&["node", WS, PYTHON2]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(program("node").arg(script("ws_echo.js")).arg(find(WS).unwrap()));
    let port = server.listening();
    // Cases 9.* send 16 MiB in one frame; L21 allows one as a message only.
    let limits = "limits: { websocket_frame_bytes: 16MiB }\n";
    let gateway = Gateway::start(&format!("{limits}{}", one_api(port, "upgrade: true")));

    let (mut direct, mut through) = (BTreeMap::new(), BTreeMap::new());
    let long = if full() { LONG } else { &[] };
    for cases in [SHORT].iter().chain(long) {
        // Both at once: the client is a slow program on one core.
        std::thread::scope(|scope| {
            let own = scope.spawn(|| verdicts(folder.path(), "direct", port, cases));
            let port = gateway.address.port();
            through.append(&mut verdicts(folder.path(), "through", port, cases));
            direct.append(&mut own.join().unwrap());
        });
        println!("{cases:?}: {} cases so far", direct.len());
    }
    assert!(direct.len() >= if full() { 517 } else { 240 }, "only {} cases ran", direct.len());
    println!("direct {:?}, through the gateway {:?}", tally(&direct), tally(&through));
    let worse: Vec<_> = direct
        .iter()
        .filter_map(|(case, before)| {
            let after = through.get(case).map_or("MISSING", String::as_str);
            (rank(after) > rank(before)).then(|| format!("{case}: {before} → {after}"))
        })
        .collect();
    assert!(worse.is_empty(), "{worse:#?}\n{}", gateway.log());
}

/// Whether the long form was asked for.
fn full() -> bool {
    std::env::var_os("PASARELA_FULL").is_some()
}

/// How often each verdict was given.
fn tally(verdicts: &BTreeMap<String, String>) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for verdict in verdicts.values() {
        *tally.entry(verdict.as_str()).or_default() += 1;
    }
    tally
}

/// Runs cases of the suite and returns, for each, the worse of its two verdicts.
fn verdicts(folder: &Path, agent: &str, port: u16, cases: &[&str]) -> BTreeMap<String, String> {
    let reports = folder.join(agent);
    let specification = json!({
        "outdir": reports,
        "servers": [{ "agent": agent, "url": format!("ws://127.0.0.1:{port}") }],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    let file = folder.join(format!("{agent}.json"));
    fs::write(&file, specification.to_string()).unwrap();
    let home = workspace().join(".peers/python2");
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let libraries = format!("{0}/lib/{triplet}:{0}/usr/lib/{triplet}", home.display());
    succeed(
        program(PYTHON2)
            .arg(script("wstest.py"))
            .arg(home.join("site"))
            .args(["-m", "fuzzingclient", "-s"])
            .arg(&file)
            .current_dir(folder)
            .env("LD_LIBRARY_PATH", libraries)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
        Duration::from_secs(if full() { 1200 } else { 240 }),
    );
    let index: Value =
        serde_json::from_slice(&fs::read(reports.join("index.json")).unwrap()).unwrap();
    let cases = index[agent].as_object().expect("the report has no agent");
    let verdict = |case: &Value, key: &str| case[key].as_str().unwrap_or("MISSING").to_owned();
    cases
        .iter()
        .map(|(name, case)| {
            let (a, b) = (verdict(case, "behavior"), verdict(case, "behaviorClose"));
            (name.clone(), if rank(&a) >= rank(&b) { a } else { b })
        })
        .collect()
}

fn rank(verdict: &str) -> u8 {
    match verdict {
        "OK" | "INFORMATIONAL" => 0,
        "NON-STRICT" => 1,
        "UNIMPLEMENTED" => 2,
        "UNCLEAN" => 3,
        "WRONG CODE" => 4,
        _ => 5,
    }
}
