//! What a contract says about the API that it becomes: its name, its version, where its requests go, a call to try.

use pasarela_contract::{Contract, soap::SoapContract};
use pasarela_soap::{Limits, exchange::Form};
use serde_json::Value;

use super::{Code, Refusal, example, refusal};
use crate::{
    config::{name_fault, name_from},
    import::{Rules, Source, Url},
};

/// What a contract offers.
pub(super) struct Offer {
    /// As the document calls it.
    pub(super) title: String,
    pub(super) operations: usize,
    /// Operations that cannot be offered over REST.
    pub(super) left_out: usize,
    pub(super) soap: bool,
    /// How much `lint` has to say of it.
    pub(super) remarks: usize,
    /// Where the document says that requests go, as it is written there.
    address: Option<String>,
    /// Other places that it names.
    pub(super) others: Vec<String>,
    /// The major version that the document gives.
    pub(super) version: Option<u32>,
    pub(super) call: Option<example::Call>,
}

impl Offer {
    pub(super) fn new(contract: &Contract) -> Self {
        let mut offer = Self {
            title: printable(&contract.title),
            operations: contract.operations.len(),
            left_out: contract.left_out.len(),
            soap: contract.soap,
            remarks: 0,
            address: None,
            others: Vec::new(),
            version: None,
            call: None,
        };
        let mut addresses = match contract.soap {
            true => offer.look_at_wsdl(contract),
            false => offer.look_at_openapi(contract),
        };
        addresses.retain(|address| !address.is_empty());
        let mut addresses = addresses.into_iter();
        offer.address = addresses.next();
        let others = addresses.filter(|other| Some(other) != offer.address.as_ref());
        offer.others = others.map(|other| printable(&other)).collect();
        offer.others.dedup();
        offer
    }

    fn look_at_wsdl(&mut self, contract: &Contract) -> Vec<String> {
        // It was read a moment ago.
        let Ok(soap) = SoapContract::compile(&contract.served) else { return Vec::new() };
        let document: Value = serde_json::from_str(&soap.openapi("", 1)).unwrap_or_default();
        self.call = example::call(&document, &|path, method, body| {
            let is_it = |route: &&pasarela_soap::openapi::face::Route| {
                route.path == path && route.method.name() == method
            };
            let route = soap.face.routes.iter().find(is_it);
            let bound = route.and_then(|route| soap.bound.iter().find(|b| b.name == route.id));
            let Some(Ok(messages)) = bound.map(|bound| &bound.messages) else { return false };
            let body = body.map(Value::to_string).unwrap_or_default();
            let (limits, mut out) = (Limits::default(), Vec::new());
            let form = Form::Json;
            messages.request(&soap.plan, form, &[], body.as_bytes(), &limits, &mut out).is_ok()
        });
        let ports = soap.catalog.ports().map(|(_, port, _)| port.address.clone());
        // What is at a queue or a mailbox is for others; it is told where there is nothing else.
        let (web, other): (Vec<String>, Vec<String>) = ports.partition(|address| {
            let scheme = address.split(':').next().unwrap_or_default().to_ascii_lowercase();
            matches!(&*scheme, "http" | "https")
        });
        if web.is_empty() { other } else { web }
    }

    fn look_at_openapi(&mut self, contract: &Contract) -> Vec<String> {
        let document: Value = serde_json::from_str(&contract.served.document).unwrap_or_default();
        self.call = example::call(&document, &|_, _, _| true);
        let version = document["info"]["version"].as_str().unwrap_or_default();
        let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
        self.version = major.parse().ok().filter(|major| (1..=65_535).contains(major));
        let servers = document["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
        servers.iter().filter_map(server).collect()
    }

    /// A name for the API: the service's, without the word for what all of them are.
    pub(super) fn name(&self) -> Option<String> {
        let mut words = words(&self.title);
        const NOISE: [&str; 7] =
            ["service", "services", "webservice", "api", "soap", "endpoint", "rest"];
        while words.len() > 1 && words.last().is_some_and(|word| NOISE.contains(&word.as_str())) {
            words.pop();
        }
        name_from(&words.join("-")).filter(|name| name_fault(name).is_none())
    }

    /// Where its requests go, unless that is said elsewhere.
    pub(super) fn upstream(&self, source: &Source, rules: &Rules) -> Result<String, Refusal> {
        let unsaid = |why: String, cure: String| Err(refusal(Code::Unsaid, why, cure));
        let usual = "Say where its requests go: --upstream http://10.1.0.7:9001/orders";
        // An OpenAPI document that names no server means the one that it came from.
        let own = (!self.soap && matches!(source, Source::Url(_))).then_some("/");
        let Some(address) = self.address.as_deref().or(own) else {
            let why = "The contract does not say where its service is.".to_owned();
            return unsaid(why, usual.to_owned());
        };
        let url = match source {
            Source::Url(root) => root.join(address),
            Source::File(_) => Url::parse(address),
        };
        let url = match url {
            Ok(url) if url.target.contains('?') => {
                let why = format!(
                    "The contract has its service at {address:?}, with a query, which an upstream cannot have."
                );
                return unsaid(why, usual.to_owned());
            }
            Ok(url) => url,
            Err(error) => {
                let why = format!("The contract has its service at {address:?}: {error}.");
                return unsaid(why, usual.to_owned());
            }
        };
        let text = url.to_string();
        // A slash at the end counts for a SOAP service only.
        let is_root = url.target == "/";
        let text = match text.strip_suffix('/') {
            Some(bare) if is_root || !self.soap => bare.to_owned(),
            _ => text,
        };
        match source {
            // What a document from elsewhere names is not called unseen.
            Source::Url(root) if url.host != root.host && !rules.allows(&url) => {
                let why = format!(
                    "The contract came from {}, and has its service elsewhere: at {text}.",
                    root.authority()
                );
                unsaid(why, format!("If that is right, say it: --upstream {text}"))
            }
            _ => Ok(text),
        }
    }
}

/// What strangers wrote, fit for a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// A server's URL, its variables at their defaults.
fn server(server: &Value) -> Option<String> {
    let mut url = server["url"].as_str()?.to_owned();
    for (name, variable) in server["variables"].as_object().into_iter().flatten() {
        let default = variable["default"].as_str().unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default);
    }
    Some(url)
}

/// The words of a name, in small letters: `OrderStatusService` has three.
fn words(title: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    let letters: Vec<char> = title.chars().collect();
    for (at, &c) in letters.iter().enumerate() {
        let next_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        let begins = c.is_uppercase() && (!before.is_uppercase() || next_small);
        if !c.is_alphanumeric() {
            words.push(String::new());
        } else if begins || words.is_empty() {
            words.push(c.to_lowercase().collect());
        } else if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_service_lends_its_name() {
        for (title, words) in [
            ("OrderStatusService", "order status service"),
            ("HTTPProxy", "http proxy"),
            ("Rates API", "rates api"),
            ("tracking_v2", "tracking v2"),
            ("ÑanduService", "ñandu service"),
        ] {
            assert_eq!(super::words(title).join(" "), words);
        }
    }
}
