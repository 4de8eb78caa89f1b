//! T18: tokens that are good, and many more that are not.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
    },
};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use pasarela_model::TokenAlgorithm as Algorithm;
use serde_json::{Value, json};

use std::sync::Arc;

use super::{jws::Parts, *};

const NOW: u64 = 1_800_000_000;
const HOME: &str = "https://login.example/";

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes.as_ref())
}

/// Somebody who signs in every way there is.
struct Signer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Signer {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    fn sign(&self, algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                let padding = match algorithm {
                    Algorithm::Rs256 => {
                        &RSA_PKCS1_SHA256 as &'static dyn aws_lc_rs::signature::RsaEncoding
                    }
                    _ => &RSA_PSS_SHA256,
                };
                self.rsa.sign(padding, &random, bytes, &mut signature).unwrap();
                signature
            }
            Algorithm::Es256 => self.ec.sign(&random, bytes).unwrap().as_ref().to_vec(),
            Algorithm::EdDsa => self.ed.sign(bytes).as_ref().to_vec(),
        }
    }

    /// PKCS #1: a sequence of two integers, both with lengths in two bytes or one.
    fn rsa_numbers(&self) -> (Vec<u8>, Vec<u8>) {
        fn integer(der: &[u8]) -> (&[u8], &[u8]) {
            assert_eq!(der[0], 2);
            let (length, from) = match der[1] {
                0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
                0x81 => (usize::from(der[2]), 3),
                short => (usize::from(short), 2),
            };
            (&der[from..from + length], &der[from + length..])
        }
        let der = self.rsa.public_key().as_ref();
        let (n, rest) = integer(&der[4..]);
        (n.strip_prefix(&[0]).unwrap_or(n).to_vec(), integer(rest).0.to_vec())
    }

    fn jwks(&self) -> Value {
        let (n, e) = self.rsa_numbers();
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "n": base64(n), "e": base64(e)},
            {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "x": base64(&point[1..33]), "y": base64(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "x": base64(self.ed.public_key())},
            {"kty": "oct", "kid": "secret", "k": "AAAA"},
            {"kty": "EC", "crv": "P-521", "kid": "big", "x": "AA", "y": "AA"},
        ]})
    }

    fn token(&self, algorithm: Algorithm, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(header), base64(claims));
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", base64(signature))
    }
}

fn kid(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => "rsa",
        Algorithm::Es256 => "ec",
        Algorithm::EdDsa => "ed",
    }
}

fn header(algorithm: Algorithm) -> Value {
    let name = Algorithm::ALL.iter().find(|(_, one)| *one == algorithm).unwrap().0;
    json!({"alg": name, "kid": kid(algorithm), "typ": "JWT"})
}

