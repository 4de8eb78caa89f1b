//! Attacks on signed messages: what was signed stands somewhere, and something else is what would be done.
//!
//! The classes of McIntosh and Austel (2005) and of WS-Attacker: each starts from a message that is good, and has no key.

use pasarela_soap::security::Why;

use crate::{
    security::{CREATED, NOW, examined, fixture, holders, known, policy, signed, whose},
    signer::{DS, Signer, message, timestamp},
};

const EVIL: &str = "<t:Cancel xmlns:t=\"urn:t\">everything</t:Cancel>";

/// The element of this name in a message, from its start tag to its end.
fn element<'m>(message: &'m str, name: &str) -> &'m str {
    let start = message.find(&format!("<{name}")).unwrap();
    let end = message.find(&format!("</{name}>")).unwrap() + name.len() + 3;
    &message[start..end]
}

/// What becomes of a message that was attacked; it was good before.
fn attacked(change: impl Fn(&str) -> String) -> Result<usize, Why> {
    let signer = Signer::new();
    let good = signed(&signer);
    assert_eq!(whose(&policy(), &known(&signer), &good), Ok(7));
    let bad = change(&good);
    assert_ne!(bad, good);
    whose(&policy(), &known(&signer), &bad)
}

fn evil_body(id: &str) -> String {
    format!("<s:Body{id}>{EVIL}</s:Body>")
}

#[test]
fn t49_the_signed_body_in_a_wrapper_in_the_header_is_not_the_body() {
    for evil in [evil_body(""), evil_body(" wsu:Id=\"other\""), evil_body(" wsu:Id=\"B\"")] {
        let outcome = attacked(|good| {
            let body = element(good, "s:Body");
            good.replace(body, &evil)
                .replace("</s:Header>", &format!("<w:W xmlns:w=\"urn:w\">{body}</w:W></s:Header>"))
        });
        assert_eq!(outcome, Err(Why::Check), "{evil}");
    }
}

#[test]
fn t49_the_signed_body_as_a_header_block_is_not_the_body() {
    let outcome = attacked(|good| {
        let body = element(good, "s:Body");
        good.replace(body, &evil_body("")).replace("</s:Header>", &format!("{body}</s:Header>"))
    });
    assert_eq!(outcome, Err(Why::Check));
}

#[test]
fn t49_the_signed_body_in_the_security_header_is_not_the_body() {
    let outcome = attacked(|good| {
        let body = element(good, "s:Body");
        good.replace(body, &evil_body(""))
            .replace("</wsse:Security>", &format!("{body}</wsse:Security>"))
    });
    assert_eq!(outcome, Err(Why::TokenUnsupported));
}

#[test]
fn t49_the_signed_body_in_the_signature_is_not_the_body() {
    let outcome = attacked(|good| {
        let body = element(good, "s:Body");
        good.replace(body, &evil_body(""))
            .replace("</ds:Signature>", &format!("<ds:Object>{body}</ds:Object></ds:Signature>"))
    });
    assert_eq!(outcome, Err(Why::AlgorithmUnsupported));
}

#[test]
fn t49_the_signed_body_inside_the_body_is_not_the_body() {
    for id in ["", " wsu:Id=\"B\"", " wsu:Id=\"C\""] {
        let outcome = attacked(|good| {
            let body = element(good, "s:Body");
            good.replace(
                body,
                &format!("<s:Body{id}>{EVIL}<w:W xmlns:w=\"urn:w\">{body}</w:W></s:Body>"),
            )
        });
        assert_eq!(outcome, Err(Why::Check), "{id}");
    }
}

