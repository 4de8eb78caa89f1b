//! What is fetched and what is not, with real servers on loopback behind a network that is made up: names lead where a
//! test says, and every address is one of those servers.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fs,
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use pasarela_model::RestFace;
use pasarela_testkit::{Authority, Identity, Upstream};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::{
    Allowed, Beside, BringError, Bundle, LOCK_FILE, Lock, Rules, Url, document, get::Network,
    source::from_url,
};

const PUBLIC: &str = "93.184.216.34";
const OTHER_PUBLIC: &str = "93.184.216.99";
const PRIVATE: &str = "10.0.0.5";

/// Names and addresses of a test.
#[derive(Default)]
struct Made {
    names: HashMap<String, Vec<IpAddr>>,
    servers: HashMap<IpAddr, SocketAddr>,
    dialed: RefCell<Vec<IpAddr>>,
    lookups: Cell<usize>,
    /// What every name leads to from the second look on.
    later: Option<IpAddr>,
    /// Who answers at port 443, wherever.
    secure: Option<SocketAddr>,
}

impl Made {
    fn name(mut self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.names.insert(name.to_owned(), addresses);
        self
    }

    fn server(mut self, address: &str, server: &Upstream) -> Self {
        self.servers.insert(address.parse().unwrap(), server.address());
        self
    }

    fn bring(&self, url: &str, allowed: &[&str]) -> Result<Bundle, Vec<String>> {
        let allow_hosts: Vec<Allowed> = allowed.iter().filter_map(|a| a.parse().ok()).collect();
        let rules = Rules { allow_hosts, ca_pem: None };
        from_url(&Url::parse(url).unwrap(), &rules, self).map_err(told)
    }

    fn dialed(&self, address: &str) -> bool {
        self.dialed.borrow().contains(&address.parse().unwrap())
    }
}

impl Network for Made {
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.lookups.set(self.lookups.get() + 1);
        if let Some(later) = self.later.filter(|_| self.lookups.get() > 1) {
            return Ok(vec![later]);
        }
        self.names.get(host).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn dial(&self, address: SocketAddr, time: Duration) -> io::Result<TcpStream> {
        self.dialed.borrow_mut().push(address.ip());
        let secure = self.secure.as_ref().filter(|_| address.port() == 443);
        let server = secure.or_else(|| self.servers.get(&address.ip()));
        let server = server.ok_or(io::ErrorKind::ConnectionRefused)?;
        TcpStream::connect_timeout(server, time)
    }
}

fn told(error: BringError) -> Vec<String> {
    match error {
        BringError::Documents(findings) => findings.iter().map(|one| one.line()).collect(),
        BringError::Unreadable(why) => vec![why],
    }
}

/// A server with these pages; one that begins with `->` is a redirect.
fn serving(pages: &[(&str, &str)]) -> Upstream {
    let pages: HashMap<String, String> =
        pages.iter().map(|(path, page)| ((*path).to_owned(), (*page).to_owned())).collect();
    Upstream::handle(move |request| {
        let page = pages.get(&request.target).map(String::as_str);
        match page.map(|page| page.strip_prefix("->").ok_or(page)) {
            None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
            Some(Ok(to)) => {
                format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into()
            }
            Some(Err(page)) => {
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into()
            }
        }
    })
}

/// A WSDL that imports `import` and whose types come from `types`.
fn wsdl(import: &str, types: &str) -> String {
    let import = match import {
        "" => String::new(),
        location => format!("<import namespace='urn:t' location='{location}'/>"),
    };
    format!(
        "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:t='urn:t' targetNamespace='urn:t' \
         xmlns:soap='http://schemas.xmlsoap.org/wsdl/soap/' xmlns:xs='http://www.w3.org/2001/XMLSchema'>{import}\
         <types><xs:schema><xs:import namespace='urn:x' schemaLocation='{types}'/></xs:schema></types>\
         <message name='Ask'><part name='p' element='x:ask' xmlns:x='urn:x'/></message>\
         <portType name='P'><operation name='Ask'><input message='t:Ask'/></operation></portType>\
         <binding name='B' type='t:P'><soap:binding transport='http://schemas.xmlsoap.org/soap/http'/>\
         <operation name='Ask'><soap:operation soapAction=''/><input><soap:body use='literal'/></input></operation></binding>\
         </definitions>"
    )
}

