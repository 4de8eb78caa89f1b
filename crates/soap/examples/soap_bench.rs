//! Our contestant of `cargo xtask bench soap`: CPU microseconds a message, as one line of JSON.
//!
//! Called as `soap_bench FOLDER SIZE MILLISECONDS`; what the folder holds stands in `peers/soap/bench/README.md`.
//! Transcoding validates on the way, as it always does.

#![allow(clippy::print_stdout, reason = "the result of a measurement is a line on stdout")]

use std::{fs, hint::black_box, path::PathBuf, sync::Arc};

use pasarela_soap::{
    Limits, json,
    transcode::{Body, Decoder, Encoder, Options, Plan},
    wsdl, xml,
    xsd::{self, Document, Mode, Resolver, Start},
};

struct Nothing;

impl Resolver for Nothing {
    fn resolve(
        &mut self,
        _: Option<&str>,
        _: Option<&str>,
        _: &str,
    ) -> Result<Option<Document>, String> {
        Ok(None)
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, size, milliseconds] = words.as_slice() else { panic!("FOLDER SIZE MILLISECONDS") };
    let folder = PathBuf::from(folder);
    let read = |name: String| fs::read(folder.join(name)).expect("a file of the folder");
    let budget: f64 = milliseconds.parse().expect("a number of milliseconds");

    let document =
        Document { url: "orders.wsdl".to_owned(), bytes: read("orders.wsdl".to_owned()) };
    let (catalog, faults) = wsdl::import(document, &mut Nothing, &xsd::Options::default());
    assert!(faults.iter().all(|fault| !fault.is_error()), "{faults:?}");
    let operation = |name: &str| {
        let all = catalog.bindings.iter().flat_map(|binding| &binding.operations);
        all.into_iter().find(|operation| operation.name == name).expect("the contract has it")
    };
    let plan = Plan::new(Arc::clone(&catalog.schemas), Options::default());
    let response = plan.message(Body::of_response(operation("GetOrder")).expect("it answers"));
    let request = plan.message(Body::of_request(operation("PlaceOrder")).expect("it asks"));
    let (envelope, body, message) = (
        read(format!("{size}.response.xml")),
        read(format!("{size}.body.xml")),
        read(format!("{size}.request.json")),
    );
    let limits = Limits::default();
    let symbols = &plan.schemas().symbols;

    let mut decoder = Decoder::new(&plan, &response);
    let mut xml_to_json = || {
        let mut reader = xml::Reader::with(&envelope, None, symbols, &limits).expect("XML");
        decoder.document(&mut reader).expect("valid").to_vec()
    };
    let mut encoder = Encoder::new(&plan, &request);
    let mut json_to_xml = || {
        let mut reader = json::Reader::new(&message, &limits).expect("JSON");
        encoder.document(&mut reader).expect("valid").len()
    };
    let validate = || {
        let mut reader = xml::Reader::with(&body, None, symbols, &limits).expect("XML");
        let faults = xsd::validate(plan.schemas(), &mut reader, Start::Global, Mode::default());
        assert!(faults.is_empty(), "{faults:?}");
    };
    // The bench's messages say the same in both forms, or the comparison says nothing.
    assert_eq!(
        String::from_utf8_lossy(&xml_to_json()),
        String::from_utf8_lossy(&message),
        "another JSON"
    );
    println!(
        "{{\"xml_to_json\": {:.3}, \"json_to_xml\": {:.3}, \"validate\": {:.3}}}",
        measure(budget, || drop(black_box(xml_to_json()))),
        measure(budget, || _ = black_box(json_to_xml())),
        measure(budget, validate),
    );
}

/// CPU microseconds of one call; a quarter of the time warms up.
fn measure(milliseconds: f64, mut work: impl FnMut()) -> f64 {
    let mut run = |budget: f64| {
        let (begin, mut times) = (cpu_micros(), 0.0);
        loop {
            for _ in 0..10 {
                work();
            }
            times += 10.0;
            let spent = cpu_micros() - begin;
            if spent >= budget * 1000.0 {
                return spent / times;
            }
        }
    };
    run(milliseconds / 4.0);
    run(milliseconds)
}

/// What this process has used, from Linux's own account in nanoseconds.
fn cpu_micros() -> f64 {
    let text = fs::read_to_string("/proc/self/schedstat").expect("Linux keeps account");
    let nanoseconds: f64 =
        text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    nanoseconds / 1000.0
}
