//! Names of services: written out, or templates with what the proxy knows of a request.
//!
//! A dynamic service's name becomes part of keys, of metrics' names, of log lines and of paths, and a
//! client may have chosen some of it. So it keeps only bytes that mean nothing in any of these; all
//! others become underscores.
//!
//! A client-named service, whose template has `{host}`, never shares its name with another service.
//! Where it could, by what is configured, it is shown with its template and a `=` before it, which no
//! other name has: `host=payment`.

use std::hash::Hasher as _;

use crate::hash::Hash;

/// The longest name there is.
pub const LONGEST_NAME: usize = 128;

/// A service's name as it is configured.
#[derive(Debug)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Of(Placeholder),
}

/// What stands for a part of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The upstream cluster of the route.
    Cluster,
    /// The authority, in lower case and without its port.
    Host,
    /// The name of the route.
    Route,
}

impl Placeholder {
    fn named(name: &str) -> Option<Self> {
        match name {
            "cluster" => Some(Self::Cluster),
            "host" => Some(Self::Host),
            "route" => Some(Self::Route),
            _ => None,
        }
    }
}

impl Template {
    /// Reads a name; the error says what would be right.
    pub fn new(text: String) -> Result<Self, &'static str> {
        const PLAIN: &str = "use 1 to 128 letters, digits, `-`, `_`, `.` or `~`, and `{cluster}`, \
                             `{host}` or `{route}` for what is known of a request";
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (before, placeholder) = match rest.split_once('{') {
                Some((before, after)) => (before, Some(after)),
                None => (rest, None),
            };
            if !before.bytes().all(plain) {
                return Err(PLAIN);
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            rest = match placeholder {
                Some(after) => {
                    let (name, after) = after.split_once('}').ok_or(PLAIN)?;
                    parts.push(Part::Of(Placeholder::named(name).ok_or(PLAIN)?));
                    after
                }
                None => "",
            };
        }
        if parts.is_empty() || text.len() > LONGEST_NAME {
            return Err(PLAIN);
        }
        Ok(Self { text, parts })
    }

    /// As it is written.
    #[inline]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is a name, without any placeholder.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether clients choose some of the name.
    #[inline]
    pub fn is_of_clients(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Of(Placeholder::Host)))
    }

    /// What is shown before a name of this template where it could be another service's: `host=`.
    pub fn mark(&self) -> String {
        let text = self.text.bytes().filter(|byte| !b"{}".contains(byte)).map(char::from);
        text.chain([char::from(MARK)]).collect()
    }

    /// Whether a name could be of this template as well, as far as metrics tell names apart.
    pub fn could_make(&self, name: &str) -> bool {
        // It may have been cut, and lack what the template ends in.
        if name.len() >= LONGEST_NAME && !self.is_plain() {
            return true;
        }
        let mut rest = name.as_bytes();
        let mut after_text = true;
        for part in &self.parts {
            let Part::Text(text) = part else {
                after_text = false;
                continue;
            };
            let found = match after_text {
                true => starts_with(rest, text.as_bytes()).then_some(0),
                false => (0..rest.len())
                    .find(|at| starts_with(rest.get(*at..).unwrap_or_default(), text.as_bytes())),
            };
            let Some(found) = found else {
                return false;
            };
            rest = rest.get(found.saturating_add(text.len())..).unwrap_or_default();
            after_text = true;
        }
        // The last text may have been found too early: it is at the end as well, then.
        match self.parts.last() {
            Some(Part::Text(text)) if self.parts.len() > 1 => {
                let start = name.len().checked_sub(text.len());
                start.is_some_and(|start| {
                    starts_with(name.as_bytes().get(start..).unwrap_or_default(), text.as_bytes())
                })
            }
            Some(Part::Text(_)) => rest.is_empty(),
            _ => true,
        }
    }

    /// The name for a request, given what stands in its parts; `None`: some of it is not known.
    #[inline]
    pub fn make(&self, mut value: impl FnMut(Placeholder) -> Option<Vec<u8>>) -> Option<String> {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Of(placeholder) => {
                    let value = value(*placeholder).filter(|value| !value.is_empty())?;
                    name.extend(value.into_iter().map(harmless));
                }
            }
        }
        Some(shortened(name))
    }
}

/// The byte that no other name has: neither a client nor the proxy can bring it in.
const MARK: u8 = b'=';

/// As metrics compare: a dot is an underscore.
fn starts_with(name: &[u8], text: &[u8]) -> bool {
    let plain = |byte: &u8| if *byte == b'.' { b'_' } else { *byte };
    name.len() >= text.len()
        && name.iter().map(plain).zip(text.iter().map(plain)).all(|(a, b)| a == b)
}

