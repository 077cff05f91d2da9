//! Stale answers: good answers of a service, kept to be given again when it has none.
//!
//! They are kept in the shared store, so that all workers give the same ones, and that neither a new
//! configuration nor a crashed worker loses them. The store forgets nothing by itself, so a service
//! has a fixed number of slots, and an answer the slot that its address falls on: what is kept is
//! bounded, whatever clients ask for. A newer answer takes the place of an older one.
//!
//! What may be kept and given is in [`rules`], after RFC 9111; the bytes are in [`entry`], and
//! [`copy`] is an answer that is being kept while it streams by.

mod copy;
mod entry;
mod rules;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use breaker::Timestamp;

use crate::budget::Claim;
use crate::config::{MOST_STALE_ENTRIES, Stale};
use crate::headers::{Facts, Headers};
use crate::host::Host;
use crate::instances::Instance;
use crate::reply::Reply;
use crate::store::ServiceHandle;

pub(crate) use copy::Copy;
use copy::Ended;
pub(crate) use entry::Entry;

/// Only so often is an answer copied that is kept already: in a tenth of its time, at most.
const RENEWALS: u32 = 10;
const SHORTEST_RENEWAL: Duration = Duration::from_secs(1);

/// What a request asks for, if an answer to it may be kept, or given from what is kept.
#[derive(Debug)]
pub(crate) struct Wanted {
    hash: u64,
    /// Host and path, and what else makes an address.
    key: Vec<u8>,
    headers: Headers,
    /// Whether only the head is asked for.
    head: bool,
    /// Whether it is known to have no body.
    whole: bool,
    claim: Claim,
}

/// When this worker last copied an answer, by slot and by what it answered.
#[derive(Debug, Default)]
pub(crate) struct Copied(RefCell<BTreeMap<u32, (u64, Timestamp)>>);

/// What services make links and redirects of, beside host and path: who sends another one has another
/// address.
const ADDRESSING: [&[u8]; 9] = [
    b":scheme",
    b"forwarded",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-forwarded-server",
    b"x-host",
    b"x-original-host",
];

impl Wanted {
    #[inline(never)]
    pub(crate) fn of(headers: &Headers, facts: &Facts<'_>, complete: bool) -> Option<Self> {
        let head = match facts.method? {
            b"GET" => false,
            b"HEAD" => true,
            _ => return None,
        };
        let body = rules::body_of(headers);
        if !rules::request_allows(headers) || body == Some(true) {
            return None;
        }
        let mut key = facts.authority?.to_ascii_lowercase();
        key.push(b'\n');
        key.extend_from_slice(facts.path?);
        for name in ADDRESSING {
            key.push(b'\n');
            key.extend(headers.all(name).flatten());
        }
        if key.len() > entry::LONGEST_ADDRESS {
            return None;
        }
        // Answers in another coding have another slot, so that they do not push each other out.
        let coding = headers.all(b"accept-encoding").flatten();
        let hash = key
            .iter()
            .chain([&0])
            .chain(coding)
            .fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
        let whole = complete || body == Some(false);
        Some(Self { hash, key, headers: headers.clone(), head, whole, claim: Claim::default() })
    }

    /// Lays claim to its bytes, since it is held on to. `None`: there is no room.
    pub(crate) fn held(mut self, budget: usize) -> Option<Self> {
        let size = self.headers.size().saturating_add(self.key.capacity());
        self.claim = Claim::lay(size, budget)?;
        Some(self)
    }

    /// More of the request has come. `false`: it has a body, and what is kept is not for it.
    pub(crate) const fn go_on(&mut self, len: usize, end: bool) -> bool {
        self.whole |= end;
        len == 0
    }

    /// Whether it is known to have no body. What comes later, nobody has to wait for.
    pub(crate) const fn is_whole(&self) -> bool {
        self.whole
    }

    fn slot(&self, stale: &Stale) -> u32 {
        let slot = self.hash.checked_rem(stale.max_entries.into()).unwrap_or_default();
        u32::try_from(slot).unwrap_or_default()
    }
}

