//! Where the admin API answers, and to whom.

use crate::error::ConfigError;
use crate::fields::AdminFields;
use crate::matching::{Host, check_prefix};
use crate::model::Admin;
use crate::reader::Reader;

pub(super) fn admin(from: &Reader<'_>) -> Result<Admin, ConfigError> {
    let mut refused = Ok(());
    let AdminFields { path_prefix, token, hosts, origins, mut peers } =
        AdminFields::read(from, &mut refused);
    refused?;
    check_prefix(&path_prefix)
        .map_err(|remedy| from.quoted("path_prefix", &path_prefix, &remedy))?;
    let mut named = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        // One host and no pattern: what it is told by is not to be guessed.
        let Some(one) = Host::new(host).ok().filter(Host::is_one) else {
            let remedy =
                r#"give a host, such as "breaker.internal" or "[fd00::7]", with or without a port"#;
            return Err(from.quoted(&format!("hosts[{index}]"), host, remedy));
        };
        named.push(one);
    }
    for (name, urls) in [("origins", &origins), ("peers", &peers)] {
        for (index, url) in urls.iter().enumerate() {
            let refused = |remedy| Err(from.quoted(&format!("{name}[{index}]"), url, remedy));
            // A page of another site could do what its visitors' addresses may.
            if token.is_none() {
                return refused("it takes a token: set admin.token");
            }
            match path_of(url) {
                Some("") => {}
                Some(path) if name == "peers" && is_prefix(path) => {}
                _ if name == "peers" => {
                    return refused(
                        r#"give the address of another admin API, such as "https://proxy-b.example:10001""#,
                    );
                }
                _ => {
                    return refused(
                        "give one origin as browsers write it, such as \"https://ops.example\": in lower \
                         case, with its port unless that is the usual one, and without a path",
                    );
                }
            }
        }
    }
    for peer in &mut peers {
        if path_of(peer) == Some("") {
            peer.push_str(&path_prefix);
        }
    }
    Ok(Admin { path_prefix, token, hosts: named, origins, peers })
}

/// What follows an origin, as browsers write it; `None`: it is none.
fn path_of(url: &str) -> Option<&str> {
    let (rest, usual) = match url.strip_prefix("http://") {
        Some(rest) => (rest, ":80"),
        None => (url.strip_prefix("https://")?, ":443"),
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_exact = !host.ends_with(usual) && !host.bytes().any(|byte| byte.is_ascii_uppercase());
    (is_exact && Host::new(host).is_ok_and(|host| host.is_one())).then_some(path)
}

/// Whether it can be what the paths of an API begin with. It becomes a part of a policy, in which some
/// signs mean something.
fn is_prefix(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~%-".contains(&byte);
    path.bytes().all(is_plain) && !path.ends_with('/')
}
