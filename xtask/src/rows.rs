//! Which rows of the reliability reference a test has to carry by now.
//!
//! A test carries a row when its name begins with the row's id: `fn t08_path_confusion`,
//! `fn t37_l06_l07_header_sizes`. A row without a test is an open bug: [`missing`] lists them
//! and tidy fails. A row that waits for a later part of the product says so here, with the reason.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::source::{self, File};

/// A row of the reference.
pub(crate) struct Row {
    /// `T8`
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    /// Why no test is asked for yet; empty when one is.
    waits: &'static str,
}

const fn due(id: &'static str, what: &'static str) -> Row {
    Row { id, what, waits: "" }
}

const fn waits(id: &'static str, what: &'static str, reason: &'static str) -> Row {
    Row { id, what, waits: reason }
}

/// Every row that concerns HTTP.
pub(crate) const ROWS: &[Row] = &[
    due("T1", "smuggling: CL.TE, TE.CL, TE.TE, 0.CL"),
    due("T2", "an early answer leaves body bytes"),
    due("T3", "upgrade tunnel"),
    due("T4", "Expect: 100-continue desync"),
    due("T5", "HTTP/2 to HTTP/1.1 injection"),
    due("T6", "Connection names a protected header"),
    due("T7", "forged forwarding headers"),
    due("T8", "path confusion"),
    due("T9", "hostile upstream answer"),
    waits("T10", "SSRF by webhook", "webhooks come later"),
    waits("T11", "SSRF by import", "contracts are read from files only so far"),
    waits("T13", "cache poisoning", "there is no cache"),
    due("T14", "Host, SNI and authority mismatch, second Host"),
    due("T15", "key store stolen"),
    due("T16", "timing oracle"),
    due("T17", "password guessing, enumeration"),
    waits("T18", "JWT confusion", "JWTs come later"),
    waits(
        "T22",
        "client certificate identity",
        "client certificates are verified, not yet identities",
    ),
    due("T27", "ports of the default install"),
    due("T28", "things of other organisations, verbs of higher roles"),
    due("T29", "mass assignment"),
    due("T30", "audit tampering"),
    due("T31", "rate-limit evasion"),
    due("T36", "slow headers, body, read"),
    due("T37", "header size"),
    due("T38", "HPACK header bomb"),
    due("T39", "rapid reset"),
    due("T40", "CONTINUATION, PING, SETTINGS, PRIORITY, empty DATA floods"),
    due("T41", "idle connections"),
    due("T42", "connection flood"),
    waits("T43", "decompression bomb", "nothing is decompressed yet"),
    due("T44", "huge body"),
    due("T45", "overload"),
    due("T54", "WebSocket hijack, masks, fragments, bombs"),
    due("T55", "secrets in logs, traces, metrics"),
    due("T56", "log injection, unknown APIs"),
    due("T57", "weak TLS"),
    due("T59", "panic as denial of service"),
    due("L1", "TLS versions and suites"),
    due("L2", "TLS handshake time"),
    due("L3", "keep-alive idle time"),
    due("L4", "connections per address and in all"),
    due("L5", "memory of an idle connection"),
    due("L6", "request line"),
    due("L7", "headers"),
    due("L8", "header read time"),
    due("L9", "body rate"),
    due("L10", "write stall"),
    due("L11", "drain after an early answer"),
    due("L12", "body size"),
    waits("L13", "decompression", "nothing is decompressed yet"),
    due("L14", "trusted proxies"),
    due("L15", "HTTP/2 streams and windows"),
    due("L16", "HPACK table and list"),
    due("L17", "memory of an HTTP/2 connection"),
    due("L18", "HTTP/2 zero-window stall"),
    due("L19", "HTTP/2 resets"),
    due("L20", "HTTP/2 floods"),
    due("L21", "WebSocket"),
    due("L22", "upstream time"),
    due("L23", "upstream answer"),
    due("L24", "retries"),
    due("L25", "ejection"),
    due("L26", "DNS"),
    due("L31", "API key"),
    due("L36", "revocation lag"),
    due("L41", "Idempotency-Key"),
    due("L44", "waiting for the store"),
    due("L46", "overload"),
    due("L47", "log ring"),
    due("L48", "lifecycle"),
    due("L49", "certificates"),
    due("F1", "kill -9 of a writing process"),
    waits("F4", "upgrade under load", "asked for as a proof of the first issue, not yet as a row"),
    due("F5", "bad binary or migration"),
    due("F9", "the store is down"),
    waits("F13", "upstream refused", "the F rows are due with the fault lab"),
    waits("F14", "slow, half-open, black hole", "the F rows are due with the fault lab"),
    waits("F15", "garbage, reset in the middle of a body", "the F rows are due with the fault lab"),
    waits("F16", "DNS faults", "the F rows are due with the fault lab"),
    waits("F18", "invalid or oversized configuration", "the F rows are due with the fault lab"),
    waits("F19", "certificate expired or mismatched", "the F rows are due with the fault lab"),
    waits("F20", "log disk full, stdout blocked", "the F rows are due with the fault lab"),
    waits("F22", "fd exhaustion", "the F rows are due with the fault lab"),
    waits("F27", "handler panic", "the F rows are due with the fault lab"),
];