/// FNV-1a: spreads addresses; nothing depends on its being hard to foresee but who pushes whom out.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl ServiceHandle<'_> {
    /// An answer that was kept for this request.
    pub(crate) fn stale_answer(
        &self,
        stale: &Stale,
        wanted: &Wanted,
        host: &impl Host,
    ) -> Option<Reply> {
        let key = slot_key(&self.instance, wanted.slot(stale));
        let (bytes, _) = host.load(&key).ok()??;
        let (entry, body) = Entry::decode(&bytes)?;
        let kept = entry.kept_for(host.now().monotonic)?;
        if self.address(&wanted.key) != entry.key
            || !entry.fits(&wanted.headers)
            || kept > stale.max_age
        {
            return None;
        }
        entry.reply(body, kept, wanted.head)
    }

    /// Begins to copy an answer whose head has come, if it may be kept and it is time to.
    pub(crate) fn begin_copy(
        &self,
        stale: &Stale,
        wanted: Wanted,
        status: u16,
        end_of_stream: bool,
        budget: usize,
        host: &impl Host,
    ) -> Option<Copy> {
        if wanted.head || !wanted.whole || !rules::status_allows(status) {
            return None;
        }
        let now = host.now().monotonic;
        let slot = wanted.slot(stale);
        let mut copied = self.instance.memory.copied.0.try_borrow_mut().ok()?;
        let renewal = (stale.max_age / RENEWALS).max(SHORTEST_RENEWAL);
        if let Some((hash, at)) = copied.get(&slot)
            && *hash == wanted.hash
            && now.since(*at) < renewal
        {
            return None;
        }
        copied.insert(slot, (wanted.hash, now));
        let key = self.address(&wanted.key).into_owned();
        let wanted = Wanted { key, ..wanted };
        let answer = host.response_headers();
        Copy::begin(slot, wanted, status, &answer, end_of_stream, stale, budget)
    }

    /// What an answer is kept for: one that was kept for whoever had a slot before is never given.
    fn address<'a>(&self, key: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.instance.tenure {
            None => Cow::Borrowed(key),
            Some(tenure) => Cow::Owned(tenure.with_part(key)),
        }
    }

    /// Keeps an answer that has come to its end, and was a good one.
    pub(crate) fn keep_answer(&self, copy: Copy, host: &impl Host) {
        let slot = copy.slot();
        match copy.end(host.now().monotonic) {
            Ended::Whole(entry, body, _claim) => self.put(slot, &entry.encode(&body), host),
            Ended::Cut => {}
            Ended::Skipped => self.forget_slot(slot),
        }
    }

    /// Nothing came of a copy: the next answer may be copied.
    pub(crate) fn forget_copy(&self, copy: &Copy) {
        self.forget_slot(copy.slot());
    }

    fn forget_slot(&self, slot: u32) {
        if let Ok(mut copied) = self.instance.memory.copied.0.try_borrow_mut() {
            copied.remove(&slot);
        }
    }

    /// Empties slots beyond those that there are to be: a configuration before may have had more.
    pub(crate) fn adopt_slots(&self, stale: &Stale, host: &impl Host) {
        let key = slots_key(&self.instance);
        let Ok(stored) = host.load(&key) else {
            return;
        };
        let (bytes, version) = stored.unzip();
        let before = bytes.and_then(|bytes| Some(u32::from_le_bytes(*bytes.first_chunk()?)));
        let before = before.unwrap_or_default().min(MOST_STALE_ENTRIES);
        if before == stale.max_entries {
            return;
        }
        for slot in stale.max_entries..before {
            self.put(slot, &[], host);
        }
        // Lost, another worker has done the same.
        let _ = host.swap(&key, &stale.max_entries.to_le_bytes(), version);
    }

    /// Puts bytes into a slot, in place of what is there. Lost, another was faster: let it be.
    fn put(&self, slot: u32, bytes: &[u8], host: &impl Host) {
        let key = slot_key(&self.instance, slot);
        let Ok(stored) = host.load(&key) else {
            return;
        };
        if stored.is_some() || !bytes.is_empty() {
            let _ = host.swap(&key, bytes, stored.map(|(_, version)| version));
        }
    }
}

fn slots_key(instance: &Instance) -> String {
    format!("{}/stale", instance.key)
}

fn slot_key(instance: &Instance, slot: u32) -> String {
    format!("{}/stale/{slot}", instance.key)
}
