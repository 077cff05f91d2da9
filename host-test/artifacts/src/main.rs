//! Builds all modules, and says where they are and how large: `make wasm`.

use std::thread;

use anyhow::{Result, anyhow};

fn main() -> Result<()> {
    // Side by side: who waits to be packed, because cargo builds the tests meanwhile, keeps nobody up.
    let modules = [artifacts::proxy_wasm, artifacts::empty_filter, artifacts::component];
    for module in modules.map(thread::spawn) {
        let path = module.join().map_err(|_| anyhow!("it has panicked"))??;
        println!("{:>9} {}", std::fs::metadata(&path)?.len(), path.display());
    }
    Ok(())
}
