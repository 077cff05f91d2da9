//! The licences of all that is linked in: each text once, under the names of those that carry it.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::linked::{From, Linked, root};

/// The name of the file of licences, beside the images and in ordinary layers.
pub const LICENSES: &str = "licenses.txt";

/// How the files that say so begin.
const NAMES: &[&str] = &["LICENSE", "LICENCE", "UNLICENSE", "COPYING", "COPYRIGHT", "NOTICE"];

/// A text and who carries it.
struct Text {
    content: String,
    carriers: Vec<String>,
}

/// The file for what is linked into a module of this name.
pub(crate) fn render(module: &str, crates: &[Linked]) -> Result<String> {
    let mut texts: Vec<Text> = Vec::new();
    for linked in crates {
        let found = match &linked.from {
            From::Here => vec![fs::read_to_string(root().join("LICENSE"))?],
            From::Package(folder) => in_folder(folder)?,
            From::Tool(notice) => vec![(*notice).to_owned()],
        };
        ensure!(!found.is_empty(), "{} comes without the text of its license", linked.name);
        for content in found {
            let content = content.trim().replace("\r\n", "\n");
            match texts.iter_mut().find(|text| text.content == content) {
                Some(text) => text.carriers.push(linked.name.clone()),
                None => texts.push(Text { content, carriers: vec![linked.name.clone()] }),
            }
        }
    }

    let mut out = format!("What is linked into {module}, and its licences.\n\n");
    for linked in crates {
        let version = linked.version.as_deref().unwrap_or_default();
        out += &format!("{:20} {:10} {}\n", linked.name, version, linked.license);
    }
    for text in &texts {
        out += &format!("\n{}\n{}\n\n{}\n", "=".repeat(80), text.carriers.join(", "), text.content);
    }
    Ok(out)
}

/// The texts in a package's folder, by the names of their files.
fn in_folder(folder: &Path) -> Result<Vec<String>> {
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    files.retain(|file| {
        let name = file.file_name().to_string_lossy().to_uppercase();
        NAMES.iter().any(|start| name.starts_with(start)) && file.path().is_file()
    });
    files.sort_by_key(fs::DirEntry::file_name);
    files.iter().map(|file| Ok(fs::read_to_string(file.path())?)).collect()
}
