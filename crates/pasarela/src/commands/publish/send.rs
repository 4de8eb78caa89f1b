//! `pasarela publish` where the gateway runs from no file: the API goes to its store, by way of the administration API.

use serde_json::{Value, json};

use super::{Args, Code, Format, Offer, Refusal, Seen, Stop, refusal};
use crate::{
    client::{Answer, Client},
    config::USUAL_FILE,
    finding::counted,
    import::{Bundle, Rules, Source},
};

/// Who to ask; `None`: a file is meant.
pub(super) fn client(args: &Args) -> Result<Option<Client>, Stop> {
    let file = args.config.is_some() || std::path::Path::new(USUAL_FILE).exists();
    match file {
        true => Ok(None),
        false => args.reaching.client().map_err(Stop::Use),
    }
}

/// An API on its way into a store.
pub(super) struct Sending<'s> {
    pub(super) args: &'s Args,
    pub(super) source: &'s Source,
    pub(super) rules: &'s Rules,
    pub(super) offer: Offer,
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) client: Client,
}

impl Sending<'_> {
    /// Does it; what is printed.
    pub(super) fn run(self, bundle: Bundle) -> Result<String, Stop> {
        if self.args.update {
            return self.update(bundle);
        }
        let upstreams = match self.args.upstreams.is_empty() {
            true => vec![self.offer.upstream(self.source, self.rules)?],
            false => self.args.upstreams.clone(),
        };
        let definition = json!({
            "name": self.name, "version": self.version, "contract": bundle.root_file(),
            "upstreams": upstreams, "visibility": self.seen()?.word(), "plans": self.args.plans,
        });
        let body = json!({ "definition": definition, "documents": documents(&bundle) });
        let made = good(self.ask("POST", "/apis", None, Some(&body))?)?;
        Ok(self.told(&made, &upstreams))
    }

    /// Nobody's API answers everybody because nothing was said; where that gateway listens is not known here.
    fn seen(&self) -> Result<Seen, Refusal> {
        match self.args.visibility {
            Some(seen) => Ok(seen),
            None if !self.args.plans.is_empty() => Ok(Seen::Public),
            None => {
                let message = format!(
                    "Nothing says who may call {}: no plan asks for a key, and no `--visibility`.",
                    self.name
                );
                let cure = "Add `--visibility public` for everybody, `private` for callers inside, or `--plan NAME` for those with a key.";
                Err(refusal(Code::Unseen, message, cure.to_owned()))
            }
        }
    }

    fn update(self, bundle: Bundle) -> Result<String, Stop> {
        let wanted = format!("{}/v{}", self.name, self.version);
        let all = good(self.ask("GET", "/apis", None, None)?)?;
        let items = all["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = items.iter().find(|api| api["api"] == *wanted);
        let Some(id) = found.and_then(|api| api["id"].as_str()) else {
            let message = format!("There is no API {wanted} in the store.");
            let cure = "Without --update it is added; one of a configuration file is updated there, with --config.";
            return Err(refusal(Code::NotStored, message, cure.to_owned()).into());
        };
        let path = format!("/apis/{id}");
        let there = self.ask("GET", &path, None, None)?;
        let etag = there.etag.clone();
        let there = good(there)?;
        let contract = there.pointer("/definition/contract").and_then(Value::as_str);
        let bundle = match contract {
            Some(file) => bundle.called(file),
            None => bundle,
        };
        let body = json!({ "documents": documents(&bundle) });
        let now = good(self.ask("PATCH", &path, etag.as_deref(), Some(&body))?)?;
        let same = now["revision"] == there["revision"];
        Ok(match (self.args.format, same) {
            (Format::Json, _) => format!("{:#}\n", json!({ "published": true, "api": now })),
            (Format::Text, true) => format!("{wanted}: the contract is as it was.\n"),
            (Format::Text, false) => format!(
                "{wanted} has a new contract, its revision {}. Back: pasarela api change {id} --revision {}\n",
                now["revision"], there["revision"]
            ),
        })
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        etag: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, Stop> {
        self.client.ask(method, path, etag, body).map_err(|why| {
            let cure = "Is the gateway running? Name its console with --admin, or the file that it runs from with --config.";
            refusal(Code::Unreached, format!("Nothing was sent: {why}."), cure.to_owned()).into()
        })
    }

    fn told(&self, made: &Value, upstreams: &[String]) -> String {
        if self.args.format == Format::Json {
            return format!("{:#}\n", json!({ "published": true, "api": made }));
        }
        let (name, version) = (&self.name, self.version);
        let id = made["id"].as_str().unwrap_or_default();
        let operations = counted(self.offer.operations, "operation");
        let mut out = String::new();
        for warning in made["warnings"].as_array().into_iter().flatten() {
            let text = |key: &str| warning[key].as_str().unwrap_or_default();
            out +=
                &format!("warning[{}]: {}\n  = {}\n", text("code"), text("message"), text("cure"));
        }
        out += &format!("{name}, version {version}, is on the air: {id} in the gateway's store.\n");
        out += &format!("  {}: {operations} at {}\n", self.offer.title, upstreams.join(", "));
        out += &format!(
            "  REST      /{name}/v{version}\n  OpenAPI   /{name}/v{version}/openapi.json\n"
        );
        if self.offer.soap {
            out += &format!(
                "  SOAP      /{name}/v{version}/soap\n  WSDL      /{name}/v{version}/soap?wsdl\n"
            );
        }
        let call = self.offer.call.as_ref();
        let base = format!("http://GATEWAY/{name}/v{version}");
        if let Some(curl) = call.and_then(|call| call.curl(&base, !self.args.plans.is_empty())) {
            out += &format!("\nTo try, with your gateway's address:\n  {curl}\n");
        }
        out
    }
}

/// As they are sent.
fn documents(bundle: &Bundle) -> Value {
    serde_json::from_str(&crate::admin::written(bundle)).unwrap_or_default()
}

fn good(answer: Answer) -> Result<Value, Stop> {
    match answer.status {
        200 | 201 => Ok(answer.body),
        _ => Err(Stop::Problem(answer.body)),
    }
}
