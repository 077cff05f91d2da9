//! By a name with stars in it, as of a cluster.

use crate::form::joined;

/// A name in which `*` stands for any characters, split at its stars.
#[derive(Debug)]
pub(crate) struct Glob(Vec<String>);

impl Glob {
    pub(crate) fn new(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("give the name of a cluster, in which `*` stands for any characters");
        }
        Ok(Self(text.split('*').map(str::to_owned).collect()))
    }

    /// What comes before its first star, and whether that is all of it.
    pub(super) fn start(&self) -> (&str, bool) {
        (self.0.first().map_or("", String::as_str), self.0.len() == 1)
    }

    /// Whether no star is in it, and it is this name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0 == [name]
    }

    /// Whether whatever another one matches is matched here, too: its stars, taken for characters, are
    /// matched by stars, which match whatever these stand for.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.matches(joined(&mut other.0.iter().map(String::as_str), "*").as_bytes())
    }

    #[inline]
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        let Some((first, rest)) = self.0.split_first() else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return name == first.as_bytes();
        };
        let Some(mut name) = name.strip_prefix(first.as_bytes()) else {
            return false;
        };
        for part in middle {
            let Some(found) = find(name, part.as_bytes()) else {
                return false;
            };
            name = name.get(found.saturating_add(part.len())..).unwrap_or_default();
        }
        name.ends_with(last.as_bytes())
    }
}

#[inline]
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}
