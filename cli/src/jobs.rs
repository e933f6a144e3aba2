//! Jobs of anybody's training: what drives one beside a server, where it lies on the disk, and
//! what a site does for it.

mod arrays;
mod coordinator;
mod error;
mod folder;
mod headers;
mod model;
mod npy;
mod trainer;

pub use coordinator::{Coordinator, Entry};
pub use error::JobError;
pub use folder::JobFolder;
pub use headers::offering;
pub use model::Model;
pub use trainer::SiteTrainer;
