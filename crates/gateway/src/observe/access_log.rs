//! The access log: JSON lines from every worker to one writer thread, and never a wait.
//!
//! A worker writes its lines into a buffer of its own and hands it over when 128 KiB are full, or
//! at the next [`tick`](AccessLog::tick) when the writer has nothing to do. The writer alone
//! touches the disk or the pipe. When it cannot write (disk full, reader paused or gone) it keeps
//! what it has and tries again; once all buffers are under way further lines are dropped and
//! counted, and proxying goes on (reliability reference, F20 and L47).
//!
//! What may be lost: lines that did not fit while the writer was stuck, and those still under way
//! when the process is killed. What is never lost in part: a line is written whole or, at the end
//! of a file that filled its disk, completed later.

use std::{
    cell::RefCell,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use super::{
    fact::Fact,
    line::{self, Clock},
    outbox::{Buffer, Delivery, Outbox},
};

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessTarget {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to; made with mode 640 because it names callers.
    File(PathBuf),
}

/// Bytes at which a worker hands its lines over: each time wakes the writer, so smaller ones cost more.
const BATCH_BYTES: usize = 128 << 10;
/// Room behind that for the line that crosses it.
const SLACK_BYTES: usize = 4 << 10;
/// Buffers of a worker, at least: one to fill while the other is written.
const LEAST_BUFFERS: usize = 2;
/// The first pause after a write that failed; doubles up to…
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// …this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Bytes that a pipe takes without mixing them with another process's (POSIX `PIPE_BUF`, Linux).
const PIPE_BYTES: usize = 4096;

/// A worker's end of the log.
#[derive(Debug)]
pub struct AccessLog {
    /// `None`: off.
    inner: Option<RefCell<Inner>>,
}

#[derive(Debug)]
struct Inner {
    outbox: Outbox<Lines>,
    clock: Clock,
    batch_bytes: usize,
    dropped: Arc<AtomicU64>,
}

/// Lines on their way.
#[derive(Debug)]
struct Lines {
    bytes: Vec<u8>,
    count: u64,
    size: usize,
}

impl Lines {
    fn new(size: usize) -> Self {
        Self { bytes: Vec::with_capacity(size), count: 0, size }
    }
}

impl Buffer for Lines {
    fn reset(&mut self) {
        if self.bytes.capacity() > 2 * self.size {
            self.bytes = Vec::with_capacity(self.size);
        }
        self.bytes.clear();
        self.count = 0;
    }
}

impl AccessLog {
    /// Logs one exchange, or drops and counts it when the writer is too far behind.
    pub fn record(&self, fact: &Fact<'_>) {
        let Some(inner) = &self.inner else { return };
        let mut inner = inner.borrow_mut();
        let Inner { outbox, clock, batch_bytes, dropped } = &mut *inner;
        let Some(lines) = outbox.filling() else {
            add(dropped, 1);
            return;
        };
        line::write(&mut lines.bytes, fact, clock);
        lines.count += 1;
        if lines.bytes.len() >= *batch_bytes {
            inner.hand_over();
        }
    }

    /// Hands over what has gathered, if the writer waits for it. Call it at least ten times a
    /// second; it costs nothing when there is nothing to do.
    pub fn tick(&self) {
        let Some(inner) = &self.inner else { return };
        let mut inner = inner.borrow_mut();
        // A writer that is behind gets full buffers only, so that their number stays meaningful.
        if inner.outbox.reader_is_idle() {
            inner.hand_over();
        }
    }
}

impl Inner {
    fn hand_over(&mut self) {
        if self.outbox.filling().is_none_or(|lines| lines.count == 0) {
            return;
        }
        if let Err(lines) = self.outbox.send() {
            add(&self.dropped, lines.count);
            self.outbox.keep(lines);
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.get_mut().hand_over();
        }
    }
}

/// A counter that one thread writes and others read: no read-modify-write needed.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

/// The process's end of the log: makes the workers' ends, reopens, flushes.
#[derive(Debug)]
pub struct AccessLogWriter {
    /// `None`: off.
    shared: Option<(Arc<Shared>, SyncSender<Delivery<Lines>>)>,
    batch_bytes: usize,
    quota: usize,
}

#[derive(Debug, Default)]
struct Shared {
    reopen: AtomicBool,
    closing: AtomicBool,
    /// Lines that the writer had to give up.
    lost: AtomicU64,
    /// What each worker dropped.
    dropped: Mutex<Vec<Arc<AtomicU64>>>,
}

/// Opens the target, at the start and when asked to reopen.
type Opener = Box<dyn FnMut() -> io::Result<Target> + Send>;

struct Target {
    out: Box<dyn Write + Send>,
    /// Whether others may write to the same pipe.
    pipe: bool,
}

impl AccessLogWriter {
    /// Opens the target and starts the writer. `ring_bytes` is L47, shared by all workers.
    ///
    /// # Errors
    /// When the target cannot be opened or the thread not started.
    pub fn open(target: &AccessTarget, ring_bytes: usize, workers: usize) -> io::Result<Self> {
        match target {
            AccessTarget::Off => {
                Ok(Self { shared: None, batch_bytes: BATCH_BYTES, quota: LEAST_BUFFERS })
            }
            AccessTarget::Stdout => Self::start(Box::new(open_stdout), ring_bytes, workers),
            AccessTarget::File(path) => {
                let path = path.clone();
                Self::start(Box::new(move || open_file(&path)), ring_bytes, workers)
            }
        }
    }

    fn start(mut open: Opener, ring_bytes: usize, workers: usize) -> io::Result<Self> {
        let target = open()?;
        let workers = workers.max(1);
        let share = ring_bytes / workers;
        // With many cores and a small ring the buffers shrink rather than the bound grow.
        let batch_bytes =
            BATCH_BYTES.min((share / LEAST_BUFFERS).saturating_sub(SLACK_BYTES)).max(SLACK_BYTES);
        let quota = (share / (batch_bytes + SLACK_BYTES)).max(LEAST_BUFFERS);
        // Room for every buffer there can be, and for orders.
        let (to, inbox) = sync_channel(workers * quota + 16);
        let shared = Arc::new(Shared::default());
        let writer = Writer { open, target, shared: Arc::clone(&shared), failing: false };
        thread::Builder::new().name("access-log".into()).spawn(move || writer.run(&inbox))?;
        Ok(Self { shared: Some((shared, to)), batch_bytes, quota })
    }

    /// A worker's end. Make one for each worker the log was opened for.
    pub fn worker(&self) -> AccessLog {
        let Some((shared, to)) = &self.shared else { return AccessLog { inner: None } };
        let dropped = Arc::new(AtomicU64::new(0));
        let mut all = shared.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&dropped));
        let size = self.batch_bytes + SLACK_BYTES;
        let outbox = Outbox::new(to.clone(), self.quota, Lines::new, size);
        let inner = Inner { outbox, clock: Clock::new(), batch_bytes: self.batch_bytes, dropped };
        AccessLog { inner: Some(RefCell::new(inner)) }
    }

    /// Lines dropped so far.
    pub fn dropped(&self) -> u64 {
        let Some((shared, _)) = &self.shared else { return 0 };
        let all = shared.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let by_workers: u64 = all.iter().map(|dropped| dropped.load(Relaxed)).sum();
        by_workers + shared.lost.load(Relaxed)
    }

    /// Opens the file anew, after it was renamed for rotation (SIGHUP). When that fails, lines go
    /// on into the old one.
    pub fn reopen(&self) {
        let Some((shared, to)) = &self.shared else { return };
        shared.reopen.store(true, Relaxed);
        // A writer too busy to take the message looks at the flag anyway.
        let _ = to.try_send(Delivery::Wake);
    }

    /// Waits until everything handed over so far is written, at most this long. `false`: it is not.
    pub fn flush(&self, most: Duration) -> bool {
        let Some((_, to)) = &self.shared else { return true };
        let (done, wait) = sync_channel(1);
        to.try_send(Delivery::Flush(done)).is_ok() && wait.recv_timeout(most).is_ok()
    }
}