#[test]
fn t49_an_id_that_somebody_else_might_take_for_one_is_not_there_twice() {
    for id in ["Id", "ID", "id", "xml:id", "AssertionID", "s:id"] {
        let outcome = attacked(|good| good.replace("<t:Track ", &format!("<t:Track {id}=\"B\" ")));
        assert_eq!(outcome, Err(Why::Check), "{id}");
        let block = format!("<w:W xmlns:w=\"urn:w\" {id}=\"B\"/></s:Header>");
        let outcome = attacked(|good| good.replace("</s:Header>", &block));
        assert_eq!(outcome, Err(Why::Check), "{id}");
        // The id has to be one that a signature may refer to.
        let text = message(&format!("{}{{}}", timestamp(CREATED, "")));
        let text = text.replace("<s:Body wsu:Id", &format!("<s:Body {id}"));
        let signer = Signer::new();
        let outcome = whose(&policy(), &known(&signer), &signer.sign(&text, &["T", "B"]));
        let expected = if id == "Id" { Ok(7) } else { Err(Why::Check) };
        assert_eq!(outcome, expected, "{id}");
    }
    // Ids that nothing refers to are the body's own affair.
    let same = "<t:Track xmlns:t=\"urn:t\"><i id=\"1\"/><j id=\"1\"/></t:Track>";
    let signer = Signer::new();
    let text = message(&format!("{}{{}}", timestamp(CREATED, "")));
    let text = text.replace(element(&text, "t:Track"), same);
    let text = signer.sign(&text, &["T", "B"]);
    assert_eq!(whose(&policy(), &known(&signer), &text), Ok(7));
}

#[test]
fn t49_a_second_body_or_an_element_behind_it_is_no_message() {
    let signer = Signer::new();
    let good = signed(&signer);
    for more in [evil_body(""), evil_body(" wsu:Id=\"C\""), EVIL.to_owned()] {
        let before = good.replace("<s:Body ", &format!("{more}<s:Body "));
        let after = good.replace("</s:Body>", &format!("</s:Body>{more}"));
        for bad in [before, after] {
            assert!(examined(&policy(), &known(&signer), &bad, NOW).is_err(), "{bad}");
        }
    }
}

#[test]
fn t49_a_signed_timestamp_that_is_old_stays_old_whatever_stands_beside_it() {
    let signer = Signer::new();
    let old = timestamp("2026-12-01T00:00:00Z", "2026-12-01T00:05:00Z");
    let old = signer.sign(&message(&format!("{old}{{}}")), &["T", "B"]);
    let holders = known(&signer);
    let ask = |text: &str| whose(&policy(), &holders, text);
    assert_eq!(ask(&old), Err(Why::Expired));
    let stamp = element(&old, "wsu:Timestamp");
    let fresh = timestamp(CREATED, "");
    let unnamed = fresh.replace(" wsu:Id=\"T\"", "");
    // In its place, the old one in a wrapper, in a block of its own, in another security header, or twice.
    assert_eq!(ask(&old.replace(stamp, &fresh)), Err(Why::Check));
    let wrapped = format!("<w:W xmlns:w=\"urn:w\">{stamp}</w:W></s:Header>");
    assert_eq!(
        ask(&old.replace(stamp, &unnamed).replace("</s:Header>", &wrapped)),
        Err(Why::Check)
    );
    let block = format!("{stamp}</s:Header>");
    assert_eq!(ask(&old.replace(stamp, &unnamed).replace("</s:Header>", &block)), Err(Why::Check));
    let elsewhere = format!("<wsse:Security s:actor=\"urn:w\">{stamp}</wsse:Security></s:Header>");
    let elsewhere = old.replacen(stamp, &unnamed, 1).replace("</s:Header>", &elsewhere);
    assert_eq!(ask(&elsewhere), Err(Why::Check));
    assert_eq!(ask(&old.replace(stamp, &format!("{unnamed}{stamp}"))), Err(Why::Invalid));
    assert_eq!(ask(&old.replace(stamp, "")), Err(Why::Check));
}

#[test]
fn without_its_signature_a_message_is_nobody_s() {
    let out = attacked(|good| good.replace(element(good, "ds:Signature"), ""));
    assert_eq!(out, Err(Why::Missing));
    let out = attacked(|good| good.replace(element(good, "ds:Reference"), ""));
    assert_eq!(out, Err(Why::Check));
    let out = attacked(|good| {
        let value = element(good, "ds:SignatureValue");
        good.replace(value, "<ds:SignatureValue></ds:SignatureValue>")
    });
    assert_eq!(out, Err(Why::Check));
    let out = attacked(|good| {
        let info = element(good, "ds:SignedInfo");
        good.replace(info, &format!("<w:SignedInfo xmlns:w=\"urn:w\"/>{info}"))
    });
    assert_eq!(out, Err(Why::AlgorithmUnsupported));
    let out = attacked(|good| {
        let signature = element(good, "ds:Signature");
        good.replace(signature, &signature.repeat(2))
    });
    assert_eq!(out, Err(Why::Invalid));
}

