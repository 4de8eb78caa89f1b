//! What the guide says comes of a request, written from its page on access and from nothing else.
//!
//! Codes and the order of questions are those of `docs/errors` and of the guide's walk: may it be seen, is what is shown good,
//! does the API answer this address, is a key asked for, does its application subscribe.

/// An API by what the guide's rules ask about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Api {
    pub(super) visibility: &'static str,
    /// It names the network `10.2.0.0/16`.
    pub(super) networks: bool,
    /// It is offered under a plan.
    pub(super) plans: bool,
    pub(super) contract: Contract,
}

/// What an API's contract is, and so what is at which path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contract {
    /// `GET /things`.
    OpenApi,
    /// `Track`, on both faces.
    Wsdl,
    /// `Track`, on the SOAP face alone, whose messages say who sends them.
    Secured,
}

impl Api {
    pub(super) fn name(&self) -> String {
        let contract = match self.contract {
            Contract::OpenApi => "openapi",
            Contract::Wsdl => "wsdl",
            Contract::Secured => "secured",
        };
        let near = if self.networks { "near" } else { "anywhere" };
        let plans = if self.plans { "sold" } else { "free" };
        format!("{}-{near}-{plans}-{contract}", self.visibility)
    }
}

/// An application.
#[derive(Clone, Copy, Debug)]
pub(super) struct Application {
    pub(super) name: &'static str,
    /// What its organisation is; empty: it has none.
    pub(super) kind: &'static str,
    /// To everything that has plans.
    pub(super) subscribes: bool,
    /// Its calls come from `10.1.0.0/16`.
    pub(super) at_home: bool,
}

/// Whom a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Nobody,
    /// What it shows is not good.
    Bad,
    /// Its signature is nobody's.
    Forged,
    Application(&'static str),
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct From {
    pub(super) listener: &'static str,
    pub(super) address: &'static str,
}

/// A face and a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Probe {
    Call,
    Head,
    UnknownPath,
    OtherMethod,
    Preflight,
    OpenApi,
    Wsdl,
    Message,
    MessageOfSoap12,
    Json,
    /// A path that lenient servers read as another.
    Parameters,
}

impl Probe {
    pub(super) const ALL: &[Self] = &[
        Self::Call,
        Self::Head,
        Self::UnknownPath,
        Self::OtherMethod,
        Self::Preflight,
        Self::OpenApi,
        Self::Wsdl,
        Self::Message,
        Self::MessageOfSoap12,
        Self::Json,
        Self::Parameters,
    ];

    /// Method, path and fields.
    pub(super) fn request(self, api: &str) -> (&'static str, String, String) {
        let (method, path, fields) = match self {
            Self::Call => ("GET", format!("/{api}/things"), ""),
            Self::Head => ("HEAD", format!("/{api}/things"), ""),
            Self::UnknownPath => ("GET", format!("/{api}/no/such/thing"), ""),
            Self::OtherMethod => ("DELETE", format!("/{api}/things"), ""),
            Self::Preflight => (
                "OPTIONS",
                format!("/{api}/things"),
                "Origin: https://page.example\r\nAccess-Control-Request-Method: GET\r\n",
            ),
            Self::OpenApi => ("GET", format!("/{api}/openapi.json"), ""),
            Self::Wsdl => ("GET", format!("/{api}/soap?wsdl"), ""),
            Self::Message => (
                "POST",
                format!("/{api}/soap"),
                "Content-Type: text/xml\r\nSOAPAction: \"urn:track\"\r\n",
            ),
            Self::MessageOfSoap12 => {
                ("POST", format!("/{api}/soap"), "Content-Type: application/soap+xml\r\n")
            }
            Self::Json => ("POST", format!("/{api}/Track"), "Content-Type: application/json\r\n"),
            Self::Parameters => ("GET", format!("/{api};v=1/things"), ""),
        };
        (method, path, fields.to_owned())
    }

    /// Its answer has a body in which a code can be read.
    pub(super) fn has_a_body(self) -> bool {
        self != Self::Head
    }
}

