//! Every kind of bad input: a clear error that names the file, the place, the expectation and the remedy; the lake as
//! it was before.

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Invocation, Run, Workplace, gzip, skipped, text_log};

const FLAGS: [&str; 6] = ["--account", "123456789012", "--region", "us-east-1", "--resource", "f"];

/// A file that is refused as a whole: what to make, and what the message must say.
struct Refused {
    name: &'static str,
    make: fn(&Path),
    says: &'static [&'static str],
}

const REFUSED: [Refused; 8] = [
    Refused {
        name: "unknown.txt",
        make: |path| std::fs::write(path, "Dear diary,\nnothing to bill today.\n").unwrap(),
        says: &["no known format", "Dear diary", "--format help"],
    },
    Refused { name: "empty.log", make: |path| std::fs::write(path, "").unwrap(), says: &["is empty", "hint:"] },
    Refused {
        name: "empty.log.gz",
        make: |path| std::fs::write(path, gzip(b"")).unwrap(),
        says: &["is empty", "hint:"],
    },
    Refused {
        name: "truncated.log.gz",
        make: |path| {
            let whole = gzip(text_log(&Invocation::many(50, 500)).as_bytes());
            std::fs::write(path, &whole[..whole.len() / 2]).unwrap();
        },
        says: &["gzip", "cut off", "download the file again"],
    },
    Refused {
        name: "bomb.log.gz",
        make: |path| {
            let mut bomb = text_log(&Invocation::many(51, 1)).into_bytes();
            bomb.resize(160 << 20, b'\n');
            std::fs::write(path, gzip(&bomb)).unwrap();
        },
        says: &["decompression bomb", "decompress it first"],
    },
    Refused {
        name: "directory",
        make: |path| std::fs::create_dir(path).unwrap(),
        says: &["there is no file in", "hidden files and links are passed over"],
    },
    Refused { name: "missing.log", make: |_| {}, says: &["cannot open", "No such file", "check the path"] },
    Refused {
        name: "utf16.log",
        make: |path| {
            let text: Vec<u8> = text_log(&Invocation::many(52, 2)).encode_utf16().flat_map(u16::to_le_bytes).collect();
            std::fs::write(path, [&[0xff, 0xfe][..], &text].concat()).unwrap();
        },
        says: &["UTF-16", "hint:"],
    },
];

#[test]
fn a_file_that_is_refused_leaves_the_lake_as_it_was() {
    let place = Workplace::new();
    let good = place.file("good.log", text_log(&Invocation::many(53, 5)));
    place.ingest(&FLAGS, &[&good]);
    let before = place.bill("2026-10");
    for Refused { name, make, says } in REFUSED {
        let path = place.path(name);
        make(&path);
        let run = ingest(&place, &path);
        assert_eq!(run.code, Some(1), "{name}");
        assert!(run.stderr.contains(name), "{name}: {}", run.stderr);
        for part in says {
            assert!(run.stderr.contains(part), "{name}: `{part}` is not in: {}", run.stderr);
        }
    }
    assert_eq!(place.bill("2026-10"), before);
    assert_eq!(place.count("SELECT count(*) FROM uploads"), 1);
    assert_eq!(place.count("SELECT count(*) FROM rejected_rows"), 0);
}

#[test]
fn a_bad_file_among_good_ones_is_told_and_the_good_ones_land() {
    let place = Workplace::new();
    let first = place.file("first.log", text_log(&Invocation::many(54, 5)));
    let bad = place.file("bad.txt", "no log at all\n");
    let last = place.file("last.log", text_log(&Invocation::many(55, 5)));
    let mut arguments = vec!["ingest", "--format", "json"];
    arguments.extend(FLAGS);
    arguments.extend([&first, &bad, &last].map(|path| path.to_str().unwrap()));
    let run = place.run(&arguments);
    assert_eq!(run.code, Some(1));
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answer["uploads"].as_array().unwrap().len(), 2);
    assert_eq!(answer["failed"][0]["name"], bad.to_str().unwrap());
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 10);
}

