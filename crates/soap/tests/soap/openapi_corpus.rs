//! Every WSDL of the corpus that loads becomes an OpenAPI document that foreign validators accept.
//!
//! `PASARELA_CORPUS=all` has all of them judged.

use std::{collections::BTreeMap, fs, sync::Arc};

use pasarela_soap::{
    Limits,
    openapi::{self, Face, Mapping},
    transcode::{self, Plan},
    wsdl,
    xsd::{Document, Options},
};

use crate::corpus::{Beside, files, folder};
use crate::validators;

#[test]
fn every_wsdl_that_loads_becomes_a_valid_openapi_document() {
    let Some(folder) = folder("wsdl") else { return };
    let limits = Limits { doctype: pasarela_soap::Doctype::StepOver, ..Limits::import() };
    let options = Options { limits, ..Options::default() };
    let out = folder.parent().unwrap().join("openapi");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out).unwrap();
    let (mut loaded, mut operations, mut components, mut bytes) = (0_usize, 0, 0, 0);
    let mut written = BTreeMap::new();
    for path in files(&folder, &["wsdl"]) {
        let url = path.canonicalize().unwrap().to_string_lossy().into_owned();
        let root = Document { url, bytes: fs::read(&path).unwrap() };
        let (catalog, faults) = wsdl::import(root, &mut Beside, &options);
        if faults.iter().any(pasarela_soap::Fault::is_error) {
            continue;
        }
        let plan = Plan::new(Arc::clone(&catalog.schemas), transcode::Options::default());
        let (face, faults) = Face::new(&catalog, &plan, &Mapping::default());
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        let document = openapi::document(&catalog, &plan, &face, &openapi::Options::default());
        let text = document.pretty();
        loaded += 1;
        operations += face.routes.len();
        components += text.windows(11).filter(|w| w == b"\"x-xsd-type").count();
        bytes += text.len();
        let file = out.join(format!("{loaded:04}.json"));
        fs::write(&file, text).unwrap();
        written.insert(file, path.strip_prefix(&folder).unwrap().display().to_string());
    }
    println!(
        "{loaded} documents, {operations} operations, {components} named types, {bytes} bytes"
    );
    assert!(loaded > 650, "{loaded}");
    // The judges take minutes for all of them: each eighth, unless all are asked for.
    let step = if std::env::var_os("PASARELA_CORPUS").is_some_and(|v| v == "all") { 1 } else { 8 };
    let Some(faults) = validators::documents(written.keys().step_by(step)) else { return };
    println!("{} of them judged, {} not valid", loaded.div_ceil(step), faults.len());
    for (file, fault) in &faults {
        println!("{}: {fault}", written.get(file).map_or("?", String::as_str));
    }
    assert!(faults.is_empty(), "{} of {loaded} documents are not valid", faults.len());
}
