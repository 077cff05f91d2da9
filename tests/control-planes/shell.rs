//! The commands of a page, run one after the other in a shell, as a reader does who copies them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use envoy_harness::repo_root;
use tests::pages::Page;

use crate::cluster::Cluster;

/// The programs whose every call on a page has to be run.
const PROGRAMS: [&str; 4] = ["kubectl", "istioctl", "egctl", "curl"];

/// How long a block may take: the first builds the module, if make has not done so before.
const LONGEST: Duration = Duration::from_secs(600);

/// What ends what a command says.
const END: &str = "-- end of the command:";

/// A page and a shell. Dropped, the shell and what runs behind it are killed.
pub(crate) struct Shell {
    page: Page,
    process: Child,
    input: ChildStdin,
    output: Receiver<String>,
    run: BTreeSet<String>,
}

impl Shell {
    /// A shell in a folder, with variables that the page leaves to its reader.
    pub(crate) fn start(
        cluster: &Cluster,
        page: &str,
        folder: &Path,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let mut command = Command::new("bash");
        cluster.environment(&mut command);
        // `breakerctl`, as make has built it.
        let built = [repo_root().join("target/debug")];
        let path = command.get_envs().find_map(|(name, value)| (name == "PATH").then_some(value?));
        let path = path.context("no PATH")?.to_owned();
        let path = std::env::join_paths(built.into_iter().chain(std::env::split_paths(&path)))?;
        command.env("PATH", path);
        command
            .envs(variables.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut process = command.spawn().context("no bash")?;
        let mut input = process.stdin.take().context("no input")?;
        let lines = BufReader::new(process.stdout.take().context("no output")?);
        // A command fails a block wherever it is in it.
        writeln!(input, "exec 2>&1\ntrap 'failed=1' ERR")?;
        let (sender, output) = channel();
        thread::spawn(move || {
            lines
                .split(b'\n')
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(String::from_utf8_lossy(&line).into_owned()))
        });
        Ok(Self { page: Page::read(page)?, process, input, output, run: BTreeSet::new() })
    }

    /// Runs the one block of the page that contains this, and returns what it says.
    pub(crate) fn block(&mut self, with: &str) -> Result<String> {
        let shell = |kind: &&str| kind.split(' ').next() == Some("sh");
        let blocks = self.page.blocks();
        let mut blocks =
            blocks.into_iter().filter(|(kind, text)| shell(kind) && text.contains(with));
        let block = blocks.next().with_context(|| format!("no block with {with:?}"))?.1.to_owned();
        ensure!(blocks.next().is_none(), "several blocks with {with:?}");
        self.run(&block)
    }

    /// Runs something in another folder.
    pub(crate) fn inside<T>(
        &mut self,
        folder: &Path,
        run: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.execute(&format!("cd '{}'", folder.display()))?;
        let done = run(self)?;
        self.execute("cd \"$OLDPWD\"")?;
        Ok(done)
    }

    /// Runs the one command in the text of the page that begins like this, with what it leaves to its reader
    /// filled in.
    pub(crate) fn inline(&mut self, start: &str, filled: &[(&str, &str)]) -> Result<String> {
        let spans = inline(&self.page);
        let command = spans.into_iter().find(|span| span.starts_with(start));
        let command = command.with_context(|| format!("no {start:?} in the text"))?;
        self.run.insert(command.clone());
        let filled = filled.iter().fold(command, |text, (name, value)| text.replace(name, value));
        self.execute(&filled)
    }

    /// Runs each line of a block, or of several.
    pub(crate) fn run(&mut self, block: &str) -> Result<String> {
        self.run.extend(commands(block));
        self.execute(block)
    }

    fn execute(&mut self, text: &str) -> Result<String> {
        let text = text.trim_end();
        writeln!(self.input, "failed=0\n{{ {text}\n}} </dev/null\necho \"{END} $failed\"")?;
        let mut said = String::new();
        loop {
            let line = self.output.recv_timeout(LONGEST);
            let line = line.with_context(|| format!("{text}\n{said}\ndoes not end"))?;
            match line.split_once(END) {
                Some((rest, code)) => {
                    said.push_str(rest);
                    if code.trim() != "0" {
                        bail!("{text}\n{said}\none of these commands failed");
                    }
                    return Ok(said);
                }
                None => said.extend([line.as_str(), "\n"]),
            }
        }
    }

    /// Every command of the page was run.
    pub(crate) fn assert_all_were_run(&self) {
        let blocks = self.page.blocks();
        let blocks = blocks.into_iter().filter(|(kind, _)| kind.split(' ').next() == Some("sh"));
        let all = blocks.flat_map(|(_, text)| commands(text)).chain(inline(&self.page));
        let mut missed: Vec<_> = all.filter(|command| !self.run.contains(command)).collect();
        missed.retain(|command| PROGRAMS.iter().any(|program| command.contains(program)));
        assert!(missed.is_empty(), "not run: {missed:#?}");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.wait();
    }
}

/// A folder that is to commands what a clone is in which a reader has a copy of a sample.
pub(crate) fn clone_with(cluster: &Cluster, sample: &str) -> Result<PathBuf> {
    let folder = cluster.folder().join("page");
    fs::create_dir_all(&folder)?;
    symlink(repo_root().join("target"), folder.join("target"))?;
    fs::copy(repo_root().join(sample), folder.join("gateway.yaml"))?;
    Ok(folder)
}

/// The lines of a block, those that go on in the next put together.
fn commands(block: &str) -> Vec<String> {
    block.replace("\\\n", "").lines().map(|line| line.trim().to_owned()).collect()
}

/// The commands in the text of a page: a program with something behind it.
fn inline(page: &Page) -> Vec<String> {
    let text: String = page.text().split("```").step_by(2).collect();
    let spans = text.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " "));
    let is_command = |span: &String| {
        PROGRAMS.iter().any(|it| span.strip_prefix(it).is_some_and(|rest| rest.starts_with(' ')))
    };
    spans.filter(is_command).collect()
}