/// A schema that declares `ask` and names another document.
fn schema(more: &str) -> String {
    format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:x'>{more}\
         <xs:element name='ask' type='xs:string'/></xs:schema>"
    )
}

fn include(location: &str) -> String {
    format!("<xs:include schemaLocation='{location}'/>")
}

const EMPTY: &str =
    "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:x'/>";

#[test]
fn a_contract_comes_with_all_that_it_names_and_is_read_again_from_its_folder() {
    let server = serving(&[
        ("/s/Ask.svc?wsdl", &wsdl("", "../x/ask?xsd=1")),
        ("/x/ask?xsd=1", &schema(&include("./more.xsd#part"))),
        ("/x/more.xsd", EMPTY),
    ]);
    let made = Made::default().name("a.example", &[PUBLIC]).server(PUBLIC, &server);
    let bundle = made.bring("http://a.example/s/Ask.svc?wsdl", &[]).unwrap();
    let locked: Vec<_> =
        bundle.lock().documents.iter().map(|one| (one.file.as_str(), one.url.as_str())).collect();
    assert_eq!(
        locked,
        [
            ("Ask.svc.wsdl", "http://a.example/s/Ask.svc?wsdl"),
            ("ask-xsd-1.xsd", "http://a.example/x/ask?xsd=1"),
            ("more.xsd", "http://a.example/x/more.xsd"),
        ]
    );
    let seen = server.requests();
    assert_eq!(seen[0].get("host"), Some("a.example"));
    assert!(server.violations().is_empty());

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("contracts/ask");
    bundle.store(&folder).unwrap();
    let root = folder.join(bundle.root_file());
    assert!(Lock::of(&root).unwrap().unwrap().verify(&root).is_empty());
    let read = |root: pasarela_soap::xsd::Document,
                resolver: &mut dyn pasarela_soap::xsd::Resolver| {
        pasarela_contract::read(&root.bytes, &root.url, resolver, &RestFace::default()).unwrap()
    };
    let stored = read(document(&root, fs::read(&root).unwrap()), &mut Beside::default());
    let held = read(bundle.root(), &mut &bundle);
    assert_eq!(stored.operations, held.operations);
    assert_eq!(stored.served.imports.len(), 2);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "three documents and {LOCK_FILE}");
}

/// zeep's CVE-2026-58501: what the operator named was guarded, what that imported was not.
#[test]
fn what_an_import_imports_is_guarded_too() {
    let inside = serving(&[("/secret.xsd", EMPTY)]);
    for (location, why) in [
        ("http://10.0.0.5/secret.xsd", "another server"),
        ("//10.0.0.5/secret.xsd", "another server"),
        ("http://b.example/secret.xsd", "another server"),
        ("http://a.example:8080/secret.xsd", "another server"),
        ("file:///etc/passwd", "its scheme is `file`"),
        ("ftp://a.example/secret.xsd", "its scheme is `ftp`"),
        ("http://user:word@a.example/secret.xsd", "a password"),
        ("/hop", "another server"),
    ] {
        let server = serving(&[
            ("/a.wsdl", &wsdl("b.wsdl", "b.xsd")),
            ("/b.wsdl", &wsdl("c.wsdl", "b.xsd")),
            ("/c.wsdl", &wsdl("", "b.xsd")),
            ("/b.xsd", &schema(&include("c.xsd"))),
            ("/c.xsd", &schema(&include(location)).replace("'ask'", "'other'")),
            ("/hop", "->/hop2"),
            ("/hop2", "->http://10.0.0.5/secret.xsd"),
        ]);
        let made = Made::default()
            .name("a.example", &[PUBLIC])
            .name("b.example", &[PRIVATE])
            .server(PUBLIC, &server)
            .server(PRIVATE, &inside);
        let told = made.bring("http://a.example/a.wsdl", &[]).unwrap_err();
        assert_eq!(told.len(), 1, "{location}: {told:?}");
        assert!(told[0].contains("error CF0072: "), "{told:?}");
        assert!(told[0].contains(why) && told[0].contains("http://a.example/c.xsd"), "{told:?}");
        assert!(!made.dialed(PRIVATE), "{location}");
        assert_eq!(inside.connections(), 0, "{location}");
    }
}

