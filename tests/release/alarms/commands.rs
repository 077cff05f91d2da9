//! The commands of the runbooks, each sent to where it says.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use envoy_harness::client::empty;
use http::Request;
use tests::Edge;

use crate::alarms::runbooks;

/// A `curl` command of a runbook.
struct Command {
    line: String,
    method: &'static str,
    port: u16,
    path: String,
}

fn commands() -> Result<Vec<Command>> {
    let page = runbooks::page()?;
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    blocks.flat_map(str::lines).filter(|line| line.starts_with("curl ")).map(parse).collect()
}

fn parse(line: &str) -> Result<Command> {
    let method = if line.contains(" -X POST ") { "POST" } else { "GET" };
    let url = line.split([' ', '\'']).find_map(|word| word.strip_prefix("http://127.0.0.1:"));
    let (port, path) = url.and_then(|url| url.split_once('/')).context(line.to_owned())?;
    // As curl sends it; only that this client is stricter.
    let path = path.replace('|', "%7C").replace('^', "%5E");
    Ok(Command { line: line.to_owned(), method, port: port.parse()?, path: format!("/{path}") })
}

fn address(edge: &Edge, port: u16) -> Result<SocketAddr> {
    Ok(match port {
        10_001 => edge.admin,
        9_901 => edge.envoy.admin_addr(),
        8_083 => edge.services.health(),
        port => anyhow::bail!("nobody listens on port {port} in the recipe"),
    })
}

#[tokio::test]
async fn every_command_of_the_runbooks_is_answered() -> Result<()> {
    let edge = Edge::recipe(1).await?;
    let commands = commands()?;
    ensure!(!commands.is_empty(), "no commands");
    for Command { line, method, port, path } in commands {
        let url = format!("http://{}{path}", address(&edge, port)?);
        let mut request = Request::builder().method(method).uri(url);
        if line.contains(" -H 'content-type: application/json' ") {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(empty())?;
        let answer = edge.client.send(request).await.with_context(|| line.clone())?;
        ensure!(answer.status.is_success(), "{line}: {} {}", answer.status, answer.text());
        ensure!(!answer.text().trim().is_empty(), "{line}: nothing");
    }
    Ok(())
}
