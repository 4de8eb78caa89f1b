//! Frames of messages, faults in both versions, and whose a request is.

use pasarela_soap::{
    ExpandedName, FaultKind, Limits, Symbols,
    envelope::{
        Closer, Code, ContentType, Envelope, Opener, Progress, Refusal, Request, SoapFault,
        action::soap_action, dispatch, open::upgrade,
    },
    name::{SOAP11, SOAP12},
    wsdl::{self, catalog::SoapVersion},
    xml::{Event, Reader, Writer},
    xsd::{Document, NoDocuments, Options},
};

fn message(namespace: &str, header: &str, body: &str) -> String {
    format!("<s:Envelope xmlns:s='{namespace}'>{header}<s:Body>{body}</s:Body></s:Envelope>")
}

/// Opens and closes a message, whole and in pieces, which has to come to the same.
fn opened(document: &str) -> Result<Envelope, Refusal> {
    let whole = whole(document);
    let pieces = in_pieces(document);
    assert_eq!(
        whole.as_ref().map(|e| e.body.clone()).ok(),
        pieces.as_ref().map(|e| e.body.clone()).ok(),
        "{document}"
    );
    whole
}

fn whole(document: &str) -> Result<Envelope, Refusal> {
    let mut reader = Reader::new(document.as_bytes(), &Limits::default())?;
    let envelope = Opener::open(&mut reader)?;
    Closer::new(false, envelope.body.is_none()).close(&mut reader)?;
    Ok(envelope)
}

fn in_pieces(document: &str) -> Result<Envelope, Refusal> {
    let mut reader = Reader::streaming(None, Symbols::none(), &Limits::default())?;
    let mut pieces = document.as_bytes().chunks(3);
    let (mut opener, mut opened) = (Opener::new(), None);
    let mut closer = Closer::new(false, false);
    loop {
        let event = reader.pull()?;
        if event == Event::NeedMore {
            match pieces.next() {
                Some(piece) => reader.feed(piece)?,
                None => reader.finish()?,
            }
        } else if opened.is_some() {
            if closer.step(&reader, event)? {
                return Ok(opened.unwrap());
            }
        } else if opener.step(&reader, event)? == Progress::Body {
            let envelope = std::mem::take(&mut opener).into_envelope();
            closer = Closer::new(false, envelope.body.is_none());
            opened = Some(envelope);
        }
    }
}

fn refusal(document: &str) -> (Code, String) {
    let refusal = opened(document).expect_err(document);
    (refusal.code, refusal.fault.message.clone())
}

#[test]
fn the_frame_is_gone_over_to_the_bodys_child() {
    for (namespace, version) in [(SOAP11, SoapVersion::V11), (SOAP12, SoapVersion::V12)] {
        let envelope = opened(&message(
            namespace,
            "\n<!-- c --><s:Header/>\n",
            " <o:order xmlns:o='urn:o'><o:x/>t</o:order>\n",
        ))
        .unwrap();
        assert_eq!(envelope.version, version);
        assert_eq!(envelope.body, Some(ExpandedName::new("urn:o", "order")));
        assert!(!envelope.is_fault && envelope.headers.is_empty());
        assert_eq!(opened(&message(namespace, "", " ")).unwrap().body, None);
        assert!(opened(&message(namespace, "", "<s:Fault/>")).unwrap().is_fault);
        assert!(!opened(&message(namespace, "", "<Fault/>")).unwrap().is_fault);
    }
}

