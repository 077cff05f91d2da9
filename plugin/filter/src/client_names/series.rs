//! Which names have metrics of their own: a list that all workers share, and that only grows. A proxy
//! never forgets a metric, so a name that has made room keeps its own, and has them again when it
//! comes back.

use crate::effects::Effects;
use crate::host::{Host, SwapError, Version, define};
use crate::naming::{is_shown_byte, push_text, take_text};
use crate::services::Services;
use crate::store::ATTEMPTS;
use crate::unreadable::Unreadable;

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/names/series";

const FORMAT: u8 = 1;

/// What a list says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    Here,
    /// It is not, and so many others are.
    NotAmong(usize),
}

impl Services {
    /// Whether a name has metrics of its own, or may have some from now on.
    pub(super) fn has_series(&self, name: &str, host: &impl Host, effects: &mut Effects) -> bool {
        for _ in 0..ATTEMPTS {
            let Ok(stored) = host.load(KEY) else {
                return false;
            };
            let (bytes, version) = stored.unzip();
            let mut list = bytes.unwrap_or_else(|| vec![FORMAT]);
            let number = match look_up(&list, name) {
                Some(Listed::Here) => return true,
                Some(Listed::NotAmong(number)) => number,
                None => {
                    if let Some(version) = version
                        && !self.may_replace_series(&list, version, host, effects)
                    {
                        return false;
                    }
                    list = vec![FORMAT];
                    0
                }
            };
            if number >= self.config.max_services {
                return false;
            }
            push_text(&mut list, name);
            match host.swap(KEY, &list, version) {
                Ok(()) => return true,
                Err(SwapError::Conflict) => {}
                Err(SwapError::Fault(_)) => return false,
            }
        }
        false
    }

    fn may_replace_series(
        &self,
        bytes: &[u8],
        version: Version,
        host: &impl Host,
        effects: &mut Effects,
    ) -> bool {
        let value = Unreadable { bytes, version, known: FORMAT, service: None, problem: &"series" };
        self.instances.clients.series_watch.may_replace(&value, host, effects)
    }

    /// The number of the metrics that are a name's own, defined if they were not yet here.
    pub(super) fn own_series(&self, name: &str, host: &impl Host) -> usize {
        self.instances.series_named(name).unwrap_or_else(|| {
            let series = self.instances.add_series(name);
            define(series, name, host);
            series
        })
    }
}

/// `None`: it is no list.
fn look_up(list: &[u8], name: &str) -> Option<Listed> {
    let mut rest = list.strip_prefix(&[FORMAT])?;
    let mut number = 0_usize;
    while !rest.is_empty() {
        let (listed, after) = take_text(rest, is_shown_byte)?;
        if listed == name {
            return Some(Listed::Here);
        }
        rest = after;
        number = number.saturating_add(1);
    }
    Some(Listed::NotAmong(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_a_list() {
        let mut list = vec![FORMAT];
        assert_eq!(look_up(&list, "a"), Some(Listed::NotAmong(0)));
        push_text(&mut list, "host=a");
        push_text(&mut list, "b");
        assert_eq!(list, b"\x01\x06host=a\x01b");
        assert_eq!(look_up(&list, "b"), Some(Listed::Here));
        assert_eq!(look_up(&list, "a"), Some(Listed::NotAmong(2)));
        for damaged in [&b""[..], b"\x02", b"\x01\x00", b"\x01\x02a", b"\x01\x01/"] {
            assert_eq!(look_up(damaged, "a"), None, "{damaged:?}");
        }
    }
}
