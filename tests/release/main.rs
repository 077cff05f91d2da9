//! What is handed out beside the module: the pages, the image, the samples for Kubernetes, the alarms,
//! the admin page and the tool.

mod alarms;
mod docs;
mod image;
mod kubernetes;
mod page;
mod readme;
mod tool;
