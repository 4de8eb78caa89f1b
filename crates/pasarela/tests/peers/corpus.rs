//! The corpus of ordinary and odd but legal requests: what a client may say, in bytes.

/// One connection's worth of requests.
pub(crate) struct Case {
    pub(crate) name: String,
    /// What is sent.
    pub(crate) bytes: Vec<u8>,
    /// The methods, in order: so many answers are expected.
    pub(crate) methods: Vec<String>,
}

/// A request with a body of declared length, or none.
fn request(method: &str, target: &str, headers: &str, body: Option<&[u8]>) -> Vec<u8> {
    let mut bytes =
        format!("{method} {target} HTTP/1.1\r\nHost: zoo.example\r\n{headers}").into_bytes();
    if let Some(body) = body {
        bytes.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body.unwrap_or_default());
    bytes
}

/// A request with a chunked body; `chunks` is the body as it goes over the wire.
fn chunked(method: &str, target: &str, headers: &str, chunks: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {target} HTTP/1.1\r\nHost: zoo.example\r\n{headers}Transfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(chunks);
    bytes
}

/// All of it.
pub(crate) fn corpus() -> Vec<Case> {
    let mut corpus = Corpus(Vec::new());
    corpus.methods_and_bodies();
    corpus.targets();
    corpus.fields();
    corpus.answers();
    corpus.files();
    corpus.connections();
    corpus.0
}

struct Corpus(Vec<Case>);

impl Corpus {
    fn add(&mut self, name: impl Into<String>, method: &str, bytes: Vec<u8>) {
        self.0.push(Case { name: name.into(), bytes, methods: vec![method.to_owned()] });
    }

    fn methods_and_bodies(&mut self) {
        let safe = ["GET", "HEAD", "OPTIONS"];
        for method in [
            "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "REPORT",
            "MKCOL", "PURGE",
        ] {
            if safe.contains(&method) || method == "DELETE" {
                self.add(
                    format!("{method} without a body"),
                    method,
                    request(method, "/echo", "", None),
                );
            }
            for size in [0, 1, 1_000, 16_384, 70_001] {
                let body = vec![b'x'; size];
                self.add(
                    format!("{method} with {size} bytes"),
                    method,
                    request(method, "/echo", "", Some(&body)),
                );
            }
            let long: Vec<u8> =
                [b"11170\r\n".as_slice(), &[b'y'; 70_000], b"\r\n0\r\n\r\n"].concat();
            let many: Vec<u8> =
                (0..300).flat_map(|_| b"1\r\nz\r\n".to_vec()).chain(*b"0\r\n\r\n").collect();
            for (name, chunks) in [
                ("an empty chunked body", b"0\r\n\r\n".as_slice()),
                ("one chunk", b"5\r\nhello\r\n0\r\n\r\n"),
                (
                    "sizes with zeros and capitals",
                    b"00A\r\n0123456789\r\n00000b\r\n0123456789a\r\n000\r\n\r\n",
                ),
                ("chunk extensions", b"5;a=b;c=\"d;e\"\r\nhello\r\n0;last\r\n\r\n"),
                ("trailers", b"5\r\nhello\r\n0\r\nX-Trailer: one\r\nX-Other: two\r\n\r\n"),
                ("a long chunk", long.as_slice()),
                ("many small chunks", many.as_slice()),
            ] {
                if !safe.contains(&method) {
                    self.add(
                        format!("{method} with {name}"),
                        method,
                        chunked(method, "/echo", "", chunks),
                    );
                }
            }
        }
    }

    fn targets(&mut self) {
        let deep = format!("/echo{}", "/d".repeat(60));
        let long = format!("/echo/{}", "p".repeat(4_000));
        let query = format!("/echo?{}", "q".repeat(6_000));
        for target in [
            "/",
            "/echo",
            "/echo/",
            "/echo/a",
            "/echo/a/",
            "/echo/a.b",
            "/echo/..a",
            "/echo/a..",
            "/echo/...",
            "/echo/.hidden",
            "/echo/a;v=1",
            "/echo/a;v=1/b;w",
            "/echo/a:b@c",
            "/echo/!$&'()*+,=",
            "/echo/~user",
            "/echo/a%20b",
            "/echo/a%25b",
            "/echo/a%2525b",
            "/echo/%C3%A9",
            "/echo/%E2%82%AC",
            "/echo/a%3Fb",
            "/echo/a%23b",
            "/echo/a%3Bb",
            "/echo/a%26b",
            "/echo/a%3D",
            "/echo/a%2Bb",
            "/echo/a+b",
            "/echo/-_.~",
            "/echo/A/b/C",
            "/echo?",
            "/echo?a",
            "/echo?a=",
            "/echo?a=b",
            "/echo?a=b&a=c&b",
            "/echo?a=b;c=d",
            "/echo?a=%20+b",
            "/echo?path=/../x",
            "/echo?url=http://x/y?z",
            "/echo?a=%2F%5C",
            "/echo?a=b?c",
            "/echo?=&&=",
            "/echo?a[]=1",
            "/echo/a?b/c?d",
            "/echo?%C3%A9=%FF",
            "/echo/0",
            "/echo/%F0%9F%98%80",
            deep.as_str(),
            long.as_str(),
            query.as_str(),
        ] {
            let name = target.get(..40).unwrap_or(target);
            self.add(format!("target {name}"), "GET", request("GET", target, "", None));
        }
    }

