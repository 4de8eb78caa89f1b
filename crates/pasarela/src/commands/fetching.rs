//! Options of the commands that fetch documents.

use std::path::PathBuf;

use crate::{
    config::read_file,
    import::{Allowed, Rules},
};

/// Bytes of a file of authorities.
const CA_BYTES_MAX: u64 = 4 << 20;

/// How documents are fetched.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Fetching {
    /// Another host whose documents may be fetched, where the contract names them; may be given several times.
    #[arg(long = "allow-host", value_name = "HOST[:PORT]")]
    pub allow_hosts: Vec<Allowed>,
    /// Certificate authorities to trust instead of the system's, PEM.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

impl Fetching {
    /// The rules that they make.
    ///
    /// # Errors
    /// In words, when the file of authorities cannot be read.
    pub fn rules(&self) -> Result<Rules, String> {
        let ca_pem = self.ca.as_ref().map(|path| {
            read_file(path, CA_BYTES_MAX)
                .map_err(|why| format!("{} cannot be read: {why}", path.display()))
        });
        Ok(Rules { allow_hosts: self.allow_hosts.clone(), ca_pem: ca_pem.transpose()? })
    }
}
