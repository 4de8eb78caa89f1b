//! How fast messages are transcoded, validation included: MB/s of XML and µs a message, in time on one processor.
//!
//! `cargo run --release -p pasarela-soap --example transcode_speed`, with `stream` behind it for a message of 100 MB in
//! pieces, and what memory that takes.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it measures time and prints it"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pasarela_soap::transcode::{Body, Decoder, Encoder, Message, Options, Plan, Walk};
use pasarela_soap::xsd::Schemas;
use pasarela_soap::{ExpandedName, Limits, json, xml};

const SCHEMA: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:shop" targetNamespace="urn:shop" elementFormDefault="qualified">
<xs:simpleType name="Sku"><xs:restriction base="xs:string"><xs:pattern value="[A-Z]{2}-\d{4,8}"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Price"><xs:restriction base="xs:decimal"><xs:totalDigits value="12"/><xs:fractionDigits value="2"/></xs:restriction></xs:simpleType>
<xs:simpleType name="State"><xs:restriction base="xs:token"><xs:enumeration value="open"/><xs:enumeration value="packed"/><xs:enumeration value="sent"/></xs:restriction></xs:simpleType>
<xs:complexType name="Address"><xs:sequence><xs:element name="name" type="xs:string"/><xs:element name="street" type="xs:string"/><xs:element name="city" type="xs:string"/><xs:element name="zip" type="xs:string"/><xs:element name="country" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType>
<xs:complexType name="Line"><xs:sequence><xs:element name="sku" type="Sku"/><xs:element name="description" type="xs:string" minOccurs="0"/><xs:element name="quantity" type="xs:int"/><xs:element name="price" type="Price"/><xs:element name="state" type="State"/><xs:element name="due" type="xs:dateTime" minOccurs="0"/></xs:sequence><xs:attribute name="number" type="xs:int" use="required"/></xs:complexType>
<xs:element name="order"><xs:complexType><xs:sequence><xs:element name="id" type="xs:long"/><xs:element name="created" type="xs:dateTime"/><xs:element name="customer" type="Address"/><xs:element name="line" type="Line" maxOccurs="unbounded"/><xs:element name="total" type="Price"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>"#;

fn head() -> String {
    "<order xmlns=\"urn:shop\"><id>9223372036854775807</id><created>2026-11-25T10:15:00Z</created><customer>\
     <name>Ana García &amp; hijos</name><street>Calle Mayor 1, 3º B</street><city>Madrid</city><zip>28013</zip></customer>"
        .to_owned()
}

fn line(number: usize) -> String {
    format!(
        "<line number=\"{number}\"><sku>AB-{:05}</sku><description>Tuerca de acero inoxidable M{}, bolsa de cien\
         </description><quantity>{}</quantity><price>{}.{:02}</price><state>{}</state><due>2026-12-{:02}T08:00:00\
         </due></line>",
        number % 100_000,
        number % 20,
        number % 97,
        number % 1000,
        number % 100,
        ["open", "packed", "sent"][number % 3],
        1 + number % 28
    )
}

fn order(size: usize) -> String {
    let mut xml = head();
    let mut number = 1;
    while xml.len() < size.saturating_sub(60) {
        xml.push_str(&line(number));
        number += 1;
    }
    xml + "<total>1234.50</total></order>"
}

fn main() {
    let (schemas, faults) = Schemas::from_bytes("shop.xsd", SCHEMA.as_bytes());
    assert!(faults.is_empty(), "{faults:?}");
    let element =
        schemas.element_named(&ExpandedName::new("urn:shop", "order")).expect("the schema has it");
    let plan = Plan::new(Arc::new(schemas), Options::default());
    let message = plan.message(Body::Element(element));
    if std::env::args().any(|argument| argument == "stream") {
        return stream(&plan, &message);
    }
    println!("{:>9}  {:>22}  {:>22}", "bytes", "XML to JSON", "JSON to XML");
    for size in [1_000, 10_000, 100_000, 1_000_000] {
        let xml = order(size);
        let limits = Limits::default();
        let mut decoder = Decoder::new(&plan, &message);
        let json = decode(&mut decoder, &plan, &xml, &limits);
        let forth = measure(|| {
            let mut reader =
                xml::Reader::with(xml.as_bytes(), None, &plan.schemas().symbols, &limits)
                    .expect("it is UTF-8");
            black_box(decoder.document(&mut reader).expect("it is valid").len());
        });
        let mut encoder = Encoder::new(&plan, &message);
        let back = measure(|| {
            let mut reader = json::Reader::new(&json, &limits).expect("it is JSON");
            black_box(encoder.document(&mut reader).expect("it is valid").len());
        });
        let rate = |time: Duration| xml.len() as f64 / time.as_secs_f64() / 1e6;
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        println!(
            "{:>9}  {:>9.1} µs {:>4.0} MB/s  {:>9.1} µs {:>4.0} MB/s",
            xml.len(),
            micros(forth),
            rate(forth),
            micros(back),
            rate(back)
        );
    }
}

