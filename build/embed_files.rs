//! For build scripts: the `.toml` files of a folder become a table of names and texts, which a crate includes
use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Every `.toml` file under a folder beside the manifest becomes a row of a table sorted by name, such as `aws/lambda`; the
/// table is an expression in a file of the build's output.
pub fn embed_files(folder: &str, output: &str) -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join(folder).canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    let mut named = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root)?.with_extension("");
        let name: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        named.push((name.join("/"), file));
    }
    named.sort();
    let mut table = String::from("&[\n");
    for (name, file) in named {
        writeln!(table, "    ({name:?}, include_str!({:?})),", file.display().to_string())?;
    }
    table.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join(output), table)?;
    Ok(())
}

/// Adds every `.toml` file under `folder`; cargo is told to look at each folder and file again.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    Ok(())
}
