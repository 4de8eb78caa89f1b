//! What `pasarela publish` prints about an API that is on the air.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use pasarela_model::Visibility;
use serde_json::{Value, json};

use super::example::Call;
use crate::{
    config::{Fault, Settings, USUAL_FILE},
    finding::counted,
    import::Source,
};

/// An API that was published.
pub(super) struct Published<'p> {
    pub(super) name: &'p str,
    pub(super) version: u32,
    pub(super) title: &'p str,
    pub(super) config: &'p Path,
    pub(super) created: bool,
    /// Where its documents are.
    pub(super) contract: &'p str,
    pub(super) upstreams: &'p [String],
    pub(super) others: &'p [String],
    pub(super) operations: usize,
    pub(super) left_out: usize,
    pub(super) remarks: usize,
    pub(super) source: &'p Source,
    pub(super) soap: bool,
    pub(super) visibility: Visibility,
    pub(super) plans: bool,
    pub(super) settings: &'p Settings,
    pub(super) call: Option<&'p Call>,
    pub(super) warnings: Vec<&'p Fault>,
}

impl Published<'_> {
    /// Where callers reach it; `None`: nowhere.
    fn base(&self) -> Option<String> {
        let listen = &self.settings.listen;
        let at = match self.visibility {
            Visibility::Private => listen.internal?,
            Visibility::Partner | Visibility::Public => listen.gateway,
        };
        let host = match at.ip() {
            ip if ip.is_unspecified() && at.is_ipv4() => {
                SocketAddr::from(([127, 0, 0, 1], at.port()))
            }
            ip if ip.is_unspecified() => {
                SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, at.port()))
            }
            _ => at,
        };
        Some(format!("http://{host}/{}/v{}", self.name, self.version))
    }

    fn addresses(&self) -> Vec<(&'static str, String)> {
        let Some(base) = self.base() else { return Vec::new() };
        let mut all = vec![("REST", base.clone()), ("OpenAPI", format!("{base}/openapi.json"))];
        if self.soap {
            all.extend([("SOAP", format!("{base}/soap")), ("WSDL", format!("{base}/soap?wsdl"))]);
        }
        all
    }

    fn curl(&self) -> Option<String> {
        self.call?.curl(&self.base()?, self.plans)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        for warning in &self.warnings {
            writeln!(out, "{}", warning.text())?;
        }
        let Self { name, version, title, .. } = self;
        let file = self.config.display();
        let made = if self.created { ", which is new" } else { "" };
        writeln!(out, "{name}, version {version}, is in {file}{made}.")?;
        let operations = counted(self.operations, "operation");
        writeln!(out, "  {title}: {operations} at {}", self.upstreams.join(", "))?;
        writeln!(out, "  contract  {}", self.contract)?;
        for (what, address) in self.addresses() {
            writeln!(out, "  {what:<8}  {address}")?;
        }
        if let Some(curl) = self.curl() {
            writeln!(out, "\nTo try:\n  {curl}")?;
        }
        out.push('\n');
        for note in self.notes() {
            writeln!(out, "{note}")?;
        }
        Ok(())
    }

    /// What its owner should know.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.others.is_empty() {
            let others = self.others.join(", ");
            notes.push(format!("The contract also names {others}; requests do not go there."));
        }
        if self.remarks > 0 {
            let remarks = counted(self.remarks, "thing");
            let source = self.source;
            notes.push(format!("`pasarela lint '{source}'` has {remarks} to say of the contract."));
        }
        if self.left_out > 0 {
            let operations = counted(self.left_out, "operation");
            notes.push(format!(
                "Over REST, {operations} cannot be offered; `pasarela check` says why."
            ));
        }
        match (self.visibility, self.plans) {
            (Visibility::Public, false) => notes.push(
                "It is public: whoever reaches the gateway may call it. `plans` in the file asks for a key.".to_owned(),
            ),
            (_, true) => notes.push("It asks for a key: $KEY is one that an application in the file has.".to_owned()),
            _ => (),
        }
        let file = self.config.display();
        if self.created {
            notes
                .push("The file listens on this machine only; `listen` lets others in.".to_owned());
        }
        let serve = match self.config.as_os_str() == USUAL_FILE {
            true => "pasarela serve".to_owned(),
            false => format!("pasarela serve --config {file}"),
        };
        notes.push(format!("A `{serve}` that runs takes it up by itself; otherwise start it."));
        notes
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let addresses: serde_json::Map<String, Value> = self
            .addresses()
            .into_iter()
            .map(|(what, address)| (what.to_lowercase(), address.into()))
            .collect();
        json!({
            "published": true,
            "name": self.name,
            "version": self.version,
            "config": self.config.display().to_string(),
            "config_created": self.created,
            "contract": self.contract,
            "upstreams": self.upstreams,
            "operations": self.operations,
            "remarks": self.remarks,
            "addresses": addresses,
            "try": self.curl(),
            "warnings": self.warnings.iter().map(|warning| warning.json()).collect::<Vec<_>>(),
        })
    }
}
