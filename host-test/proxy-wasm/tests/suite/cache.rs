//! Compiled modules that are kept.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use host_test_proxy_wasm::{Cache, Options, Origin, Plugin, Process, Worker};

use crate::guest::assembled;
use crate::support::exchange;

/// Loads a module through a cache, and has it serve a request.
fn load(directory: &Path, body: &str, options: &Options) -> Origin {
    let cache = Cache::new(directory);
    let (module, origin) = cache.load(&assembled(body), options).unwrap();
    let mut worker = Worker::start(&Process::new(), &module, Plugin::default(), b"").unwrap();
    assert_eq!(exchange(&mut worker, 200).status(), Some(200));
    origin
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_module_is_compiled_once_for_its_bytes_and_its_options() {
    let room = tempfile::tempdir().unwrap();
    let directory = room.path().join("deep/cache");
    let options = Options::default();
    assert_eq!(load(&directory, "", &options), Origin::Compiled);
    assert_eq!(load(&directory, "", &options), Origin::Cached);
    assert_eq!(load(&directory, "(func)", &options), Origin::Compiled, "another module");
    let other = Options { metered: false, ..options };
    assert_eq!(load(&directory, "", &other), Origin::Compiled, "another engine");
    assert_eq!(files(&directory).len(), 3, "and nothing is left behind");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert!(files(&directory).iter().all(|file| mode(file) == 0o600));
}

#[test]
fn a_file_that_is_damaged_is_made_anew() {
    let room = tempfile::tempdir().unwrap();
    let (directory, options) = (room.path().join("cache"), Options::default());
    load(&directory, "", &options);
    let file = files(&directory).remove(0);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    let last = flipped.len() - 100;
    flipped[last] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..20], b"", b"foreign"] {
        fs::write(&file, damaged).unwrap();
        assert_eq!(load(&directory, "", &options), Origin::Compiled);
        assert_eq!(load(&directory, "", &options), Origin::Cached);
    }
}

#[test]
fn a_file_of_another_module_is_not_run() {
    let room = tempfile::tempdir().unwrap();
    let (directory, options) = (room.path().join("cache"), Options::default());
    load(&directory, "(func)", &options);
    let other = files(&directory).remove(0);
    load(&directory, "", &options);
    let file = files(&directory).into_iter().find(|file| *file != other).unwrap();
    fs::copy(&other, &file).unwrap();
    assert_eq!(load(&directory, "", &options), Origin::Compiled);
}

#[test]
fn a_file_that_others_can_write_is_not_trusted() {
    let room = tempfile::tempdir().unwrap();
    let (directory, options) = (room.path().join("cache"), Options::default());
    load(&directory, "", &options);
    let file = files(&directory).remove(0);
    set_mode(&file, 0o620);
    assert_eq!(load(&directory, "", &options), Origin::Compiled, "a file of the group's");
    assert_eq!(load(&directory, "", &options), Origin::Cached, "another has taken its place");
    set_mode(&directory, 0o777);
    assert_eq!(load(&directory, "", &options), Origin::Compiled, "a directory of everybody's");
    set_mode(&directory, 0o700);
    let elsewhere = room.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    assert_eq!(load(&directory, "", &options), Origin::Compiled, "a link to somewhere else");
}

#[test]
fn a_cache_that_cannot_be_used_is_no_error() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(load(&file.join("cache"), "", &Options::default()), Origin::Compiled);
}
