//! One access-log line: a [`Fact`] as JSON, written straight into a byte buffer.
//!
//! Written by hand because it runs for every request: no allocation, no formatting machinery, one
//! pass. The keys come in a fixed order, absent ones are left out, and every byte from outside is
//! escaped so that a line is a line and a terminal stays quiet (reliability reference, T56):
//! control characters (C0, DEL, C1), quotes, backslashes, the two Unicode line ends and the
//! characters that turn the writing direction. A byte that is no part of valid UTF-8 becomes the
//! character of the same number (`\u00ff`), so a line is always valid JSON.

use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use super::fact::Fact;

/// Appends the line of a fact, newline included.
pub(super) fn write(out: &mut Vec<u8>, fact: &Fact<'_>, clock: &mut Clock) {
    out.extend_from_slice(b"{\"time\":\"");
    clock.write(out, fact.unix_ns);
    out.extend_from_slice(b"\",\"request_id\":\"");
    escape(out, fact.request_id.as_bytes());
    out.extend_from_slice(b"\",\"client\":\"");
    write_ip(out, fact.client);
    out.extend_from_slice(b"\",\"listener\":\"");
    out.extend_from_slice(fact.listener.name().as_bytes());
    out.extend_from_slice(b"\",\"protocol\":\"");
    out.extend_from_slice(fact.protocol.name().as_bytes());
    out.extend_from_slice(b"\",\"method\":\"");
    escape(out, fact.method);
    out.extend_from_slice(b"\",\"host\":\"");
    escape(out, fact.host);
    out.extend_from_slice(b"\",\"path\":\"");
    escape(out, fact.path_alone());
    out.extend_from_slice(b"\",\"status\":");
    number(out, u64::from(fact.status));
    if let Some(problem) = fact.problem {
        out.extend_from_slice(b",\"problem\":\"");
        out.extend_from_slice(problem.slug().as_bytes());
        out.push(b'"');
    }
    if let Some(api) = fact.api {
        text(out, b",\"api\":\"", api.name);
        out.extend_from_slice(b",\"version\":");
        number(out, u64::from(api.version));
    }
    if let Some(operation) = fact.operation {
        text(out, b",\"operation\":\"", operation);
    }
    if let Some(application) = fact.application {
        text(out, b",\"application\":\"", application);
    }
    if let Some(plan) = fact.plan {
        text(out, b",\"plan\":\"", plan);
    }
    out.extend_from_slice(b",\"bytes_in\":");
    number(out, fact.bytes_in);
    out.extend_from_slice(b",\"bytes_out\":");
    number(out, fact.bytes_out);
    out.extend_from_slice(b",\"duration_us\":");
    number(out, fact.duration_us);
    if let Some(upstream) = fact.upstream {
        out.extend_from_slice(b",\"upstream\":\"");
        write_address(out, upstream.address);
        out.extend_from_slice(b"\",\"upstream_us\":");
        number(out, upstream.duration_us);
    }
    if fact.retries > 0 {
        out.extend_from_slice(b",\"retries\":");
        number(out, u64::from(fact.retries));
    }
    if let Some(trace) = fact.trace {
        out.extend_from_slice(b",\"trace_id\":\"");
        trace.id.write_hex(out);
        out.push(b'"');
    }
    if fact.aborted {
        out.extend_from_slice(b",\"aborted\":true");
    }
    out.extend_from_slice(b"}\n");
}

fn text(out: &mut Vec<u8>, opening: &[u8], value: &str) {
    out.extend_from_slice(opening);
    escape(out, value.as_bytes());
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes text as the inside of a JSON string.
fn escape(out: &mut Vec<u8>, value: &[u8]) {
    // Almost every value is plain, and a fold without an exit is looked through many bytes at once.
    let suspect = value
        .iter()
        .fold(false, |any, &b| any | (b < 0x20) | (b == b'"') | (b == b'\\') | (b >= 0x7f));
    if suspect {
        escape_carefully(out, value);
    } else {
        out.extend_from_slice(value);
    }
}

#[cold]
fn escape_carefully(out: &mut Vec<u8>, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                character if is_unsafe(character) => escape_number(out, u32::from(character)),
                character => {
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
        for &byte in chunk.invalid() {
            escape_number(out, u32::from(byte));
        }
    }
}

/// Characters that may move a cursor, end a line or turn the reading direction.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `\u` and four digits; what comes here is below U+FFFF.
fn escape_number(out: &mut Vec<u8>, number: u32) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(HEX[(number >> shift) as usize & 15]);
    }
}

