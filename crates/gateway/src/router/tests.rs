//! Stories of routing.

use std::{cell::Cell, sync::Arc};

use pasarela_model::{
    Api, Face, HeaderMatch, HostPattern, Operation, PathSegment, PathTemplate, ServedContract,
    Upstream, Visibility,
};

use super::*;

thread_local! {
    static LOOK_UPS: Cell<usize> = const { Cell::new(0) };
}

/// Called by the router for each hash look-up of a base path.
pub(super) fn count_look_up() {
    LOOK_UPS.set(LOOK_UPS.get() + 1);
}

struct Fields<'a>(&'a [(&'a str, &'a str)]);

impl Headers for Fields<'_> {
    fn get(&self, lower_name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(name, _)| *name == lower_name).map(|(_, value)| value.as_bytes())
    }
}

fn api(base_path: &str) -> Api {
    Api {
        visibility: Visibility::Public,
        base_path: base_path.to_owned(),
        ..Api::new("test", 1, Upstream::default())
    }
}

fn at_host(host: &str, base_path: &str) -> Api {
    let host = match host.strip_prefix("*.") {
        Some(suffix) => HostPattern::Wildcard(suffix.to_owned()),
        None => HostPattern::Exact(host.to_owned()),
    };
    Api { host: Some(host), ..api(base_path) }
}

fn with_header(value: &str) -> Api {
    let header = HeaderMatch { name: "accept-version".to_owned(), value: value.to_owned() };
    Api { headers: vec![header], ..api("/rates") }
}

/// `GET /orders/{id}` as an operation.
fn operation(text: &str) -> Operation {
    let (method, path) = text.split_once(' ').unwrap();
    let segments = path.split('/').skip(1).map(|segment| match segment.split_once('{') {
        None => PathSegment::Literal(segment.to_owned()),
        Some((prefix, rest)) => PathSegment::Parameter {
            prefix: prefix.to_owned(),
            suffix: rest.rsplit_once('}').unwrap().1.to_owned(),
        },
    });
    let segments = if path == "/" { Vec::new() } else { segments.collect() };
    Operation {
        name: text.to_owned(),
        method: method.to_owned(),
        path: PathTemplate(segments),
        soap_action: None,
        soap_body: None,
    }
}

fn rest_api(operations: &[&str]) -> Api {
    Api {
        operations: operations.iter().map(|text| operation(text)).collect(),
        contract: Some(Arc::new(ServedContract {
            document: "{}".to_owned(),
            ..ServedContract::default()
        })),
        ..api("/orders/v1")
    }
}

fn soap_api(faces: &[Face], actions: &[&str]) -> Api {
    let operations = actions.iter().map(|action| Operation {
        name: (*action).to_owned(),
        method: String::new(),
        path: PathTemplate::default(),
        soap_action: Some((*action).to_owned()),
        soap_body: None,
    });
    Api {
        operations: operations.collect(),
        faces: faces.to_vec(),
        contract: Some(Arc::new(ServedContract { wsdl: true, ..ServedContract::default() })),
        ..api("/tracking/v1")
    }
}

fn query<'a>(method: &'a str, url: &'a str) -> Query<'a> {
    let (host, path) = url.split_at(url.find('/').unwrap_or(url.len()));
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query.as_bytes())),
        None => (path, None),
    };
    Query { host, path, query, method, sees: &|_| false, headers: &Fields(&[]) }
}

fn find(apis: &[Api], method: &str, url: &str) -> Found {
    Router::build(apis).find(&query(method, url))
}