#[test]
fn a_security_header_for_another_is_not_ours_and_two_for_us_are_none() {
    let next = "http://schemas.xmlsoap.org/soap/actor/next";
    let out = attacked(|good| good.replace("s:mustUnderstand=\"1\"", "s:actor=\"urn:other\""));
    assert_eq!(out, Err(Why::Missing));
    for actor in [String::new(), format!(" s:actor=\"{next}\"")] {
        let out = attacked(|good| {
            let more = format!("<wsse:Security{actor}></wsse:Security></s:Header>");
            good.replace("</s:Header>", &more)
        });
        assert_eq!(out, Err(Why::Invalid), "{actor}");
    }
    // What a signature somewhere else says is not read at all.
    let out = attacked(|good| {
        let signature = element(good, "ds:Signature");
        let moved = format!("<w:W xmlns:w=\"urn:w\">{signature}</w:W></s:Header>");
        good.replace(signature, "").replace("</s:Header>", &moved)
    });
    assert_eq!(out, Err(Why::Missing));
}

#[test]
fn no_transform_and_no_reference_leads_out_of_the_message_s_parts() {
    let exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
    let algorithms = [
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "",
    ];
    for algorithm in algorithms {
        let transform = |name: &str| format!("<ds:Transform Algorithm=\"{name}\"/>");
        let one = transform(exclusive);
        for transforms in [transform(algorithm), format!("{}{one}", transform(algorithm))] {
            let out = attacked(|good| good.replacen(&one, &transforms, 1));
            assert_eq!(out, Err(Why::AlgorithmUnsupported), "{algorithm}");
        }
        let method = |name: &str| format!("CanonicalizationMethod Algorithm=\"{name}\"");
        let out = attacked(|good| good.replace(&method(exclusive), &method(algorithm)));
        assert_eq!(out, Err(Why::AlgorithmUnsupported), "{algorithm}");
    }
    for uri in [
        "",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "#xpointer(/)",
        "#xpointer(id('B'))",
        "cid:1",
        "B",
        "#",
    ] {
        let out = attacked(|good| good.replace("URI=\"#B\"", &format!("URI=\"{uri}\"")));
        assert_eq!(out, Err(Why::AlgorithmUnsupported), "{uri}");
    }
    let out = attacked(|good| good.replace(" URI=\"#B\"", ""));
    assert_eq!(out, Err(Why::AlgorithmUnsupported));
    let out = attacked(|good| good.replace("URI=\"#B\"", "URI=\"#nothing\""));
    assert_eq!(out, Err(Why::Check));
    for weak in [
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
    ] {
        let strong = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
        let out = attacked(|good| good.replace(strong, weak));
        assert_eq!(out, Err(Why::AlgorithmUnsupported), "{weak}");
    }
}

#[test]
fn more_references_than_a_message_has_parts_for_are_refused_before_anything_is_computed() {
    let out = attacked(|good| {
        let reference = element(good, "ds:Reference");
        good.replacen(reference, &reference.repeat(33), 1)
    });
    assert_eq!(out, Err(Why::Invalid));
    let signer = Signer::new();
    let text = message(&format!("{}{{}}", timestamp(CREATED, "")));
    let twice = signer.sign(&text, &["T", "B", "B"]);
    assert_eq!(whose(&policy(), &known(&signer), &twice), Err(Why::Check));
    let huge = format!(
        "{}<ds:Signature xmlns:ds=\"{DS}\">{}",
        timestamp(CREATED, ""),
        "<ds:Object/>".repeat(500)
    );
    let huge = message(&format!("{huge}</ds:Signature>"));
    assert_eq!(whose(&policy(), &holders(), &huge), Err(Why::Invalid));
    let ids: String = (0..300).map(|n| format!("<w:V Id=\"i{n}\"/>")).collect();
    let block = format!("<w:W xmlns:w=\"urn:w\">{ids}</w:W></s:Header>");
    let many = signed(&signer).replace("</s:Header>", &block);
    assert_eq!(whose(&policy(), &known(&signer), &many), Err(Why::Invalid));
}