/// Appends an address as people write it; one of IPv4 in the clothes of IPv6 as what it is.
pub(crate) fn write_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip.to_canonical() {
        IpAddr::V4(ip) => write_v4(out, ip),
        // Writing into a Vec cannot fail.
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

fn write_v4(out: &mut Vec<u8>, ip: Ipv4Addr) {
    let [a, b, c, d] = ip.octets();
    let mut buffer = itoa::Buffer::new();
    out.extend_from_slice(buffer.format(a).as_bytes());
    for octet in [b, c, d] {
        out.push(b'.');
        out.extend_from_slice(buffer.format(octet).as_bytes());
    }
}

fn write_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            write_v4(out, ip);
            out.push(b':');
        }
        IpAddr::V6(ip) => drop(write!(out, "[{ip}]:")),
    }
    number(out, u64::from(address.port()));
}

/// Writes instants as RFC 3339, and works a second out only once.
#[derive(Debug)]
pub(super) struct Clock {
    second: u64,
    text: [u8; 20],
}

impl Clock {
    pub(super) fn new() -> Self {
        let mut clock = Self { second: 0, text: [0; 20] };
        clock.set(0);
        clock
    }

    /// `2026-02-03T04:05:06.123456Z`
    fn write(&mut self, out: &mut Vec<u8>, unix_ns: u64) {
        let second = unix_ns / 1_000_000_000;
        if second != self.second {
            self.set(second);
        }
        out.extend_from_slice(&self.text);
        let micros = (unix_ns % 1_000_000_000) / 1_000;
        let mut digits = *b"000000Z";
        put(&mut digits, 0, 6, micros);
        out.extend_from_slice(&digits);
    }

    fn set(&mut self, second: u64) {
        let (year, month, day) = civil(second / 86_400);
        let of_day = second % 86_400;
        self.second = second;
        self.text = *b"0000-00-00T00:00:00.";
        put(&mut self.text, 0, 4, year);
        put(&mut self.text, 5, 2, month);
        put(&mut self.text, 8, 2, day);
        put(&mut self.text, 11, 2, of_day / 3_600);
        put(&mut self.text, 14, 2, of_day / 60 % 60);
        put(&mut self.text, 17, 2, of_day % 60);
    }
}

