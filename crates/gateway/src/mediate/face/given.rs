//! The parameters of a call: texts out of its path and its query.

use pasarela_model::Code;
use pasarela_soap::{
    exchange::{Given, Token},
    openapi::face::{Location, Parameter, Route},
};

use crate::respond::Refusal;

/// What was given for a parameter, by its place among those of the route.
pub(super) type Texts = (usize, Vec<String>);

/// Reads the parameters of a route from the path below the API's base and from the query.
pub(super) fn read(
    route: &Route,
    path: &str,
    query: Option<&[u8]>,
    ignore_unknown: bool,
) -> Result<Vec<Texts>, Refusal> {
    let mut found: Vec<Texts> = Vec::new();
    let position = |name: &str, location: Location| {
        let mut all = route.parameters.iter();
        all.position(|parameter| parameter.name == name && parameter.location == location)
    };
    for (pattern, segment) in route.path.split('/').zip(path.split('/')) {
        let name = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(at) = name.and_then(|name| position(name, Location::Path)) {
            found.push((at, vec![decoded(segment.as_bytes(), false)?]));
        }
    }
    for pair in query.unwrap_or_default().split(|byte| *byte == b'&') {
        if pair.is_empty() {
            continue;
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = decoded(halves.next().unwrap_or_default(), true)?;
        let text = decoded(halves.next().unwrap_or_default(), true)?;
        let Some(at) = position(&name, Location::Query) else {
            if ignore_unknown {
                continue;
            }
            return Err(wrong(format!("this operation has no parameter {name:?}{}", known(route))));
        };
        match found.iter_mut().find(|(known, _)| *known == at) {
            None => found.push((at, vec![text])),
            Some((_, texts)) if route.parameters.get(at).is_some_and(|p| p.array) => {
                texts.push(text);
            }
            Some(_) => return Err(wrong(format!("the parameter {name:?} is there twice"))),
        }
    }
    let missing = route.parameters.iter().enumerate().find(|(at, parameter)| {
        let in_query = parameter.required && parameter.location == Location::Query;
        in_query && !route.method.has_body() && !found.iter().any(|(known, _)| known == at)
    });
    match missing {
        Some((_, parameter)) => {
            Err(wrong(format!("the parameter {:?} is missing", parameter.name)))
        }
        None => Ok(found),
    }
}

fn known(route: &Route) -> String {
    let names: Vec<&str> = route
        .parameters
        .iter()
        .filter(|parameter| parameter.location == Location::Query)
        .map(|parameter| parameter.name.as_str())
        .collect();
    if names.is_empty() { String::new() } else { format!("; it has {}", names.join(", ")) }
}

fn wrong(why: String) -> Refusal {
    Refusal::new(Code::ContractBroken, why)
}

/// The same, as the contract's room takes them.
pub(super) fn borrowed<'g>(
    given: &'g [Texts],
    parameters: &'g [Parameter],
    tokens: &[Token],
) -> Vec<Given<'g>> {
    let one = |(at, texts): &'g Texts| {
        let parameter = parameters.get(*at)?;
        let token = tokens.get(*at).copied().unwrap_or(Token::Text);
        Some(Given { parameter, token, texts })
    };
    given.iter().filter_map(one).collect()
}

/// Takes percent-encoding out of a text; in a query `+` is a space.
fn decoded(text: &[u8], is_query: bool) -> Result<String, Refusal> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) if is_query => out.push(b' '),
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok();
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                out.push(byte.ok_or_else(|| wrong("a `%` is followed by no two digits".into()))?);
                rest = after;
            }
            (b'%', _) => return Err(wrong("a `%` is followed by no two digits".into())),
            (byte, _) => out.push(*byte),
        }
    }
    String::from_utf8(out).map_err(|_| wrong("a parameter is not UTF-8".into()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pasarela_soap::openapi::face::Method;

    use super::*;

    fn route() -> Route {
        let parameter = |name: &str, location, array| Parameter {
            name: name.to_owned(),
            location,
            key: name.to_owned(),
            array,
            required: name == "from",
        };
        Route {
            id: "a".to_owned(),
            path: "/orders/{id}/lines".to_owned(),
            method: Method::Get,
            binding: 0,
            operation: 0,
            status: 200,
            parameters: vec![
                parameter("id", Location::Path, false),
                parameter("from", Location::Query, false),
                parameter("state", Location::Query, true),
            ],
            faults: BTreeMap::new(),
        }
    }

    #[test]
    fn parameters_are_read_from_where_they_are() {
        let ask = |path: &str, query: &str| read(&route(), path, Some(query.as_bytes()), false);
        let texts = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            ask("/orders/a%2Fb%20+c/lines", "state=x&from=1%262&state=%C3%BC+y&").unwrap(),
            [(0, texts(&["a/b +c"])), (2, texts(&["x", "ü y"])), (1, texts(&["1&2"])),]
        );
        for query in ["", "from=1&from=2", "from=1&other=2", "from=%", "from=%zz", "from=%ff"] {
            let refusal = ask("/orders/7/lines", query).unwrap_err();
            assert_eq!(refusal.code, Code::ContractBroken, "{query}");
        }
        assert!(read(&route(), "/orders/7/lines", Some(b"from=1&other=2"), true).is_ok());
    }
}
