// SPDX-License-Identifier: Apache-2.0
// Weight files whose tensors are known: what tools/reference/dump_weights.py writes as JSON.
#pragma once

#define ZIP "PyTorch zip archive"
#define LEGACY "PyTorch pickle stream (before 1.6)"

// Fails the test unless the file is of the format and holds exactly the tensors of the JSON file
// `expected`: names, types, shapes and bytes.
void expected_weights(const char *path, const char *expected, const char *format);
