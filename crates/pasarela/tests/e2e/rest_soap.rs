//! The SOAP face of a REST service: XML in, XML out, a service behind that knows neither.

use pasarela_testkit::{Gateway, Request, Response, Upstream};

use crate::gateway;

const V11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const V12: &str = "http://www.w3.org/2003/05/soap-envelope";
const NS: &str = "urn:pasarela:rest:orders:v1";

const OPENAPI: &str = r##"openapi: 3.1.0
info: { title: Orders, version: '1.2' }
paths:
  /orders/{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get:
      operationId: getOrder
      parameters:
        - { name: state, in: query, schema: { type: array, items: { type: string } } }
        - { name: X-Tenant, in: header, schema: { type: string } }
      responses:
        '200': { description: It., content: { application/json: { schema: { $ref: '#/components/schemas/Order' } } } }
        '404': { description: None., content: { application/json: { schema: { $ref: '#/components/schemas/Missing' } } } }
    put:
      operationId: putOrder
      requestBody: { required: true, content: { application/json: { schema: { $ref: '#/components/schemas/Order' } } } }
      responses: { '204': { description: Done. } }
  /orders/{id}/scan:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get:
      operationId: getScan
      responses: { '200': { description: It., content: { image/png: {} } } }
    put:
      operationId: putScan
      requestBody: { required: true, content: { image/png: {} } }
      responses: { '204': { description: Done. } }
components:
  schemas:
    Order:
      type: object
      required: [total]
      properties:
        total: { type: number }
        line: { type: array, items: { type: string } }
        note: { type: [string, 'null'] }
    Missing: { type: object, required: [code], properties: { code: { type: string } } }
"##;

fn orders_with(upstream: &Upstream, more: &str) -> Gateway {
    gateway()
        .file("orders.yaml", OPENAPI)
        .api_with(
            "o",
            &[&upstream.url()],
            &format!("contract: orders.yaml\nfaces: [rest, soap]\n{more}"),
        )
        .start()
}

fn orders(upstream: &Upstream) -> Gateway {
    orders_with(upstream, "")
}

fn answer(status: u16, media: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status} Some\r\nContent-Type: {media}\r\nETag: \"x\"\r\nX-Own: kept\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn json(body: &'static str) -> Upstream {
    Upstream::handle(move |_| answer(200, "application/json", body))
}

