//! APIs of the store: drafted, published, changed, retired; only by whoever runs the gateway.
//!
//! What a definition means is read outside, with the reader of the configuration file: what arrives
//! here was [`ReadApi`], by way of the [`Ground`] it has to stand on. In the transaction only what may
//! have changed meanwhile is looked at again: names, plans, and who else answers there.

use std::sync::Arc;

use pasarela_model::{ApiId, Visibility};
use pasarela_store::{Api, ApiRevision, ApiState, Plan, Tx};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    Answer, Call, Control, Error, Object, Offer, OfferedApi, Verb, call::Desk, offer::api_name,
    view,
};

/// An API as it was read from a definition that was found good.
#[derive(Debug, Clone)]
pub struct ReadApi {
    /// Its name…
    pub name: String,
    /// …and major version.
    pub major: u32,
    /// Who may see it.
    pub visibility: Visibility,
    /// Names of the plans it is offered under.
    pub plans: Vec<String>,
    /// Where it answers; see [`crate::route_of`].
    pub route: String,
    /// What was said about it.
    pub definition: Value,
    /// Its documents, as one text.
    pub documents: String,
}

/// How an API is to stand, and where its documents came from.
#[derive(Debug, Clone, Default)]
pub struct ApiTerms {
    /// The state it comes to; `None`: as it is.
    pub state: Option<ApiState>,
    /// The URL that its documents were fetched from.
    pub source: Option<String>,
}

/// What a definition has to get along with.
#[derive(Debug, Clone, Default)]
pub struct Ground {
    /// The names of all plans there are.
    pub plans: Vec<String>,
    /// All other APIs: the file's, and the store's.
    pub apis: Vec<OfferedApi>,
    /// There is a listener for callers inside.
    pub internal: bool,
}

/// An API of the store as it is kept.
#[derive(Debug, Clone)]
pub struct KeptApi {
    /// It.
    pub api: Api,
    /// Its documents.
    pub documents: Arc<str>,
}

const NOUN: &str = "API";
/// Definitions of more bytes are no definitions.
const DEFINITION_BYTES_MAX: usize = 256 << 10;

