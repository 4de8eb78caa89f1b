//! The machine against the crate `h2`, which shares nothing with it: what one writes, the other reads.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use proptest::prelude::*;

use super::{super::connection::Connection, *};
use crate::http1::Name;

const ROOMY: Settings = Settings {
    streams: 100,
    line_bytes: 8 << 10,
    header_bytes: 32 << 10,
    header_fields: 100,
    resets: 200,
    control: 1000,
    ..SETTINGS
};

/// Answers each request with its own fields, on one connection, until the other side leaves.
fn echo(listener: &TcpListener) -> usize {
    let (mut stream, _) = listener.accept().unwrap();
    let mut connection = Connection::new(ROOMY, 0);
    let (mut held, mut buffer, mut served) = (Vec::new(), vec![0; 64 << 10], 0);
    loop {
        let mut out = Vec::new();
        connection.take_out(&mut out);
        if stream.write_all(&out).is_err() {
            return served;
        }
        connection.set_unsent(0);
        match stream.read(&mut buffer) {
            Ok(received @ 1..) => held.extend_from_slice(&buffer[..received]),
            _ => return served,
        }
        loop {
            let received = connection.receive(&held, 0);
            held.drain(..received.used);
            let Some(key) = received.request else { break };
            let mut head = Head::default();
            assert_eq!(connection.take_head(&mut head), None);
            connection
                .answer(key, 200, None, false, |block| {
                    for (id, name, value) in head.fields() {
                        if id != Name::Host {
                            block.field(name, value);
                        }
                    }
                })
                .unwrap();
            connection.finish(key, Some(head.fields()));
            connection.release(key);
            served += 1;
        }
        assert_eq!(connection.failed(), None);
    }
}

type Fields = Vec<(String, Vec<u8>, bool)>;

/// Sends these heads over one connection; what came back for each, as fields and as trailers.
fn ask(all: &[Fields]) -> Vec<(http::HeaderMap, http::HeaderMap)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || echo(&listener));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answers = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut client, connection) =
            h2::client::Builder::new().handshake::<_, Bytes>(stream).await.unwrap();
        let driver = tokio::spawn(connection);
        let mut answers = Vec::new();
        for fields in all {
            let mut request = Request::get("http://h/p?q").body(()).unwrap();
            for (name, value, secret) in fields {
                let mut value = HeaderValue::from_bytes(value).unwrap();
                value.set_sensitive(*secret);
                request.headers_mut().append(HeaderName::try_from(name).unwrap(), value);
            }
            client = client.ready().await.unwrap();
            let (answer, _) = client.send_request(request, true).unwrap();
            let (parts, mut body) = answer.await.unwrap().into_parts();
            while let Some(data) = body.data().await {
                assert!(data.unwrap().is_empty());
            }
            answers.push((parts.headers, body.trailers().await.unwrap().unwrap_or_default()));
        }
        drop(client);
        driver.abort();
        answers
    });
    // The connection is the runtime's.
    drop(runtime);
    assert_eq!(server.join().unwrap(), all.len());
    answers
}

fn field() -> impl Strategy<Value = (String, Vec<u8>, bool)> {
    let name =
        prop_oneof!["x-[a-z0-9]{1,20}", Just("accept".to_owned()), Just("user-agent".to_owned())];
    let value = prop_oneof![
        "[!-~]([ -~]{0,120}[!-~])?".prop_map(String::into_bytes),
        prop::collection::vec(0x80u8..=0xff, 0..40),
        Just(b"the same again".to_vec()),
    ];
    (name, value, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn t05_a_foreign_encoder_and_a_foreign_decoder_agree_with_ours(
        all in prop::collection::vec(prop::collection::vec(field(), 0..30), 1..12)
    ) {
        let answers = ask(&all);
        for (fields, (head, trailers)) in all.iter().zip(&answers) {
            for (name, ..) in fields {
                let sent: Vec<_> = fields.iter().filter(|f| f.0 == *name).map(|f| &f.1[..]).collect();
                let got: Vec<_> = head.get_all(name).iter().map(HeaderValue::as_bytes).collect();
                prop_assert_eq!(&got, &sent);
                if name.starts_with("x-") {
                    prop_assert_eq!(trailers.get_all(name).iter().count(), sent.len());
                }
            }
            prop_assert_eq!(head.len(), fields.len());
        }
    }
}
