//! The verbs of APIs over HTTP: what was sent is read and tried, and only then given to `control`.
//!
//! Reading a contract takes a while, so it happens before the transaction, on a thread of its own, and for those only
//! who may write APIs. All faults come back at once.

use std::sync::Arc;

use pasarela_control::{
    Answer, ApiTerms, Call, Control, Ground, KeptApi, OfferedApi, ReadApi, route_of,
};
use pasarela_gateway::{Plane, observe::Metrics};
use pasarela_model::{Api, ApiId, KeyDigest, Snapshot, Timestamp};
use pasarela_store::ApiState;
use serde_json::{Map, Value, json};

use super::{
    ask::Asked,
    chain, documents,
    problem::{Code, Problem},
    seed,
};
use crate::{
    config::{
        self,
        sent::{self, Around, Remark},
    },
    finding::Finding,
    import::{self, BringError, Bundle, Rules, Source},
};

/// A new API.
pub(super) async fn create(control: Control, call: Call, asked: Asked) -> Result<Answer, Problem> {
    let ground = control.ground(another(&call)?).await?;
    let documents = documents::sent(asked.object("documents"))?;
    let state = asked.word("state");
    let job = Job {
        definition: definition(&asked)?.unwrap_or_default(),
        documents: documents.unwrap_or_default(),
        ground,
        own: None,
        state: state.unwrap_or(ApiState::Published),
    };
    let (read, warnings) = tried(job).await?;
    let terms = ApiTerms { state, source: None };
    Ok(with(control.create_api(call, read, terms).await?, &warnings))
}

/// Another definition, other documents, another state; what is not said stays.
pub(super) async fn change(control: Control, call: Call, asked: Asked) -> Result<Answer, Problem> {
    let id: ApiId = asked.id("api_id")?;
    let revision = asked.integer("revision");
    let documents = documents::sent(asked.object("documents"))?;
    if revision.is_some() && documents.is_some() {
        let why = "documents, or the revision that has them: one of the two";
        return Err(Problem::new(Code::Impossible, why));
    }
    let kept = kept(&control, &call, &id, revision).await?;
    let state = asked.word("state");
    let job = Job {
        definition: definition(&asked)?.unwrap_or_else(|| said(&kept)),
        documents: match documents {
            Some(documents) => documents,
            None => of(&kept)?,
        },
        ground: control.ground(another(&call)?).await?,
        own: Some(id.clone()),
        state: state.unwrap_or(kept.api.state),
    };
    let (read, warnings) = tried(job).await?;
    let terms = ApiTerms { state, source: None };
    Ok(with(control.change_api(call, id, read, terms, revision).await?, &warnings))
}

/// The contract of an API, fetched from a URL with what it imports: only the URL's host is asked, and those allowed.
pub(super) async fn import(control: Control, call: Call, asked: Asked) -> Result<Answer, Problem> {
    let id: ApiId = asked.id("api_id")?;
    let kept = kept(&control, &call, &id, None).await?;
    let ground = control.ground(another(&call)?).await?;
    let url = asked.text("url");
    let malformed = |why: String| Problem::new(Code::Impossible, format!("url: {why}"));
    let source = match Source::parse(url.as_ref()) {
        Ok(source @ Source::Url(_)) => source,
        Ok(Source::File(_)) => {
            return Err(malformed("write http://… or https://…".to_owned()));
        }
        Err(error) => return Err(malformed(error.to_string())),
    };
    let hosts = asked.texts("allow_hosts").unwrap_or_default();
    let allow_hosts = hosts.iter().map(|host| host.parse()).collect::<Result<_, String>>();
    let allow_hosts =
        allow_hosts.map_err(|why| Problem::new(Code::Impossible, format!("allow_hosts: {why}")))?;
    let rules = Rules { allow_hosts, ca_pem: None };
    let brought = apart(move || import::bring(&source, &rules)).await?;
    let brought = brought.map_err(|error| match error {
        BringError::Unreadable(why) => Problem::new(Code::Impossible, why),
        BringError::Documents(findings) => {
            faulty(&findings.iter().map(of_import).collect::<Vec<_>>())
        }
    })?;
    let mut definition = said(&kept);
    let contract = definition.get("contract").and_then(Value::as_str);
    let bundle = match contract {
        Some(name) => brought.called(name),
        None => brought,
    };
    definition.insert("contract".to_owned(), bundle.root_file().into());
    let job = Job {
        documents: documents::beside(bundle, of(&kept)?),
        definition,
        ground,
        own: Some(id.clone()),
        state: kept.api.state,
    };
    let (read, warnings) = tried(job).await?;
    let terms = ApiTerms { state: None, source: Some(url) };
    Ok(with(control.change_api(call, id, read, terms, None).await?, &warnings))
}

