//! The validator, on small schemas: one story for each thing that it has to know.

use super::{Mode, Start, Validator, validate};
use crate::limits::Limits;
use crate::xml::{Event, Reader};
use crate::xsd::Schemas;

fn schema(body: &str) -> Schemas {
    let text = format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:t' xmlns='urn:t' \
         elementFormDefault='qualified'>{body}</xs:schema>"
    );
    let (schemas, faults) = Schemas::from_bytes("t.xsd", text.as_bytes());
    assert!(faults.is_empty(), "{faults:?}");
    schemas
}

/// The rules that a document breaks. `xmlns='urn:t'` and the prefix `xsi` are put into its root.
fn broken(schemas: &Schemas, document: &str) -> Vec<&'static str> {
    let end = document.find([' ', '>', '/']).unwrap_or(document.len());
    let (start, rest) = document.split_at(end);
    let document = format!(
        "{start} xmlns='urn:t' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'{rest}"
    );
    let limits = Limits::default();
    let mut reader =
        Reader::with(document.as_bytes(), None, &schemas.symbols, &limits).expect("text");
    let faults = validate(schemas, &mut reader, Start::Global, Mode::default());
    faults.iter().map(|fault| fault.rule.unwrap_or("none")).collect()
}

const SHAPES: &str = "
<xs:complexType name='shape' abstract='true'><xs:attribute name='id' type='xs:ID' use='required'/></xs:complexType>
<xs:complexType name='circle'><xs:complexContent><xs:extension base='shape'>
  <xs:sequence><xs:element name='radius' type='xs:decimal'/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
<xs:complexType name='square' block='#all'><xs:complexContent><xs:extension base='shape'>
  <xs:sequence><xs:element name='side' type='xs:decimal' nillable='true'/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
<xs:element name='shape' type='shape'/>
<xs:element name='disc' type='circle' substitutionGroup='shape'/>
<xs:element name='any-shape' type='shape' block='extension'/>
<xs:element name='drawing'><xs:complexType><xs:sequence>
  <xs:element ref='shape' maxOccurs='unbounded'/><xs:element name='like' type='xs:IDREF' minOccurs='0'/>
</xs:sequence></xs:complexType></xs:element>";

#[test]
fn an_abstract_type_needs_another_by_xsi_type() {
    let s = schema(SHAPES);
    assert_eq!(broken(&s, "<shape id='a'/>"), ["cvc-type.2"]);
    assert!(broken(&s, "<shape id='a' xsi:type='circle'><radius>1</radius></shape>").is_empty());
    assert_eq!(broken(&s, "<shape id='a' xsi:type='sphere'/>"), ["cvc-elt.4.2", "cvc-type.2"]);
    assert_eq!(
        broken(&s, "<any-shape id='a' xsi:type='circle'><radius>1</radius></any-shape>")[0],
        "cvc-elt.4.3"
    );
}

#[test]
fn a_member_of_a_substitution_group_stands_for_its_head() {
    let s = schema(SHAPES);
    let good = "<drawing><disc id='a'><radius>1</radius></disc><shape id='b' xsi:type='square'><side xsi:nil='true'/></shape></drawing>";
    assert!(broken(&s, good).is_empty());
    assert_eq!(broken(&s, "<drawing/>"), ["cvc-complex-type.2.4"]);
    assert_eq!(broken(&s, "<drawing><any-shape id='a'/></drawing>")[0], "cvc-complex-type.2.4");
}

#[test]
fn ids_are_unique_and_references_lead_somewhere() {
    let s = schema(SHAPES);
    let shape = |id| format!("<disc id='{id}'><radius>1</radius></disc>");
    let document =
        |a, b, like| format!("<drawing>{}{}<like>{like}</like></drawing>", shape(a), shape(b));
    assert!(broken(&s, &document("a", "b", " b ")).is_empty());
    assert_eq!(broken(&s, &document("a", "a", "a")), ["cvc-id.2"]);
    assert_eq!(broken(&s, &document("a", "b", "c")), ["cvc-id.1"]);
}

