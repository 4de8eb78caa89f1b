//! Exclusive canonical form against libxml2 and libxmlsec, over documents made at random.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use pasarela_soap::{
    Limits,
    xml::{Canonical, Event, Reader},
};

use crate::validators;

/// Documents; each is asked for two of its elements.
const DOCUMENTS: u64 = 600;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % most
    }

    fn pick<'p>(&mut self, from: &[&'p str]) -> &'p str {
        from[self.below(from.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

const PREFIXES: [&str; 4] = ["a", "b", "c", "ab"];
/// None holds `&`: libxml2 writes namespaces as they are, and canonical form escapes them as it does attributes (Canonical XML 1.0,
/// section 2.3).
const NAMESPACES: [&str; 4] = ["urn:1", "urn:2", "urn:3?x=1;y='", "http://example.org/%C3%A9"];
const TEXTS: [&str; 9] = [
    "text",
    " \n\t ",
    "&lt;&amp;&gt;]]&gt;",
    "é\u{1F600}",
    "&#xD;&#10;&#9;",
    "<![CDATA[<&]]>",
    "<!-- c -->",
    "\r\n",
    "\"'",
];
const VALUES: [&str; 6] = ["v", "&lt;&quot;'>&amp;", "&#9;&#10;&#13;", " a  b ", "é", ""];

/// Writes an element with what is in it. `scope` is what the prefixes stand for here; `elements` counts.
fn element(
    dice: &mut Dice,
    depth: usize,
    scope: &[(&str, usize)],
    elements: &mut usize,
    out: &mut String,
) {
    let mut scope = scope.to_vec();
    let mut declared = String::new();
    for (at, prefix) in PREFIXES.iter().enumerate() {
        if *elements == 0 || dice.one_in(5) {
            let namespace = if *elements == 0 { at } else { dice.below(NAMESPACES.len()) };
            let uri = NAMESPACES[namespace];
            let _ = write!(declared, " xmlns:{prefix}=\"{uri}\"");
            scope.push((prefix, namespace));
        }
    }
    *elements += 1;
    if dice.one_in(5) {
        let uri = ["", "urn:1", "urn:d"][dice.below(3)];
        let _ = write!(declared, " xmlns=\"{uri}\"");
    }
    let prefix = if dice.one_in(3) { "" } else { dice.pick(&PREFIXES) };
    let name = if prefix.is_empty() { "e".to_owned() } else { format!("{prefix}:e") };
    let mut attributes: Vec<String> = Vec::new();
    let mut seen: Vec<(usize, &str)> = Vec::new();
    for local in ["z", "y", "x"] {
        if dice.one_in(3) {
            attributes.push(format!("{local}=\"{}\"", dice.pick(&VALUES)));
        }
        let prefix = dice.pick(&PREFIXES);
        let namespace = scope.iter().rev().find(|(known, _)| *known == prefix).unwrap().1;
        // Two prefixes may stand for one namespace.
        if dice.one_in(4) && !seen.contains(&(namespace, local)) {
            seen.push((namespace, local));
            attributes.push(format!("{prefix}:{local}=\"{}\"", dice.pick(&VALUES)));
        }
    }
    if dice.one_in(6) {
        attributes.push("xml:lang=\"es\"".into());
    }
    if dice.one_in(9) {
        attributes.push("xml:space='preserve'".into());
    }
    let number = *elements - 1;
    let joined: String = attributes.iter().map(|attribute| format!(" {attribute}")).collect();
    // What a signature refers to has its id; it is there for all, so that the numbers stay.
    let _ = write!(out, "<{name}{declared} Id=\"n{number}\"{joined}>");
    for _ in 0..dice.below(4) {
        match dice.one_in(2) && depth < 5 {
            true => element(dice, depth + 1, &scope, elements, out),
            false => out.push_str(dice.pick(&TEXTS)),
        }
    }
    let _ = write!(out, "</{name}>");
}

fn ours(document: &str, id: &str, prefixes: &[&str]) -> Vec<u8> {
    let mut reader = Reader::new(document.as_bytes(), &Limits::default()).unwrap();
    while !(reader.pull().unwrap() == Event::Start && reader.attribute_named("", "Id") == Some(id))
    {
    }
    let listed = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    let mut out = Vec::new();
    let form = Canonical { inclusive_prefixes: listed, ..Canonical::exclusive() };
    form.write(&mut reader, &mut out).unwrap();
    out
}

#[test]
fn a_part_has_the_form_that_libxmlsec_signs() {
    let mut dice = Dice(7);
    let mut asked = Vec::new();
    let mut input = String::new();
    for _ in 0..DOCUMENTS {
        let (mut document, mut elements) = (String::new(), 0);
        element(&mut dice, 0, &[], &mut elements, &mut document);
        for _ in 0..2 {
            if elements < 2 {
                continue;
            }
            let number = 1 + dice.below(elements - 1);
            let prefixes: Vec<_> =
                ["#default", "a", "b", "nobody"].into_iter().filter(|_| dice.one_in(3)).collect();
            let chosen = document.replace(&format!("Id=\"n{number}\""), "Id=\"the-part\"");
            let encoded = base64_simd::STANDARD.encode_to_string(&chosen);
            let _ = writeln!(input, "{encoded} {number} {}", prefixes.join(" "));
            asked.push((chosen, prefixes));
        }
    }
    let Some(answers) = validators::canonical(&input) else { return };
    assert_eq!(answers.len(), asked.len());
    for ((document, prefixes), answer) in asked.iter().zip(answers) {
        let form = ours(document, "the-part", prefixes);
        let (theirs, shown) = answer.split_once(' ').unwrap();
        let digest = base64_simd::STANDARD.encode_to_string(digest(&SHA256, &form));
        let shown = base64_simd::STANDARD.decode_to_vec(shown).unwrap();
        assert_eq!(
            digest,
            theirs,
            "{document}\nprefixes {prefixes:?}\nours   {}\nlxml's {}",
            String::from_utf8_lossy(&form),
            String::from_utf8_lossy(&shown)
        );
    }
    println!("{} parts have the form that libxmlsec signs", asked.len());
}
