//! One document from the network, by the rules that hold for contracts ([`super::remote`]).

use std::time::Duration;

use super::{Rules, Url, get::System, remote::Remote};

/// The document at a URL that the operator wrote; all is over within `time`.
///
/// # Errors
/// Why it is not to be had, or not allowed.
pub fn single(url: Url, rules: &Rules, time: Duration) -> Result<Vec<u8>, String> {
    let mut remote = Remote::new(&System, rules, url).within(time);
    match remote.root() {
        Some(document) => Ok(document.bytes),
        None => {
            Err(remote.stops.iter().map(|stop| stop.message.as_str()).collect::<Vec<_>>().join(" "))
        }
    }
}
