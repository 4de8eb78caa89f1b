//! `pasarela publish`: puts an API on the air: brings its contract, stores it beside the configuration file, adds the API there.
//!
//! Nothing is changed before everything is known to be right: the documents are stored aside, the new text of the file is
//! read by the reader that `serve` uses, and then both get into their places. A running `serve` notices.

mod example;
mod offer;
mod place;
mod send;
mod told;
mod update;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use pasarela_contract::Contract;
use pasarela_model::{RestFace, Visibility};
use serde_json::json;

use super::{check::Format, fetching::Fetching, lint};
use crate::{
    client::{self, Reaching},
    config::{
        self, Loaded,
        edit::{self, NewApi},
        name_fault,
    },
    finding::{Finding, code_list as codes, counted},
    import::{BringError, Bundle, Rules, Source, bring},
};
use offer::Offer;
use place::{Place, Staged};
use told::Published;

/// Put an API on the air.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pasarela publish 'http://10.1.0.7:9001/orders?wsdl'\n  \
    pasarela publish rates.openapi.yaml --upstream http://10.1.0.9:7000 --visibility partner --plan carrier\n  \
    pasarela publish 'http://10.1.0.7:9001/orders?wsdl' --update      fetches the contract again\n\n\
    Where there is no configuration file, neither named nor in this folder, and you have logged in (`pasarela login`), the API goes to the\n\
    store of that gateway, documents and all. Else it is added to the configuration file, and its contract, from a URL or from outside the file's folder, is stored beside\n\
    it in contracts/NAME-vN with a lock file; a running `pasarela serve` takes both up. Of a URL, only its host is asked.\n\
    Exit code 0: done; 1: refused, and nothing was changed; 2: wrong use, or the contract cannot be read.")]
pub struct Args {
    /// A WSDL or an OpenAPI document.
    #[arg(value_name = "FILE-OR-URL")]
    pub contract: OsString,
    /// The name of the API; by default that of the service.
    #[arg(long)]
    pub name: Option<String>,
    /// Its major version; by default that of an OpenAPI document, or 1.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub version: Option<u16>,
    /// Where requests go; by default where the contract says. May be given several times.
    #[arg(long = "upstream", value_name = "URL")]
    pub upstreams: Vec<String>,
    /// Who may see it; by default private where the file has an internal listener, and public where the gateway listens on
    /// this machine only or a plan asks for a key.
    #[arg(long, value_enum)]
    pub visibility: Option<Seen>,
    /// A plan of the file, which makes callers need a key; may be given several times.
    #[arg(long = "plan", value_name = "NAME")]
    pub plans: Vec<String>,
    /// The configuration file; by default pasarela.yaml in this folder, which is begun if it is not there and you have not logged in.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Bring the contract of an API that is there again, and change nothing else.
    #[arg(long, conflicts_with_all = ["upstreams", "visibility", "plans"])]
    pub update: bool,
    /// How documents are fetched.
    #[command(flatten)]
    pub fetching: Fetching,
    /// Where the administration API is, where there is no configuration file.
    #[command(flatten)]
    pub reaching: Reaching,
    /// How to print what was done.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Who may see an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Seen {
    /// Only callers of the internal listener.
    Private,
    /// Only organisations that subscribe.
    Partner,
    /// Everybody.
    Public,
}

impl Seen {
    const fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Partner => "partner",
            Self::Public => "public",
        }
    }

    const fn visibility(self) -> Visibility {
        match self {
            Self::Private => Visibility::Private,
            Self::Partner => Visibility::Partner,
            Self::Public => Visibility::Public,
        }
    }
}

codes! {
    NoFile = "CF0073", "There is no configuration file to publish into";
    There = "CF0074", "An API of this name and version is there already";
    Shape = "CF0075", "The configuration file is not written in a way that can be added to";
    Unsaid = "CF0076", "The contract does not say enough to publish it";
    NotStored = "CF0077", "There is no stored contract to update";
    Unwritten = "CF0078", "What was to be published cannot be written";
    Unseen = "CF0079", "Nothing says who may call the API";
    Unreached = "CF0131", "The administration API does not answer";
}

