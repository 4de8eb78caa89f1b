//! SOAP faces of REST services: the WSDL of each document as a file beside it, and messages there and back.

use std::{fs, path::PathBuf};

use pasarela_contract::{
    bridge::{self, Converted, Outcome, Received, RestContract},
    tree::{self, Member, Node, Object, Syntax, TreeLimits, Value},
};
use pasarela_model::RestFace;
use pasarela_soap::{
    Limits,
    exchange::Form,
    sample::Sampler,
    wsdl,
    xsd::{Document, NoDocuments, Options},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/faces")
}

fn compiled(text: &str) -> RestContract {
    let rest = RestFace::default();
    let read = pasarela_contract::read(text.as_bytes(), "a.yaml", &mut NoDocuments, &rest);
    RestContract::compile(&read.unwrap().served).unwrap()
}

fn shop() -> RestContract {
    compiled(&fs::read_to_string(folder().join("shop.yaml")).unwrap())
}

/// The JSON of an object with its members in order of their keys, so that it can be compared.
fn sorted(text: &[u8]) -> String {
    fn sort(node: Node) -> Node {
        let value = match node.value {
            Value::Array(items) => Value::Array(items.into_iter().map(sort).collect()),
            Value::Object(object) => {
                let mut members = object.into_members();
                members.sort_by(|a, b| a.key.cmp(&b.key));
                let inner = |member: Member| Member { value: sort(member.value), ..member };
                Value::Object(Object::new(members.into_iter().map(inner).collect()))
            }
            value => value,
        };
        Node { at: node.at, value }
    }
    let text = std::str::from_utf8(text).unwrap();
    sort(tree::parse(text, Syntax::Json, TreeLimits::default()).unwrap()).to_json()
}

fn number(contract: &RestContract, name: &str) -> usize {
    contract.soap.bound.iter().position(|bound| bound.name == name).unwrap()
}

/// What the service gets for a message with this JSON, by way of its XML.
fn called(contract: &RestContract, name: &str, message: &[u8]) -> Result<bridge::Call, String> {
    let (described, bound) = contract.operation(number(contract, name)).unwrap();
    let (messages, plan) = (bound.messages.as_ref().unwrap(), &contract.soap.plan);
    let (limits, mut envelope) = (Limits::default(), Vec::new());
    messages
        .request(plan, Form::Json, &[], message, &limits, &mut envelope)
        .map_err(|fault| format!("{fault}"))?;
    let received = messages.received(plan, &bound.request, (&envelope, None), &limits);
    let received = received.map_err(|refusal| {
        format!("{} in {}", refusal.fault, String::from_utf8_lossy(&envelope))
    })?;
    contract.call(described, &received, 7).map_err(|why| format!("{}: {}", why.pointer, why.why))
}

fn answered(
    contract: &RestContract,
    name: &str,
    (status, media, body): (u16, &str, &str),
) -> Result<Outcome, String> {
    let (described, _) = contract.operation(number(contract, name)).unwrap();
    let fields = [(b"Content-Type".to_vec(), media.as_bytes().to_vec())];
    let received = Received { status, fields: &fields, body: body.as_bytes() };
    contract.reply(described, received).map_err(|why| format!("{}: {}", why.pointer, why.why))
}

#[test]
fn each_document_gives_its_wsdl_and_says_what_is_left_out() {
    let mut seen = 0;
    for file in fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        seen += 1;
        let bytes = fs::read(&path).unwrap();
        let made = bridge::convert(&bytes, "a.yaml", &mut NoDocuments, "http://localhost/soap");
        let Converted { document, left_out } = made.unwrap();
        let again = bridge::convert(&bytes, "a.yaml", &mut NoDocuments, "http://localhost/soap");
        assert_eq!(document, again.unwrap().document, "the same bytes");
        let said: String = left_out
            .iter()
            .map(|one| {
                format!("{}:{} {}: {}\n", one.at.line, one.at.column, one.operation, one.why)
            })
            .collect();
        for (extension, made) in [("wsdl", &document), ("left", &said)] {
            let golden = path.with_extension(extension);
            if std::env::var_os("BLESS").is_some() {
                fs::write(&golden, made).unwrap();
            }
            let expected = fs::read_to_string(&golden).unwrap_or_default();
            assert!(*made == expected, "{} is another now; BLESS=1 writes it", golden.display());
        }
        let root = Document { url: "a.wsdl".to_owned(), bytes: document.into_bytes() };
        let (catalog, faults) = wsdl::import(root, &mut NoDocuments, &Options::default());
        assert_eq!(faults, [], "{}", path.display());
        assert_eq!(catalog.ports().count(), 2);
    }
    assert!(seen >= 1);
}

