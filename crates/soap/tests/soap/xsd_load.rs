//! Schemas of several documents: whatever order they come in, and whatever they call each other.

use std::collections::BTreeMap;

use pasarela_soap::xsd::model::{Content, DerivationSet, TypeId};
use pasarela_soap::xsd::{Document, Mode, Options, Resolver, Root, Schemas, Start, validate};
use pasarela_soap::{Fault, Limits, xml::Reader};

/// What a chain begins with, and a piece of it.
type Link = (&'static str, fn(usize) -> String);

/// Documents by location.
struct Folder(BTreeMap<&'static str, String>);

impl Resolver for Folder {
    fn resolve(
        &mut self,
        _: Option<&str>,
        location: Option<&str>,
        _: &str,
    ) -> Result<Option<Document>, String> {
        Ok(location.and_then(|location| self.document(location)))
    }
}

impl Folder {
    fn new(documents: &[(&'static str, &str)]) -> Self {
        let whole = |body: &str| {
            let (attributes, body) = body.split_once('|').expect("attributes | body");
            format!(
                "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' {attributes}>{body}</xs:schema>"
            )
        };
        Self(documents.iter().map(|(url, body)| (*url, whole(body))).collect())
    }

    fn document(&self, url: &str) -> Option<Document> {
        let bytes = self.0.get(url)?.clone().into_bytes();
        Some(Document { url: url.to_owned(), bytes })
    }

    fn load(&mut self, roots: &[&str]) -> (Schemas, Vec<Fault>) {
        let roots = roots.iter().filter_map(|url| self.document(url)).map(Root::Document).collect();
        Schemas::load(roots, self, &Options::default())
    }

    fn sound(&mut self, roots: &[&str]) -> Schemas {
        let (schemas, faults) = self.load(roots);
        assert!(faults.is_empty(), "{faults:?}");
        schemas
    }
}

fn rules(faults: &[Fault]) -> Vec<&str> {
    faults.iter().filter(|f| f.is_error()).filter_map(|fault| fault.rule).collect()
}

fn is_valid(schemas: &Schemas, document: &str) -> bool {
    let limits = Limits::default();
    let mut reader =
        Reader::with(document.as_bytes(), None, &schemas.symbols, &limits).expect("text");
    validate(schemas, &mut reader, Start::Global, Mode::default()).is_empty()
}

#[test]
fn the_order_of_imports_has_no_influence() {
    let documents = [
        (
            "a.xsd",
            "targetNamespace='a' xmlns:b='b' | <xs:import namespace='b' schemaLocation='b.xsd'/><xs:element name='e' type='b:t'/><xs:simpleType name='t'><xs:restriction base='xs:int'/></xs:simpleType>",
        ),
        (
            "b.xsd",
            "targetNamespace='b' xmlns:a='a' | <xs:import namespace='a' schemaLocation='a.xsd'/><xs:simpleType name='t'><xs:restriction base='a:t'><xs:maxInclusive value='5'/></xs:restriction></xs:simpleType>",
        ),
    ];
    for roots in [&["a.xsd"][..], &["b.xsd"], &["b.xsd", "a.xsd"]] {
        let schemas = Folder::new(&documents).sound(roots);
        assert!(
            is_valid(&schemas, "<e xmlns='a'>5</e>") && !is_valid(&schemas, "<e xmlns='a'>6</e>")
        );
    }
}

#[test]
fn an_import_without_a_location_means_a_document_that_was_given() {
    let mut folder = Folder::new(&[
        (
            "a.xsd",
            "targetNamespace='a' xmlns:b='b' | <xs:import namespace='b'/><xs:element name='e' type='b:t'/>",
        ),
        (
            "b.xsd",
            "targetNamespace='b' | <xs:simpleType name='t'><xs:restriction base='xs:int'/></xs:simpleType>",
        ),
    ]);
    assert!(is_valid(&folder.sound(&["a.xsd", "b.xsd"]), "<e xmlns='a'>5</e>"));
    assert_eq!(rules(&folder.load(&["a.xsd"]).1), ["src-resolve"]);
}

#[test]
fn a_document_without_a_namespace_takes_that_of_each_that_includes_it() {
    let mut folder = Folder::new(&[
        (
            "a.xsd",
            "targetNamespace='a' xmlns='a' | <xs:import namespace='b' schemaLocation='b.xsd'/><xs:include schemaLocation='c.xsd'/><xs:element name='e' type='t'/>",
        ),
        (
            "b.xsd",
            "targetNamespace='b' xmlns='b' | <xs:include schemaLocation='c.xsd'/><xs:element name='e' type='t'/>",
        ),
        (
            "c.xsd",
            "elementFormDefault='qualified' | <xs:complexType name='t'><xs:sequence><xs:element name='i' type='n'/></xs:sequence></xs:complexType><xs:simpleType name='n'><xs:restriction base='xs:int'/></xs:simpleType>",
        ),
    ]);
    let schemas = folder.sound(&["a.xsd"]);
    assert!(
        is_valid(&schemas, "<e xmlns='a'><i>1</i></e>")
            && is_valid(&schemas, "<e xmlns='b'><i>1</i></e>")
    );
    assert!(!is_valid(&schemas, "<e xmlns='a'><i xmlns='b'>1</i></e>"));
}

#[test]
fn documents_may_include_each_other_in_a_circle() {
    let mut folder = Folder::new(&[
        ("a.xsd", "| <xs:include schemaLocation='b.xsd'/><xs:element name='e' type='t'/>"),
        (
            "b.xsd",
            "| <xs:include schemaLocation='a.xsd'/><xs:simpleType name='t'><xs:restriction base='xs:int'/></xs:simpleType>",
        ),
    ]);
    assert!(is_valid(&folder.sound(&["a.xsd"]), "<e>1</e>"));
}

#[test]
fn a_redefinition_stands_on_what_it_redefines_also_twice() {
    let mut folder = Folder::new(&[
        (
            "a.xsd",
            "| <xs:redefine schemaLocation='b.xsd'><xs:complexType name='t'><xs:complexContent><xs:extension base='t'><xs:sequence><xs:element name='z'/></xs:sequence></xs:extension></xs:complexContent></xs:complexType></xs:redefine>",
        ),
        (
            "b.xsd",
            "| <xs:redefine schemaLocation='c.xsd'><xs:complexType name='t'><xs:complexContent><xs:extension base='t'><xs:sequence><xs:element name='y'/></xs:sequence></xs:extension></xs:complexContent></xs:complexType><xs:group name='g'><xs:sequence><xs:group ref='g'/><xs:element name='h'/></xs:sequence></xs:group></xs:redefine>",
        ),
        (
            "c.xsd",
            "| <xs:complexType name='t'><xs:sequence><xs:element name='x'/></xs:sequence></xs:complexType><xs:element name='e' type='t'/><xs:group name='g'><xs:sequence><xs:element name='g1'/></xs:sequence></xs:group><xs:element name='f'><xs:complexType><xs:group ref='g'/></xs:complexType></xs:element>",
        ),
    ]);
    let schemas = folder.sound(&["a.xsd"]);
    assert!(is_valid(&schemas, "<e><x/><y/><z/></e>") && !is_valid(&schemas, "<e><x/></e>"));
    assert!(is_valid(&schemas, "<f><g1/><h/></f>"));
}

#[test]
fn what_everybody_refers_to_is_built_in() {
    let known = [
        ("http://www.w3.org/XML/1998/namespace", "<xs:attribute ref='p:lang'/>"),
        ("http://schemas.xmlsoap.org/soap/encoding/", "<xs:attribute ref='p:arrayType'/>"),
        ("http://www.w3.org/2003/05/soap-encoding", "<xs:attribute ref='p:itemType'/>"),
        ("http://www.w3.org/2005/05/xmlmime", "<xs:attribute ref='p:contentType'/>"),
        (
            "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
            "<xs:attribute ref='p:Id'/>",
        ),
        ("http://www.w3.org/2005/08/addressing", "<xs:attribute ref='p:Action'/>"),
        ("http://www.w3.org/2004/08/xop/include", ""),
        ("http://www.w3.org/2000/09/xmldsig#", ""),
        ("http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd", ""),
        ("http://schemas.xmlsoap.org/soap/envelope/", ""),
    ];
    for (namespace, used) in known {
        let prefix = if namespace.ends_with("/namespace") { "xml" } else { "p" };
        let used = used.replace("p:", &format!("{prefix}:"));
        let declared = if prefix == "p" { format!("xmlns:p='{namespace}'") } else { String::new() };
        let text = format!(
            "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' {declared}><xs:import namespace='{namespace}'/>\
             <xs:complexType name='t'>{used}</xs:complexType></xs:schema>"
        );
        let (_, faults) = Schemas::from_bytes("t.xsd", text.as_bytes());
        assert!(faults.is_empty(), "{namespace}: {faults:?}");
    }
}

#[test]
fn all_faults_of_all_documents_come_together_with_their_places() {
    let mut folder = Folder::new(&[
        (
            "a.xsd",
            "|\n<xs:include schemaLocation='b.xsd'/>\n<xs:element name='e' type='nowhere'/>\n<xs:element name='e'/>",
        ),
        (
            "b.xsd",
            "|\n<xs:simpleType name='t'><xs:restriction base='xs:int'><xs:length value='3'/></xs:restriction></xs:simpleType>",
        ),
    ]);
    let (_, faults) = folder.load(&["a.xsd"]);
    let places: Vec<_> =
        faults.iter().map(|f| (f.place.document.as_deref(), f.place.line)).collect();
    assert!(places.contains(&(Some("a.xsd"), 3)), "{faults:?}");
    assert!(places.contains(&(Some("a.xsd"), 4)), "{faults:?}");
    assert!(places.contains(&(Some("b.xsd"), 2)), "{faults:?}");
}

#[test]
fn a_circle_of_anything_is_a_fault_and_no_end_of_us() {
    let circles = [
        (
            "<xs:complexType name='a'><xs:complexContent><xs:extension base='b'/></xs:complexContent></xs:complexType><xs:complexType name='b'><xs:complexContent><xs:extension base='a'/></xs:complexContent></xs:complexType>",
            "ct-props-correct.3",
        ),
        (
            "<xs:simpleType name='a'><xs:restriction base='b'/></xs:simpleType><xs:simpleType name='b'><xs:restriction base='a'/></xs:simpleType>",
            "st-props-correct.2",
        ),
        (
            "<xs:group name='a'><xs:sequence><xs:group ref='b'/></xs:sequence></xs:group><xs:group name='b'><xs:sequence><xs:group ref='a'/></xs:sequence></xs:group>",
            "mg-props-correct.2",
        ),
        (
            "<xs:attributeGroup name='a'><xs:attributeGroup ref='b'/></xs:attributeGroup><xs:attributeGroup name='b'><xs:attributeGroup ref='a'/></xs:attributeGroup>",
            "src-attribute_group.3",
        ),
        (
            "<xs:element name='a' substitutionGroup='b'/><xs:element name='b' substitutionGroup='a'/>",
            "e-props-correct.6",
        ),
    ];
    for (circle, rule) in circles {
        let text =
            format!("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>{circle}</xs:schema>");
        let (_, faults) = Schemas::from_bytes("t.xsd", text.as_bytes());
        assert!(rules(&faults).contains(&rule), "{rule}: {faults:?}");
    }
}

#[test]
fn ambiguous_content_is_a_warning_unless_asked_for() {
    let text = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:complexType name='t'><xs:sequence>\
                <xs:element name='a' minOccurs='0'/><xs:element name='a'/></xs:sequence></xs:complexType></xs:schema>";
    let document = || Root::Document(Document { url: "t.xsd".into(), bytes: text.into() });
    let load = |strict| {
        let options = Options { strict, ..Options::default() };
        Schemas::load(vec![document()], &mut pasarela_soap::xsd::NoDocuments, &options).1
    };
    assert_eq!(
        load(false).iter().map(|f| (f.rule, f.is_error())).collect::<Vec<_>>(),
        [(Some("cos-nonambig"), false)]
    );
    assert_eq!(rules(&load(true)), ["cos-nonambig"]);
}

#[test]
fn a_reader_of_the_model_finds_its_way() {
    let mut folder = Folder::new(&[(
        "a.xsd",
        "targetNamespace='a' xmlns='a' | <xs:complexType name='base' abstract='true'><xs:sequence><xs:element name='x' type='xs:int'/></xs:sequence></xs:complexType>\
         <xs:complexType name='more'><xs:complexContent><xs:extension base='base'><xs:choice maxOccurs='3'><xs:element name='y' minOccurs='2' maxOccurs='4'/><xs:any namespace='##other'/></xs:choice></xs:extension></xs:complexContent></xs:complexType>\
         <xs:element name='head' type='base' abstract='true'/><xs:element name='tail' type='more' substitutionGroup='head'/>",
    )]);
    let s = folder.sound(&["a.xsd"]);
    let ty = |name| s.type_(s.sym("a", name)).expect("the type is there");
    let (base, more) = (ty("base"), ty("more"));
    assert_eq!(s[more].base, base);
    assert_eq!(s.concrete_types(base, DerivationSet::NONE), [more]);
    assert!(s.concrete_types(base, DerivationSet::EXTENSION).is_empty());
    assert!(s.derives(more, TypeId::ANY, DerivationSet::NONE));
    let particle = s.particle_of(more).expect("it has elements");
    let slots: Vec<_> = s.slots(particle).iter().map(|slot| (slot.min, slot.max)).collect();
    assert_eq!(slots, [(1, 1), (0, 12), (0, 3)]);
    let head = s.element(s.sym("a", "head")).expect("the element is there");
    let names: Vec<_> = s.substitutes(head).map(|e| s.text_of(s[e].name)).collect();
    assert_eq!(names, ["{a}tail"]);
    assert!(matches!(
        s[base].complex().map(|c| &c.content),
        Some(Content::Elements { mixed: false, .. })
    ));
}

#[test]
fn l27_chains_of_any_length_end_at_a_limit_and_not_at_the_end_of_the_stack() {
    let chain = |first: &str, link: fn(usize) -> String, forwards: bool| {
        let mut parts: Vec<String> = (1..3_000).map(link).collect();
        if !forwards {
            parts.reverse();
        }
        format!(
            "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>{first}{}</xs:schema>",
            parts.concat()
        )
    };
    let extension = |n: usize| {
        format!(
            "<xs:complexType name='t{n}'><xs:complexContent><xs:extension base='t{}'><xs:sequence><xs:element name='e'/></xs:sequence><xs:attribute name='a{n}'/></xs:extension></xs:complexContent></xs:complexType>",
            n - 1
        )
    };
    let union = |n: usize| {
        format!(
            "<xs:simpleType name='t{n}'><xs:union memberTypes='t{} xs:int'/></xs:simpleType>",
            n - 1
        )
    };
    let group = |n: usize| {
        format!(
            "<xs:group name='g{n}'><xs:sequence><xs:group ref='g{}'/></xs:sequence></xs:group><xs:complexType name='c{n}'><xs:group ref='g{n}'/></xs:complexType>",
            n - 1
        )
    };
    let attributes = |n: usize| {
        format!(
            "<xs:attributeGroup name='g{n}'><xs:attributeGroup ref='g{}'/></xs:attributeGroup>",
            n - 1
        )
    };
    let substitute = |n: usize| format!("<xs:element name='e{n}' substitutionGroup='e{}'/>", n - 1);
    let links: [Link; 5] = [
        ("<xs:complexType name='t0'/>", extension),
        ("<xs:simpleType name='t0'><xs:restriction base='xs:int'/></xs:simpleType>", union),
        ("<xs:group name='g0'><xs:sequence><xs:element name='a'/></xs:sequence></xs:group>", group),
        ("<xs:attributeGroup name='g0'/>", attributes),
        ("<xs:element name='e0'/>", substitute),
    ];
    for (first, link) in links {
        for forwards in [true, false] {
            let text = chain(first, link, forwards);
            // Refused or not: it ends.
            let (schemas, faults) = Schemas::from_bytes("t.xsd", text.as_bytes());
            assert!(schemas.counts().1 > 40 && faults.len() <= 201);
        }
    }
}