#[test]
fn from_outside_nothing_leads_inside_even_to_hosts_that_are_allowed() {
    let inside = serving(&[("/x.xsd", EMPTY)]);
    // Whoever lets everything in by name.
    let allowed = [
        "in.example",
        "10.0.0.5",
        "[::ffff:10.0.0.5]",
        "[64:ff9b::a00:5]",
        "[2002:a00:5::]",
        "[fc00::5]",
        "0.0.0.0",
        "127.0.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "localhost",
        "both.example",
    ];
    for host in [
        "in.example",
        "10.0.0.5",
        "[::ffff:10.0.0.5]",
        "[0:0:0:0:0:ffff:a00:5]",
        "[64:ff9b::a00:5]",
        "[2002:a00:5::]",
        "[fc00::5]",
        "0.0.0.0",
        "127.0.0.1",
        "localhost",
        "169.254.169.254",
        "[fe80::1]",
        // Spellings that a resolver of the system would understand.
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "127.1",
        "0xA.0.0.5",
        "10.0.0.5.",
        "localhost.",
        "%6cocalhost",
        "①⓪.0.0.5",
        "10.0.0.5%00.a.example",
        "a.example@10.0.0.5",
    ] {
        for hop in [false, true] {
            let url = format!("http://{host}/x.xsd");
            let location = if hop { "/hop" } else { url.as_str() };
            let server = serving(&[
                ("/a.wsdl", &wsdl("", "/a.xsd")),
                ("/a.xsd", &schema(&include(location))),
                ("/hop", &format!("->{url}")),
            ]);
            let mut made = Made::default()
                .name("a.example", &[PUBLIC])
                .name("in.example", &[PRIVATE])
                .name("localhost", &["127.0.0.1"])
                .server(PUBLIC, &server);
            for address in [
                PRIVATE,
                "::ffff:10.0.0.5",
                "64:ff9b::a00:5",
                "2002:a00:5::",
                "fc00::5",
                "0.0.0.0",
                "127.0.0.1",
                "169.254.169.254",
                "fe80::1",
            ] {
                made = made.server(address, &inside);
            }
            let told = made.bring("http://a.example/a.wsdl", &allowed).unwrap_err();
            assert!(told[0].contains("CF0072"), "{host}: {told:?}");
            assert_eq!(inside.connections(), 0, "{host}");
            assert_eq!(
                *made.dialed.borrow(),
                vec![PUBLIC.parse::<IpAddr>().unwrap(); if hop { 3 } else { 2 }]
            );
        }
    }
}

#[test]
fn a_name_that_leads_outside_and_inside_is_asked_outside_only() {
    let (outside, inside) = (serving(&[("/x.xsd", EMPTY)]), serving(&[("/x.xsd", EMPTY)]));
    let server = serving(&[
        ("/a.wsdl", &wsdl("", "/a.xsd")),
        ("/a.xsd", &schema(&include("http://both.example/x.xsd"))),
    ]);
    let made = Made::default()
        .name("a.example", &[PUBLIC])
        .name("both.example", &[PRIVATE, OTHER_PUBLIC])
        .server(PUBLIC, &server)
        .server(OTHER_PUBLIC, &outside)
        .server(PRIVATE, &inside);
    made.bring("http://a.example/a.wsdl", &["both.example"]).unwrap();
    assert!(!made.dialed(PRIVATE) && made.dialed(OTHER_PUBLIC));
}

#[test]
fn a_name_that_changes_its_mind_is_not_followed() {
    let inside = serving(&[("/x.xsd", EMPTY)]);
    let server = serving(&[("/a.wsdl", &wsdl("", "/x.xsd")), ("/x.xsd", &schema(""))]);
    let mut made = Made::default()
        .name("a.example", &[PUBLIC])
        .server(PUBLIC, &server)
        .server(PRIVATE, &inside);
    made.later = Some(PRIVATE.parse().unwrap());
    made.bring("http://a.example/a.wsdl", &[]).unwrap();
    assert_eq!((made.lookups.get(), made.dialed(PRIVATE)), (1, false));
}

