//! Certificates of our own: an authority in a folder, and what the centre knows of those that it uses.

pub mod authority;
pub(crate) mod desk;
mod files;
pub(crate) mod watch;

pub use files::{write as write_public, write_secret};
pub use watch::renew_files as renew;