/// A revision with its documents, but for what is secret among them.
pub(super) async fn revision(
    control: Control,
    call: Call,
    asked: Asked,
) -> Result<Answer, Problem> {
    let id = asked.id("api_id")?;
    let number = asked.part("revision").parse().unwrap_or(0);
    let (mut answer, text) = control.read_revision(call, id, number).await?;
    let bundle = documents::read(&text).ok_or_else(damaged)?;
    if let Some(body) = answer.body.as_object_mut() {
        body.insert("documents".to_owned(), documents::shown(&bundle));
    }
    Ok(answer)
}

/// The same asker, for another question within one request.
fn another(call: &Call) -> Result<Call, Problem> {
    again(call.bearer, call.at)
}

fn again(bearer: KeyDigest, at: Timestamp) -> Result<Call, Problem> {
    let seed = seed().map_err(|_| Problem::new(Code::Broken, "there is no randomness"))?;
    Ok(Call::new(bearer, at, seed))
}

/// The API as it is kept, where it is the version that was read.
async fn kept(
    control: &Control,
    call: &Call,
    id: &ApiId,
    revision: Option<i64>,
) -> Result<KeptApi, Problem> {
    let kept = control.kept_api(another(call)?, id.clone(), revision).await?;
    match call.version {
        None => Err(pasarela_control::Error::VersionNeeded.into()),
        Some(read) if read == kept.api.version => Ok(kept),
        Some(_) => Err(pasarela_control::Error::Stale.into()),
    }
}

fn definition(asked: &Asked) -> Result<Option<Map<String, Value>>, Problem> {
    match asked.object("definition") {
        None => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members.clone())),
        Some(_) => Err(Problem::new(Code::Malformed, "definition: write an object")),
    }
}

fn said(kept: &KeptApi) -> Map<String, Value> {
    match serde_json::from_str(&kept.api.definition) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn of(kept: &KeptApi) -> Result<Bundle, Problem> {
    documents::read(&kept.documents).ok_or_else(damaged)
}

fn damaged() -> Problem {
    Problem::new(Code::Broken, "the documents of this API are not what was written")
}

fn with(mut answer: Answer, warnings: &[Remark]) -> Answer {
    if let Some(body) = answer.body.as_object_mut().filter(|_| !answer.replayed) {
        body.insert("warnings".to_owned(), warnings.iter().map(Remark::json).collect());
    }
    answer
}

fn faulty(remarks: &[Remark]) -> Problem {
    let errors = remarks.iter().filter(|remark| remark.error).count();
    let first = remarks.iter().find(|remark| remark.error);
    let first = first.map_or("", |remark| remark.message.as_str());
    let detail = match errors {
        1 => first.to_owned(),
        _ => format!("{errors} faults; the first: {first}"),
    };
    let errors = remarks.iter().filter(|remark| remark.error).map(Remark::json).collect();
    Problem::new(Code::Faulty, detail).with_errors(errors)
}

fn of_import(finding: &Finding) -> Remark {
    Remark {
        code: finding.code,
        error: finding.is_error(),
        pointer: "/url".to_owned(),
        document: finding.file.clone().map(|file| (file, finding.line, finding.column)),
        message: finding.message.clone(),
        cure: finding.cure.clone().unwrap_or_default(),
    }
}

/// Work that is none for the thread that everybody waits for.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Problem::new(Code::Broken, "the log of the gateway says more"))
}