/// JSON to a message, the message to XML, and all of that back: nothing is lost that JSON says.
#[test]
fn values_of_every_kind_come_back_as_they_were() {
    let contract = shop();
    for json in [
        r#"{}"#,
        r#"{"text":"a<b>&\"c\"\n  d","flag":true,"small":-5,"large":9007199254740993,"huge":123456789012345678901234567890}"#,
        r#"{"exact":10.10,"single":1.5,"double":2.5,"day":"2026-11-25","moment":"2026-11-25T10:00:00.5+01:00","bytes":"AAEC"}"#,
        r#"{"maybe":null,"maybes":["a",null,""],"nolist":null,"kind":null}"#,
        r#"{"maybe":3,"maybes":[],"nolist":[],"kind":"a","number":2}"#.replace(r#""maybes":[],"#, "").as_str(),
        r#"{"nolist":[1,2],"grid":[[1,2.50],[],[3]]}"#,
        r#"{"map":{"a b":1,"":2,"<x>":3},"maps":{"x":["1","2"],"y":[]},"open":{"known":"k","other":"o"}}"#,
        r#"{"map":{},"blob":{"a":[1,{"b":null}],"c":1.10},"anything":[1,"x",null]}"#,
        r#"{"@odd key":"v","año":2026}"#,
        r#"{"either":"text"}"#,
        r#"{"either":5}"#,
        r#"{"either":{"city":"Soria","zip":"42001"}}"#,
        r#"{"some":{"city":"Soria","sku":"s","count":2}}"#,
        r#"{"tree":{"name":"a","children":[{"name":"b","children":[{"name":"c"}]},{"name":"d"}]}}"#,
        r#"{"shape":{"type":"round","radius":1.5},"shapes":[{"type":"Square","side":2},{"type":"round","radius":3}]}"#,
        r#"{"pet":{"petType":"Cat","name":"Tom","indoor":true,"friend":{"petType":"Cat","name":"Kit"}}}"#,
        r#"{"pet":{"petType":"Dog","name":"Rex","packSize":3}}"#,
        r#"{"pet":{"petType":"Pet","name":"?"}}"#,
        r#"{"both":"7"}"#,
        r#"{"both":7}"#,
    ] {
        let Outcome::Answer(message) = answered(&contract, "echo", (200, "application/json", json)).unwrap() else {
            panic!("{json} is a fault")
        };
        let call = called(&contract, "echo", &message)
            .unwrap_or_else(|why| panic!("{json}: {why}\n{}", String::from_utf8_lossy(&message)));
        let (media, body) = call.body.unwrap();
        assert_eq!(media, "application/json");
        assert_eq!(sorted(&body), sorted(json.as_bytes()), "{}", String::from_utf8_lossy(&message));
    }
}

