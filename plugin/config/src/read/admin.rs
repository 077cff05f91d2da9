//! Where the admin API answers.

use crate::error::ConfigError;
use crate::fields::AdminFields;
use crate::matching::{Host, check_prefix};
use crate::model::Admin;
use crate::reader::Reader;

pub(super) fn admin(from: &Reader<'_>) -> Result<Admin, ConfigError> {
    let AdminFields { path_prefix, token, hosts } = AdminFields::read(from)?;
    check_prefix(&path_prefix)
        .map_err(|remedy| from.quoted("path_prefix", &path_prefix, &remedy))?;
    let hosts = hosts.iter().enumerate().map(|(index, host)| {
        // One host and no pattern: what it is told by is not to be guessed.
        Host::new(host).ok().filter(Host::is_one).ok_or_else(|| {
            let remedy =
                r#"give a host, such as "breaker.internal" or "[fd00::7]", with or without a port"#;
            from.error(&format!("hosts[{index}]"), format_args!("{host:?}"), remedy)
        })
    });
    let hosts = hosts.collect::<Result<_, _>>()?;
    Ok(Admin { path_prefix, token, hosts })
}