/// `cargo xtask rows`
pub(crate) fn print() -> Result<()> {
    let carried = carried(&source::files()?);
    for row in ROWS {
        let tests = carried.get(row.id).map_or(&[][..], Vec::as_slice);
        let state = match (tests, row.waits) {
            ([], "") => "MISSING".to_owned(),
            ([], reason) => format!("waits: {reason}"),
            (tests, _) => tests.join(", "),
        };
        println!("{:4} {:58} {state}", row.id, row.what);
    }
    Ok(())
}

/// Rows that are due and that no test carries, and ids of tests that no row has.
pub(crate) fn missing(files: &[File]) -> Vec<String> {
    let carried = carried(files);
    ROWS.iter()
        .filter(|row| row.waits.is_empty() && !carried.contains_key(row.id))
        .map(|row| format!("{} ({}): no test is called `{}_…`", row.id, row.what, lower(row.id)))
        .collect()
}

/// Test names by the row they carry.
fn carried(files: &[File]) -> BTreeMap<String, Vec<String>> {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Our own examples below are no tests of the product.
    for file in files.iter().filter(|file| file.is_rust() && file.path.starts_with("crates/")) {
        for name in tests(&file.text) {
            for id in ids(name) {
                rows.entry(id).or_default().push(name.to_owned());
            }
        }
    }
    rows
}

/// The names of the functions that an attribute ending in `test` makes tests, or `on_both!`, which
/// makes one for each engine of the store.
fn tests(text: &str) -> Vec<&str> {
    let (mut marked, mut listed) = (false, false);
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        let list = line.strip_prefix("on_both! {");
        listed |= list.is_some();
        if listed {
            let list = list.unwrap_or(line);
            names.extend(list.split([',', ' ', '}']).filter(|name| !name.is_empty()));
            listed = !list.contains('}');
        } else if line.starts_with("#[") {
            let attribute =
                line.trim_start_matches("#[").split([']', '(']).next().unwrap_or_default();
            marked |= attribute == "test" || attribute.ends_with("::test");
        } else if let Some(rest) =
            line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))
        {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            if marked {
                names.push(name);
            }
            marked = false;
        }
    }
    names
}

/// `t37_l06_header_sizes` → `T37`, `L6`
fn ids(name: &str) -> Vec<String> {
    name.split('_')
        .map_while(|word| {
            let number: u32 = word.get(1..).filter(|digits| digits.len() == 2)?.parse().ok()?;
            let letter = word.chars().next().filter(|letter| "tlf".contains(*letter))?;
            Some(format!("{}{number}", letter.to_ascii_uppercase()))
        })
        .collect()
}

/// `T8` → `t08`
fn lower(id: &str) -> String {
    let (letter, number) = id.split_at(1);
    format!("{}{number:0>2}", letter.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_carry_rows_and_a_name_may_carry_several() {
        let text = "fn t01_helper() {}\n#[tokio::test(flavor = \"current_thread\")]\n#[ignore]\nasync fn t37_l06_sizes() {}\n";
        let file = File { path: "crates/net/src/a.rs".to_owned(), text: text.to_owned() };
        let rows = carried(&[file]);
        assert_eq!(rows.keys().map(String::as_str).collect::<Vec<_>>(), ["L6", "T37"]);

        let both = "on_both! {\n    t30_one,\n    plain,\n}\nasync fn t31_helper() {}\non_both! { f01_two }\n";
        assert_eq!(tests(both), ["t30_one", "plain", "f01_two"]);
    }

    #[test]
    fn a_missing_row_is_named_with_the_name_its_test_should_have() {
        let all = missing(&[]);
        assert!(
            all.iter().any(|line| line == "T8 (path confusion): no test is called `t08_…`"),
            "{all:?}"
        );
        assert!(!all.iter().any(|line| line.starts_with("T13")), "a row that waits is not missing");
    }
}