#[test]
fn nil_is_empty_and_only_where_allowed() {
    let s = schema(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='n' type='xs:int' nillable='true'/><xs:element name='m' type='xs:int'/></xs:sequence></xs:complexType></xs:element>",
    );
    assert!(broken(&s, "<r><n xsi:nil='1'/><m>1</m></r>").is_empty());
    assert_eq!(broken(&s, "<r><n xsi:nil='true'>1</n><m>1</m></r>"), ["cvc-elt.3.2.1"]);
    assert_eq!(broken(&s, "<r><n>1</n><m xsi:nil='false'>1</m></r>"), ["cvc-elt.3.1"]);
    assert_eq!(broken(&s, "<r><n/><m>1</m></r>"), ["cvc-type.3.1.3"]);
}

#[test]
fn defaults_fill_what_is_empty_and_fixed_values_stay() {
    let s = schema(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='d' type='xs:int' default='7'/><xs:element name='f' type='xs:decimal' fixed='1.0'/></xs:sequence><xs:attribute name='a' type='xs:int' fixed='3'/></xs:complexType></xs:element>",
    );
    assert!(broken(&s, "<r a=' 03 '><d/><f>1.00</f></r>").is_empty());
    assert!(broken(&s, "<r><d>8</d><f/></r>").is_empty());
    assert_eq!(broken(&s, "<r><d>8</d><f>2</f></r>"), ["cvc-elt.5.2.2.2.2"]);
    assert_eq!(broken(&s, "<r a='4'><d/><f/></r>"), ["cvc-attribute.4"]);
}

