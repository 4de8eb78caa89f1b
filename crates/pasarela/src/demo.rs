//! `pasarela demo`: a gateway on loopback with two sample services behind it, and what to try.
//!
//! Everything is in one process and one throw-away folder: the services of [`rest`] and [`soap`] on
//! ports of the kernel's choice, a configuration file made from `pasarela.yaml`, and `serve` as it
//! always is. What is printed is data ([`transcript`]); `tests/demo` runs every line of it.

mod rest;
mod soap;
mod tariff;

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::ExitCode,
    thread,
};

use anyhow::Context as _;
use axum::Router;
use pasarela_gateway::observe::Listener;
use sha2::{Digest as _, Sha256};

use crate::{
    config,
    logging::{self, LogFormat},
    serve,
};

/// The keys of the sample applications. They open nothing but the demo.
const FREE_KEY: &str = "demo-free-key";
const PRO_KEY: &str = "demo-pro-key";
const ACME_KEY: &str = "demo-acme-key";

/// Try the gateway: sample REST and SOAP services on loopback, throw-away data.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Example:\n  pasarela demo\n\n\
    Ctrl-C ends it and removes what it made. Exit code 0: ended; 1: it could not start.")]
pub struct Args {
    /// Port of the gateway; the console takes the next one and the internal listener the one after
    /// that. Where one is taken another is used; 0: any.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Level or directives of the process's own log, on standard error.
    #[arg(long, env = "PASARELA_LOG", default_value = "warn")]
    pub log_level: String,
}

/// Runs until a signal.
pub fn run(args: &Args) -> ExitCode {
    let guard = logging::init(LogFormat::Text, &args.log_level);
    let result = guard.and_then(|guard| demo(args).map(|()| drop(guard)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "pasarela demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("pasarela-demo-")
        .tempdir()
        .context("the throw-away folder cannot be made")?;
    let (rest, soap) = (sample("rest", rest::router)?, sample("soap", soap::router)?);
    let wanted = [0, 1, 2].map(|next| args.port.checked_add(next).filter(|_| args.port != 0));
    let ports = wanted.map(|port| port.map_or(0, free));
    let file = write_configuration(folder.path(), ports, rest.port(), soap.port())?;
    let loaded = config::load(&file, &|_| None, 1)
        .map_err(|faults| anyhow::anyhow!("the demo's own configuration is wrong:\n{faults}"))?;
    let serve = serve::Args {
        config: Some(file),
        data: Some(folder.path().join("data")),
        upgrade: false,
        log_format: LogFormat::Text,
        log_level: args.log_level.clone(),
    };
    let path = folder.path().to_owned();
    serve::serve(&serve, loaded, |addresses| {
        let port = |wanted| {
            let found = addresses.0.iter().find(|(listener, _)| *listener == wanted);
            found.map_or(0, |(_, address)| address.port())
        };
        let ports = Ports {
            gateway: port(Listener::Gateway),
            console: port(Listener::Console),
            internal: port(Listener::Internal),
        };
        let moved = wanted
            .iter()
            .zip(ports.all())
            .any(|(wanted, port)| wanted.is_some_and(|wanted| wanted != port));
        // Whoever closed the pipe does not want to read it; the gateway is on the air all the same.
        let _ = io::stdout().lock().write_all(page(&path, ports, moved).as_bytes());
    })
    // The folder goes with its last owner: here.
}

/// Starts a sample service on a port of the kernel's choice, on a thread of its own.
fn sample(name: &str, router: fn() -> Router) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .with_context(|| format!("the sample {name} service gets no port"))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the sample services' runtime does not start")?;
    thread::Builder::new().name(format!("sample-{name}")).spawn(move || {
        runtime.block_on(async move {
            let served = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => axum::serve(listener, router()).await,
                Err(error) => Err(error),
            };
            if let Err(error) = served {
                tracing::error!(%error, "a sample service ended");
            }
        });
    })?;
    Ok(address)
}

/// This port if nobody has it, else 0. A plain socket asks: the gateway's own would share the port
/// with another gateway of the same user.
fn free(port: u16) -> u16 {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => port,
        Err(_) => 0,
    }
}

