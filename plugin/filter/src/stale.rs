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
pub(crate) mod entry;
mod rules;

use std::borrow::Cow;
use std::cell::RefCell;
use std::time::Duration;

use breaker::Timestamp;
use shared::{Decision, Decoded, Kind, Lost, Watch};

use crate::budget::Claim;
use crate::effects::Effects;
use crate::headers::{Facts, Headers};
use crate::host::Host;
use crate::response::reply::Reply;
use crate::sorted::SortedMap;
use crate::tenure::Tenure;
use config::{MOST_STALE_ENTRIES, Stale};

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

/// What one worker keeps of a service's kept answers, by their slots.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// When it last copied an answer, and to what.
    at: RefCell<SortedMap<u32, (u64, Timestamp)>>,
    /// What it remembers of slots that it could not read.
    watches: RefCell<SortedMap<u32, Watch>>,
}

/// The kept answers of a service.
pub(crate) struct Answers<'a> {
    pub(crate) local: &'a Copied,
    pub(crate) stale: &'a Stale,
    /// The key of the service's record.
    pub(crate) key: &'a str,
    pub(crate) tenure: Option<&'a Tenure>,
    pub(crate) service: &'a str,
}

/// A kept answer as bytes; none in an emptied slot. One makes way for any other.
pub(crate) struct AnswerKind;

impl Kind for AnswerKind {
    type Value = Vec<u8>;

    fn decode(&self, bytes: &[u8]) -> Decoded<Vec<u8>> {
        match bytes.first() {
            None | Some(&entry::FORMAT) => Decoded::Former,
            Some(_) => Decoded::unreadable(bytes, entry::FORMAT, "answer"),
        }
    }

    fn encode(&self, answer: &Vec<u8>) -> impl AsRef<[u8]> {
        answer.as_slice()
    }
}

/// How many slots a service has: four bytes.
pub(crate) struct SlotsKind;

impl Kind for SlotsKind {
    type Value = u32;

    fn decode(&self, bytes: &[u8]) -> Decoded<u32> {
        let slots = bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        slots.map_or(Decoded::Former, Decoded::Value)
    }

