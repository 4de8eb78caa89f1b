//! Handing the listening sockets of a running process to its successor (F4, F5, L48).
//!
//! The running process offers its sockets on a Unix socket in its data folder; the new one asks
//! for them:
//!
//! ```text
//!   old                                   new
//!    │◀──────────── connects ──────────────│   same user, or it is turned away
//!    │── manifest: version, names, counts ▶│
//!    │── the descriptors (SCM_RIGHTS) ────▶│
//!    │                                     │   reads its configuration, starts its workers,
//!    │                                     │   accepts from the same sockets
//!    │◀──────────── "ready" ───────────────│
//!    │── "yours" ─────────────────────────▶│
//!   stops accepting, drains, exits         serves, offers in its turn
//! ```
//!
//! The sockets are shared, not reopened: a connection that waits in the kernel's queue is served
//! by whoever accepts next. If the new process dies, errs, speaks another version or says nothing
//! for ten seconds, the old one keeps serving as if nothing had happened.

use std::fs;
use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixListener;

/// The version of what is said here. A process that hears another one keeps to itself.
const VERSION: u32 = 1;
/// How long the old process waits for the new one, from the connection to "ready" (L48).
const PATIENCE: Duration = Duration::from_secs(10);
/// Descriptors in one message; Linux allows 253.
const DESCRIPTORS_AT_ONCE: usize = 64;
/// Most listening sockets: listeners × workers stays far below.
const DESCRIPTORS_MOST: usize = 8192;
/// Bytes of a manifest or an answer.
const MESSAGE_MOST: u32 = 256 << 10;

