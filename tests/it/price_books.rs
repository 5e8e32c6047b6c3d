//! Price books of one's own: checked, shown and compared through the command line.

use crate::harness::Workplace;

const BOOK: &str = r#"provider = "acme"
service = "store"
[sources]
C = "contract"
[[sku]]
id = "put"
table = "requests"
filter = "operation = 'PUT'"
unit = "request"
price = [{ price = "1", per = "1_000 request", source = "C", mark = "seen" }]
[[example]]
title = "five thousand"
period = "2026-06"
total = "5"
usage = [{ operation = "PUT", count = 5000 }]
"#;

#[test]
fn a_directory_is_checked_whole_and_every_problem_named() {
    let place = Workplace::new();
    place.file("books/acme/store.toml", BOOK);
    let run = place.run(&["prices", "check", "books"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "0 problems in 1 price book\n"));

    place.file("books/acme/other.toml", BOOK.replace("store", "other").replace("total = \"5\"", "total = \"6\""));
    place.file(
        "books/deep/er/third.toml",
        BOOK.replace("store", "third").replace("unit = \"request\"", "unit = \"requests\""),
    );
    place.file("books/deep/latin.toml", b"title = \"caf\xe9\"\n");
    place.file("books/deep/notes.txt", "no price book");
    let run = place.run(&["prices", "check", "books"]);
    assert_eq!(run.code, Some(1));
    let expected = "\
books/acme/other.toml:11: example `five thousand`: the total is 5, not 6: acme.other.put 5
books/deep/er/third.toml:9: SKU `put`: unknown unit `requests` in `requests` (did you mean `request`?)
books/deep/latin.toml:1: cannot be read: stream did not contain valid UTF-8
3 problems in 4 price books
";
    assert_eq!(run.stdout, expected);

    let run = place.run(&["prices", "check", "books", "--format", "json"]);
    assert_eq!(run.code, Some(1));
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answer["price_books"], 4);
    let unit = &answer["problems"][1];
    assert_eq!(unit["file"], "books/deep/er/third.toml");
    assert_eq!(unit["line"], 9);
    assert_eq!(unit["place"], "SKU `put`");
    assert_eq!(unit["message"], "unknown unit `requests` in `requests`");
    assert_eq!(unit["hint"], "did you mean `request`?");
    let csv = place.run(&["prices", "check", "books/deep/er", "books/acme/store.toml", "--format", "csv"]).stdout;
    assert_eq!(
        csv,
        "file,line,place,message,hint\nbooks/deep/er/third.toml,9,SKU `put`,unknown unit `requests` in `requests`,did you mean `request`?\n"
    );

    // With them in force nothing is rated: every problem is named, and how to find them again.
    let usage = place.file("u.json", r#"{"period":"2026-06","provider":"aws","usage":[]}"#);
    std::fs::remove_file(place.path("books/deep/latin.toml")).unwrap();
    place.file("books/acme/fourth.toml", BOOK.replace("store", "fourth").replace("\"1\"", "\"1e0\""));
    let run = place.run(&["estimate", usage.to_str().unwrap(), "--price-books", "books"]);
    assert_eq!(run.code, Some(1));
    for expected in
        ["2 problems in the price books", "third.toml:9: ", "fourth.toml:10: ", "with an exponent", "prices check"]
    {
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
    let run = place.run(&["prices", "check", "--price-books", "books"]);
    assert!(run.code == Some(1) && run.stdout.contains("third.toml:9: "), "{}", run.stdout);
}

#[test]
fn nothing_to_check_is_no_success() {
    let place = Workplace::new();
    for (path, expected) in [("nowhere", "cannot read `nowhere`"), ("empty", "there is no price book below `empty`")] {
        std::fs::create_dir_all(place.path("empty")).unwrap();
        let run = place.run(&["prices", "check", path]);
        assert!(run.code == Some(1) && run.stderr.contains(expected), "{path}: {}", run.stderr);
    }
}

#[test]
fn books_are_compared_and_a_month_is_rated_with_both() {
    use crate::harness::{Invocation, scaled, text_log};
    let place = Workplace::new();
    let same = place.run(&["prices", "diff", "shipped", "shipped"]);
    assert_eq!((same.code, same.stdout.as_str()), (Some(0), "No difference.\n"));

    place.file("old/acme/store.toml", BOOK);
    place.file(
        "new/acme/store.toml",
        BOOK.replace("price = \"1\"", "price = \"1.25\"").replace("total = \"5\"", "total = \"6.25\""),
    );
    let answer = place.json(&["prices", "diff", "old", "new", "--format", "json"]);
    let only = &answer["differences"][0];
    assert_eq!(answer["differences"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&only["item"], &only["what"], &only["percent"]),
        (&"acme.store.put".into(), &"price".into(), &"25".into())
    );
    let table = place.run(&["prices", "diff", "shipped", "new/acme/store.toml"]).stdout;
    assert!(table.contains("acme.store.put") && table.contains("all of it"), "{table}");

    // The shipped Lambda book with a dearer request: only that SKU costs more.
    let log = place.file("a.log", text_log(&Invocation::many(90, 40)));
    place.ingest(&["--account", "1", "--region", "us-east-1", "--resource", "f"], &[&log]);
    let shipped = include_str!("../../pricing/price_books/aws/lambda.toml");
    assert!(shipped.contains("price = \"0.20\""));
    place.file("dear/lambda.toml", shipped.replace("price = \"0.20\"", "price = \"0.30\""));
    let answer = place.json(&[
        "prices",
        "diff",
        "aws/lambda",
        "dear",
        "--period",
        "2026-10",
        "--allowances",
        "none",
        "--format",
        "json",
    ]);
    let cost = &answer["cost"];
    let amount = |value: &serde_json::Value| scaled(value.as_str().unwrap());
    assert_eq!(amount(&cost["difference"]), 40 * scaled("0.0000001"));
    assert_eq!(amount(&cost["after"]) - amount(&cost["before"]), amount(&cost["difference"]));
    assert_eq!(cost["skus"].as_array().unwrap().len(), 1);
    assert_eq!(cost["skus"][0]["sku"], "aws.lambda.requests");
    assert!(
        answer["differences"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["item"] == "aws.lambda.requests" && one["percent"] == "50")
    );

    for (arguments, words) in [
        (&["shipped", "aws/lamda"][..], "did you mean `aws/lambda`?"),
        (&["shipped", "nowhere/at/all"], "neither a price book nor a path"),
        (&["shipped", "dear", "--period", "2020-01"], "no usage in 2020-01"),
    ] {
        let run = place.run(&[&["prices", "diff"], arguments].concat());
        assert_eq!(run.code, Some(1), "{arguments:?}: {}", run.stdout);
        assert!(run.stderr.contains(words), "{arguments:?}: {}", run.stderr);
    }
}

/// Follows the guide to the letter: writes the files it shows under the names it gives, runs the commands it shows, and
/// compares what they print with what it prints.
#[test]
fn a_service_is_added_in_ten_minutes() {
    let guide = include_str!("../../docs/add-a-service.md");
    let place = Workplace::new();
    let (mut name, mut files, mut commands) = (None, 0, 0);
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        if line.contains(" as `")
            && (line.contains("ave this as") || line.contains("log as") || line.contains("records as"))
        {
            name = line.split(" as `").nth(1).and_then(|rest| rest.split('`').next());
        }
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if language != "console" {
            place.file(
                name.take().unwrap_or_else(|| panic!("no name for:\n{}", block.join("\n"))),
                block.join("\n") + "\n",
            );
            files += 1;
            continue;
        }
        for (index, line) in block.iter().enumerate() {
            let Some(command) = line.strip_prefix("$ paygrain ") else { continue };
            let expected: Vec<&str> =
                block[index + 1..].iter().take_while(|line| !line.starts_with('$')).copied().collect();
            let run = place.run(&command.split_whitespace().collect::<Vec<_>>());
            assert_eq!(run.code, Some(0), "{command}: {}", run.stderr);
            if !expected.is_empty() {
                assert_eq!(run.stdout.trim_end().lines().collect::<Vec<_>>(), expected, "{command}");
            }
            commands += 1;
        }
    }
    assert_eq!((files, commands), (4, 4));
}
