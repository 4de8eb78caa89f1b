//! The REST face of a SOAP service: JSON in, JSON out, a service behind that knows neither.

use std::time::Duration;

use pasarela_testkit::{Gateway, H2Client, Response, Upstream, seconds};

use crate::gateway;

const V11: &str = "http://schemas.xmlsoap.org/soap/envelope/";

const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:orders" targetNamespace="urn:orders" name="Orders"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <import namespace="urn:orders" location="port.wsdl"/>
  <binding name="Orders" type="t:Orders">
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="GetOrder"><soap:operation soapAction="urn:get"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output>
      <fault name="UnknownOrder"><soap:fault name="UnknownOrder" use="literal"/></fault></operation>
    <operation name="Tell"><soap:operation soapAction="urn:tell"/><input><soap:body use="literal"/></input></operation>
    <operation name="Secret"><soap:operation soapAction="urn:secret"/><input><soap:body use="literal"/></input></operation>
  </binding>
  <service name="Orders"><port name="Orders" binding="t:Orders"><soap:address location="http://10.0.0.1/"/></port></service>
</definitions>"#;

const PORT: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:orders" targetNamespace="urn:orders"
  xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema targetNamespace="urn:orders" elementFormDefault="qualified"><xs:include schemaLocation="orders.xsd"/></xs:schema></types>
  <message name="GetOrder"><part name="body" element="t:GetOrder"/></message>
  <message name="Order"><part name="body" element="t:Order"/></message>
  <message name="Unknown"><part name="detail" element="t:Unknown"/></message>
  <message name="Note"><part name="body" element="t:Note"/></message>
  <message name="Secret"><part name="body" element="t:Secret"/></message>
  <portType name="Orders">
    <operation name="GetOrder"><input message="t:GetOrder"/><output message="t:Order"/><fault name="UnknownOrder" message="t:Unknown"/></operation>
    <operation name="Tell"><input message="t:Note"/></operation>
    <operation name="Secret"><input message="t:Secret"/></operation>
  </portType>
</definitions>"#;

const TYPES: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:orders" elementFormDefault="qualified">
  <xs:element name="GetOrder"><xs:complexType><xs:sequence>
    <xs:element name="id" type="xs:int"/><xs:element name="state" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="Order"><xs:complexType><xs:sequence>
    <xs:element name="total" type="xs:decimal"/><xs:element name="line" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="Unknown"><xs:complexType><xs:sequence><xs:element name="id" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
  <xs:element name="Note" type="xs:string"/><xs:element name="Secret" type="xs:string"/>
</xs:schema>"#;

const MAPPING: &str = "version: 1
operations:
  GetOrder:
    method: get
    path: /orders/{id}
    parameters: { state: { in: query } }
    faults: { UnknownOrder: 404 }
  Secret: { hidden: true }
";

fn orders_with(upstream: &Upstream, more: &str) -> Gateway {
    gateway()
        .file("orders.wsdl", WSDL)
        .file("port.wsdl", PORT)
        .file("orders.xsd", TYPES)
        .file("orders.map.yaml", MAPPING)
        .api_with("o", &[&upstream.url()], &{
            let rest =
                if more.contains("rest:") { "" } else { "rest: { mapping: orders.map.yaml }\n" };
            format!("contract: orders.wsdl\n{rest}{more}")
        })
        .start()
}

fn orders(upstream: &Upstream) -> Gateway {
    orders_with(upstream, "")
}

