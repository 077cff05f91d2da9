//! `breakerctl open`, `close` and the others: do as the operator says, by the admin API.

use anyhow::{Context as _, bail};

use crate::admin::{AdminArgs, Services};
use crate::output::{self, Answer};
use crate::table;

/// Which services a command is for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl open payment-service            # every call is diverted from now on
  breakerctl close payment-service           # closed now, and no longer forced open
  breakerctl disable payment-service         # out of the way
  breakerctl metrics-only 'host=*' --all     # decides and counts, and diverts nothing
  breakerctl enable payment-service          # what it decides is heeded
  breakerctl reset payment-service           # as configured, and as if it had seen nothing
  breakerctl reset --all --admin http://10.0.0.7:9000/circuit-breaker --token-file token.txt

It holds for all workers of that proxy with their next request, and through new configurations until \
`reset`; for no other proxy.

Exit status: 0 done, 2 no answer, or no such service: nothing was changed then.")]
pub(crate) struct Args {
    /// Their names, or patterns of them with `*`
    #[arg(value_name = "SERVICE", required_unless_present = "all")]
    services: Vec<String>,
    /// Command all that a pattern fits; without any SERVICE, all there are
    #[arg(long)]
    all: bool,
    /// Answer as JSON, with all that the admin API tells
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Gives a command, by its name in the admin API.
pub(crate) fn run(args: &Args, command: &str) -> anyhow::Result<Answer> {
    let admin = args.admin.open()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let names = meant(args, &admin.services().await?)?;
        let mut changed = Services { services: Vec::new(), note: None, now: None };
        for name in &names {
            let service = admin.command(name, command).await.with_context(|| {
                let done: Vec<_> = changed.services.iter().map(|it| &*it.service_name).collect();
                let done = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
                format!("{command} {name} (done before that: {done})")
            })?;
            changed.services.push(service);
        }
        if args.json {
            output::json(&changed)?;
        } else {
            table::write(&mut anstream::stdout().lock(), &changed.services)?;
        }
        Ok(Answer::Yes)
    })
}

/// The names of the services that are meant. Before anything is changed they are all known.
fn meant(args: &Args, all: &Services) -> anyhow::Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    let everything = [String::from("*")];
    let wanted = if args.services.is_empty() { &everything[..] } else { &args.services };
    for pattern in wanted {
        let of = |fits: &dyn Fn(&str) -> bool| {
            let found = all.services.iter().map(|it| it.service_name.as_str());
            found.filter(|name| fits(name)).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut found = of(&|name| name == pattern);
        if found.is_empty() {
            found = of(&|name| crate::pattern::fits(pattern, name));
        }
        match found.len() {
            0 => bail!("there is no service {pattern}; {}", all.names()),
            1 => {}
            _ if args.all => {}
            _ => bail!(
                "{pattern} fits several services: {}; name one, or give --all for all of them",
                found.join(", ")
            ),
        }
        found.retain(|name| !names.contains(name));
        names.extend(found);
    }
    Ok(names)
}
