//! A WSDL contract compiled: what can be called, over SOAP and over REST, and the messages of each operation.
//!
//! An operation has one number, whichever face it is called on: its place in [`SoapContract::operations`], which is
//! its place among the operations of the API. A port type that is bound to SOAP 1.1 and 1.2 offers its operations once.

use std::collections::{BTreeSet, HashMap};

use pasarela_model::{Dates, Numbers, Operation, RestFace, ServedContract};
use pasarela_soap::{
    Fault, FaultKind,
    envelope::{Expected, Request, Stray, dispatch},
    exchange::{Messages, Token, tokens},
    openapi::{
        self, Face, Info, Json, Mapping,
        face::{Location, Method, OperationMapping, ParameterMapping, Route},
    },
    transcode::{self, Plan, Unsupported},
    wsdl::{self, Catalog, catalog::SoapVersion},
    xsd::{Document, Options},
};

use crate::{
    template,
    wsdl::{Kept, ROOT},
};

/// A WSDL, ready for messages.
#[derive(Debug)]
pub struct SoapContract {
    /// What it offers.
    pub catalog: Catalog,
    /// How its messages are transcoded.
    pub plan: Plan,
    /// The routes of its REST face.
    pub face: Face,
    /// Its operations, by their number.
    pub bound: Vec<Bound>,
    /// Whether the service's own words about a fault are kept from callers.
    pub mask_faults: bool,
    /// The number of an operation by binding and place in it.
    numbers: HashMap<(usize, usize), usize>,
    /// The bindings that are offered, in order.
    offered: Vec<usize>,
}

/// The key of the option, and the place of faults that are about it.
pub(crate) const XML_STRING: &str = "xml_string";

/// An operation of a contract.
#[derive(Debug)]
pub struct Bound {
    /// Its name, which no other has.
    pub name: String,
    /// Index of its binding in the catalog; where several offer it, of the first.
    pub binding: usize,
    /// Index in the binding's operations.
    pub operation: usize,
    /// Index of its route; `None`: it is not offered over REST.
    pub route: Option<usize>,
    /// How the texts of its route's parameters are written in JSON.
    pub tokens: Vec<Token>,
    /// What its request has to be over SOAP.
    pub request: Expected,
    /// What its answer has to be over SOAP.
    pub answer: Expected,
    /// Whether there is no answer.
    pub one_way: bool,
    /// Its messages; why there are none, where they cannot be transcoded.
    pub messages: Result<Messages, Unsupported>,
}

impl SoapContract {
    /// Compiles a contract out of the documents that it keeps.
    ///
    /// # Errors
    /// What is wrong with it; nothing is with one that was [read](crate::read).
    pub fn compile(contract: &ServedContract) -> Result<Self, Vec<Fault>> {
        let root = Document { url: ROOT.to_owned(), bytes: contract.document.clone().into_bytes() };
        let (catalog, mut faults) = wsdl::import(root, &mut Kept(contract), &Options::default());
        faults.retain(Fault::is_error);
        if !faults.is_empty() {
            return Err(faults);
        }
        match Self::new(catalog, &contract.rest) {
            (soap, faults) if faults.is_empty() => Ok(soap),
            (_, faults) => Err(faults),
        }
    }

