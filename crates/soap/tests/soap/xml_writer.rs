//! What is written is read again as it was meant; canonical form is the standard's.

use pasarela_soap::{
    Limits,
    xml::{Canonical, Event, IllegalChar, Reader, Writer},
};
use proptest::prelude::*;

fn canonical(document: &str, how: &Canonical) -> String {
    let mut out = Vec::new();
    let mut reader = Reader::new(document.as_bytes(), &Limits::default()).unwrap();
    how.write(&mut reader, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn prefixes_are_declared_where_they_are_needed_and_found_where_they_are() {
    let mut w = Writer::default();
    w.declaration();
    w.start_in("urn:soap", "Envelope", "s");
    w.start_in("urn:soap", "Body", "other");
    w.start_in("urn:shop", "order", "");
    w.attribute_in("urn:soap", "must", "s", "1").unwrap();
    w.attribute_in("urn:xsi", "type", "xsi", "x").unwrap();
    w.attribute_in("", "id", "", "a<\"&>\n\t\r").unwrap();
    w.start_in("urn:shop", "line", "");
    w.text("1 < 2 && ]]> \r\n\u{1F600}").unwrap();
    w.end();
    w.start_in("", "none", "");
    let value = w.qname("urn:types", "T", "t");
    w.text(&value).unwrap();
    w.start_in("urn:shop", "deep", "");
    w.start_in("http://www.w3.org/XML/1998/namespace", "x", "");
    let written = String::from_utf8(w.finish()).unwrap();
    assert_eq!(
        written,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"urn:soap\"><s:Body>\
         <order xmlns=\"urn:shop\" s:must=\"1\" xmlns:xsi=\"urn:xsi\" xsi:type=\"x\" id=\"a&lt;&quot;&amp;>&#xA;&#x9;&#xD;\">\
         <line>1 &lt; 2 &amp;&amp; ]]&gt; &#xD;\n\u{1F600}</line>\
         <none xmlns=\"\" xmlns:t=\"urn:types\">t:T<deep xmlns=\"urn:shop\"><xml:x/></deep></none></order></s:Body></s:Envelope>"
    );
    let mut reader = Reader::new(written.as_bytes(), &Limits::default()).unwrap();
    while reader.pull().unwrap() != Event::Eof {}
}

#[test]
fn t50_what_xml_cannot_hold_is_refused_by_name() {
    for c in ['\0', '\u{1}', '\u{8}', '\u{B}', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
        let mut w = Writer::default();
        w.start("a");
        assert_eq!(w.attribute("b", &format!("x{c}")), Err(IllegalChar(c)));
        assert_eq!(w.text(&format!("x{c}")), Err(IllegalChar(c)));
    }
    let mut w = Writer::default();
    w.start("a");
    w.text("\u{FFFD}\u{F000}\u{7F}\t").unwrap();
    assert_eq!(IllegalChar('\0').to_string(), "the character U+0000 may not stand in XML");
}

/// The example of Exclusive XML Canonicalization 1.0, section 2.2: what a part is does not depend on what is around it.
#[test]
fn exclusive_form_of_a_part_is_free_of_its_surroundings() {
    let part = |document: &str, how: &Canonical| {
        let mut reader = Reader::new(document.as_bytes(), &Limits::default()).unwrap();
        while !(reader.pull().unwrap() == Event::Start && reader.name().local == "elem2") {}
        let mut out = Vec::new();
        how.write(&mut reader, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let first = "<n0:local xmlns:n0='foo:bar' xmlns:n3='ftp://example.org'><n1:elem2 xmlns:n1='http://example.net' xml:lang='en'>\
                 <n3:stuff xmlns:n3='ftp://example.org'/></n1:elem2></n0:local>";
    let second = "<n2:pdu xmlns:n1='http://example.com' xmlns:n2='http://foo.example' xml:space='retain'>\
                  <n1:elem2 xmlns:n1='http://example.net' xml:lang='en'><n3:stuff xmlns:n3='ftp://example.org'/></n1:elem2></n2:pdu>";
    let expected = "<n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\">\
                    <n3:stuff xmlns:n3=\"ftp://example.org\"></n3:stuff></n1:elem2>";
    assert_eq!(part(first, &Canonical::exclusive()), expected);
    assert_eq!(part(second, &Canonical::exclusive()), expected);
    let listed = Canonical { inclusive_prefixes: vec!["n0".into()], ..Canonical::exclusive() };
    assert_eq!(
        part(first, &listed),
        expected.replace(" xmlns:n1", " xmlns:n0=\"foo:bar\" xmlns:n1")
    );
    let inclusive = part(first, &Canonical::default());
    assert!(inclusive.starts_with("<n1:elem2 xmlns:n0=\"foo:bar\" xmlns:n1=\"http://example.net\" xmlns:n3=\"ftp://example.org\" xml:lang"), "{inclusive}");
}

/// After Canonical XML 1.0, sections 3.1 to 3.4.
#[test]
fn canonical_form_is_the_standards() {
    let all = Canonical { comments: true, ..Canonical::default() };
    assert_eq!(
        canonical(
            "<?xml version=\"1.0\"?>\n\n<?xml-stylesheet   href=\"doc.xsl\"   ?>\n<!--c-->\n<doc>Hello<!-- 1 --></doc>\n\n<?without     ?>\n\n<!-- 2 -->\n",
            &all
        ),
        "<?xml-stylesheet href=\"doc.xsl\"   ?>\n<!--c-->\n<doc>Hello<!-- 1 --></doc>\n<?without?>\n<!-- 2 -->"
    );
    assert_eq!(
        canonical(
            "<doc><e1   /><e3   name = \"elem3\"   id=\"elem3\"   /><e5 a:attr=\"out\" b:attr=\"sorted\" attr2=\"all\" attr=\"I'm\" \
                   xmlns:b=\"http://www.ietf.org\" xmlns:a=\"http://www.w3.org\" xmlns=\"http://example.org\"/>\
                   <e6 xmlns=\"\" xmlns:a=\"http://www.w3.org\"><e7 xmlns=\"http://www.ietf.org\"><e8 xmlns=\"\"/></e7></e6></doc>",
            &all
        ),
        "<doc><e1></e1><e3 id=\"elem3\" name=\"elem3\"></e3><e5 xmlns=\"http://example.org\" xmlns:a=\"http://www.w3.org\" xmlns:b=\"http://www.ietf.org\" \
         attr=\"I'm\" attr2=\"all\" b:attr=\"sorted\" a:attr=\"out\"></e5>\
         <e6 xmlns:a=\"http://www.w3.org\"><e7 xmlns=\"http://www.ietf.org\"><e8 xmlns=\"\"></e8></e7></e6></doc>"
    );
    assert_eq!(
        canonical(
            "<doc><text>First&#x0d;&#10;Second</text><value>&#x32;</value><compute><![CDATA[value>\"0\" && value<\"10\"]]></compute>\
                   <norm attr=' &apos;   &#x20;&#13;&#xa;&#9;   &apos; '/></doc>",
            &all
        ),
        "<doc><text>First&#xD;\nSecond</text><value>2</value><compute>value&gt;\"0\" &amp;&amp; value&lt;\"10\"</compute>\
         <norm attr=\" '    &#xD;&#xA;&#x9;   ' \"></norm></doc>"
    );
}

proptest! {
    /// Whatever text is written, it is read again, and its canonical form is a fixed point.
    #[test]
    fn t50_text_survives_and_never_becomes_markup(text in "\\PC*", value in ".*") {
        let mut w = Writer::default();
        w.start_in("urn:a", "a", "p");
        let fine = w.attribute_in("", "v", "", &value).is_ok() && w.text(&text).is_ok();
        let written = String::from_utf8(w.finish()).unwrap();
        let illegal = |c: char| !pasarela_soap::xml::is_char(c);
        prop_assert_eq!(fine, !value.contains(illegal) && !text.contains(illegal));
        if fine {
            let mut reader = Reader::new(written.as_bytes(), &Limits::default()).unwrap();
            prop_assert_eq!(reader.pull().unwrap(), Event::Start);
            prop_assert_eq!(reader.attribute(0).unwrap().value, &value);
            let mut read = String::new();
            while reader.pull().unwrap() == Event::Text {
                read.push_str(reader.text());
            }
            prop_assert_eq!(read, text);
            prop_assert_eq!(reader.pull().unwrap(), Event::Eof);
            let once = canonical(&written, &Canonical::exclusive());
            prop_assert_eq!(canonical(&once, &Canonical::exclusive()), once);
        }
    }
}