/// Why nothing was published.
pub(super) enum Stop {
    /// Wrong use, or no contract to read: in words.
    Use(String),
    /// What is wrong.
    Findings(Vec<Finding>),
    /// The configuration would be refused.
    Config(config::Faults),
    /// The administration API refused it, with this problem.
    Problem(serde_json::Value),
}

/// The one thing that is wrong.
type Refusal = Box<Finding>;

fn refusal(code: Code, message: String, cure: String) -> Refusal {
    Box::new(Finding::error(code.code(), message, cure))
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Findings(vec![*refusal])
    }
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    match publish(args, &|name| std::env::var(name).ok()) {
        Ok(told) => {
            let _ = io::stdout().lock().write_all(told.as_bytes());
            ExitCode::SUCCESS
        }
        Err(stop) => {
            let (told, code) = complaint(args, &stop);
            let _ = match args.format {
                Format::Text => io::stderr().lock().write_all(told.as_bytes()),
                Format::Json => io::stdout().lock().write_all(told.as_bytes()),
            };
            code
        }
    }
}

/// Does it; what is printed.
fn publish(args: &Args, environment: config::Environment<'_>) -> Result<String, Stop> {
    if let Some(why) = args.name.as_deref().and_then(name_fault) {
        return Err(Stop::Use(format!(
            "--name: {why}; a name is a-z, then a-z, 0-9 and `-`, at most 63 characters"
        )));
    }
    let source = Source::parse(&args.contract)
        .map_err(|why| Stop::Use(format!("{}: {why}", args.contract.to_string_lossy())))?;
    let rules = args.fetching.rules().map_err(Stop::Use)?;
    let bundle = bring(&source, &rules).map_err(|error| match error {
        BringError::Unreadable(why) => Stop::Use(format!("{source} cannot be read: {why}")),
        BringError::Documents(findings) => Stop::Findings(findings),
    })?;
    let contract = read(&bundle, &source)?;
    let mut offer = Offer::new(&contract);
    offer.remarks = lint::judged(bundle.root(), &mut &bundle).len();
    let name = named(args, &offer)?;
    let version = args.version.map(u32::from).or(offer.version).unwrap_or(1);
    if let Some(client) = send::client(args)? {
        return send::Sending {
            args,
            source: &source,
            rules: &rules,
            offer,
            name,
            version,
            client,
        }
        .run(bundle);
    }
    let place = Place::open(args.config.as_deref())?;
    let job =
        Job { args, source: &source, rules: &rules, place, offer, name, version, environment };
    if args.update { job.update(bundle) } else { job.add(&bundle) }
}

/// Reads what was brought, as the configuration will.
fn read(bundle: &Bundle, source: &Source) -> Result<Contract, Stop> {
    let root = bundle.root();
    let mut documents = bundle;
    let read =
        pasarela_contract::read(&root.bytes, &root.url, &mut documents, &RestFace::default());
    read.map_err(|faults| {
        let mut findings: Vec<Finding> =
            faults.iter().map(|fault| lint::of_contract(&root.url, fault)).collect();
        let is_page = root.bytes.get(..1024.min(root.bytes.len())).is_some_and(|begin| {
            String::from_utf8_lossy(begin).to_ascii_lowercase().contains("<html")
        });
        if let (Source::Url(url), Some(first), true) = (source, findings.first_mut(), is_page) {
            let hint = format!(
                "This is a page for people. Services often have it at {}://{}{}?wsdl",
                url.scheme(),
                url.authority(),
                url.path()
            );
            first.cure = Some(hint);
        }
        Stop::Findings(findings)
    })
}

fn named(args: &Args, offer: &Offer) -> Result<String, Refusal> {
    args.name.clone().or_else(|| offer.name()).ok_or_else(|| {
        let message =
            format!("No name can be made of what the contract calls itself: {:?}.", offer.title);
        let cure = "Give one: --name orders".to_owned();
        refusal(Code::Unsaid, message, cure)
    })
}

/// An API on its way into a file.
struct Job<'j> {
    args: &'j Args,
    source: &'j Source,
    rules: &'j Rules,
    place: Place,
    offer: Offer,
    name: String,
    version: u32,
    environment: config::Environment<'j>,
}