#[test]
fn inside_may_be_asked_by_whoever_types_it_and_leads_where_he_allows() {
    let other = serving(&[("/x.xsd", &schema(""))]);
    let server = serving(&[("/a.wsdl", &wsdl("", "http://types.intranet:8080/x.xsd"))]);
    let made = Made::default()
        .name("svc.intranet", &[PRIVATE])
        .name("types.intranet", &["10.0.0.6"])
        .server(PRIVATE, &server)
        .server("10.0.0.6", &other);
    let told = made.bring("http://svc.intranet/a.wsdl", &[]).unwrap_err();
    assert!(told[0].contains("Add `--allow-host types.intranet:8080`"), "{told:?}");
    for allowed in ["types.intranet", "types.intranet:8080"] {
        assert_eq!(made.bring("http://svc.intranet/a.wsdl", &[allowed]).unwrap().pieces.len(), 2);
    }
    made.bring("http://svc.intranet/a.wsdl", &["types.intranet:80"]).unwrap_err();
    // Metadata is nobody's contract, whoever types it.
    for never in
        ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/", "http://100.100.100.200/"]
    {
        let told = made.bring(never, &[]).unwrap_err();
        assert!(told[0].contains("CF0072"), "{told:?}");
    }
}

#[test]
fn what_everybody_names_and_few_deliver_is_not_fetched() {
    let encoding = "http://schemas.xmlsoap.org/soap/encoding/";
    let more = format!(
        "<xs:import namespace='{encoding}' schemaLocation='{encoding}'/>\
         <xs:import namespace='http://www.w3.org/XML/1998/namespace' schemaLocation='http://www.w3.org/2001/xml.xsd'/>\
         <xs:import namespace='http://www.w3.org/2005/08/addressing' schemaLocation='/gone.xsd'/>\
         <xs:import namespace='http://schemas.xmlsoap.org/wsdl/' schemaLocation='http://schemas.xmlsoap.org/wsdl/'/>\
         <xs:complexType name='List'><xs:complexContent><xs:restriction base='e:Array' xmlns:e='{encoding}'>\
         <xs:attribute ref='e:arrayType'/></xs:restriction></xs:complexContent></xs:complexType>"
    );
    let server = serving(&[("/a.wsdl", &wsdl("", "/x.xsd")), ("/x.xsd", &schema(&more))]);
    let made = Made::default().name("a.example", &[PUBLIC]).server(PUBLIC, &server);
    let bundle = made.bring("http://a.example/a.wsdl", &[]).unwrap();
    assert_eq!((bundle.pieces.len(), made.lookups.get()), (2, 1));
    let root = bundle.root();
    pasarela_contract::read(&root.bytes, &root.url, &mut &bundle, &RestFace::default()).unwrap();
}

#[test]
fn half_a_contract_is_none() {
    let server = serving(&[
        ("/a.wsdl", &wsdl("", "/x.xsd")),
        ("/x.xsd", &schema("<xs:import namespace='urn:gone' schemaLocation='gone.xsd'/>")),
        ("/round", "->/round"),
    ]);
    let made = Made::default().name("a.example", &[PUBLIC]).server(PUBLIC, &server);
    let told = made.bring("http://a.example/a.wsdl", &[]).unwrap_err();
    assert!(told[0].contains("CF0071") && told[0].contains("status 404"), "{told:?}");
    let told = made.bring("http://a.example/round", &[]).unwrap_err();
    assert!(told[0].contains("redirects more than 5 times"), "{told:?}");
    let told = made.bring("http://b.example/", &[]).unwrap_err();
    assert!(told[0].contains("the address of b.example cannot be found"), "{told:?}");
}

