//! Answers of the administration API as HTTP.

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use pasarela_control::Answer;
use serde_json::Value;

use super::table::Route;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What a verb answered.
pub(super) fn response(route: &Route, answer: Answer, request: &str) -> Response {
    let Answer { mut body, version, created, secret, replayed } = answer;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let id = body.get("id").and_then(Value::as_str).map(str::to_owned);
    if let (true, Some(object)) = (route.secret, body.as_object_mut()) {
        // A repeated question finds it gone: it is kept nowhere.
        object.insert("secret".into(), secret.into());
    }
    let mut response = json(status, "application/json", &body, request);
    let headers = response.headers_mut();
    if let Some(tag) = version.and_then(|version| format!("\"{version}\"").parse().ok()) {
        headers.insert(header::ETAG, tag);
    }
    let place = route.lies_at.zip(id).map(|(at, id)| format!("/admin/v1/{at}/{id}"));
    if let Some(place) = place.filter(|_| created).and_then(|place| place.parse().ok()) {
        headers.insert(header::LOCATION, place);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// A body of JSON, with what every answer says.
pub(super) fn json(
    status: StatusCode,
    media: &'static str,
    body: &Value,
    request: &str,
) -> Response {
    let mut response = (status, Body::from(body.to_string())).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = request.parse() {
        headers.insert(REQUEST_ID, id);
    }
    response
}
