//! Letters, their calls and their answers.

use pasarela_model::LetterId;

use super::{Bed, at, id, on_both};
use crate::{Boxed, Error, Letter, LetterAnswer, LetterCall, LetterQueue, Store, Tx};

on_both! {
    l30_the_same_message_is_one_call_for_as_long_as_it_is_remembered,
    f26_what_nobody_finished_is_taken_again,
    a_call_and_its_answer_are_done_together,
    what_is_put_off_comes_back_when_it_is_due,
}

fn letter() -> Letter {
    Letter {
        id: id::<LetterId>(),
        sender: "a@b".to_owned(),
        application: Some("acme".to_owned()),
        client: "127.0.0.1".to_owned(),
        received: at(1_000),
        bytes: b"Subject: x\r\n\r\n\xff".to_vec(),
    }
}

fn call(mark: u8) -> LetterCall {
    LetterCall { id: id::<LetterId>(), recipient: "o@c".to_owned(), mark: [mark; 32] }
}

async fn write<T, F>(store: &Store, work: F) -> T
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, Result<T, Error>> + Send + 'static,
{
    store.write(work).await.unwrap()
}

async fn keep(store: &Store, letter: &Letter, calls: &[LetterCall]) -> usize {
    let (letter, calls) = (letter.clone(), calls.to_vec());
    write(store, move |tx| Box::pin(async move { tx.keep_letter(&letter, &calls).await })).await
}

/// Takes what is due at `now`, for 100 ms.
async fn take(store: &Store, holder: &'static str, now: i64) -> Vec<crate::TakenCall> {
    write(store, move |tx| {
        Box::pin(async move { tx.take_calls(holder, at(now), at(now + 100), 10).await })
    })
    .await
}

async fn finish(store: &Store, holder: &'static str, call: &LetterCall, answer: bool) -> bool {
    let id = call.id.clone();
    let answer = answer.then(|| LetterAnswer {
        sender: String::new(),
        recipient: "a@b".to_owned(),
        bytes: b"yes".to_vec(),
    });
    write(store, move |tx| {
        Box::pin(async move { tx.finish_call(&id, holder, answer.as_ref(), at(1_500)).await })
    })
    .await
}

async fn queue(store: &Store) -> LetterQueue {
    store.read(|tx| Box::pin(async move { tx.letter_queue().await })).await.unwrap()
}

async fn l30_the_same_message_is_one_call_for_as_long_as_it_is_remembered(bed: Bed) {
    let store = bed.open().await;
    assert_eq!(keep(&store, &letter(), &[call(1), call(2)]).await, 2);
    assert_eq!(keep(&store, &letter(), &[call(1)]).await, 0);
    assert_eq!(keep(&store, &letter(), &[call(2), call(3)]).await, 1);
    let taken = take(&store, "me", 1_000).await;
    assert_eq!(taken.len(), 3);
    for taken in &taken {
        assert!(finish(&store, "me", &taken.call, false).await);
    }
    assert_eq!(keep(&store, &letter(), &[call(1)]).await, 0);
    let forget = |before| {
        write(&store, move |tx| Box::pin(async move { tx.forget_letters(at(before)).await }))
    };
    assert_eq!(forget(1_000).await, 0);
    assert_eq!(forget(1_001).await, 3);
    assert_eq!(keep(&store, &letter(), &[call(1)]).await, 1);
    // What is not done is not forgotten.
    assert_eq!(forget(9_000).await, 0);
    assert_eq!(queue(&store).await.calls, 1);
}

async fn f26_what_nobody_finished_is_taken_again(bed: Bed) {
    let store = bed.open().await;
    let (sent, asked) = (letter(), call(1));
    keep(&store, &sent, std::slice::from_ref(&asked)).await;
    let [first] = &take(&store, "dead", 1_000).await[..] else { panic!("one call") };
    assert_eq!((&first.call, &first.letter), (&asked, &sent));
    assert_eq!((first.tries, first.interrupted), (1, false));
    assert!(take(&store, "alive", 1_099).await.is_empty());
    let [again] = &take(&store, "alive", 1_100).await[..] else { panic!("one call") };
    assert_eq!((again.tries, again.interrupted), (2, true));
    // The first one was slow and not dead: what it says counts no more.
    assert!(!finish(&store, "dead", &asked, true).await);
    // Who says that it is still at it keeps what it has.
    write(&store, |tx| Box::pin(async move { tx.hold_letters("alive", at(5_000)).await })).await;
    assert!(take(&store, "third", 4_000).await.is_empty());
    assert!(finish(&store, "alive", &asked, true).await);
    assert!(take(&store, "third", 9_000).await.is_empty());
    assert_eq!(queue(&store).await.answers, 1);
}

async fn a_call_and_its_answer_are_done_together(bed: Bed) {
    let store = bed.open().await;
    let calls = [call(1), call(2)];
    keep(&store, &letter(), &calls).await;
    assert_eq!(queue(&store).await, LetterQueue { calls: 2, answers: 0, oldest: Some(at(1_000)) });
    take(&store, "me", 1_000).await;
    finish(&store, "me", &calls[0], true).await;
    // The letter is still needed by the other call.
    let [left] = &take(&store, "me", 2_000).await[..] else { panic!("one call") };
    assert_eq!(left.call, calls[1]);
    finish(&store, "me", &calls[1], false).await;
    assert_eq!(queue(&store).await, LetterQueue { calls: 0, answers: 1, oldest: Some(at(1_500)) });
    let taken = write(&store, |tx| {
        Box::pin(async move { tx.take_answers("me", at(1_500), at(1_600), 10).await })
    })
    .await;
    let [answer] = &taken[..] else { panic!("one answer") };
    assert_eq!((&answer.id, answer.tries), (&calls[0].id, 1));
    assert_eq!(answer.answer.bytes, b"yes");
    let id = answer.id.clone();
    write(&store, move |tx| Box::pin(async move { tx.drop_answer(&id, "me").await })).await;
    assert_eq!(queue(&store).await, LetterQueue::default());
}

async fn what_is_put_off_comes_back_when_it_is_due(bed: Bed) {
    let store = bed.open().await;
    let asked = call(1);
    keep(&store, &letter(), std::slice::from_ref(&asked)).await;
    take(&store, "me", 1_000).await;
    let id = asked.id.clone();
    write(&store, move |tx| Box::pin(async move { tx.put_off_call(&id, "me", at(3_000)).await }))
        .await;
    assert!(take(&store, "me", 2_999).await.is_empty());
    let [again] = &take(&store, "me", 3_000).await[..] else { panic!("one call") };
    assert_eq!((again.tries, again.interrupted), (2, false));
    finish(&store, "me", &asked, true).await;
    let id = asked.id.clone();
    write(&store, move |tx| {
        Box::pin(async move {
            assert_eq!(tx.take_answers("me", at(3_000), at(3_100), 10).await?.len(), 1);
            tx.put_off_answer(&id, "me", at(7_000)).await?;
            assert!(tx.take_answers("me", at(6_999), at(7_000), 10).await?.is_empty());
            let [again] = &tx.take_answers("me", at(7_000), at(7_100), 10).await?[..] else {
                panic!("one answer")
            };
            assert_eq!(again.tries, 2);
            Ok(())
        })
    })
    .await;
}