impl Drop for AccessLogWriter {
    fn drop(&mut self) {
        if let Some((shared, _)) = &self.shared {
            shared.closing.store(true, Relaxed);
        }
    }
}

fn open_stdout() -> io::Result<Target> {
    use std::os::fd::AsFd as _;
    // The descriptor itself: the standard library's handle would look for newlines and lock.
    let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    target_of(file)
}

fn open_file(path: &std::path::Path) -> io::Result<Target> {
    use std::os::unix::fs::OpenOptionsExt as _;
    target_of(OpenOptions::new().append(true).create(true).mode(0o640).open(path)?)
}

fn target_of(file: File) -> io::Result<Target> {
    use std::os::unix::fs::FileTypeExt as _;
    let pipe = file.metadata()?.file_type().is_fifo();
    Ok(Target { out: Box::new(file), pipe })
}

/// The thread that writes.
struct Writer {
    open: Opener,
    target: Target,
    shared: Arc<Shared>,
    /// A failure was reported and no write has succeeded since.
    failing: bool,
}

impl Writer {
    /// Ends when the process's end and every worker's end are gone.
    fn run(mut self, inbox: &Receiver<Delivery<Lines>>) {
        while let Ok(delivery) = inbox.recv() {
            match delivery {
                Delivery::Parcel(parcel) => {
                    if let Some(lines) = parcel.content() {
                        self.write(lines);
                    }
                }
                Delivery::Wake => drop(self.reopen_if_asked()),
                Delivery::Flush(done) => drop(done.try_send(())),
            }
        }
    }