/// Which API a `GET` reaches.
fn reached(apis: &[Api], url: &str) -> Option<usize> {
    match find(apis, "GET", url) {
        Found::Api { api, .. } => Some(api),
        Found::NoApi => None,
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn the_longest_base_path_wins_on_segment_boundaries() {
    let apis = [api("/a"), api("/a/b"), api("/a/b/c/d")];
    assert_eq!(reached(&apis, "/a"), Some(0));
    assert_eq!(reached(&apis, "/a/"), Some(0));
    assert_eq!(reached(&apis, "/a/bc"), Some(0));
    assert_eq!(reached(&apis, "/a/b"), Some(1));
    assert_eq!(reached(&apis, "/a/b/c"), Some(1), "a node in between is no API");
    assert_eq!(reached(&apis, "/a/b/c/d/e"), Some(2));
    assert_eq!(reached(&apis, "/ab"), None);
    assert_eq!(reached(&apis, "/A"), None, "case matters");
    assert_eq!(reached(&apis, "/"), None);
    assert_eq!(reached(&apis, "*"), None);
}

#[test]
fn the_base_path_is_taken_off_and_the_root_takes_nothing_off() {
    let apis = [api("/a/b"), api("")];
    let rest = |url| match find(&apis, "GET", url) {
        Found::Api { rest, .. } => rest,
        other => panic!("{other:?}"),
    };
    assert_eq!(rest("/a/b/c"), 4);
    assert_eq!(rest("/a/b"), 4);
    assert_eq!(rest("/x"), 0);
    assert_eq!(reached(&apis, "/"), Some(1));
}

#[test]
fn the_more_exact_host_wins_and_what_it_lacks_is_looked_up_in_the_next() {
    let apis = [
        api("/a"),
        at_host("*.example.com", "/a"),
        at_host("*.eu.example.com", "/a"),
        at_host("api.eu.example.com", "/a"),
        api("/b"),
    ];
    assert_eq!(reached(&apis, "api.eu.example.com/a"), Some(3));
    assert_eq!(reached(&apis, "x.eu.example.com/a"), Some(2));
    assert_eq!(reached(&apis, "x.y.eu.example.com/a"), Some(2));
    assert_eq!(reached(&apis, "eu.example.com/a"), Some(1));
    assert_eq!(reached(&apis, "example.com/a"), Some(0), "a wildcard needs a label");
    assert_eq!(reached(&apis, "badexample.com/a"), Some(0));
    assert_eq!(reached(&apis, "/a"), Some(0), "no host at all");
    assert_eq!(reached(&apis, "api.eu.example.com/b"), Some(4));
}

#[test]
fn the_host_comes_before_the_length_of_the_base_path() {
    let apis = [api("/a/b"), at_host("h", "/a")];
    assert_eq!(reached(&apis, "h/a/b"), Some(1));
}

#[test]
fn the_api_that_demands_more_headers_wins() {
    let apis = [api("/rates"), with_header("1"), with_header("2")];
    let router = Router::build(&apis);
    let reached = |fields: &[(&str, &str)]| {
        let found = router.find(&Query { headers: &Fields(fields), ..query("GET", "/rates/x") });
        let Found::Api { api, .. } = found else { panic!("{found:?}") };
        api
    };
    assert_eq!(reached(&[("accept-version", "2")]), 2);
    assert_eq!(reached(&[("accept-version", " 1 ")]), 1);
    assert_eq!(reached(&[("accept-version", "3")]), 0);
    assert_eq!(reached(&[]), 0);
}

#[test]
fn a_private_api_does_not_exist_outside() {
    let hidden = Api { visibility: Visibility::Private, ..api("/a/b") };
    let apis = [api("/a"), hidden.clone()];
    assert_eq!(reached(&apis, "/a/b/c"), Some(0), "the shorter one takes it");
    assert_eq!(reached(std::slice::from_ref(&hidden), "/a/b/c"), None);
    let inside = Query { sees: &|api| api == 1, ..query("GET", "/a/b/c") };
    assert!(matches!(Router::build(&apis).find(&inside), Found::Api { api: 1, .. }));

    let everywhere = at_host("h", "/a/b");
    let apis = [everywhere, Api { host: Some(HostPattern::Exact("i".into())), ..hidden }, api("")];
    assert_eq!(reached(&apis, "i/a/b"), Some(2), "the next host's APIs take it");
}

#[test]
fn operations_are_found_as_openapi_says() {
    let apis = [rest_api(&[
        "GET /",
        "GET /users/me",
        "GET /users/{id}",
        "DELETE /users/{id}",
        "GET /users/{id}/orders",
        "GET /files/{name}.json",
        "GET /files/{name}",
        "GET /files/v{major}.json",
        "GET /slash/",
    ])];
    let found = |method, path: &str| match find(&apis, method, &format!("/orders/v1{path}")) {
        Found::Api { operation: Some(index), soap: false, .. } => {
            apis[0].operations[index].name.clone()
        }
        Found::NoOperation { api: 0 } => "404".to_owned(),
        Found::MethodNotAllowed { api: 0, allow } => format!("405 {allow}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(found("GET", ""), "GET /");
    assert_eq!(found("GET", "/"), "GET /");
    assert_eq!(found("GET", "/users/me"), "GET /users/me");
    assert_eq!(found("GET", "/users/7"), "GET /users/{id}");
    assert_eq!(found("HEAD", "/users/7"), "GET /users/{id}");
    assert_eq!(found("DELETE", "/users/7"), "DELETE /users/{id}");
    assert_eq!(found("POST", "/users/7"), "405 DELETE, GET, HEAD");
    assert_eq!(found("OPTIONS", "/users/7"), "405 DELETE, GET, HEAD");
    assert_eq!(found("get", "/users/7"), "405 DELETE, GET, HEAD");
    assert_eq!(found("DELETE", "/users/me"), "405 GET, HEAD", "the concrete path decides");
    assert_eq!(found("GET", "/users/me/orders"), "GET /users/{id}/orders");
    assert_eq!(found("GET", "/users/"), "404", "a parameter is not empty");
    assert_eq!(found("GET", "/users"), "404");
    assert_eq!(found("GET", "/users/7/orders/8"), "404");
    assert_eq!(found("GET", "/files/a.json"), "GET /files/{name}.json");
    assert_eq!(found("GET", "/files/v1.json"), "GET /files/v{major}.json");
    assert_eq!(found("GET", "/files/v.json"), "GET /files/{name}.json");
    assert_eq!(found("GET", "/files/.json"), "GET /files/{name}");
    assert_eq!(found("GET", "/slash"), "404");
    assert_eq!(found("GET", "/slash/"), "GET /slash/");
}

#[test]
fn an_api_may_let_undeclared_operations_pass_and_one_without_any_always_does() {
    let anything = Found::Api { api: 0, operation: None, rest: 10, soap: false };
    let lenient = [Api { pass_undeclared: true, ..rest_api(&["GET /a"]) }];
    assert_eq!(find(&lenient, "GET", "/orders/v1/b"), anything);
    assert_eq!(find(&lenient, "POST", "/orders/v1/a"), anything);
    assert_eq!(find(&[api("/orders/v1")], "BREW", "/orders/v1/pot"), anything);
}

#[test]
fn the_contract_of_a_rest_api_is_served_beside_it() {
    let apis = [rest_api(&["GET /a"])];
    let openapi = Found::Contract { api: 0, page: Page::OpenApi };
    assert_eq!(find(&apis, "GET", "/orders/v1/openapi.json"), openapi);
    assert_eq!(find(&apis, "HEAD", "/orders/v1/openapi.json"), openapi);
    assert_eq!(find(&apis, "POST", "/orders/v1/openapi.json"), Found::NoOperation { api: 0 });
    let without = [api("/orders/v1")];
    assert!(matches!(find(&without, "GET", "/orders/v1/openapi.json"), Found::Api { .. }));
}

#[test]
fn a_message_to_a_soap_face_is_told_by_its_body() {
    let apis = [soap_api(&[Face::Rest, Face::Soap], &["urn:track", "urn:cancel"])];
    let router = Router::build(&apis);
    let post = query("POST", "/tracking/v1/soap");
    let fields = [("soapaction", "\"urn:track\"")];
    let found = router.find(&Query { headers: &Fields(&fields), ..post });
    assert_eq!(found, Found::Api { api: 0, operation: None, rest: 12, soap: true });
    assert_eq!(router.find(&query("POST", "/tracking/v1/soap/x")), Found::NoOperation { api: 0 });
}

#[test]
fn a_wsdl_is_asked_for_in_several_ways() {
    let asked = |query: &'static str| document_asked(Some(query.as_bytes()));
    for yes in ["wsdl", "WSDL", "wsdl=", "singleWsdl", "singleWsdl=x", "a=b&wsdl"] {
        assert_eq!(asked(yes), Some(""), "{yes}");
    }
    for yes in ["wsdl=a.xsd", "XSD=a.xsd", "b=c&xsd=a.xsd&d"] {
        assert_eq!(asked(yes), Some("a.xsd"), "{yes}");
    }
    for no in ["", "wsdls", "a=wsdl", "xwsdl", "xsd", "xsd="] {
        assert_eq!(asked(no), None, "{no}");
    }
    assert_eq!(document_asked(None), None);
}

#[test]
fn a_soap_face_serves_its_wsdl_and_refuses_other_methods() {
    let apis = [soap_api(&[Face::Soap], &["urn:track"])];
    for query in ["wsdl", "WSDL", "singleWsdl", "a=b&wsdl=types.wsdl", "xsd=types.xsd"] {
        let wsdl = Found::Contract { api: 0, page: Page::Wsdl };
        assert_eq!(find(&apis, "GET", &format!("/tracking/v1/soap?{query}")), wsdl);
        assert_eq!(find(&apis, "GET", &format!("/tracking/v1?{query}")), wsdl);
    }
    let refused = Found::MethodNotAllowed { api: 0, allow: "GET, HEAD, POST".to_owned() };
    assert_eq!(find(&apis, "GET", "/tracking/v1/soap"), refused);
    assert_eq!(find(&apis, "PUT", "/tracking/v1/soap?wsdl"), refused);

    let without = [Api { contract: None, operations: Vec::new(), ..apis[0].clone() }];
    let refused = Found::MethodNotAllowed { api: 0, allow: "POST".to_owned() };
    assert_eq!(find(&without, "GET", "/tracking/v1/soap?wsdl"), refused);
}

#[test]
fn where_soap_is_the_only_face_the_base_path_speaks_it_too() {
    let only = [soap_api(&[Face::Soap], &["urn:track"])];
    for path in ["/tracking/v1", "/tracking/v1/", "/tracking/v1/soap"] {
        assert!(matches!(find(&only, "POST", path), Found::Api { soap: true, .. }), "{path}");
    }
    assert_eq!(find(&only, "POST", "/tracking/v1/other"), Found::NoOperation { api: 0 });
    let both = [soap_api(&[Face::Rest, Face::Soap], &["urn:track"])];
    assert_eq!(find(&both, "POST", "/tracking/v1"), Found::NoOperation { api: 0 });
}

/// So many that bits of their hashes that the table keeps are the same for some, and places next
/// to one another are taken.
#[test]
fn each_of_many_apis_is_found_and_nothing_between_them() {
    let base = |n: u32| match n % 3 {
        0 => format!("/team-{n}/v1"),
        1 => format!("/{n}"),
        _ => format!("/shop/{n}/orders/v2"),
    };
    let many: Vec<Api> = (0..30_000).map(|n| api(&base(n))).collect();
    let router = Router::build(&many);
    let mut guessed = 0;
    for n in 0..30_000 {
        let url = format!("{}/x?y=/{n}", base(n));
        assert_eq!(router.find(&query("GET", &url)).api(), Some(n as usize), "{url}");
        guessed += usize::from(router.likely(url.as_bytes()) == Some(n as usize));
        let other = base(n + 30_000);
        assert_eq!(router.find(&query("GET", &other)).api(), None, "{other}");
    }
    assert!(guessed > 29_000, "a guess is nearly always right: {guessed}");
    assert_eq!(Router::build(&[]).likely(b"/1"), None);
    assert_eq!(router.likely(b"*"), None);
}

#[test]
fn ten_thousand_apis_cost_the_same_look_ups_as_one() {
    let look_ups = |apis: &[Api], url: &str| {
        let router = Router::build(apis);
        LOOK_UPS.set(0);
        let found = router.find(&query("GET", url));
        (LOOK_UPS.get(), matches!(found, Found::Api { .. }))
    };
    let many: Vec<Api> = (0..10_000).map(|n| api(&format!("/api-{n}/v1"))).collect();
    let url = "/api-0/v1/parcels/1Z999AA10123456784/events";
    assert_eq!(look_ups(&many[..1], url), (1, true));
    assert_eq!(look_ups(&many, url), (1, true));
    assert_eq!(look_ups(&many, "/api-9999/v1/a/b/c/d/e/f/g"), (1, true));
    assert_eq!(look_ups(&many, "/nothing/of/ours"), (1, false));

    let hosts: Vec<Api> = (0..10_000).map(|n| at_host(&format!("*.h{n}.test"), "/a")).collect();
    assert_eq!(look_ups(&hosts, "x.h7777.test/a/b"), (1, true));
}