/// Writes the last `digits` decimal digits of a number at a place.
fn put(text: &mut [u8], at: usize, digits: usize, mut value: u64) {
    for byte in text.iter_mut().skip(at).take(digits).rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Days since 1970 as year, month and day of the Gregorian calendar. Counting years from March
/// puts the leap day last, so a month's start is a linear function of its number.
fn civil(days: u64) -> (u64, u64, u64) {
    // Day 0 becomes 0000-03-01, the first day of a 400-year era.
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::observe::{
        fact::{FactUpstream, tests::full},
        trace::Trace,
    };

    fn line(fact: &Fact<'_>) -> String {
        let mut out = Vec::new();
        write(&mut out, fact, &mut Clock::new());
        String::from_utf8(out).unwrap()
    }

    fn parsed(fact: &Fact<'_>) -> Value {
        let line = line(fact);
        let body = line.strip_suffix('\n').unwrap();
        assert!(!body.contains('\n'));
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn a_line_as_people_see_it() {
        let trace = Trace::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(
            line(&Fact { trace, retries: 1, aborted: true, ..full() }),
            "{\"time\":\"2026-02-02T02:40:00.123456Z\",\
             \"request_id\":\"01JZ8Y3N8Q4V5W6X7Y8Z9A0B1C\",\"client\":\"192.0.2.7\",\
             \"listener\":\"gateway\",\"protocol\":\"h1\",\"method\":\"GET\",\
             \"host\":\"api.example.com\",\"path\":\"/rates/v2/quotes/7\",\"status\":200,\
             \"api\":\"rates\",\"version\":2,\"operation\":\"getQuote\",\
             \"application\":\"acme-tracker\",\"plan\":\"pro\",\"bytes_in\":0,\
             \"bytes_out\":200,\"duration_us\":1534,\"upstream\":\"10.1.0.9:7000\",\
             \"upstream_us\":1400,\"retries\":1,\
             \"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"aborted\":true}\n"
        );
    }

    #[test]
    fn the_page_about_the_log_shows_this_line_and_explains_each_key() {
        let page = include_str!("../../../../docs/reference/access-log.md");
        let trace = Trace::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let shown = line(&Fact { trace, retries: 1, aborted: true, ..full() });
        assert!(page.contains(&shown), "{shown}");
        let refused = parsed(&Fact { problem: Some(pasarela_model::Code::Internal), ..full() });
        let whole: Value = serde_json::from_str(&shown).unwrap();
        let keys = whole.as_object().unwrap().keys().chain(refused.as_object().unwrap().keys());
        let written: BTreeSet<_> = keys.map(String::as_str).collect();
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let explained: BTreeSet<_> = rows
            .filter_map(|row| row.split('|').nth(1))
            .flat_map(|cell| cell.split(',').map(|key| key.trim().trim_matches('`')))
            .collect();
        assert_eq!(written, explained);
    }

    #[test]
    fn a_refusal_says_why_and_leaves_out_what_was_never_known() {
        let refused = Fact {
            status: 404,
            problem: Some(pasarela_model::Code::NoSuchApi),
            api: None,
            operation: None,
            application: None,
            plan: None,
            upstream: None,
            client: "2001:db8::1".parse().unwrap(),
            ..full()
        };
        let value = parsed(&refused);
        assert_eq!(value["problem"], "no_such_api");
        assert_eq!(value["client"], "2001:db8::1");
        for absent in ["api", "version", "operation", "application", "plan", "upstream", "aborted"]
        {
            assert!(value.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn t55_the_query_is_not_logged() {
        let line = line(&Fact { path: b"/a?api_key=canary#canary", ..full() });
        assert!(!line.contains("canary"));
        assert!(line.contains("\"path\":\"/a\""));
    }

    #[test]
    fn t56_nothing_from_outside_ends_a_line_or_speaks_to_a_terminal() {
        let hostile =
            b"/\r\n{\"status\":200}\x1b[31m\x00\x7f\\\xc2\x9b\xe2\x80\xae\xe2\x80\xa8\xff";
        let fact = Fact { path: hostile, host: hostile, method: hostile, ..full() };
        let line = line(&fact);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.trim_end().bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line}");
        let value = parsed(&fact);
        let expected = "/\r\n{\"status\":200}\u{1b}[31m\0\u{7f}\\\u{9b}\u{202e}\u{2028}\u{ff}";
        assert_eq!(value["path"], expected);
        assert_eq!(value["status"], 200);
        assert!(line.contains(r#"/\u000d\u000a{\"status\":200}\u001b[31m\u0000\u007f\\\u009b"#));
    }

    #[test]
    fn times_are_right_on_the_days_that_go_wrong() {
        for (second, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_709_164_800, "2024-02-29T00:00:00"),
            (1_735_689_599, "2024-12-31T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            let value = parsed(&Fact { unix_ns: second * 1_000_000_000 + 999, ..full() });
            assert_eq!(value["time"], format!("{expected}.000000Z"));
        }
    }

    /// What a reader must get back: the text itself, and one character for each byte that is none.
    fn readable(bytes: &[u8]) -> String {
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|&byte| char::from(byte)));
        }
        text
    }

    proptest! {
        #[test]
        fn t56_every_line_is_one_json_object_and_gives_the_text_back(
            host in proptest::collection::vec(any::<u8>(), 0..40),
            path in "\\PC*|[\\x00-\\x{10ffff}]{0,40}",
            application in any::<String>(),
            status in any::<u16>(),
            bytes_out in any::<u64>(),
            client in any::<std::net::IpAddr>(),
            address in any::<SocketAddr>(),
        ) {
            let path = path.replace(['?', '#'], "");
            let upstream =
                FactUpstream { address, start_us: 0, duration_us: bytes_out, status };
            let value = parsed(&Fact {
                host: &host,
                path: path.as_bytes(),
                application: Some(&application),
                status,
                bytes_out,
                client,
                upstream: Some(upstream),
                ..full()
            });
            prop_assert_eq!(&value["host"], &readable(&host));
            prop_assert_eq!(&value["path"], &path);
            prop_assert_eq!(&value["application"], &application);
            prop_assert_eq!(&value["status"], status);
            prop_assert_eq!(&value["bytes_out"], bytes_out);
            prop_assert_eq!(&value["client"], &client.to_canonical().to_string());
            let shown: SocketAddr = value["upstream"].as_str().unwrap().parse().unwrap();
            prop_assert_eq!(shown.ip(), address.ip().to_canonical());
            prop_assert_eq!(shown.port(), address.port());
        }
    }
}