impl Control {
    /// What a new definition has to get along with; only for those who may write one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ground(&self, call: Call) -> Result<Ground, Error> {
        let offer = self.offer();
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::WriteApis, Object::Gateway, NOUN, "")?;
                let mut plans = offer.plans.clone();
                plans.extend(tx.plans().await?.into_iter().map(|plan| plan.name));
                let mut apis = offer.apis.clone();
                apis.extend(tx.apis().await?.iter().map(offered));
                Ok(Ground { plans, apis, internal: offer.internal })
            })
        })
        .await
    }

    /// An API as it is kept, for whoever may write it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn kept_api(
        &self,
        call: Call,
        id: ApiId,
        revision: Option<i64>,
    ) -> Result<KeptApi, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let api = api(tx, desk, Verb::WriteApis, &id).await?;
                let digest = match revision {
                    None => api.digest,
                    Some(number) => self::revision(tx, &id, number).await?.digest,
                };
                let documents = tx.api_documents(&digest).await?;
                Ok(KeptApi { api, documents })
            })
        })
        .await
    }

    /// One API of the store.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_api(&self, call: Call, id: ApiId) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let it = api(tx, desk, Verb::ReadApis, &id).await?;
                Ok(Answer::of(view::stored_api(&it), it.version))
            })
        })
        .await
    }

    /// The revisions of its documents.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_revisions(&self, call: Call, id: ApiId) -> Result<Answer, Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let it = api(tx, desk, Verb::ReadApis, &id).await?;
                let all = tx.api_revisions(&id).await?;
                Ok(Answer::list(view::whole(&all, |one| view::revision(one, it.revision))))
            })
        })
        .await
    }

    /// The documents of a revision, as one text.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_revision(
        &self,
        call: Call,
        id: ApiId,
        number: i64,
    ) -> Result<(Answer, Arc<str>), Error> {
        self.look(call, move |tx, desk| {
            Box::pin(async move {
                let it = api(tx, desk, Verb::ReadApis, &id).await?;
                let one = revision(tx, &id, number).await?;
                let documents = tx.api_documents(&one.digest).await?;
                Ok((Answer::list(view::revision(&one, it.revision)), documents))
            })
        })
        .await
    }

    /// A new API.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_api(
        &self,
        call: Call,
        read: ReadApi,
        terms: ApiTerms,
    ) -> Result<Answer, Error> {
        let offer = self.offer();
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                desk.may(Verb::WriteApis, Object::Gateway, NOUN, "")?;
                let state = terms.state.unwrap_or(ApiState::Published);
                if state == ApiState::Retired {
                    return Err(Error::invalid("state", "a new API is a draft, or published"));
                }
                let made = Api {
                    id: desk.call.dice.id(desk.call.at),
                    version: 1,
                    name: read.name.clone(),
                    major: i64::from(read.major),
                    state,
                    visibility: read.visibility,
                    plans: read.plans.join(" "),
                    route: read.route.clone(),
                    definition: definition(&read)?,
                    revision: 1,
                    digest: digest(&read.documents),
                    created: desk.call.at,
                };
                fits(tx, &offer, &made, &read).await?;
                tx.insert(&made, &api_name(&read.name, read.major)).await?;
                add_revision(tx, desk, &made, &read, terms.source).await?;
                let now = view::stored_api(&made);
                let change = (None, Some(now.clone()));
                desk.record(tx, "api.create", None, made.id.as_str(), change).await?;
                Ok(Answer::of(now, made.version).created())
            })
        })
        .await
    }

    /// Another definition, other documents, another state; `read` is the API as all of that makes it, and
    /// `from` the revision that its documents are of, where they are no new ones.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change_api(
        &self,
        call: Call,
        id: ApiId,
        read: ReadApi,
        terms: ApiTerms,
        from: Option<i64>,
    ) -> Result<Answer, Error> {
        let offer = self.offer();
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let mut it = api(tx, desk, Verb::WriteApis, &id).await?;
                desk.fresh(it.version)?;
                let before = view::stored_api(&it);
                if (it.name.as_str(), it.major) != (read.name.as_str(), i64::from(read.major)) {
                    let why = "an API keeps its name and its version: who subscribes means those";
                    return Err(Error::invalid("definition", why));
                }
                let next = terms.state.unwrap_or(it.state);
                if next == ApiState::Draft && it.state != ApiState::Draft {
                    let why = "what was on the air is no draft any more; retire it";
                    return Err(Error::State { noun: NOUN, state: it.state.as_str(), why });
                }
                it.state = next;
                it.visibility = read.visibility;
                it.plans = read.plans.join(" ");
                it.route.clone_from(&read.route);
                it.definition = definition(&read)?;
                fits(tx, &offer, &it, &read).await?;
                let documents = digest(&read.documents);
                let new = from.is_none() && documents != it.digest;
                if let Some(number) = from {
                    // It is still there, or what was read is no longer what is kept.
                    let one = revision(tx, &id, number).await?;
                    (it.revision, it.digest) = (number, one.digest);
                } else if new {
                    let last = tx.api_revisions(&id).await?.last().map_or(0, |last| last.number);
                    (it.revision, it.digest) = (last + 1, documents);
                }
                tx.update(&mut it, &api_name(&read.name, read.major)).await?;
                if new {
                    add_revision(tx, desk, &it, &read, terms.source).await?;
                }
                let now = view::stored_api(&it);
                let both = (Some(before), Some(now.clone()));
                desk.record(tx, "api.change", None, id.as_str(), both).await?;
                Ok(Answer::of(now, it.version))
            })
        })
        .await
    }

    /// Removes an API that nobody subscribes to.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_api(&self, call: Call, id: ApiId) -> Result<Answer, Error> {
        self.change(call, move |tx, desk| {
            Box::pin(async move {
                let it = api(tx, desk, Verb::WriteApis, &id).await?;
                desk.fresh(it.version)?;
                tx.remove_api(&it).await?;
                let before = view::stored_api(&it);
                let change = (Some(before.clone()), None);
                desk.record(tx, "api.delete", None, id.as_str(), change).await?;
                Ok(Answer::of(before, it.version))
            })
        })
        .await
    }
}

