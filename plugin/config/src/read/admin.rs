//! Where the admin API answers.

use crate::error::ConfigError;
use crate::fields::AdminFields;
use crate::matching::{Host, check_prefix};
use crate::model::Admin;
use crate::reader::Reader;

pub(super) fn admin(from: &Reader<'_>) -> Result<Admin, ConfigError> {
    let mut refused = Ok(());
    let AdminFields { path_prefix, token, hosts } = AdminFields::read(from, &mut refused);
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
    Ok(Admin { path_prefix, token, hosts: named })
}