    fn encode(&self, slots: &u32) -> impl AsRef<[u8]> {
        slots.to_le_bytes()
    }
}

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

    /// Claims its bytes, since it is held on to. `None`: there is no room.
    pub(crate) fn held(mut self, budget: usize) -> Option<Self> {
        let size = self.headers.size().saturating_add(self.key.capacity());
        self.claim = Claim::new(size, budget)?;
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

impl Answers<'_> {
    /// An answer that was kept for this request.
    pub(crate) fn find(&self, wanted: &Wanted, host: &dyn Host) -> Option<Reply> {
        let (bytes, _) = host.load(&self.slot_key(wanted.slot(self.stale))).ok()??;
        let (entry, body) = Entry::decode(&bytes)?;
        let kept = entry.kept_for(host.now().monotonic)?;
        if self.address(&wanted.key) != entry.key
            || !entry.fits(&wanted.headers)
            || kept > self.stale.max_age
        {
            return None;
        }
        entry.reply(body, kept, wanted.head)
    }

    /// Begins to copy an answer whose head has come, if it may be kept and it is time to.
    #[inline(never)]
    pub(crate) fn begin_copy(
        &self,
        wanted: Wanted,
        status: u16,
        end_of_stream: bool,
        budget: usize,
        host: &dyn Host,
    ) -> Option<Copy> {
        if wanted.head || !wanted.whole || !rules::status_allows(status) {
            return None;
        }
        let now = host.now().monotonic;
        let slot = wanted.slot(self.stale);
        let mut copied = self.local.at.try_borrow_mut().ok()?;
        let renewal = (self.stale.max_age / RENEWALS).max(SHORTEST_RENEWAL);
        if let Some((hash, at)) = copied.get_mut(slot)
            && *hash == wanted.hash
            && now.since(*at) < renewal
        {
            return None;
        }
        copied.insert(slot, (wanted.hash, now));
        let key = self.address(&wanted.key).into_owned();
        let (request, answer) = (&wanted.headers, host.response_headers());
        let heads = (request, &answer);
        Copy::begin(slot, key, heads, status, end_of_stream, self.stale, budget)
    }

    /// What an answer is kept for: one that was kept for whoever had a slot before is never given.
    fn address<'a>(&self, key: &'a [u8]) -> Cow<'a, [u8]> {
        match self.tenure {
            None => Cow::Borrowed(key),
            Some(tenure) => Cow::Owned(tenure.with_part(key)),
        }
    }

    /// Keeps an answer that has come to its end, and was a good one.
    pub(crate) fn keep(&self, copy: Copy, host: &dyn Host, effects: &mut Effects) {
        let slot = copy.slot();
        match copy.end(host.now().monotonic) {
            Ended::Whole(entry, body, _claim) => {
                self.put(slot, entry.encode(&body), host, effects);
            }
            Ended::Cut => {}
            Ended::Skipped => self.forget_slot(slot),
        }
    }

    /// Nothing came of a copy: the next answer may be copied.
    pub(crate) fn forget(&self, copy: &Copy) {
        self.forget_slot(copy.slot());
    }

    fn forget_slot(&self, slot: u32) {
        if let Ok(mut copied) = self.local.at.try_borrow_mut() {
            copied.remove(slot);
        }
    }

    /// Empties slots beyond those that there are to be: a configuration before may have had more. One
    /// that is left alone, as it may be a newer module's, stays one of those that there are.
    pub(crate) fn bound(&self, host: &dyn Host, effects: &mut Effects) {
        let (key, wanted, watch) = (slots_key(self.key), self.stale.max_entries, Watch::default());
        let cell = shared::Cell { key: &key, kind: SlotsKind, watch: &watch, service: None };
        // Lost, the next configuration does it.
        let _ = cell.update(host, effects, |slots, effects| {
            let before = slots.unwrap_or_default().min(MOST_STALE_ENTRIES);
            if before == wanted {
                return Decision::Keep(());
            }
            let left = (wanted..before).filter(|slot| !self.put(*slot, Vec::new(), host, effects));
            *slots = Some(left.max().map_or(wanted, |slot| slot.saturating_add(1)));
            Decision::Store(())
        });
    }

    /// Tries again to empty those that were left alone.
    pub(crate) fn bound_again(&self, host: &dyn Host, effects: &mut Effects) {
        let last = self.local.watches.try_borrow().ok().and_then(|it| it.last_key());
        if last.is_some_and(|slot| slot >= self.stale.max_entries) {
            self.bound(host, effects);
        }
    }

    /// Puts bytes into a slot, in place of what is there. Lost, another was faster: let it be. `false`:
    /// what is there is left alone.
    fn put(&self, slot: u32, bytes: Vec<u8>, host: &dyn Host, effects: &mut Effects) -> bool {
        let Ok(mut watches) = self.local.watches.try_borrow_mut() else {
            return true;
        };
        let (key, watch) = (self.slot_key(slot), watches.remove(slot).unwrap_or_default());
        let service = Some(self.service);
        let cell = shared::Cell { key: &key, kind: AnswerKind, watch: &watch, service };
        let at = cell.load(host, effects, &mut None);
        let is_left = matches!(at, Err(Lost::Newer));
        match at {
            Ok(at) if at.version.is_some() || !bytes.is_empty() => {
                let _ = cell.swap(&bytes, &at, host);
            }
            // Or nobody would look again for a tenth of its time.
            Err(Lost::Newer) => self.forget_slot(slot),
            _ => {}
        }
        if is_left {
            watches.insert(slot, watch);
        }
        !is_left
    }

    fn slot_key(&self, slot: u32) -> String {
        format!("{}/{slot}", slots_key(self.key))
    }
}

fn slots_key(record: &str) -> String {
    format!("{record}/stale")
}
