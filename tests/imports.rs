//! Which files of a package import which others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each file imports, by the files' paths inside `src`.
pub(crate) type Imports = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// Reads the imports of a package: paths that begin with `crate::`, with `super::`, or with the
/// name of a child module. Those of its tests do not count, as they end up in no module, nor does
/// `mod child;`, without which there would be no child.
pub(crate) fn of_package(src: &Path) -> Imports {
    let mut sources = Vec::new();
    collect(src, src, &mut sources);
    let names: Vec<_> = sources.iter().map(|(file, _)| (module_of(file), file.clone())).collect();
    let modules = Modules(names.into_iter().collect());
    let mut imports = Imports::new();
    for (file, text) in sources {
        let mut found = BTreeSet::new();
        let tokens = tokens(&text);
        modules.scan(&tokens, &module_of(&file), &mut found);
        found.remove(&file);
        imports.insert(file, found);
    }
    imports
}

/// A circle among the files, if there is one: each imports the next, and the last the first.
pub(crate) fn circle(imports: &Imports) -> Option<Vec<PathBuf>> {
    let mut left = imports.clone();
    loop {
        let leaves: Vec<_> =
            left.iter().filter(|(_, to)| to.is_empty()).map(|(file, _)| file.clone()).collect();
        if leaves.is_empty() {
            break;
        }
        for leaf in leaves {
            left.remove(&leaf);
            left.values_mut().for_each(|to| _ = to.remove(&leaf));
        }
    }
    let mut walked = vec![left.keys().next()?.clone()];
    loop {
        let next = left[walked.last()?].first()?.clone();
        if let Some(begin) = walked.iter().position(|file| *file == next) {
            return Some(walked.split_off(begin));
        }
        walked.push(next);
    }
}

fn collect(src: &Path, folder: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(src, &path, sources);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            sources.push((path.strip_prefix(src).expect("inside").to_owned(), text));
        }
    }
}

/// `store.rs` is the module `store`, `store/cell.rs` is `store::cell`, `lib.rs` is the root.
fn module_of(file: &Path) -> Vec<String> {
    let names = file.with_extension("");
    let names = names.iter().map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| !["lib", "main", "mod"].contains(&name.as_str())).collect()
}

struct Modules(BTreeMap<Vec<String>, PathBuf>);