    fn write(&mut self, lines: &Lines) {
        let bytes = lines.bytes.as_slice();
        let mut at = 0;
        let mut pause = FIRST_PAUSE;
        while at < bytes.len() {
            if self.reopen_if_asked() {
                // A line torn by the old file's full disk is written whole into the new one.
                at = memchr::memrchr(b'\n', bytes.get(..at).unwrap_or_default())
                    .map_or(0, |newline| newline + 1);
            }
            let end = self.piece_end(bytes, at);
            let written = self.target.out.write(bytes.get(at..end).unwrap_or_default());
            match written {
                Ok(count @ 1..) => {
                    at += count;
                    pause = FIRST_PAUSE;
                    self.failing = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Ok(0) => self.fail(&io::ErrorKind::WriteZero.into()),
                Err(error) => self.fail(&error),
            }
            if self.failing {
                if self.shared.closing.load(Relaxed) {
                    let rest = bytes.get(at..).unwrap_or_default();
                    add(&self.shared.lost, memchr::memchr_iter(b'\n', rest).count() as u64);
                    return;
                }
                thread::sleep(pause);
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }

    /// Where the next write ends: at the end of the batch, or for a pipe where the last whole line
    /// within its atomic size does, so that two processes (an upgrade under way) do not mix lines.
    fn piece_end(&self, bytes: &[u8], at: usize) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        if !self.target.pipe || rest.len() <= PIPE_BYTES {
            return bytes.len();
        }
        let newline = rest
            .get(..PIPE_BYTES)
            .and_then(|piece| memchr::memrchr(b'\n', piece))
            .or_else(|| memchr::memchr(b'\n', rest));
        newline.map_or(bytes.len(), |newline| at + newline + 1)
    }

    fn fail(&mut self, error: &io::Error) {
        if !self.failing {
            tracing::warn!(%error, "access log cannot be written, lines are kept and then dropped");
        }
        self.failing = true;
    }

    /// Whether the target was opened anew.
    fn reopen_if_asked(&mut self) -> bool {
        if !self.shared.reopen.swap(false, Relaxed) {
            return false;
        }
        match (self.open)() {
            Ok(target) => {
                self.target = target;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "access log cannot be reopened, the old file is kept");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Condvar, mpsc},
        time::Instant,
    };

    use super::*;
    use crate::observe::fact::tests::full;

    /// A disk or pipe that a test can stop, break and read.
    #[derive(Clone, Default)]
    struct Scripted(Arc<(Mutex<Script>, Condvar)>);

    #[derive(Default)]
    struct Script {
        written: Vec<u8>,
        paused: bool,
        /// Bytes until every write fails.
        room: Option<usize>,
        opened: usize,
    }

    impl Scripted {
        fn with<R>(&self, change: impl FnOnce(&mut Script) -> R) -> R {
            let result = change(&mut self.0.0.lock().unwrap());
            self.0.1.notify_all();
            result
        }

        fn open(&self, ring_bytes: usize, workers: usize) -> AccessLogWriter {
            let scripted = self.clone();
            let open: Opener = Box::new(move || {
                scripted.with(|script| script.opened += 1);
                Ok(Target { out: Box::new(scripted.clone()), pipe: false })
            });
            AccessLogWriter::start(open, ring_bytes, workers).unwrap()
        }

        fn paths(&self) -> Vec<String> {
            self.with(|script| paths(&script.written))
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut script = self.0.0.lock().unwrap();
            while script.paused {
                script = self.0.1.wait(script).unwrap();
            }
            let count = script.room.map_or(bytes.len(), |room| room.min(bytes.len()));
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            script.room = script.room.map(|room| room - count);
            script.written.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The paths of a log, each line of which must be whole.
    fn paths(log: &[u8]) -> Vec<String> {
        let text = std::str::from_utf8(log).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "a torn line: {text}");
        text.lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                value["path"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    fn log_path(log: &AccessLog, path: &str) {
        log.record(&Fact { path: path.as_bytes(), ..full() });
    }

    #[test]
    fn lines_of_all_workers_arrive_whole_and_in_each_workers_order() {
        let scripted = Scripted::default();
        let writer = scripted.open(8 << 20, 3);
        thread::scope(|scope| {
            for worker in 0..3 {
                let writer = &writer;
                scope.spawn(move || {
                    let log = writer.worker();
                    for n in 0..5_000 {
                        log_path(&log, &format!("/{worker}/{n:05}"));
                    }
                });
            }
        });
        assert!(writer.flush(Duration::from_secs(10)));
        let paths = scripted.paths();
        assert_eq!((paths.len() as u64 + writer.dropped(), writer.dropped()), (15_000, 0));
        for worker in 0..3 {
            let prefix = format!("/{worker}/");
            let mine: Vec<_> = paths.iter().filter(|path| path.starts_with(&prefix)).collect();
            assert!(mine.is_sorted());
            assert_eq!(mine.len(), 5_000);
        }
    }

    #[test]
    fn a_tick_delivers_what_has_gathered() {
        let scripted = Scripted::default();
        let writer = scripted.open(8 << 20, 1);
        let log = writer.worker();
        log_path(&log, "/a");
        assert!(writer.flush(Duration::from_secs(5)));
        assert_eq!(scripted.paths(), [""; 0]);
        log.tick();
        assert!(writer.flush(Duration::from_secs(5)));
        assert_eq!(scripted.paths(), ["/a"]);
    }

    #[test]
    fn f20_a_paused_reader_stops_nobody_and_what_does_not_fit_is_counted() {
        let scripted = Scripted::default();
        scripted.with(|script| script.paused = true);
        let writer = scripted.open(1 << 20, 1);
        let log = writer.worker();
        let started = Instant::now();
        for n in 0..20_000 {
            log_path(&log, &format!("/{n}"));
            log.tick();
        }
        // Generous: formatting this many lines takes milliseconds, one blocked write for ever.
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(writer.dropped() > 10_000);
        assert!(!writer.flush(Duration::from_millis(50)));

        scripted.with(|script| script.paused = false);
        assert!(writer.flush(Duration::from_secs(5)));
        log.tick();
        log_path(&log, "/after");
        log.tick();
        drop(log);
        assert!(writer.flush(Duration::from_secs(5)));
        let paths = scripted.paths();
        assert_eq!(paths.len() as u64 + writer.dropped(), 20_001);
        assert_eq!(paths.last().map(String::as_str), Some("/after"));
    }

    #[test]
    fn l47_the_ring_holds_what_it_says_and_no_more() {
        for (ring, workers) in [(8 << 20, 1), (8 << 20, 4), (1 << 20, 3), (8 << 20, 128)] {
            let scripted = Scripted::default();
            scripted.with(|script| script.paused = true);
            let writer = scripted.open(ring, workers);
            let logs: Vec<_> = (0..workers).map(|_| writer.worker()).collect();
            let mut line = Vec::new();
            line::write(&mut line, &full(), &mut Clock::new());
            for _ in 0..2 * ring / line.len() / workers {
                for log in &logs {
                    log.record(&full());
                }
            }
            let held: usize = logs
                .iter()
                .map(|log| {
                    let inner = log.inner.as_ref().unwrap().borrow();
                    (writer.quota - inner.outbox.unmade()) * (writer.batch_bytes + SLACK_BYTES)
                })
                .sum();
            assert!(held <= ring, "{held} > {ring} with {workers} workers");
            assert!(held > ring / 2, "{held} wastes {ring} with {workers} workers");
            assert!(writer.dropped() > 0);
            scripted.with(|script| script.paused = false);
        }
    }

    #[test]
    fn f20_a_full_disk_tears_no_line_and_loses_none_that_fitted() {
        let scripted = Scripted::default();
        scripted.with(|script| script.room = Some(1_000));
        let writer = scripted.open(8 << 20, 1);
        let log = writer.worker();
        for n in 0..50 {
            log_path(&log, &format!("/{n}"));
        }
        log.tick();
        assert!(!writer.flush(Duration::from_millis(120)));
        scripted.with(|script| script.room = None);
        assert!(writer.flush(Duration::from_secs(5)));
        assert_eq!(scripted.paths().len(), 50);
        assert_eq!(writer.dropped(), 0);
    }

    #[test]
    fn f20_a_log_that_is_closed_on_a_full_disk_ends_and_counts() {
        let scripted = Scripted::default();
        scripted.with(|script| script.room = Some(0));
        let writer = scripted.open(8 << 20, 1);
        let log = writer.worker();
        log_path(&log, "/a");
        let shared = Arc::clone(&writer.shared.as_ref().unwrap().0);
        drop(log);
        drop(writer);
        let (ended, wait) = mpsc::channel();
        thread::spawn(move || {
            while shared.lost.load(Relaxed) == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            ended.send(()).unwrap();
        });
        wait.recv_timeout(Duration::from_secs(5)).unwrap();
    }

    #[test]
    fn a_renamed_file_is_left_alone_once_the_log_was_reopened() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        std::fs::write(&path, b"").unwrap();
        let writer = AccessLogWriter::open(&AccessTarget::File(path.clone()), 8 << 20, 1).unwrap();
        let log = writer.worker();
        log_path(&log, "/before");
        log.tick();
        assert!(writer.flush(Duration::from_secs(5)));
        std::fs::rename(&path, &old).unwrap();
        writer.reopen();
        assert!(writer.flush(Duration::from_secs(5)));
        log_path(&log, "/after");
        log.tick();
        assert!(writer.flush(Duration::from_secs(5)));
        assert_eq!(paths(&std::fs::read(old).unwrap()), ["/before"]);
        assert_eq!(paths(&std::fs::read(path).unwrap()), ["/after"]);
    }

    #[test]
    fn a_line_torn_by_a_full_disk_is_whole_in_the_file_after_rotation() {
        let scripted = Scripted::default();
        let writer = scripted.open(8 << 20, 1);
        let log = writer.worker();
        for path in ["/1", "/2", "/3"] {
            log_path(&log, path);
        }
        let mut line = Vec::new();
        line::write(&mut line, &Fact { path: b"/1", ..full() }, &mut Clock::new());
        scripted.with(|script| script.room = Some(line.len() + 10));
        log.tick();
        assert!(!writer.flush(Duration::from_millis(120)));
        writer.reopen();
        scripted.with(|script| {
            script.written.clear();
            script.room = None;
        });
        assert!(writer.flush(Duration::from_secs(5)));
        assert!(scripted.paths().ends_with(&["/2".into(), "/3".into()]));
        assert_eq!(scripted.with(|script| script.opened), 2);
    }

    #[test]
    fn pieces_for_a_pipe_are_whole_lines_within_its_atomic_size() {
        let writer = |pipe| Writer {
            open: Box::new(|| Err(io::ErrorKind::Unsupported.into())),
            target: Target { out: Box::new(io::sink()), pipe },
            shared: Arc::default(),
            failing: false,
        };
        let bytes = [vec![b'a'; 1_999], b"\n".to_vec()].concat().repeat(5);
        assert_eq!(writer(false).piece_end(&bytes, 0), bytes.len());
        assert_eq!(writer(true).piece_end(&bytes, 0), 4_000);
        assert_eq!(writer(true).piece_end(&bytes, 8_000), bytes.len());
        let long = [vec![b'a'; 9_999], b"\nb\n".to_vec()].concat();
        assert_eq!(writer(true).piece_end(&long, 0), 10_000);
    }
}
