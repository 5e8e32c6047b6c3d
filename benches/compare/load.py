#!/usr/bin/env python3
"""Dashboard users at a server that ingests: latencies of every page, and what ingest takes beside them.

    paygrain --lake /tmp/load serve --samples --listen 127.0.0.1:8090
    load.py --url http://127.0.0.1:8090 --alone a.log --beside b.log [--query "account=1&region=us-east-1"] [--users 64]

Only the standard library. Three phases: the file `a` is uploaded alone; then the users look at pages alone; then they do
while the file `b` is uploaded, which must have other rows than `a` (`generate_usage lambda 300000 8`, and `9`). A user asks
for a page, waits for all of it, pauses, and asks for the next, over a connection that stays open, as a browser does. What is
asked is drawn by a seed from pages and API resources of the months with the most and the latest usage. An answer other than
200, a cut one or one that takes more than a minute is an error. Processor time and peak memory of the server are those that
/proc tells; the peak begins anew with each phase where the kernel allows it.

Exit code 1 when an upload or any request failed.
"""
import argparse, asyncio, http.client, json, os, pathlib, random, re, sys, threading, time, urllib.parse

TIMEOUT_S = 60
# How often each is asked, of all, and for which month: {period} is one of those looked at.
MIX = [
    (20, "/?period={period}"), (10, "/bill?period={period}"), (15, "/bill?period={period}&by=service,resource"),
    (10, "/bill?period={period}&by=day,service"), (5, "/bill.csv?period={period}&by=service,resource"), (10, "/explain?charge={charge}"),
    (5, "/uploads"), (5, "/api/v1/periods"), (10, "/api/v1/overview?period={period}"), (10, "/api/v1/charges?period={period}&by=service,day"),
    (5, "/api/v1/uploads"), (5, "/api/v1/explain?charge={charge}"),
]