fn claims() -> Value {
    json!({"iss": HOME, "aud": "orders", "exp": NOW + 300, "iat": NOW, "azp": "acme"})
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

fn issuers(keys: &Value) -> Issuers {
    let algorithms = Algorithm::ALL.iter().map(|(_, algorithm)| *algorithm).collect();
    Issuers::new(vec![Issuer {
        issuer: HOME.to_owned(),
        audiences: vec!["orders".to_owned(), "rates".to_owned()],
        algorithms,
        client_claims: vec!["client_id".to_owned(), "azp".to_owned()],
        keys: Arc::new(Ring::new(KeySet::read(keys.to_string().as_bytes()).unwrap())),
    }])
}

#[test]
fn t18_what_an_issuer_signs_is_good_in_whatever_way_it_may_say_it() {
    let signer = Signer::new();
    let known = issuers(&signer.jwks());
    let mut good = 0;
    for (_, algorithm) in Algorithm::ALL {
        let (usual, said) = (header(algorithm), claims());
        for (head, claims) in [
            (usual.clone(), said.clone()),
            (without(usual.clone(), "kid"), said.clone()),
            (without(usual.clone(), "typ"), said.clone()),
            (with(usual.clone(), "typ", json!("at+JWT")), said.clone()),
            // Where a key may be found is not looked at; the issuer's own key is.
            (with(usual.clone(), "jku", json!("http://127.0.0.1:1/keys")), said.clone()),
            (with(usual.clone(), "x5t", json!("abc")), said.clone()),
            (usual.clone(), with(said.clone(), "aud", json!(["other", "rates"]))),
            (usual.clone(), with(said.clone(), "client_id", json!("acme"))),
            (usual.clone(), with(said.clone(), "client_id", json!(""))),
            (usual.clone(), with(said.clone(), "nbf", json!(NOW + SKEW_SECONDS))),
            (usual.clone(), with(said.clone(), "exp", json!(NOW - SKEW_SECONDS + 1))),
            (usual.clone(), with(without(said.clone(), "iat"), "roles", json!([{"a": [1, null]}]))),
        ] {
            let token = signer.token(algorithm, &head.to_string(), &claims.to_string());
            let verified = known.verify(token.as_bytes(), NOW);
            assert_eq!(verified.map(|good| good.client), Ok("acme".to_owned()), "{head} {claims}");
            good += 1;
        }
        let fraction = claims().to_string().replace("1800000300", "1800000300.75");
        let token = signer.token(algorithm, &usual.to_string(), &fraction);
        let verified = known.verify(token.as_bytes(), NOW).unwrap();
        assert_eq!(verified.until, NOW + 300 + SKEW_SECONDS);
        good += 1;
    }
    assert!(good >= 40, "{good}");
}

/// RFC 7515 §A.2 and §A.3, RFC 8037 §A.4 and §A.5.
#[test]
fn t18_the_examples_of_the_rfcs_verify_and_nothing_else_does_with_their_keys() {
    let keys = json!({"keys": [
        {"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
        {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ]});
    let keys = KeySet::read(keys.to_string().as_bytes()).unwrap();
    for token in [
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ] {
        let parts = Parts::read(token.as_bytes()).unwrap();
        assert_eq!(keys.verify(&parts), Ok(()), "{token}");
        let other = Parts { signed: &token.as_bytes()[1..], ..parts };
        assert_eq!(keys.verify(&other), Err(Refused::Key));
    }
}

/// Every token that is refused, with a word on what is wrong with it.
fn bad_tokens(signer: &Signer, stranger: &Signer, algorithm: Algorithm) -> Vec<(String, String)> {
    let (head, said) = (header(algorithm), claims());
    let mut bad = Vec::new();
    let sign = |head: &str, said: &str| signer.token(algorithm, head, said);
    let heads = [
        with(head.clone(), "alg", json!("none")),
        with(head.clone(), "alg", json!("None")),
        with(head.clone(), "alg", json!("HS256")),
        with(head.clone(), "alg", json!("rs256")),
        with(head.clone(), "alg", json!("ES256K")),
        with(head.clone(), "alg", json!("")),
        with(head.clone(), "alg", json!(null)),
        with(head.clone(), "alg", json!(["RS256"])),
        without(head.clone(), "alg"),
        with(head.clone(), "crit", json!(["exp"])),
        with(head.clone(), "crit", json!([])),
        with(head.clone(), "b64", json!(false)),
        with(head.clone(), "cty", json!("JWT")),
        with(head.clone(), "zip", json!("DEF")),
        with(head.clone(), "enc", json!("A256GCM")),
        with(head.clone(), "typ", json!("JOSE")),
        with(head.clone(), "typ", json!(1)),
        with(head.clone(), "kid", json!("nobody")),
        with(head.clone(), "kid", json!("../../dev/null")),
        with(head.clone(), "kid", json!("' OR 1=1 --")),
        with(head.clone(), "kid", json!("secret")),
        with(head.clone(), "kid", json!(7)),
        with(head.clone(), "kid", json!("k".repeat(257))),
        json!([]),
        json!("RS256"),
    ];
    bad.extend(
        heads.map(|head| (format!("header {head}"), sign(&head.to_string(), &said.to_string()))),
    );
    let head = head.to_string();
    let name = &header(algorithm)["alg"];
    for twice in [
        head.replacen('{', &format!("{{\"alg\":{name},"), 1),
        head.replacen('{', "{\"alg\":\"none\",", 1),
        head.replacen('{', "{\"\\u0061lg\":\"none\",", 1),
        format!("{head} {head}"),
        format!("\u{feff}{head}"),
        head.replacen('{', "{,", 1),
    ] {
        bad.push((format!("header {twice}"), sign(&twice, &said.to_string())));
    }
    let sets = [
        without(said.clone(), "exp"),
        with(said.clone(), "exp", json!((NOW + 300).to_string())),
        with(said.clone(), "exp", json!(-1)),
        with(said.clone(), "exp", json!(null)),
        with(said.clone(), "exp", json!(NOW - SKEW_SECONDS)),
        with(said.clone(), "exp", json!(0)),
        with(said.clone(), "nbf", json!(NOW + SKEW_SECONDS + 1)),
        with(said.clone(), "nbf", json!("now")),
        with(said.clone(), "iat", json!(NOW + SKEW_SECONDS + 1)),
        with(said.clone(), "iat", json!(true)),
        without(said.clone(), "aud"),
        with(said.clone(), "aud", json!("order")),
        with(said.clone(), "aud", json!("orders ")),
        with(said.clone(), "aud", json!(["other"])),
        with(said.clone(), "aud", json!([])),
        with(said.clone(), "aud", json!(["orders", 7])),
        with(said.clone(), "aud", json!({"orders": 1})),
        without(said.clone(), "iss"),
        with(said.clone(), "iss", json!("https://login.example")),
        with(said.clone(), "iss", json!("https://evil.example/")),
        with(said.clone(), "iss", json!([HOME])),
        without(said.clone(), "azp"),
        with(said.clone(), "azp", json!("")),
        with(said.clone(), "azp", json!(5)),
        with(said.clone(), "azp", json!("a".repeat(257))),
        json!([claims()]),
        json!("claims"),
    ];
    bad.extend(sets.map(|said| (format!("claims {said}"), sign(&head, &said.to_string()))));
    let said = said.to_string();
    for odd in [
        said.replacen('{', &format!("{{\"iss\":\"{HOME}\","), 1),
        said.replacen('{', "{\"exp\":9999999999,", 1),
        said.replacen('{', "{\"aud\":\"orders\",", 1),
        said.replacen('{', "{\"azp\":\"other\",", 1),
        said.replace("1800000300", "1.8e9"),
        said.replace("1800000300", "1800000300.x"),
        said.replace("1800000300", "99999999999999999999999"),
        format!("{said},"),
        format!("{said}{said}"),
        "[".repeat(4_000),
        String::new(),
    ] {
        bad.push((format!("claims {odd:.80}"), sign(&head, &odd)));
    }
    let token = sign(&head, &said);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
    let again = |bytes: &[u8]| format!("{signed}.{}", base64(bytes));
    for at in (0..bytes.len()).step_by(bytes.len() / 16) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        bad.push((format!("byte {at} of the signature"), again(&changed)));
    }
    bad.push(("no signature".to_owned(), again(&[])));
    bad.push(("a short signature".to_owned(), again(&bytes[..bytes.len() - 1])));
    bad.push(("a long signature".to_owned(), again(&[&bytes[..], &[0]].concat())));
    bad.push(("a signature of zeros".to_owned(), again(&vec![0; bytes.len()])));
    bad.push(("a stranger's signature".to_owned(), stranger.token(algorithm, &head, &said)));
    for (_, other) in Algorithm::ALL.iter().filter(|(_, other)| *other != algorithm) {
        let signature = signer.sign(*other, signed.as_bytes());
        bad.push((format!("signed as {other:?}"), again(&signature)));
    }
    for (what, text) in [
        ("two parts", signed.to_owned()),
        ("five parts", format!("{token}.a.b")),
        ("padding", format!("{token}=")),
        ("a blank", format!(" {token}")),
        ("a line", format!("{token}\n")),
        ("a blank within", token.replacen('.', ". ", 1)),
        (
            "another payload",
            token.replacen(&base64(&said), &base64(said.replace("acme", "evil")), 1),
        ),
        ("another header", token.replacen(&base64(&head), &base64(head.replace("JWT", "jwt")), 1)),
        (
            "the other alphabet",
            format!("{signed}.{}", STANDARD.encode_to_string([&bytes[..], &[255, 255]].concat())),
        ),
        (
            "too long",
            sign(&head, &said.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(8 << 10)), 1)),
        ),
        ("not text", format!("{token}\u{e9}")),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
    ] {
        bad.push((what.to_owned(), text));
    }
    bad
}

