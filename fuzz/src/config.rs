//! The configuration file: any bytes are a configuration or a list of faults that can be shown,
//! and no secret from the environment is ever among them.

use std::path::Path;

use pasarela::config;

const SECRET: &str = "c4nary-5ecret";

/// A file's bytes.
pub(super) fn config(bytes: &[u8]) {
    let environment = |name: &str| match name {
        "PORT" => Some("8099".to_owned()),
        "SECRET" => Some(SECRET.to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    // Nothing lies beside the file, so that a path in it leads nowhere.
    match config::read(bytes, Path::new("no-such-folder/pasarela.yaml"), &environment, 1) {
        Ok(loaded) => {
            assert_eq!(loaded.prices.len(), loaded.snapshot.plans.len());
            for application in &loaded.snapshot.applications {
                for subscription in &application.subscriptions {
                    assert!(subscription.api < loaded.snapshot.apis.len());
                    assert!(subscription.plan < loaded.snapshot.plans.len());
                }
            }
            for api in &loaded.snapshot.apis {
                assert!(!api.upstream.targets.is_empty());
                assert!(api.plans.iter().all(|plan| *plan < loaded.snapshot.plans.len()));
                assert!(api.base_path.is_empty() || api.base_path.starts_with('/'));
                assert!(!api.base_path.ends_with('/'));
            }
        }
        Err(faults) => {
            assert!(faults.errors() > 0, "refused without a reason");
            let shown = faults.to_string();
            assert!(!shown.is_empty());
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
}
