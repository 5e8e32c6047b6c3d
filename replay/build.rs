//! Embeds the deployments: every `deployments/**/*.toml` becomes a row of a table sorted by name
use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("deployments");
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
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("deployments.rs"), table)?;
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
