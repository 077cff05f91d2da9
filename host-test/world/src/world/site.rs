//! A service of the world: how it feels, its record, and what is known of its breaker.

use fastrand::Rng;
use host_test_proxy_wasm::Process;

use crate::defect::Defect;
use crate::oracle::Oracle;
use crate::record::Record;
use crate::rules::Rules;
use crate::service::Mood;

/// A service.
pub(super) struct Site {
    pub(super) name: &'static str,
    pub(super) oracle: Oracle,
    pub(super) mood: Mood,
    pub(super) mood_lasts: u32,
    /// The bytes of the record that stands.
    pub(super) bytes: Vec<u8>,
    /// The bytes of the generation before.
    pub(super) stale: Vec<u8>,
    /// Transitions that the log has told of.
    pub(super) logged: u64,
    key: Vec<u8>,
}

impl Site {
    pub(super) fn new(
        name: &'static str,
        rules: Rules,
        process: &Process,
        workers: usize,
    ) -> Result<Self, String> {
        let key = format!("edge-breaker/v1/{name}").into_bytes();
        let bytes = process.shared_data("", &key).map(|(bytes, _)| bytes).unwrap_or_default();
        let record = if bytes.is_empty() { Record::ABSENT } else { Record::read(&bytes)? };
        Ok(Self {
            name,
            oracle: Oracle::new(rules, workers, record),
            mood: Mood::Usual,
            mood_lasts: 200,
            stale: bytes.clone(),
            bytes,
            logged: 0,
            key,
        })
    }

    /// Puts a record into the store, whatever is there.
    pub(super) fn store(&self, process: &Process, bytes: &[u8]) {
        let _ = process.set_shared_data("", &self.key, bytes, 0);
    }

    /// What stands in the store now, if it is not what stood there before. A store with a defect
    /// makes something else of it.
    pub(super) fn written(
        &self,
        process: &Process,
        defect: Option<Defect>,
        rng: &mut Rng,
    ) -> Option<Vec<u8>> {
        let (bytes, _) = process.shared_data("", &self.key).filter(|(b, _)| *b != self.bytes)?;
        let Some(defect) = defect else {
            return Some(bytes);
        };
        let spoiled = defect.spoil(&self.bytes, &bytes, rng);
        if spoiled != bytes {
            self.store(process, &spoiled);
        }
        Some(spoiled).filter(|spoiled| *spoiled != self.bytes)
    }

    /// Time goes by for its mood, one request at a time.
    pub(super) fn change_mood(&mut self, rng: &mut Rng) {
        self.mood_lasts = self.mood_lasts.saturating_sub(1);
        if self.mood_lasts == 0 {
            self.mood = Mood::random(rng);
            self.mood_lasts = rng.u32(20..400);
        }
    }
}