    fn fields(&mut self) {
        let long = format!("X-Long: {}\r\n", "v".repeat(7_000));
        let many: String = (0..90).map(|i| format!("X-Many-{i}: {i}\r\n")).collect();
        let repeated: String = (0..20).map(|i| format!("X-Same: {i}\r\n")).collect();
        for (name, headers) in [
            ("empty value", "X-Empty:\r\n"),
            ("empty value and spaces", "X-Empty:   \r\n"),
            ("no space after the colon", "X-Tight:value\r\n"),
            ("spaces around", "X-Loose: \t value \t \r\n"),
            ("tab within", "X-Tab: a\tb\r\n"),
            ("quotes", "X-Quoted: \"a, \\\"b\\\"\"; c=d\r\n"),
            ("colon in the value", "X-Colon: a: b:c\r\n"),
            ("odd but legal name", "!#$%&'*+-.^`|~09Az: odd\r\n"),
            ("mixed case name", "x-MiXeD-cAsE: Yes\r\n"),
            ("lower case content-type", "content-type: text/plain; charset=\"utf-8\"\r\n"),
            ("two cookies", "Cookie: a=1\r\nCookie: b=2; c=\"3\"\r\n"),
            ("cookie crumbs", "Cookie: a=1; b=2; c=3; d=4; e=5\r\n"),
            ("accept list", "Accept: text/html, application/json;q=0.9, */*;q=0.1\r\n"),
            ("accept-encoding", "Accept-Encoding: gzip, br\r\n"),
            ("te trailers", "TE: trailers\r\nConnection: TE\r\n"),
            ("authorization", "Authorization: Basic dTpw\r\n"),
            ("user agent with comments", "User-Agent: a/1 (b; c (d)) e/2\r\n"),
            ("referer", "Referer: http://zoo.example/a?b=c\r\n"),
            ("origin null", "Origin: null\r\n"),
            ("max-forwards", "Max-Forwards: 3\r\n"),
            (
                "pragma and cache-control",
                "Pragma: no-cache\r\nCache-Control: no-cache, max-age=0\r\n",
            ),
            ("keep-alive named", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"),
            ("if-match", "If-Match: \"a\", W/\"b\"\r\n"),
            ("priority", "Priority: u=1, i\r\n"),
            ("digit name", "1: 2\r\n"),
            ("one letter", "A: b\r\n"),
            ("value that looks like a request", "X-Line: GET / HTTP/1.1\r\n"),
            (
                "value with every visible character",
                "X-Visible: !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\r\n",
            ),
            ("long value", long.as_str()),
            ("many fields", many.as_str()),
            ("one name many times", repeated.as_str()),
            ("expect, with its body sent at once", "Expect: 100-continue\r\n"),
        ] {
            let body = name.starts_with("expect").then_some(b"at once".as_slice());
            let method = if body.is_some() { "POST" } else { "GET" };
            self.add(format!("field: {name}"), method, request(method, "/echo/h", headers, body));
        }
        let mut latin = b"GET /echo HTTP/1.1\r\nHost: zoo.example\r\nX-Latin: caf".to_vec();
        latin.extend(b"\xe9 \xff\x80\r\n\r\n");
        self.add("field: bytes above 127", "GET", latin);
        for host in [
            "zoo.example:80",
            "zoo.example:8080",
            "127.0.0.1",
            "127.0.0.1:99",
            "[::1]",
            "[::1]:8080",
            "a-b.c",
            "x",
        ] {
            let bytes = format!("GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
            self.add(format!("host {host}"), "GET", bytes);
        }
    }

    fn answers(&mut self) {
        let statuses = [
            200, 201, 202, 203, 204, 206, 207, 226, 299, 300, 301, 302, 303, 304, 307, 308, 400,
            401, 402, 403, 404, 405, 406, 409, 410, 411, 412, 413, 415, 416, 418, 421, 422, 426,
            428, 429, 451, 499, 500, 501, 502, 503, 504, 507, 599,
        ];
        for status in statuses {
            self.add(
                format!("answer {status}"),
                "GET",
                request("GET", &format!("/status/{status}"), "", None),
            );
        }
        for status in [200, 204, 304, 404, 500] {
            for method in ["HEAD", "POST"] {
                let body = (method == "POST").then_some(b"body".as_slice());
                let bytes = request(method, &format!("/status/{status}"), "", body);
                self.add(format!("{method} answered {status}"), method, bytes);
            }
        }
        for target in [
            "/big/0",
            "/big/1",
            "/big/16383",
            "/big/16384",
            "/big/16385",
            "/big/65536",
            "/big/3000000",
            "/chunked/0",
            "/chunked/1",
            "/chunked/1000",
            "/close/1",
            "/trailers/1",
            "/hints/1",
            "/hints/5",
            "/headers/1",
            "/sse/1",
        ] {
            for method in ["GET", "HEAD"] {
                if method == "GET" || !target.starts_with("/sse") {
                    self.add(
                        format!("{method} {target}"),
                        method,
                        request(method, target, "", None),
                    );
                }
            }
        }
        self.add(
            "trailers asked for",
            "GET",
            request("GET", "/trailers/1", "TE: trailers\r\nConnection: TE\r\n", None),
        );
    }

    fn files(&mut self) {
        for (name, headers) in [
            ("whole", ""),
            ("first ten", "Range: bytes=0-9\r\n"),
            ("last five", "Range: bytes=-5\r\n"),
            ("from 990", "Range: bytes=990-\r\n"),
            ("past the end", "Range: bytes=5000-\r\n"),
            ("not modified", "If-Modified-Since: Fri, 31 Dec 2100 23:59:59 GMT\r\n"),
            ("none matches", "If-None-Match: *\r\n"),
            ("precondition failed", "If-Match: \"nothing\"\r\n"),
            ("gzip accepted", "Accept-Encoding: gzip\r\n"),
        ] {
            for method in ["GET", "HEAD"] {
                let bytes = request(method, "/static/file.txt", headers, None);
                self.add(format!("{method} file, {name}"), method, bytes);
            }
        }
        self.add("no such file", "GET", request("GET", "/static/none.txt", "", None));
        self.add("POST to a file", "POST", request("POST", "/static/file.txt", "", Some(b"x")));
    }

    fn connections(&mut self) {
        let parts: Vec<(&str, Vec<u8>)> = vec![
            ("GET", request("GET", "/echo/1", "", None)),
            ("POST", request("POST", "/echo/2", "", Some(b"two"))),
            ("HEAD", request("HEAD", "/big/1000", "", None)),
            ("PUT", chunked("PUT", "/echo/3", "", b"5\r\nthree\r\n0\r\n\r\n")),
            ("GET", request("GET", "/status/204", "", None)),
            ("GET", request("GET", "/chunked/3", "", None)),
            ("DELETE", request("DELETE", "/status/404", "", None)),
            ("GET", request("GET", "/big/20000", "", None)),
            ("GET", request("GET", "/status/304", "", None)),
            ("GET", request("GET", "/static/file.txt", "", None)),
        ];
        for first in 0..parts.len() {
            for count in [2, 3, 10] {
                let chosen: Vec<_> = parts.iter().cycle().skip(first).take(count).collect();
                self.0.push(Case {
                    name: format!(
                        "{count} requests at once, from {}",
                        chosen[0].0.to_owned() + &first.to_string()
                    ),
                    bytes: chosen.iter().flat_map(|(_, bytes)| bytes.clone()).collect(),
                    methods: chosen.iter().map(|(method, _)| (*method).to_owned()).collect(),
                });
            }
        }
        let old = |headers: &str| {
            format!("GET /echo HTTP/1.0\r\nHost: zoo.example\r\n{headers}\r\n").into_bytes()
        };
        self.add("HTTP/1.0", "GET", old(""));
        self.add("HTTP/1.0 with keep-alive", "GET", old("Connection: keep-alive\r\n"));
        self.add(
            "HTTP/1.0 and a chunked answer",
            "GET",
            b"GET /chunked/5 HTTP/1.0\r\nHost: zoo.example\r\n\r\n".to_vec(),
        );
        self.add(
            "HTTP/1.0 with a body",
            "POST",
            b"POST /echo HTTP/1.0\r\nHost: zoo.example\r\nContent-Length: 3\r\n\r\nold".to_vec(),
        );
        self.add("close asked for", "GET", request("GET", "/echo", "Connection: close\r\n", None));
        self.add(
            "close in capitals",
            "GET",
            request("GET", "/big/100", "Connection: CLOSE\r\n", None),
        );
        self.add(
            "an empty line first",
            "GET",
            [b"\r\n".to_vec(), request("GET", "/echo", "", None)].concat(),
        );
    }
}
