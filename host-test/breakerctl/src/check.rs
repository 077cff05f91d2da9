//! `breakerctl check`: is this configuration one that the proxy will take?
//!
//! No configuration is judged here. The module that the proxy will load is asked, and what it says is
//! brought to the line of the file it is about, what it refuses and what it warns of. What the module
//! cannot see, the place where its configuration stands, is looked at here, and warned of.

mod embedded;
mod envoy;
mod filter;
pub(crate) mod finding;
mod services;
mod text;
mod warning;

use std::io::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use crate::document::Position;
use crate::input;
use crate::module::{Judgement, ModuleArgs, Remark};
use crate::output::{self, Answer, BAD, BETWEEN, FAINT, GOOD};
use finding::Finding;
use warning::Warning;

/// Check a configuration before a proxy sees it
///
/// FILE is the plugin's own JSON or YAML, or YAML or JSON of one of these, in which the configurations
/// are found: Envoy (wasm HTTP filters, and the dynamic module's), Istio (WasmPlugin, TrafficExtension,
/// EnvoyFilter), Envoy Gateway (EnvoyExtensionPolicy), Higress (WasmPlugin), and any of these in a ConfigMap.
/// Each is given to the module itself, in a sandbox. Warned of is what is odd around it: headers by which clients could
/// choose a cluster, an admin API without a token, routes, clusters, filters and labels; and what works, but will
/// hardly be meant so: rates below a percent, services that no request can reach.
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
    warnings: Vec<Warning>,
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
    refusal: Remark,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Answer> {
    let (file, text) = input::read(&args.file)?;
    let found = finding::find_in(&file, &text, &args.only)?;
    let module = args.module.load()?;
    let mut warnings = warning::find(&found, &args.only);
    let configurations = found
        .plugins
        .iter()
        .map(|finding| {
            let Judgement { refusal, warnings: own } = module.judge(finding.text.bytes())?;
            warnings.extend(own.into_iter().map(|remark| warning::of_module(finding, remark)));
            let error = refusal.map(|refusal| problem(finding, refusal));
            let Position { line, column } = finding.text.at();
            Ok(Checked { place: finding.place.clone(), line, column, ok: error.is_none(), error })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let ok = configurations.iter().all(|c| c.ok);
    warnings.sort_by_key(|warning| (warning.line, warning.column));
    let report = Report { ok, file, configurations, warnings };
    if args.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(Answer::from(report.ok))
}

fn problem(finding: &Finding, mut refusal: Remark) -> Problem {
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
    for Warning { place, line, column, what, remedy } in &report.warnings {
        writeln!(
            out,
            "{file}:{line}:{column}: {BETWEEN}warning{BETWEEN:#} {FAINT}{place}{FAINT:#}"
        )?;
        writeln!(out, "  {what}: {remedy}")?;
    }
    Ok(())
}
