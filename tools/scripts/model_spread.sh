#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The figures of several runs of `make model` beside each other, with their mean and standard deviation,
# as a table. Usage: tools/scripts/model_spread.sh build/model.work/full-{1,2,3}/model/README.md
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: tools/scripts/model_spread.sh README.md README.md...: cards of two or more runs" >&2; exit 2; }

awk -F ' *[|] *' '
    FNR == 1 { card[++runs] = FILENAME; inside = 0 }
    /^## / { inside = $0 == "## Figures" }
    inside && $3 ~ /^[0-9]/ {
        if (runs == 1) what[++rows] = $2
        figures[$2, runs] = $3
    }
    function fail(message) { print "model_spread: " message > "/dev/stderr"; exit 1 }
    function mean_and_deviation(row,    part, sum, squares, text, n, r, i, mean, variance) {
        for (r = 1; r <= runs; r++) {
            n = split(figures[row, r], part, " / ")
            for (i = 1; i <= n; i++) { sum[i] += part[i]; squares[i] += part[i] * part[i] }
        }
        for (i = 1; i <= n; i++) {
            mean = sum[i] / runs
            variance = (squares[i] - runs * mean * mean) / (runs - 1)
            text = text (i > 1 ? " / " : "") sprintf("%.3f ±%.3f", mean, variance > 0 ? sqrt(variance) : 0)
        }
        return text
    }
    END {
        if (!rows) fail(card[1] ": no figures: expected a card that tools/scripts/model_card.sh made")
        for (i = 1; i <= rows; i++)
            for (r = 2; r <= runs; r++)
                if (!((what[i], r) in figures)) fail(card[r] ": no figure \"" what[i] "\", which " card[1] " has")
        printf "| |"
        for (r = 1; r <= runs; r++) printf " run %d |", r
        printf " mean and deviation |\n|---|"
        for (r = 0; r <= runs; r++) printf "---|"
        for (i = 1; i <= rows; i++) {
            printf "\n| %s |", what[i]
            for (r = 1; r <= runs; r++) printf " %s |", figures[what[i], r]
            printf " %s |", mean_and_deviation(what[i])
        }
        print ""
    }' "$@"
