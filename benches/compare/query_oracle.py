#!/usr/bin/env python3
"""The answers of all jobs by plain loops over raw.parquet: `query_oracle.py DATA OUTPUT` writes OUTPUT/JOB.csv.

Slow and short, written from the text of README.md alone and sharing nothing with query_peers.py: for a few thousand rows,
to tell whether all engines are wrong alike. With --compare DIRECTORY it says which answers in there, JOB-ENGINE.csv as
queries.py leaves them with --out, differ; exit code 1 when one does."""
import argparse, collections, pathlib, sys

US = 1_000_000
SIZES = [128, 256, 512, 1024, 1536, 1769, 2048, 3008, 4096, 10240]


def up(number, step):
    return -(-number // step) * step


def billed_ms(duration_us, divisor=1):
    """By the four rules, of a duration of `duration_us` / `divisor`."""
    rules = [up(duration_us, step * divisor) // divisor // 1000 for step in (1_000, 100_000, 1_000_000)]
    return [*rules, max(60_000, rules[2])]


def rank(values, percent):
    return up(sorted(values)[up(len(values) * percent, 100) // 100 - 1], 1000) // 1000


def duration_charge(mb_ms):
    """Of all MB-ms of a month so far."""
    gb_s, left, charge = 1_024_000, mb_ms - 4_000 * 1_024_000, 0
    for width, price in ((60_000 * gb_s, 166_667), (90_000 * gb_s, 150_000), (left, 133_334)):
        part = max(0, min(left, width))
        charge, left = charge + part * price, left - part
    return charge


def answers(calls):
    """Of (team, function, memory, duration, start, initialisation), each call once."""
    requests, use, durations, busy = collections.Counter(), collections.Counter(), collections.defaultdict(list), collections.defaultdict(list)
    by_rule, by_size, last_week = {}, {}, collections.Counter()
    for team, function, memory, duration, start, _ in calls:
        billed, key = billed_ms(duration), (start // (86_400 * US), function, team)
        requests[key] += 1
        use[key] += billed[1] * memory
        durations[function].append((key[0], duration))
        busy[start // (3600 * US)].append(duration)
        last_week[function] += billed[1] * memory * (start >= 1_779_667_200 * US)
        by_rule[function] = [a + b for a, b in zip(by_rule.get(function, [0] * 4), billed)]
        sizes = [one for size in SIZES for one in billed_ms(duration * memory, size)]
        by_size[function] = [a + b for a, b in zip(by_size.get(function, [0] * 40), sizes)]
    rated, before, so_far = [], 0, 0
    for day, function, team in sorted(requests):
        n, mb_ms = requests[day, function, team], use[day, function, team]
        free = lambda count: 2 * max(0, count - 100_000)
        rated.append((day, function, n, mb_ms, duration_charge(so_far + mb_ms) - duration_charge(so_far), free(before + n) - free(before)))
        before, so_far = before + n, so_far + mb_ms
    yield from ((job, rated) for job in ("j2a", "j2b", "j2c"))
    yield "q1", [(team, function, day, requests[day, function, team], use[day, function, team]) for day, function, team in requests]
    yield "q2", sorted(((function, sum_) for function, sum_ in last_week.items() if sum_), key=lambda row: (-row[1], row[0]))[:20]
    yield "q3", [(function, len(all_), *(rank([one for _, one in all_], percent) for percent in (50, 95, 99))) for function, all_ in durations.items()]
    yield "q4", [(hour, len(all_), sum(all_)) for hour, all_ in busy.items()]
    one = "image-image-0009"
    yield "q5", [(day, n, use[day, function, team], rank([duration for on, duration in durations[one] if on == day], 95))
                 for (day, function, team), n in requests.items() if function == one]
    yield "j4a", [(function, *sums) for function, sums in by_rule.items()]
    yield "j4b", [(function, *sums) for function, sums in by_size.items()]
    yield "j4c", peaks(calls)


def peaks(calls):
    """What runs at the full hour and after each start of the hour, ends taken off first."""
    changes = sorted([(start, 1) for *_, start, _ in calls] + [(start + duration + init, -1) for *_, duration, start, init in calls])
    running, at, found = 0, 0, []
    for hour in range(493_776, 493_776 + 744):
        while at < len(changes) and changes[at] <= (hour * 3600 * US, -1):
            running, at = running + changes[at][1], at + 1
        peak = running
        while at < len(changes) and changes[at][0] < (hour + 1) * 3600 * US:
            running, at = running + changes[at][1], at + 1
            peak = max(peak, running)
        found.append((hour, peak))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("output")
    parser.add_argument("--compare", help="directory of answers to compare with")
    arguments = parser.parse_args()
    import pyarrow.parquet
    table = pyarrow.parquet.read_table(f"{arguments.data}/raw.parquet")
    starts = table["started_at"].cast("int64").to_pylist()
    rows = zip(table["request_id"].to_pylist(), table["team"].to_pylist(), table["function"].to_pylist(), table["memory_mb"].to_pylist(),
               table["duration_us"].to_pylist(), starts, (init or 0 for init in table["init_us"].to_pylist()))
    output, differ = pathlib.Path(arguments.output), 0
    output.mkdir(parents=True, exist_ok=True)
    for job, lines in answers([row[1:] for row in dict.fromkeys(rows)]):
        (output / f"{job}.csv").write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
        others = [] if not arguments.compare else [*pathlib.Path(arguments.compare).glob(f"{job}-*.csv"), *pathlib.Path(arguments.compare).glob(f"{job}.csv")]
        wrong = [path.name for path in others if sorted(path.read_text().splitlines()) != sorted((output / f"{job}.csv").read_text().splitlines())]
        differ += len(wrong)
        print(f"{job}: {len(lines)} rows" + (f", {len(others) - len(wrong)} of {len(others)} answers equal" if others else "") + "".join(f", {name} differs" for name in wrong))
    sys.exit(1 if differ else 0)


main()