#[test]
fn a_log_without_invocations_is_no_error() {
    let place = Workplace::new();
    let log = place.file(
        "a.log",
        "2026-10-01T00:00:00.000Z START RequestId: 69594c41-8463-4f69-b9b4-ff6c49813475 Version: $LATEST\n",
    );
    let upload = place.ingest(&FLAGS, &[&log]).remove(0);
    assert_eq!([upload["read"].as_u64(), upload["rejected"].as_u64()], [Some(0), Some(0)]);
    let bill = place.run(&["bill"]);
    assert_eq!(bill.code, Some(1));
    assert!(bill.stderr.contains("no usage yet") && bill.stderr.contains("hint:"), "{}", bill.stderr);
}

#[test]
fn bad_rows_are_kept_with_their_place_and_the_good_ones_land() {
    let place = Workplace::new();
    let events = Invocation::many(56, 3);
    let mut log = text_log(&events[..1]).into_bytes();
    let cut = b"2026-10-09T00:00:00.000Z REPORT RequestId: 15d1b730-7d3f-4b46-b28e-b76b97fc\n";
    log.extend(cut);
    log.extend(b"2026-10-09T00:00:00.000Z REPORT RequestId: 15d1b730-7d3f-4b46-b28e-b76b97fc0000\tDuration: 1,5 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\n");
    log.extend(b"2026-10-09T00:00:00.000Z REPORT RequestId: \xff\xfe\tDuration: 1.5 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\n");
    log.extend(text_log(&events[1..]).into_bytes());
    let path = place.file("a.log", log);
    let run = ingest(&place, &path);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("a.log, line 4:"), "{}", run.stderr);
    assert_eq!(place.count("SELECT accepted FROM uploads"), 3);
    assert_eq!(place.count("SELECT rejected FROM uploads"), 3);
    assert_eq!(place.count("SELECT read FROM uploads"), 6);
    let rows = place.json(&[
        "sql",
        "--format",
        "json",
        "SELECT line, byte_offset, reason, excerpt FROM rejected_rows ORDER BY line",
    ]);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["line"].as_i64().unwrap()).collect::<Vec<_>>(), [4, 5, 6]);
    assert_eq!(rows[0]["byte_offset"].as_u64().unwrap(), text_log(&events[..1]).len() as u64);
    assert!(rows[1]["reason"].as_str().unwrap().contains("1,5"), "{rows:?}");
}

#[test]
fn a_line_of_two_gigabytes_takes_bounded_memory() {
    let place = Workplace::new();
    let path = place.file("long.log", text_log(&Invocation::many(57, 1)));
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::End(2 << 30)).unwrap();
    file.write_all(format!("\n{}", text_log(&Invocation::many(58, 1))).as_bytes()).unwrap();
    drop(file);
    let mut child = place
        .command(&[&["ingest"][..], &FLAGS, &[path.to_str().unwrap()]].concat())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut peak_kb = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("VmHWM: 0 kB");
        peak_kb = peak_kb.max(line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(status.success());
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 2);
    assert!(peak_kb > 0 && peak_kb < 600_000, "peak memory {peak_kb} kB");
}

