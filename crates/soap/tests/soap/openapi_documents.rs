//! The documents of services of our own, kept as they are, and judged by foreign validators.

use std::path::Path;
use std::sync::Arc;

use pasarela_soap::openapi::{self, Face, Mapping};
use pasarela_soap::transcode::Plan;
use pasarela_soap::{wsdl, xsd};

use crate::{corpus, validators};

pub(crate) fn catalog(name: &str) -> (wsdl::Catalog, Plan) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let bytes = std::fs::read(&path).unwrap();
    let root = xsd::Document { url: path.to_string_lossy().into_owned(), bytes };
    let (catalog, faults) = wsdl::import(root, &mut corpus::Beside, &xsd::Options::default());
    let errors: Vec<_> = faults.iter().filter(|fault| fault.is_error()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let plan = Plan::new(Arc::clone(&catalog.schemas), Default::default());
    (catalog, plan)
}

fn document(name: &str) -> openapi::Json {
    let (catalog, plan) = catalog(name);
    let (face, faults) = Face::new(&catalog, &plan, &Mapping::default());
    assert!(faults.is_empty(), "{faults:?}");
    openapi::document(&catalog, &plan, &face, &openapi::Options::default())
}

const SERVICES: [&str; 3] = ["orders.wsdl", "tracking.wsdl", "constructs.wsdl"];

#[test]
fn the_documents_of_our_services_stay_as_they_are() {
    for name in SERVICES {
        let text = String::from_utf8(document(name).pretty()).unwrap();
        insta::assert_snapshot!(name.trim_end_matches(".wsdl"), text);
    }
}

#[test]
fn the_same_wsdl_gives_the_same_bytes() {
    for name in SERVICES {
        assert_eq!(document(name).pretty(), document(name).pretty());
    }
}

#[test]
fn foreign_validators_take_the_documents_of_our_services() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi");
    std::fs::create_dir_all(&folder).unwrap();
    let files = SERVICES.map(|name| {
        let file = folder.join(name).with_extension("json");
        std::fs::write(&file, document(name).pretty()).unwrap();
        file
    });
    let Some(faults) = validators::documents(&files) else { return };
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_test_that_the_guide_names_is_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let guide = std::fs::read_to_string(tests.join("../../../docs/guide/soap.md")).unwrap();
    let rows = guide.lines().skip_while(|line| !line.starts_with("| Construct")).skip(2);
    // What the gateway does with a message is tested where the gateway is.
    let elsewhere = tests.join("../../pasarela/tests/e2e");
    let sources: String = [tests.join("soap"), elsewhere]
        .iter()
        .flat_map(|folder| corpus::files(folder, &["rs"]))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let fixtures: String = SERVICES
        .iter()
        .map(|name| std::fs::read_to_string(tests.join("fixtures").join(name)).unwrap())
        .collect();
    let mut names = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cell = row.split('|').nth(2).unwrap();
        assert!(cell.contains('`'), "no test: {row}");
        for name in cell.split('`').skip(1).step_by(2) {
            let there = tests.join(format!("cases/transcode/{name}.case")).is_file()
                || sources.contains(&format!("fn {name}("))
                || SERVICES.contains(&name)
                || fixtures.contains(&format!("name=\"{name}\""));
            assert!(there, "{name}: {row}");
            names += 1;
        }
    }
    assert!(names > 50, "{names}");
}
