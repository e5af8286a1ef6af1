#!/bin/sh
# SPDX-License-Identifier: MIT
# --trace, trace-svg, --stats, --joblog: what is told of a run.
# shellcheck source=tests/stream/common.inc
. "$(dirname "$0")/common.inc"
padata=$(realpath "$padata")
cd "$work" || exit 1
seq 1 100000 >in

# Rows for reading, writing and each CPU; each job once in the first two; no two jobs in one row at a time.
trace()
{
	"$@" >/dev/null && python3 - <<'P'
import json, sys
events = json.load(open("trace"))
# What the Chrome trace format asks of each kind of event; times are in microseconds.
needs = {"X": {"ts", "dur", "pid", "tid", "name"}, "C": {"ts", "pid", "name", "args"}, "M": {"pid", "tid", "name", "args"}}
for e in events:
    assert needs[e["ph"]] <= e.keys() and all(e[k] >= 0 for k in ("ts", "dur") if k in e), e
assert max(e["ts"] + e["dur"] for e in events if e["ph"] == "X") < 600e6
names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
spans = [e for e in events if e["ph"] == "X"]
rows = {}
for e in spans:
    rows.setdefault(names[e["tid"]], []).append(e)
reads = [e["name"] for e in rows["reading"]]
writes = [e["name"] for e in sorted(rows["writing, in order"], key=lambda e: e["ts"]) if e["name"].startswith("write")]
cpus = [r for r in rows if r.startswith("CPU ")]
assert reads == ["read %d" % (i + 1) for i in range(len(reads))] and len(reads) > 3, reads
assert writes == ["write %d" % (i + 1) for i in range(len(reads))], writes
assert cpus
for row in cpus:
    end = 0
    for e in sorted(rows[row], key=lambda e: e["ts"]):
        assert e["ts"] >= end - 0.01, (row, e)
        end = e["ts"] + e["dur"]
assert sum(len(rows[r]) for r in cpus) == len(reads)
P
}

svg()
{
	"$padata" trace-svg trace >trace.svg && python3 -c '
import xml.dom.minidom
d = xml.dom.minidom.parse("trace.svg")
assert len(d.getElementsByTagName("rect")) > 10
assert "reading" in [t.firstChild.data for t in d.getElementsByTagName("text")]'
}

help()
{
	for name in pipe map gzip cpus trace-svg; do
		status_is 0 "$padata" $name --help && grep -q "^usage: padata $name" out && [ ! -s err ] || return 1
	done
	status_is 0 "$padata" --help && [ ! -s err ] && status_is 1 "$padata" && status_is 1 "$padata" none && [ "$(wc -l <err)" -eq 1 ] &&
		status_is 1 sh -c '"$1" pipe --help >/dev/full' sh "$padata"
}

svg_refuses()
{
	status_is 1 "$padata" trace-svg nowhere && status_is 1 "$padata" trace-svg in && status_is 1 "$padata" trace-svg
}

stats()
{
	status_is 0 "$padata" pipe --block 100k --stats json -- cat <in && jq -e '.jobs == 6 and .bytes_in == 588895 and
		.bytes_out == 588895 and .failed == 0 and .held_peak > 0 and .rss_peak > 0 and .status == 0' err >/dev/null
}

joblog()
{
	seq 1 4 | "$padata" map --joblog log -- sh -c 'echo $1; [ $1 != 2 ] || exit 9; [ $1 != 3 ] || kill -9 $$' sh >out 2>err
	[ "$(cut -f 1,7,8 log | tr '\n\t' '| ')" = 'Seq Exitval Signal|1 0 0|2 9 0|3 0 9|' ] && [ "$(awk -F '\t' 'NR == 2 { print NF }' log)" -eq 9 ]
}

ok "trace: of pipe" trace "$padata" pipe --block 50k --trace trace -a in -- cat
ok "trace: a picture of it" svg
ok "trace: of map" trace "$padata" map -j 5 --trace trace -a /etc/passwd -- sh -c :
ok "trace: of gzip" trace "$padata" gzip --block 50k --trace trace -a in
ok "trace: a picture of nothing" svg_refuses
ok "help: of each subcommand" help
ok "stats: as JSON" stats
ok "joblog: a line for each job" joblog
exit $cases_failed
