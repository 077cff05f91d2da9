//! Builds the command line tool as it is handed out, and says where it is and how large: `make tool`.

use anyhow::Result;

fn main() -> Result<()> {
    let path = artifacts::tool::build()?;
    println!("{:>9} {}", std::fs::metadata(&path)?.len(), path.display());
    Ok(())
}
