//! Keeps the keys of issuers fresh (L33): fetched at the start, every five minutes, and when a token comes that is signed with a key
//! that is not there; never more often than every half minute. What was fetched last is believed for a day.
//!
//! Nothing that a token says has a part in where keys are fetched: the configuration says it, to the letter.

use std::{
    cell::Cell,
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use pasarela_gateway::{
    Plane,
    jwt::{KeySet, Ring},
    until_else,
};
use tokio::{sync::watch, task::JoinHandle};

use crate::import::{Rules, Url, single};

/// Between two retrievals, whatever happens.
const LEAST: Duration = Duration::from_secs(30);
/// Between two retrievals if nothing happens.
const USUAL: Duration = Duration::from_secs(300);
/// For one retrieval.
const TIME: Duration = Duration::from_secs(2);
/// Bytes of a set of keys.
const BYTES_MAX: usize = 256 << 10;
/// As long keys are believed without being seen again.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// When an issuer was asked, and when it last answered with keys.
#[derive(Debug, Default, Clone, Copy)]
struct Times {
    asked: Option<Instant>,
    good: Option<Instant>,
}

/// Keeps the keys of each plane in turn, for as long as there are planes. `first` is called once all of the first plane were
/// asked for.
pub(crate) async fn keep(mut planes: watch::Receiver<Arc<Plane>>, first: impl FnOnce()) {
    let mut first = Some(first);
    let mut known: HashMap<(String, Rules), Rc<Cell<Times>>> = HashMap::new();
    loop {
        let plane = planes.borrow_and_update().clone();
        let (mut tasks, mut answers): (Vec<JoinHandle<()>>, Vec<_>) = (Vec::new(), Vec::new());
        for (url, ca_pem, ring) in plane.key_rings() {
            let rules = Rules { allow_hosts: Vec::new(), ca_pem: ca_pem.map(<[u8]>::to_vec) };
            let times = known.entry((url.to_owned(), rules.clone())).or_default();
            let times = Rc::clone(times);
            let (tell, answer) = tokio::sync::oneshot::channel();
            answers.push(answer);
            tasks.push(tokio::task::spawn_local(tend(
                url.to_owned(),
                rules,
                Arc::clone(ring),
                times,
                tell,
            )));
        }
        if let Some(first) = first.take() {
            for answer in answers {
                // An error means that the task is gone; there is nothing to wait for then.
                let _ = answer.await;
            }
            first();
        }
        let over = until_else(&mut planes, plane, Plane::has_the_issuers_of).await;
        tasks.into_iter().for_each(|task| task.abort());
        if over {
            return;
        }
    }
}

/// Fetches the keys of one issuer again and again.
async fn tend(
    url: String,
    rules: Rules,
    ring: Arc<Ring>,
    times: Rc<Cell<Times>>,
    tell: tokio::sync::oneshot::Sender<()>,
) {
    let mut tell = Some(tell);
    loop {
        if let Some(asked) = times.get().asked {
            tokio::time::sleep(LEAST.saturating_sub(asked.elapsed())).await;
        }
        times.set(Times { asked: Some(Instant::now()), ..times.get() });
        let (at, rules) = (url.clone(), rules.clone());
        let fetched = tokio::task::spawn_blocking(move || fetch(&at, &rules)).await;
        let next = match fetched.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(keys) => {
                times.set(Times { good: Some(Instant::now()), ..times.get() });
                ring.set(Some(keys));
                USUAL
            }
            Err(why) => {
                tracing::warn!(%url, why, "the keys of an issuer cannot be fetched");
                if times.get().good.is_none_or(|good| good.elapsed() >= STALE) {
                    ring.set(None);
                }
                LEAST
            }
        };
        if let Some(tell) = tell.take() {
            let _ = tell.send(());
        }
        tokio::select! {
            () = tokio::time::sleep(next) => {}
            () = ring.wanted() => {}
        }
    }
}

fn fetch(url: &str, rules: &Rules) -> Result<KeySet, String> {
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    let json = single(url, rules, TIME)?;
    if json.len() > BYTES_MAX {
        return Err(format!("there are more than {} KiB of them", BYTES_MAX >> 10));
    }
    KeySet::read(&json).map_err(|error| error.to_string())
}