#[test]
fn a_transcoder_is_told_the_value_its_default_and_the_particle() {
    let s = schema(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='d' type='xs:token' default='seven'/><xs:element name='e' type='xs:token'/></xs:sequence></xs:complexType></xs:element>",
    );
    let text = "<r xmlns='urn:t'><d/><e> a <!-- c --> b </e></r>";
    let limits = Limits::default();
    let mut reader = Reader::with(text.as_bytes(), None, &s.symbols, &limits).expect("text");
    let mut validator = Validator::new(&s, Mode::FIRST);
    let (mut told, mut particles) = (Vec::new(), Vec::new());
    loop {
        match reader.pull().expect("well-formed") {
            Event::Start => {
                particles.push(validator.start(&reader).expect("valid").particle.is_some())
            }
            Event::Text => validator.text(reader.text(), &reader).expect("valid"),
            Event::End => {
                let end = validator.end(&reader).expect("valid");
                told.push((end.value.map(str::to_owned), end.defaulted));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let value = |text: &str| Some(text.to_owned());
    assert_eq!(told, [(value("seven"), true), (value("a b"), false), (None, false)]);
    assert_eq!(particles, [false, true, true]);
}

#[test]
fn wildcards_are_strict_lax_or_look_away() {
    let any = |process: &str| {
        schema(&format!(
            "<xs:element name='i' type='xs:int'/><xs:element name='r'><xs:complexType><xs:sequence><xs:any namespace='##any' processContents='{process}' maxOccurs='9'/></xs:sequence><xs:anyAttribute namespace='##other' processContents='lax'/></xs:complexType></xs:element>"
        ))
    };
    let (unknown, known) = ("<r><u><i>x</i></u></r>", "<r><i>x</i></r>");
    assert_eq!(broken(&any("strict"), unknown), ["cvc-complex-type.2.4", "cvc-type.3.1.3"]);
    assert_eq!(broken(&any("lax"), unknown), ["cvc-type.3.1.3"]);
    assert_eq!(broken(&any("lax"), known), ["cvc-type.3.1.3"]);
    assert!(broken(&any("skip"), known).is_empty());
    assert!(broken(&any("skip"), "<r xml:lang='en'><i/></r>").is_empty());
    assert_eq!(broken(&any("skip"), "<r lang='en'><i/></r>"), ["cvc-complex-type.3.2.2"]);
}

#[test]
fn keys_hold_and_keyrefs_find_them() {
    let s = schema(
        "<xs:element name='r'><xs:complexType><xs:sequence>
           <xs:element name='item' maxOccurs='9'><xs:complexType><xs:sequence>
             <xs:element name='code' type='xs:decimal' minOccurs='0'/></xs:sequence>
             <xs:attribute name='part' type='xs:string' default='x'/></xs:complexType></xs:element>
           <xs:element name='use' type='xs:decimal' minOccurs='0' maxOccurs='9'/>
         </xs:sequence></xs:complexType>
         <xs:key name='k' ><xs:selector xpath='t:item' xmlns:t='urn:t'/><xs:field xpath='t:code' xmlns:t='urn:t'/><xs:field xpath='@part'/></xs:key>
         <xs:unique name='u'><xs:selector xpath='.//t:use' xmlns:t='urn:t'/><xs:field xpath='.'/></xs:unique>
         </xs:element>",
    );
    let item = |code, part| format!("<item part='{part}'><code>{code}</code></item>");
    assert!(broken(&s, &format!("<r>{}{}</r>", item("1", "a"), item("1", "b"))).is_empty());
    // Values are compared, not texts; and a default is a value.
    assert_eq!(
        broken(&s, &format!("<r>{}{}</r>", item("1", "a"), item("1.0", "a"))),
        ["cvc-identity-constraint.4.2.2"]
    );
    assert_eq!(
        broken(&s, &format!("<r>{}<item><code>1</code></item></r>", item("1", "x"))),
        ["cvc-identity-constraint.4.2.2"]
    );
    assert_eq!(broken(&s, "<r><item/></r>"), ["cvc-identity-constraint.4.2.1"]);
    assert_eq!(
        broken(&s, &format!("<r>{}<use>5</use><use>05</use></r>", item("1", "a"))),
        ["cvc-identity-constraint.4.1"]
    );
}

#[test]
fn a_keyref_sees_the_keys_of_what_is_inside_of_its_element() {
    let s = schema(
        "<xs:element name='r'><xs:complexType><xs:sequence>
           <xs:element name='list' maxOccurs='9'><xs:complexType><xs:sequence>
             <xs:element name='item' type='xs:string' maxOccurs='9'/></xs:sequence></xs:complexType>
             <xs:key name='k'><xs:selector xpath='t:item' xmlns:t='urn:t'/><xs:field xpath='.'/></xs:key></xs:element>
           <xs:element name='use' type='xs:string' maxOccurs='9'/></xs:sequence></xs:complexType>
         <xs:keyref name='f' refer='k'><xs:selector xpath='t:use' xmlns:t='urn:t'/><xs:field xpath='.'/></xs:keyref></xs:element>",
    );
    assert!(
        broken(
            &s,
            "<r><list><item>a</item></list><list><item>b</item></list><use>a</use><use>b</use></r>"
        )
        .is_empty()
    );
    assert_eq!(
        broken(&s, "<r><list><item>a</item></list><use>b</use></r>"),
        ["cvc-identity-constraint.4.3"]
    );
    // Which of the two would it be?
    assert_eq!(
        broken(&s, "<r><list><item>a</item></list><list><item>a</item></list><use>a</use></r>"),
        ["cvc-identity-constraint.4.3"]
    );
}

#[test]
fn all_faults_are_told_with_path_and_place_and_not_more_than_wanted() {
    let s = schema(
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='i' type='xs:int' maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:element>",
    );
    let text = format!("<r xmlns='urn:t'>\n<i>1</i>\n<i>x</i>{}</r>", "<i/>".repeat(50));
    let limits = Limits::default();
    let faults = |mode| {
        let mut reader = Reader::with(text.as_bytes(), None, &s.symbols, &limits).expect("text");
        validate(&s, &mut reader, Start::Global, mode)
    };
    assert_eq!(faults(Mode::default()).len(), 51);
    assert_eq!(faults(Mode { faults: 10, ..Mode::default() }).len(), 10);
    let first = faults(Mode::FIRST);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].to_string(), "3:5: cvc-type.3.1.3: \"x\" is not a valid xs:int (in /r/i)");
}

#[test]
fn schema_locations_of_a_message_are_never_followed() {
    let s = schema("<xs:element name='r' type='xs:int'/>");
    assert!(broken(&s, "<r xsi:schemaLocation='urn:t http://127.0.0.1/evil.xsd'>1</r>").is_empty());
    assert_eq!(
        broken(&s, "<x xsi:schemaLocation='urn:t http://127.0.0.1/evil.xsd'/>"),
        ["cvc-elt.1"]
    );
}