    /// Lays a catalog out. The faults say which parts of the mapping cannot be.
    pub(crate) fn new(catalog: Catalog, rest: &RestFace) -> (Self, Vec<Fault>) {
        let plan = Plan::new(catalog.schemas.clone(), plan_options(rest));
        // The face without a mapping has every operation, also those that are hidden by one.
        let (all, _) = Face::new(&catalog, &plan, &Mapping::default());
        let (mut face, mut faults) = Face::new(&catalog, &plan, &mapping(rest));
        faults.extend(plan.unmixed().iter().map(|name| unmixed(name)));
        let bound = |route: &Route| {
            let binding = catalog.bindings.get(route.binding)?;
            let operation = binding.operations.get(route.operation)?;
            Some(Bound {
                name: route.id.clone(),
                binding: route.binding,
                operation: route.operation,
                route: None,
                tokens: Vec::new(),
                request: Expected::request(operation),
                answer: Expected::answer(operation),
                one_way: operation.output.is_none(),
                messages: Messages::new(&plan, binding, operation),
            })
        };
        let mut bound: Vec<Bound> = all.routes.iter().filter_map(bound).collect();
        let spoken: BTreeSet<&str> = bound
            .iter()
            .filter(|bound| bound.messages.is_ok())
            .map(|bound| bound.name.as_str())
            .collect();
        face.routes.retain(|route| spoken.contains(route.id.as_str()));
        for (number, route) in face.routes.iter().enumerate() {
            if let Err((why, cure)) = template::parse(&route.path) {
                let fault = Fault::new(FaultKind::Reference, why).cure(cure);
                faults.push(fault.inside(format!("operations/{}", route.id)));
            }
            let Some(its) = bound.iter_mut().find(|bound| bound.name == route.id) else { continue };
            its.route = Some(number);
            let binding = catalog.bindings.get(its.binding);
            if let Some(operation) = binding.and_then(|b| b.operations.get(its.operation)) {
                its.tokens = tokens(&plan, operation, &route.parameters);
            }
        }
        let mut offered: Vec<usize> = Vec::new();
        let ports = catalog.ports().map(|(_, port, _)| port.binding);
        ports.for_each(|binding| {
            if !offered.contains(&binding) {
                offered.push(binding);
            }
        });
        if offered.is_empty() {
            offered = (0..catalog.bindings.len()).collect();
        }
        let numbers = numbers(&catalog, &bound);
        let mask_faults = rest.mask_faults;
        (Self { catalog, plan, face, bound, mask_faults, numbers, offered }, faults)
    }

    /// Its operations, for an API.
    pub fn operations(&self) -> Vec<Operation> {
        let operation = |bound: &Bound| {
            let route = bound.route.and_then(|route| self.face.routes.get(route));
            let path = route.and_then(|route| template::parse(&route.path).ok());
            let binding = self.catalog.bindings.get(bound.binding);
            let declared = binding.and_then(|b| b.operations.get(bound.operation));
            let body = declared.and_then(|declared| declared.input.wire.as_ref());
            Operation {
                name: bound.name.clone(),
                method: route.map_or_else(String::new, |r| r.method.name().to_ascii_uppercase()),
                path: path.map_or_else(Default::default, |path| path.segments),
                soap_action: Some(self.action(bound)),
                soap_body: body.map(ToString::to_string),
            }
        };
        self.bound.iter().map(operation).collect()
    }

    /// Operations that cannot be offered over REST, and why.
    pub(crate) fn left_out(&self) -> Vec<(String, String)> {
        let why = |bound: &Bound| {
            let why = bound.messages.as_ref().err()?;
            Some((bound.name.clone(), why.to_string()))
        };
        self.bound.iter().filter_map(why).collect()
    }

    /// Its route on the REST face.
    pub fn route(&self, number: usize) -> Option<(&Bound, &Route, &Messages)> {
        let bound = self.bound.get(number)?;
        let route = self.face.routes.get(bound.route?)?;
        Some((bound, route, bound.messages.as_ref().ok()?))
    }

    /// Which operation a SOAP request is for. An envelope of either version is taken, first by the bindings of its own.
    ///
    /// # Errors
    /// When none is asked for, or what the request says does not agree.
    pub fn dispatch(&self, version: SoapVersion, request: Request<'_>) -> Result<usize, Stray> {
        let is_its = |index: &&usize| {
            self.catalog.bindings.get(**index).is_some_and(|binding| binding.version == version)
        };
        let (own, other): (Vec<&usize>, Vec<&usize>) = self.offered.iter().partition(is_its);
        let mut stray = None;
        for index in own.into_iter().chain(other) {
            let Some(binding) = self.catalog.bindings.get(*index) else { continue };
            match dispatch(binding, request) {
                Ok(operation) => {
                    if let Some(number) = self.numbers.get(&(*index, operation)) {
                        return Ok(*number);
                    }
                }
                Err(Stray::Mismatch(why)) => stray = Some(Stray::Mismatch(why)),
                Err(unknown) => stray = stray.or(Some(unknown)),
            }
        }
        Err(stray.unwrap_or_else(|| Stray::Unknown("nothing is offered over SOAP".to_owned())))
    }

    /// Whether an action is that of one of its operations.
    pub fn names(&self, action: &str) -> bool {
        let operations = self.catalog.bindings.iter().flat_map(|binding| &binding.operations);
        let mut actions = operations.flat_map(|o| [&o.action, &o.input.wsa_action]);
        !action.is_empty() && actions.any(|known| known == action)
    }