#[test]
fn what_may_not_stand_in_a_frame_is_refused() {
    let m = |inside: &str| format!("<s:Envelope xmlns:s='{SOAP12}'>{inside}</s:Envelope>");
    let sender = [
        "<a/>".to_owned(),
        format!("<s:Body xmlns:s='{SOAP12}'/>"),
        m(""),
        m("<s:Header/>"),
        m("text<s:Body/>"),
        m("<s:Header>text</s:Header><s:Body/>"),
        m("<s:Body/><s:Header/>"),
        m("<s:Header/><s:Header/><s:Body/>"),
        m("<s:Body/><s:Body/>"),
        m("<s:Body/><x/>"),
        m("<s:Body/>text"),
        m("<s:Body>text<a/></s:Body>"),
        m("<s:Body><a/>text</s:Body>"),
        m("<s:Body><a/><b/></s:Body>"),
        m("<x/><s:Body/>"),
        m(&format!("<Body xmlns='{SOAP11}'/>")),
        m("<s:Header><x/></s:Header><s:Body/>"),
        m("<?p?><s:Body/>"),
        m("<s:Body><a><?p?></a></s:Body>"),
        format!("<?p?>{}", m("<s:Body/>")),
        format!("{}<?p?>", m("<s:Body/>")),
        m("<s:Header><h:h xmlns:h='urn:h' s:mustUnderstand='yes'/></s:Header><s:Body/>"),
        m(&format!("<s:Header>{}</s:Header><s:Body/>", "<h:h xmlns:h='urn:h'/>".repeat(101))),
    ];
    for document in sender {
        assert_eq!(refusal(&document).0, Code::Sender, "{document}");
    }
    let doctype = format!("<!DOCTYPE a>{}", m("<s:Body/>"));
    assert_eq!(opened(&doctype).unwrap_err().fault.kind, FaultKind::Refused);
    for namespace in ["http://schemas.xmlsoap.org/soap/envelope", "urn:other", ""] {
        let document = format!("<Envelope xmlns='{namespace}'><Body/></Envelope>");
        assert_eq!(refusal(&document).0, Code::VersionMismatch, "{namespace}");
    }
    let mut reader = Reader::new(upgrade().leak().as_bytes(), &Limits::default()).unwrap();
    while reader.pull().unwrap() != Event::Eof {}
}

#[test]
fn header_blocks_have_a_span_a_role_and_may_have_to_be_understood() {
    let blocks = "<a:a xmlns:a='urn:a' s:mustUnderstand='1'>x</a:a><b:b xmlns:b='urn:b' s:mustUnderstand='0'/>\
                  <c:c xmlns:c='urn:c' s:mustUnderstand='1' s:actor='urn:somebody'/><d:d xmlns:d='urn:d' s:mustUnderstand='1' s:actor='http://schemas.xmlsoap.org/soap/actor/next'><d:e/></d:d>";
    let document = message(SOAP11, &format!("<s:Header>{blocks}</s:Header>"), "<x/>");
    let envelope = opened(&document).unwrap();
    let spans: Vec<_> = envelope
        .headers
        .iter()
        .map(|b| &document[b.span.start as usize..b.span.end as usize])
        .collect();
    assert_eq!(spans.concat(), blocks);
    let names = |known: &str| -> Vec<String> {
        envelope
            .not_understood(|name| name.is(known, &known[4..]))
            .iter()
            .map(|b| b.name.to_string())
            .collect()
    };
    assert_eq!(names("urn:a"), ["{urn:d}d"]);
    assert_eq!(names("urn:x"), ["{urn:a}a", "{urn:d}d"]);
}

#[test]
fn ws_addressing_of_either_version_is_read() {
    for namespace in
        ["http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"]
    {
        let header = |blocks: &str| {
            message(SOAP12, &format!("<s:Header xmlns:w='{namespace}'>{blocks}</s:Header>"), "<x/>")
        };
        let envelope = opened(&header(
            "<w:Action> urn:do </w:Action><w:MessageID>urn:1</w:MessageID><w:To>http://here</w:To><w:RelatesTo>urn:0</w:RelatesTo>\
             <w:ReplyTo><w:Address>http://10.0.0.1/</w:Address><w:ReferenceParameters><w:Address>no</w:Address></w:ReferenceParameters></w:ReplyTo>\
             <w:FaultTo><w:Address>http://www.w3.org/2005/08/addressing/anonymous</w:Address></w:FaultTo>\
             <o:From xmlns:o='urn:other'><w:Address>http://10.0.0.2/</w:Address></o:From>",
        ))
        .unwrap();
        let a = &envelope.addressing;
        assert_eq!(
            (a.action.as_str(), a.message_id.as_str(), a.to.as_str()),
            ("urn:do", "urn:1", "http://here")
        );
        assert_eq!(a.relates_to, ["urn:0"]);
        assert_eq!(a.foreign_addresses().collect::<Vec<_>>(), ["http://10.0.0.1/"]);
        let mut w = Writer::default();
        w.start("Header");
        a.write_answer(&mut w, "urn:done", "urn:2").unwrap();
        let written = String::from_utf8(w.finish()).unwrap();
        assert!(
            written.contains(">urn:1</wsa:RelatesTo>") && written.contains(namespace),
            "{written}"
        );
        for twice in ["Action", "MessageID", "To"] {
            let (code, message) =
                refusal(&header(&format!("<w:{twice}>a</w:{twice}><w:{twice}>b</w:{twice}>")));
            assert_eq!(
                (code, message),
                (Code::Sender, format!("the header block {twice} stands here twice"))
            );
        }
    }
}