fn send(gateway: &Gateway, media: &str, fields: &str, body: &str) -> Response {
    gateway.connect().ask(format!(
        "POST /o/soap HTTP/1.1\r\nHost: test\r\nContent-Type: {media}\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn call(gateway: &Gateway, body: &str) -> Response {
    call_with(gateway, "", "", body)
}

fn call_with(gateway: &Gateway, fields: &str, header: &str, body: &str) -> Response {
    let envelope = format!(
        "<s:Envelope xmlns:s=\"{V11}\" xmlns=\"{NS}\">{header}<s:Body>{body}</s:Body></s:Envelope>"
    );
    send(gateway, "text/xml; charset=utf-8", fields, &envelope)
}

fn target(request: &Request) -> String {
    format!("{} {}", request.method, request.target)
}

#[test]
fn xml_goes_in_and_xml_comes_out() {
    let upstream = json(r#"{"line":["a","b<c"],"total":10.10,"unknown":true,"note":null}"#);
    let gateway = orders(&upstream);
    let answer = call(
        &gateway,
        "<getOrder><id>7</id><state>open</state><state>a b&amp;c</state><X-Tenant>acme</X-Tenant></getOrder>",
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    assert!(
        text.contains("<ns1:body><ns1:total>10.10</ns1:total><ns1:line>a</ns1:line><ns1:line>b&lt;c</ns1:line><ns1:note xsi:nil=\"true\"/></ns1:body>"),
        "{text}"
    );
    assert_eq!(answer.get("content-type"), Some("text/xml; charset=utf-8"));
    assert_eq!((answer.get("x-own"), answer.get("etag")), (Some("kept"), None));
    let request = upstream.only_request();
    assert_eq!(target(&request), "GET /orders/7?state=open&state=a%20b%26c");
    assert_eq!(request.get("x-tenant"), Some("acme"));
    assert_eq!((request.get("soapaction"), request.get("content-type")), (None, None));
    assert_eq!(
        request.get("accept"),
        Some("application/json, application/problem+json, */*;q=0.1")
    );
    assert!(request.body.is_empty());
    let line = &gateway.access_lines(1)[0];
    assert_eq!((&line["operation"], &line["status"]), (&"getOrder".into(), &200.into()), "{line}");
}

#[test]
fn the_wsdl_is_served_at_our_address_and_so_is_the_openapi_document() {
    let gateway = orders(&json("{}"));
    for query in ["wsdl", "WSDL", "singleWsdl"] {
        let wsdl = gateway.get(&format!("/o/soap?{query}"));
        assert_eq!((wsdl.status, wsdl.get("content-type")), (200, Some("text/xml; charset=utf-8")));
        let text = wsdl.text();
        assert!(text.contains("/o/soap\"/>"), "{text}");
        assert!(text.contains(&format!("soapAction=\"{NS}#getOrder\"")), "{text}");
        assert!(!text.contains("urn:pasarela:the-address"), "{text}");
    }
    assert_eq!(gateway.get("/o/openapi.json").status, 200);
    assert_eq!(gateway.get("/o/soap").status, 405);
}

/// One operation has one number: who is counted for it on one face is counted on the other.
#[test]
fn both_faces_are_one_operation_with_one_policy() {
    let upstream = json(r#"{"total":1}"#);
    let gateway = gateway()
        .file("orders.yaml", OPENAPI)
        .file("key", "open-sesame")
        .top("plans: [{ name: three, rate: 3/h burst 3 }]\napplications:\n  - name: acme\n    keys: [{ file: key }]\n    subscriptions: [{ api: o, plan: three }]\n")
        .api_with("o", &[&upstream.url()], "contract: orders.yaml\nfaces: [rest, soap]\nplans: [three]")
        .start();
    let key = "X-API-Key: open-sesame\r\n";
    let order = "<getOrder><id>7</id></getOrder>";
    let refused = call(&gateway, order);
    assert_eq!(refused.status, 500, "SOAP 1.1 knows no other status");
    assert!(refused.text().contains("GW0004"), "{}", refused.text());
    assert_eq!(call_with(&gateway, key, "", order).status, 200);
    let rest =
        gateway.connect().ask(format!("GET /o/orders/7 HTTP/1.1\r\nHost: test\r\n{key}\r\n"));
    assert_eq!(rest.status, 200);
    assert_eq!(call_with(&gateway, key, "", order).status, 200);
    assert!(call_with(&gateway, key, "", order).text().contains("GW0007"));
    assert_eq!(upstream.requests().len(), 3);
    assert_eq!(upstream.requests()[0].get("x-api-key"), None);
    let lines = gateway.access_lines(5);
    let named = lines.iter().filter(|line| line["operation"] == "getOrder").count();
    assert!(named >= 3, "{lines:?}");
}

#[test]
fn a_body_goes_to_the_service_as_json_and_nothing_comes_back_as_nothing() {
    let upstream = Upstream::handle(|_| b"HTTP/1.1 204 Done\r\n\r\n".to_vec());
    let gateway = orders(&upstream);
    let body = "<putOrder><id>7</id><body><total>0010.50</total><line>\u{e4} \"x\"</line></body></putOrder>";
    let answer = call(&gateway, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("putOrderResponse"), "{}", answer.text());
    let request = upstream.only_request();
    assert_eq!(target(&request), "PUT /orders/7");
    assert_eq!(request.get("content-type"), Some("application/json"));
    assert_eq!(request.body, "{\"total\":10.50,\"line\":[\"\u{e4} \\\"x\\\"\"]}".as_bytes());
}

#[test]
fn what_the_service_says_is_wrong_is_a_typed_fault_of_the_version_that_was_asked_in() {
    let cases = [
        (
            404,
            "application/json",
            r#"{"code":"gone"}"#,
            "<ns1:Missing404><ns1:code>gone</ns1:code></ns1:Missing404>",
            "Sender",
        ),
        (
            404,
            "application/json",
            r#"{"kode":"gone"}"#,
            "<ns1:ProblemDetails><ns1:status>404</ns1:status>",
            "Sender",
        ),
        (
            409,
            "application/problem+json",
            r#"{"title":"No","detail":"not <so>","type":"urn:x"}"#,
            "<ns1:title>No</ns1:title><ns1:detail>not &lt;so></ns1:detail>",
            "Sender",
        ),
        (
            503,
            "text/html",
            "<h1>broken</h1>",
            "<ns1:body>&lt;h1>broken&lt;/h1></ns1:body>",
            "Receiver",
        ),
        (
            302,
            "application/octet-stream",
            "\u{1}",
            "<ns1:status>302</ns1:status></ns1:ProblemDetails>",
            "Receiver",
        ),
    ];
    for (status, media, body, detail, blame) in cases {
        let upstream = Upstream::handle(move |_| answer(status, media, body));
        let gateway = orders(&upstream);
        let old = call(&gateway, "<getOrder><id>7</id></getOrder>");
        let plain = |answer: &Response| {
            let text = answer.text().replace("&gt;", ">");
            text.replace(&format!(" xmlns:ns1=\"{NS}\""), "")
        };
        let text = plain(&old);
        assert_eq!(old.status, 500, "{text}");
        assert!(text.contains(detail), "{text}");
        let who = if blame == "Sender" { "Client" } else { "Server" };
        assert!(text.contains(&format!("<faultcode>soap:{who}</faultcode>")), "{text}");
        let envelope = format!(
            "<s:Envelope xmlns:s=\"{V12}\"><s:Body><getOrder xmlns=\"{NS}\"><id>7</id></getOrder></s:Body></s:Envelope>"
        );
        let new = send(&gateway, "application/soap+xml", "", &envelope);
        assert_eq!(new.status, if blame == "Sender" { 400 } else { 500 }, "{}", new.text());
        assert_eq!(new.get("content-type"), Some("application/soap+xml; charset=utf-8"));
        assert!(
            new.text().contains(&format!("<soap:Value>soap:{blame}</soap:Value>")),
            "{}",
            new.text()
        );
        assert!(plain(&new).contains(detail), "{}", new.text());
    }
}

#[test]
fn an_answer_that_is_not_what_the_contract_says_is_a_fault_that_says_where() {
    let deep = "[".repeat(70) + &"]".repeat(70);
    let deep = format!("{{\"total\":1,\"line\":{deep}}}");
    let cases = [
        ("application/json", r#"{"line":[]}"#.to_owned(), "at /body (json.missing)"),
        (
            "application/json",
            r#"{"total":"x"}"#.to_owned(),
            "at /total: a string stands where a number is due",
        ),
        ("application/json", r#"{"total":1,"total":2}"#.to_owned(), "second time"),
        (
            "application/json",
            r#"{"total":1,"line":"a"}"#.to_owned(),
            "at /line: a string stands where an array is due",
        ),
        (
            "application/json",
            r#"{"total":1,"line":["\u0001"]}"#.to_owned(),
            "not what its contract says at",
        ),
        ("application/json", r#"{"total":1"#.to_owned(), "the end of the document"),
        ("application/json", deep, "levels deep"),
        ("application/json", String::new(), "it has no body"),
        ("text/html", "<p>".to_owned(), "text/html"),
    ];
    for (media, body, why) in cases {
        let said = body.clone();
        let upstream = Upstream::handle(move |_| answer(200, media, &said));
        let gateway = orders(&upstream);
        let fault = call(&gateway, "<getOrder><id>7</id></getOrder>");
        let text = fault.text();
        assert_eq!(fault.status, 500, "{body}: {text}");
        assert!(text.contains("GW0036") && text.contains(why), "{body}: {text}");
        let line = &gateway.access_lines(1)[0];
        assert_eq!(line["problem"], "service_broken", "{line}");
    }
    // Digits are digits, however many.
    let upstream = json(r#"{"total":123456789012345678901234567890.123456789}"#);
    let text = call(&orders(&upstream), "<getOrder><id>7</id></getOrder>").text();
    assert!(
        text.contains("<ns1:total>123456789012345678901234567890.123456789</ns1:total>"),
        "{text}"
    );
}

/// Nothing in a value can be read as more than a value.
#[test]
fn t50_a_value_stays_in_its_place_whatever_it_holds() {
    let upstream = json(r#"{"total":1}"#);
    let gateway = orders(&upstream);
    let good = [
        ("<id>a?b#c&amp;d%2F</id>", "GET /orders/a%3Fb%23c%26d%252F"),
        ("<id>\u{e9} ;</id>", "GET /orders/%C3%A9%20%3B"),
        ("<id>...</id>", "GET /orders/..."),
        ("<id>7</id><state>&amp;admin=1</state>", "GET /orders/7?state=%26admin%3D1"),
    ];
    for (number, (parts, wanted)) in good.iter().enumerate() {
        let answer = call(&gateway, &format!("<getOrder>{parts}</getOrder>"));
        assert_eq!(answer.status, 200, "{parts}: {}", answer.text());
        assert_eq!(target(&upstream.requests()[number]), *wanted);
    }
    let bad = [
        "<id></id>",
        "<id>.</id>",
        "<id>..</id>",
        "<id>../admin</id>",
        "<id>a/scan</id>",
        "<id>a\\b</id>",
        "<id>7</id><X-Tenant>a&#13;&#10;X-Admin: 1</X-Tenant>",
        "<id>7</id><X-Tenant> a</X-Tenant>",
        "<id>7</id><unknown>1</unknown>",
        "<state>no id</state>",
        "<id>7</id></getOrder><getOrder><id>8</id>",
    ];
    for parts in bad {
        let answer = call(&gateway, &format!("<getOrder>{parts}</getOrder>"));
        assert_eq!(answer.status, 500, "{parts}");
        let text = answer.text();
        assert!(
            text.contains("soap:Client") && (text.contains("GW0034") || text.contains("GW0031")),
            "{parts}: {text}"
        );
    }
    assert_eq!(upstream.requests().len(), good.len());
}

/// What the contract describes comes from the message; what HTTP says beside it is dropped, and cannot have it dropped.
#[test]
fn t06_a_field_that_the_contract_describes_comes_from_the_message_alone() {
    let upstream = json(r#"{"total":1}"#);
    let gateway = orders(&upstream);
    let fields = "X-Tenant: other\r\nX-Else: kept\r\nConnection: X-Tenant\r\nAccept: text/html\r\nIf-Match: x\r\n";
    let answer =
        call_with(&gateway, fields, "", "<getOrder><id>7</id><X-Tenant>acme</X-Tenant></getOrder>");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let request = upstream.only_request();
    assert_eq!(request.fields.all("x-tenant"), ["acme"]);
    assert_eq!((request.get("x-else"), request.get("if-match")), (Some("kept"), None));
}

#[test]
fn a_block_that_has_to_be_understood_and_is_not_ends_the_call() {
    let upstream = json(r#"{"total":1}"#);
    let gateway = orders(&upstream);
    let block = |namespace: &str, name: &str| {
        format!(
            "<s:Header><x:{name} xmlns:x=\"{namespace}\" s:mustUnderstand=\"1\">{NS}#getOrder</x:{name}></s:Header>"
        )
    };
    let order = "<getOrder><id>7</id></getOrder>";
    let refused = call_with(&gateway, "", &block("urn:elsewhere", "Token"), order);
    assert!(
        refused.text().contains("<faultcode>soap:MustUnderstand</faultcode>"),
        "{}",
        refused.text()
    );
    assert!(refused.text().contains("GW0080"), "{}", refused.text());
    let addressed = block("http://www.w3.org/2005/08/addressing", "Action");
    let answer = call_with(&gateway, "", &addressed, order);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn bytes_come_beside_the_envelope_or_in_it_and_go_as_they_are() {
    let upstream = Upstream::handle(|request| match request.method.as_str() {
        "PUT" => b"HTTP/1.1 204 Done\r\n\r\n".to_vec(),
        _ if request.target.contains('8') => answer(200, "image/png", [7; 2_000]),
        _ => answer(200, "image/png", b"\x89PNG\x00\xff"),
    });
    let gateway = orders(&upstream);
    let inline = call(&gateway, "<putScan><id>7</id><body>iVBO\n RwD/</body></putScan>");
    assert_eq!(inline.status, 200, "{}", inline.text());
    let parts = format!(
        "--b\r\nContent-Type: application/xop+xml; type=\"text/xml\"\r\nContent-ID: <root>\r\n\r\n\
         <s:Envelope xmlns:s=\"{V11}\"><s:Body><putScan xmlns=\"{NS}\"><id>8</id><body><xop:Include xmlns:xop=\"http://www.w3.org/2004/08/xop/include\" href=\"cid:scan\"/></body></putScan></s:Body></s:Envelope>\r\n\
         --b\r\nContent-Type: image/png\r\nContent-ID: <scan>\r\n\r\nbytes, as they are\r\n--b--\r\n"
    );
    let media = "multipart/related; boundary=b; type=\"application/xop+xml\"; start=\"<root>\"; start-info=\"text/xml\"";
    let beside = send(&gateway, media, "", &parts);
    assert_eq!(beside.status, 200, "{}", beside.text());
    // Who sends parts gets parts, where there are enough bytes for one.
    let asked = parts.replace("<putScan", "<getScan").replace("</putScan>", "</getScan>");
    let at = asked.find("<body><xop").unwrap();
    let to = asked.find("</body>").unwrap() + "</body>".len();
    let asked = asked[..at].to_owned()
        + &asked[to..].replace(
            "--b\r\nContent-Type: image/png\r\nContent-ID: <scan>\r\n\r\nbytes, as they are\r\n",
            "",
        );
    let large = send(&gateway, media, "", &asked);
    assert_eq!(large.status, 200, "{}", large.text());
    assert!(
        large.get("content-type").unwrap().starts_with("multipart/related"),
        "{}",
        large.brief()
    );
    assert!(
        large.text().contains("xop:Include") || large.text().contains("Include"),
        "{}",
        large.brief()
    );
    assert!(large.body.windows(2_000).any(|bytes| bytes == [7; 2_000]), "{}", large.brief());
    let got = call(&gateway, "<getScan><id>7</id></getScan>");
    assert!(got.text().contains("<ns1:body>iVBORwD/</ns1:body>"), "{}", got.text());
    let requests = upstream.requests();
    assert_eq!(requests[0].body, b"\x89PNG\x00\xff");
    assert_eq!(requests[1].body, b"bytes, as they are");
    assert_eq!(requests[1].get("content-type"), Some("image/png"));
}

#[test]
fn the_size_of_a_message_is_bounded_both_ways() {
    let upstream = Upstream::handle(|_| {
        let line = "x".repeat(3_000);
        answer(200, "application/json", format!("{{\"total\":1,\"line\":[\"{line}\"]}}"))
    });
    let gateway = orders_with(&upstream, "body_bytes: 2000");
    let large = call(&gateway, "<getOrder><id>7</id></getOrder>");
    assert!(large.text().contains("GW0036"), "{}", large.text());
    let long = "y".repeat(3_000);
    let refused = call(&gateway, &format!("<getOrder><id>{long}</id></getOrder>"));
    assert!(refused.text().contains("GW0013"), "{}", refused.text());
    assert_eq!(upstream.requests().len(), 1);
}

/// The page's blocks, in its order: the document, the configuration, a message, what the service gets and answers, the answer.
#[test]
fn the_guide_shows_what_happens() {
    let page = include_str!("../../../../docs/guide/rest-as-soap.md");
    let blocks = |kind: &str| -> Vec<String> {
        let fence = format!("```{kind}\n");
        let parts = page.split(&fence).skip(1);
        parts.filter_map(|rest| Some(rest.split_once("\n```")?.0.to_owned())).collect()
    };
    let (yaml, xml, http) = (blocks("yaml"), blocks("xml"), blocks("http"));
    let (asked, told) = http[0].split_once("\n\n").unwrap();
    let told = told.to_owned();
    let upstream = Upstream::handle(move |_| answer(200, "application/json", &told));
    let config = yaml[1].replace("http://10.1.0.9:7000", &upstream.url());
    let apis = config.split_once("apis:\n").unwrap().1;
    let gateway = gateway()
        .file("orders.openapi.yaml", &yaml[0])
        .config(format!(
            "version: 1\nlisten: {{ gateway: 127.0.0.1:0, console: 127.0.0.1:0 }}\napis:\n{apis}\n"
        ))
        .start();
    let sent = gateway.connect().ask(format!(
        "POST /orders/v1/soap HTTP/1.1\r\nHost: test\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n{}",
        xml[0].len(),
        xml[0]
    ));
    let bare = |text: &str| text.lines().map(str::trim).collect::<String>();
    assert_eq!(bare(&sent.text()), bare(&xml[1]));
    assert_eq!(target(&upstream.only_request()), asked);
    let wsdl = gateway.get("/orders/v1/soap?wsdl").text();
    for line in xml[2].lines() {
        assert!(wsdl.contains(line.trim()), "{line} is not in {wsdl}");
    }
}
