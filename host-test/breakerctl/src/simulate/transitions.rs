//! The transitions of a replay, as the module lists them in its shared store: docs/shared-state.md
//! has the list's form.

use std::time::Duration;

use host_test_proxy_wasm::Process;
use serde::Serialize;

const KEY: &[u8] = b"edge-breaker/v1/events/list";
/// The second one has a word of the adaptive rule for each event.
const VERSIONS: [u8; 2] = [1, 2];
/// Of a plugin whose configuration names none.
const VM_ID: &str = "";

/// A breaker changed its state, or the adaptive rule did something to the calls of a closed one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Transition {
    /// In seconds since the first call.
    pub(super) time: f64,
    pub(super) service: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) reason: String,
    /// What the adaptive rule went by; empty if it was not that rule.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) adaptive: String,
}

/// The transitions so far.
#[derive(Debug, Default)]
pub(super) struct Transitions {
    pub(super) all: Vec<Transition>,
    /// The number of the next one in the module's list.
    next: u64,
}

impl Transitions {
    /// Adds those that have come since this was last called, which is to be more often than the list
    /// forgets one.
    pub(super) fn update(&mut self, at: Duration, process: &Process) {
        let stored = process.shared_data(VM_ID, KEY);
        let list = stored.and_then(|(bytes, _)| read(&bytes, at.as_secs_f64()));
        let Some((next, listed)) = list else {
            return;
        };
        let new = usize::try_from(next.saturating_sub(self.next)).unwrap_or(usize::MAX);
        self.all.extend(listed.into_iter().rev().take(new).rev());
        self.next = next;
    }
}

/// Reads a list: the number of the next event, and those that it has, as of this time.
fn read(list: &[u8], time: f64) -> Option<(u64, Vec<Transition>)> {
    let (version, rest) = list.split_first()?;
    let (_begun, rest) = rest.split_at_checked(8)?;
    let (next, mut rest) = rest.split_first_chunk()?;
    if !VERSIONS.contains(version) {
        return None;
    }
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (_numbers, texts) = rest.split_at_checked(2 * 8 + 4 * 4)?;
        rest = texts;
        let mut text = || {
            let (len, texts) = rest.split_first()?;
            let (text, texts) = texts.split_at_checked(usize::from(*len))?;
            rest = texts;
            String::from_utf8(text.to_vec()).ok()
        };
        let (service, from, to, reason) = (text()?, text()?, text()?, text()?);
        let _mode = text()?;
        let adaptive = if *version > 1 { text()? } else { String::new() };
        events.push(Transition { time, service, from, to, reason, adaptive });
    }
    Some((u64::from_le_bytes(*next), events))
}
