//! Which of a connection's streams have something to do.
//!
//! All streams of a connection are polled by the connection's task, so that what they write leaves
//! together. Each has a waker of its own, which marks it here and wakes the task, once, however many
//! streams have become ready.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Wake, Waker},
};

/// The set of streams, by number.
#[derive(Debug, Clone)]
pub struct Ready(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    marks: Box<[AtomicU64]>,
    /// The task knows, or will look before it rests.
    told: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Ready {
    /// Room for so many streams.
    pub fn new(streams: usize) -> Self {
        Self(Arc::new(Shared {
            marks: (0..streams.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            told: AtomicBool::new(true),
            task: Mutex::new(None),
        }))
    }

    /// The waker of a stream.
    pub fn waker(&self, stream: usize) -> Waker {
        Waker::from(Arc::new(StreamWaker { shared: Arc::clone(&self.0), stream }))
    }

    /// Marks a stream; for the task itself, which will look.
    #[inline]
    pub fn mark(&self, stream: usize) {
        self.0.mark(stream);
    }

    /// Takes the marks of 64 streams.
    #[inline]
    pub fn take(&self, word: usize) -> u64 {
        match self.0.marks.get(word) {
            Some(marks) if marks.load(Ordering::Relaxed) != 0 => marks.swap(0, Ordering::Acquire),
            _ => 0,
        }
    }

    /// Number of words of 64 streams.
    pub fn words(&self) -> usize {
        self.0.marks.len()
    }

    /// Whether no stream is marked.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.marks.iter().all(|marks| marks.load(Ordering::Acquire) == 0)
    }

    /// The task begins to look: nobody needs to wake it.
    pub fn begin(&self, task: &Waker) {
        self.0.told.store(true, Ordering::Relaxed);
        let mut kept = self.0.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(task)) {
            *kept = Some(task.clone());
        }
    }

    /// The task wants to rest; `false` when it has to look again.
    pub fn rest(&self) -> bool {
        self.0.told.store(false, Ordering::SeqCst);
        self.is_empty()
    }
}

impl Shared {
    #[inline]
    fn mark(&self, stream: usize) {
        if let Some(marks) = self.marks.get(stream / 64) {
            marks.fetch_or(1 << (stream % 64), Ordering::SeqCst);
        }
    }
}

struct StreamWaker {
    shared: Arc<Shared>,
    stream: usize,
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.shared.mark(self.stream);
        if !self.shared.told.swap(true, Ordering::SeqCst) {
            let task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(task) = &*task {
                task.wake_by_ref();
            }
        }
    }
}