/// Messages that the schema allows become JSON, and that JSON the same messages.
#[test]
fn generated_messages_come_back_as_they_were() {
    let contract = shop();
    let schemas = contract.soap.plan.schemas();
    for (operation, least) in [("echo", 20), ("addPet", 150), ("putOrder", 40)] {
        let (described, bound) = contract.operation(number(&contract, operation)).unwrap();
        let (messages, plan) = (bound.messages.as_ref().unwrap(), &contract.soap.plan);
        let element =
            pasarela_soap::ExpandedName::new(contract.description.namespace.as_str(), operation);
        let element = schemas.element_named(&element).unwrap();
        let mut came = 0;
        for seed in 0..400 {
            let Some(xml) = Sampler::new(schemas, seed).document(element) else { continue };
            let envelope = format!(
                "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>{xml}</e:Body></e:Envelope>"
            );
            let limits = Limits::default();
            let received =
                messages.received(plan, &bound.request, (envelope.as_bytes(), None), &limits);
            let message = received.unwrap_or_else(|refusal| panic!("{}: {xml}", refusal.fault));
            let call = match contract.call(described, &message, 7) {
                Ok(call) => call,
                // Values that XML Schema allows and JSON does not: these alone.
                Err(why) => {
                    let known = ["time zone", "is no number of JSON", "is no JSON", "there twice"];
                    assert!(known.iter().any(|k| why.why.contains(k)), "{}: {xml}", why.why);
                    continue;
                }
            };
            let Some((_, body)) = call.body else { continue };
            let body = String::from_utf8(body).unwrap();
            let again = answered(&contract, operation, (200, "application/json", &body));
            let Ok(Outcome::Answer(again)) = again else { panic!("{again:?} of {body}") };
            let part = |message: &[u8]| {
                let text = sorted(message);
                let node = tree::parse(&text, Syntax::Json, TreeLimits::default()).unwrap();
                node.get("body").unwrap().to_json()
            };
            // What a date says of its time zone is not kept.
            if !xml.contains("day>") && !xml.contains("due>") {
                assert_eq!(part(&message), part(&again), "{xml}\n{body}");
            }
            came += 1;
        }
        assert!(came >= least, "{operation}: {came}");
    }
}

fn document(schemas: &str, body: &str) -> String {
    format!(
        "openapi: 3.1.0\ninfo: {{ title: T, version: '1' }}\npaths:\n  /a:\n    post:\n      operationId: a\n      \
         requestBody: {{ content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/{body}' }} }} }} }}\n      \
         responses: {{ '200': {{ description: It., content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/{body}' }} }} }} }} }}\n  \
         /b:\n    get: {{ operationId: b, responses: {{ '204': {{ description: None. }} }} }}\ncomponents:\n  schemas:\n{schemas}"
    )
}

/// Schemas that refer to one another, however many, are read one after the other.
#[test]
fn l39_a_long_line_of_schemas_costs_no_stack() {
    let line = |n: usize| {
        format!(
            "    S{n}: {{ type: object, properties: {{ next: {{ $ref: '#/components/schemas/S{}' }} }} }}\n",
            n + 1
        )
    };
    let mut schemas: String = (0..3_000).map(line).collect();
    schemas.push_str("    S3000: { type: string, maxLength: 3 }\n");
    let made = bridge::convert(
        document(&schemas, "S0").as_bytes(),
        "a.yaml",
        &mut NoDocuments,
        "http://l/",
    );
    let made = made.unwrap();
    assert_eq!(made.left_out, []);
    assert!(made.document.contains("name=\"S2999\""));
}

/// What cannot be said costs every operation that needs it, by whatever way, and no other one.
#[test]
fn an_operation_whose_types_need_what_cannot_be_said_is_left_out() {
    for broken in [
        "$ref: '#/components/schemas/Nowhere'",
        "$dynamicRef: '#x'",
        "allOf: [{ $ref: '#/components/schemas/C' }, { type: object }]",
        "anyOf: [{ $ref: '#/components/schemas/C' }, { $ref: '#/components/schemas/Nowhere' }]",
    ] {
        let schemas = format!(
            "    A: {{ type: object, properties: {{ b: {{ $ref: '#/components/schemas/B' }} }} }}\n    \
             B: {{ type: object, properties: {{ a: {{ $ref: '#/components/schemas/A' }}, c: {{ $ref: '#/components/schemas/C' }} }} }}\n    \
             C: {{ {broken} }}\n"
        );
        for body in ["A", "B"] {
            let text = document(&schemas, body);
            let made = bridge::convert(text.as_bytes(), "a.yaml", &mut NoDocuments, "http://l/");
            let made = made.unwrap();
            let left: Vec<_> = made.left_out.iter().map(|one| one.operation.as_str()).collect();
            assert_eq!(left, ["a"], "{body} {broken}");
            assert!(made.document.contains("name=\"b\""));
        }
    }
}