fn write_configuration(
    folder: &Path,
    [gateway, console, internal]: [u16; 3],
    rest: u16,
    soap: u16,
) -> anyhow::Result<std::path::PathBuf> {
    let mut text = include_str!("demo/pasarela.yaml").to_owned();
    let ports = [
        ("{gateway}", gateway),
        ("{console}", console),
        ("{internal}", internal),
        ("{rest}", rest),
        ("{soap}", soap),
    ];
    for (place, port) in ports {
        text = text.replace(place, &port.to_string());
    }
    let keys = [("{free_key}", FREE_KEY), ("{pro_key}", PRO_KEY), ("{acme_key}", ACME_KEY)];
    for (place, key) in keys {
        text = text.replace(place, &digest(key));
    }
    for (name, text) in [
        ("shipping.openapi.yaml", include_str!("demo/shipping.openapi.yaml")),
        ("rates.openapi.yaml", include_str!("demo/rates.openapi.yaml")),
        ("tracking.wsdl", include_str!("demo/tracking.wsdl")),
        ("pasarela.yaml", &text),
    ] {
        fs::write(folder.join(name), text).with_context(|| format!("{name} cannot be written"))?;
    }
    Ok(folder.join("pasarela.yaml"))
}

fn digest(key: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(key) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Where the demo listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Of the gateway.
    pub gateway: u16,
    /// Of the console.
    pub console: u16,
    /// Of the internal listener.
    pub internal: u16,
}

impl Ports {
    fn all(self) -> [u16; 3] {
        [self.gateway, self.console, self.internal]
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self { gateway: 8080, console: 8081, internal: 8082 }
    }
}

/// One thing to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it shows.
    pub title: &'static str,
    /// A line for a shell.
    pub command: String,
    /// What stands in the answer: pieces, in this order, with ` … ` between them.
    pub answer: String,
}

