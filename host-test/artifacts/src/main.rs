//! Builds all modules, and says where they are and how large: `make wasm`.

use anyhow::Result;

fn main() -> Result<()> {
    for module in [artifacts::proxy_wasm, artifacts::empty_filter, artifacts::component] {
        let path = module()?;
        println!("{:>9} {}", std::fs::metadata(&path)?.len(), path.display());
    }
    Ok(())
}