#[test]
fn t18_no_token_that_is_wrong_in_any_way_is_accepted() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let known = issuers(&signer.jwks());
    let mut refused = 0;
    for (_, algorithm) in Algorithm::ALL {
        for (what, token) in bad_tokens(&signer, &stranger, algorithm) {
            assert!(known.verify(token.as_bytes(), NOW).is_err(), "{algorithm:?}, {what}: {token}");
            refused += 1;
        }
    }
    assert!(refused >= 350, "{refused}");
}

#[test]
fn t18_the_public_key_is_no_secret_to_sign_with() {
    use aws_lc_rs::hmac;
    let signer = Signer::new();
    let jwks = signer.jwks();
    let known = issuers(&jwks);
    let (n, _) = signer.rsa_numbers();
    let secrets = [
        signer.rsa.public_key().as_ref().to_vec(),
        n,
        signer.ec.public_key().as_ref().to_vec(),
        signer.ed.public_key().as_ref().to_vec(),
        jwks.to_string().into_bytes(),
        Vec::new(),
    ];
    for (secret, kid) in
        secrets.iter().flat_map(|secret| ["rsa", "ec", "ed"].map(|kid| (secret, kid)))
    {
        let head = json!({"alg": "HS256", "kid": kid}).to_string();
        let signed = format!("{}.{}", base64(head), base64(claims().to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        let token = format!("{signed}.{}", base64(tag));
        assert_eq!(known.verify(token.as_bytes(), NOW), Err(Refused::Algorithm));
    }
}

#[test]
fn t18_a_der_signature_is_none_of_jose() {
    let signer = Signer::new();
    let der = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        signer.ec.to_pkcs8v1().unwrap().as_ref(),
    )
    .unwrap();
    let signed = format!(
        "{}.{}",
        base64(header(Algorithm::Es256).to_string()),
        base64(claims().to_string())
    );
    let signature = der.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let token = format!("{signed}.{}", base64(signature));
    let known = issuers(&signer.jwks());
    assert_eq!(known.verify(token.as_bytes(), NOW), Err(Refused::Signature));
}

#[test]
fn a_text_has_one_form_in_base64() {
    let signer = Signer::new();
    let known = issuers(&signer.jwks());
    let token = signer.token(
        Algorithm::EdDsa,
        &header(Algorithm::EdDsa).to_string(),
        &claims().to_string(),
    );
    // 64 bytes leave four bits of the last digit unused, which have to be zero.
    let last = token.as_bytes()[token.len() - 1];
    let others = (last + 1..=last + 3)
        .map(|other| format!("{}{}", &token[..token.len() - 1], other as char));
    for other in others {
        assert!(known.verify(other.as_bytes(), NOW).is_err(), "{other}");
    }
}

#[test]
fn of_a_key_set_what_is_understood_is_used() {
    let (n, e) = Signer::new().rsa_numbers();
    let rsa = json!({"kty": "RSA", "n": base64(&n), "e": base64(&e)});
    let reads = |keys: Value| KeySet::read(json!({ "keys": keys }).to_string().as_bytes());
    assert!(reads(json!([rsa, {"kty": "AKP"}, 7])).is_ok());
    assert!(reads(json!([with(rsa.clone(), "key_ops", json!(["verify"]))])).is_ok());
    for useless in [
        with(rsa.clone(), "use", json!("enc")),
        with(rsa.clone(), "key_ops", json!(["sign"])),
        with(rsa.clone(), "alg", json!("RSA-OAEP")),
        with(rsa.clone(), "alg", json!("RS512")),
        with(rsa.clone(), "n", json!(base64(&n[..128]))),
        with(rsa.clone(), "n", json!("a b")),
        with(rsa.clone(), "e", json!("")),
        without(rsa.clone(), "e"),
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        json!({"kty": "EC", "crv": "P-256", "x": base64([1; 32]), "y": base64([1; 32])}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": base64([1; 31])}),
    ] {
        assert_eq!(reads(json!([useless])).err(), Some(BadKeys::None), "{useless}");
    }
    assert_eq!(reads(json!(vec![rsa.clone(); 101])).err(), Some(BadKeys::Many));
    assert_eq!(reads(json!({})).err(), Some(BadKeys::Document));
    assert_eq!(KeySet::read(b"<html>").err(), Some(BadKeys::Document));
}