    /// The OpenAPI document of its REST face, served at this address.
    pub fn openapi(&self, server: &str, version: u32) -> String {
        let options = openapi::Options {
            info: Info {
                title: None,
                version: Some(format!("{version}.0.0")),
                servers: vec![server.to_owned()],
            },
        };
        let document: Json = openapi::document(&self.catalog, &self.plan, &self.face, &options);
        String::from_utf8(document.pretty()).unwrap_or_default()
    }

    /// The action of an operation; where the first binding gives none, that of another one.
    fn action(&self, bound: &Bound) -> String {
        let number = |(place, _): &(&(usize, usize), &usize)| **place;
        let mut places: Vec<(usize, usize)> = self
            .numbers
            .iter()
            .filter(|(_, of)| self.bound.get(**of).is_some_and(|other| other.name == bound.name))
            .map(|entry| number(&entry))
            .collect();
        places.sort_unstable();
        let of = |(binding, operation): &(usize, usize)| {
            self.catalog.bindings.get(*binding)?.operations.get(*operation).map(|o| &o.action)
        };
        let own = of(&(bound.binding, bound.operation)).filter(|action| !action.is_empty());
        let found = own.or_else(|| places.iter().filter_map(of).find(|action| !action.is_empty()));
        found.cloned().unwrap_or_default()
    }
}

/// Every operation of every binding has the number of the one that stands for it.
fn numbers(catalog: &Catalog, bound: &[Bound]) -> HashMap<(usize, usize), usize> {
    let key = |binding: usize, operation: usize| {
        let binding = catalog.bindings.get(binding)?;
        let operation = binding.operations.get(operation)?;
        Some((&binding.port_type, &operation.name, &operation.input.name))
    };
    let known: HashMap<_, usize> = bound
        .iter()
        .enumerate()
        .filter_map(|(number, bound)| Some((key(bound.binding, bound.operation)?, number)))
        .collect();
    let mut numbers = HashMap::new();
    for (index, binding) in catalog.bindings.iter().enumerate() {
        for place in 0..binding.operations.len() {
            let number = key(index, place).and_then(|key| known.get(&key));
            if let Some(number) = number {
                numbers.insert((index, place), *number);
            }
        }
    }
    numbers
}

fn unmixed(name: &str) -> Fault {
    let message = format!("no type with mixed content is called `{name}`");
    let cure = "write the type's name, that of its component in openapi.json, or `*` for all";
    Fault::new(FaultKind::Reference, message).cure(cure).inside(XML_STRING)
}

fn plan_options(rest: &RestFace) -> transcode::Options {
    transcode::Options {
        numbers: match rest.numbers {
            Numbers::Auto => transcode::Numbers::Auto,
            Numbers::Number => transcode::Numbers::Number,
            Numbers::String => transcode::Numbers::String,
        },
        dates: match rest.dates {
            Dates::Exact => transcode::Dates::Exact,
            Dates::Rfc3339 => transcode::Dates::Rfc3339,
        },
        emit_empty_arrays: rest.emit_empty_arrays,
        grouped: rest.grouped,
        xml_string: rest.xml_string.clone(),
        coerce_scalar: rest.coerce_scalar,
        null_as_absent: rest.null_as_absent,
        empty_as_null: rest.empty_as_null,
        ignore_unknown: rest.ignore_unknown,
        collapse_wrapped_arrays: rest.collapse_wrapped_arrays,
        apply_defaults: rest.apply_defaults,
    }
}

/// What is chosen for the face, in the words of the SOAP room.
fn mapping(rest: &RestFace) -> Mapping {
    let parameter = |parameter: &pasarela_model::RestParameter| ParameterMapping {
        location: if parameter.query { Location::Query } else { Location::Path },
        field: parameter.field.clone(),
    };
    let method = |name: &String| {
        Method::ALL.into_iter().find(|method| method.name().eq_ignore_ascii_case(name))
    };
    let operations = rest.operations.iter().map(|(name, chosen)| {
        let parameters = chosen.parameters.iter();
        let mapping = OperationMapping {
            path: chosen.path.clone(),
            method: chosen.method.as_ref().and_then(method),
            status: chosen.status,
            parameters: parameters.map(|(name, its)| (name.clone(), parameter(its))).collect(),
            faults: chosen.faults.clone(),
            hidden: chosen.hidden,
        };
        (name.clone(), mapping)
    });
    Mapping { operations: operations.collect() }
}
