//! `pasarela serve`: from a configuration to a running process, and through its whole life.
//!
//! The main thread owns everything that is not a request: signals, reloads, the console, names and
//! health of upstreams, the handing over to a successor. Requests belong to the workers, one
//! thread each, which get compiled configurations over a channel and are never waited for.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use pasarela_control::Compiled;
use pasarela_gateway::{
    Phase, Plane, Shared, Socket,
    observe::{self, AccessTarget, Listener, Observability, TraceSettings},
    overload::{Level, Overload},
    quota::Quotas,
};
use pasarela_model::{Snapshot, Timestamp};
use pasarela_net::{
    handover::{self, Inherited, Offer, Outcome},
    listen::{self, ConnectionTable},
    tls::{CertifiedPem, ServerTls, ServerTlsConfig},
    watch::FileWatch,
};
use tokio::{
    runtime::{Builder, LocalOptions, LocalRuntime},
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{
    admin::{self, Administration},
    config::{self, Loaded, Settings, Storage, settings},
    console::{self, Console, Readiness},
    jwks,
    logging::{self, LogFormat},
    mail, memory, otlp,
    quotas::Keeper,
    signing::Signing,
    sockets,
};

/// Where the offer of the sockets stands, in the data folder.
const UPGRADE_SOCKET: &str = "upgrade.sock";

/// Run the gateway.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  pasarela serve\n  \
    pasarela serve --config pasarela.yaml --upgrade    takes over from the one that runs\n\n\
    Exit code 0: ended by a signal or a successor; 1: it could not serve; 2: wrong use.")]
pub struct Args {
    /// The configuration file; by default pasarela.yaml in this folder. Without one, nothing is on the air yet.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder for what lasts; the file's `storage` by default.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Take over from the gateway that runs on the same data folder, without a refused request.
    #[arg(long)]
    pub upgrade: bool,
    /// How the process's own log looks; it goes to standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Level or directives of that log.
    #[arg(long, env = "PASARELA_LOG", default_value = "info")]
    pub log_level: String,
}

/// Runs until a signal or a successor ends it.
pub fn run(args: &Args) -> ExitCode {
    let usual = || Some(PathBuf::from(config::USUAL_FILE)).filter(|path| path.is_file());
    let args = &Args { config: args.config.clone().or_else(usual), ..args.clone() };
    let loaded = match load(args.config.as_deref(), 1) {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprint!("{faults}");
            return ExitCode::FAILURE;
        }
    };
    let guard = match logging::init(args.log_format, &args.log_level) {
        Ok(guard) => guard,
        Err(error) => {
            eprintln!("pasarela: {error:#}");
            return ExitCode::from(2);
        }
    };
    let code = match serve(args, loaded, |_| {}) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %format!("{error:#}"), "cannot serve");
            ExitCode::FAILURE
        }
    };
    drop(guard);
    code
}

fn load(path: Option<&Path>, generation: u64) -> Result<Loaded, config::Faults> {
    match path {
        None => Ok(config::empty(generation)),
        Some(path) => config::load(path, &|name| std::env::var(name).ok(), generation),
    }
}

/// The addresses that were opened.
#[derive(Debug, Clone, Default)]
pub struct Addresses(pub Vec<(Listener, SocketAddr)>);

/// Serves a configuration. `up` is called when every listener is.
///
/// # Errors
/// When it cannot begin; once it serves, it ends only by a signal or a successor.
pub fn serve(args: &Args, loaded: Loaded, up: impl FnOnce(&Addresses)) -> anyhow::Result<()> {
    let Loaded { settings, snapshot, warnings, files, .. } = loaded;
    for warning in &warnings {
        tracing::warn!(code = warning.code.code(), line = warning.span.line, "{}", warning.message);
    }
    if args.config.is_none() {
        tracing::warn!(
            "nothing is on the air: there is no pasarela.yaml here; name a file with --config, or after `pasarela login` put APIs \
             into the store with `pasarela publish`; `pasarela demo` shows how it looks"
        );
    }
    let data = args.data.clone().unwrap_or_else(|| settings.data_dir().to_owned());
    std::fs::create_dir_all(&data)
        .with_context(|| format!("the data folder {} cannot be made", data.display()))?;
    let workers = settings.workers.map_or_else(
        || thread::available_parallelism().map_or(1, std::num::NonZero::get),
        std::num::NonZero::get,
    );
    listen::raise_descriptor_limit();
    let inherited = match args.upgrade {
        true => Some(
            handover::take_over(&data.join(UPGRADE_SOCKET))
                .context("the running gateway did not hand its sockets over")?,
        ),
        false => None,
    };
    match start(args, &settings, snapshot, files, workers, &data, inherited.as_ref(), up) {
        Ok(running) => running.live(inherited),
        Err(error) => {
            if let Some(inherited) = inherited {
                inherited.handle.failed(&format!("{error:#}"));
            }
            Err(error)
        }
    }
}

