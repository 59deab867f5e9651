// SPDX-License-Identifier: Apache-2.0
// How many processors this process may keep busy.
#pragma once

// The processors of its affinity mask, but no more than the quota of its control group grants
// (containers started with a number of CPUs: more threads than that only wait for each other); at
// least 1. Control groups of both versions are read below root, which is "/" but for tests.
int tn_processors(const char *root);
