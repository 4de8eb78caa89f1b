//! The queue of calls: takes what is due, has a worker of the gateway make each call, and writes down the call's end together with
//! the letter that answers it.

use std::{rc::Rc, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use pasarela_gateway::{
    Phase, Plane,
    inside::{Answered, Call},
};
use pasarela_model::{Code, LetterId, MailAddress};
use pasarela_soap::mail::Letter;
use pasarela_store::{Boxed, Error, LetterAnswer, Store, TakenCall, Tx};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    AT_A_TIME, HOLD, LOOK, Office, UPKEEP, chance, door, millis, pause,
    reply::{self, Question},
};
use crate::{
    admin::{chain, now},
    config::Interrupted,
};

/// How long a call may take, whatever its API allows.
const CALL: Duration = Duration::from_secs(600);
/// How often what was done long ago is forgotten.
const FORGET: Duration = Duration::from_secs(600);

/// Runs until the process goes; what is under way is finished.
pub(super) async fn run(office: Rc<Office>, mut phases: watch::Receiver<Phase>) {
    let mut under_way = JoinSet::new();
    loop {
        if let Some(store) = office.store() {
            let room = AT_A_TIME - i64::try_from(under_way.len()).unwrap_or(AT_A_TIME);
            for call in take(&office, &store, room).await {
                under_way.spawn_local(one(Rc::clone(&office), store.clone(), call));
            }
        }
        let full = i64::try_from(under_way.len()).unwrap_or(AT_A_TIME) >= AT_A_TIME;
        tokio::select! {
            biased;
            _ = phases.wait_for(|phase| *phase != Phase::Serving) => break,
            Some(_) = under_way.join_next() => {}
            () = office.kept.notified(), if !full => {}
            () = sleep(LOOK) => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn take(office: &Office, store: &Store, room: i64) -> Vec<TakenCall> {
    if room <= 0 {
        return Vec::new();
    }
    let holder = office.holder.clone();
    let (from, until) = (now(), now().plus_millis(millis(HOLD)));
    let taken = write(store, move |tx| {
        Box::pin(async move { tx.take_calls(&holder, from, until, room).await })
    });
    taken.await.unwrap_or_else(|error| {
        tracing::error!(error = %chain(&error), "letters cannot be taken up");
        Vec::new()
    })
}

async fn write<T, F>(store: &Store, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Result<T, Error>> + Send + 'static,
{
    store.write(work).await
}

/// What comes next for a call.
enum End {
    /// It is done, and this is mailed.
    Done(Option<LetterAnswer>),
    /// It had no effect, and is made again after so long.
    Again(Duration),
    /// The process goes before anybody knows; the next one takes it up.
    Open,
}

async fn one(office: Rc<Office>, store: Store, call: TakenCall) {
    let (id, tries) = (call.call.id.clone(), call.tries);
    let end = made(&office, &call).await;
    // What was found out is written down, however long the store is away.
    for attempt in 1.. {
        match settle(&office, &store, &id, &end).await {
            Ok(()) => break,
            Err(error) => {
                tracing::error!(call = %id, error = %chain(&error), "the end of a letter's call cannot be kept");
                sleep(pause(attempt)).await;
            }
        }
    }
    match end {
        End::Done(answer) => {
            office.counts.called.fetch_add(1, Relaxed);
            if answer.is_some() {
                office.written.notify_one();
            }
        }
        End::Again(wait) => {
            office.counts.put_off.fetch_add(1, Relaxed);
            tracing::warn!(call = %id, tries, seconds = wait.as_secs(), "a letter's call is put off");
        }
        End::Open => {}
    }
}

async fn settle(office: &Office, store: &Store, id: &LetterId, end: &End) -> Result<(), Error> {
    let (id, holder) = (id.clone(), office.holder.clone());
    match end {
        End::Open => Ok(()),
        End::Again(wait) => {
            let due = now().plus_millis(millis(*wait));
            write(store, move |tx| {
                Box::pin(async move { tx.put_off_call(&id, &holder, due).await })
            })
            .await
        }
        End::Done(answer) => {
            let (answer, at) = (answer.clone(), now());
            let ours = write(store, move |tx| {
                Box::pin(async move { tx.finish_call(&id, &holder, answer.as_ref(), at).await })
            });
            if !ours.await? {
                tracing::warn!("a letter's call took so long that somebody else took it up");
            }
            Ok(())
        }
    }
}

/// Makes a call.
async fn made(office: &Office, taken: &TakenCall) -> End {
    let plane = office.plane();
    let (sender, recipient) =
        (MailAddress::read(&taken.letter.sender), MailAddress::read(&taken.call.recipient));
    let (Some(sender), Some(recipient)) = (sender, recipient) else { return End::Done(None) };
    let bytes = &taken.letter.bytes;
    // It was read when it came: a letter that cannot be read now was kept by another version.
    let Ok(letter) = Letter::read(bytes) else { return End::Done(None) };
    let Ok(message) = letter.message(bytes, chance()) else { return End::Done(None) };
    let soap12 = message.media.starts_with("application/soap+xml");
    let mailbox = plane.mailbox(&recipient);
    let says_itself = mailbox.as_ref().is_some_and(|mailbox| mailbox.says_itself);
    let unknown = taken.interrupted && office.settings.interrupted == Interrupted::Fault;
    let answered = match mailbox {
        None => ours(Code::NoSuchApi, "nothing is published at this address any more", soap12),
        Some(_) if unknown => {
            ours(Code::EffectUnknown, "the gateway ended while it was called", soap12)
        }
        Some(mailbox) => {
            let call = Call {
                api: mailbox.api,
                media: message.media,
                action: message.action.or(mailbox.action.filter(|_| !soap12)),
                key: key(&taken.call.mark),
                body: message.body,
                application: taken.letter.application.clone(),
                client: taken.letter.client.parse().unwrap_or(([0, 0, 0, 0], 0).into()),
            };
            match timeout(CALL, office.caller.call(call)).await {
                Ok(Some(answered)) => answered,
                Ok(None) => return End::Open,
                Err(_) => ours(Code::UpstreamTimeout, "it took too long", soap12),
            }
        }
    };
    if !says_itself && let Some(wait) = again(office, taken, &answered) {
        return End::Again(wait);
    }
    End::Done(answer(office, &plane, taken, (&sender, &recipient, &letter), &answered, soap12))
}

fn ours(code: Code, detail: &str, soap12: bool) -> Answered {
    Answered {
        status: code.status(),
        media: Some(media(soap12).to_owned()),
        body: reply::fault(code, detail, soap12).into_bytes(),
        problem: Some(code),
        ..Answered::default()
    }
}

fn media(soap12: bool) -> &'static str {
    if soap12 { "application/soap+xml; charset=utf-8" } else { "text/xml; charset=utf-8" }
}

/// The key under which a service can tell that a call is made a second time.
fn key(mark: &[u8; 32]) -> String {
    let hex: String = mark.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("mail-{hex}")
}

/// Whether a call is made again, and when: what a caller over HTTP would be told to try again, a letter does by itself. Where nobody
/// knows whether it took effect, only if the operator lets it.
fn again(office: &Office, taken: &TakenCall, answered: &Answered) -> Option<Duration> {
    let safe = match answered.problem {
        Some(
            Code::RateLimited
            | Code::UpstreamUnreachable
            | Code::NoUpstream
            | Code::Overloaded
            | Code::Draining,
        ) => true,
        Some(Code::UpstreamTimeout) => false,
        None if answered.status == 0 || answered.broken => false,
        _ => return None,
    };
    if !safe && office.settings.interrupted == Interrupted::Fault {
        return None;
    }
    let wait = Duration::from_secs(answered.retry_after.unwrap_or(0)).max(pause(taken.tries));
    let age = now().millis() - taken.letter.received.millis();
    (age + millis(wait) < millis(office.settings.patience)).then_some(wait)
}

fn answer(
    office: &Office,
    plane: &Arc<Plane>,
    taken: &TakenCall,
    (sender, recipient, letter): (&MailAddress, &MailAddress, &Letter),
    answered: &Answered,
    soap12: bool,
) -> Option<LetterAnswer> {
    office.route.as_ref()?;
    let application = answered.application.as_deref().or(taken.letter.application.as_deref());
    let question = Question {
        id: &taken.call.id,
        recipient,
        sender,
        application,
        by_letter: taken.letter.application.is_some(),
        letter,
    };
    let to = reply::addressee(plane, &question)?;
    let whole = answered.status != 0 && !answered.broken;
    let broken;
    let answered = match whole {
        true => answered,
        false => {
            broken = ours(Code::UpstreamInvalid, "its answer is not whole", soap12);
            &broken
        }
    };
    let ours = (office.name.as_str(), office.settings.bounces.as_ref());
    reply::write(&question, &to, answered, ours, (now(), chance()))
}

/// Says now and then that we are still at what we took, forgets what is old, and looks at what waits.
pub(super) async fn upkeep(office: Rc<Office>) {
    let mut forget = Duration::ZERO;
    loop {
        if let Some(store) = office.store() {
            let holder = office.holder.clone();
            let until = now().plus_millis(millis(HOLD));
            let forgotten = (forget == Duration::ZERO).then(|| door::forgotten(now()));
            let seen = write(&store, move |tx| {
                Box::pin(async move {
                    tx.hold_letters(&holder, until).await?;
                    if let Some(before) = forgotten {
                        tx.forget_letters(before).await?;
                    }
                    tx.letter_queue().await
                })
            });
            match seen.await {
                Ok(queue) => office.counts.queue(&queue),
                Err(error) => {
                    tracing::error!(error = %chain(&error), "what waits of mail is not known");
                }
            }
        }
        forget = if forget >= FORGET { Duration::ZERO } else { forget + UPKEEP };
        sleep(UPKEEP).await;
    }
}
