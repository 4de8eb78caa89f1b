//! What the administration API says when it does not do what it was asked: RFC 9457, with a code and a page.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use pasarela_control::Error;
use pasarela_store::Outcome;
use serde_json::{Value, json};

use super::{answer, chain};
use crate::finding::code_list as codes;

codes! {
    Unauthenticated = "ST0001", "A token that holds is needed";
    Forbidden = "ST0002", "Your role does not allow this";
    Suspended = "ST0003", "Your organisation is suspended";
    NotFound = "ST0004", "There is no such thing";
    Malformed = "ST0005", "The request cannot be read";
    Impossible = "ST0006", "What is asked for is not possible";
    State = "ST0007", "Its state does not allow this";
    Clash = "ST0008", "It is taken, or in use";
    Stale = "ST0009", "It has changed since you read it";
    VersionNeeded = "ST0010", "The version you have read is needed";
    KeyReused = "ST0011", "The idempotency key belongs to another request";
    Unavailable = "ST0012", "The store is unavailable; nothing was changed";
    Unknown = "ST0013", "The store is unavailable; the change may have been made";
    TooLarge = "ST0014", "The body is too large";
    MediaType = "ST0015", "The body has to be JSON";
    Broken = "ST0016", "Something is wrong with the store";
    Elsewhere = "ST0017", "Administration is for this machine only";
    Faulty = "ST0018", "What is said about an API has faults";
}

impl Code {
    /// The status that goes with it.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::Suspended | Self::Elsewhere => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Impossible | Self::KeyReused | Self::Faulty => StatusCode::UNPROCESSABLE_ENTITY,
            Self::State | Self::Clash => StatusCode::CONFLICT,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::VersionNeeded => StatusCode::PRECONDITION_REQUIRED,
            Self::Unavailable | Self::Unknown | Self::Broken => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// A code, and what about it.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) code: Code,
    detail: String,
    /// Each thing that is wrong, where there are several.
    errors: Vec<Value>,
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }

    /// Says each thing that is wrong.
    pub(super) fn with_errors(self, errors: Vec<Value>) -> Self {
        Self { errors, ..self }
    }

    /// As an answer.
    pub(super) fn response(self, request: &str) -> Response {
        let Self { code, detail, errors } = self;
        let status = code.status();
        let mut body = json!({
            "type": format!("urn:pasarela:problem:{}", code.code()),
            "title": code.title(), "status": status.as_u16(), "detail": detail,
            "code": code.code(), "instance": format!("urn:pasarela:request:{request}"),
        });
        if !errors.is_empty() {
            body["errors"] = errors.into();
        }
        let mut response = answer::json(status, "application/problem+json", &body, request);
        let headers = response.headers_mut();
        match code {
            Code::Unauthenticated => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Code::Unavailable | Code::Unknown | Code::Broken => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// What the store itself says stays in our log: it may tell of the inside.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Unauthenticated => Code::Unauthenticated,
            Error::Forbidden => Code::Forbidden,
            Error::Suspended => Code::Suspended,
            Error::NotFound { .. } => Code::NotFound,
            Error::Invalid { .. } => Code::Impossible,
            Error::State { .. } => Code::State,
            Error::Clash(_) => Code::Clash,
            Error::Stale => Code::Stale,
            Error::VersionNeeded => Code::VersionNeeded,
            Error::KeyReused => Code::KeyReused,
            Error::Store(pasarela_store::Error::Unavailable { outcome, .. }) => {
                tracing::warn!(error = %chain(&error), "the store does not answer");
                return Self::new(
                    match outcome {
                        Outcome::NotDone => Code::Unavailable,
                        Outcome::Unknown => Code::Unknown,
                    },
                    "the gateway serves on; ask again in a moment",
                );
            }
            Error::Store(_) => {
                tracing::error!(error = %chain(&error), "the store is not as it should be");
                return Self::new(Code::Broken, "the log of the gateway says more");
            }
        };
        Self::new(code, error.to_string())
    }
}
