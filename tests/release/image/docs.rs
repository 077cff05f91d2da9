//! docs/packaging.md, taken at its word.

use anyhow::{Context, Result, ensure};
use envoy_harness::repo_root;
use tests::registry::{Registry, skopeo};

use crate::image::image;
use crate::image::registry::manifest;

/// The commands of the page that begin so, with the image and the registry of the test.
fn commands(start: &str, registry: &Registry) -> Result<Vec<String>> {
    let page = std::fs::read_to_string(repo_root().join("docs/packaging.md"))?;
    let layout = image().folder().display().to_string();
    let commands: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with(start))
        .map(|line| {
            line.replace("target/image", &layout)
                .replace("registry.example.com", &registry.address().to_string())
        })
        .collect();
    ensure!(!commands.is_empty(), "no {start}");
    Ok(commands)
}

#[tokio::test]
#[ignore = "make test-deep: takes a registry"]
async fn the_commands_of_the_page_push_all_images() -> Result<()> {
    let registry = Registry::start().await?;
    for command in commands("skopeo copy ", &registry)? {
        let mut words: Vec<_> = command.split(' ').skip(1).map(str::to_owned).collect();
        words.insert(1, "--dest-tls-verify=false".to_owned());
        skopeo(words).await?;
    }
    let built = &image().built;
    for (tag, digest) in built.images.iter().chain(&built.native) {
        let pushed = manifest(&registry, tag).await.with_context(|| tag.clone())?.0;
        assert_eq!(pushed, *digest, "{tag}");
    }
    Ok(())
}

#[test]
fn the_page_names_what_is_made() -> Result<()> {
    let page = std::fs::read_to_string(repo_root().join("docs/packaging.md"))?;
    use package::image::{BILL, CHECKSUM, FILE, LICENSES, SBOM};
    let native = ["0.1.0-native-amd64", "0.1.0-native-arm64", FILE, CHECKSUM, BILL];
    let names = [SBOM, LICENSES, "0.1.0-compat", "make image", "make image FORM=native"];
    for name in names.into_iter().chain(native) {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    Ok(())
}
