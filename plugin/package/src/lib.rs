//! Makes of the built modules what is handed out: the module and its names, the component, the schema
//! of the configuration, and the OCI image.

pub mod component;
pub mod image;
pub mod names;
mod order;
pub mod schema;
pub mod trim;