impl Modules {
    /// Finds the files that these tokens of a module name.
    fn scan(&self, tokens: &[String], module: &[String], found: &mut BTreeSet<PathBuf>) {
        let mut at = 0;
        while at < tokens.len() {
            let text = |ahead: usize| tokens.get(at + ahead).map_or("", String::as_str);
            match (text(0), text(1), text(2)) {
                ("mod", name, "{") => {
                    let end = end_of_block(tokens, at + 2);
                    let inner = [module, &[name.to_owned()]].concat();
                    self.scan(&tokens[at + 3..end], &inner, found);
                    at = end;
                }
                (name, "::", _) if at == 0 || tokens[at - 1] != "::" => {
                    let from = match name {
                        "crate" => Some(Vec::new()),
                        "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
                        "self" => Some(module.to_vec()),
                        child => {
                            let child = [module, &[child.to_owned()]].concat();
                            self.0.contains_key(&child).then_some(child)
                        }
                    };
                    if let Some(from) = from {
                        self.follow(tokens, at + 2, from, found);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Follows a path, or a tree of them, from a module on.
    fn follow(
        &self,
        tokens: &[String],
        mut at: usize,
        mut path: Vec<String>,
        found: &mut BTreeSet<PathBuf>,
    ) {
        loop {
            match tokens.get(at).map_or("", String::as_str) {
                "{" => {
                    let end = end_of_block(tokens, at);
                    let mut begins = true;
                    let mut depth = 0;
                    for inner in at + 1..end {
                        match tokens[inner].as_str() {
                            "{" => depth += 1,
                            "}" => depth -= 1,
                            "," if depth == 0 => begins = true,
                            _ if begins => {
                                begins = false;
                                self.follow(tokens, inner, path.clone(), found);
                            }
                            _ => {}
                        }
                    }
                    return;
                }
                "super" => _ = path.pop(),
                "self" => {}
                name => path.push(name.to_owned()),
            }
            if tokens.get(at + 1).is_none_or(|it| it != "::") {
                break;
            }
            at += 2;
        }
        let known = (0..=path.len()).rev().find_map(|length| self.0.get(&path[..length]));
        found.extend(known.cloned());
    }
}

/// Where the block ends that begins here.
fn end_of_block(tokens: &[String], begin: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(begin) {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

/// Words, `::`, and single signs, without comments, literals, and what is there for tests only.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |it: char| it.is_alphanumeric() || it == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal(rest) {
            length
        } else if is_word(first) {
            let length = rest.find(|it| !is_word(it)).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push(rest[..length].to_owned());
            }
            length
        };
        rest = &rest[length..];
    }
    without_tests(tokens)
}

/// How long the text or character is that begins here, if one does. A lifetime is none.
fn literal(text: &str) -> Option<usize> {
    let bare = text.strip_prefix('b').unwrap_or(text);
    let before = text.len() - bare.len();
    if let Some(raw) = bare.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let quoted = raw[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(before + 2 + hashes + quoted.find(&end).unwrap_or(quoted.len()) + end.len());
    }
    let quote = bare.chars().next().filter(|it| ['"', '\''].contains(it))?;
    let mut escaped = false;
    for (at, char) in bare.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return Some(before + at + 1),
            _ if quote == '\'' && at > 1 && !bare.starts_with("'\\") => return None,
            _ => {}
        }
    }
    None
}

fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(CFG_TEST.len()).eq(CFG_TEST.iter()) {
            let begins = |it: &String| it == "{" || it == ";";
            let begin = at + tokens[at..].iter().position(begins).unwrap_or_default();
            at = if tokens[begin] == "{" { end_of_block(&tokens, begin) } else { begin } + 1;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let files = ["lib.rs", "a.rs", "a/b.rs", "c.rs", "d.rs"].map(PathBuf::from);
        let modules = Modules(files.into_iter().map(|file| (module_of(&file), file)).collect());
        let mut found = BTreeSet::new();
        modules.scan(&tokens(text), &["a".to_owned()], &mut found);
        found.iter().map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn every_way_to_name_a_file_is_an_import_of_it() {
        assert_eq!(found("use crate::{c::{self, X}, d::Y as Z};"), ["c.rs", "d.rs"]);
        assert_eq!(found("fn f() -> crate::c::X { super::d::y() }"), ["c.rs", "d.rs"]);
        assert_eq!(found("mod b; pub use b::X;"), ["a/b.rs"]);
        assert_eq!(found("use crate::X; mod inner { use super::super::c; }"), ["c.rs", "lib.rs"]);
    }

    #[test]
    fn what_is_no_code_of_the_module_is_no_import() {
        let text = "//! crate::c\nconst S: &str = \"crate::c \\\" crate::d\"; const C: char = '\"';
            mod b; fn f<'a>(x: &'a str) {} #[cfg(test)] mod tests { use crate::d; }
            const R: &[u8] = br#\"crate::c\"#; use std::c::X;";
        assert_eq!(found(text), [] as [String; 0]);
    }

    #[test]
    fn a_circle_is_told_from_what_leads_to_it() {
        let imports = |pairs: &[(&str, &[&str])]| -> Imports {
            let paths = |to: &&[&str]| to.iter().map(PathBuf::from).collect();
            pairs.iter().map(|(from, to)| (PathBuf::from(from), paths(to))).collect()
        };
        let mut files = imports(&[("a", &["b"]), ("b", &["c", "d"]), ("c", &["d"]), ("d", &[])]);
        assert_eq!(circle(&files), None);
        files.insert("d".into(), [PathBuf::from("c")].into());
        assert_eq!(circle(&files), Some(vec!["c".into(), "d".into()]));
    }
}