/// A process that serves.
struct Running {
    config: Option<PathBuf>,
    settings: Settings,
    files: Vec<PathBuf>,
    data: PathBuf,
    observability: Arc<Observability>,
    connections: Arc<ConnectionTable>,
    epoch: Instant,
    /// The store beside us, where there is one.
    administration: Option<Administration>,
    /// When what the store holds has to be looked at again, even if it does not change.
    until: Option<Timestamp>,
    signing: Signing,
    planes: watch::Sender<Arc<Plane>>,
    phases: watch::Sender<Phase>,
    tls: Option<Arc<ServerTls>>,
    /// What mail goes over to.
    starttls: Option<Arc<ServerTls>>,
    /// Clones of every listening socket, for a successor.
    sockets: Vec<(String, Vec<TcpListener>)>,
    /// What the predecessor listened on and this process does not.
    given_up: Vec<String>,
    workers: Vec<thread::JoinHandle<()>>,
    runtime: LocalRuntime,
    draining: Arc<AtomicBool>,
    generation: Arc<AtomicU64>,
    /// Whoever writes down what is leased of quotas.
    keeper: Keeper,
}

#[allow(clippy::too_many_arguments, reason = "the one place where everything meets")]
fn start(
    args: &Args,
    settings: &Settings,
    snapshot: Snapshot,
    files: Vec<PathBuf>,
    workers: usize,
    data: &Path,
    inherited: Option<&Inherited>,
    up: impl FnOnce(&Addresses),
) -> anyhow::Result<Running> {
    let mut boot = [0u8; 16];
    getrandom(&mut boot)?;
    let limits = snapshot.limits.clone();
    let (observability, inbox) = Observability::open(&observe::Settings {
        access: access_target(&settings.access_log),
        ring_bytes: limits.log_ring_bytes as usize,
        traces: settings.traces.as_ref().map(|traces| TraceSettings {
            sample: f64::from(traces.sample_per_million) / 1e6,
            honour_parent: true,
        }),
        // Mail has one more.
        workers: workers + usize::from(settings.listen.smtp.is_some()),
        boot: u128::from_le_bytes(boot),
    })
    .context("the access log cannot be opened")?;
    if let (Some(traces), Some(inbox)) = (&settings.traces, inbox) {
        let collector = otlp::Collector::new(traces).context("the collector of the traces")?;
        let instance = boot.iter().map(|byte| format!("{byte:02x}")).collect();
        otlp::start(collector, otlp::Sender { service: traces.service.clone(), instance }, inbox)
            .context("the span exporter does not start")?;
    }
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .context("the runtime does not start")?;
    let (administration, mut snapshot, until) = match settings.administered {
        true => {
            let invite = |invitation: &str| invite(invitation, settings.listen.console);
            let internal = settings.listen.internal.is_some();
            let opened = admin::open(place(settings, data), data, snapshot, internal, invite);
            let administration = runtime.block_on(opened)?;
            let compiled = administration.compiled();
            (Some(administration), compiled.snapshot, compiled.until)
        }
        false => (None, snapshot, None),
    };
    let mut signing = Signing::in_folder(data);
    if let Some(administration) = &administration {
        runtime.block_on(signing.share(&administration.control, snapshot.issuing.is_some()));
    }
    signing.fill(&mut snapshot)?;
    let epoch = Instant::now();
    let generation = snapshot.generation;
    let networks = snapshot.trusted_proxies.clone();
    let plane = Plane::compile(Arc::new(snapshot), None, observability.metrics(), 0)?;
    observability.metrics().loaded(generation);
    let tls = match settings.listen.tls {
        None => None,
        Some(_) => Some(Arc::new(ServerTls::new(&tls_config(settings))?)),
    };
    let (planes, _) = watch::channel(Arc::new(plane));
    let (phases, _) = watch::channel(Phase::Serving);
    let connections = ConnectionTable::new(&limits, &networks);

    let mut addresses = Addresses::default();
    let mut kept = Vec::new();
    let mut dealt: Vec<Vec<Socket>> = (0..workers).map(|_| Vec::new()).collect();
    let (mut console, mut post) = (None, None);
    for (listener, address) in sockets::wanted(settings) {
        let alone = matches!(listener, Listener::Console | Listener::Smtp);
        let count = if alone { 1 } else { workers };
        let mut own = sockets::open((listener, address), count, inherited)?;
        addresses.0.push((listener, sockets::address_of(&own)?));
        let copies = own.iter().map(TcpListener::try_clone).collect::<Result<Vec<_>, _>>()?;
        kept.push((listener.name().to_owned(), copies));
        if alone {
            *(if listener == Listener::Smtp { &mut post } else { &mut console }) = own.pop();
            continue;
        }
        for (worker, own) in listen::distribute(own, workers)?.into_iter().enumerate() {
            let tls = (listener == Listener::Tls).then(|| tls.clone()).flatten();
            dealt[worker].extend(own.into_iter().map(|socket| Socket {
                listener,
                socket,
                tls: tls.clone(),
            }));
        }
    }
    let console = console.context("a listener without a socket")?;
    let mut given_up = Vec::new();
    for (listener, address) in
        inherited.iter().flat_map(|inherited| sockets::given_up(inherited, &addresses.0))
    {
        tracing::info!(listener, %address, "no longer listening");
        given_up.push(listener.to_owned());
    }

    let draining = Arc::new(AtomicBool::new(false));
    let live = Arc::new(AtomicU64::new(generation));
    let ready = Arc::new(AtomicBool::new(false));
    let desk = administration.as_ref().map(|administration| administration.control.clone());
    let keeper = Keeper::new(Arc::clone(planes.borrow().quotas()), desk.clone(), data);
    runtime.spawn_local(keeper.clone().keep());
    let counted = (Arc::clone(&observability), Arc::clone(planes.borrow().quotas()));
    let counts = post.as_ref().map(|_| Arc::new(mail::Counts::default()));
    let beside = (desk.clone(), counts.clone());
    serve_console(&runtime, console, counted, &draining, &live, &ready, beside)?;
    let (told, heard) = std::sync::mpsc::channel();
    {
        let planes = planes.subscribe();
        runtime.spawn_local(pasarela_gateway::tend(planes, move || {
            let _ = told.send(());
        }));
    }
    let (told, keys) = std::sync::mpsc::channel();
    runtime.spawn_local(jwks::keep(planes.subscribe(), move || {
        let _ = told.send(());
    }));
    // Names are looked up and keys are fetched before the first request is accepted, but a dead resolver only delays.
    runtime.block_on(async {
        let deadline = Instant::now() + Duration::from_secs(2);
        for done in [heard, keys] {
            while done.try_recv().is_err() && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    });

    let overload = Arc::new(Overload::default());
    runtime.spawn_local(watch_memory(
        Arc::clone(&overload),
        planes.subscribe(),
        Arc::clone(&observability),
    ));
    let mut starttls = None;
    let shared = Arc::new(Shared {
        overload,
        epoch,
        observability: Arc::clone(&observability),
        connections: Arc::clone(&connections),
    });
    let mut threads = Vec::new();
    if let (Some(socket), Some(desk), Some(counts)) = (post, desk, counts) {
        let mail_tls = mail_tls(settings)?;
        let parts = mail::Parts {
            socket,
            desk,
            shared: shared.clone(),
            planes: planes.subscribe(),
            phases: phases.subscribe(),
            tls: mail_tls.clone(),
            index: workers,
            counts,
        };
        threads.push(mail::start(settings, parts)?);
        starttls = mail_tls;
    }
    for (index, sockets) in dealt.into_iter().enumerate() {
        let (shared, planes, phases) = (shared.clone(), planes.subscribe(), phases.subscribe());
        let thread = thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            match Builder::new_current_thread()
                .enable_all()
                .event_interval(EVENT_INTERVAL)
                .build_local(LocalOptions::default())
            {
                Ok(runtime) => runtime
                    .block_on(pasarela_gateway::run(index, shared, planes, sockets, None, phases)),
                Err(error) => tracing::error!(%error, "a worker's runtime does not start"),
            }
        })?;
        threads.push(thread);
    }
    for (listener, address) in &addresses.0 {
        tracing::info!(listener = listener.name(), %address, "listening");
    }
    ready.store(true, Ordering::Release);
    up(&addresses);
    Ok(Running {
        config: args.config.clone(),
        settings: settings.clone(),
        files,
        data: data.to_owned(),
        observability,
        connections,
        epoch,
        administration,
        until,
        signing,
        planes,
        phases,
        tls,
        starttls,
        sockets: kept,
        given_up,
        workers: threads,
        runtime,
        draining,
        generation: live,
        keeper,
    })
}

