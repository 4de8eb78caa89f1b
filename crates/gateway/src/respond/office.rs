//! The answers of an authorization server: their status, fields and words are those of RFC 6749 §5 and RFC 8414 §3.2.

use pasarela_net::http1::Head;
use serde_json::json;

use super::{Refusal, answer};
use crate::{
    ctx::Ctx,
    downstream::{Downstream, Put},
    oauth::{Denied, Issued},
    worker::Worker,
};

const JSON: &[u8] = b"application/json";

/// A document for everybody. Keys come a day before they sign, so whoever keeps them for an hour has them in time.
pub(crate) async fn published<D: Downstream>(
    worker: &Worker,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
    document: &str,
) -> Result<(), Refusal> {
    let fields = |put: &mut dyn Put| {
        put.put(b"Content-Type", JSON);
        put.put(b"Cache-Control", b"public, max-age=3600");
    };
    let sent = answer(worker, down, head, ctx, 200, fields, document.as_bytes()).await;
    sent.map_err(|_| Refusal::gone())
}

/// A token, or why there is none.
pub(crate) async fn token<D: Downstream>(
    worker: &Worker,
    down: &mut D,
    head: &Head,
    ctx: &mut Ctx<'_>,
    issued: &Result<Issued, Denied>,
) -> Result<(), Refusal> {
    let (status, body) = match issued {
        Ok(Issued { token, seconds, scopes, .. }) => {
            let mut body =
                json!({ "access_token": token, "token_type": "Bearer", "expires_in": seconds });
            if !scopes.is_empty() {
                body["scope"] = json!(scopes.to_string());
            }
            (200, body)
        }
        Err(denied) => {
            let (status, error, why) = told(denied);
            (status, json!({ "error": error, "error_description": why }))
        }
    };
    let fields = |put: &mut dyn Put| {
        put.put(b"Content-Type", JSON);
        put.put(b"Cache-Control", b"no-store");
        put.put(b"Pragma", b"no-cache");
        if let Err(Denied::Client { basic, wait }) = issued {
            if *basic {
                put.put(b"WWW-Authenticate", b"Basic realm=\"pasarela\", charset=\"UTF-8\"");
            }
            if let Some(seconds) = wait {
                put.put(b"Retry-After", seconds.to_string().as_bytes());
            }
        }
    };
    let body = body.to_string();
    let sent = answer(worker, down, head, ctx, status, fields, body.as_bytes()).await;
    sent.map_err(|_| Refusal::gone())
}

fn told(denied: &Denied) -> (u16, &'static str, &'static str) {
    match denied {
        Denied::Request(why) => (400, "invalid_request", why),
        // The same for a client that is not there, a wrong secret, and any after too many wrong ones.
        Denied::Client { .. } => (
            401,
            "invalid_client",
            "the client is not known or the secret is wrong, or too many were wrong from here",
        ),
        Denied::Unauthorized(why) => (400, "unauthorized_client", why),
        Denied::Grant => (400, "unsupported_grant_type", "client_credentials is issued here"),
        Denied::Scope => {
            (400, "invalid_scope", "the application was not granted all of these scopes")
        }
        Denied::Server => (500, "server_error", "no token can be signed now"),
    }
}
