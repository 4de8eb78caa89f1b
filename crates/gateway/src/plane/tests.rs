//! A plane that follows another one is the plane that compiling from nothing gives.

use std::time::Duration;

use pasarela_model::{
    Application, Credential, KeyDigest, Plan, Rate, StoredKey, Subscription, TokenAlgorithm,
    TokenIssuer, TokenKeys, Upstream, UpstreamTarget,
};
use proptest::prelude::*;

use super::*;
use crate::sight::Place;

const APPLICATIONS: usize = 150;
const APIS: usize = 3;
const PLANS: usize = 3;

fn plan(number: usize) -> Plan {
    let rate = Rate { count: 5, per: Duration::from_secs(60), burst: 5 };
    let plan = Plan::new(format!("plan-{number}"));
    Plan { rate: (number != 0).then_some(rate), priority: 1 + number as u32, ..plan }
}

fn api(number: usize) -> Api {
    let upstream = Upstream::of(vec![UpstreamTarget::plain("127.0.0.1", 9)]);
    // Others than the first are shared out.
    Api { plans: vec![number], ..Api::new(&format!("api-{number}"), 1, upstream) }
}

fn digest(number: u16) -> KeyDigest {
    let mut digest = [0; 32];
    digest[..8]
        .copy_from_slice(&u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    KeyDigest(digest)
}

fn application(number: usize) -> Application {
    let key = StoredKey::new(digest(number as u16), None);
    Application { name: format!("app-{number}"), keys: [key].into(), ..Application::default() }
}

fn first() -> Snapshot {
    let issuer = TokenIssuer {
        name: "idp".to_owned(),
        issuer: "https://idp".to_owned(),
        audiences: vec!["us".to_owned()],
        algorithms: vec![TokenAlgorithm::EdDsa],
        client_claims: vec!["sub".to_owned()],
        keys: TokenKeys::At { url: "https://idp/keys".to_owned(), ca_pem: None },
    };
    Snapshot {
        apis: (0..APIS).map(api).collect(),
        plans: (0..PLANS).map(plan).collect(),
        applications: (0..APPLICATIONS).map(application).collect(),
        issuers: vec![issuer],
        ..Snapshot::default()
    }
}

/// What may happen to a snapshot.
#[derive(Debug, Clone)]
enum Step {
    Key(usize, u16),
    NoKeys(usize),
    Subscribe(usize, usize, usize),
    Unsubscribe(usize),
    Rename(usize),
    Vacate(usize),
    Client(usize),
    Networks(usize),
    NewApplication,
    NewPlan,
    OtherRate(usize),
    NewApi,
    OtherLimits,
    FewerApplications,
}

fn step() -> impl Strategy<Value = Step> {
    let app = 0..APPLICATIONS + 20;
    prop_oneof![
        8 => (app.clone(), 1_000u16..1_200).prop_map(|(app, key)| Step::Key(app, key)),
        2 => app.clone().prop_map(Step::NoKeys),
        // Many of them on few APIs.
        12 => (app.clone(), 0..APIS, 0..PLANS).prop_map(|(app, api, plan)| Step::Subscribe(app, api, plan)),
        4 => app.clone().prop_map(Step::Unsubscribe),
        2 => app.clone().prop_map(Step::Rename),
        2 => app.clone().prop_map(Step::Vacate),
        2 => app.clone().prop_map(Step::Client),
        2 => app.prop_map(Step::Networks),
        2 => Just(Step::NewApplication),
        1 => Just(Step::NewPlan),
        1 => (1..PLANS).prop_map(Step::OtherRate),
        1 => Just(Step::NewApi),
        1 => Just(Step::OtherLimits),
        1 => Just(Step::FewerApplications),
    ]
}

fn take(snapshot: &mut Snapshot, step: &Step) {
    let number = snapshot.applications.len();
    let taken = |key| {
        snapshot.applications.iter().flat_map(|one| one.keys.iter()).any(|its| its.digest == key)
    };
    match *step {
        Step::Key(_, key) if taken(digest(key)) => {}
        Step::Key(app, key) => {
            let Some(app) = snapshot.applications.get_mut(app) else { return };
            app.keys =
                app.keys.iter().copied().chain([StoredKey::new(digest(key), None)]).collect();
        }
        Step::NoKeys(app) => {
            let Some(app) = snapshot.applications.get_mut(app) else { return };
            app.keys = Arc::default();
        }
        Step::Subscribe(app, api, plan) => {
            let Some(app) = snapshot.applications.get_mut(app) else { return };
            app.subscriptions.retain(|one| one.api != api);
            app.subscriptions.push(Subscription { api, plan });
        }
        Step::Unsubscribe(app) => {
            let Some(app) = snapshot.applications.get_mut(app) else { return };
            app.subscriptions.pop();
        }
        Step::Rename(app) => {
            let Some(app) = snapshot.applications.get_mut(app) else { return };
            app.name += "-else";
        }
        Step::Vacate(app) => {
            let Some(app) = snapshot.applications.get_mut(app) else { return };
            *app = Application::default();
        }
        Step::Client(app) => {
            let client = format!("client-{app}");
            let Some(app) = snapshot.applications.get_mut(app) else { return };
            app.credentials = vec![Credential::Token { issuer: 0, client }];
        }
        Step::Networks(app) => {
            let Some(app) = snapshot.applications.get_mut(app) else { return };
            app.networks = IpNet::new([10, 0, 0, 0].into(), 8).into_iter().collect();
        }
        Step::NewApplication => {
            let new = application(number + 2_000 + snapshot.generation as usize);
            snapshot.applications.push(new);
        }
        Step::NewPlan => snapshot.plans.push(plan(snapshot.plans.len())),
        Step::OtherRate(plan) => {
            if let Some(rate) = &mut snapshot.plans[plan].rate {
                rate.burst += 1;
            }
        }
        Step::NewApi => snapshot.apis.push(api(snapshot.apis.len())),
        Step::OtherLimits => snapshot.limits.body_bytes += 1,
        Step::FewerApplications => {
            snapshot.applications =
                snapshot.applications.iter().take(number - 1).cloned().collect();
        }
    }
}

fn compile(snapshot: &Snapshot, before: Option<&Plane>) -> Plane {
    Plane::compile(Arc::new(snapshot.clone()), before, &Metrics::new(), 0).unwrap()
}

/// Whatever a request could find out.
fn assert_same(one: &Plane, other: &Plane) {
    assert_eq!(one.credentials.len(), other.credentials.len());
    for key in 0..4_000 {
        let key = digest(key).0;
        assert_eq!(one.credentials.find_digest(&key), other.credentials.find_digest(&key));
    }
    assert_eq!(one.apis.len(), other.apis.len());
    let applications = one.snapshot.applications.len() + 2;
    for (its, others) in one.apis.iter().zip(&other.apis) {
        assert_eq!(its.body_bytes, others.body_bytes);
        assert_eq!(one.texts.get(its.name), other.texts.get(others.name));
        for application in 0..applications {
            let seen = |api: &ApiPlane| {
                let subscriber = api.subscribers.get(application)?;
                let rate = subscriber.rate.as_ref().map(|(limiter, _)| limiter.rate());
                Some((subscriber.plan, rate, subscriber.party.is_some()))
            };
            assert_eq!(seen(its), seen(others), "application {application}");
        }
    }
    for application in 0..applications {
        let place = Place { internal: false, client: [192, 0, 2, 1].into() };
        let allowed = |plane: &Plane| plane.sources.allow(application, place);
        assert_eq!(allowed(one), allowed(other));
        let client = format!("client-{application}");
        assert_eq!(one.tokens.holder(0, client.clone()), other.tokens.holder(0, client));
    }
}

/// Used-up calls of each subscription by name, as far as it has a rate.
fn used(plane: &Plane) -> Vec<((String, String, String), u64)> {
    let mut all = Vec::new();
    for (index, application) in plane.snapshot.applications.iter().enumerate() {
        for subscription in &application.subscriptions {
            let api = &plane.apis[subscription.api];
            let subscriber = api.subscribers.get(index).unwrap();
            if let Some((limiter, _)) = &subscriber.rate {
                let decision = limiter.peek(0);
                let plan = plane.snapshot.plans[subscription.plan].name.clone();
                let api = plane.texts.get(api.name).to_owned();
                let name = (application.name.clone(), plan, api);
                all.push((name, decision.limit - decision.remaining));
            }
        }
    }
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_change_at_a_time_leads_to_the_plane_of_all(steps in prop::collection::vec(step(), 1..40)) {
        let mut snapshot = first();
        let mut plane = compile(&snapshot, None);
        for step in &steps {
            let before = used(&plane);
            snapshot.generation += 1;
            take(&mut snapshot, step);
            plane = compile(&snapshot, Some(&plane));
            assert_same(&plane, &compile(&snapshot, None));
            // Nobody gets a fresh burst by a change, or loses what is left.
            for (name, now) in used(&plane) {
                if matches!(step, Step::OtherRate(_)) {
                    continue;
                }
                let known = before.iter().find(|(its, _)| *its == name);
                prop_assert_eq!(known.map_or(0, |(_, used)| *used), now, "{:?}", step);
            }
            // Somebody calls.
            for api in plane.apis.iter() {
                for application in 0..5 {
                    if let Some((limiter, _)) = api.subscribers.get(application).and_then(|one| one.rate.as_ref()) {
                        limiter.check(0);
                    }
                }
            }
        }
    }
}

#[test]
fn what_a_change_does_not_touch_is_shared() {
    let mut snapshot = first();
    for step in (0..APPLICATIONS).map(|app| Step::Subscribe(app, app % 2, 1)) {
        take(&mut snapshot, &step);
    }
    let before = compile(&snapshot, None);
    take(&mut snapshot, &Step::Key(7, 1_000));
    let after = compile(&snapshot, Some(&before));
    assert!(after.apis.is_same(&before.apis));
    assert!(after.has_the_servers_of(&before) && after.has_the_issuers_of(&before));
    assert!(
        Arc::ptr_eq(&after.texts, &before.texts) && Arc::ptr_eq(&after.holders, &before.holders)
    );
    take(&mut snapshot, &Step::Unsubscribe(7));
    let third = compile(&snapshot, Some(&after));
    assert!(third.has_the_servers_of(&before) && !third.apis.is_same(&before.apis));
    take(&mut snapshot, &Step::NewApi);
    let fourth = compile(&snapshot, Some(&third));
    // What operations ask for is remembered of tokens, so other APIs are a new question to them.
    assert!(!fourth.has_the_servers_of(&before) && !fourth.has_the_issuers_of(&before));
}
