//! The demo's SOAP 1.1 service, as they have stood in companies for twenty years: one address,
//! document/literal, an action a call, and a Fault when something is wrong.
//!
//! It is a service and no part of the gateway: it reads whole messages into a tree.

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use roxmltree::{Document, Node};

use super::tariff::{cents, euros};

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const TRACKING: &str = "urn:demo:tracking";

/// The service.
pub(super) fn router() -> Router {
    Router::new().route("/TrackingService", post(call))
}

/// What a call comes to.
enum Reply {
    Message(String),
    Fault { code: &'static str, text: String, detail: String },
}

async fn call(headers: HeaderMap, body: Bytes) -> Response {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let reply = match media.to_ascii_lowercase().starts_with("text/xml") {
        true => std::str::from_utf8(&body)
            .map_err(|_| client("the message is not UTF-8"))
            .and_then(answer)
            .unwrap_or_else(|fault| fault),
        false => client("SOAP 1.1 arrives as text/xml"),
    };
    // SOAP 1.1 §6.2: a Fault comes with status 500.
    let (status, body) = match reply {
        Reply::Message(body) => (StatusCode::OK, body),
        Reply::Fault { code, text, detail } => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!(
                "<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{}</faultstring>{}</soap:Fault>",
                escape(&text),
                match detail.is_empty() {
                    true => String::new(),
                    false => format!("<detail>{detail}</detail>"),
                }
            ),
        ),
    };
    let envelope = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <soap:Envelope xmlns:soap=\"{ENVELOPE}\"><soap:Body>{body}</soap:Body></soap:Envelope>\n"
    );
    (status, [(CONTENT_TYPE, "text/xml; charset=utf-8")], envelope).into_response()
}

fn answer(text: &str) -> Result<Reply, Reply> {
    // Without document types: roxmltree refuses them unless told otherwise.
    let document = Document::parse(text).map_err(|error| client(&error.to_string()))?;
    let root = document.root_element();
    if !root.has_tag_name((ENVELOPE, "Envelope")) {
        return Err(Reply::Fault {
            code: "VersionMismatch",
            text: "the message is no SOAP 1.1 envelope".to_owned(),
            detail: String::new(),
        });
    }
    let message = child(root, ENVELOPE, "Body")
        .and_then(|body| body.first_element_child())
        .ok_or_else(|| client("the body is empty"))?;
    if message.tag_name().namespace() != Some(TRACKING) {
        return Err(client("the message is in a namespace this service does not know"));
    }
    match message.tag_name().name() {
        "TrackParcel" => track(message),
        "GetQuote" => quote(message),
        other => Err(client(&format!("there is no operation {other}"))),
    }
}

fn track(message: Node<'_, '_>) -> Result<Reply, Reply> {
    let number = text(message, "number")?;
    let (place, delivered) = match number {
        "ES1001" => ("Madrid", false),
        "ES1002" => ("Zaragoza", false),
        "ES1003" => ("Sevilla", true),
        _ => {
            let number = escape(number);
            return Err(Reply::Fault {
                code: "Client",
                text: "there is no such parcel".to_owned(),
                detail: format!(
                    "<NoSuchParcel xmlns=\"{TRACKING}\"><number>{number}</number></NoSuchParcel>"
                ),
            });
        }
    };
    Ok(Reply::Message(format!(
        "<TrackParcelResponse xmlns=\"{TRACKING}\"><number>{number}</number>\
         <place>{place}</place><delivered>{delivered}</delivered></TrackParcelResponse>"
    )))
}

fn quote(message: Node<'_, '_>) -> Result<Reply, Reply> {
    let grams = text(message, "grams")?.parse().unwrap_or(0);
    let cents = cents(text(message, "to")?, grams)
        .ok_or_else(|| client("nothing of this weight is sent there"))?;
    Ok(Reply::Message(format!(
        "<GetQuoteResponse xmlns=\"{TRACKING}\"><price>{}</price><currency>EUR</currency></GetQuoteResponse>",
        euros(cents)
    )))
}

fn child<'a, 'i>(node: Node<'a, 'i>, namespace: &'static str, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|node| node.has_tag_name((namespace, name)))
}

/// The text of a child element that has to be there.
fn text<'a>(message: Node<'a, '_>, name: &str) -> Result<&'a str, Reply> {
    child(message, TRACKING, name)
        .map(|node| node.text().unwrap_or_default().trim())
        .ok_or_else(|| client(&format!("{name} is missing")))
}

/// A fault of the caller's.
fn client(text: &str) -> Reply {
    Reply::Fault { code: "Client", text: text.to_owned(), detail: String::new() }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &str) -> (&'static str, String) {
        let envelope =
            format!("<e:Envelope xmlns:e='{ENVELOPE}'><e:Body>{body}</e:Body></e:Envelope>");
        match answer(&envelope) {
            Err(Reply::Fault { code, text, detail }) => (code, format!("{text} {detail}")),
            _ => panic!("{body} was answered"),
        }
    }

    #[test]
    fn what_is_wrong_is_told_as_a_fault() {
        let (code, told) = fault(
            "<TrackParcel xmlns='urn:demo:tracking'><number>&lt;x&gt;</number></TrackParcel>",
        );
        assert_eq!(code, "Client");
        assert!(told.contains("<number>&lt;x&gt;</number></NoSuchParcel>"), "{told}");
        assert!(fault("<TrackParcel xmlns='urn:demo:tracking'/>").1.contains("number is missing"));
        assert!(fault("<Other xmlns='urn:demo:tracking'/>").1.contains("no operation Other"));
        assert!(fault("<TrackParcel/>").1.contains("namespace"));
        assert!(fault("").1.contains("empty"));
        let soap12 = "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'/>";
        assert!(matches!(answer(soap12), Err(Reply::Fault { code: "VersionMismatch", .. })));
        let bomb = "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>";
        assert!(matches!(answer(bomb), Err(Reply::Fault { code: "Client", .. })));
    }
}
