//! Contracts: whatever a document holds, it is read or every fault of it has a place; and what is
//! served of it can be read again.

use pasarela_contract::{
    Contract, ContractFault, openapi as api, soap::SoapContract, wsdl as soap,
};
use pasarela_model::RestFace;
use pasarela_soap::xsd::NoDocuments;

const URL: &str = "https://gateway.example/a&b/v1";

fn read(document: &[u8], name: &str) -> Result<Contract, Vec<ContractFault>> {
    pasarela_contract::read(document, name, &mut NoDocuments, &RestFace::default())
}

/// The first byte decides between YAML and JSON.
pub(super) fn openapi(bytes: &[u8]) {
    let Some((choice, document)) = bytes.split_first() else { return };
    let name = if choice & 1 == 0 { "contract.yaml" } else { "contract.json" };
    match read(document, name) {
        Err(faults) => placed(&faults, document),
        Ok(contract) if contract.soap => {}
        Ok(contract) => {
            assert!(!contract.operations.is_empty());
            let served = &contract.served.document;
            let again = read(served.as_bytes(), "served.json").expect("what is served can be read");
            assert_eq!(again.operations, contract.operations);
            let ours = api::with_server(served, URL);
            let again = read(ours.as_bytes(), "served.json").expect("what is served can be read");
            assert_eq!(again.operations, contract.operations);
        }
    }
}

/// A WSDL document.
pub(super) fn wsdl(document: &[u8]) {
    match read(document, "contract.wsdl") {
        Err(faults) => placed(&faults, document),
        Ok(contract) => {
            assert!(!contract.operations.is_empty());
            let compiled = SoapContract::compile(&contract.served).expect("what was read compiles");
            assert_eq!(compiled.operations(), contract.operations);
            let ours = soap::served(&contract.served, "", URL).expect("the document itself");
            let again = read(ours.as_bytes(), "served.wsdl").expect("what is served can be read");
            assert_eq!(again.operations, contract.operations);
        }
    }
}

fn placed(faults: &[ContractFault], document: &[u8]) {
    assert!(!faults.is_empty(), "refused without a reason");
    // A line ends where any reader would end one.
    let lines = 1 + document.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    for fault in faults {
        assert!(fault.line as usize <= lines + 1, "{fault:?} in {lines} lines");
        assert!(!fault.message.is_empty() && !fault.cure.is_empty(), "{fault:?}");
    }
}
