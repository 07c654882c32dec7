# shellcheck shell=bash disable=SC2154
# Keeps measured values and prints them. Sourced by run, which sets the variables.

# record FIGURE VALUE
record() {
    printf '%s %s\n' "$1" "$2" >>"$scratch/results"
    say "    $2"
}

# values FIGURE: in the order they were measured.
values() { awk -v figure="$1" '$1 == figure { print $2 }' "$scratch/results"; }

# summary: minimum, median and maximum of the numbers on standard input.
summary() {
    sort -g | awk '
        { value[NR] = $1 }
        END {
            if (NR) print value[1], (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2, value[NR]
        }'
}

headline() {
    printf '# Aftercare, measured\n\n%s, %s x %s, %s, Linux %s, %s rounds of %s s, load average at the start %s\n' \
        "$(date -u +%Y-%m-%dT%H:%MZ)" "$(nproc)" "$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)" \
        "$("$PGBIN/postgres" --version)" "$(uname -r)" "$rounds" "$seconds" "$(cut -d ' ' -f 1-3 /proc/loadavg)"
}

title() {
    printf '\n## %s\n\n| figure | min | median | max | unit | target | |\n|---|--:|--:|--:|---|---|---|\n' "$1"
}

# row LABEL FORMAT UNIT [TARGET]: the line of the numbers on standard input. TARGET is a bound such as ">= 0.55".
row() {
    summary | awk -v label="$1" -v format="$2" -v unit="$3" -v target="${4:-}" '
        function verdict(median, parts) {
            if (split(target, parts, " ") < 2) return ""
            return (parts[1] == ">=" ? median >= parts[2] : median <= parts[2]) ? "met" : "**missed**"
        }
        {
            printf "| %s | " format " | " format " | " format " | %s | %s | %s |\n", label, $1, $2, $3, unit, target,
                verdict($2)
        }
        END { if (!NR) printf "| %s | | | | %s | %s | not measured |\n", label, unit, target }'
}

# figure NAME LABEL UNIT [TARGET]
figure() { values "$1" | row "$2" '%.0f' "$3" "${4:-}"; }

# ratio NAME REFERENCE LABEL TARGET: round by round, so that a slow minute of the machine counts for both.
ratio() { paste <(values "$1") <(values "$2") | awk '$2 > 0 { print $1 / $2 }' | row "$3" '%.2f' 'x' "$4"; }