/// Tasks a worker polls before it looks at its sockets again.
const EVENT_INTERVAL: u32 = 61;

fn getrandom(bytes: &mut [u8]) -> anyhow::Result<()> {
    rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty())
        .context("the system gives no random numbers")?;
    Ok(())
}

/// Where the store is.
pub(crate) fn place(settings: &Settings, data: &Path) -> pasarela_store::Place {
    match &settings.storage {
        Storage::Sqlite(_) => pasarela_store::Place::Sqlite(data.to_owned()),
        Storage::Postgres(url) => pasarela_store::Place::Postgres(url.text()),
    }
}

/// Said once, on the terminal and not in the log: whoever reads it becomes the owner.
fn invite(invitation: &str, mut console: SocketAddr) {
    if console.ip().is_unspecified() {
        // It is answered on this machine only.
        console.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    eprintln!(
        "\npasarela: nobody owns this gateway yet. Whoever has this invitation can, within a day, on this machine:\n\n    \
         pasarela login '{invitation}' --admin http://{console}\n"
    );
}

/// Waits until what the store holds has changed, or a key in it has run out.
async fn held_changed(administration: Option<&mut Administration>, until: Option<Timestamp>) {
    let Some(administration) = administration else { return std::future::pending().await };
    let runs_out = async {
        match until {
            None => std::future::pending().await,
            Some(until) => {
                let left = until.millis().saturating_sub(admin::now().millis());
                // A clock that is set back is noticed within the hour.
                let left = u64::try_from(left).unwrap_or(0).min(3_600_000);
                tokio::time::sleep(Duration::from_millis(left)).await;
            }
        }
    };
    tokio::select! {
        () = administration.changed() => {}
        () = runs_out => {}
    }
}

fn access_target(log: &settings::AccessLog) -> AccessTarget {
    match log {
        settings::AccessLog::Stdout => AccessTarget::Stdout,
        settings::AccessLog::Off => AccessTarget::Off,
        settings::AccessLog::File(path) => AccessTarget::File(path.clone()),
    }
}

/// TLS for those who bring mail: nobody is asked for a certificate.
fn mail_tls(settings: &Settings) -> anyhow::Result<Option<Arc<ServerTls>>> {
    if settings.tls.certificates.is_empty() {
        return Ok(None);
    }
    let config =
        ServerTlsConfig { client: Default::default(), client_ca_pem: None, ..tls_config(settings) };
    Ok(Some(Arc::new(ServerTls::new(&config)?)))
}

fn tls_config(settings: &Settings) -> ServerTlsConfig {
    ServerTlsConfig {
        certificates: settings
            .tls
            .certificates
            .iter()
            .map(|certificate| CertifiedPem {
                cert_pem: certificate.chain_pem.clone(),
                key_pem: certificate.key_pem.clone(),
            })
            .collect(),
        client: settings.tls.client,
        client_ca_pem: settings.tls.client_ca_pem.clone(),
        client_crl_pem: settings.tls.client_crl_pem.clone(),
    }
}

/// Keys of the file in which a running process cannot follow it, with what it takes instead.
fn unfollowed(
    own: &Settings,
    new: &Settings,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    const UPGRADE: &str = "run `pasarela serve --upgrade`";
    [
        ("listen", own.listen != new.listen, UPGRADE),
        ("mail", own.mail != new.mail, UPGRADE),
        ("workers", own.workers != new.workers, UPGRADE),
        ("logs", own.access_log != new.access_log, UPGRADE),
        ("traces", own.traces != new.traces, UPGRADE),
        // The successor asks for the sockets in the folder that it is told of.
        (
            "storage",
            (&own.storage, own.administered) != (&new.storage, new.administered),
            "stop it and start it again",
        ),
    ]
    .into_iter()
    .filter_map(|(key, changed, cure)| changed.then_some((key, cure)))
}

fn serve_console(
    runtime: &LocalRuntime,
    listener: TcpListener,
    (metrics, quotas): (Arc<Observability>, Arc<Quotas>),
    draining: &Arc<AtomicBool>,
    live: &Arc<AtomicU64>,
    ready: &Arc<AtomicBool>,
    (desk, counts): (Option<admin::Desk>, Option<Arc<mail::Counts>>),
) -> anyhow::Result<()> {
    let (draining, live, ready) = (draining.clone(), live.clone(), ready.clone());
    let store = desk.clone();
    let administration = desk.map(admin::router).unwrap_or_default();
    let console = Console {
        readiness: Box::new(move || {
            let mut reasons = Vec::new();
            if draining.load(Ordering::Acquire) {
                reasons.push("draining".to_owned());
            }
            if !ready.load(Ordering::Acquire) {
                reasons.push("starting".to_owned());
            }
            Readiness { generation: Some(live.load(Ordering::Acquire)), reasons }
        }),
        metrics: Box::new(move || {
            let store = store.as_ref().map(admin::Desk::metrics);
            let mail = counts.as_ref().map(|counts| counts.render());
            let now = u64::try_from(admin::now().millis() / 1_000).unwrap_or(0);
            let quotas = quotas.render(now);
            metrics.render() + &quotas + &store.unwrap_or_default() + &mail.unwrap_or_default()
        }),
    };
    let router = console::router(console, administration);
    listener.set_nonblocking(true)?;
    let _entered = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    runtime.spawn_local(async move {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        if let Err(error) = axum::serve(listener, service).await {
            tracing::error!(%error, "the console ended");
        }
    });
    Ok(())
}

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// L46: sees how full memory is, and lets the workers know.
async fn watch_memory(
    overload: Arc<Overload>,
    planes: watch::Receiver<Arc<Plane>>,
    observability: Arc<Observability>,
) {
    let mut looks = tokio::time::interval(LOOK);
    let (mut configured, mut limit) = (None, 0);
    loop {
        looks.tick().await;
        let wanted = planes.borrow().snapshot.limits.memory_bytes;
        if configured != Some(wanted) {
            (configured, limit) = (Some(wanted), memory::limit(wanted));
        }
        let Some(used) = memory::used() else { return };
        if let Some(level) = overload.observe(used, limit) {
            observability.metrics().overload_level(level as u8);
            match level {
                Level::Calm => tracing::info!(used, limit, "memory is no longer short"),
                _ => tracing::warn!(used, limit, level = level as u8, "memory is short"),
            }
        }
    }
}

/// What the operator may say. Until it is listened for, a signal means death.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Why a process stops serving.
enum End {
    /// A signal.
    Signal,
    /// A successor has the sockets, but for those of these listeners.
    Successor(Vec<String>),
}

impl Running {
    /// Lives until the end.
    fn live(mut self, inherited: Option<Inherited>) -> anyhow::Result<()> {
        if let Some(inherited) = inherited
            && let Err(error) = inherited.handle.ready(std::mem::take(&mut self.given_up))
        {
            // The old process stays in charge; what was accepted meanwhile is still served.
            tracing::error!(%error, "the takeover failed");
            self.stop(handed_over(&[]));
            return Err(error.into());
        }
        let offer = {
            let _entered = self.runtime.enter();
            Offer::bind(&self.data.join(UPGRADE_SOCKET))
                .inspect_err(|error| tracing::warn!(%error, "no upgrade will be possible"))
                .ok()
        };
        // Watched before anybody is told that we serve: from then on a change or a signal may come.
        let files = FileWatch::new(self.files.clone());
        let signals = {
            let _entered = self.runtime.enter();
            Signals::new()?
        };
        tracing::info!(generation = self.generation.load(Ordering::Relaxed), "serving");
        let runtime = std::mem::replace(
            &mut self.runtime,
            Builder::new_current_thread().build_local(LocalOptions::default())?,
        );
        let end = runtime.block_on(self.watch(offer, files, signals))?;
        self.sockets.clear();
        self.draining.store(true, Ordering::Release);
        match &end {
            End::Signal => tracing::info!("draining"),
            End::Successor(_) => tracing::info!("handed over; draining"),
        }
        // The console answers while the workers drain.
        let phase = match end {
            End::Signal => Phase::Draining,
            End::Successor(given_up) => handed_over(&given_up),
        };
        let _ = self.phases.send(phase);
        let workers = std::mem::take(&mut self.workers);
        let done = Arc::new(Mutex::new(false));
        let flag = Arc::clone(&done);
        thread::spawn(move || {
            for worker in workers {
                let _ = worker.join();
            }
            *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        });
        runtime.block_on(async {
            while !*done.lock().unwrap_or_else(PoisonError::into_inner) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        runtime.block_on(self.keeper.end());
        self.observability.flush(Duration::from_secs(2));
        tracing::info!("stopped");
        Ok(())
    }

    fn stop(&mut self, phase: Phase) {
        let _ = self.phases.send(phase);
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        self.observability.flush(Duration::from_secs(1));
    }

    /// Reloads when told to, and waits for the end.
    async fn watch(
        &mut self,
        offer: Option<Offer>,
        mut files: FileWatch,
        signals: Signals,
    ) -> anyhow::Result<End> {
        let Signals { mut hangup, mut terminate, mut interrupt } = signals;
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(End::Signal),
                _ = interrupt.recv() => return Ok(End::Signal),
                _ = hangup.recv() => {
                    self.observability.reopen();
                    // One change, one verdict: the watch need not find what is read now.
                    files.take_as_read();
                    self.reload(&mut files);
                }
                _ = files.changed(), if !self.files.is_empty() => self.reload(&mut files),
                () = held_changed(self.administration.as_mut(), self.until) => self.take_up(),
                () = self.signing.due() => self.turn_keys(),
                taken = hand_over(offer.as_ref(), &self.sockets) => match taken {
                    Outcome::TakenOver { pid, given_up } => {
                        tracing::info!(pid, "a successor took the sockets over");
                        return Ok(End::Successor(given_up));
                    }
                    Outcome::NotTaken { reason } => {
                        tracing::warn!(%reason, "a successor did not take over; serving on");
                    }
                },
            }
        }
    }

    /// Compiles the file as it is now aside, and swaps it in whole; or says why not (P4).
    fn reload(&mut self, files: &mut FileWatch) {
        let generation = self.generation.load(Ordering::Relaxed) + 1;
        let loaded = match load(self.config.as_deref(), generation) {
            Ok(loaded) => loaded,
            Err(faults) => {
                // What is mended may be a file that was missing.
                files.watch(self.files.iter().chain(&faults.files).cloned());
                self.refuse(&faults.to_string());
                return;
            }
        };
        let Loaded { settings, snapshot: file, warnings, files: named, .. } = loaded;
        if let Err(error) = self.serve_file(&settings, file, generation) {
            self.refuse(&format!("{error:#}"));
            return;
        }
        for warning in &warnings {
            tracing::warn!(
                code = warning.code.code(),
                line = warning.span.line,
                "{}",
                warning.message
            );
        }
        for (key, cure) in unfollowed(&self.settings, &settings) {
            tracing::warn!(key, cure, "a change that a running process cannot follow");
        }
        self.files = named;
        files.watch(self.files.clone());
        tracing::info!(generation, "configuration reloaded");
    }

    /// Serves what the file declares now, with what the store holds; or goes on as before.
    fn serve_file(
        &mut self,
        settings: &Settings,
        file: Snapshot,
        generation: u64,
    ) -> anyhow::Result<()> {
        let Some(administration) = &self.administration else {
            return self.swap(Some(settings), file, generation);
        };
        let before = administration.declare(file);
        let Compiled { mut snapshot, until, .. } = administration.compiled();
        snapshot.generation = generation;
        let swapped = self.swap(Some(settings), snapshot, generation);
        if let Some(administration) = &self.administration {
            match swapped {
                Ok(()) => administration.offer(),
                Err(_) => drop(administration.declare(before)),
            }
        }
        if swapped.is_ok() {
            self.until = until;
        }
        swapped
    }

    /// Serves what the store holds now.
    fn take_up(&mut self) {
        let generation = self.generation.load(Ordering::Relaxed) + 1;
        let Some(administration) = &self.administration else { return };
        let Compiled { mut snapshot, until, .. } = administration.compiled();
        snapshot.generation = generation;
        // Also where it fails: then it is not tried again until something changes.
        self.until = until;
        match self.swap(None, snapshot, generation) {
            Ok(()) => tracing::info!(generation, "a change of the store is served"),
            Err(error) => self.refuse(&format!("{error:#}")),
        }
    }

    /// Serves the same, with the keys that there should be now.
    fn turn_keys(&mut self) {
        let snapshot = Snapshot::clone(&self.planes.borrow().snapshot);
        if let Err(error) = self.swap(None, snapshot, self.generation.load(Ordering::Relaxed)) {
            tracing::error!(error = %format!("{error:#}"), "the keys that sign tokens stay as they are");
        }
    }

    fn swap(
        &mut self,
        settings: Option<&Settings>,
        mut snapshot: Snapshot,
        generation: u64,
    ) -> anyhow::Result<()> {
        self.signing.fill(&mut snapshot)?;
        if let (Some(tls), Some(settings)) = (&self.tls, settings)
            && settings.listen.tls.is_some()
        {
            tls.replace(&tls_config(settings))?;
        }
        if let (Some(tls), Some(settings)) = (&self.starttls, settings)
            && !settings.tls.certificates.is_empty()
        {
            let client = Default::default();
            tls.replace(&ServerTlsConfig { client, client_ca_pem: None, ..tls_config(settings) })?;
        }
        let now_ns = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let (limits, networks) = (snapshot.limits.clone(), snapshot.trusted_proxies.clone());
        let previous = self.planes.borrow().clone();
        let metrics = self.observability.metrics();
        let plane = Plane::compile(Arc::new(snapshot), Some(&previous), metrics, now_ns)?;
        self.connections.set_limits(&limits, &networks);
        self.planes.send_replace(Arc::new(plane));
        self.generation.store(generation, Ordering::Release);
        metrics.reloaded(generation);
        Ok(())
    }

    fn refuse(&self, reason: &str) {
        self.observability.metrics().reload_refused();
        tracing::error!(%reason, "configuration refused");
    }
}

fn handed_over(given_up: &[String]) -> Phase {
    let given_up =
        Listener::ALL.map(|listener| given_up.iter().any(|name| name == listener.name()));
    Phase::HandedOver { given_up }
}

/// Waits for a successor. Without an offer there never is one.
async fn hand_over(offer: Option<&Offer>, sockets: &[(String, Vec<TcpListener>)]) -> Outcome {
    let Some(offer) = offer else { return std::future::pending().await };
    match offer.serve_one(sockets).await {
        Ok(outcome) => outcome,
        Err(error) => {
            // An error is about one attempt; a loop of them must not become a busy one.
            tokio::time::sleep(Duration::from_millis(100)).await;
            Outcome::NotTaken { reason: error.to_string() }
        }
    }
}
