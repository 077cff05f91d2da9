//! What is said of objects, fields and words: for the schema and the page, and in no module.

use crate::field::{Shape, Words};

/// Remarks on a field: by keywords of the schema, in JSON; by columns of the page, such as `page type`;
/// and on what its object has to have: `object any`, this field or another that is marked so, and
/// `object needs`, the field that this one needs.
pub type Remarks = &'static [(&'static str, &'static str)];

/// An object, and what is said of it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// The object.
    pub shape: &'static Shape,
    /// What it is.
    pub text: &'static str,
    /// What is said of its fields, in the order of their rows.
    pub fields: &'static [(&'static str, Remarks)],
}

/// Words, and what is said of them.
#[derive(Clone, Copy, Debug)]
pub struct DescribedWords {
    /// The words.
    pub words: &'static Words,
    /// What they say.
    pub text: &'static str,
    /// What each of them says.
    pub each: &'static [&'static str],
}

/// The remark of this name.
#[must_use]
pub fn remark(remarks: Remarks, name: &str) -> Option<&'static str> {
    remarks.iter().find(|(known, _)| *known == name).map(|(_, remark)| *remark)
}