#[test]
fn a_period_without_usage_names_those_that_have_some() {
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&Invocation::many(59, 5)));
    place.ingest(&FLAGS, &[&log]);
    let run = place.run(&["bill", "--period", "2031-01"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("2031-01") && run.stderr.contains("2026-10"), "{}", run.stderr);
    let run = place.run(&["bill", "--period", "October"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("October") && run.stderr.contains("such as 2019-06"), "{}", run.stderr);
    let run = place.run(&["explain", "2026-10/aws.lambda.nothing/-/tier-1"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("no charge"), "{}", run.stderr);
}

#[test]
fn a_lake_that_is_not_there_is_not_made_by_looking() {
    let place = Workplace::new();
    let run = place.run(&["bill", "--lake", "typo"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("`typo` has no usage yet"), "{}", run.stderr);
    assert!(!place.path("typo").exists());
    place.file("file", "");
    let run = place.run(&["bill", "--lake", "file"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("cannot be used as a lake") && run.stderr.contains("hint:"), "{}", run.stderr);
}

#[test]
fn a_lake_of_a_newer_version_is_refused_and_untouched() {
    let place = Workplace::new();
    let log = place.file("a.log", text_log(&Invocation::many(60, 5)));
    place.ingest(&FLAGS, &[&log]);
    let other = place.file("b.log", text_log(&Invocation::many(61, 5)));
    let first = place.path("paygrain-lake/invocations/_delta_log/00000000000000000000.json");
    let original = std::fs::read_to_string(&first).unwrap();
    for (from, to) in [
        ("\"paygrain.lake_version\":\"1\"", "\"paygrain.lake_version\":\"2\""),
        ("\"minReaderVersion\":1", "\"minReaderVersion\":99"),
    ] {
        assert!(original.contains(from), "{from} is not in {original}");
        std::fs::write(&first, original.replace(from, to)).unwrap();
        let before = files(&place.path("paygrain-lake"));
        for arguments in [&["bill"][..], &["ingest", other.to_str().unwrap()], &["sql", "SELECT 1"]] {
            let run = place.run(arguments);
            assert_eq!(run.code, Some(1), "{to} {arguments:?}");
            assert!(run.stderr.contains("newer version") && run.stderr.contains("hint:"), "{to}: {}", run.stderr);
        }
        assert_eq!(files(&place.path("paygrain-lake")), before, "{to}");
    }
    std::fs::write(&first, original).unwrap();
    assert_eq!(place.count("SELECT count(*) FROM invocations"), 5);
}

#[test]
fn a_full_disk_keeps_nothing_and_says_so() {
    let place = Workplace::new();
    let small = place.path("small");
    std::fs::create_dir(&small).unwrap();
    let Some(_mounted) = Mounted::tmpfs(&small, "size=400k") else { return };
    let lake = small.join("lake");
    let log = place.file("a.log", text_log(&Invocation::many(62, 20_000)));
    let arguments = ["ingest", "--lake", lake.to_str().unwrap(), "--resource", "f", log.to_str().unwrap()];
    let run = place.run(&arguments);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(run.stderr.contains("No space left") && run.stderr.contains("free some space"), "{}", run.stderr);
    let count = place.run(&[
        "sql",
        "--lake",
        lake.to_str().unwrap(),
        "--format",
        "csv",
        "SELECT count(*) AS n FROM invocations",
    ]);
    assert_eq!(count.stdout, "n\n0\n", "{}", count.stderr);
}

#[test]
fn a_file_without_permission_says_so() {
    let place = Workplace::new();
    let log = place.file("secret.log", text_log(&Invocation::many(63, 1)));
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o000)).unwrap();
    let run = if std::fs::File::open(&log).is_err() {
        ingest(&place, &log)
    } else {
        // The superuser may read everything: ask as nobody.
        for path in ["", "lake"].map(|name| place.path(name)) {
            std::fs::create_dir_all(&path).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        let program = place.path("paygrain");
        std::fs::copy(env!("CARGO_BIN_EXE_paygrain"), &program).unwrap();
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program)
            .args(["ingest", "--lake", "lake", log.to_str().unwrap()])
            .current_dir(place.path(""))
            .output();
        let Ok(output) = output else {
            skipped("the superuser may read everything and setpriv is not here");
            return;
        };
        Run::of(output)
    };
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("secret.log") && run.stderr.contains("Permission denied"), "{}", run.stderr);
    assert!(run.stderr.contains("hint:"), "{}", run.stderr);
}

fn ingest(place: &Workplace, path: &Path) -> Run {
    place.run(&[&["ingest"][..], &FLAGS, &[path.to_str().unwrap()]].concat())
}

/// Every file below a directory, with its size.
fn files(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => found.extend(files(&entry.path())),
            metadata => found.push((entry.path(), metadata.len())),
        }
    }
    found.sort();
    found
}

/// A small file system, unmounted at the end.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(path: &Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path.to_owned()));
        }
        skipped("only the superuser may mount a small file system");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}
