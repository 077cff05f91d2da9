//! What requests are matched by.

use std::fmt;

use crate::error::ConfigError;
use crate::fields::HEADER_MATCH;
use crate::json::quoted;
use crate::matching::{Glob, HeaderRule, Host, Match, check_method, check_prefix};
use crate::path::Path;
use crate::reader::Reader;
use crate::value::Value;

/// Reads a match; where it is left out, it matches all requests.
pub(super) fn match_of(from: &Reader<'_>) -> Result<Match, ConfigError> {
    Ok(Match {
        hosts: texts(from, "hosts", Host::new)?,
        path_prefixes: texts(from, "path_prefixes", |text| {
            check_prefix(text).map(|()| text.to_owned())
        })?,
        methods: texts(from, "methods", |text| check_method(text).map(|()| text.to_owned()))?,
        headers: header_rules(from)?,
        clusters: texts(from, "clusters", Glob::new)?,
    })
}

fn texts<R, E: fmt::Display>(
    from: &Reader<'_>,
    kind: &str,
    rule: impl Fn(&str) -> Result<R, E>,
) -> Result<Option<Vec<R>>, ConfigError> {
    let Some(given) = given(from, kind)? else {
        return Ok(None);
    };
    let mut rules = Vec::new();
    for (index, entry) in given.iter().enumerate() {
        if let Value::Text(text) = entry {
            let refused = |remedy: E| refused(from, kind, index, quoted(text), remedy.to_string());
            rules.push(rule(text).map_err(refused)?);
        }
    }
    Ok(Some(rules))
}

fn header_rules(from: &Reader<'_>) -> Result<Option<Vec<HeaderRule>>, ConfigError> {
    let Some(given) = given(from, "headers")? else {
        return Ok(None);
    };
    let mut rules = Vec::new();
    for (index, entry) in given.iter().enumerate() {
        if let Value::Object(object) = entry {
            let entry = Reader::of(&HEADER_MATCH, object, Path::Root);
            let (name, exact): (String, _) = (entry.get("name")?, entry.get("exact")?);
            let rule = HeaderRule::new(&name, exact, entry.get("prefix")?, entry.get("present")?);
            let refused =
                |remedy: &str| refused(from, "headers", index, entry.json(), remedy.to_owned());
            rules.push(rule.map_err(refused)?);
        }
    }
    Ok(Some(rules))
}

/// The entries of one kind; an empty kind would match nothing.
fn given<'a>(from: &Reader<'a>, kind: &str) -> Result<Option<&'a [Value]>, ConfigError> {
    let given = from.entries(kind)?;
    if given.is_some_and(<[_]>::is_empty) {
        let remedy = "an empty list matches nothing: give an entry, or leave the field out";
        return Err(from.error(kind, "[]", remedy));
    }
    Ok(given)
}

fn refused(
    from: &Reader<'_>,
    kind: &str,
    index: usize,
    value: String,
    remedy: String,
) -> ConfigError {
    ConfigError::at(&format_args!("{}[{index}]", from.path_of(kind)), &value, &remedy)
}