async fn api(tx: &mut Tx, desk: &Desk, verb: Verb, id: &ApiId) -> Result<Api, Error> {
    desk.may(verb, Object::Gateway, NOUN, id.as_str())?;
    Ok(tx.get(id.as_str()).await?)
}

async fn revision(tx: &mut Tx, id: &ApiId, number: i64) -> Result<ApiRevision, Error> {
    let found = tx.api_revisions(id).await?.into_iter().find(|one| one.number == number);
    found.ok_or_else(|| Error::NotFound { noun: "revision", id: number.to_string() })
}

async fn add_revision(
    tx: &mut Tx,
    desk: &Desk,
    of: &Api,
    read: &ReadApi,
    source: Option<String>,
) -> Result<(), Error> {
    let new = ApiRevision { number: of.revision, digest: of.digest, source, created: desk.call.at };
    Ok(tx.add_api_revision(&of.id, &new, &read.documents).await?)
}

fn definition(read: &ReadApi) -> Result<String, Error> {
    let text = read.definition.to_string();
    match text.len() <= DEFINITION_BYTES_MAX {
        true => Ok(text),
        false => Err(Error::invalid("definition", "it has more than 256 KiB")),
    }
}

fn digest(documents: &str) -> [u8; 32] {
    Sha256::digest(documents.as_bytes()).into()
}

/// What may have changed since the definition was read on its ground.
async fn fits(tx: &mut Tx, offer: &Offer, api: &Api, read: &ReadApi) -> Result<(), Error> {
    let name = api_name(&read.name, read.major);
    if offer.api(&name).is_some() {
        return Err(Error::Clash(format!("the configuration file has an API {name}")));
    }
    for plan in &read.plans {
        if !offer.plans.contains(plan) && tx.plan_named(plan).await?.is_none() {
            return Err(Error::invalid("definition", format!("there is no plan {plan}")));
        }
    }
    if !api.state.is_served() {
        return Ok(());
    }
    let mut others = offer.apis.clone();
    others.extend(tx.apis().await?.iter().filter(|one| one.id != api.id).map(offered));
    match others.iter().find(|one| one.state.is_served() && one.route == read.route) {
        Some(other) => {
            let why = format!("{} answers at the same host, path and headers", other.name);
            Err(Error::Clash(why))
        }
        None => Ok(()),
    }
}

/// An API of the store as verbs need to know it.
pub(crate) fn offered(it: &Api) -> OfferedApi {
    OfferedApi {
        name: format!("{}/v{}", it.name, it.major),
        visibility: it.visibility,
        plans: it.plans.split_whitespace().map(str::to_owned).collect(),
        route: it.route.clone(),
        state: it.state,
        id: Some(it.id.clone()),
    }
}

/// An API by the name that subscriptions use: the file's, or the store's.
pub(crate) async fn find(
    tx: &mut Tx,
    offer: &Offer,
    name: &str,
) -> Result<Option<OfferedApi>, Error> {
    if let Some(found) = offer.api(name) {
        return Ok(Some(found.clone()));
    }
    let Some((name, major)) = name.split_once("/v") else { return Ok(None) };
    let Ok(major) = major.parse() else { return Ok(None) };
    Ok(tx.api_named(name, major).await?.as_ref().map(offered))
}

/// Whether a plan of the store is one that an API names.
pub(crate) fn names(api: &OfferedApi, plan: &Plan) -> bool {
    api.id.is_some() && api.plans.contains(&plan.name)
}