/// Two operations of their own, two that share an element, one with an empty body.
fn binding() -> wsdl::catalog::Binding {
    let operation = |name: &str, action: &str, element: &str| {
        let part = if element.is_empty() {
            String::new()
        } else {
            format!("<part name='p' element='t:{element}'/>")
        };
        (
            format!("<message name='{name}'>{part}</message>"),
            format!("<operation name='{name}'><input message='t:{name}'/></operation>"),
            format!(
                "<operation name='{name}'><soap:operation soapAction='{action}'/><input><soap:body use='literal'/></input></operation>"
            ),
        )
    };
    let all = [
        operation("a", "urn:a", "a"),
        operation("b", "", "b"),
        operation("c", "urn:c", "shared"),
        operation("d", "urn:d", "shared"),
        operation("e", "urn:e", ""),
    ];
    let column =
        |pick: fn(&(String, String, String)) -> &str| all.iter().map(pick).collect::<String>();
    let document = format!(
        "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:soap='http://schemas.xmlsoap.org/wsdl/soap/' xmlns:t='urn:t' targetNamespace='urn:t'>\
         <types><xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:t'><xs:element name='a'/><xs:element name='b'/><xs:element name='shared'/></xs:schema></types>\
         {}<portType name='P'>{}</portType><binding name='B' type='t:P'><soap:binding/>{}</binding></definitions>",
        column(|o| &o.0),
        column(|o| &o.1),
        column(|o| &o.2)
    );
    let root = Document { url: "a.wsdl".into(), bytes: document.into_bytes() };
    let (mut catalog, faults) = wsdl::import(root, &mut NoDocuments, &Options::default());
    assert!(!faults.iter().any(pasarela_soap::Fault::is_error), "{faults:?}");
    catalog.bindings.remove(0)
}

