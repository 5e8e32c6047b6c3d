//! `paygrain prices check`: every problem of price books at once.

use std::path::PathBuf;

use paygrain_pricing::{Catalogue, Problem};
use serde_json::json;

use crate::commands::Context;
use crate::failure::Failure;
use crate::options::book_files;
use crate::output::{OutputFormat, Rows, print_json, print_text};

/// Checks the files and directories given, or else the books in force.
pub(super) fn run(context: &Context, paths: &[PathBuf], format: OutputFormat) -> Result<(), Failure> {
    let (count, mut problems) = match paths.is_empty() {
        true => in_force(context)?,
        false => given(paths)?,
    };
    problems.sort();
    match format {
        OutputFormat::Json => {
            let list: Vec<_> = problems
                .iter()
                .map(|problem| {
                    json!({
                        "file": problem.book, "line": problem.line, "place": problem.place,
                        "message": problem.message, "hint": problem.hint,
                    })
                })
                .collect();
            print_json(&json!({ "price_books": count, "problems": list }))?;
        }
        OutputFormat::Csv => {
            let mut rows = Rows::new(["file", "line#", "place", "message", "hint"]);
            for Problem { book, line, place, message, hint } in &problems {
                rows.push(vec![
                    book.clone(),
                    line.to_string(),
                    place.clone(),
                    message.clone(),
                    hint.clone().unwrap_or_default(),
                ]);
            }
            rows.print_csv()?;
        }
        OutputFormat::Table => {
            for problem in &problems {
                print_text(&format!("{problem}\n"))?;
            }
            let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
            let found = plural(problems.len(), "problem");
            print_text(&format!("{found} in {}\n", plural(count, "price book")))?;
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::reported()) }
}

/// How many books are in force, and what is wrong with them.
fn in_force(context: &Context) -> Result<(usize, Vec<Problem>), Failure> {
    let files = context.price_books.files()?;
    let shipped = Catalogue::embedded().map_or(0, |catalogue| catalogue.books().len());
    let given = files.len();
    Ok(match Catalogue::with_files(files) {
        Ok(catalogue) => {
            let problems = catalogue.books().iter().flat_map(|book| catalogue.check_examples(book)).collect();
            (catalogue.books().len(), problems)
        }
        Err(error) => (shipped + given, error.problems),
    })
}

/// How many books the files and directories have, and what is wrong with them.
fn given(paths: &[PathBuf]) -> Result<(usize, Vec<Problem>), Failure> {
    let mut texts = Vec::new();
    let mut unreadable = Vec::new();
    for path in paths {
        for file in book_files(path)? {
            let name = file.display().to_string();
            match std::fs::read_to_string(&file) {
                Ok(text) => texts.push((name, text)),
                Err(error) => unreadable.push(Problem::of_file(name, format!("cannot be read: {error}"))),
            }
        }
    }
    let count = texts.len() + unreadable.len();
    let mut problems = Catalogue::check(texts);
    problems.extend(unreadable);
    Ok((count, problems))
}
