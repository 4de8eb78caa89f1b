//! RFC 9421's own examples (appendix B), and everything about a signature that must not pass.

use pasarela_model::Secret;
use pasarela_net::http1::Version;

use super::*;

const NOW: u64 = 1_618_884_473;
/// The request of appendix B.2.
const TARGET: &str = "/foo?param=Value&Pet=dog";

fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Head {
    let mut head = Head::default();
    head.start_request(method, target.as_bytes(), Version::Http11);
    for (name, value) in fields {
        head.push(name.as_bytes(), value.as_bytes());
    }
    head
}

fn rfc(signature: &[(&str, &str)]) -> Head {
    let own = [
        ("Host", "example.com"),
        ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("Content-Type", "application/json"),
        (
            "Content-Digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        ),
        ("Content-Length", "18"),
    ];
    request("POST", TARGET, &[&own[..], signature].concat())
}

fn decoded(text: &str) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(text).unwrap()
}

fn key(id: &str, key: SignatureKey, covers: &[&str]) -> Signatures {
    let covers = covers.iter().map(|name| (*name).to_owned()).collect();
    let credentials = vec![Credential::Signature { keyid: id.to_owned(), key, covers }];
    let application = Application { credentials, ..Application::default() };
    Signatures::build(&vec![Application::default(), application].into()).unwrap()
}

fn shared() -> SignatureKey {
    let secret =
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    SignatureKey::Hmac(Secret::new(decoded(secret)))
}

#[test]
fn the_rfc_s_signatures_are_of_its_message() {
    let ed25519 = SignatureKey::Ed25519(decoded("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="));
    for (key, input, signature) in [
        (
            shared(),
            "sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"",
            "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
        ),
        (
            ed25519,
            "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"",
            "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
        ),
    ] {
        let head = rfc(&[]);
        let signed = Signed { head: &head, tls: true, now: NOW };
        let (inputs, signatures) = (inputs(input).unwrap(), sequences(signature).unwrap());
        let base = base(signed, &inputs[0]).unwrap();
        let key = Verifying::new(&key).unwrap();
        assert!(key.made(&signatures[0].1, &base), "{}", String::from_utf8_lossy(&base));
        assert!(!key.made(&signatures[0].1, &base[1..]));
    }
    let digests = Digests::read(&rfc(&[])).unwrap();
    assert!(
        digests.are_of(b"{\"hello\": \"world\"}") && !digests.are_of(b"{\"hello\": \"worle\"}")
    );
}

#[test]
fn components_are_what_the_rfc_s_examples_say() {
    let head = request(
        "POST",
        "/path?param=value&foo=bar&baz=batman&qux=",
        &[("Host", "WWW.Example.com:443"), ("X-List", " a "), ("x-list", "b"), ("X-Empty", "")],
    );
    let signed = Signed { head: &head, tls: true, now: NOW };
    let value = |name: &str| {
        let mut out = Vec::new();
        match name.starts_with('@') {
            true => derived(signed, name, &mut out)?,
            false => field(&head, name, &mut out)?,
        }
        Ok::<_, Refused>(String::from_utf8(out).unwrap())
    };
    for (name, expected) in [
        ("@method", Ok("POST")),
        ("@authority", Ok("www.example.com")),
        ("@scheme", Ok("https")),
        ("@target-uri", Ok("https://www.example.com/path?param=value&foo=bar&baz=batman&qux=")),
        ("@request-target", Ok("/path?param=value&foo=bar&baz=batman&qux=")),
        ("@path", Ok("/path")),
        ("@query", Ok("?param=value&foo=bar&baz=batman&qux=")),
        ("x-list", Ok("a, b")),
        ("x-empty", Ok("")),
        ("@status", Err(Refused::Component)),
        ("@signature-params", Err(Refused::Component)),
        ("X-List", Err(Refused::Component)),
        ("absent", Err(Refused::Component)),
    ] {
        assert_eq!(value(name), expected.map(str::to_owned), "{name}");
    }
    for (target, path, query) in [
        ("http://example.com", "/", "?"),
        ("http://example.com?a", "/", "?a"),
        ("http://example.com/x?u=http://y/z", "/x", "?u=http://y/z"),
        ("/x?u=http://y/z", "/x", "?u=http://y/z"),
        ("/x?", "/x", "?"),
    ] {
        let head = request("GET", target, &[("Host", "example.com")]);
        let signed = Signed { head: &head, tls: false, now: NOW };
        for (name, expected) in [("@path", path), ("@query", query), ("@authority", "example.com")]
        {
            let mut out = Vec::new();
            derived(signed, name, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{name} of {target}");
        }
    }
}

const COVERS: &str = "\"@method\" \"@authority\" \"@path\" \"@query\" \"content-digest\"";

/// The RFC's request, signed now with the shared secret: components and parameters as told.
fn signed(covers: &str, parameters: &str) -> (String, String) {
    let input = format!("({covers}){parameters}");
    let head = rfc(&[]);
    let label = format!("a={input}");
    let signature = match inputs(&label)
        .and_then(|read| base(Signed { head: &head, tls: true, now: NOW }, &read[0]))
    {
        Err(_) => Vec::new(),
        Ok(base) => {
            let SignatureKey::Hmac(secret) = shared() else { unreachable!("it is one") };
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), &base).as_ref().to_vec()
        }
    };
    (label, format!("a=:{}:", base64_simd::STANDARD.encode_to_string(signature)))
}