#[test]
fn a_signature_cannot_cover_the_header_it_stands_in_nor_half_a_part() {
    let signer = Signer::new();
    let text = message(&format!("{}{{}}", timestamp(CREATED, "")));
    let named = text.replace("<wsse:Security ", "<wsse:Security wsu:Id=\"S\" ");
    let whole = signer.sign(&named, &["T", "B", "S"]);
    assert_eq!(whose(&policy(), &known(&signer), &whole), Err(Why::Check));
    let half = text.replace("<t:Track ", "<t:Track wsu:Id=\"K\" ");
    let half = signer.sign(&half, &["T", "B", "K"]);
    assert_eq!(whose(&policy(), &known(&signer), &half), Err(Why::Check));
}

#[test]
fn t49_a_prefix_that_means_something_else_around_a_part_changes_nothing_in_it() {
    // Namespace injection: the prefixes of what is signed are declared where it is not.
    let out = attacked(|good| good.replace("<s:Envelope ", "<s:Envelope xmlns:t=\"urn:evil\" "));
    assert_eq!(out, Ok(7), "the part declares its own");
    let text = message(&format!("{}{{}}", timestamp(CREATED, "")));
    let outer = text
        .replace("<t:Track xmlns:t=\"urn:t\">", "<t:Track>")
        .replace("<s:Envelope ", "<s:Envelope xmlns:t=\"urn:t\" ");
    let signer = Signer::new();
    let outer = signer.sign(&outer, &["T", "B"]);
    assert_eq!(whose(&policy(), &known(&signer), &outer), Ok(7));
    let evil = outer.replace("xmlns:t=\"urn:t\"", "xmlns:t=\"urn:evil\"");
    assert_eq!(whose(&policy(), &known(&signer), &evil), Err(Why::Check));
    let nearer = outer.replace("<s:Body ", "<s:Body xmlns:t=\"urn:evil\" ");
    assert_eq!(whose(&policy(), &known(&signer), &nearer), Err(Why::Check));
}

#[test]
fn another_s_certificate_does_not_make_a_signature_his() {
    let (signer, other) = (Signer::new(), Signer::new());
    let token = |signer: &Signer| base64_simd::STANDARD.encode_to_string(&signer.der);
    let exchanged = signed(&signer).replace(&token(&signer), &token(&other));
    assert_eq!(whose(&policy(), &known(&other), &exchanged), Err(Why::Check));
    // The token that a signature names is one of its own header, and there once.
    let good = signed(&signer);
    let out = element(&good, "wsse:BinarySecurityToken");
    let moved = good.replace(out, "").replace("</s:Header>", &format!("{out}</s:Header>"));
    assert_eq!(whose(&policy(), &known(&signer), &moved), Err(Why::TokenInvalid));
    let twice = good.replace(out, &format!("{out}{out}"));
    assert_eq!(whose(&policy(), &known(&signer), &twice), Err(Why::Check));
    let foreign = fixture("zeep-token.xml");
    let unknown = foreign.replace("X509v3\"", "X509PKIPathv1\"");
    assert_eq!(whose(&policy(), &holders(), &unknown), Err(Why::TokenUnsupported));
}

#[test]
fn a_message_in_another_encoding_is_not_cut() {
    let text = message(
        "<wsse:UsernameToken><wsse:Username>alice</wsse:Username><wsse:Password>open sesame</wsse:Password></wsse:UsernameToken>",
    );
    let units: Vec<u8> =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let at = u64::try_from(text.find("<s:Body").unwrap()).unwrap();
    let ask = |bytes: &[u8]| {
        let message =
            pasarela_soap::security::Message { bytes, charset: None, body_at: at, alone: true };
        pasarela_soap::security::examine(
            &policy(),
            &holders(),
            message,
            NOW,
            &pasarela_soap::Limits::default(),
        )
    };
    let accepted = ask(text.as_bytes()).unwrap();
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let shifted = ask(&marked).unwrap().header;
    assert_eq!((shifted.start, shifted.end), (accepted.header.start + 3, accepted.header.end + 3));
    assert!(ask(&units).is_err());
    let other = text.replace("<s:Body", " <s:Body");
    assert!(ask(other.as_bytes()).is_err(), "the Body is not where it was read");
}
