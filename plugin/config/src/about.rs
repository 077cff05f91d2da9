//! What is said of objects, fields and words: for the schema and the page, and in no module.

use crate::field::{Shape, Words};

/// An object, and what is said of it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// The object.
    pub shape: &'static Shape,
    /// What it is.
    pub text: &'static str,
    /// What is said of its fields, in the order of their rows.
    pub fields: &'static [(&'static str, About)],
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

/// Remarks on a field that its row does not bear out. What is empty says nothing.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The type, as the page has it.
    pub kind: &'static str,
    /// The default, as JSON.
    pub default: &'static str,
    /// The default, as the page has it.
    pub shown_default: &'static str,
    /// The bounds, as the page has them.
    pub bounds: &'static str,
    /// The smallest number of entries, as JSON.
    pub at_least: &'static str,
    /// The largest number, as JSON.
    pub at_most: &'static str,
    /// The shortest and the longest text; zero: any.
    pub length: (u8, u8),
    /// What a text matches.
    pub pattern: &'static str,
    /// What each entry matches.
    pub entries: &'static str,
    /// Examples, as a list in JSON.
    pub examples: &'static str,
    /// The most calls that a window holds; zero: it is none.
    pub calls: u32,
}

/// Nothing remarkable.
pub(crate) const fn about() -> About {
    About {
        kind: "",
        default: "",
        shown_default: "",
        bounds: "",
        at_least: "",
        at_most: "",
        length: (0, 0),
        pattern: "",
        entries: "",
        examples: "",
        calls: 0,
    }
}

impl About {
    pub(crate) const fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// A size in bytes.
    pub(crate) const fn size(self) -> Self {
        self.kind("size")
    }

    /// The default as JSON, and as the page has it.
    pub(crate) const fn default(mut self, json: &'static str, shown: &'static str) -> Self {
        self.default = json;
        self.or(shown)
    }

    /// The default as the page has it, where it is none in JSON.
    pub(crate) const fn or(mut self, shown: &'static str) -> Self {
        self.shown_default = shown;
        self
    }

    pub(crate) const fn bounds(mut self, bounds: &'static str) -> Self {
        self.bounds = bounds;
        self
    }

    pub(crate) const fn at_least(mut self, json: &'static str) -> Self {
        self.at_least = json;
        self
    }

    pub(crate) const fn at_most(mut self, json: &'static str) -> Self {
        self.at_most = json;
        self
    }

    pub(crate) const fn length(mut self, shortest: u8, longest: u8) -> Self {
        self.length = (shortest, longest);
        self
    }

    pub(crate) const fn pattern(mut self, pattern: &'static str) -> Self {
        self.pattern = pattern;
        self
    }

    pub(crate) const fn entries(mut self, pattern: &'static str) -> Self {
        self.entries = pattern;
        self
    }

    pub(crate) const fn examples(mut self, json: &'static str) -> Self {
        self.examples = json;
        self
    }

    pub(crate) const fn calls(mut self, most: u32) -> Self {
        self.calls = most;
        self
    }
}