/// Nothing that a document says can end a header field.
#[test]
fn t50_a_media_type_is_one_line() {
    let text = document("    A: { type: string }\n", "A");
    let text = text.replacen("application/json:", "\"application/json\\r\\nX-Evil: 1\":", 1);
    let made = bridge::convert(text.as_bytes(), "a.yaml", &mut NoDocuments, "http://l/").unwrap();
    assert_eq!(made.left_out.len(), 1);
    assert!(made.left_out[0].why.contains("is no media type"), "{:?}", made.left_out);
}

/// Choices of one another end.
#[test]
fn l28_a_choice_that_is_one_of_itself_fits_nothing_and_ends() {
    let schemas = "    A: { oneOf: [{ $ref: '#/components/schemas/B' }, { type: object, required: [x], properties: { x: { type: string } } }] }\n    \
                   B: { oneOf: [{ $ref: '#/components/schemas/A' }, { type: object, required: [y], properties: { y: { type: string } } }] }\n";
    let contract = compiled(&document(schemas, "A"));
    assert!(answered(&contract, "a", (200, "application/json", "{\"z\":1}")).is_err());
    assert!(answered(&contract, "a", (200, "application/json", "[1]")).is_err());
}

/// Whatever a document says, nothing panics, and what is made of it is a WSDL that nothing is wrong with.
#[test]
fn a_storm_of_documents_gives_wsdls_that_can_be_read_or_reasons() {
    let shop = fs::read_to_string(folder().join("shop.yaml")).unwrap();
    let words = [
        "string",
        "integer",
        "object",
        "array",
        "number",
        "boolean",
        "oneOf",
        "anyOf",
        "allOf",
        "items",
        "properties",
        "enum",
        "const",
        "required",
        "discriminator",
        "additionalProperties",
        "{}",
        "[]",
        "true",
        "null",
        "Pet",
        "Shape",
        "Tree",
        "Order",
        "Everything",
        "Cat",
        "binary",
        "int64",
        "date-time",
        "path",
        "query",
        "header",
        "json",
        "default",
        "'2XX'",
        "minimum",
        "-1e400",
        "9999999999999999999999",
        "<&>",
        "\u{1F600}",
        "xml",
    ];
    let (mut made, mut refused) = (0, 0);
    for seed in 1..300_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut dice = |sides: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % sides
        };
        let mut lines: Vec<String> = shop.lines().map(str::to_owned).collect();
        for _ in 0..1 + dice(2) {
            let at = 6 + dice(lines.len() - 6);
            match dice(4) {
                0 => drop(lines.remove(at)),
                1 => {
                    let line = lines[at].clone();
                    lines.insert(at, line);
                }
                _ => {
                    // A word of the line becomes another one.
                    let spots: Vec<_> = lines[at].match_indices(' ').map(|(i, _)| i + 1).collect();
                    let from = spots.get(dice(spots.len().max(1))).copied().unwrap_or(0);
                    let rest = &lines[at][from..];
                    let to = from + rest.find([' ', ',', ':', ']', '}']).unwrap_or(rest.len());
                    let word = words[dice(words.len())];
                    lines[at].replace_range(from..to, word);
                }
            }
        }
        let text = lines.join("\n");
        let Ok(Converted { document, .. }) =
            bridge::convert(text.as_bytes(), "a.yaml", &mut NoDocuments, "http://localhost/")
        else {
            refused += 1;
            continue;
        };
        let root = Document { url: "a.wsdl".to_owned(), bytes: document.clone().into_bytes() };
        let (_, faults) = wsdl::import(root, &mut NoDocuments, &Options::default());
        assert_eq!(faults, [], "seed {seed}\n{document}");
        let rest = RestFace::default();
        let read = pasarela_contract::read(text.as_bytes(), "a.yaml", &mut NoDocuments, &rest);
        RestContract::compile(&read.unwrap().served).unwrap();
        made += 1;
    }
    assert!(made > 40 && refused > 40, "{made} {refused}");
}
