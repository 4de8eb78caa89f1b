//! The matrix once more, with identities that the store holds, on both engines.

use pasarela_testkit::{eventually, seconds};
use serde_json::{Value, json};

use super::*;
use crate::admin::{Person, text};

#[test]
fn t28_every_cell_of_the_matrix_is_as_the_guide_says_where_sqlite_holds_the_identities() {
    hold_with("storage: sqlite:./data");
}

#[test]
fn t28_every_cell_of_the_matrix_is_as_the_guide_says_where_postgres_holds_the_identities() {
    if let Some(url) = pasarela_testkit::postgres_database() {
        hold_with(&format!("storage: {url}"));
    }
}

/// Everybody who asks; applications are lines of [`HELD`].
const WHO: &[Identity] = &[
    by("nobody", Nothing, Who::Nobody),
    by("a key that nobody has", Keys("unknown", ""), Who::Bad),
    by("the owner's, subscribed", Keys("ours", ""), Who::Application("ours")),
    by("the owner's, without subscriptions", Keys("idle", ""), Who::Application("idle")),
    by("a partner's", Keys("acme", ""), Who::Application("acme")),
    by("a partner's, by its new key", Keys("rotated", ""), Who::Application("acme")),
    by(
        "a partner's whose subscriptions are suspended",
        Keys("paused", ""),
        Who::Application("paused"),
    ),
    by("a partner's that still waits", Keys("waiting", ""), Who::Application("waiting")),
    by("a customer's", Keys("buyer", ""), Who::Application("buyer")),
    by("a suspended application's", Keys("suspended", ""), Who::Bad),
    by("one of a suspended organisation", Keys("banned", ""), Who::Bad),
    by("a revoked key", Keys("revoked", ""), Who::Bad),
    by("a key that ran out", Keys("over", ""), Who::Bad),
];

const HELD: &[Application] = &[
    Application { name: "ours", kind: "owner", subscribes: true, at_home: false },
    Application { name: "idle", kind: "owner", subscribes: false, at_home: false },
    Application { name: "acme", kind: "partner", subscribes: true, at_home: false },
    Application { name: "paused", kind: "partner", subscribes: false, at_home: false },
    Application { name: "waiting", kind: "partner", subscribes: false, at_home: false },
    Application { name: "suspended", kind: "partner", subscribes: true, at_home: false },
    Application { name: "banned", kind: "banned", subscribes: true, at_home: false },
    Application { name: "buyer", kind: "customer", subscribes: true, at_home: false },
];

fn hold_with(storage: &str) {
    let (upstream, authority) = (service(), Authority::new("test"));
    let issuer = Ed25519KeyPair::generate().expect("a key");
    let builder = gateway().top(storage).top("plans: [{ name: any, rate: 1_000_000/s }]");
    let gateway = with_apis(builder, &upstream, &authority).start();
    let keys = fill(&gateway);
    let mut asking = Asking::new(&gateway, &authority, &issuer, &keys, HELD);
    // What was written last is served soon after.
    let served = eventually(seconds(5), || {
        let from = From { listener: "gateway", address: FAR };
        let public =
            Api { visibility: "public", networks: false, plans: true, contract: Contract::OpenApi };
        let status = |asking: &mut Asking<'_>, name: &str| {
            let who = WHO.iter().find(|who| who.name == name).expect("a line of the table");
            asking.ask(who, from, &public.name(), Probe::Call).status
        };
        status(&mut asking, "a revoked key") == 401
            && status(&mut asking, "one of a suspended organisation") == 401
            && status(&mut asking, "a key that ran out") == 401
    });
    assert!(served, "changes of the store come to the gateway");
    hold(&mut asking, WHO, (15_000, 5_000));
}