/// What there is to try, in the order in which it gives these answers.
pub fn transcript(ports: Ports) -> Vec<Step> {
    let gateway = format!("http://127.0.0.1:{}", ports.gateway);
    let internal = format!("http://127.0.0.1:{}", ports.internal);
    let console = format!("http://127.0.0.1:{}", ports.console);
    let soap = |body: &str| {
        format!(
            "curl -s -H 'Content-Type: text/xml' -d '<e:Envelope \
             xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>{body}</e:Body></e:Envelope>' \
             {gateway}/tracking/v1/soap"
        )
    };
    let track = |number: &str| {
        soap(&format!(
            "<TrackParcel xmlns=\"urn:demo:tracking\"><number>{number}</number></TrackParcel>"
        ))
    };
    let quote = format!("'{gateway}/rates/v1/quote?to=MX&grams=800'");
    let step =
        |title, command: String, answer: &str| Step { title, command, answer: answer.to_owned() };
    vec![
        step(
            "REST: a public API, no key",
            format!("curl -s {gateway}/shipping/v1/parcels/ES1001"),
            r#"{"number":"ES1001","to":"Bogotá","grams":800,"place":"Madrid"}"#,
        ),
        step(
            "Send a parcel",
            format!(
                "curl -s -i -H 'Content-Type: application/json' -d '{{\"to\":\"Lima\",\"grams\":450}}' \
                 {gateway}/shipping/v1/parcels"
            ),
            r#"HTTP/1.1 201 Created … "number":"ES1004""#,
        ),
        step("SOAP: the old tracking service", track("ES1001"), "<place>Madrid</place>"),
        step(
            "The same over REST: the gateway speaks SOAP for you",
            format!("curl -s --json '{{\"number\":\"ES1001\"}}' {gateway}/tracking/v1/TrackParcel"),
            r#""place":"Madrid""#,
        ),
        step(
            "Its fault as a problem, typed by the WSDL",
            format!("curl -s --json '{{\"number\":\"ES9999\"}}' {gateway}/tracking/v1/TrackParcel"),
            r#""code":"GW0037" … "details":{"NoSuchParcel""#,
        ),
        step(
            "Its own Fault comes through as it is",
            track("ES9999"),
            "<faultcode>soap:Client</faultcode> … <NoSuchParcel",
        ),
        step(
            "A SOAP caller is refused in SOAP: here is no API",
            format!(
                "curl -s -H 'Content-Type: text/xml' -H 'SOAPAction: \"\"' -d '<x/>' \
                 {gateway}/nothing/v1/soap"
            ),
            "<faultcode>soap:Client</faultcode> … <code>GW0001</code>",
        ),
        step(
            "An API with plans: the pro key",
            format!("curl -s -H 'X-API-Key: {PRO_KEY}' {quote}"),
            r#""price":"19.70""#,
        ),
        step(
            "A key that nobody holds",
            format!("curl -s -i -H 'X-API-Key: a-guess' {quote}"),
            r#"HTTP/1.1 401 Unauthorized … "code":"GW0005""#,
        ),
        step(
            "The free plan: three at once, then one in ten seconds",
            format!(
                "for n in 1 2 3 4 5; do curl -s -o /dev/null -w '%{{http_code}} ' \
                 -H 'X-API-Key: {FREE_KEY}' {quote}; done"
            ),
            "200 200 200 429 429",
        ),
        step(
            "A partner API: for everybody else there is nothing",
            format!("curl -s {gateway}/customs/v1/declarations/ES1001"),
            r#""code":"GW0001""#,
        ),
        step(
            "The same, as the partner",
            format!("curl -s -H 'X-API-Key: {ACME_KEY}' {gateway}/customs/v1/declarations/ES1001"),
            r#""duty":"0.00""#,
        ),
        step(
            "A private API: nothing outside",
            format!("curl -s {gateway}/depot/v1/shelves"),
            r#""code":"GW0001""#,
        ),
        step(
            "The same, on the internal listener",
            format!("curl -s {internal}/depot/v1/shelves"),
            r#""shelf":"A1""#,
        ),
        step(
            "Server-sent events, for three seconds",
            format!("curl -s -N -m 3 {gateway}/shipping/v1/events"),
            r#"event: moved … "number":"ES1001""#,
        ),
        step(
            "A contract, with the gateway's address in it",
            format!("curl -s {gateway}/shipping/v1/openapi.json"),
            &format!("{gateway}/shipping/v1"),
        ),
        step(
            "A WSDL, likewise",
            format!("curl -s '{gateway}/tracking/v1/soap?wsdl'"),
            &format!("<soap:address location=\"{gateway}/tracking/v1/soap\"/>"),
        ),
        step(
            "What Prometheus sees",
            format!("curl -s {console}/metrics"),
            r#"pasarela_requests_total{ … api="#,
        ),
    ]
}

/// Everything that is printed.
fn page(folder: &Path, ports: Ports, moved: bool) -> String {
    let folder = folder.display();
    let mut out = format!(
        "Pasarela is on the air, with a REST and a SOAP service of its own behind it.\n\
         En español: cada línea se puede copiar y pegar; Ctrl-C termina y borra todo.\n\n\
         \x20 gateway   http://127.0.0.1:{}\n\
         \x20 console   http://127.0.0.1:{}   /metrics /healthz /readyz\n\
         \x20 internal  http://127.0.0.1:{}   private APIs\n\
         \x20 files     {folder}\n\
         \x20           change pasarela.yaml while this runs; access.log has a line for each call\n",
        ports.gateway, ports.console, ports.internal
    );
    if moved {
        out.push_str("\nA port that was asked for is taken; the ones above are free ones.\n");
    }
    out.push_str("\nTry, in another terminal:\n");
    for Step { title, command, answer } in transcript(ports) {
        let _ = write!(out, "\n# {title}\n{command}\n#   → {answer}\n");
    }
    out.push_str("\nCtrl-C ends the demo.\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_accepted_without_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let file = write_configuration(folder.path(), [0, 0, 0], 1, 2).unwrap();
        let loaded = config::load(&file, &|_| None, 1).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let operations = loaded.snapshot.apis.iter().map(|api| api.operations.len());
        assert_eq!(operations.collect::<Vec<_>>(), [5, 1, 2, 0, 0]);
    }
}
