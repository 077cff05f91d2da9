//! Builds all modules, or those that are named by where they are put, and says where they are and how large:
//! `make wasm`.

use std::path::PathBuf;
use std::{env, thread};

use anyhow::{Result, anyhow, bail};

type Build = fn() -> Result<PathBuf>;

const MODULES: [(&str, Build); 3] = [
    (artifacts::PROXY_WASM, artifacts::proxy_wasm),
    (artifacts::EMPTY_FILTER, artifacts::empty_filter),
    (artifacts::COMPONENT, artifacts::component),
];

fn main() -> Result<()> {
    let named: Vec<String> = env::args().skip(1).collect();
    let mut wanted: Vec<Build> = Vec::new();
    for name in &named {
        match MODULES.iter().find(|(path, _)| path == name) {
            Some((_, build)) => wanted.push(*build),
            None => bail!("{name} is none of {}", MODULES.map(|(path, _)| path).join(", ")),
        }
    }
    if named.is_empty() {
        wanted.extend(MODULES.map(|(_, build)| build));
    }
    // Side by side: who waits to be packed, because cargo builds the tests meanwhile, keeps nobody up.
    let building: Vec<_> = wanted.into_iter().map(thread::spawn).collect();
    for module in building {
        let path = module.join().map_err(|_| anyhow!("it has panicked"))??;
        println!("{:>9} {}", std::fs::metadata(&path)?.len(), path.display());
    }
    Ok(())
}
