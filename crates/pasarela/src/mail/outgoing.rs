//! The queue of answers: hands each to the relay, again and again, until it is taken, refused or too old.

use std::{rc::Rc, sync::atomic::Ordering::Relaxed, time::Duration};

use pasarela_gateway::Phase;
use pasarela_model::{LetterId, MailAddress};
use pasarela_net::smtp::{Delivery, NotTaken, Route, send};
use pasarela_store::{Error, Store, TakenAnswer};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{AT_A_TIME, HOLD, LOOK, Office, millis, pause};
use crate::admin::{chain, now};

/// An answer that no relay has taken for this long is given up.
const OLDEST: Duration = Duration::from_secs(2 * 86_400);

/// Runs until the process goes; what is being handed over is finished.
pub(super) async fn run(office: Rc<Office>, mut phases: watch::Receiver<Phase>) {
    if office.route.is_none() {
        return;
    }
    let mut under_way = JoinSet::new();
    loop {
        if let Some(store) = office.store() {
            let room = AT_A_TIME - i64::try_from(under_way.len()).unwrap_or(AT_A_TIME);
            for answer in take(&office, &store, room).await {
                under_way.spawn_local(one(Rc::clone(&office), store.clone(), answer));
            }
        }
        let full = i64::try_from(under_way.len()).unwrap_or(AT_A_TIME) >= AT_A_TIME;
        tokio::select! {
            biased;
            _ = phases.wait_for(|phase| *phase != Phase::Serving) => break,
            Some(_) = under_way.join_next() => {}
            () = office.written.notified(), if !full => {}
            () = sleep(LOOK) => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn take(office: &Office, store: &Store, room: i64) -> Vec<TakenAnswer> {
    if room <= 0 {
        return Vec::new();
    }
    let holder = office.holder.clone();
    let (from, until) = (now(), now().plus_millis(millis(HOLD)));
    let taken: Result<Vec<TakenAnswer>, Error> = store
        .write(move |tx| Box::pin(async move { tx.take_answers(&holder, from, until, room).await }))
        .await;
    taken.unwrap_or_else(|error| {
        tracing::error!(error = %chain(&error), "answers cannot be taken up");
        Vec::new()
    })
}

async fn one(office: Rc<Office>, store: Store, taken: TakenAnswer) {
    let Some(route) = &office.route else { return };
    let wait = match handed(route, &taken).await {
        Ok(()) => {
            office.counts.mailed.fetch_add(1, Relaxed);
            None
        }
        Err(why) => {
            let age = now().millis() - taken.created.millis();
            let given_up = matches!(why, NotTaken::Never(_)) || age > millis(OLDEST);
            let to = &taken.answer.recipient;
            match given_up {
                true => {
                    office.counts.given_up.fetch_add(1, Relaxed);
                    tracing::error!(call = %taken.id, to, error = %why, "an answer is given up");
                    None
                }
                false => {
                    let wait = pause(taken.tries);
                    tracing::warn!(
                        call = %taken.id, to, error = %why, seconds = wait.as_secs(),
                        "the relay does not take an answer; it is tried again"
                    );
                    Some(wait)
                }
            }
        }
    };
    if let Err(error) = settle(&office.holder, &store, &taken.id, wait).await {
        tracing::error!(call = %taken.id, error = %chain(&error), "the end of an answer cannot be kept");
    }
}

async fn handed(route: &Route, taken: &TakenAnswer) -> Result<(), NotTaken> {
    let Some(recipient) = MailAddress::read(&taken.answer.recipient) else {
        return Err(NotTaken::Never("it has no address".to_owned()));
    };
    let sender = MailAddress::read(&taken.answer.sender);
    let bytes = &taken.answer.bytes;
    send(route, &Delivery { sender: sender.as_ref(), recipient: &recipient, bytes }).await
}

async fn settle(
    holder: &str,
    store: &Store,
    id: &LetterId,
    wait: Option<Duration>,
) -> Result<(), Error> {
    let (id, holder) = (id.clone(), holder.to_owned());
    store
        .write(move |tx| {
            Box::pin(async move {
                match wait {
                    None => tx.drop_answer(&id, &holder).await,
                    Some(wait) => {
                        let due = now().plus_millis(millis(wait));
                        tx.put_off_answer(&id, &holder, due).await
                    }
                }
            })
        })
        .await
}
