//! `breakerctl check`: is this configuration one that the proxy will take?
//!
//! No configuration is judged here. The module that the proxy will load is asked, and what it says is
//! brought to the line of the file it is about, what it refuses and what it doubts. What the module
//! cannot see, the place where its configuration stands, is looked at here, and warned of.

mod caution;
mod finding;
mod text;

use std::io::{Read, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::document::Position;
use crate::module::{Judgement, ModuleArgs, Refusal};
use crate::output::{self, Answer, BAD, BETWEEN, FAINT, GOOD};
use caution::Caution;
use finding::Finding;

/// Check a configuration before a proxy sees it
///
/// FILE is the plugin's own JSON, or YAML or JSON of one of these, in which the configurations
/// are found: Envoy (wasm HTTP filters), Istio (WasmPlugin, TrafficExtension, EnvoyFilter), Envoy
/// Gateway (EnvoyExtensionPolicy). Each is given to the module itself, in a sandbox. Warned of is what
/// lets clients steer the breaker: headers that nobody removes, an admin API without a token; and what
/// works, but will hardly be meant so: rates below a percent, services that no request can reach.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl check envoy/recipe.yaml
  breakerctl check breaker.json
  kubectl get wasmplugin -A -o yaml | breakerctl check -
  breakerctl check mesh.yaml --only edge-breaker     # the file has other wasm plugins, too

Exit status: 0 all are ok, warnings or not, 1 one is refused, 2 the file or the module cannot be used.")]
pub(crate) struct Args {
    /// The file; `-` reads standard input
    file: PathBuf,
    /// Check only the plugins of this name
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    module: ModuleArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    file: String,
    ok: bool,
    configurations: Vec<Checked>,
    warnings: Vec<Caution>,
}

#[derive(Debug, Serialize)]
struct Checked {
    place: String,
    line: usize,
    column: usize,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    line: usize,
    column: usize,
    #[serde(flatten)]
    refusal: Refusal,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Answer> {
    let (file, text) = read(&args.file)?;
    let mut found =
        finding::find(&text).map_err(|(at, message)| anyhow::anyhow!("{file}:{at}: {message}"))?;
    if !args.only.is_empty() {
        let plugins = &mut found.plugins;
        plugins.retain(|finding| finding.name.as_ref().is_some_and(|n| args.only.contains(n)));
    }
    if found.plugins.is_empty() {
        let whose = if args.only.is_empty() { "" } else { " of that name" };
        anyhow::bail!(
            "{file}: no plugin{whose} is configured here; looked for wasm filters of Envoy, and \
             for WasmPlugin, TrafficExtension, EnvoyFilter and EnvoyExtensionPolicy"
        );
    }
    let module = args.module.load()?;
    let mut warnings = caution::find(&found, &args.only);
    let configurations = found
        .plugins
        .iter()
        .map(|finding| {
            let Judgement { refusal, doubts } = module.judge(finding.text.bytes())?;
            warnings.extend(doubts.into_iter().map(|doubt| caution::doubt(finding, doubt)));
            let error = refusal.map(|refusal| problem(finding, refusal));
            let Position { line, column } = finding.text.at();
            Ok(Checked { place: finding.place.clone(), line, column, ok: error.is_none(), error })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let ok = configurations.iter().all(|c| c.ok);
    warnings.sort_by_key(|caution| (caution.line, caution.column));
    let report = Report { ok, file, configurations, warnings };
    if args.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Answer::from(report.ok))
}

/// Reads the file, which is named as the user names it.
fn read(path: &std::path::Path) -> anyhow::Result<(String, String)> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
        return Ok(("(standard input)".to_owned(), text));
    }
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {file}"))?;
    Ok((file, text))
}

fn problem(finding: &Finding, mut refusal: Refusal) -> Problem {
    let Position { line, column } = finding.text.locate(&mut refusal);
    Problem { line, column, refusal }
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let file = &report.file;
    for Checked { place, line, column, error, .. } in &report.configurations {
        match error {
            None => {
                writeln!(out, "{file}:{line}:{column}: {GOOD}ok{GOOD:#} {FAINT}{place}{FAINT:#}")?
            }
            Some(Problem { line, column, refusal }) => {
                writeln!(
                    out,
                    "{file}:{line}:{column}: {BAD}refused{BAD:#} {FAINT}{place}{FAINT:#}"
                )?;
                writeln!(out, "  {refusal}")?;
            }
        }
    }
    for Caution { place, line, column, what, remedy } in &report.warnings {
        writeln!(
            out,
            "{file}:{line}:{column}: {BETWEEN}warning{BETWEEN:#} {FAINT}{place}{FAINT:#}"
        )?;
        writeln!(out, "  {what}: {remedy}")?;
    }
    Ok(())
}
