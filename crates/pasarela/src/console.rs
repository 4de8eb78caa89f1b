//! The console listener's addresses: `/healthz`, `/readyz`, `/metrics`, and what is added to them (`admin`).
//!
//! They are for machines that watch over the process and are never reachable through the gateway.
//! What the process is like is told by two closures, so this file knows neither workers nor
//! listeners. Everything else is answered 404 or 405 as `application/problem+json`.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{
    HeaderValue, StatusCode, Uri,
    header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use serde_json::json;

/// What the console asks the process.
pub(crate) struct Console {
    /// Whether requests are welcome; cheap, asked every second by load balancers.
    pub(crate) readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// The text of `/metrics`; may read files.
    pub(crate) metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// Whether the process should be sent requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Readiness {
    /// Number of the configuration that serves; `None` before the first.
    pub(crate) generation: Option<u64>,
    /// Why not, in words for an operator ("draining", "listener tls is not up"). Empty: ready.
    pub(crate) reasons: Vec<String>,
}

/// The console's addresses.
pub(crate) fn router(console: Console, administration: Router) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::new(console))
        .merge(administration)
}

/// The process answers, so it is alive. Nothing more: a restart cures no missing upstream.
async fn healthz() -> Response {
    reply(StatusCode::OK, JSON, json!({ "status": "ok" }).to_string())
}

async fn readyz(State(console): State<Arc<Console>>) -> Response {
    let Readiness { generation, reasons } = (console.readiness)();
    let (code, status) = match (generation, reasons.is_empty()) {
        (Some(_), true) => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    let mut reasons = reasons;
    if generation.is_none() {
        reasons.insert(0, "no configuration is live".into());
    }
    let body = json!({ "status": status, "generation": generation, "reasons": reasons });
    reply(code, JSON, body.to_string())
}

async fn metrics(State(console): State<Arc<Console>>) -> Response {
    // Adding up ten thousand APIs takes a while, and `/proc` is files.
    match tokio::task::spawn_blocking(move || (console.metrics)()).await {
        Ok(text) => reply(StatusCode::OK, METRICS, text),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "The metrics could not be read."),
    }
}

async fn not_found(uri: Uri) -> Response {
    let path = uri.path();
    problem(StatusCode::NOT_FOUND, &format!("The console has nothing at {path}."))
}

async fn method_not_allowed() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "This address does not answer that method.")
}

const JSON: &str = "application/json";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A problem of HTTP's own, without a code of ours (RFC 9457 §4.2.1).
fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail,
    });
    reply(status, "application/problem+json", body.to_string())
}

fn reply(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::Value;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// One request to a console with this readiness; the head and the body of its answer.
    async fn ask(readiness: &Arc<Mutex<Readiness>>, request_line: &str) -> (String, String) {
        let readiness = Arc::clone(readiness);
        let console = Console {
            readiness: Box::new(move || readiness.lock().unwrap().clone()),
            metrics: Box::new(|| "# HELP a b\n# TYPE a gauge\na 1\n".into()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server =
            tokio::spawn(
                async move { axum::serve(listener, router(console, Router::new())).await },
            );
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("{request_line} HTTP/1.1\r\nhost: console\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    }

    #[tokio::test]
    async fn a_process_is_alive_before_it_is_ready_and_says_what_it_waits_for() {
        let state = Arc::new(Mutex::new(Readiness::default()));
        let (head, _) = ask(&state, "GET /healthz").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");

        let (head, body) = ask(&state, "GET /readyz").await;
        assert!(head.starts_with("http/1.1 503"), "{head}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["reasons"], json!(["no configuration is live"]));

        *state.lock().unwrap() = Readiness { generation: Some(3), reasons: vec![] };
        let (head, body) = ask(&state, "GET /readyz").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body, json!({ "status": "ready", "generation": 3, "reasons": [] }));

        state.lock().unwrap().reasons.push("draining".into());
        let (head, body) = ask(&state, "GET /readyz").await;
        assert!(head.starts_with("http/1.1 503"), "{head}");
        assert!(body.contains("draining"), "{body}");
    }

    #[tokio::test]
    async fn prometheus_gets_the_media_type_it_asks_for() {
        let state = Arc::default();
        let (head, body) = ask(&state, "GET /metrics").await;
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        assert_eq!(body, "# HELP a b\n# TYPE a gauge\na 1\n");
        let (head, body) = ask(&state, "HEAD /metrics").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(body, "");
    }

    #[tokio::test]
    async fn everything_else_is_a_problem() {
        let state = Arc::default();
        for (request, status) in [("GET /console", 404), ("POST /readyz", 405)] {
            let (head, body) = ask(&state, request).await;
            assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
            assert!(head.contains("content-type: application/problem+json"), "{head}");
            assert_eq!(head.contains("allow: get,head"), status == 405, "{head}");
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["status"], status);
        }
    }
}
