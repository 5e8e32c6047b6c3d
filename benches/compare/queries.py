#!/usr/bin/env python3
"""Queries compared with other engines: the same questions about the same month, in CPU seconds, with equal answers.

    queries.py --data DIR [--paygrain-jobs PROGRAM] [--jobs j2b,q1] [--engines duckdb,polars] [--rounds 2] [--markdown FILE]

DIR is what query_data.py has made. Every round runs every engine once on every job, in turn, each in a process of its own, so
that a noisy machine hits all alike. A process repeats its job: the first time reads files and plans, the others are warm; the
figure is the median of the warm ones over all rounds, in user and system CPU seconds of the process. Loading the engine is
left out. The peak is that of the process, with the engine in it.

A line is printed only when all answers are equal: the MD5 of their sorted lines. README.md has the jobs, the columns of their
answers, and how PROGRAM is called and what it prints.
"""
import argparse, datetime, hashlib, importlib.metadata, json, os, pathlib, statistics, subprocess, sys, tempfile

from query_data import SUMS as SUM_TABLES, size

HERE = pathlib.Path(__file__).resolve().parent
SQL = ["duckdb", "duckdb-file", "polars", "chdb", "chdb-merge-tree", "datafusion"]
# Who does a job from the invocations, and who from sums and histograms that are given to it.
JOBS = {
    "j2a": ["duckdb", "polars", "chdb", "datafusion"],
    "j2b": SQL, "j2c": [], "q1": SQL, "q2": SQL, "q3": SQL, "q4": SQL, "q5": SQL, "j4a": SQL, "j4b": SQL,
    "j4c": [*SQL, "numpy"],
}
GIVEN_SUMS = ["j2c", "q1", "q2", "q3", "q4", "q5", "j4a", "j4b"]
SUMS = ["duckdb+sums", "polars+sums", "chdb+sums"]
# Answers that must be the same though the jobs are not.
SAME = {"j2b": "j2a", "j2c": "j2a"}
TITLES = {
    "j2a": "raw rows: duplicates found, month rated", "j2b": "invocations: month rated", "j2c": "own sums: month rated",
    "q1": "team, function and day", "q2": "top 20 of the last week", "q3": "p50, p95, p99 of every function", "q4": "busy time by hour",
    "q5": "one function by day", "j4a": "four rounding rules", "j4b": "ten sizes, four rules", "j4c": "peak concurrency by hour",
}


def run(command):
    process = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{process.stderr[-2000:]}")
    return json.loads(process.stdout.strip().splitlines()[-1])


def fingerprint(path):
    lines = sorted(path.read_bytes().splitlines())
    return hashlib.md5(b"".join(line + b"\n" for line in lines)).hexdigest(), len(lines)


def seconds(value):
    """At most three digits that mean something."""
    if value is None:
        return "–"
    return f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.1f} ms" if value >= 0.01 else f"{value * 1000:.2f} ms"


class Measured:
    """What all processes of one engine on one job have said."""

    def __init__(self):
        self.first, self.warm, self.wall, self.peak_mb = [], [], [], 0

    def add(self, said):
        self.first.append(said["cpu_s"][0])
        self.warm += said["cpu_s"][1:] or said["cpu_s"]
        self.wall += said["wall_s"][1:] or said["wall_s"]
        self.peak_mb = max(self.peak_mb, said["peak_mb"])

    cpu = property(lambda self: statistics.median(self.warm))
    least_wall = property(lambda self: min(self.wall))


def measure(job, engines, arguments, data, out):
    """Runs all engines in turn; the measured, and the fingerprint that all agree on."""
    measured, found = {engine: Measured() for engine in engines}, {}
    for _ in range(arguments.rounds):
        for engine in engines:
            if engine == "paygrain":
                command = [arguments.paygrain_jobs, "--lake", data / "lake", "--raw", data / "raw.parquet", "--jobs", job,
                           "--repeat", arguments.repeat, "--out", out]
                answer = out / f"{job}.csv"
            else:
                answer = out / f"{job}-{engine}.csv"
                command = [sys.executable, HERE / "query_peers.py", engine, job, data, answer, arguments.repeat]
            measured[engine].add(run(command))
            found[engine] = fingerprint(answer)
    return measured, found