fn find(
    keys: &Signatures,
    replays: &Replays,
    input: &str,
    signature: &str,
) -> Result<Made, Refused> {
    let head = rfc(&[("Signature-Input", input), ("Signature", signature)]);
    keys.find(Signed { head: &head, tls: true, now: NOW }, replays)
}

#[test]
fn a_signature_is_taken_once_for_what_it_covers_in_its_minute() {
    let (keys, replays) = (key("k", shared(), &["content-type"]), Replays::new(1 << 10));
    let covers = format!("{COVERS} \"content-type\"");
    let good = format!(";created={NOW};keyid=\"k\"");
    for (covers, parameters, expected) in [
        (&*covers, &*good, Ok(Made { by: 1, body: true })),
        // The same once more.
        (&covers, &good, Err(Refused::Repeated)),
        (&covers, &format!("{good};nonce=\"1\""), Ok(Made { by: 1, body: true })),
        (&covers, &format!("{good};nonce=\"1\""), Err(Refused::Repeated)),
        // A nonce is one whatever else is signed with it.
        (&format!("{covers} \"date\""), &format!("{good};nonce=\"1\""), Err(Refused::Repeated)),
        (
            &format!("{covers} \"date\""),
            &format!("{good};alg=\"hmac-sha256\""),
            Ok(Made { by: 1, body: true }),
        ),
        (&format!("{covers} \"date\""), &format!("{good};alg=\"ed25519\""), Err(Refused::Wrong)),
        ("\"@method\" \"@target-uri\" \"content-type\"", &good, Ok(Made { by: 1, body: false })),
        (&covers, &format!(";created={};keyid=\"k\"", NOW - 60), Ok(Made { by: 1, body: true })),
        (&covers, &format!(";created={};keyid=\"k\"", NOW - 61), Err(Refused::Time)),
        (&covers, &format!(";created={};keyid=\"k\"", NOW + 61), Err(Refused::Time)),
        (&covers, &format!("{good};expires={NOW}"), Err(Refused::Time)),
        (&covers, &format!("{good};expires={}", NOW + 1), Ok(Made { by: 1, body: true })),
        (&covers, ";keyid=\"k\"", Err(Refused::Unsaid)),
        (&covers, &format!(";created={NOW}"), Err(Refused::Unsaid)),
        (&covers, &format!(";created={NOW};keyid=\"other\""), Err(Refused::Wrong)),
        (&covers, &format!("{good};tag=\"x\""), Err(Refused::Parameter)),
        (&format!("{covers} \"@status\""), &good, Err(Refused::Component)),
        (&format!("{covers} \"x-absent\""), &good, Err(Refused::Component)),
        // What it leaves out.
        (COVERS, &good, Err(Refused::Uncovered)),
        ("\"@authority\" \"@path\" \"@query\" \"content-type\"", &good, Err(Refused::Uncovered)),
        ("\"@method\" \"@path\" \"@query\" \"content-type\"", &good, Err(Refused::Uncovered)),
        ("\"@method\" \"@authority\" \"@query\" \"content-type\"", &good, Err(Refused::Uncovered)),
        ("\"@method\" \"@authority\" \"@path\" \"content-type\"", &good, Err(Refused::Uncovered)),
    ] {
        let (input, signature) = signed(covers, parameters);
        assert_eq!(find(&keys, &replays, &input, &signature), expected, "{input}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let (keys, replays) = (key("k", shared(), &[]), Replays::new(1 << 10));
    let (input, signature) = signed(COVERS, &format!(";created={NOW};keyid=\"k\""));
    let other = format!("b={}", &input[2..]);
    for (inputs, signatures, expected) in [
        (format!("{input}, {input}"), signature.clone(), Refused::Ambiguous),
        (input.clone(), format!("{signature}, {signature}"), Refused::Ambiguous),
        (format!("{input}, {other}"), signature.clone(), Refused::Ambiguous),
        (other, signature.clone(), Refused::Unsaid),
        (input.clone(), String::new(), Refused::Malformed),
        (input.clone(), signature.replace("a=:", "a=:A"), Refused::Malformed),
    ] {
        assert_eq!(
            find(&keys, &replays, &inputs, &signatures),
            Err(expected),
            "{inputs} {signatures}"
        );
    }
    // A signature for somebody else beside it is nobody's affair.
    let foreign = format!("proxy=();created=1;keyid=\"of-a-proxy\", {input}");
    let both = format!("proxy=:AQI=:, {signature}");
    assert!(find(&keys, &replays, &foreign, &both).is_ok());
}

#[test]
fn nothing_but_the_digests_that_are_kept_says_what_a_body_is() {
    let read = |value: &str| Digests::read(&request("POST", "/", &[("Content-Digest", value)]));
    let digest = |body: &[u8]| base64_simd::STANDARD.encode_to_string(Sha256::digest(body));
    let (one, other) = (digest(b"one"), digest(b"other"));
    assert!(read(&format!("sha-256=:{one}:")).unwrap().are_of(b"one"));
    assert!(read(&format!("md5=:AQI=:, sha-256=:{one}:")).unwrap().are_of(b"one"));
    assert!(!read(&format!("sha-256=:{other}:")).unwrap().are_of(b"one"));
    // Both have to be right.
    assert!(!read(&format!("sha-256=:{one}:, sha-512=:{one}:")).unwrap().are_of(b"one"));
    assert_eq!(read("md5=:AQI=:").unwrap_err(), Refused::Uncovered);
    assert_eq!(read("").unwrap_err(), Refused::Malformed);
    assert_eq!(
        read(&format!("sha-256=:{one}:, sha-256=:{other}:")).unwrap_err(),
        Refused::Ambiguous
    );
}