#[test]
fn t49_the_body_says_whose_a_request_is_and_every_action_has_to_agree() {
    let binding = binding();
    let whose = |body: &str, action: &str, wsa_action: &str| {
        let body = (!body.is_empty()).then(|| ExpandedName::new("urn:t", body));
        let request = Request { body: body.as_ref(), action, wsa_action };
        dispatch(&binding, request).ok().map(|index| binding.operations[index].name.clone())
    };
    let is = |name: &str| Some(name.to_owned());
    // The operation has an action, has none, shares its element, has an empty body.
    for (body, action, wsa, expected) in [
        ("a", "urn:a", "", is("a")),
        ("a", "", "", is("a")),
        ("a", "", "urn:a", is("a")),
        ("a", "urn:a", "urn:t:P:a", is("a")),
        ("a", "urn:a", "urn:t:P:aRequest", is("a")),
        ("a", "urn:a", "urn:t:P:b", None),
        ("a", "urn:a", "urn:a", is("a")),
        ("b", "", "", is("b")),
        ("b", "", "urn:t:P:b", is("b")),
        ("b", "urn:x", "", is("b")),
        ("shared", "urn:c", "", is("c")),
        ("shared", "urn:d", "", is("d")),
        ("shared", "", "urn:d", is("d")),
        ("shared", "urn:d", "urn:d", is("d")),
        ("", "urn:e", "", is("e")),
        ("", "", "", is("e")),
    ] {
        assert_eq!(whose(body, action, wsa), expected, "{body} {action} {wsa}");
    }
    let mut mismatches = 0;
    let actions = ["urn:a", "urn:c", "urn:d", "urn:e", "urn:x", "a", "URN:A", "urn:a ", "urn:a/"];
    let own = |body: &str, action: &str| match body {
        "a" => action == "urn:a",
        // It has none; what callers make up may not look like another's.
        "b" => action == "urn:x" || action == "urn:a/",
        "shared" => action == "urn:c" || action == "urn:d",
        "" => action == "urn:e",
        _ => false,
    };
    for body in ["a", "b", "shared", ""] {
        for action in actions.into_iter().filter(|action| !own(body, action)) {
            assert_eq!(whose(body, action, ""), None, "{body} {action}");
            assert_eq!(whose(body, "", action), None, "{body} {action}");
            mismatches += 2;
        }
    }
    // The two actions disagree; the second one alone would do.
    assert_eq!(whose("a", "urn:c", "urn:a"), None);
    assert_eq!(whose("a", "urn:a", "urn:c"), None);
    assert_eq!(whose("shared", "urn:c", "urn:d"), None);
    assert_eq!(whose("shared", "", ""), None, "nothing tells which");
    for nobodys in ["A", "order", "Envelope"] {
        assert_eq!(whose(nobodys, "", ""), None);
        assert_eq!(whose(nobodys, "urn:a", "urn:a"), None);
    }
    assert!(mismatches >= 30, "{mismatches}");
}

#[test]
fn actions_are_read_from_either_place() {
    assert_eq!(soap_action("\"urn:a\""), Ok("urn:a"));
    assert_eq!(soap_action(" urn:a "), Ok("urn:a"));
    assert_eq!(soap_action("\"\""), Ok(""));
    assert_eq!(soap_action(""), Ok(""));
    for wrong in ["\"a", "a\"", "\"", "\"a\"b\"", "\"a\", \"b\""] {
        assert!(soap_action(wrong).is_err(), "{wrong}");
    }
    let read =
        ContentType::read("Application/SOAP+xml; charset=utf-8;action=\"urn:a;\\\"b\" ; x=y")
            .unwrap();
    assert_eq!(
        (read.version(), read.parameter("charset"), read.parameter("action")),
        (Some(SoapVersion::V12), Some("utf-8"), Some("urn:a;\"b"))
    );
    assert_eq!(ContentType::read("text/xml").unwrap().version(), Some(SoapVersion::V11));
    assert_eq!(ContentType::read("text/xml;").unwrap().parameters, []);
    for wrong in [
        "",
        "text",
        "text/",
        "/xml",
        "text/xml; charset",
        "text/xml; charset=",
        "text/xml; a=1; A=2",
        "text/xml; a=\"b",
        "te xt/xml",
        "text/xml; =x",
    ] {
        assert!(ContentType::read(wrong).is_err(), "{wrong}");
    }
}

fn fault_of(document: &str) -> SoapFault {
    let mut reader = Reader::new(document.as_bytes(), &Limits::default()).unwrap();
    assert!(Opener::open(&mut reader).unwrap().is_fault);
    let fault = SoapFault::read(&mut reader).unwrap();
    Closer::new(false, false).close(&mut reader).unwrap();
    fault
}