#[test]
fn documents_and_their_bytes_are_bounded() {
    let chain = Upstream::handle(|request| {
        let number: usize = request.target.trim_start_matches("/x").parse().unwrap_or(0);
        let page = match &*request.target {
            "/a.wsdl" => wsdl("", "/x1"),
            _ => schema(&include(&format!("/x{}", number + 1)))
                .replace("'ask'", &format!("'ask{number}'")),
        };
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into()
    });
    let made = Made::default().name("a.example", &[PUBLIC]).server(PUBLIC, &chain);
    let told = made.bring("http://a.example/a.wsdl", &[]).unwrap_err();
    assert!(told[0].contains("more than 64 documents"), "{told:?}");
    assert_eq!(chain.requests().len(), 64);

    let said = Upstream::answer("HTTP/1.1 200 OK\r\nContent-Length: 10485761\r\n\r\n");
    let endless = Upstream::script(|conn| {
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        loop {
            conn.write(&chunk)?;
        }
    });
    for server in [&said, &endless] {
        let made = Made::default().name("a.example", &[PUBLIC]).server(PUBLIC, server);
        let told = made.bring("http://a.example/a.wsdl", &[]).unwrap_err();
        assert!(told[0].contains("more than 10 MiB"), "{told:?}");
    }
}

#[test]
fn two_names_that_lead_to_one_place_are_one_document() {
    let server = serving(&[
        ("/a.wsdl", &wsdl("", "/x.xsd")),
        ("/x.xsd", &schema(&(include("/one") + &include("/two")))),
        ("/one", "->/v2/common.xsd"),
        ("/two", "->/v2/common.xsd"),
        (
            "/v2/common.xsd",
            "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:x'>\
            <xs:element name='once' type='xs:string'/></xs:schema>",
        ),
    ]);
    let made = Made::default().name("a.example", &[PUBLIC]).server(PUBLIC, &server);
    let bundle = made.bring("http://a.example/a.wsdl", &[]).unwrap();
    let files: Vec<_> = bundle.pieces.iter().map(|piece| piece.locked.file.as_str()).collect();
    assert_eq!(files, ["a.wsdl", "x.xsd", "common.xsd", "common.xsd"]);
    let folder = tempfile::tempdir().unwrap();
    bundle.store(&folder.path().join("c")).unwrap();
    let root = folder.path().join("c/a.wsdl");
    let bytes = fs::read(&root).unwrap();
    let name = root.to_string_lossy();
    let mut beside = Beside::default();
    pasarela_contract::read(&bytes, &name, &mut beside, &RestFace::default()).unwrap();
}

#[test]
fn answers_that_are_not_what_was_asked_for_are_no_documents() {
    for (answer, why) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
            "the coding \"gzip\"",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "ended"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", "not HTTP"),
        ("220 mail.example ESMTP\r\n\r\n", "not HTTP"),
        (
            "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
            "scheme is `file`",
        ),
        ("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "status 302"),
    ] {
        let server = Upstream::script(move |conn| {
            conn.request()?;
            conn.write(answer)
        });
        let made = Made::default().name("a.example", &[PUBLIC]).server(PUBLIC, &server);
        let told = made.bring("http://a.example/a.wsdl", &[]).unwrap_err();
        assert!(told[0].contains(why), "{answer}: {told:?}");
    }
}

/// However slowly it drips: the time is that of the whole document.
#[test]
fn a_server_that_drips_is_left_when_the_time_is_over() {
    let server = Upstream::script(|conn| {
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")?;
        for _ in 0..200 {
            conn.write(" ")?;
            conn.pause(Duration::from_millis(50));
        }
        Ok(())
    });
    let made = Made::default().name("a.example", &[PUBLIC]).server(PUBLIC, &server);
    let url = Url::parse("http://a.example/").unwrap();
    let begin = Instant::now();
    let end = begin + Duration::from_millis(300);
    let error = super::get::get(&made, &url, &[PUBLIC.parse().unwrap()], None, end).unwrap_err();
    assert_eq!(error.to_string(), "it does not come in time");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

/// An https server that answers each connection with these pages in turn.
fn secure(identity: &Identity, answers: Vec<String>) -> SocketAddr {
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for answer in answers {
            let (socket, _) = listener.accept().unwrap();
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, socket);
            // Whoever does not trust the certificate goes away.
            let mut asked = [0; 4096];
            if stream.read(&mut asked).is_ok() {
                stream.write_all(answer.as_bytes()).unwrap();
                stream.flush().unwrap();
            }
        }
    });
    address
}