/// What goes wrong while sockets change hands. The old process keeps serving in every case.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The offer cannot be made.
    #[error("cannot offer the sockets at {path}")]
    Offer {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody offers sockets there.
    #[error("no running gateway offers its sockets at {path}; without `--upgrade` one starts anew")]
    Nobody {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The running gateway belongs to another user.
    #[error("the running gateway belongs to another user")]
    AnotherUser,
    /// The other process speaks another version.
    #[error("the running gateway speaks version {theirs} of the handover, this one {VERSION}")]
    Version {
        /// Its version.
        theirs: u32,
    },
    /// What arrived is not what was announced.
    #[error("the handover is broken: {0}")]
    Broken(&'static str),
    /// The running gateway has given up waiting, or has gone.
    #[error("the running gateway no longer waits for this one")]
    TooLate,
    /// The conversation broke off.
    #[error("the handover broke off")]
    Io(#[from] io::Error),
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    pid: u32,
    listeners: Vec<ManifestListener>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ManifestListener {
    name: String,
    sockets: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    version: u32,
    state: State,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    reason: String,
    /// Listeners whose sockets the new process has no use for.
    #[serde(default)]
    given_up: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum State {
    /// The new process accepts.
    Ready,
    /// The new process gives up.
    Failed,
    /// The old process stops accepting.
    Yours,
}

/// How an attempt to take over ended, as the old process sees it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The new process serves: stop accepting, drain, exit.
    TakenOver {
        /// Its process id.
        pid: u32,
        /// Listeners that it does not go on with: nobody but this process will take what waits
        /// there.
        given_up: Vec<String>,
    },
    /// Keep serving.
    NotTaken {
        /// What happened, for the log.
        reason: String,
    },
}

/// The running process's standing offer. Dropping it withdraws it.
#[derive(Debug)]
pub struct Offer {
    listener: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
    patience: Duration,
}

impl Offer {
    /// Offers at `path`, readable and writable by this user only. Takes the place of an older
    /// offer at the same path: after a takeover the new process offers where the old one did.
    /// Call it inside a runtime.
    ///
    /// # Errors
    /// When the socket cannot be made there.
    pub fn bind(path: &Path) -> Result<Self, HandoverError> {
        let fail = |source| HandoverError::Offer { path: path.to_owned(), source };
        // Made aside and renamed, so that it never stands there half open or without its mode.
        let aside = path.with_extension(format!("{}", std::process::id()));
        let _ = fs::remove_file(&aside);
        let listener = UnixListener::bind(&aside).map_err(fail)?;
        let placed = fs::set_permissions(&aside, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::symlink_metadata(&aside))
            .and_then(|metadata| fs::rename(&aside, path).map(|()| metadata));
        let metadata = placed.map_err(|error| {
            let _ = fs::remove_file(&aside);
            fail(error)
        })?;
        let identity = (metadata.dev(), metadata.ino());
        Ok(Self { listener, path: path.to_owned(), identity, patience: PATIENCE })
    }

    /// Waits for one process that wants to take over, and goes through it. `listeners` are names
    /// with all the sockets of each. After [`Outcome::TakenOver`] close every copy of the sockets;
    /// after [`Outcome::NotTaken`] call it again. Cancelling it means that nothing was taken.
    ///
    /// # Errors
    /// When the offer itself fails; what goes wrong with one successor is an [`Outcome`].
    pub async fn serve_one<F: AsFd>(
        &self,
        listeners: &[(String, Vec<F>)],
    ) -> Result<Outcome, HandoverError> {
        let (stream, _) = self.listener.accept().await?;
        let handed = tokio::time::timeout(self.patience, hand_over(stream, listeners)).await;
        Ok(match handed {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::NotTaken { reason: error.to_string() },
            Err(_) => Outcome::NotTaken { reason: "the new process was not ready in time".into() },
        })
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // The successor's offer may stand there already: only our own is removed.
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn hand_over<F: AsFd>(
    mut stream: tokio::net::UnixStream,
    listeners: &[(String, Vec<F>)],
) -> Result<Outcome, HandoverError> {
    if !may_take_over(stream.peer_cred()?.uid()) {
        return Ok(Outcome::NotTaken { reason: "it belongs to another user".into() });
    }
    let manifest = Manifest {
        version: VERSION,
        pid: std::process::id(),
        listeners: listeners
            .iter()
            .map(|(name, sockets)| ManifestListener { name: name.clone(), sockets: sockets.len() })
            .collect(),
    };
    let text = encode(&manifest)?;
    stream.write_u32(u32::try_from(text.len()).unwrap_or(u32::MAX)).await?;
    stream.write_all(&text).await?;
    let descriptors: Vec<BorrowedFd<'_>> =
        listeners.iter().flat_map(|(_, sockets)| sockets.iter().map(AsFd::as_fd)).collect();
    for some in descriptors.chunks(DESCRIPTORS_AT_ONCE) {
        stream.async_io(Interest::WRITABLE, || send_descriptors(&stream, some)).await?;
    }

    let mut line = Vec::new();
    let mut reader = tokio::io::BufReader::new(&mut stream).take(u64::from(MESSAGE_MOST));
    reader.read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(Outcome::NotTaken { reason: "the new process went away".into() });
    }
    let answer: Answer = decode(&line)?;
    if answer.version != VERSION {
        return Err(HandoverError::Version { theirs: answer.version });
    }
    if answer.state != State::Ready {
        let reason = format!("the new process gave up: {}", answer.reason);
        return Ok(Outcome::NotTaken { reason });
    }
    stream.write_all(&answer_line(State::Yours, "", Vec::new())?).await?;
    Ok(Outcome::TakenOver { pid: answer.pid, given_up: answer.given_up })
}

/// The same user, or the superuser.
fn may_take_over(uid: u32) -> bool {
    uid == rustix::process::geteuid().as_raw() || uid == 0
}

fn send_descriptors(stream: impl AsFd, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_AT_ONCE))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // Descriptors travel with at least one byte; ours says how many.
    let count = [descriptors.len() as u8];
    sendmsg(stream, &[IoSlice::new(&count)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// What the new process received.
#[derive(Debug)]
pub struct Inherited {
    /// The listeners by name, in the old process's order. Accept from every socket (see
    /// [`crate::listen::distribute`]): each may hold connections that nobody else will see.
    pub listeners: Vec<(String, Vec<TcpListener>)>,
    /// The conversation, to be ended with [`Handle::ready`].
    pub handle: Handle,
}

/// The new process's side of the conversation. Dropping it without [`Handle::ready`] leaves the
/// old process serving.
#[derive(Debug)]
pub struct Handle {
    stream: UnixStream,
    /// The old process's id.
    pub pid: u32,
}

/// Asks the process that offers its sockets at `path` for them. Blocks for a moment; for the
/// beginning of a process.
///
/// # Errors
/// When nobody offers, or what arrives cannot be used. The old process keeps serving.
pub fn take_over(path: &Path) -> Result<Inherited, HandoverError> {
    let mut stream = UnixStream::connect(path)
        .map_err(|source| HandoverError::Nobody { path: path.to_owned(), source })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // Whose sockets are these? Somebody else's process must not feed us connections.
    #[cfg(target_os = "linux")]
    {
        let peer = rustix::net::sockopt::socket_peercred(&stream).map_err(io::Error::from)?;
        if !may_take_over(peer.uid.as_raw()) {
            return Err(HandoverError::AnotherUser);
        }
    }

    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MESSAGE_MOST {
        return Err(HandoverError::Broken("the manifest is too long"));
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text)?;
    let version: AnyVersion = decode(&text)?;
    if version.version != VERSION {
        let reason = format!("it speaks version {VERSION}");
        let _ = stream.write_all(&answer_line(State::Failed, &reason, Vec::new())?);
        return Err(HandoverError::Version { theirs: version.version });
    }
    let manifest: Manifest = decode(&text)?;

    let expected: usize = manifest
        .listeners
        .iter()
        .try_fold(0_usize, |sum, listener| sum.checked_add(listener.sockets))
        .filter(|sum| *sum <= DESCRIPTORS_MOST)
        .ok_or(HandoverError::Broken("too many sockets are announced"))?;
    let mut descriptors = Vec::with_capacity(expected);
    while descriptors.len() < expected {
        receive_descriptors(&stream, &mut descriptors)?;
    }
    if descriptors.len() != expected {
        return Err(HandoverError::Broken("more sockets came than were announced"));
    }

    let mut descriptors = descriptors.into_iter();
    let mut listeners = Vec::with_capacity(manifest.listeners.len());
    for ManifestListener { name, sockets } in manifest.listeners {
        let sockets =
            descriptors.by_ref().take(sockets).map(listening).collect::<Result<Vec<_>, _>>()?;
        listeners.push((name, sockets));
    }
    Ok(Inherited { listeners, handle: Handle { stream, pid: manifest.pid } })
}

/// The part of a manifest that every version has.
#[derive(Deserialize)]
struct AnyVersion {
    version: u32,
}

fn receive_descriptors(
    stream: &UnixStream,
    descriptors: &mut Vec<OwnedFd>,
) -> Result<(), HandoverError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_AT_ONCE))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut count = [0];
    let received = recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut count)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )
    .map_err(io::Error::from)?;
    let before = descriptors.len();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            descriptors.extend(some);
        }
    }
    if received.bytes == 0 {
        return Err(HandoverError::Broken("the running gateway went away"));
    }
    let came = descriptors.len() - before;
    // The kernel drops descriptors for which this process has no room left.
    if received.flags.contains(ReturnFlags::CTRUNC) || came != usize::from(count[0]) || came == 0 {
        return Err(HandoverError::Broken(
            "sockets are missing (is the limit of open files too low?)",
        ));
    }
    Ok(())
}