impl Job<'_> {
    fn add(self, bundle: &Bundle) -> Result<String, Stop> {
        let old = self.place.text.as_deref().map(|text| self.accepted(text)).transpose()?;
        if let Some(loaded) = &old
            && loaded.snapshot.apis.iter().any(|a| a.name == self.name && a.version == self.version)
        {
            return Err(self.is_there().into());
        }
        let upstreams = match self.args.upstreams.is_empty() {
            true => vec![self.offer.upstream(self.source, self.rules)?],
            false => self.args.upstreams.clone(),
        };
        let seen = self.seen(old.as_ref())?;
        let (contract, folder) = self.stored_at(bundle)?;
        let mut api = NewApi {
            name: self.name.clone(),
            version: self.version,
            contract: contract.clone(),
            upstreams,
            visibility: seen.word(),
            plans: self.args.plans.clone(),
        };
        let text = self.with(&api)?;
        let staged = folder.as_ref().map(|folder| Staged::new(bundle, folder)).transpose()?;
        let loaded = match &staged {
            None => self.accepted(&text)?,
            // The same file, but for where the documents are until all is known to be right.
            Some(staged) => {
                api.contract = self.relative(&staged.made().join(bundle.root_file()));
                self.accepted(&self.with(&api)?)?
            }
        };
        if let Some(staged) = staged {
            staged.put()?;
        }
        if let Err(finding) = self.place.write(&text) {
            if let Some(folder) = folder {
                place::take_back(&folder);
            }
            return Err(finding.into());
        }
        Ok(self.tell(&loaded, old.as_ref(), &contract, &api.upstreams, seen))
    }

    /// Who may see it. Nobody's API answers everybody because nothing was said.
    fn seen(&self, old: Option<&Loaded>) -> Result<Seen, Refusal> {
        if let Some(seen) = self.args.visibility {
            return Ok(seen);
        }
        // A file that is begun listens on this machine only.
        let Some(Loaded { settings, .. }) = old else { return Ok(Seen::Public) };
        let listen = &settings.listen;
        if listen.internal.is_some() {
            return Ok(Seen::Private);
        }
        let mut open = [Some(listen.gateway), listen.tls].into_iter().flatten();
        if !self.args.plans.is_empty() || open.all(|at| at.ip().is_loopback()) {
            return Ok(Seen::Public);
        }
        let message = format!(
            "Nothing says who may call {}: the gateway listens for others, and no plan asks for a key.",
            self.name
        );
        let cure = "Add `--visibility public` for everybody, `--plan NAME` for those with a key, or `internal` under `listen` for callers inside.";
        Err(refusal(Code::Unseen, message, cure.to_owned()))
    }

    /// What `contract` says in the file, and the folder that the documents are to be stored in.
    fn stored_at(&self, bundle: &Bundle) -> Result<(String, Option<PathBuf>), Stop> {
        if let Source::File(file) = self.source {
            let real = |path: &Path| std::fs::canonicalize(path).ok();
            let (file, base) = (real(file), real(self.place.folder()));
            // What is below the folder of the configuration is where it belongs.
            if let (Some(file), Some(base)) = (file, base)
                && let Ok(below) = file.strip_prefix(&base)
                && let Some(below) = below.to_str()
            {
                return Ok((below.to_owned(), None));
            }
        }
        let relative = format!("contracts/{}-v{}", self.name, self.version);
        let folder = self.place.folder().join(&relative);
        if folder.exists() {
            let message = format!(
                "The folder {} is there already, and no API of the file has this name and version.",
                folder.display()
            );
            let cure = "Move it away, or give another --name or --version.".to_owned();
            return Err(refusal(Code::There, message, cure).into());
        }
        Ok((format!("{relative}/{}", bundle.root_file()), Some(folder)))
    }

    fn relative(&self, path: &Path) -> String {
        let below = path.strip_prefix(self.place.folder()).unwrap_or(path);
        below.to_string_lossy().into_owned()
    }

    /// The text of the file with the API in it.
    fn with(&self, api: &NewApi) -> Result<String, Refusal> {
        let Some(text) = &self.place.text else { return Ok(edit::new_file(api)) };
        edit::add_api(text, api).ok_or_else(|| {
            let file = self.place.path.display();
            let message = format!(
                "{file} is laid out in a way in which nothing can be added without touching the rest."
            );
            let mut lines = api.lines();
            if let Source::Url(url) = self.source {
                let at = lines.iter_mut().find(|line| line.starts_with("contract: "));
                at.into_iter().for_each(|line| *line = format!("contract: …   # saved from {url}"));
            }
            let cure = format!("Add it yourself: {{ {} }}", lines.join(", "));
            refusal(Code::Shape, message, cure)
        })
    }

    fn accepted(&self, text: &str) -> Result<Loaded, Stop> {
        config::read(text.as_bytes(), &self.place.path, self.environment, 1).map_err(Stop::Config)
    }

    fn is_there(&self) -> Refusal {
        let Self { name, version, .. } = self;
        let file = self.place.path.display();
        let text = self.place.text.as_deref().unwrap_or_default();
        let at = edit::find_api(text, name, *version)
            .map_or(String::new(), |api| format!(":{}", api.line));
        let message = format!("{name}, version {version}, is in {file}{at} already.");
        let next = version + 1;
        let cure = format!(
            "To bring its contract again: --update. For another one beside it: --version {next}, or another --name."
        );
        refusal(Code::There, message, cure)
    }

    fn tell(
        &self,
        loaded: &Loaded,
        old: Option<&Loaded>,
        contract: &str,
        upstreams: &[String],
        seen: Seen,
    ) -> String {
        let known = |message: &str| {
            old.is_some_and(|old| old.warnings.iter().any(|warning| warning.message == message))
        };
        let published = Published {
            name: &self.name,
            version: self.version,
            title: &self.offer.title,
            config: &self.place.path,
            created: self.place.text.is_none(),
            contract,
            upstreams,
            others: if self.args.upstreams.is_empty() { &self.offer.others } else { &[] },
            operations: self.offer.operations,
            left_out: self.offer.left_out,
            remarks: self.offer.remarks,
            source: self.source,
            soap: self.offer.soap,
            visibility: seen.visibility(),
            plans: !self.args.plans.is_empty(),
            settings: &loaded.settings,
            call: self.offer.call.as_ref(),
            warnings: loaded.warnings.iter().filter(|w| !known(&w.message)).collect(),
        };
        match self.args.format {
            Format::Text => published.text(),
            Format::Json => format!("{:#}\n", published.json()),
        }
    }
}