#[test]
fn faults_of_either_version_are_one_thing() {
    let old = fault_of(&message(
        SOAP11,
        "",
        "<s:Fault><faultcode>s:Client.Login</faultcode><faultstring xml:lang='de'>Wer &amp; was?</faultstring><faultactor>urn:me</faultactor>\
         <detail xmlns:t='urn:t'><t:no xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='t:No'>x&lt;</t:no><t:more/></detail></s:Fault>",
    ));
    assert_eq!(old.code, Code::Sender);
    assert_eq!(old.subcodes, [ExpandedName::new(SOAP11, "Client.Login")]);
    assert_eq!((old.reason("de"), old.role.as_str()), ("Wer & was?", "urn:me"));
    assert_eq!(old.entries, [ExpandedName::new("urn:t", "no"), ExpandedName::new("urn:t", "more")]);
    assert!(
        old.detail[0].contains("xmlns:t=\"urn:t\"") && old.detail[0].ends_with(">x&lt;</t:no>"),
        "{}",
        old.detail[0]
    );

    let new = fault_of(&message(
        SOAP12,
        "",
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value xmlns:m='urn:m'>m:Slow</s:Value><s:Subcode><s:Value xmlns:m='urn:m'>m:Late</s:Value></s:Subcode></s:Subcode></s:Code>\
         <s:Reason><s:Text xml:lang='en-GB'>Late</s:Text><s:Text xml:lang='es'>Tarde</s:Text></s:Reason><s:Node>urn:n</s:Node><s:Role>urn:r</s:Role>\
         <s:Detail><Text xmlns='urn:t'>inside</Text></s:Detail></s:Fault>",
    ));
    assert_eq!(new.code, Code::Receiver);
    assert_eq!(
        new.subcodes,
        [ExpandedName::new("urn:m", "Slow"), ExpandedName::new("urn:m", "Late")]
    );
    assert_eq!((new.reason("es"), new.reason("en"), new.reason("fr")), ("Tarde", "Late", "Late"));
    assert_eq!(
        (new.node.as_str(), new.role.as_str(), new.reasons.len(), new.entries.len()),
        ("urn:n", "urn:r", 2, 1)
    );
    let bare = fault_of(&message(
        SOAP11,
        "",
        "<s:Fault><faultcode>Server</faultcode><faultstring/></s:Fault>",
    ));
    assert_eq!((bare.code, bare.reasons.len()), (Code::Receiver, 1));
}

#[test]
fn a_fault_survives_being_written_in_either_version() {
    let codes = [
        Code::VersionMismatch,
        Code::MustUnderstand,
        Code::Sender,
        Code::Receiver,
        Code::Other(ExpandedName::new("urn:c", "Own")),
    ];
    for code in codes {
        for version in [SoapVersion::V11, SoapVersion::V12] {
            let mut fault = SoapFault::new(code.clone(), "It is <so> & no other.");
            fault.role = "urn:role".into();
            fault.entries = vec![ExpandedName::new("urn:d", "d")];
            fault.detail = vec!["<d xmlns=\"urn:d\"><e>1</e></d>".into()];
            if version == SoapVersion::V12 {
                fault.subcodes =
                    vec![ExpandedName::new("urn:s", "one"), ExpandedName::new("urn:s", "two")];
                fault.node = "urn:node".into();
            }
            let mut w = Writer::default();
            w.start_in(version.namespace(), "Envelope", "soap");
            w.start_in(version.namespace(), "Body", "soap");
            fault.write(version, &mut w).unwrap();
            let written = String::from_utf8(w.finish()).unwrap();
            let mut read = fault_of(&written);
            if version == SoapVersion::V12 && matches!(code, Code::Other(_)) {
                // SOAP 1.2 has no other codes: one becomes the first subcode of Receiver.
                assert_eq!(
                    (read.code.clone(), read.subcodes.remove(0)),
                    (Code::Receiver, ExpandedName::new("urn:c", "Own"))
                );
                read.code = code.clone();
            }
            // The entry carries what is in scope around it, now.
            let scope = format!(" xmlns:soap=\"{}\"", version.namespace());
            read.detail[0] = read.detail[0].replace(&scope, "");
            assert_eq!(read, fault, "{written}");
        }
    }
    assert_eq!(
        [SoapVersion::V11, SoapVersion::V12].map(|v| Code::Sender.http_status(v)),
        [500, 400]
    );
    assert_eq!(
        [SoapVersion::V11, SoapVersion::V12].map(|v| Code::Receiver.http_status(v)),
        [500, 500]
    );
}
