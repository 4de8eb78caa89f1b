//! The commands of the binary, one file each.

pub mod check;
pub mod convert;
pub mod explain;
pub mod fetching;
pub mod health;
pub mod lint;
pub mod login;
pub mod publish;
pub mod store;
pub mod transcode;
pub mod validate;
