//! Clients of the store: a secret from the administration API gets a token from the gateway, until it ends.

use pasarela_testkit::{Builder, Gateway, Response, Upstream, eventually, seconds};
use serde_json::{Value, json};

use crate::{
    admin::{Person, text},
    gateway,
};

/// `t` asks for `read`, which the plan `free` grants; the plan `bare` grants nothing.
fn issuing(upstream: &Upstream) -> Builder {
    gateway()
        .top("storage: sqlite:./data")
        .top("oauth: { issuer: \"http://127.0.0.1\" }")
        .top("plans:\n  - { name: free, scopes: [read] }\n  - name: bare")
        .api_with("t", &[&upstream.url()], "plans: [free, bare]\nscopes: { \"*\": read }")
}

fn asked(gateway: &Gateway, client: &str, secret: &str, more: &str) -> Response {
    let form =
        format!("grant_type=client_credentials&client_id={client}&client_secret={secret}{more}");
    gateway.connect().ask(format!(
        "POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    ))
}

/// A token, once the change that brings it is served: a second at most (L36).
#[track_caller]
fn token(gateway: &Gateway, client: &str, secret: &str) -> String {
    let mut answer = asked(gateway, client, secret, "");
    let came = eventually(seconds(1), || {
        answer = asked(gateway, client, secret, "");
        answer.status == 200 && answer.json()["scope"] == "read"
    });
    assert!(came, "{}", answer.brief());
    text(&answer.json(), "access_token")
}

fn call(gateway: &Gateway, token: &str) -> Response {
    let request = format!("GET /t/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    gateway.connect().ask(request)
}

/// The token opens nothing any more, a second later at most (L36).
#[track_caller]
fn ends(gateway: &Gateway, token: &str, status: u16) {
    let mut last = 0;
    let ended = eventually(seconds(1), || {
        last = call(gateway, token).status;
        last == status
    });
    assert!(ended, "it still answers {last} instead of {status}");
}

/// A customer's owner, their application, and its subscription to `t` on a plan.
fn customer<'g>(
    gate: &Person<'g>,
    gateway: &'g Gateway,
    plan: &str,
) -> (Person<'g>, String, Value) {
    let name = format!("customer-{plan}");
    let organisation = gate.post("/organisations", json!({ "name": name, "kind": "customer" }));
    let id = text(&organisation, "id");
    let who = json!({ "email": "ana@example.org", "role": "owner" });
    let invitation = gate.post(&format!("/organisations/{id}/invitations"), who);
    let owner = Person::invited(gateway, &text(&invitation, "secret"));
    let app = owner.post(&format!("/organisations/{id}/applications"), json!({ "name": "app" }));
    let app = text(&app, "id");
    let wanted = json!({ "api": "t/v1", "plan": plan });
    let subscription = owner.post(&format!("/applications/{app}/subscriptions"), wanted);
    (owner, app, subscription)
}

#[test]
fn l36_a_client_gets_tokens_moments_after_it_was_made_and_they_end_with_it() {
    let upstream = Upstream::ok("fine");
    let gateway = issuing(&upstream).start();
    let gate = Person::first(&gateway);
    let (owner, app, _) = customer(&gate, &gateway, "free");
    let made = owner.post(&format!("/applications/{app}/clients"), json!({ "label": "nightly" }));
    let (id, secret) = (text(&made, "id"), text(&made, "secret"));
    assert!(id.starts_with("cli_") && secret.starts_with("pss_"), "{made}");
    let first = token(&gateway, &id, &secret);
    assert_eq!(call(&gateway, &first).status, 200, "{}", call(&gateway, &first).brief());
    let request = upstream.requests().pop().unwrap();
    assert_eq!(request.get("x-pasarela-application"), Some("customer-free/app"));

    // The secret is replaced: both are good, for as long as was said.
    let rotate = format!("/clients/{id}/rotate");
    let rotated = owner.post(&rotate, json!({ "overlap_seconds": 3600 }));
    token(&gateway, &id, &text(&rotated, "secret"));
    token(&gateway, &id, &secret);
    let rotated = owner.post(&rotate, json!({ "overlap_seconds": 0 }));
    token(&gateway, &id, &text(&rotated, "secret"));
    let refused = asked(&gateway, &id, &secret, "");
    assert_eq!((refused.status, &refused.json()["error"]), (401, &json!("invalid_client")));
    // A token outlives the secret that it was got with, and not the client.
    assert_eq!(call(&gateway, &first).status, 200);

    let listed = owner.get(&format!("/applications/{app}/clients"));
    assert_eq!(listed["items"][0]["label"], "nightly");
    assert!(!listed.to_string().contains(&text(&rotated, "secret")));
    assert_eq!(owner.ask("DELETE", &format!("/clients/{id}"), "", None).status, 200);
    ends(&gateway, &first, 401);
    let last = text(&rotated, "secret");
    assert_eq!(asked(&gateway, &id, &last, "").json()["error"], "invalid_client");
}

#[test]
fn l36_tokens_end_with_the_subscription_and_with_the_application() {
    let upstream = Upstream::ok("fine");
    let gateway = issuing(&upstream).start();
    let gate = Person::first(&gateway);
    let (owner, app, subscription) = customer(&gate, &gateway, "free");
    let made = owner.post(&format!("/applications/{app}/clients"), json!({ "label": "one" }));
    let (id, secret) = (text(&made, "id"), text(&made, "secret"));
    let good = token(&gateway, &id, &secret);
    assert_eq!(call(&gateway, &good).status, 200);

    let subscription = text(&subscription, "id");
    owner.post(&format!("/subscriptions/{subscription}/end"), None);
    ends(&gateway, &good, 403);
    // What no plan grants cannot be asked for.
    let more = asked(&gateway, &id, &secret, "&scope=read");
    assert_eq!((more.status, &more.json()["error"]), (400, &json!("invalid_scope")));
    let wanted = json!({ "api": "t/v1", "plan": "bare" });
    owner.post(&format!("/applications/{app}/subscriptions"), wanted);
    // The new plan does not grant it: the old token, which says it, does not reach either.
    let scope_missing = eventually(seconds(1), || call(&gateway, &good).text().contains("GW0065"));
    assert!(scope_missing, "{}", call(&gateway, &good).brief());

    let suspend = json!({ "standing": "suspended" });
    let version = gate.get(&format!("/applications/{app}"))["version"].clone();
    let read = format!("If-Match: \"{version}\"\r\n");
    let done = gate.ask("PATCH", &format!("/applications/{app}"), &read, Some(&suspend));
    assert_eq!(done.status, 200, "{}", done.text());
    ends(&gateway, &good, 401);
}