#[test]
fn over_https_certificates_are_checked_and_nothing_goes_on_over_http() {
    let authority = Authority::new("of this test");
    let identity = authority.issue(&["a.example"]);
    let page =
        |page: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
    let plain = serving(&[("/x.xsd", &schema(""))]);
    let to_http =
        "HTTP/1.1 301 Moved\r\nLocation: http://a.example/x.xsd\r\nContent-Length: 0\r\n\r\n";
    let answers = vec![
        page("nobody sees it"),
        page(&wsdl("", "x.xsd")),
        page(&schema("")),
        page(&wsdl("", "x.xsd")),
        to_http.to_owned(),
        page(&wsdl("", "http://a.example/x.xsd")),
        page(&wsdl("", "http://a.example/x.xsd")),
    ];
    let address = secure(&identity, answers);
    let mut made = Made::default().name("a.example", &[PUBLIC]);
    made.secure = Some(address);
    let made = made.server(PUBLIC, &plain);
    let url = Url::parse("https://a.example/a.wsdl").unwrap();
    let bring = |trusted: bool, allowed: &[&str]| {
        let ca_pem = trusted.then(|| authority.pem.clone().into_bytes());
        let allow_hosts = allowed.iter().map(|host| host.parse().unwrap()).collect();
        from_url(&url, &Rules { allow_hosts, ca_pem }, &made).map_err(told)
    };
    let told = bring(false, &[]).unwrap_err();
    assert!(told[0].contains("CF0071"), "{told:?}");
    assert_eq!(bring(true, &[]).unwrap().pieces.len(), 2);
    let told = bring(true, &["a.example:80"]).unwrap_err();
    assert!(told[0].contains("redirects from https to http"), "{told:?}");
    let told = bring(true, &[]).unwrap_err();
    assert!(told[0].contains("came by https, and this would come by http"), "{told:?}");
    assert_eq!(plain.connections(), 0);
    // From http to https on the same host is an improvement.
    let to_https = serving(&[("/a.wsdl", "->https://a.example/a.wsdl")]);
    let mut better = Made::default().name("a.example", &[PUBLIC]).server(PUBLIC, &to_https);
    better.secure = Some(secure(&identity, vec![page(&wsdl("", "x.xsd")), page(&schema(""))]));
    let ca_pem = Some(authority.pem.clone().into_bytes());
    let rules = Rules { allow_hosts: Vec::new(), ca_pem };
    let bundle = from_url(&Url::parse("http://a.example/a.wsdl").unwrap(), &rules, &better);
    let bundle = bundle.map_err(super::tests::told).unwrap();
    assert_eq!(bundle.lock().documents[0].found.as_deref(), Some("https://a.example/a.wsdl"));
    // What the operator allows in so many words is another matter.
    assert_eq!(bring(true, &["a.example:80"]).unwrap().pieces.len(), 2);
    assert_eq!(plain.connections(), 1);
}

/// What lies beside a locked contract does not become a part of it, wherever its documents point.
#[test]
fn a_locked_contract_is_what_its_lock_says() {
    let folder = tempfile::tempdir().unwrap();
    let beside = folder.path().join("beside.xsd");
    fs::write(&beside, schema("")).unwrap();
    for location in ["beside.xsd", &beside.to_string_lossy()] {
        let file = folder.path().join("a.wsdl");
        fs::write(&file, wsdl("", location)).unwrap();
        let bytes = fs::read(&file).unwrap();
        let read = || {
            let (name, mut documents) = (file.to_string_lossy(), Beside::default());
            pasarela_contract::read(&bytes, &name, &mut documents, &RestFace::default())
        };
        let lock = folder.path().join(LOCK_FILE);
        let _ = fs::remove_file(&lock);
        assert!(read().is_ok(), "{location}");
        let sha256 = super::digest(&bytes);
        let (url, file) = ("http://a.example/a.wsdl".to_owned(), "a.wsdl".to_owned());
        let locked = super::Locked { file, url, found: None, sha256 };
        fs::write(&lock, Lock { documents: vec![locked] }.text()).unwrap();
        assert!(read().is_err(), "{location}");
    }
}