/// Puts [`HELD`] into the store; the secrets by name.
fn fill(gateway: &Gateway) -> BTreeMap<String, String> {
    let gate = Person::first(gateway);
    let mut keys = BTreeMap::new();
    let mut people = BTreeMap::from([("owner", None)]);
    for (name, kind) in [("partner", "partner"), ("customer", "customer"), ("banned", "partner")] {
        let made = gate.post("/organisations", json!({ "name": name, "kind": kind }));
        let id = text(&made, "id");
        let invitation = gate.post(
            &format!("/organisations/{id}/invitations"),
            json!({ "email": "ana@example.org", "role": "owner" }),
        );
        people.insert(name, Some((id, Person::invited(gateway, &text(&invitation, "secret")))));
    }
    let own = text(&gate.get("/me")["organisation"], "id");
    for application in HELD {
        let (organisation, person) = match &people[application.kind] {
            None => (&own, &gate),
            Some((id, person)) => (id, person),
        };
        let path = format!("/organisations/{organisation}/applications");
        let made = person.post(&path, json!({ "name": application.name }));
        let path = format!("/applications/{}", text(&made, "id"));
        let issue = |label: &str, expires: Option<&str>| {
            let wanted = match expires {
                None => json!({ "label": label }),
                Some(at) => json!({ "label": label, "expires": at }),
            };
            person.post(&format!("{path}/keys"), wanted)
        };
        let key = issue("one", None);
        keys.insert(application.name.to_owned(), text(&key, "secret"));
        if application.name == "acme" {
            let rotated = format!("/keys/{}/rotate", text(&key, "id"));
            let next = person.post(&rotated, json!({ "overlap_seconds": 3600 }));
            keys.insert("rotated".to_owned(), text(&next, "secret"));
            let revoked = issue("revoked", None);
            let id = text(&revoked, "id");
            assert_eq!(person.ask("DELETE", &format!("/keys/{id}"), "", None).status, 200);
            keys.insert("revoked".to_owned(), text(&revoked, "secret"));
            let soon = in_a_second();
            keys.insert("over".to_owned(), text(&issue("over", Some(&soon)), "secret"));
        }
        subscribe(&gate, person, application, (organisation, &path));
        if application.name == "suspended" {
            suspend(&gate, &path);
        }
    }
    let Some((banned, _)) = &people["banned"] else { unreachable!("it was made") };
    suspend(&gate, &format!("/organisations/{banned}"));
    keys
}

/// An instant that will be over before anything is asked.
fn in_a_second() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    pasarela_model::Timestamp::from_millis(i64::try_from(now).expect("before 2200") + 1_000)
        .to_string()
}

fn suspend(gate: &Person<'_>, path: &str) {
    let wanted = json!({ "standing": "suspended" });
    let answer = gate.ask("PATCH", path, "If-Match: \"1\"\r\n", Some(&wanted));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// An application comes to subscribe to all that has plans; or to nothing, in the way that its name tells.
fn subscribe(
    gate: &Person<'_>,
    person: &Person<'_>,
    application: &Application,
    (organisation, path): (&str, &str),
) {
    let waits = application.name == "waiting";
    if !application.subscribes && !waits && application.name != "paused" {
        return;
    }
    for api in apis().iter().filter(|api| api.plans) {
        let name = format!("{}/v1", api.name());
        if waits {
            // Who is not the gate's may ask where a partner was admitted, and then waits for an answer.
            if api.visibility != "partner" {
                continue;
            }
            let admission = format!("/organisations/{organisation}/admissions/{name}");
            assert_eq!(gate.ask("PUT", &admission, "", None).status, 200);
        }
        let who = if waits { person } else { gate };
        let made: Value =
            who.post(&format!("{path}/subscriptions"), json!({ "api": name, "plan": "any" }));
        let state = text(&made, "state");
        assert_eq!(state, if waits { "pending" } else { "approved" }, "{made}");
        if application.name == "paused" {
            gate.post(&format!("/subscriptions/{}/suspend", text(&made, "id")), None);
        }
    }
}
