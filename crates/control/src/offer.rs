//! What the configuration file offers: the APIs that applications may ask for, and its own plans.

use pasarela_model::{Api, ApiId, HostPattern, Snapshot, Visibility};
use pasarela_store::ApiState;

/// The file's part, as far as verbs need to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// In file order.
    pub apis: Vec<OfferedApi>,
    /// Names of its plans.
    pub plans: Vec<String>,
    /// Names of its organisations.
    pub organisations: Vec<String>,
    /// There is a listener for callers inside.
    pub internal: bool,
}

/// An API of the file, or of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedApi {
    /// `name/v1`: how subscriptions name it.
    pub name: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// The plans that it names.
    pub plans: Vec<String>,
    /// Where it answers; see [`route_of`].
    pub route: String,
    /// Where it stands; the file's are on the air.
    pub state: ApiState,
    /// Its id, where it is the store's.
    pub id: Option<ApiId>,
}

impl Offer {
    /// What a snapshot that was read from the file offers.
    pub fn of(snapshot: &Snapshot) -> Self {
        let plan = |index: &usize| Some(snapshot.plans.get(*index)?.name.clone());
        let apis = snapshot.apis.iter().map(|api| OfferedApi {
            name: api_name(&api.name, api.version),
            visibility: api.visibility,
            plans: api.plans.iter().filter_map(plan).collect(),
            route: route_of(api),
            state: ApiState::Published,
            id: None,
        });
        Self {
            apis: apis.collect(),
            plans: snapshot.plans.iter().map(|plan| plan.name.clone()).collect(),
            organisations: snapshot.organisations.iter().map(|one| one.name.clone()).collect(),
            internal: false,
        }
    }

    pub(crate) fn api(&self, name: &str) -> Option<&OfferedApi> {
        self.apis.iter().find(|api| api.name == name)
    }
}

/// How an API is named in subscriptions.
pub(crate) fn api_name(name: &str, version: u32) -> String {
    format!("{name}/v{version}")
}

/// Where an API answers, as one text: two with the same one cannot both be on the air.
pub fn route_of(api: &Api) -> String {
    let host = match &api.host {
        None => String::new(),
        Some(HostPattern::Exact(host)) => host.clone(),
        Some(HostPattern::Wildcard(suffix)) => format!("*.{suffix}"),
    };
    let mut route = format!("{host}{}/", api.base_path);
    for header in &api.headers {
        route += &format!(" {}:{}", header.name, header.value);
    }
    route
}