/// A whole answer.
fn answer(status: u16, fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Some\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn envelope(body: &str) -> String {
    format!("<s:Envelope xmlns:s=\"{V11}\"><s:Body>{body}</s:Body></s:Envelope>")
}

fn order(inner: &str) -> String {
    envelope(&format!("<Order xmlns=\"urn:orders\"><total>10.10</total>{inner}</Order>"))
}

fn soap(status: u16, body: &str) -> Vec<u8> {
    answer(status, "Content-Type: text/xml; charset=utf-8\r\nETag: \"x\"\r\nX-Own: kept\r\n", body)
}

fn post(gateway: &Gateway, path: &str, fields: &str, body: &str) -> Response {
    gateway.connect().ask(format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn json_goes_in_and_json_comes_out() {
    let upstream = Upstream::handle(|_| soap(200, &order("<line>a</line>")));
    let gateway = orders_with(&upstream, "rest: { numbers: auto }");
    let answer = post(&gateway, "/o/GetOrder", JSON, r#"{"state":["x"],"id":7}"#);
    assert_eq!(answer.status, 200, "{}", answer.brief());
    assert_eq!(answer.text(), r#"{"total":"10.10","line":["a"]}"#);
    assert_eq!(answer.get("content-type"), Some("application/json"));
    assert_eq!(answer.get("x-own"), Some("kept"));
    assert_eq!(answer.get("etag"), None);
    let request = &upstream.requests()[0];
    let text = request.text();
    assert!(text.contains("text/xml; charset=utf-8"), "{text}");
    assert!(text.contains("\"urn:get\""), "{text}");
    let line = &gateway.access_lines(1)[0];
    assert_eq!((&line["operation"], &line["status"]), (&"GetOrder".into(), &200.into()), "{line}");
    assert_eq!(line["method"], "POST");
}

/// Who calls and how often is asked before anything is turned into anything; what the answer's policies say is on what the
/// caller gets, not on what the service said.
#[test]
fn policies_act_on_the_call_as_it_came_and_on_the_answer_as_it_goes() {
    let upstream = Upstream::handle(|_| soap(200, &order("")));
    let gateway = gateway()
        .file("orders.wsdl", WSDL)
        .file("port.wsdl", PORT)
        .file("orders.xsd", TYPES)
        .file("orders.map.yaml", MAPPING)
        .file("key", "open-sesame")
        .top("plans: [{ name: two, rate: 2/h burst 2 }]\napplications:\n  - name: acme\n    keys: [{ file: key }]\n    subscriptions: [{ api: o, plan: two }]\n")
        .api_with("o", &[&upstream.url()], "contract: orders.wsdl\nrest: { mapping: orders.map.yaml }\nplans: [two]")
        .start();
    let ask = |path: &str, fields: &str| {
        gateway.connect().ask(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"))
    };
    let key = "X-API-Key: open-sesame\r\n";
    ask("/o/orders/no-number", "").assert_problem(401, "GW0004");
    // A call is counted when it is admitted, whatever becomes of it.
    let wrong = ask("/o/orders/no-number", key);
    wrong.assert_problem(400, "GW0034");
    let good = ask("/o/orders/7", key);
    assert_eq!((good.status, good.text().as_str()), (200, r#"{"total":"10.10"}"#));
    for answer in [&wrong, &good] {
        let limit = answer.get("ratelimit").unwrap_or_default();
        assert!(limit.contains("two"), "{}", answer.brief());
    }
    ask("/o/orders/no-number", key).assert_problem(429, "GW0007");
    let requests = upstream.requests();
    assert_eq!(requests.len(), 1, "what is refused costs the service nothing");
    assert_eq!(requests[0].get("x-api-key"), None);
    let lines = gateway.access_lines(4);
    // Each worker writes its own lines, so their order says nothing.
    let mut statuses: Vec<_> = lines.iter().filter_map(|line| line["status"].as_u64()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 401, 429]);
}

/// T31: whichever face a call comes by, it counts on one counter, its operation's and its quota's too.
#[test]
fn t31_all_faces_count_on_the_same_rate_and_quota() {
    let upstream = Upstream::handle(|_| soap(200, &order("")));
    let gateway = gateway()
        .file("orders.wsdl", WSDL)
        .file("port.wsdl", PORT)
        .file("orders.xsd", TYPES)
        .file("orders.map.yaml", MAPPING)
        .file("key", "open-sesame")
        .top(
            "plans: [{ name: two, quota: 4/month, operations: { GetOrder: 1/h burst 3 } }]\napplications:\n  - name: acme\n    \
             keys: [{ file: key }]\n    subscriptions: [{ api: o, plan: two }]\n",
        )
        .api_with(
            "o",
            &[&upstream.url()],
            "contract: orders.wsdl\nrest: { mapping: orders.map.yaml }\nplans: [two]",
        )
        .start();
    let key = "X-API-Key: open-sesame\r\n";
    let by_rest =
        || gateway.connect().ask(format!("GET /o/orders/7 HTTP/1.1\r\nHost: test\r\n{key}\r\n"));
    let by_soap = |body: &str| {
        let fields = format!("{key}Content-Type: text/xml\r\n");
        post(&gateway, "/o/soap", &fields, &envelope(body))
    };
    let get = "<GetOrder xmlns=\"urn:orders\"><id>7</id></GetOrder>";
    assert_eq!(by_rest().status, 200);
    let answer = by_soap(get);
    assert_eq!(answer.status, 200, "{}", answer.brief());
    let limit = answer.get("ratelimit").unwrap_or_default();
    assert!(
        limit.contains("\"two-GetOrder\";r=1") && limit.contains("\"two-month\";r=2"),
        "{limit}"
    );
    assert_eq!(by_rest().status, 200);
    let refused = by_soap(get);
    assert!(refused.text().contains("GW0007"), "{}", refused.brief());
    by_rest().assert_problem(429, "GW0007");
    // What the operation refused did not cost the quota: one call is left for another one.
    let secret = "<Secret xmlns=\"urn:orders\">x</Secret>";
    assert_eq!(by_soap(secret).status, 200);
    let refused = by_soap(secret);
    assert!(refused.text().contains("GW0029"), "{}", refused.brief());
}

#[test]
fn a_mapped_operation_has_its_path_verb_and_parameters() {
    let upstream = Upstream::handle(|_| soap(200, &order("")));
    let gateway = orders(&upstream);
    let mut client = gateway.connect();
    let answer = client.get("/o/orders/7?state=a&state=b%20c");
    assert_eq!((answer.status, answer.text()), (200, r#"{"total":"10.10"}"#.to_owned()));
    let sent = String::from_utf8(upstream.requests()[0].body.clone()).unwrap();
    assert!(sent.contains(">7<") && sent.contains(">b c<"), "{sent}");
    assert_eq!(upstream.requests()[0].method, "POST");
    assert!(!upstream.requests()[0].target.contains("state"), "{}", upstream.requests()[0].target);
    let head = client.ask("HEAD /o/orders/7 HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!((head.status, head.body.len()), (200, 0), "{}", head.brief());
    let wrong = client.get("/o/orders/seven").assert_problem(400, "GW0034");
    assert_eq!(wrong["pointer"], "/id", "{wrong}");
    client.get("/o/orders/7?other=1").assert_problem(400, "GW0034");
    let method = client.ask("DELETE /o/orders/7 HTTP/1.1\r\nHost: test\r\n\r\n");
    method.assert_problem(405, "GW0003");
    assert_eq!(method.get("allow"), Some("GET, HEAD"));
    post(&gateway, "/o/Secret", JSON, "{}").assert_problem(404, "GW0002");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn what_the_contract_does_not_allow_never_reaches_the_service() {
    let upstream = Upstream::ok("");
    let gateway = orders(&upstream);
    let problem = |fields: &str, body: &str, status, code| {
        post(&gateway, "/o/Tell", fields, body).assert_problem(status, code)
    };
    let unknown = problem(JSON, r#"{"$value":"x","more":1}"#, 400, "GW0034");
    assert_eq!(unknown["pointer"], "/more", "{unknown}");
    for body in ["", "{", "[]", "{}", r#"{"$value":1}"#, "{\"$value\":\"\\u0000\"}"] {
        problem(JSON, body, 400, "GW0034");
    }
    problem("Content-Type: text/plain\r\n", "x", 415, "GW0030");
    problem("", "{}", 415, "GW0030");
    problem(&format!("{JSON}Content-Encoding: gzip\r\n"), "x", 415, "GW0030");
    problem(
        "Content-Type: application/xml\r\n",
        "<!DOCTYPE Note><Note xmlns=\"urn:orders\"/>",
        400,
        "GW0034",
    );
    let picky = gateway
        .connect()
        .ask("GET /o/orders/7 HTTP/1.1\r\nHost: test\r\nAccept: image/png\r\n\r\n");
    picky.assert_problem(406, "GW0035");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_fault_is_a_problem_whatever_its_status() {
    let fault = |code: &str, detail: &str| {
        envelope(&format!(
            "<s:Fault><faultcode>s:{code}</faultcode><faultstring>no such order</faultstring><detail>{detail}</detail></s:Fault>"
        ))
    };
    let unknown = "<u:Unknown xmlns:u=\"urn:orders\"><u:id>7</u:id></u:Unknown>";
    for (upstream_status, code, detail, status, title) in [
        (500, "Client", unknown, 404, "UnknownOrder"),
        (200, "Server", unknown, 404, "UnknownOrder"),
        (500, "Client", "", 400, "The service answered with a fault"),
        (200, "Server", "<x/>", 500, "The service answered with a fault"),
        (500, "MustUnderstand", "", 502, "The service answered with a fault"),
    ] {
        let body = fault(code, detail);
        let upstream = Upstream::handle(move |_| soap(upstream_status, &body));
        for (more, masked) in
            [("", false), ("rest: { mapping: orders.map.yaml, mask_faults: true }", true)]
        {
            let gateway = match masked {
                true => orders_with(&upstream, more),
                false => orders(&upstream),
            };
            let problem = gateway.connect().get("/o/orders/7").assert_problem(status, "GW0037");
            assert_eq!(problem["title"], title, "{problem}");
            assert_eq!(problem["detail"] == "no such order", !masked, "{problem}");
            if title == "UnknownOrder" {
                assert_eq!(problem["details"]["Unknown"]["id"], 7, "{problem}");
                assert_eq!(problem["type"], "urn:pasarela:fault:o:v1:GetOrder:UnknownOrder");
            }
            let line = &gateway.access_lines(1)[0];
            assert_eq!(line["status"], status);
            assert_eq!(line["problem"], "service_fault", "{line}");
        }
    }
}

#[test]
fn a_service_that_sends_a_byte_at_a_time_is_understood() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        for byte in order("<line>a&amp;\u{1F600}</line>").bytes() {
            conn.write([b"1\r\n", &[byte][..], b"\r\n"].concat())?;
        }
        conn.write("0\r\n\r\n")
    });
    let gateway = orders(&upstream);
    let answer = gateway.connect().get("/o/orders/7");
    let expected = "{\"total\":\"10.10\",\"line\":[\"a&\u{1F600}\"]}";
    assert_eq!((answer.status, answer.text().as_str()), (200, expected));
}

#[test]
fn a_caller_that_leaves_takes_its_call_along() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        let start = format!(
            "<s:Envelope xmlns:s=\"{V11}\"><s:Body><Order xmlns=\"urn:orders\"><total>1</total>"
        );
        conn.write(format!("{:x}\r\n{start}\r\n", start.len()))?;
        let lines = "<line>0123456789</line>".repeat(700);
        loop {
            conn.write(format!("{:x}\r\n{lines}\r\n", lines.len()))?;
        }
    });
    let gateway = orders(&upstream);
    let mut client = gateway.connect();
    client.send("GET /o/orders/7 HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.head("GET").status, 200);
    client.abort();
    let line = &gateway.access_lines(1)[0];
    assert_eq!(line["aborted"], true, "{line}");
    assert!(pasarela_testkit::eventually(seconds(5), || upstream.open() == 0));
}

#[test]
fn what_asks_for_no_answer_is_accepted() {
    for bytes in [
        answer(202, "", ""),
        b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        answer(200, "Content-Type: text/plain\r\n", ""),
        soap(200, &envelope("")),
    ] {
        let upstream = Upstream::answer(bytes);
        let gateway = orders(&upstream);
        let told = post(&gateway, "/o/Tell", JSON, r#"{"$value":"hello"}"#);
        assert_eq!((told.status, told.body.len()), (202, 0), "{}", told.brief());
    }
}

#[test]
fn an_answer_that_is_none_is_a_bad_gateway() {
    let good = order("");
    for bytes in [
        answer(200, "Content-Type: text/html\r\n", "<html></html>"),
        answer(200, "Content-Type: text/xml\r\nContent-Encoding: gzip\r\n", &good),
        soap(200, ""),
        soap(200, &good[..good.len() - 1]),
        soap(200, &good[..good.len() - 30]),
        soap(200, &good.replace("urn:orders", "urn:other")),
        soap(200, &good.replace("10.10", "ten")),
        soap(200, &format!("<!DOCTYPE x [<!ENTITY e \"e\">]>{good}")),
        soap(200, &good.replace("10.10", "&e;")),
        soap(200, &format!("{good}<more/>")),
        answer(503, "Content-Type: text/plain\r\n", "later"),
    ] {
        let upstream = Upstream::answer(bytes.clone());
        let gateway = orders(&upstream);
        let mut client = gateway.connect();
        let refused = client.get("/o/orders/7");
        assert_eq!(refused.status, 502, "{}: {}", String::from_utf8_lossy(&bytes), refused.brief());
        refused.assert_problem(502, "GW0036");
        assert!(!refused.text().contains("127.0.0.1"));
        // The caller's connection is in step, and the log tells what the caller was told.
        assert_eq!(client.get("/o/nothing").status, 404);
        assert_eq!(gateway.access_lines(1)[0]["status"], 502);
    }
}

#[test]
fn xml_is_answered_to_whoever_likes_it_better() {
    let upstream = Upstream::handle(|_| soap(200, &order("")));
    let gateway = orders(&upstream);
    let ask = |accept: &str| {
        gateway
            .connect()
            .ask(format!("GET /o/orders/7 HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\n\r\n"))
    };
    for accept in ["application/xml", "text/xml;q=0.9, application/json;q=0.8"] {
        let answer = ask(accept);
        assert_eq!(answer.get("content-type"), Some("application/xml; charset=utf-8"));
        assert_eq!(
            answer.text(),
            "<Order xmlns=\"urn:orders\" xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><total>10.10</total></Order>"
        );
        assert!(answer.get("vary").is_some_and(|vary| vary.contains("Accept")));
    }
    for accept in ["*/*", "application/json, application/xml"] {
        assert_eq!(ask(accept).get("content-type"), Some("application/json"), "{accept}");
    }
    let note = "<n:Note xmlns:n=\"urn:orders\">a&lt;b</n:Note>";
    post(&gateway, "/o/Tell", "Content-Type: application/xml\r\n", note);
    let sent = String::from_utf8(upstream.await_requests(5)[4].body.clone()).unwrap();
    assert!(sent.contains(&format!("<soap:Body>{note}</soap:Body>")), "{sent}");
}

#[test]
fn a_long_answer_streams_and_one_that_breaks_is_broken_off() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        let mut piece = |text: &str| conn.write(format!("{:x}\r\n{text}\r\n", text.len()));
        piece(&format!(
            "<s:Envelope xmlns:s=\"{V11}\"><s:Body><Order xmlns=\"urn:orders\"><total>1</total>"
        ))?;
        let lines = "<line>0123456789</line>".repeat(700);
        for _ in 0..1_000 {
            piece(&lines)?;
        }
        piece("</Order></s:Body></s:Envelope>")?;
        conn.write("0\r\n\r\n")?;
        conn.request()?;
        conn.write(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        let mut piece = |text: &str| conn.write(format!("{:x}\r\n{text}\r\n", text.len()));
        piece(&format!(
            "<s:Envelope xmlns:s=\"{V11}\"><s:Body><Order xmlns=\"urn:orders\"><total>1</total>"
        ))?;
        for _ in 0..20 {
            piece(&lines)?;
        }
        piece("<line></wrong>")?;
        conn.write("0\r\n\r\n")
    });
    let gateway = orders(&upstream);
    let before = gateway.rss();
    let mut client = gateway.connect();
    client.patience(Duration::from_secs(30));
    let answer = client.get("/o/orders/7");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.length, (r#"{"total":"1","line":["#.len() + 700_000 * 13 - 1 + 2) as u64);
    let grown = gateway.rss().saturating_sub(before);
    assert!(grown <= 16 << 20, "16 MB of XML cost {grown} bytes");
    client.send("GET /o/orders/7 HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(client.try_response("GET").is_err(), "an answer that is not whole must not look so");
}

#[test]
fn a_call_is_sent_again_only_where_the_owner_says_that_it_changes_nothing() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        // Every other connection ends where its answer would begin.
        if conn_number().is_multiple_of(2) {
            return Ok(());
        }
        conn.write(soap(200, &order("")))
    });
    let gateway = orders(&upstream);
    assert_eq!(gateway.connect().get("/o/orders/7").status, 200);
    assert_eq!(upstream.requests().len(), 2, "GET is sent again");
    post(&gateway, "/o/Tell", JSON, r#"{"$value":"x"}"#).assert_problem(502, "GW0023");
    assert_eq!(upstream.requests().len(), 3, "POST is not");
}

/// Counts the connections of the test above.
fn conn_number() -> usize {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
}

#[test]
fn everything_that_describes_the_service_is_loaded_from_us() {
    let upstream = Upstream::ok("");
    let gateway = orders(&upstream);
    let mut client = gateway.connect();
    let openapi = client.get("/o/openapi.json");
    let document = openapi.json();
    assert_eq!(document["openapi"], "3.1.0", "{}", openapi.brief());
    assert!(document["paths"]["/orders/{id}"]["get"].is_object(), "{document}");
    assert_eq!(document["servers"][0]["url"], "http://test/o");
    assert!(document["paths"]["/Secret"].is_null());
    let wsdl = client.get("/o/soap?wsdl").text();
    assert!(
        wsdl.contains("http://test/o/soap?wsdl=port.wsdl") && !wsdl.contains("10.0.0.1"),
        "{wsdl}"
    );
    let port = client.get("/o/soap?wsdl=port.wsdl").text();
    assert!(port.contains("http://test/o/soap?xsd=orders.xsd"), "{port}");
    assert!(client.get("/o/soap?xsd=orders.xsd").text().contains("xs:element"));
    client.get("/o/soap?xsd=other.xsd").assert_problem(404, "GW0002");
    let hidden = orders_with(&upstream, "visibility: private");
    for page in ["openapi.json", "soap?wsdl", "soap?xsd=orders.xsd"] {
        hidden.connect().get(&format!("/o/{page}")).assert_problem(404, "GW0001");
    }
}

#[test]
fn t03_a_call_of_this_face_is_never_a_tunnel() {
    let upstream = Upstream::handle(|_| soap(200, &order("")));
    let gateway = orders_with(&upstream, "upgrade: true");
    let answer = gateway.connect().ask(
        "GET /o/orders/7 HTTP/1.1\r\nHost: test\r\nConnection: upgrade, x-mine\r\nUpgrade: websocket\r\nX-Mine: 1\r\nX-Other: 2\r\n\r\n",
    );
    assert_eq!((answer.status, answer.text()), (200, r#"{"total":"10.10"}"#.to_owned()));
    let request = &upstream.requests()[0];
    assert_eq!(request.get("upgrade"), None);
    assert_eq!((request.get("x-mine"), request.get("x-other")), (None, Some("2")));
}

#[test]
fn callers_over_http2_are_answered_too() {
    let upstream = Upstream::handle(|_| soap(200, &order("<line>x</line>")));
    let gateway = orders(&upstream);
    let mut h2 = gateway.connect_h2();
    let outcome = h2.get("/o/orders/7");
    assert_eq!(
        (outcome.status, outcome.text().as_str()),
        (200, r#"{"total":"10.10","line":["x"]}"#)
    );
    let stream = h2.next_stream();
    let block = H2Client::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", "/o/Tell"),
        ("content-type", "application/json"),
    ]);
    h2.headers(stream, &block, false).expect("a request");
    h2.data(stream, br#"{"$value":"#, false).expect("a piece");
    h2.data(stream, b"\"x\"}", true).expect("the end");
    assert_eq!(h2.outcome(stream, seconds(5)).status, 202, "what it answers is nobody's affair");
}

#[test]
fn a_service_that_is_late_is_told_as_such() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.pause(Duration::from_secs(3));
        Ok(())
    });
    let gateway =
        orders_with(&upstream, "timeouts: { first_byte: 200ms }\nretries: { attempts: 0 }");
    gateway.connect().get("/o/orders/7").assert_problem(504, "GW0024");
}

#[test]
fn l12_a_body_has_a_bound_on_this_face_too() {
    let upstream = Upstream::ok("");
    let gateway = orders_with(&upstream, "body_bytes: 1000");
    let body = format!(r#"{{"$value":"{}"}}"#, "x".repeat(2_000));
    post(&gateway, "/o/Tell", JSON, &body).assert_problem(413, "GW0013");
    assert_eq!(upstream.requests().len(), 0);
}
