//! Compiled modules that are kept: who starts often need not compile often.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::module::{LoadError, Module, Options};

/// What a file begins with. The number is that of its form.
const MAGIC: &[u8; 16] = b"wasm-host cache1";

/// Mode bits of others than the owner that let them write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// How many files this process has begun to write: each needs a name of its own.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// A directory of compiled modules.
///
/// What is in there is run as it is, so it is only looked at if nobody but this user can have
/// written it: directory and file have to be this user's own, and writable by nobody else. A file
/// holds the module itself beside the machine code made of it, and a checksum. One that is of
/// another module, of another version or other options of the engine, of another machine, or
/// damaged, is made anew. It is written beside its place and then moved there, so nobody ever
/// sees half of it.
#[derive(Clone, Debug)]
pub struct Cache(PathBuf);

/// Where a module came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was compiled.
    Compiled,
    /// It was compiled before.
    Cached,
}

impl Cache {
    /// A cache in a directory, which is made when something is kept in it.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// This user's, in `$XDG_CACHE_HOME`, else in `~/.cache`. `None`: there is neither.
    #[must_use]
    pub fn of_user(name: &str) -> Option<Self> {
        let absolute = |path: &PathBuf| path.is_absolute();
        let set = |name| std::env::var_os(name).map(PathBuf::from).filter(absolute);
        let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
        Some(Self::new(caches.join(name)))
    }

    /// Loads a module if it was kept, else compiles and keeps it. A cache that cannot be used
    /// is no error, only no use.
    ///
    /// # Errors
    ///
    /// As for [`Module::new`].
    pub fn load(&self, bytes: &[u8], options: &Options) -> Result<(Module, Origin), LoadError> {
        let name = name(bytes, Module::compatibility(options)?);
        if let Some(code) = self.read(&name, bytes)
            && let Some(module) = revive(&code, options)
        {
            return Ok((module, Origin::Cached));
        }
        let module = Module::new(bytes, options)?;
        let _ = module.precompiled().map(|code| self.keep(&name, bytes, &code));
        Ok((module, Origin::Compiled))
    }

    /// The machine code that was kept for these very bytes.
    fn read(&self, name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        if !is_ours(&fs::symlink_metadata(&self.0).ok()?) {
            return None;
        }
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_CLOEXEC;
        let mut file =
            OpenOptions::new().read(true).custom_flags(flags).open(self.0.join(name)).ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || !is_ours(&metadata) {
            return None;
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).ok()?;
        let rest = content.strip_prefix(MAGIC)?;
        let (sum, rest) = rest.split_first_chunk()?;
        let code = rest.strip_prefix(bytes)?;
        (u64::from_le_bytes(*sum) == checksum(bytes, code)).then(|| code.to_vec())
    }

    fn keep(&self, name: &str, bytes: &[u8], code: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        if !is_ours(&fs::symlink_metadata(&self.0)?) {
            return Ok(());
        }
        let count = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let beside = self.0.join(format!("{name}.{}.{count}", std::process::id()));
        let written = write(&beside, &[MAGIC, &checksum(bytes, code).to_le_bytes(), bytes, code])
            .and_then(|()| fs::rename(&beside, self.0.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }
}

fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    // One that was left behind by a process of this number.
    let _ = fs::remove_file(path);
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

/// Whether nobody but this user can have written it.
fn is_ours(metadata: &fs::Metadata) -> bool {
    metadata.uid() == nix::unistd::geteuid().as_raw()
        && metadata.mode() & WRITABLE_BY_OTHERS == 0
        && !metadata.is_symlink()
}

#[allow(unsafe_code, reason = "machine code cannot be checked, only where it comes from")]
fn revive(code: &[u8], options: &Options) -> Option<Module> {
    // SAFETY: `read` gives what `keep` has written of `precompiled`, from where only this user can
    // write, and whole.
    unsafe { Module::from_precompiled(code, options) }.ok()
}

/// The name of a file. Should two modules have the same, their files take each other's place.
fn name(bytes: &[u8], compatibility: u64) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}-{compatibility:016x}.cwasm", hasher.finish())
}

fn checksum(bytes: &[u8], code: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (bytes, code).hash(&mut hasher);
    hasher.finish()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compiled => "compiled",
            Self::Cached => "from the cache",
        })
    }
}
