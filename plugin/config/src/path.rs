//! Where a value stands: its JSON path.

use std::fmt;

/// The way from the configuration's root, such as `services[0].open.wait_duration`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'a> {
    Root,
    Field(&'a Self, &'a str),
    Entry(&'a Self, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Path::Root, name) => f.write_str(name),
            Self::Field(object, name) => write!(f, "{object}.{name}"),
            Self::Entry(list, index) => write!(f, "{list}[{index}]"),
        }
    }
}
