//! The foreign SOAP callers, and what they tell of their calls.

use std::{fmt, net::SocketAddr, process::Command, time::Duration};

use serde_json::Value;

use super::services::{GSOAP, Kind, NODE_SOAP, PHP_SOAP, SOAP_LITE, contract, gsoap, have_file};
use crate::harness::{PYTHON, finish, have, program, workspace};

/// A caller by its toolkit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Zeep,
    Suds,
    Php,
    Node,
    Strong,
    Gsoap,
    Lite,
}

/// SOAP 1.1 and 1.2.
pub(crate) const VERSIONS: [u8; 2] = [11, 12];

/// The way to the service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Route {
    /// Straight, on a port; the contract comes from its file.
    Direct(u16),
    /// By the gateway: its `?wsdl`, and the address that stands in it.
    Through(SocketAddr),
    /// By the gateway, with the contract from its file: for those who may not call.
    Refused(SocketAddr),
}

/// What became of one call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// What the caller understood; `Err` is what it says went wrong.
    pub(crate) answer: Result<Value, Error>,
}

/// What a toolkit says when something went wrong. It may name addresses, and its words change from version to version:
/// all errors are equal.
#[derive(Clone)]
pub(crate) struct Error(String);

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Error {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Caller {
    /// Those that are installed; says what is not.
    pub(crate) fn all_there() -> Vec<Self> {
        let all =
            [Self::Zeep, Self::Suds, Self::Php, Self::Node, Self::Strong, Self::Gsoap, Self::Lite];
        all.into_iter().filter(|caller| caller.is_there()).collect()
    }

    fn is_there(self) -> bool {
        match self {
            Self::Zeep | Self::Suds => have(&[PYTHON]),
            Self::Php => have(&["php"]) && have_file(PHP_SOAP),
            Self::Node | Self::Strong => have(&["node", NODE_SOAP]),
            Self::Gsoap => have(&GSOAP),
            Self::Lite => have(&["perl"]) && have_file(SOAP_LITE),
        }
    }

    /// The contracts by which it can call this service.
    pub(crate) fn contracts(self, service: Kind, version: u8) -> Vec<&'static str> {
        let can = |name: &str| match (self, name) {
            // Only orders have a port for SOAP 1.2.
            (Self::Suds | Self::Lite, _) if version == 12 => false,
            (_, "orders") if version == 12 => service.speaks_soap12(),
            _ if version == 12 => false,
            // zeep would fetch the schema of SOAP's encoding from the network.
            (Self::Zeep, "encoded") => false,
            // Simple content by hand is no call that SOAP::Lite's users make.
            (Self::Lite, "bare") => false,
            _ => true,
        };
        service.contracts().iter().copied().filter(|name| can(name)).collect()
    }

    /// Makes all its calls.
    pub(crate) fn call(self, service: Kind, version: u8, route: Route) -> Vec<Call> {
        let key = if matches!(route, Route::Direct(_)) { "-" } else { super::KEY };
        self.call_with_key(key, service, version, route)
    }

    /// Makes all its calls with a key, or without (`-`).
    pub(crate) fn call_with_key(
        self,
        key: &str,
        service: Kind,
        version: u8,
        route: Route,
    ) -> Vec<Call> {
        let mut command = self.command();
        command.args([&version.to_string(), key]);
        for name in self.contracts(service, version) {
            let file = contract(name).to_string_lossy().into_owned();
            let (wsdl, endpoint) = match route {
                Route::Direct(port) => (file, format!("http://127.0.0.1:{port}/{name}")),
                Route::Refused(address) => (file, format!("http://{address}/{name}/v1/soap")),
                // gSOAP has read its contract when it was compiled.
                Route::Through(address) if self == Self::Gsoap => {
                    (file, format!("http://{address}/{name}/v1/soap"))
                }
                Route::Through(address) => {
                    (format!("http://{address}/{name}/v1/soap?wsdl"), "-".to_owned())
                }
            };
            command.args([name, &wsdl, &endpoint]);
        }
        let output = finish(&mut command, Duration::from_secs(90));
        let said = String::from_utf8_lossy(&output.stdout);
        let calls: Vec<Call> = said.lines().map(Call::read).collect();
        let complained = String::from_utf8_lossy(&output.stderr);
        let failed = calls.iter().any(|call| call.answer.is_err());
        assert_eq!(
            output.status.code(),
            Some(i32::from(failed)),
            "{self:?} {route:?}: {said}\n{complained}"
        );
        calls
    }

    fn command(self) -> Command {
        let script = |name: &str| workspace().join("peers/soap/clients").join(name);
        let (interpreter, name) = match self {
            Self::Zeep => (PYTHON, "zeep_client.py"),
            Self::Suds => (PYTHON, "suds_client.py"),
            Self::Php => ("php", "php_client.php"),
            Self::Node => ("node", "node_client.js"),
            Self::Strong => ("node", "strong_client.js"),
            Self::Lite => ("perl", "lite_client.pl"),
            Self::Gsoap => return Command::new(gsoap().join("client")),
        };
        let mut command = program(interpreter);
        command.arg(script(name)).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

impl Call {
    fn read(line: &str) -> Self {
        let mut said: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let name = said["call"].as_str().unwrap().to_owned();
        let answer = match said["error"].as_str() {
            Some(error) => Err(Error(error.to_owned())),
            None => Ok(said["answer"].take()),
        };
        Self { name, answer }
    }
}