def table(head, rows):
    line = lambda cells: "| " + " | ".join(cells) + " |\n"
    return line(head) + "|" + "---|" * len(head) + "\n" + "".join(map(line, rows))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="directory that query_data.py has filled")
    parser.add_argument("--paygrain-jobs", help="program that answers the jobs from the lake; without it paygrain is left out")
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--engines", default=",".join([*SQL, "numpy", *SUMS]))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3, help="least repetitions in a process; short jobs are repeated more often")
    parser.add_argument("--out", help="directory for the answers; a temporary one if not given")
    parser.add_argument("--markdown", help="file to write the tables to, besides printing them")
    arguments = parser.parse_args()
    data = pathlib.Path(arguments.data).resolve()
    out = pathlib.Path(arguments.out or tempfile.mkdtemp(prefix="paygrain-queries-")).resolve()
    out.mkdir(parents=True, exist_ok=True)
    wanted, ours = arguments.engines.split(","), ["paygrain"] if arguments.paygrain_jobs else []
    rows, answers, rated_rows = [], {}, {}
    # Without paygrain there are no columns of it.
    of_ours = lambda *cells: cells if ours else ()
    for job in arguments.jobs.split(","):
        engines = [engine for engine in JOBS[job] + (SUMS if job in GIVEN_SUMS else []) if engine in wanted]
        measured, found = measure(job, ours + engines, arguments, data, out)
        same = dict(found)
        if SAME.get(job) in answers:
            same[SAME[job]] = answers[SAME[job]]
        if len(set(same.values())) > 1:
            sys.exit(f"{job}: the answers differ: {same}; they are in {out}")
        if not found:
            continue
        answers[job] = next(iter(found.values()))
        from_rows = {engine: measured[engine] for engine in engines if not engine.endswith("+sums")}
        from_sums = {engine: measured[engine] for engine in engines if engine.endswith("+sums")}
        # The rating of the month from sums is compared with the rating of the month from invocations.
        if job == "j2b":
            rated_rows = from_rows
        elif job == "j2c":
            from_rows = rated_rows
        mine = measured.get("paygrain")
        best = lambda group: min(group, key=lambda engine: group[engine].cpu, default=None)
        ratio = lambda group: f"**{group[best(group)].cpu / mine.cpu:.1f}x**" if mine and group else "–"
        shown = lambda group: f"{best(group)} {seconds(group[best(group)].cpu)}" if group else "–"
        peaks = {"paygrain": mine, **({best(from_rows): from_rows[best(from_rows)]} if from_rows else {})}
        rows.append([
            f"{job} {TITLES[job]}", *of_ours(seconds(mine and mine.cpu)), *(seconds(from_rows[engine].cpu if engine in from_rows else None) for engine in SQL + ["numpy"]),
            *of_ours(ratio(from_rows)), shown(from_sums), *of_ours(ratio(from_sums), seconds(mine and statistics.median(mine.first))),
            " / ".join(f"{engine} {seconds(one.least_wall)}" for engine, one in peaks.items() if one),
            " / ".join(f"{engine} {one.peak_mb}" for engine, one in peaks.items() if one), f"{answers[job][1]:,}", answers[job][0][:8]])
        print(f"{job}: equal answers of {', '.join(found)}: {answers[job][1]:,} rows, MD5 {answers[job][0]}", file=sys.stderr, flush=True)
    head = ["job", *ours, *SQL, "numpy", *of_ours("best / paygrain"), "best given the sums", *of_ours("that / paygrain", "paygrain, first time"),
            "least wall", "peak MB", "rows", "MD5"]
    text = table(head, rows) + "\n"
    names = ["usage.csv.zst", "raw.parquet", "clean.parquet", "clean.duckdb", "clean.chdb", *(f"{name}.parquet" for name in SUM_TABLES), "lake"]
    import duckdb
    count = duckdb.execute(f"select count(*) from '{data}/clean.parquet'").fetchone()[0]
    text += table(["stored", "bytes", "a row"], [[name, f"{size(data / name):,}", f"{size(data / name) / count:.2f}"] for name in names if (data / name).exists()])
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ["duckdb", "polars", "chdb", "datafusion", "numpy", "pyarrow"])
    text += f"\n{count:,} invocations; {versions}; {datetime.date.today()}; load of the machine at the end {os.getloadavg()[0]:.1f}.\n"
    print(text)
    if arguments.markdown:
        pathlib.Path(arguments.markdown).write_text(text)


main()