/// What comes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// As where nothing is, to the letter.
    Hidden,
    /// With this code.
    Refused(&'static str),
    Served,
}

/// What is at a path for those who may see it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Call,
    Message,
    Contract,
    Nothing,
    OtherMethod,
    TwoReadings,
}

fn there(contract: Contract, probe: Probe) -> There {
    use Contract::{OpenApi, Secured, Wsdl};
    match (probe, contract) {
        (Probe::Parameters, _) => There::TwoReadings,
        (Probe::OpenApi, OpenApi | Wsdl) | (Probe::Wsdl, Wsdl | Secured) => There::Contract,
        (Probe::Call | Probe::Head, OpenApi) | (Probe::Json, Wsdl) => There::Call,
        (Probe::OtherMethod | Probe::Preflight, OpenApi) => There::OtherMethod,
        (Probe::Message | Probe::MessageOfSoap12, Wsdl | Secured) => There::Message,
        _ => There::Nothing,
    }
}

/// What the guide says.
pub(super) fn cell(
    api: &Api,
    probe: Probe,
    from: From,
    (who, sender): (Who, Who),
    applications: &dyn Fn(&str) -> Option<&'static Application>,
) -> Cell {
    let near = from.address.starts_with("10.2.");
    let internal = from.listener == "internal";
    let at_home = |one: &&Application| !one.at_home || from.address.starts_with("10.1.");
    // From elsewhere nothing an application shows counts.
    let named = |who: Who| match who {
        Who::Application(name) => applications(name),
        _ => None,
    };
    let counts = |who: Who| named(who).filter(at_home);
    let sees = |caller: Option<&Application>| match api.visibility {
        "public" => true,
        "partner" => api.plans && caller.is_some_and(|one| one.subscribes),
        _ => internal || (api.networks && near) || caller.is_some_and(|one| one.kind == "owner"),
    };
    // A private API answers whoever sees it.
    let answers = api.visibility == "private" || !api.networks || internal || near;
    let caller = counts(who);
    let there = there(api.contract, probe);
    let speaks_for_itself =
        there == There::Message && api.contract == Contract::Secured && api.visibility == "partner";
    if !sees(caller) && !speaks_for_itself {
        return Cell::Hidden;
    }
    match there {
        There::TwoReadings => return Cell::Refused("GW0014"),
        There::Nothing if !answers => return Cell::Refused("GW0070"),
        There::OtherMethod if !answers => return Cell::Refused("GW0070"),
        There::Nothing => return Cell::Refused("GW0002"),
        There::OtherMethod => return Cell::Refused("GW0003"),
        There::Call | There::Message | There::Contract => (),
    }
    // What is shown where something is asked for has to be good; a partner's API is not there for who shows something else.
    if api.plans && api.visibility != "partner" {
        if who == Who::Bad {
            return Cell::Refused("GW0005");
        }
        if who == Who::Forged {
            return Cell::Refused("GW0073");
        }
        if named(who).is_some() && caller.is_none() {
            return Cell::Refused("GW0070");
        }
    }
    if there == There::Contract {
        return if answers { Cell::Served } else { Cell::Refused("GW0070") };
    }
    let mut caller = caller;
    if api.contract == Contract::Secured {
        let for_those_who_see = |code| match sees(caller) {
            true => Cell::Refused(code),
            false => Cell::Hidden,
        };
        match sender {
            Who::Nobody => return for_those_who_see("GW0041"),
            Who::Bad | Who::Forged => return for_those_who_see("GW0045"),
            Who::Application(name) => {
                if caller.is_some_and(|one| one.name != name) {
                    return for_those_who_see("GW0045");
                }
                if counts(sender).is_none() {
                    return for_those_who_see("GW0070");
                }
                caller = counts(sender);
            }
        }
        if !sees(caller) {
            return Cell::Hidden;
        }
    }
    if !answers {
        return Cell::Refused("GW0070");
    }
    match caller {
        None if api.plans => Cell::Refused("GW0004"),
        Some(one) if api.plans && !one.subscribes => Cell::Refused("GW0006"),
        _ => Cell::Served,
    }
}