/// A definition that is to be tried.
struct Job {
    definition: Map<String, Value>,
    documents: Bundle,
    ground: Ground,
    own: Option<ApiId>,
    state: ApiState,
}

async fn tried(job: Job) -> Result<(ReadApi, Vec<Remark>), Problem> {
    apart(move || job.run()).await?.map_err(|remarks| faulty(&remarks))
}

impl Job {
    fn run(self) -> Result<(ReadApi, Vec<Remark>), Vec<Remark>> {
        let around = Around { plans: self.ground.plans.clone(), internal: self.ground.internal };
        let read = sent::read(&self.definition, &self.documents, &around)?;
        let route = route_of(&read.api);
        let mut faults = self.collisions(&read.api, &route);
        if faults.is_empty() {
            faults.extend(cannot_be_served(&read.api));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut warnings = read.warnings;
        warnings.extend(self.unknown_documents());
        Ok((
            ReadApi {
                name: read.api.name,
                major: read.api.version,
                visibility: read.api.visibility,
                plans: read.plans,
                route,
                documents: documents::written(&self.documents),
                definition: Value::Object(self.definition),
            },
            warnings,
        ))
    }

    fn collisions(&self, api: &Api, route: &str) -> Vec<Remark> {
        let name = format!("{}/v{}", api.name, api.version);
        let others =
            || self.ground.apis.iter().filter(|one| self.own.is_none() || one.id != self.own);
        let whose = |one: &OfferedApi| match one.id {
            None => "in the configuration file",
            Some(_) => "in the store",
        };
        let mut faults = Vec::new();
        if let Some(other) = others().find(|one| one.name == name) {
            faults.push(Remark::error(
                config::Code::DuplicateName.code(),
                "/definition/name",
                format!("{name} is there already, {}.", whose(other)),
                "Change that one, or give this one another name or another version.",
            ));
        } else if self.state.is_served()
            && let Some(other) = others().find(|one| one.state.is_served() && one.route == route)
        {
            faults.push(Remark::error(
                config::Code::DuplicateRoute.code(),
                "/definition/path",
                format!(
                    "This API would answer at the same host, path and headers as {} {}.",
                    other.name,
                    whose(other)
                ),
                "Give it another `path`, a `host` or a header to be told apart by.",
            ));
        }
        faults
    }

    /// A document that nothing can name is a slip of the pen.
    fn unknown_documents(&self) -> Option<Remark> {
        let named = self.definition.to_owned();
        let text = Value::Object(named).to_string();
        let lost = match self.definition.get("contract") {
            // What a contract imports, it names itself.
            Some(_) => None,
            None => self
                .documents
                .pieces
                .iter()
                .find(|piece| !text.contains(&json!(piece.locked.file).to_string())),
        }?;
        Some(Remark {
            error: false,
            ..Remark::error(
                config::Code::NoEffect.code(),
                "/documents",
                format!("Nothing names the document \"{}\".", lost.locked.file),
                "Name it in `contract`, or leave it away.",
            )
        })
    }
}

/// What only shows when the gateway gets it: a plane with this API alone, which is then forgotten.
fn cannot_be_served(api: &Api) -> Option<Remark> {
    // A plane asks of plans only whether there are any.
    let snapshot = Snapshot { apis: vec![api.clone()].into(), ..Snapshot::default() };
    let error = Plane::compile(Arc::new(snapshot), None, &Metrics::new(), 0).err()?;
    Some(Remark::error(
        sent::Code::Unservable.code(),
        "/definition",
        format!("The gateway cannot serve this: {}.", chain(&error)),
        "Mend what is named here; `pasarela check` says the same of a file.",
    ))
}
