// SPDX-License-Identifier: Apache-2.0
// Number of processors that this process may keep busy.
#pragma once

// The processors in the affinity mask, limited by the CPU quota of the control group (in a
// container that has one, more threads than that only wait for each other); at least 1. Control
// groups v1 and v2 are read below root, which is "/" except in tests.
int tn_processors(const char *root);
