//! What the configuration file offers: the APIs that applications may ask for, and its own plans.

use pasarela_model::{Snapshot, Visibility};

/// The file's part, as far as verbs need to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// In file order.
    pub apis: Vec<OfferedApi>,
    /// Names of its plans.
    pub plans: Vec<String>,
    /// Names of its organisations.
    pub organisations: Vec<String>,
}

/// An API of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedApi {
    /// `name/v1`: how subscriptions name it.
    pub name: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// The file's plans for it.
    pub plans: Vec<String>,
}

impl Offer {
    /// What a snapshot that was read from the file offers.
    pub fn of(snapshot: &Snapshot) -> Self {
        let plan = |index: &usize| Some(snapshot.plans.get(*index)?.name.clone());
        let apis = snapshot.apis.iter().map(|api| OfferedApi {
            name: api_name(&api.name, api.version),
            visibility: api.visibility,
            plans: api.plans.iter().filter_map(plan).collect(),
        });
        Self {
            apis: apis.collect(),
            plans: snapshot.plans.iter().map(|plan| plan.name.clone()).collect(),
            organisations: snapshot.organisations.iter().map(|one| one.name.clone()).collect(),
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