fn listening(descriptor: OwnedFd) -> Result<TcpListener, HandoverError> {
    #[cfg(not(target_vendor = "apple"))]
    if !rustix::net::sockopt::socket_acceptconn(&descriptor).unwrap_or(false) {
        return Err(HandoverError::Broken("one of the sockets does not listen"));
    }
    let listener = TcpListener::from(descriptor);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Handle {
    /// Tells the old process that this one accepts now, but for what it has given up, and waits
    /// until it lets go. Blocks for a moment.
    ///
    /// # Errors
    /// When the old process no longer waits: it keeps serving, so finish what was accepted and
    /// exit.
    pub fn ready(mut self, given_up: Vec<String>) -> Result<(), HandoverError> {
        let line = answer_line(State::Ready, "", given_up)?;
        self.stream.write_all(&line).map_err(|_| HandoverError::TooLate)?;
        let mut answer = Vec::new();
        let mut reader = BufReader::new(&self.stream).take(u64::from(MESSAGE_MOST));
        reader.read_until(b'\n', &mut answer).map_err(|_| HandoverError::TooLate)?;
        if answer.is_empty() {
            return Err(HandoverError::TooLate);
        }
        match decode::<Answer>(&answer)?.state {
            State::Yours => Ok(()),
            _ => Err(HandoverError::TooLate),
        }
    }

    /// Tells the old process why this one gives up, so that its log has it.
    pub fn failed(mut self, reason: &str) {
        if let Ok(line) = answer_line(State::Failed, reason, Vec::new()) {
            // If it does not hear, it sees the connection close.
            let _ = self.stream.write_all(&line);
        }
    }
}

fn encode(message: &impl Serialize) -> Result<Vec<u8>, HandoverError> {
    serde_json::to_vec(message).map_err(|_| HandoverError::Broken("a message cannot be written"))
}

fn decode<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, HandoverError> {
    serde_json::from_slice(text).map_err(|_| HandoverError::Broken("a message cannot be read"))
}

fn answer_line(
    state: State,
    reason: &str,
    given_up: Vec<String>,
) -> Result<Vec<u8>, HandoverError> {
    let (pid, reason) = (std::process::id(), reason.to_owned());
    let answer = Answer { version: VERSION, state, pid, reason, given_up };
    let mut line = encode(&answer)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpStream};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::listen::bind;

    const CHILD_PATH: &str = "PASARELA_TEST_HANDOVER_PATH";

    struct Old {
        offer: Offer,
        listeners: Vec<(String, Vec<TcpListener>)>,
        folder: tempfile::TempDir,
    }

    impl Old {
        fn new(sockets: usize) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let offer = Offer::bind(&folder.path().join("upgrade.sock")).unwrap();
            let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let listeners = ["gateway", "tls"]
                .map(|name| (name.to_owned(), bind(loopback, sockets).unwrap()))
                .into();
            Self { offer, listeners, folder }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("upgrade.sock")
        }

        fn address(&self) -> SocketAddr {
            self.listeners[0].1[0].local_addr().unwrap()
        }

        async fn serve_one(&self) -> Outcome {
            self.offer.serve_one(&self.listeners).await.unwrap()
        }
    }

    /// Runs the new process's side where it may block.
    fn new_process<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        tokio::task::spawn_blocking(work)
    }

    fn accept_all(listeners: &[TcpListener]) -> usize {
        listeners.iter().map(|one| std::iter::from_fn(|| one.accept().ok()).count()).sum()
    }

    #[tokio::test]
    async fn f04_waiting_connections_survive_the_old_listeners() {
        // More sockets than one message carries, and connections queued on several of them.
        let old = Old::new(70);
        let clients: Vec<_> = (0..40).map(|_| TcpStream::connect(old.address()).unwrap()).collect();
        let path = old.path();
        let taking = new_process(move || {
            let inherited = take_over(&path).unwrap();
            inherited.handle.ready(vec!["tls".into()]).unwrap();
            inherited.listeners
        });
        let given_up = vec!["tls".into()];
        let pid = std::process::id();
        assert_eq!(old.serve_one().await, Outcome::TakenOver { pid, given_up });
        let Old { offer, listeners, folder: _folder } = old;
        drop((offer, listeners));

        let listeners = taking.await.unwrap();
        let names: Vec<_> = listeners.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["gateway", "tls"]);
        assert_eq!(accept_all(&listeners[0].1), clients.len());
        drop(clients);
    }

    #[tokio::test]
    async fn f04_a_second_process_really_takes_the_sockets() {
        let old = Old::new(2);
        let mut client = TcpStream::connect(old.address()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "handover::tests::helper_the_successor", "--ignored", "--nocapture"])
            .env(CHILD_PATH, old.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        assert_eq!(
            old.serve_one().await,
            Outcome::TakenOver { pid: child.id(), given_up: Vec::new() }
        );
        let Old { offer, listeners, folder: _folder } = old;
        drop((offer, listeners));

        let answer = new_process(move || {
            let mut answer = String::new();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.read_to_string(&mut answer).unwrap();
            answer
        });
        assert_eq!(answer.await.unwrap(), "from the successor");
        assert!(child.wait().unwrap().success());
    }

    /// The successor in the test above: a process of its own.
    #[test]
    #[ignore = "not a test: started by f04_a_second_process_really_takes_the_sockets"]
    fn helper_the_successor() {
        let Some(path) = std::env::var_os(CHILD_PATH) else { return };
        let inherited = take_over(Path::new(&path)).unwrap();
        inherited.handle.ready(Vec::new()).unwrap();
        loop {
            for listener in inherited.listeners.iter().flat_map(|(_, all)| all) {
                if let Ok((mut stream, _)) = listener.accept() {
                    stream.write_all(b"from the successor").unwrap();
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[tokio::test]
    async fn f05_a_successor_that_dies_gives_up_or_babbles_changes_nothing() {
        let old = Old::new(1);
        let reason_after = async |work: fn(&Path)| {
            let path = old.path();
            let acting = new_process(move || work(&path));
            let Outcome::NotTaken { reason } = old.serve_one().await else { panic!("taken") };
            acting.await.unwrap();
            // It still serves, on the very same socket.
            let _client = TcpStream::connect(old.address()).unwrap();
            assert_eq!(accept_all(&old.listeners[0].1), 1);
            reason
        };
        let died = reason_after(|path| drop(take_over(path).unwrap())).await;
        assert!(died.contains("went away"), "{died}");
        let gave_up = reason_after(|path| {
            take_over(path).unwrap().handle.failed("line 3 of the file is wrong");
        });
        assert!(gave_up.await.contains("line 3"));
        let babbled = reason_after(|path| {
            let mut stream = UnixStream::connect(path).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n\n").unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        assert!(babbled.await.contains("cannot be read"));
        let newer = reason_after(|path| {
            let mut stream = UnixStream::connect(path).unwrap();
            stream.write_all(b"{\"version\":9,\"state\":\"ready\"}\n").unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        assert!(newer.await.contains("version 9"));
    }

    #[tokio::test]
    async fn f05_a_silent_successor_is_not_waited_for_and_told_that_it_is_late() {
        let mut old = Old::new(1);
        assert_eq!(old.offer.patience, Duration::from_secs(10), "L48");
        old.offer.patience = Duration::from_millis(300);
        let path = old.path();
        let (late_tx, late_rx) = std::sync::mpsc::channel::<()>();
        let silent = new_process(move || {
            let inherited = take_over(&path).unwrap();
            late_rx.recv().unwrap();
            inherited.handle.ready(Vec::new())
        });
        let outcome = old.serve_one().await;
        assert!(matches!(outcome, Outcome::NotTaken { reason } if reason.contains("in time")));
        late_tx.send(()).unwrap();
        assert!(matches!(silent.await.unwrap(), Err(HandoverError::TooLate)));
    }

    #[tokio::test]
    async fn only_this_user_may_ask_and_an_older_offer_is_replaced() {
        let old = Old::new(1);
        let mode = fs::metadata(old.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let successor = Offer::bind(&old.path()).unwrap();
        let path = old.path();
        drop(old.offer);
        assert!(path.exists(), "the old offer must not take the new one away");
        drop(successor);
        assert!(!path.exists());
        assert!(matches!(take_over(&path), Err(HandoverError::Nobody { .. })));
    }

    #[test]
    fn f05_a_manifest_of_another_version_or_of_other_things_is_refused() {
        let refuse = |manifest: &[u8], descriptor: Option<BorrowedFd<'_>>| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("s");
            let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            std::thread::scope(|scope| {
                let taking = scope.spawn(|| take_over(&path).map(drop).unwrap_err());
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(&(manifest.len() as u32).to_be_bytes()).unwrap();
                stream.write_all(manifest).unwrap();
                if let Some(descriptor) = descriptor {
                    send_descriptors(&stream, &[descriptor]).unwrap();
                }
                drop(stream);
                taking.join().unwrap()
            })
        };
        let newer = refuse(br#"{"version":2,"sockets":"otherwise"}"#, None);
        assert!(matches!(newer, HandoverError::Version { theirs: 2 }), "{newer:?}");
        let many = br#"{"version":1,"pid":1,"listeners":[{"name":"a","sockets":99999999}]}"#;
        assert!(matches!(refuse(many, None), HandoverError::Broken(_)));
        let one = br#"{"version":1,"pid":1,"listeners":[{"name":"a","sockets":1}]}"#;
        assert!(matches!(refuse(one, None), HandoverError::Broken(_)));
        let file = fs::File::open("/dev/null").unwrap();
        let wrong = refuse(one, Some(file.as_fd()));
        assert!(matches!(wrong, HandoverError::Broken(_)), "{wrong:?}");
    }
}