fn decode(decoder: &mut Decoder<'_>, plan: &Plan, xml: &str, limits: &Limits) -> Vec<u8> {
    let mut reader = xml::Reader::with(xml.as_bytes(), None, &plan.schemas().symbols, limits)
        .expect("it is UTF-8");
    decoder.document(&mut reader).expect("it is valid").to_vec()
}

/// The best of several rounds: what the machine can do when nobody else is on it.
fn measure(mut work: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..12 {
        let (begin, used) = (Instant::now(), processor_time());
        let mut times = 0;
        while begin.elapsed() < Duration::from_millis(80) {
            work();
            times += 1;
        }
        let spent = match (used, processor_time()) {
            (Some(before), Some(after)) => Duration::from_nanos(after - before),
            _ => begin.elapsed(),
        };
        best = best.min(spent / times);
    }
    best
}

/// Nanoseconds that this process was on a processor, where Linux tells: others on the machine do not count then.
fn processor_time() -> Option<u64> {
    std::fs::read_to_string("/proc/self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// 100 MB there and back, in pieces of 64 KiB.
fn stream(plan: &Plan, message: &Message) {
    const TOTAL: usize = 100_000_000;
    let limits = Limits {
        document_bytes: 1 << 30,
        nodes: u64::MAX,
        json_values: u64::MAX,
        ..Limits::default()
    };
    let mut reader = xml::Reader::streaming(None, &plan.schemas().symbols, &limits)
        .expect("no charset is known");
    let mut decoder = Decoder::new(plan, message);
    let mut encoder = Encoder::new(plan, message);
    let mut json_reader = json::Reader::streaming(&limits);
    let (mut walk, mut fed, mut number, mut piece) = (Walk::default(), 0, 0, head());
    let (mut json, mut xml, mut written, mut came) = (Vec::new(), Vec::new(), 0usize, 0usize);
    let (begin, used) = (Instant::now(), processor_time());
    loop {
        match reader.pull().expect("well-formed") {
            xml::Event::NeedMore if fed >= TOTAL && piece.is_empty() => {
                reader.finish().expect("whole")
            }
            xml::Event::NeedMore => {
                while piece.len() < 65_536 && fed < TOTAL {
                    number += 1;
                    piece.push_str(&line(number));
                    if fed + piece.len() >= TOTAL {
                        piece.push_str("<total>1.00</total></order>");
                        break;
                    }
                }
                fed += piece.len();
                reader.feed(piece.as_bytes()).expect("UTF-8");
                piece.clear();
            }
            xml::Event::Eof => break,
            event => walk.event(&mut decoder, &reader, event).expect("valid"),
        }
        if decoder.pending() > 65_536 {
            decoder.drain(&mut json);
            came += json.len();
            pump(&mut json_reader, &mut encoder, &mut json, &mut xml, &mut written);
        }
    }
    decoder.end_body(&reader).expect("complete");
    decoder.drain(&mut json);
    came += json.len();
    pump(&mut json_reader, &mut encoder, &mut json, &mut xml, &mut written);
    json_reader.finish().expect("whole");
    while json_reader.pull().expect("JSON") != json::Event::Eof {}
    written += encoder.written().len();
    let spent = match (used, processor_time()) {
        (Some(before), Some(after)) => Duration::from_nanos(after - before),
        _ => begin.elapsed(),
    };
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!(
        "{fed} bytes of XML, {came} of JSON, {written} of XML again, in {:.2} s; {peak}",
        spent.as_secs_f64()
    );
}

fn pump(
    reader: &mut json::Reader<'_>,
    encoder: &mut Encoder<'_>,
    json: &mut Vec<u8>,
    xml: &mut Vec<u8>,
    written: &mut usize,
) {
    reader.feed(json).expect("UTF-8");
    json.clear();
    loop {
        match reader.pull().expect("JSON") {
            json::Event::NeedMore | json::Event::Eof => break,
            event => encoder.event(reader, event).expect("valid"),
        }
        if encoder.pending() > 65_536 {
            encoder.drain(xml);
            *written += xml.len();
            xml.clear();
        }
    }
}
