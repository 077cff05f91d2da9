//! Which names have metrics of their own: a list that all workers share, and that only grows. A proxy
//! never forgets a metric, so a name that has made room keeps its own, and has them again when it
//! comes back.

use breaker::Now;
use shared::{Cell, Decision, Decoded, Kind, Watch};

use super::texts::{FORMAT, Texts};
use crate::effects::Effects;
use crate::host::Host;
use config::naming::is_shown_byte;

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/names/series";

/// The list.
pub(crate) struct SeriesKind;

impl Kind for SeriesKind {
    type Value = Texts;

    fn decode(&self, bytes: &[u8]) -> Decoded<Texts> {
        let list = Texts::decode(bytes, |_, byte| is_shown_byte(byte));
        Decoded::new(list, bytes, FORMAT, "series")
    }

    fn encode(&self, list: &Texts) -> impl AsRef<[u8]> {
        list.bytes()
    }

    fn replacement(&self, _: Now) -> Option<Texts> {
        Some(Texts::default())
    }
}

/// Whether a name has metrics of its own, or may have some from now on: of so many names at most.
pub(super) fn has_own(
    name: &str,
    most: usize,
    watch: &Watch,
    host: &dyn Host,
    effects: &mut Effects,
) -> bool {
    let list = Cell { key: KEY, kind: SeriesKind, watch, service: None };
    let has_own = list.update(host, effects, |list, _| {
        let list = list.get_or_insert_default();
        let (mut number, mut is_listed) = (0_usize, false);
        for listed in list.iter() {
            number = number.saturating_add(1);
            is_listed |= listed == name;
        }
        if is_listed || number >= most {
            return Decision::Keep(is_listed);
        }
        list.push(name);
        Decision::Store(true)
    });
    has_own.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_the_names_as_they_are_shown() {
        let mut list = Texts::default();
        list.push("host=a");
        list.push("b");
        assert_eq!(list.bytes(), b"\x01\x06host=a\x01b");
        assert!(list.iter().eq(["host=a", "b"]));
        assert_eq!(SeriesKind.decode(list.bytes()), Decoded::Value(list));
        for damaged in [&b""[..], b"\x02", b"\x01\x00", b"\x01\x02a", b"\x01\x01/"] {
            let read = SeriesKind.decode(damaged);
            assert!(matches!(read, Decoded::Unreadable { .. }), "{damaged:?}");
        }
    }
}
