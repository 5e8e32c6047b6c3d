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