class Server:
    """The server by its address, and the process behind it."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname, parts.port or 80
        self.process = self.find_process()

    def find_process(self):
        """The process that listens on the port, if it is one of ours."""
        sockets = {line.split()[9] for table in ("tcp", "tcp6") for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]
                   if line.split()[3] == "0A" and int(line.split()[1].split(":")[1], 16) == self.port}
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                links = {os.readlink(link) for link in (process / "fd").iterdir()}
            except OSError:
                continue
            if links & {f"socket:[{inode}]" for inode in sockets}:
                return process
        return None

    def get(self, path):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {body[:300]!r}")
        return body

    def put(self, path, query):
        """Uploads a file; how long it took, and what the server says."""
        begin = time.perf_counter()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=3600)
        with open(path, "rb") as file:
            name = urllib.parse.quote(os.path.basename(path))
            connection.request("PUT", f"/api/v1/uploads/{name}?{query}", file, {"Content-Length": str(os.path.getsize(path))})
            answer = connection.getresponse()
        said = answer.read()
        if answer.status != 201:
            sys.exit(f"{path} is not new, or was refused: {answer.status} {said[:300]!r}")
        return time.perf_counter() - begin, sum(upload["accepted"] for upload in json.loads(said)["uploads"])

    def cpu_s(self):
        fields = (self.process / "stat").read_text().rsplit(")", 1)[1].split() if self.process else [0] * 13
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def begin_peak(self):
        try:
            (self.process / "clear_refs").write_text("5")
        except (OSError, TypeError):
            print("the peak of memory is that since the server began", file=sys.stderr)

    def peak_mb(self):
        status = (self.process / "status").read_text() if self.process else "VmHWM: 0 kB"
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024


class Pages:
    """What users ask for: drawn from the mix, for the months and charges that the server has."""

    def __init__(self, server, months):
        periods = json.loads(server.get("/api/v1/periods"))["periods"]
        if not periods:
            sys.exit("the server has no usage to look at")
        self.periods, self.charges = months or [periods[0], periods[-1]], {}
        for period in self.periods:
            bill = json.loads(server.get(f"/api/v1/charges?period={period}"))
            self.charges[period] = [urllib.parse.quote(charge["id"], safe="") for charge in bill["charges"]]

    def draw(self, chance):
        """A kind of page, as it is reported, and its address."""
        while True:
            kind = chance.choices([kind for _, kind in MIX], [weight for weight, _ in MIX])[0]
            period = chance.choice(self.periods)
            if "{charge}" not in kind or self.charges[period]:
                return kind, kind.format(period=period, charge=chance.choice(self.charges[period] or [""]))


class User:
    def __init__(self, server, pages, chance, think_s, timings):
        self.server, self.pages, self.chance, self.think_s, self.timings = server, pages, chance, think_s, timings
        self.streams = None

    async def look(self, until):
        # Not all at once: users come within a pause of each other.
        await asyncio.sleep(self.chance.random() * self.think_s)
        while not until():
            kind, path = self.pages.draw(self.chance)
            begin = time.perf_counter()
            try:
                await asyncio.wait_for(self.get(path), TIMEOUT_S)
                error = None
            except (OSError, ValueError, EOFError, asyncio.TimeoutError) as reason:
                error = f"{path}: {type(reason).__name__} {reason}"
                self.hang_up()
            self.timings.append((kind, time.perf_counter() - begin, error))
            await asyncio.sleep(self.chance.expovariate(1 / self.think_s) if self.think_s else 0)
        self.hang_up()

    def hang_up(self):
        if self.streams:
            self.streams[1].close()
        self.streams = None

    async def get(self, path):
        if not self.streams:
            self.streams = await asyncio.open_connection(self.server.host, self.server.port)
        reader, writer = self.streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.server.host}:{self.server.port}\r\nAccept: */*\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = re.search(r"\r\ncontent-length: *(\d+)", head)
        if length:
            await reader.readexactly(int(length[1]))
        elif "\r\ntransfer-encoding: chunked" in head:
            while size := int((await reader.readline()).split(b";")[0], 16):
                await reader.readexactly(size + 2)
            await reader.readline()
        else:
            raise ValueError("an answer without a length")
        if "\r\nconnection: close" in head:
            self.hang_up()
        if head.split()[1] != "200":
            raise ValueError(head.split("\r\n")[0])


async def look(server, pages, arguments, until):
    timings = []
    users = [User(server, pages, random.Random(arguments.seed * 1000 + number), arguments.think, timings) for number in range(arguments.users)]
    await asyncio.gather(*(user.look(until) for user in users))
    return timings


def percentile(ordered, percent):
    """The nearest rank."""
    return ordered[(len(ordered) * percent + 99) // 100 - 1]


def report(title, timings, wall, server, cpu_s):
    print(f"\n## {title}\n\n| | requests | errors | p50 ms | p95 ms | p99 ms | max ms |\n|---|---|---|---|---|---|---|")
    for kind in [kind for _, kind in MIX] + ["all"]:
        chosen = [timing for timing in timings if kind in ("all", timing[0])]
        ordered = sorted(took for _, took, error in chosen if not error)
        cells = [f"{percentile(ordered, percent) * 1000:.1f}" if ordered else "–" for percent in (50, 95, 99, 100)]
        print(f"| {'**all**' if kind == 'all' else f'`{kind}`'} | {len(chosen)} | {sum(1 for one in chosen if one[2])} | {' | '.join(cells)} |")
    print(f"\n{len(timings) / wall:.0f} requests a second for {wall:.1f} s; the server took {cpu_s:.2f} CPU seconds, peak {server.peak_mb()} MB.")
    for error in [error for _, _, error in timings if error][:5]:
        print(f"- {error}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, help="of a server on the loopback interface")
    parser.add_argument("--alone", help="file to upload before anyone looks")
    parser.add_argument("--beside", help="file to upload while users look")
    parser.add_argument("--query", default="", help="what goes with both uploads: account=1&region=us-east-1")
    parser.add_argument("--users", type=int, default=64)
    parser.add_argument("--think", type=float, default=1.0, help="mean pause of a user between pages, in seconds")
    parser.add_argument("--seconds", type=float, default=20, help="how long users look alone, and at least beside the upload")
    parser.add_argument("--months", help="which to look at, such as 2026-05,2026-10; otherwise the latest and the first")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    server, failed, alone = Server(arguments.url), 0, None
    print(f"{arguments.users} users, a pause of {arguments.think:g} s on average, load of the machine before {os.getloadavg()[0]:.1f}")
    if arguments.alone:
        server.begin_peak()
        before = server.cpu_s()
        alone, rows = server.put(arguments.alone, arguments.query)
        print(f"\nUpload alone: {rows:,} new rows in {alone:.2f} s, {server.cpu_s() - before:.2f} CPU seconds, peak {server.peak_mb()} MB.")
    pages = Pages(server, arguments.months.split(",") if arguments.months else None)
    for title, file in [("Users alone", None), *([("Users beside an upload", arguments.beside)] if arguments.beside else [])]:
        server.begin_peak()
        begin, before, uploaded = time.perf_counter(), server.cpu_s(), []

        def upload():
            try:
                uploaded.append(server.put(file, arguments.query))
            except (Exception, SystemExit) as reason:
                print(f"The upload failed: {reason}", file=sys.stderr)

        thread = threading.Thread(target=upload, daemon=True)
        if file:
            thread.start()
        over = lambda: time.perf_counter() - begin > arguments.seconds and not thread.is_alive()
        timings = asyncio.run(look(server, pages, arguments, over))
        report(title, timings, time.perf_counter() - begin, server, server.cpu_s() - before)
        failed += sum(1 for _, _, error in timings if error)
        failed += bool(file) and not uploaded
        for took, rows in uploaded:
            ratio = f", {took / alone:.2f} times as long as alone" if alone else ""
            print(f"Upload beside {arguments.users} users: {rows:,} new rows in {took:.2f} s{ratio}.")
    sys.exit(1 if failed else 0)


main()
