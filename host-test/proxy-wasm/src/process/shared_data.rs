//! Shared data: a value and a version by key, in a name space for each `vm_id`.
//!
//! Versions come from one counter of the process and are never 0, which means "in any case". A
//! key that is missing takes any version, so that a version that none has means "if absent".
//! Nothing is ever removed.

use std::collections::BTreeMap;

use crate::status::Status;

#[derive(Debug, Default)]
pub(crate) struct SharedData {
    spaces: BTreeMap<String, Space>,
    last_version: u32,
}

/// Values and versions, by key.
type Space = BTreeMap<Vec<u8>, (Vec<u8>, u32)>;

impl SharedData {
    pub(crate) fn get(&self, vm_id: &str, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.spaces.get(vm_id)?.get(key).cloned()
    }

    pub(crate) fn set(
        &mut self,
        vm_id: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> Result<(), Status> {
        let space = self.spaces.entry(vm_id.to_owned()).or_default();
        if let Some((_, current)) = space.get(key)
            && version != 0
            && version != *current
        {
            return Err(Status::CasMismatch);
        }
        self.last_version = self.last_version.checked_add(1).unwrap_or(1);
        space.insert(key.to_owned(), (value.to_owned(), self.last_version));
        Ok(())
    }

    pub(crate) fn keys(&self, vm_id: &str) -> Vec<Vec<u8>> {
        self.spaces.get(vm_id).map(|space| space.keys().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_pass_over_zero() {
        let mut data = SharedData { last_version: u32::MAX, ..SharedData::default() };
        data.set("", b"k", b"v", 0).unwrap();
        assert_eq!(data.get("", b"k"), Some((b"v".to_vec(), 1)));
    }
}
