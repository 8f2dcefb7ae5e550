#!/usr/bin/env bash
# Runs the rows of `cargo bench` for two commits in turns, row by row, so that a machine whose speed drifts is as unfair to
# one as to the other. Prints the median of each, and the median of their ratio round by round.
#
#   benches/compare.sh [BASE [NEW]]    BASE: a commit, by default HEAD. NEW: a commit, by default the working tree.
#
# ROUNDS=15 sets the number of rounds, ROWS='gate/' chooses rows by a regular expression.
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:-HEAD} new=${2:-} rounds=${ROUNDS:-15} rows=${ROWS:-.}

work=$(mktemp -d)
clean() {
    for side in base new; do
        [ ! -d "$work/$side" ] || git worktree remove --force "$work/$side"
    done
    rm -rf "$work"
}
trap clean EXIT

# Builds the benchmark of a commit, or of the working tree, and copies it to where its side is run.
build() {
    local side=$1 commit=$2 source=$PWD
    if [ -n "$commit" ]; then
        source=$work/$side
        git worktree add --quiet --detach "$source" "$commit"
    fi
    [ -f "$source/benches/overhead.rs" ] || { echo "$commit has no benches/overhead.rs" >&2; exit 2; }
    echo "building ${commit:-the working tree} ..." >&2
    (cd "$source" && CARGO_TARGET_DIR="$target" cargo bench --quiet --bench overhead --no-run --message-format json) \
        | sed -n 's/.*"name":"overhead".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1 > "$work/path"
    cp "$(cat "$work/path")" "$work/$side.bench"
}
target=$PWD/target/compare
build base "$base"
build new "$new"

# Nanoseconds of one row.
measure() {
    CRITERION_HOME=$work/criterion "$work/$1.bench" --bench --exact "$2" --noplot --output-format bencher \
        --warm-up-time 0.2 --measurement-time 0.5 --sample-size 10 \
        | sed -n 's/.*bench: *\([0-9,][0-9,]*\) ns.*/\1/p' | tr -d ,
}

"$work/new.bench" --bench --list | sed -n 's/: benchmark$//p' | grep -E -- "$rows" > "$work/names"
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    while IFS= read -r name; do
        # Who is first changes from round to round.
        sides="base new"
        [ $((round % 2)) -eq 0 ] || sides="new base"
        for side in $sides; do
            measure "$side" "$name" > "$work/$side.value"
        done
        printf '%s\t%s\t%s\n' "$name" "$(cat "$work/base.value")" "$(cat "$work/new.value")" >> "$work/values"
    done < "$work/names"
done

awk -F '\t' -v base="$base" -v new="${new:-working tree}" '
    function median(list, n,    i, j, held) {
        for (i = 2; i <= n; i++) {
            held = list[i]
            for (j = i - 1; j >= 1 && list[j] > held; j--) list[j + 1] = list[j]
            list[j + 1] = held
        }
        return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    $2 > 0 && $3 > 0 {
        if (!($1 in count)) names[++rows] = $1
        n = ++count[$1]; a[$1, n] = $2; b[$1, n] = $3
    }
    END {
        printf "%-32s %12s %12s %7s\n", "nanoseconds a request", substr(base, 1, 12), substr(new, 1, 12), "ratio"
        for (row = 1; row <= rows; row++) {
            name = names[row]; n = count[name]
            for (i = 1; i <= n; i++) { x[i] = a[name, i]; y[i] = b[name, i]; r[i] = b[name, i] / a[name, i] }
            ratio = median(r, n)
            printf "%-32s %12.0f %12.0f %7.2f%s\n", name, median(x, n), median(y, n), ratio, (ratio > 1.05) ? "  slower" : ""
        }
    }' "$work/values"