/// What is said about a stop, and the exit code.
fn complaint(args: &Args, stop: &Stop) -> (String, ExitCode) {
    let nothing = "Nothing was changed.";
    match (stop, args.format) {
        (Stop::Problem(problem), Format::Text) => {
            (format!("{}{nothing}\n", client::problem(problem)), ExitCode::FAILURE)
        }
        (Stop::Problem(problem), Format::Json) => {
            let told = json!({ "published": false, "problem": problem });
            (format!("{told:#}\n"), ExitCode::FAILURE)
        }
        (Stop::Use(why), Format::Text) => (format!("{why}\n"), ExitCode::from(2)),
        (Stop::Use(why), Format::Json) => {
            (format!("{:#}\n", json!({ "published": false, "message": why })), ExitCode::from(2))
        }
        (Stop::Findings(findings), Format::Text) => {
            let all: String = findings.iter().map(Finding::text).collect();
            let errors = counted(findings.len(), "error");
            let code = findings.first().map_or("CODE", |finding| finding.code);
            let more = format!("{errors}. {nothing} More about an error: pasarela explain {code}");
            (format!("{all}\n{more}\n"), ExitCode::FAILURE)
        }
        (Stop::Config(faults), Format::Text) => {
            let file = args.config.as_deref().unwrap_or(Path::new("pasarela.yaml")).display();
            (format!("{faults}\n{file} would be refused. {nothing}\n"), ExitCode::FAILURE)
        }
        (Stop::Findings(findings), Format::Json) => {
            let findings: Vec<_> = findings.iter().map(Finding::json).collect();
            (refused(&findings), ExitCode::FAILURE)
        }
        (Stop::Config(faults), Format::Json) => {
            let findings: Vec<_> = faults.list.iter().map(config::Fault::json).collect();
            (refused(&findings), ExitCode::FAILURE)
        }
    }
}

fn refused(findings: &[serde_json::Value]) -> String {
    format!("{:#}\n", json!({ "published": false, "findings": findings }))
}
