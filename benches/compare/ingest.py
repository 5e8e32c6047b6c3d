#!/usr/bin/env python3
"""Ingest compared with other engines: the same file to compressed Parquet, in CPU seconds, with equal content.

    ingest.py --paygrain ../../target/release/paygrain --data DIR [--rounds 3] [--only report,csv]

Every round runs every program once, one after the other, so that a noisy machine hits all alike. The figures are user and
system CPU seconds: of the whole process for paygrain, and for the others of the work alone, without starting Python and
loading the engine, which only favours them. The others turn the file into Parquet. paygrain does more: it tells duplicates
from the lake and within the file, hashes the upload, keeps refused rows, and commits.

Before anything is timed as equal, the content is compared: the rows, sums, and a hash over every row. Where the others
keep duplicates, the comparison is with their distinct rows.
"""
import argparse, json, os, pathlib, shutil, statistics, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
FILES = {
    "report": ("usage.log", []),
    "report.gz": ("usage.log.gz", []),
    "csv": ("usage.csv", ["--mapping", str(HERE / "csv.toml")]),
    "ndjson": ("usage.ndjson", ["--mapping", str(HERE / "ndjson.toml")]),
    "ndjson.gz": ("usage.ndjson.gz", ["--mapping", str(HERE / "ndjson.toml")]),
    "s3": ("usage.s3.log", []),
}
PEERS = {
    "report": ["duckdb", "polars", "chdb"],
    "report.gz": ["duckdb", "polars", "chdb"],
    "csv": ["duckdb", "polars", "chdb"],
    "ndjson": ["duckdb", "polars", "chdb"],
    "ndjson.gz": ["duckdb", "polars", "chdb"],
    "s3": ["duckdb", "chdb"],
}


def measured(command, **options):
    """Runs a command; its output, CPU seconds and peak memory in MB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return output, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def size(path):
    path = pathlib.Path(path)
    return path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*.parquet"))


def fingerprint(job, path, lake):
    """Rows, sums and hashes of the distinct rows of an output."""
    import duckdb
    c = duckdb.connect()
    c.execute("set threads = 2; set TimeZone = 'UTC'").fetchall()
    read = f"read_parquet('{path}/**/*.parquet', hive_partitioning = false, union_by_name = true)" if lake else f"'{path}'"
    if job == "s3":
        row = ("resource bucket, epoch_us(\"at\") happened, request_id, operation, status::int status, response_bytes sent" if lake
               else "bucket, epoch_us(happened::timestamptz) happened, request_id, operation, status::int status, sent")
        sums = "sum(sent), sum(status)"
        text = "concat_ws('|', bucket, happened, request_id, operation, status, coalesce(sent, -1))"
    else:
        is_blob = not lake and c.execute(f"select typeof(id) from {read} limit 1").fetchone()[0] == "BLOB"
        id_text = "lower(hex(id))" if is_blob else "replace(id::text, '-', '')"
        at = "epoch_us(started_at) + (case when %s then duration_us else 0 end)" % str(job.startswith("report")).lower()
        row = (f"replace(request_id, '-', '') id, {at} happened, resource fn, memory_mb::bigint memory_mb, duration_us, init_us, memory_used_mb::bigint used, status"
               if lake else
               f"{id_text} id, epoch_us(happened::timestamptz) happened, fn, memory_mb::bigint memory_mb, duration_us, init_us, used::bigint used, status")
        sums = "sum(duration_us), sum(init_us), sum(memory_mb), sum(used)"
        text = "concat_ws('|', id, happened, fn, memory_mb, duration_us, coalesce(init_us, -1), used, status)"
    return c.execute(f"select count(*), {sums}, bit_xor(hash({text})) from (select distinct {row} from {read})").fetchone()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--paygrain", required=True)
    parser.add_argument("--data", required=True, help="directory with the files that generate_usage makes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(FILES))
    parser.add_argument("--out", default=None, help="directory for what is written; a temporary one if not given")
    arguments = parser.parse_args()
    out = pathlib.Path(arguments.out or tempfile.mkdtemp(prefix="paygrain-bench-"))
    print("| job | " + " | ".join(["paygrain", "duckdb", "polars", "chdb", "best / paygrain", "peak MB", "bytes a row", "rows"]) + " |")
    print("|---" * 9 + "|")
    for job in arguments.only.split(","):
        name, options = FILES[job]
        source = pathlib.Path(arguments.data) / name
        seconds, peaks, outputs = {}, {}, {}
        for _ in range(arguments.rounds):
            lake = out / f"{job}-lake"
            shutil.rmtree(lake, ignore_errors=True)
            command = [arguments.paygrain, "--lake", lake, "ingest", "--format", "json", *options, source]
            text, cpu, peak = measured(command, stderr=subprocess.DEVNULL)
            upload = json.loads(text)["uploads"][0]
            assert upload["read"] == upload["accepted"] + upload["duplicate"] + upload["rejected"], upload
            seconds.setdefault("paygrain", []).append(cpu)
            peaks["paygrain"] = max(peak, peaks.get("paygrain", 0))
            outputs["paygrain"] = (lake / ("requests" if job == "s3" else "invocations"), True)
            for peer in PEERS[job]:
                target = out / f"{job}-{peer}.parquet"
                text, _, peak = measured([sys.executable, HERE / "ingest_peers.py", peer, job, source, target])
                seconds.setdefault(peer, []).append(float(text))
                peaks[peer] = max(peak, peaks.get(peer, 0))
                outputs[peer] = (target, False)
        found = {who: fingerprint(job, *output) for who, output in outputs.items()}
        if len(set(found.values())) != 1:
            sys.exit(f"{job}: the contents differ: {found}")
        rows = found["paygrain"][0]
        assert rows == upload["accepted"], (rows, upload)
        median = {who: statistics.median(runs) for who, runs in seconds.items()}
        best = min(value for who, value in median.items() if who != "paygrain")
        cells = [job, *(f"{median[who]:.2f}" if who in median else "–" for who in ["paygrain", "duckdb", "polars", "chdb"]),
                 f"**{best / median['paygrain']:.1f}x**",
                 " / ".join(f"{who} {peak}" for who, peak in peaks.items()),
                 " / ".join(f"{who} {size(output[0]) / rows:.1f}" for who, output in outputs.items()), f"{rows:,}"]
        print("| " + " | ".join(cells) + " |", flush=True)
    if arguments.out is None:
        shutil.rmtree(out)


main()
