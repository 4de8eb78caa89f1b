//! How fast documents are validated. A measurement, so not run unless asked for:
//! `cargo test -p pasarela-soap --profile dist --test soap speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use pasarela_soap::Limits;
use pasarela_soap::xml::{Event, Reader};
use pasarela_soap::xsd::{Mode, Schemas, Start, Validator};

const SCHEMA: &str = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns='urn:orders' targetNamespace='urn:orders' elementFormDefault='qualified'>
<xs:simpleType name='sku'><xs:restriction base='xs:string'><xs:pattern value='[A-Z]{2}-[0-9]{4}'/></xs:restriction></xs:simpleType>
<xs:simpleType name='money'><xs:restriction base='xs:decimal'><xs:totalDigits value='12'/><xs:fractionDigits value='2'/></xs:restriction></xs:simpleType>
<xs:simpleType name='state'><xs:restriction base='xs:token'><xs:enumeration value='open'/><xs:enumeration value='paid'/><xs:enumeration value='sent'/></xs:restriction></xs:simpleType>
<xs:complexType name='party'><xs:sequence><xs:element name='name' type='xs:string'/><xs:element name='street' type='xs:string'/><xs:element name='city' type='xs:string'/><xs:element name='country' type='xs:token' minOccurs='0'/></xs:sequence></xs:complexType>
<xs:complexType name='line'><xs:sequence><xs:element name='sku' type='sku'/><xs:element name='description' type='xs:string'/><xs:element name='quantity' type='xs:int'/><xs:element name='price' type='money'/><xs:element name='shipped' type='xs:date' minOccurs='0'/><xs:element name='gift' type='xs:boolean'/></xs:sequence><xs:attribute name='number' type='xs:positiveInteger' use='required'/></xs:complexType>
<xs:element name='order'><xs:complexType><xs:sequence><xs:element name='id' type='xs:long'/><xs:element name='placed' type='xs:dateTime'/><xs:element name='state' type='state'/><xs:element name='buyer' type='party'/><xs:element name='line' type='line' maxOccurs='unbounded'/><xs:element name='total' type='money'/></xs:sequence></xs:complexType></xs:element>
</xs:schema>";

fn order(lines: usize) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<o:order xmlns:o=\"urn:orders\">\n  <o:id>9007199254740993</o:id>\n  <o:placed>2026-11-23T10:15:00Z</o:placed>\n  <o:state>paid</o:state>\n  <o:buyer>\n    <o:name>Ana Muñoz</o:name>\n    <o:street>Calle Mayor 1</o:street>\n    <o:city>Madrid</o:city>\n  </o:buyer>\n",
    );
    for n in 1..=lines {
        text.push_str(&format!("  <o:line number=\"{n}\">\n    <o:sku>AB-{n:04}</o:sku>\n    <o:description>A thing that somebody ordered</o:description>\n    <o:quantity>{n}</o:quantity>\n    <o:price>{n}.10</o:price>\n    <o:shipped>2026-11-24</o:shipped>\n    <o:gift>false</o:gift>\n  </o:line>\n"));
    }
    text.push_str("  <o:total>1234.50</o:total>\n</o:order>\n");
    text
}

#[allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]
fn mb_per_second(bytes: usize, mut run: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let begin = Instant::now();
        for _ in 0..50 {
            run();
        }
        best = best.min(begin.elapsed() / 50);
    }
    bytes as f64 / best.as_secs_f64() / 1e6
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]
fn speed_of_validation() {
    let (schemas, faults) = Schemas::from_bytes("order.xsd", SCHEMA.as_bytes());
    assert!(faults.is_empty(), "{faults:?}");
    let text = order(35);
    let limits = Limits::default();
    let mut validator = Validator::new(&schemas, Mode::FIRST);
    let read = mb_per_second(text.len(), || {
        let mut reader =
            Reader::with(text.as_bytes(), None, &schemas.symbols, &limits).expect("text");
        while reader.pull().expect("well-formed") != Event::Eof {}
    });
    let both = mb_per_second(text.len(), || {
        let mut reader =
            Reader::with(text.as_bytes(), None, &schemas.symbols, &limits).expect("text");
        validator.reset(Start::Global);
        loop {
            match reader.pull().expect("well-formed") {
                Event::Start => drop(validator.start(&reader).expect("valid")),
                Event::Text => validator.text(reader.text(), &reader).expect("valid"),
                Event::End => drop(validator.end(&reader).expect("valid")),
                Event::Eof => break,
                _ => {}
            }
        }
    });
    let alone = 1.0 / (1.0 / both - 1.0 / read);
    eprintln!(
        "{} bytes: reading {read:.0} MB/s, with validation {both:.0} MB/s, validation alone {alone:.0} MB/s",
        text.len()
    );
}