#[inline]
fn harmless(byte: u8) -> char {
    if is_name_byte(byte) { char::from(byte) } else { '_' }
}

/// Whether the name of a dynamic service may have this byte.
#[inline]
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~|:@+[]".contains(&byte)
}

/// Whether a name that is shown may have this byte.
#[inline]
pub fn is_shown_byte(byte: u8) -> bool {
    is_name_byte(byte) || byte == MARK
}

/// Ends a name that is too long in a number made of all of it, so that names that begin alike are
/// still two.
pub fn shortened(mut name: String) -> String {
    const TAIL: usize = 17;
    if name.len() > LONGEST_NAME {
        let hash = Hash::default().text(&name).finish();
        // It has one byte to a character.
        name.truncate(LONGEST_NAME.saturating_sub(TAIL));
        name.push_str(&format!("~{:016x}", hash));
    }
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    fn made(template: &str, value: &[u8]) -> Option<String> {
        Template::new(template.to_owned()).unwrap().make(|_| Some(value.to_vec()))
    }

    #[test]
    fn a_name_is_made_of_text_and_of_what_is_known() {
        let template = Template::new("a-{cluster}.{route}".to_owned()).unwrap();
        let value = |placeholder| match placeholder {
            Placeholder::Cluster => Some(b"payment".to_vec()),
            Placeholder::Route => Some(b"pay".to_vec()),
            Placeholder::Host => None,
        };
        assert_eq!(template.make(value).as_deref(), Some("a-payment.pay"));
        assert!(!template.is_plain());
        assert!(Template::new("a.b~c-d_e".to_owned()).unwrap().is_plain());
    }

    #[test]
    fn without_a_value_there_is_no_name() {
        assert_eq!(Template::new("{host}".to_owned()).unwrap().make(|_| None), None);
        assert_eq!(made("{host}", b""), None);
    }

    #[test]
    fn a_mesh_s_names_are_kept() {
        let name = "outbound|80||reviews.default.svc.cluster.local";
        assert_eq!(made("{cluster}", name.as_bytes()).as_deref(), Some(name));
        assert_eq!(made("{host}", b"[::1]").as_deref(), Some("[::1]"));
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_an_underscore() {
        let hostile = b"a/b%c?d#e\"f\\g;h=i{j}k,l m\nn\xffo<p>q&r's";
        assert_eq!(
            made("{cluster}", hostile).as_deref(),
            Some("a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_r_s")
        );
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (one, other) = ([b'a'; 300], [b'a'; 301]);
        let (one, other) = (made("{host}", &one).unwrap(), made("{host}", &other).unwrap());
        assert_eq!((one.len(), other.len()), (LONGEST_NAME, LONGEST_NAME));
        assert_ne!(one, other);
        assert_eq!(made("{host}", &[b'a'; 128]).unwrap(), "a".repeat(128));
    }

    #[test]
    fn a_name_that_another_template_could_make_is_known() {
        let could = |template: &str, name: &str| {
            Template::new(template.to_owned()).unwrap().could_make(name)
        };
        for (template, name) in [
            ("payment", "payment"),
            ("a.b", "a_b"),
            ("a_b", "a.b"),
            ("{cluster}", "anything"),
            ("mesh-{cluster}", "mesh-a"),
            ("{cluster}-x", "x-x-x"),
            ("a-{cluster}-b-{route}-c", "a-1-b-2-c"),
            ("a.{cluster}", "a_b"),
            ("{cluster}-x", &"a".repeat(LONGEST_NAME)),
        ] {
            assert!(could(template, name), "{template} {name}");
        }
        for (template, name) in [
            ("payment", "payments"),
            ("payment", "paymen"),
            ("mesh-{cluster}", "mes"),
            ("mesh-{cluster}", "x-mesh-a"),
            ("{cluster}-x", "x-x-y"),
            ("a-{cluster}-b-{route}-c", "a-1-c-2-b"),
            ("payment", &"a".repeat(LONGEST_NAME)),
        ] {
            assert!(!could(template, name), "{template} {name}");
        }
    }

    #[test]
    fn a_mark_is_the_template_and_what_no_name_has() {
        let mark = |text: &str| Template::new(text.to_owned()).unwrap().mark();
        assert_eq!(
            (mark("{host}"), mark("x-{host}.{route}")),
            ("host=".into(), "x-host.route=".into())
        );
        assert_eq!(made("{host}", b"host=a").as_deref(), Some("host_a"));
    }

    #[test]
    fn a_template_that_cannot_be_is_refused() {
        for text in ["", "{", "}", "{}", "a{cluster", "{Cluster}", "a/b", "{path}", "{{cluster}}"] {
            assert!(Template::new(text.to_owned()).is_err(), "{text}");
        }
        assert!(Template::new("a".repeat(129)).is_err());
    }
}
