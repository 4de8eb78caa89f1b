//! The demo's REST service: parcels that one can list, send, look at, cancel and watch, prices,
//! and two small answers for the partner and the private API.
//!
//! It is a service as anybody would write one: it knows nothing of Pasarela, keys or plans.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive, KeepAliveStream},
    },
    routing::get,
};
use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::tariff::{GRAMS_MAX, cents, euros};

/// Parcels the demo holds at most.
const PARCELS_MAX: usize = 1_000;
/// Bytes of an address.
const ADDRESS_MAX: usize = 100;
/// Between two events.
const EVENT_EVERY: Duration = Duration::from_secs(1);
/// Where a parcel passes on its way, in order.
const PLACES: [&str; 4] = ["Madrid", "Zaragoza", "Barcelona", "out for delivery"];

#[derive(Debug, Clone)]
struct Parcel {
    to: String,
    grams: u32,
    place: usize,
}

/// By number.
type Parcels = Arc<Mutex<BTreeMap<u32, Parcel>>>;

/// The service.
pub(super) fn router() -> Router {
    let parcel = |to: &str, grams, place| Parcel { to: to.to_owned(), grams, place };
    let parcels: Parcels = Arc::new(Mutex::new(BTreeMap::from([
        (1001, parcel("Bogotá", 800, 0)),
        (1002, parcel("Ciudad de México", 2_500, 1)),
        (1003, parcel("Sevilla", 350, 3)),
    ])));
    Router::new()
        .route("/shipping/parcels", get(list).post(send))
        .route("/shipping/parcels/{number}", get(one).delete(cancel))
        .route("/shipping/events", get(watch))
        .route("/rates/quote", get(quote))
        .route("/customs/declarations/{number}", get(declaration))
        .route("/depot/shelves", get(shelves))
        .with_state(parcels)
}

async fn list(State(parcels): State<Parcels>) -> Json<Value> {
    let parcels = lock(&parcels);
    Json(parcels.iter().map(|(number, parcel)| shown(*number, parcel)).collect())
}

async fn send(State(parcels): State<Parcels>, Json(wanted): Json<Value>) -> Response {
    let to = wanted["to"].as_str().map(str::trim).unwrap_or_default();
    let grams = wanted["grams"].as_u64().and_then(|grams| u32::try_from(grams).ok()).unwrap_or(0);
    if to.is_empty() || to.len() > ADDRESS_MAX || !(1..=GRAMS_MAX).contains(&grams) {
        let say = "`to` is 1 to 100 bytes of text, `grams` a number from 1 to 30000";
        return failure(StatusCode::UNPROCESSABLE_ENTITY, say);
    }
    let mut parcels = lock(&parcels);
    if parcels.len() >= PARCELS_MAX {
        return failure(StatusCode::INSUFFICIENT_STORAGE, "the demo holds no more parcels");
    }
    let number = parcels.last_key_value().map_or(1001, |(last, _)| last + 1);
    let parcel = Parcel { to: to.to_owned(), grams, place: 0 };
    let body = Json(shown(number, &parcel));
    parcels.insert(number, parcel);
    (StatusCode::CREATED, body).into_response()
}

async fn one(State(parcels): State<Parcels>, Path(number): Path<String>) -> Response {
    let found = parse(&number).and_then(|number| {
        let parcel = lock(&parcels).get(&number).cloned()?;
        Some(shown(number, &parcel))
    });
    found.map_or_else(no_such_parcel, |parcel| Json(parcel).into_response())
}

async fn cancel(State(parcels): State<Parcels>, Path(number): Path<String>) -> Response {
    match parse(&number).and_then(|number| lock(&parcels).remove(&number)) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => no_such_parcel(),
    }
}

async fn watch(State(parcels): State<Parcels>) -> Sse<KeepAliveStream<Moves>> {
    let mut clock = interval(EVENT_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Sse::new(Moves { parcels, clock, last: 0 }).keep_alive(KeepAlive::default())
}

/// Moves one parcel after the other a place on, and tells. The first event comes at once.
struct Moves {
    parcels: Parcels,
    clock: Interval,
    last: u32,
}

impl futures_core::Stream for Moves {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.clock.poll_tick(cx).is_pending() {
            return Poll::Pending;
        }
        let this = &mut *self;
        let mut parcels = lock(&this.parcels);
        let next = parcels.range(this.last + 1..).next().or_else(|| parcels.iter().next());
        let Some(number) = next.map(|(number, _)| *number) else {
            return Poll::Ready(Some(Ok(Event::default().comment("no parcels"))));
        };
        this.last = number;
        let event = Event::default().event("moved");
        let data = parcels.get_mut(&number).map(|parcel| {
            parcel.place = (parcel.place + 1) % PLACES.len();
            json!({ "number": written(number), "place": place(parcel) }).to_string()
        });
        Poll::Ready(Some(Ok(event.data(data.unwrap_or_default()))))
    }
}

async fn quote(Query(asked): Query<HashMap<String, String>>) -> Response {
    let to = asked.get("to").map(String::as_str).unwrap_or_default();
    let grams = asked.get("grams").and_then(|grams| grams.parse().ok()).unwrap_or(0);
    match cents(to, grams) {
        Some(cents) => {
            Json(json!({ "to": to, "grams": grams, "price": euros(cents), "currency": "EUR" }))
                .into_response()
        }
        None => failure(
            StatusCode::UNPROCESSABLE_ENTITY,
            "`to` is CO, ES, FR or MX, `grams` a number from 1 to 30000",
        ),
    }
}

async fn declaration(Path(number): Path<String>) -> Response {
    match parse(&number) {
        Some(number) => {
            Json(json!({ "number": written(number), "goods": "books", "duty": "0.00" }))
                .into_response()
        }
        None => no_such_parcel(),
    }
}

async fn shelves() -> Json<Value> {
    Json(json!([{ "shelf": "A1", "parcels": 12 }, { "shelf": "A2", "parcels": 7 }]))
}

fn lock(parcels: &Parcels) -> MutexGuard<'_, BTreeMap<u32, Parcel>> {
    parcels.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shown(number: u32, parcel: &Parcel) -> Value {
    json!({
        "number": written(number), "to": parcel.to, "grams": parcel.grams, "place": place(parcel),
    })
}

fn place(parcel: &Parcel) -> &'static str {
    PLACES.get(parcel.place).copied().unwrap_or(PLACES[0])
}

fn written(number: u32) -> String {
    format!("ES{number:04}")
}

fn parse(number: &str) -> Option<u32> {
    number.strip_prefix("ES").filter(|digits| digits.len() == 4)?.parse().ok()
}

fn no_such_parcel() -> Response {
    failure(StatusCode::NOT_FOUND, "there is no such parcel")
}

fn failure(status: StatusCode, say: &str) -> Response {
    (status, Json(json!({ "error": say }))).into_response()
}
