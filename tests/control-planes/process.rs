//! Programs that run beside the tests, each with its log in a file.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a program may take for anything before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A program with all that it starts. Dropped, they are killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts a program in a folder, which is made if need be and gets its log.
    pub(crate) fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .current_dir(folder)
            .process_group(0);
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        Ok(Self { child, name: name.to_owned(), log })
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until its log holds this text, and returns the line that does.
    pub(crate) fn wait_for_log(&self, text: &str) -> Result<String> {
        until(&format!("{text:?} in the log of {}", self.name), || {
            Ok(self.log().lines().find(|line| line.contains(text)).map(str::to_owned))
        })
        .with_context(|| self.tail())
    }

    /// Fails if it has ended, with the end of its log.
    pub(crate) fn assert_runs(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended ({status}):\n{}", self.name, self.tail());
        }
        Ok(())
    }

    /// The end of its log.
    pub(crate) fn tail(&self) -> String {
        const LINES: usize = 30;
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        format!("{}:\n{}", self.name, lines[lines.len().saturating_sub(LINES)..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What it started is in its process group.
        let group = format!("-{}", self.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if let Ok(Some(found)) = answer {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            return match answer {
                Err(error) => Err(error.context(format!("no {what} in {PATIENCE:?}"))),
                Ok(_) => bail!("no {what} in {PATIENCE:?}"),
            };
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
